"""When to send: arrivals, their schedules, and timers that keep to them."""
