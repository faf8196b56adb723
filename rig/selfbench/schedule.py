"""How well a generator keeps an open-loop schedule at half of what it can send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rig.experiment.stats import geometric_mean, paired_ratio
from rig.selfbench.figure import Figure

SHARE = 0.5  # of the generator's capacity
MOST_MS = 1.0  # at the 99th percentile of sent - planned
KINDS = ("poisson", "constant")
ALONE, SHARED = "alone with the broker", "sharing its cores with a worker"
PERCENTILES = ("p50", "p99", "max")

Lags = Mapping[str, Sequence[Mapping[str, float]]]  # kind of arrivals -> for each round the generator's `lag_us`


def arrivals(kind: str, capacity: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the schedule of one turn at half of `capacity` (sends a second)."""
    seeded = {"seed": seed} if kind == "poisson" else {}
    return {"kind": kind, "rate": capacity * SHARE, "seconds": seconds, **seeded}


def capacity_of(answer: Mapping[str, Any]) -> float:
    """Return sends a second of a closed turn."""
    seconds: float = (answer["last_published_ns"] - answer["first_sent_ns"]) / 1e9
    return float(answer["sent"] / seconds)


def figures(where: str, capacities: Sequence[float], lags: Lags) -> list[Figure]:
    """Return capacity and lags over rounds (geometric means, t intervals); the limit holds for p99 of those alone."""
    found = [Figure(name=f"{where}: capacity", value=geometric_mean(capacities), unit="sends/s")]
    for kind in KINDS:
        for name in PERCENTILES:
            judged = where == ALONE and name == "p99"
            found.append(_figure(f"{where}: {kind}, {name}", [lag[name] for lag in lags[kind]], judged))
    return found


def _figure(name: str, lag_us: Sequence[float], judged: bool) -> Figure:
    mean = paired_ratio([1000.0] * len(lag_us), lag_us)  # against a millisecond, and so in milliseconds
    limit, ok = (f"≤ {MOST_MS:g} ms", mean.ratio <= MOST_MS) if judged else ("", True)
    return Figure(name=name, value=mean.ratio, unit="ms late", low=mean.low, high=mean.high, limit=limit, ok=ok)
