"""How late gevent's loop lets a greenlet run that is due: what a busy generator does to its own schedule."""

from __future__ import annotations

from array import array
from time import monotonic_ns

import gevent

TICK_NS = 5_000_000


class Ticker:
    """Due every 5 ms while it runs; `late_ns` is how late it was each time. Use it in a `with` block.

    What was due before the monotonic time `since_ns` does not count: making all users at once holds the loop up, and
    does no harm before the first planned time.
    """

    def __init__(self, since_ns: int = 0) -> None:
        self.late_ns = array("q")
        self._since_ns = since_ns
        self._greenlet = gevent.Greenlet(self._run)

    def __enter__(self) -> Ticker:
        self._greenlet.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            due = monotonic_ns() + TICK_NS
            gevent.sleep(TICK_NS / 1e9)
            if due >= self._since_ns:
                self.late_ns.append(monotonic_ns() - due)
