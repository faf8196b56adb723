"""Producers that the greenlets of a process take turns with, each with a connection of its own.

Celery's pool does the same, but takes a producer apart after each send and puts it together again before the next one.
Here it goes from hand to hand as it is, which is a good part of what a send costs (docs/selfbench.md).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.queue import LifoQueue


class Producers:
    """As many producers as Celery's pool of `app` holds, all taken from it; further greenlets wait for one.

    A greenlet has the one that it is lent for itself: a channel must not be used by two at once.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._limit = app.conf.broker_pool_limit or 0
        self._free = LifoQueue(items=[None] * self._limit)  # None: not made yet; the last one first

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """Give a producer that nobody else uses; it connects only when it is used. One that fails is not used again."""
        if not self._limit:  # then Celery is to open a connection for each send
            with self._app.producer_or_acquire() as producer:
                yield producer
            return
        producer = self._take()
        try:
            yield producer
        except BaseException:
            self._give_up(producer)
            raise
        self._free.put(producer)

    def sending(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does what `call`, one of `rig.load.send.calls`, does, with a producer from here."""

        def send(*args: Any, **options: Any) -> Any:
            with self.lend() as producer:
                return call(*args, producer=producer, **options)

        return send

    def close(self) -> None:
        """Let Celery's pool have those back that are not in use: the next app for the same broker shares it."""
        while not self._free.empty():
            producer = self._free.get()
            if producer is not None:
                producer.release()

    def _take(self) -> Any:
        producer = self._free.get()
        if producer is not None:
            return producer
        try:
            return self._app.amqp.producer_pool.acquire(block=True)
        except BaseException:
            self._free.put(None)
            raise

    def _give_up(self, producer: Any) -> None:
        """In the `except` block of a send: return `producer` to Celery's pool, which closes its connection."""
        try:
            producer.__exit__(*sys.exc_info())
        finally:
            self._free.put(None)
