"""The part `truth`: whether known differences are found with their true size, and none where there is none."""

from __future__ import annotations

from rig.selfbench import truth
from rig.selfbench.figure import Figure
from rig.selfbench.part import Found, Job

TITLE = "handicaps of a known size: CPU, memory, sends, waits, starts, lost and duplicated tasks; and none (RabbitMQ)"
QUICK_ROUNDS = 2


def measure(job: Job) -> Found:
    """Run the experiments whose answers are known, one after the other; their runs are kept like any other."""
    runs = job.checkout.root / "runs"
    figures: list[Figure] = []
    kept: dict[str, str] = {}
    for name in truth.NAMES:
        directory, seen = truth.measure(name, job.checkout, runs, job.seed, QUICK_ROUNDS if job.quick else None)
        figures += truth.figures(name, seen)
        kept[name] = directory.name
    return Found(figures=figures, raw={"runs": kept})
