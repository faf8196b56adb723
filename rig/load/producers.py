"""Producers that the greenlets of a process take turns with, each with a connection of its own.

Celery's pool does the same, but takes a producer apart after each send and puts it together again before the next one.
Here it goes from hand to hand as it is, which is a good part of what a send costs (docs/selfbench.md).
"""

from __future__ import annotations

import sys
from typing import Any

from gevent.queue import LifoQueue


class Producers:
    """As many producers as Celery's pool of `app` holds, all taken from it; further greenlets wait for one.

    A greenlet has the one it takes for itself until it gives it back: a channel must not be used by two at once.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._limit = app.conf.broker_pool_limit or 0
        self._free = LifoQueue(items=[None] * self._limit)  # None: not made yet; the last one first

    def take(self) -> Any:
        """Return a producer that nobody else uses, None to have Celery make one. Connects only when it is used."""
        if not self._limit:  # then Celery is to open a connection for each send
            return None
        producer = self._free.get()
        if producer is not None:
            return producer
        try:
            return self._app.amqp.producer_pool.acquire(block=True)
        except BaseException:
            self._free.put(None)
            raise

    def give_back(self, producer: Any) -> None:
        """Let the next greenlet have `producer`: its send went well."""
        if producer is not None:
            self._free.put(producer)

    def give_up(self, producer: Any) -> None:
        """In the `except` block of a send: return `producer` to Celery's pool, which closes its connection."""
        if producer is None:
            return
        try:
            producer.__exit__(*sys.exc_info())
        finally:
            self._free.put(None)
