"""Short tasks that do nothing, in a closed loop.

    locust -f loadtests/noop.py --headless -u 10 -t 20s
    locust -f loadtests/noop.py --headless -u 10 -t 20s --tasks-per-second 0     as fast as it goes

What this stresses: the way itself. A task without work leaves only what Celery, broker and worker do for every task:
serialise, publish, confirm, route, fetch, acknowledge. Here that is where all the time goes.
"""

from __future__ import annotations

from locust import task

from rig.load.celery_user import CeleryUser


class Noop(CeleryUser):
    """Sends app.noop to `short`; the next one when the broker has confirmed the last."""

    weight = 3
    queues = ("short",)

    @task
    def noop(self) -> None:
        """Send one."""
        self.celery.send("app.noop", queue="short")
