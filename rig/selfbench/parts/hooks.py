"""The part `hooks`: what all stamps together cost a worker."""

from __future__ import annotations

from rig.selfbench import hooks
from rig.selfbench.estimate import Estimate
from rig.selfbench.figure import Figure
from rig.selfbench.part import Found, Job

TITLE = "the ledger's hooks, switched inside one worker: no-op, solo pool, results ignored, RabbitMQ"
ROUNDS, WORKERS = 60, 8  # rounds of three blocks, for each worker process; processes, one after the other


def measure(job: Job) -> Found:
    """Run one worker process after the other."""
    rounds, workers = (15, 2) if job.quick else (ROUNDS, WORKERS)
    price = hooks.measure(job.checkout, rounds, workers, job.seed)
    return Found(figures=figures(price), raw={"of each worker": list(price.hooks.workers)})


def figures(price: hooks.Price) -> list[Figure]:
    """Return the price as figures; the limit holds for the point estimate of hooks and segments together."""
    whole = price.share
    return [
        Figure(name="bare task", value=price.bare_us, unit="µs CPU"),
        _share("control: bare against bare", price.control),
        _share("hooks", price.hooks),
        Figure(name="changes of segment", value=100 * price.extra, unit="% more"),
        _share("all stamps together", price.hooks, extra=price.extra,
               limit=f"≤ {hooks.LIMIT:.1%}", ok=whole <= hooks.LIMIT),
    ]  # fmt: skip


def _share(name: str, estimate: Estimate, extra: float = 0.0, limit: str = "", ok: bool = True) -> Figure:
    value, low, high = (100 * (share + extra) for share in (estimate.share, estimate.low, estimate.high))
    return Figure(name=name, value=value, unit="% more", low=low, high=high, limit=limit, ok=ok)
