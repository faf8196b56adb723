"""How well a generator keeps an open-loop schedule at half of what it can send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rig.experiment.stats import geometric_mean, paired_ratio
from rig.load.read_arrivals import parse
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


def perfect_p99_us(plan: Mapping[str, Any], capacity: float) -> float:
    """Return how late the 99th percentile of `plan` would be sent by a generator without any fault, in microseconds.

    It can do no more than one send at a time, each in 1 / `capacity` seconds: what is planned meanwhile has to wait
    (Lindley's recursion, "The theory of queues with a single server", Math. Proc. Cambridge 48-2 (1952)).
    """
    each_ns, free_ns = 1e9 / capacity, 0.0
    late = []
    for due in parse(plan).times():
        late.append(max(free_ns - due, 0.0))
        free_ns = max(free_ns, due) + each_ns
    return sorted(late)[int(0.99 * len(late))] / 1000


def capacity_of(answer: Mapping[str, Any]) -> float:
    """Return sends a second of a closed turn."""
    seconds: float = (answer["last_published_ns"] - answer["first_sent_ns"]) / 1e9
    return float(answer["sent"] / seconds)


def figures(where: str, capacities: Sequence[float], lags: Lags, perfect_us: Sequence[float]) -> list[Figure]:
    """Return capacity and lags over rounds (geometric means, t intervals); the limit holds for p99 of those alone.

    `perfect_us`: `perfect_p99_us` of each round's Poisson schedule, shown beside what was measured.
    """
    found = [Figure(name=f"{where}: capacity", value=geometric_mean(capacities), unit="sends/s")]
    for kind in KINDS:
        for name in PERCENTILES:
            judged = where == ALONE and name == "p99"
            found.append(_figure(f"{where}: {kind}, {name}", [lag[name] for lag in lags[kind]], judged))
    return [*found, _figure(f"{where}: poisson, p99 of a faultless generator as fast", perfect_us, judged=False)]


def _figure(name: str, lag_us: Sequence[float], judged: bool) -> Figure:
    mean = paired_ratio([1000.0] * len(lag_us), lag_us)  # against a millisecond, and so in milliseconds
    limit, ok = (f"≤ {MOST_MS:g} ms", mean.ratio <= MOST_MS) if judged else ("", True)
    return Figure(name=name, value=mean.ratio, unit="ms late", low=mean.low, high=mean.high, limit=limit, ok=ok)
