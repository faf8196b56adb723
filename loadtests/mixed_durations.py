"""Short tasks with a few long ones among them, each kind on its own queue, in an open loop.

    locust -f loadtests/mixed_durations.py --headless -u 5 -t 60s

What this stresses: whether long tasks make short ones wait. Here they cannot: `long`, `io`, `bulk` and `critical` are
queues with workers of their own. Arrivals are a Poisson process, as from many independent callers, and nobody waits
for an answer: look for the time from plan to end in the dashboards or with `rig report`, since Locust sees publishing
only.

One task in fifty is a long one of a second: at 100 tasks/s (`--arrivals "poisson rate=100"`) that is the work of two
processes, as many as worker-long has. Any more, and `long` grows without end while `short` stays as fast as it was.
"""

from __future__ import annotations

from locust import task

from rig.load.celery_user import OpenLoopUser


class MixedDurations(OpenLoopUser):
    """Of fifty tasks 30 do nothing, 10 compute for 5 ms, 5 wait for 50 ms, 3 are bulk, 1 is critical, 1 takes 1 s."""

    weight = 2
    arrivals = "poisson rate=20"
    queues = ("short", "io", "bulk", "critical", "long")

    @task(30)
    def nothing(self) -> None:
        """A task without work."""
        self.celery.send("app.noop", queue="short")

    @task(10)
    def compute(self) -> None:
        """A short task that needs a CPU."""
        self.celery.send("app.spin", (0.005,), queue="short")

    @task(5)
    def wait_for_network(self) -> None:
        """A task that waits without needing a CPU."""
        self.celery.send("app.fetch", (0.05,), queue="io")

    @task(3)
    def bulk(self) -> None:
        """Work that may wait."""
        self.celery.send("app.spin", (0.02,), queue="bulk")

    @task(1)
    def critical(self) -> None:
        """Work that must never wait behind bulk."""
        self.celery.send("app.noop", queue="critical")

    @task(1)
    def long(self) -> None:
        """The long task that must not hold the short ones up."""
        self.celery.send("app.sleep", (1.0,), queue="long")
