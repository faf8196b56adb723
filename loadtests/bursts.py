"""Short tasks that do nothing, a hundred within half a second and then none for one and a half, in an open loop.

    locust -f loadtests/bursts.py --headless -t 20s
    locust -f loadtests/bursts.py --headless -t 60s --arrivals "ramp from=10 to=500 seconds=50"
    locust -f loadtests/bursts.py --headless -t 60s --arrivals "trace file=tasks.parquet"

What this stresses: the queue and the pool of connections, at four times the mean rate. A burst is not sent in one
moment: one process publishes one task after the other, about one a millisecond, and the last of a hundred would be late
by the work of the publisher and not of the broker.
"""

from __future__ import annotations

from locust import task

from rig.load.celery_user import OpenLoopUser


class Bursts(OpenLoopUser):
    """Sends app.noop to `short`, a hundred at 200 a second."""

    weight = 3
    arrivals = "bursts period=2 size=100 rate=200"
    queues = ("short",)

    @task
    def noop(self) -> None:
        """Send one."""
        self.celery.send("app.noop", queue="short")
