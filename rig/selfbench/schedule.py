"""How well a generator keeps an open-loop schedule at half of what it can send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rig.ledger.tasks import Tasks
from rig.load.schedule.read_arrivals import parse
from rig.selfbench.figure import Figure, times
from rig.stats import geometric_mean, paired_ratio, ratio_of_logs, unsteady

SHARE = 0.5  # of the generator's capacity
MOST_MS = 1.0  # at the 99th percentile of sent - planned
KINDS = ("poisson", "constant")
ALONE, SHARED = "alone with the broker", "sharing its cores with a worker"
PERCENTILES = ("p50", "p99", "max")
BEGINNING = 0.1  # of the window, which must be like the rest of it
FINEST_NS = 1_000.0  # a lag is no less: the logarithms are to show what an application could notice

Lags = Mapping[str, Sequence[Mapping[str, float]]]  # kind of arrivals -> for each round the generator's `lag_us`


def arrivals(kind: str, capacity: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the schedule of one turn at half of `capacity` (sends a second), `seconds` long with its run-in."""
    seeded = {"seed": seed} if kind == "poisson" else {}
    return {"kind": kind, "rate": capacity * SHARE, "seconds": seconds, **seeded}


def perfect_p99_us(plan: Mapping[str, Any], capacity: float, run_in: float = 0.0) -> float:
    """Return how late the 99th percentile of `plan` would be sent by a generator without any fault, in microseconds.

    Of what is planned after the first `run_in` seconds.

    It can do no more than one send at a time, each in 1 / `capacity` seconds: what is planned meanwhile has to wait
    (Lindley's recursion, "The theory of queues with a single server", Math. Proc. Cambridge 48-2 (1952)).
    """
    each_ns, free_ns = 1e9 / capacity, 0.0
    late = []
    for due in parse(plan).times():
        if due >= run_in * 1e9:
            late.append(max(free_ns - due, 0.0))
        free_ns = max(free_ns, due) + each_ns
    return sorted(late)[int(0.99 * len(late))] / 1000


def capacity_of(answer: Mapping[str, Any]) -> float:
    """Return sends a second of a closed turn."""
    seconds: float = (answer["last_published_ns"] - answer["first_sent_ns"]) / 1e9
    return float(answer["sent"] / seconds)


def beginning(tasks: Tasks, answer: Mapping[str, Any], run_in: float, seconds: float) -> float:
    """Return how a turn's window of `seconds` began, from the ledger: log(lag of its first tenth / lag of the rest).

    Both lags (sent - planned) are geometric means. `answer` is the generator's to that turn.
    """
    mine = np.char.startswith(tasks.id, f"{answer['run']}-{answer['turn']:04x}-".encode()) & (tasks.sent > 0)
    at = tasks.planned[mine] - answer["start_ns"] - round(run_in * 1e9)
    logs = np.log(np.maximum((tasks.sent - tasks.planned)[mine], FINEST_NS))
    first = (at >= 0) & (at < BEGINNING * seconds * 1e9)
    rest = at >= BEGINNING * seconds * 1e9
    return float(logs[first].mean() - logs[rest].mean())


def beginnings(where: str, logs: Mapping[str, Sequence[float]]) -> list[Figure]:
    """Return for each kind of arrivals how windows began, over rounds (`beginning`): as they went on, or the lags of
    the start are in the percentiles.
    """
    return [
        times(f"{where}: {kind}, lag at the beginning / rest", ratio_of_logs([logs[kind]]),
              "steady", ok=unsteady(logs[kind]) is None)
        for kind in KINDS
    ]  # fmt: skip


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
