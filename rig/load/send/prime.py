"""Makes beforehand what the first sends of a process and of each of its users would make, without sending a task.

Celery keeps a result backend for each thread, so under gevent each user has one of its own: with its first send a user
makes the backend, its connection and its subscription, all while it holds one of the few producers. Measured with the
sends that follow, that is a latency which no application has that has run for a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from celery.exceptions import TimeoutError as NoResultYet
from kombu.utils.uuid import uuid

Lend = Callable[[], AbstractContextManager[Any]]  # gives a producer of the app's pool for a `with` block


def connect(app: Any, lend: Lend, queues: Iterable[str]) -> None:
    """Open the connections of the whole pool, each as a first send to each of `queues` leaves it.

    Waits for producers that are in use. Never in two greenlets at once: each would wait for what the other holds.
    """
    with ExitStack() as held:
        for _ in range(app.conf.broker_pool_limit or 0):
            producer = held.enter_context(lend())
            for queue in queues:
                producer.maybe_declare(app.amqp.queues[queue])
            _ready(producer.channel)


def _ready(channel: Any) -> None:
    """Have an open channel do what it does by itself before it publishes for the first time."""
    if hasattr(channel, "conn_or_acquire"):  # Redis: it publishes on another connection than it was opened on
        with channel.conn_or_acquire() as client:
            client.ping()
    elif hasattr(channel, "confirm_select") and channel.connection.confirm_publish and not channel._confirm_selected:
        channel._confirm_selected = True
        channel.confirm_select()


def subscribe(app: Any, lend: Lend, wait: bool) -> None:
    """Have the calling greenlet's result backend do what it does for a task: subscribe, let go, with `wait` also ask.

    By the same calls as a send and the dropping of its result: on Redis that is SUBSCRIBE and UNSUBSCRIBE on a
    connection that stays, on RPC the declaration of the reply queue.
    """
    never_sent = uuid()
    with lend() as producer:
        app.backend.on_task_call(producer, never_sent)
    result = app.AsyncResult(never_sent)
    if wait:
        try:
            result.get(timeout=0)
        except NoResultYet:
            pass
        finally:
            result.backend.remove_pending_result(result)
