"""Tasks whose result is fetched: publish, execute, store, read.

    locust -f loadtests/results.py --headless -u 10 -t 20s

What this stresses: the result store and the client that waits. Response time is the whole round trip, one subscription
and some six commands of Redis a task. Each value is different and is compared: a result that went to the wrong
waiter is a failure.
"""

from __future__ import annotations

import itertools

from locust import task

from rig.load.celery_user import CeleryUser

_values = itertools.count()


class Results(CeleryUser):
    """Sends app.echo to `short` and waits for its answer; the next one when it is here."""

    weight = 2
    queues = ("short",)
    waits = True

    @task
    def echo(self) -> None:
        """Send one and wait for it."""
        value = next(_values)
        self.celery.send("app.echo", (value,), queue="short", wait=True, expect=value)
