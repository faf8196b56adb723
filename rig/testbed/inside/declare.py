"""Declares all queues of a cell, before the first of its several workers starts.

    python -m rig.testbed.inside.declare       in the container of one of them, with its environment

A worker declares only the queues that it consumes (-Q), but binds every queue that it knows of to the exchanges of
native delayed delivery. A queue of another worker, which is not as far yet, is "(404) NOT_FOUND" then.
https://github.com/celery/celery/blob/v5.7.0/celery/worker/consumer/delayed_delivery.py (`_bind_queues`)

Redis binds nothing to a queue that is not there. These are then the bindings that the workers make by themselves.
"""

from __future__ import annotations

from celery import Celery
from celery.app.utils import find_app


def declare(app: Celery) -> None:
    """Declare every queue that `app` knows of, with its exchange and its binding, as a worker does with its own."""
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue.bind(connection.default_channel).declare()


if __name__ == "__main__":
    declare(find_app("app"))
