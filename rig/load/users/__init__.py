"""A Locust test with our users: its start, its end, its metrics, and what it says of itself."""
