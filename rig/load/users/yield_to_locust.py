"""Gives Locust its turn while users send, even to a broker that makes nobody wait.

Greenlets run one at a time, and as a rule a user lets the others run when it waits for the broker. A task that sends in
a loop and asks for no confirms hardly ever waits, and never where the broker is in the same process: without this
nothing would reach such a process any more, neither its master's heartbeats nor the end of its time nor a signal.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

import gevent

BEAT_SECONDS = 0.25
STARVED_SECONDS = 1.0
TURN_SECONDS = 0.001  # 0 would not do: gevent looks at sockets and timers only when no greenlet is ready to run


class Pulse:
    """Beats while gevent's loop goes round; a request that comes when it has stopped makes its user step aside."""

    def __init__(self) -> None:
        self._last_beat = monotonic()

    def attach(self, events: Any) -> None:
        """Start to beat, and listen to Locust's requests: they end a send, when nothing of it is under way any more."""
        gevent.spawn(self._beat)
        events.request.add_listener(self.give_way)

    def give_way(self, **_: Any) -> None:
        """Let the others run if they had no turn for a second. A user who waits for a broker never gets here late."""
        if monotonic() - self._last_beat > STARVED_SECONDS:
            gevent.sleep(TURN_SECONDS)

    def _beat(self) -> None:
        while True:
            self._last_beat = monotonic()
            gevent.sleep(BEAT_SECONDS)
