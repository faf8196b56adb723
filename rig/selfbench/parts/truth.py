"""The part `truth`: whether a known difference is found, and none where there is none."""

from __future__ import annotations

from rig.selfbench import truth
from rig.selfbench.part import Found, Job

TITLE = "CPU a task of workers slowed by a known 5% and 20%, and of one that was not: no-op, solo pool, RabbitMQ"
QUICK_ROUNDS = 4


def measure(job: Job) -> Found:
    """Run the experiment whose answer is known; its run is kept like any other."""
    runs = job.checkout.root / "runs"
    directory, seen = truth.measure(job.checkout, runs, job.seed, QUICK_ROUNDS if job.quick else None)
    return Found(figures=truth.figures(seen), raw={"run": directory.name})
