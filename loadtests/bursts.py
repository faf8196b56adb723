"""Short tasks that do nothing, all at once every two seconds, in an open loop.

    locust -f loadtests/bursts.py --headless -t 20s
    locust -f loadtests/bursts.py --headless -t 60s --arrivals "ramp from=10 to=500 seconds=50"
    locust -f loadtests/bursts.py --headless -t 60s --arrivals "trace file=tasks.parquet"

What this stresses: the queue and the pool of connections. The last task of a burst is sent when the others are, so its
time from plan to publish is what a burst of that size costs the caller who comes last.
"""

from __future__ import annotations

from locust import task

from rig.load.celery_user import OpenLoopUser


class Bursts(OpenLoopUser):
    """Sends app.noop to `short`, a hundred at a time."""

    arrivals = "bursts period=2 size=100"
    queues = ("short",)

    @task
    def noop(self) -> None:
        """Send one."""
        self.celery.send("app.noop", queue="short", planned_ns=self.planned_ns)
