"""The part `analysis`: segments to tasks.parquet."""

from __future__ import annotations

from rig.selfbench import analysis
from rig.selfbench.part import Found, Job

TITLE = "the analysis of a run: synthetic segments to tasks.parquet, on two processors"
QUICK = (100_000, 300_000, 1_000_000)  # tasks


def measure(job: Job) -> Found:
    """Make and analyse ledgers in .rig/."""
    directory = job.checkout.root / ".rig"
    directory.mkdir(exist_ok=True)
    return Found(figures=analysis.run(directory, QUICK if job.quick else analysis.SIZES))
