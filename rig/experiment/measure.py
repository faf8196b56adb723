"""The measures: what each is, in which unit, how it is worded, and how a turn's ledger and counters give it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from rig import stats
from rig.experiment.file.spec import Experiment, Load
from rig.experiment.turn import BACKLOG, PACED, Phase, post_number
from rig.ledger.tasks import Tasks
from rig.load.generator.order import sequence

GOAL_RATE = "sustainable_rate"  # measured where the load has a latency goal
QUANTILES = (50, 95, 99)  # the percentiles of latency that are measures
BEYOND = 10  # tasks of a window that must lie beyond a percentile, or it is the accident of a few
WAITING = "waiting"
WAKING = 0.1  # share of a drain's ends that are left out: workers that were just let go do not yet run evenly
TURN_DIGITS, NUMBER_DIGITS = slice(9, 13), slice(24, 36)  # of a task id: docs/design.md, "Task ids"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a measure is shown: `more` and `less` are the words for a ratio above and below 1."""

    title: str
    unit: str
    more: str
    less: str
    digits: int = 0  # behind the decimal point


def _cost(part: str, regime: str) -> Measure:
    return Measure(title=f"CPU per task, {regime}: {part}", unit="µs", more="more", less="less")


def _percentile(quantile: int) -> Measure:
    title = f"end to end, p{quantile} of a typical round"
    return Measure(title=title, unit="ms", more="longer", less="shorter", digits=2)


_PARTS = {
    "publisher": "publisher", "broker": "broker", "worker": "worker", "results": "result store",
    "other": "everything else", "total": "sum",
}  # fmt: skip
# By base name; `measures` says which of them a run has.
MEASURES: dict[str, Measure] = {
    "execution_rate": Measure(title="execution rate", unit="tasks/s", more="faster", less="slower"),
    **{f"{part}_cpu": _cost(title, "paced") for part, title in _PARTS.items()},
    **{f"{part}_cpu_batch": _cost(title, "batch") for part, title in _PARTS.items()},
    "broker_bytes": Measure(title="network bytes a task: broker", unit="bytes", more="more", less="less"),
    "results_bytes": Measure(title="network bytes a task: result store", unit="bytes", more="more", less="less"),
    "broker_operations": Measure(title="broker operations a task", unit="", more="more", less="less", digits=2),
    "worker_memory": Measure(title="memory: worker", unit="MiB", more="more", less="less", digits=1),
    "sustainable_rate": Measure(title="sustainable rate", unit="tasks/s", more="higher", less="lower"),
    "publish_ms": Measure(title="a send takes, mean", unit="ms", more="longer", less="shorter", digits=2),
    **{f"p{quantile}": _percentile(quantile) for quantile in QUANTILES},
    WAITING: Measure(title="end to end longer than wait_ms", unit="%", more="more", less="fewer", digits=2),
}

# What a disturbed phase disturbs.
LATENCIES = ("publish_ms", *(f"p{q}" for q in QUANTILES), WAITING)
PACED_MEASURES = (*LATENCIES, *(f"{part}_cpu" for part in _PARTS))
BATCH_MEASURES = ("execution_rate", *(f"{part}_cpu_batch" for part in _PARTS))

# What [[assert]] may be about: a number for each task, in the backlog with its drain unless it says otherwise.
FACTS = {
    "results_written": "results written into the result store (Redis: SET, SETEX)",
    "results_subscribed": "subscriptions to results (Redis: SUBSCRIBE)",
    "results_evicted": "keys that the result store threw away for want of memory",
    "broker_received": "messages that the broker received from anybody: tasks, events, results over rpc://",
    "broker_confirmed": "messages that the broker confirmed to who sent them",
    "broker_operations": "the measure of that name",
    "stored": "tasks whose result the worker stored, by the ledger",
}


def named(name: str) -> Measure:
    """Return the measure of that name, "p99.short" being p99 of the tasks of one kind. KeyError if there is none."""
    base, _, kind = name.partition(".")
    measure = MEASURES[base]
    return replace(measure, title=f"{measure.title}, {kind}") if kind else measure


def measures(experiment: Experiment) -> dict[str, Measure]:
    """Return the measures that a run of `experiment` can have, by name, in the order in which they are shown."""
    kinds = [kind.name for kind in experiment.load.kinds]
    return measures_of(kinds if len(kinds) > 1 else [], goal=experiment.load.goal is not None)


def measures_of(kinds: Sequence[str], *, goal: bool) -> dict[str, Measure]:
    """Return the measures of a load of several `kinds`, with or without a latency `goal`."""
    names = [name for name in MEASURES if goal or name != GOAL_RATE]
    names += [f"{name}.{kind}" for kind in kinds for name in (*(f"p{q}" for q in QUANTILES), WAITING)]
    return {name: named(name) for name in names}


def backlog_values(number: int, tasks: Tasks) -> dict[str, float]:
    """Return what the ledger shows of the backlog of turn `number`. ValueError if too few of its tasks ran.

    backlog_tasks   how many there were
    execution_rate  ends / time, without the first tenth of the ends (`WAKING`)
    drain_start     log of (rate of the first half of these ends / rate of the second): 0 in a steady drain
    in_pool         tasks that pool processes had between start and end, on average
    stored          share of the tasks whose result was stored
    """
    chosen = in_turn(tasks, post_number(number, BACKLOG))
    count = int(chosen.sum())
    done = chosen & (tasks.finished != 0)
    ended = np.sort(tasks.finished[done])
    if len(ended) < 2:
        raise ValueError(f"turn {number}: {len(ended)} of {count} backlog tasks finished, nothing to measure")
    steady = ended[int(WAKING * len(ended)) :] if len(ended) >= 10 else ended
    middle = len(steady) // 2
    values = {"backlog_tasks": float(count), "execution_rate": _rate(steady), "stored": _share(tasks.stored[done] != 0)}
    if len(steady) >= 20:
        values["drain_start"] = math.log(_rate(steady[: middle + 1]) / _rate(steady[middle:]))
    inside = done & (tasks.started != 0)
    held = (tasks.finished[inside] - tasks.started[inside]).sum()
    return values | {"in_pool": float(held) / max(1, int(ended[-1] - tasks.started[inside].min()))}


def _rate(ends: npt.NDArray[np.int64]) -> float:
    return (len(ends) - 1) / max(_seconds(ends[0], ends[-1]), 1e-9)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """The part of a paced load that is measured: `start_ns` to `end_ns`, CLOCK_MONOTONIC. Before it is the run-in."""

    start_ns: int
    end_ns: int


NO_WINDOW = Window(start_ns=0, end_ns=0)


def paced_values(
    number: int, tasks: Tasks, load: Load, seed: int, window: Window, phase: Phase
) -> dict[str, float]:
    """Return what the paced load of turn `number` shows, from its cell's tasks. ValueError if none was executed.

    Of the tasks planned for the window:
    p50, p95, p99   finished - planned, in ms, as far as there are `BEYOND` tasks beyond it; "p50.short" of one kind
    waiting         share, in percent, of those with finished - planned above `load.wait_ms`
    publish_ms      published - sent, mean
    paced_start     log of (geometric mean of finished - planned in the window's first tenth / in the rest)
    paced_tasks     tasks that ended in `phase`, between the readings of the counters, whenever they were planned
    Of the whole load, run-in included: offered_rate and achieved_rate (tasks/s planned and sent), lag_p99 (sent -
    planned in ms): whether the generator kept its plan.
    """
    chosen = in_turn(tasks, post_number(number, PACED))
    inside = chosen & (tasks.planned >= window.start_ns) & (tasks.planned < window.end_ns)
    latencies = end_to_end_ms(tasks, inside)
    if len(latencies) < 2:
        raise ValueError(f"turn {number}: {len(latencies)} tasks of the paced load finished, nothing to measure")
    values = _latency_values(latencies, load, "")
    if len(load.kinds) > 1:
        of_kind = np.full(len(tasks), -1)
        of_kind[chosen] = kinds_of(tasks, chosen, load, seed)
        for position, kind in enumerate(load.kinds):
            values |= _latency_values(end_to_end_ms(tasks, inside & (of_kind == position)), load, f".{kind.name}")
    ended = (tasks.finished >= phase.started_ns) & (tasks.finished < phase.ended_ns)
    values["paced_tasks"] = float((chosen & ended).sum())
    confirmed = inside & (tasks.published != 0)
    values["publish_ms"] = float((tasks.published[confirmed] - tasks.sent[confirmed]).mean()) / 1e6
    values |= _start(tasks, inside, window)
    return values | pacing(tasks.planned[chosen], tasks.sent[chosen])


def _start(tasks: Tasks, inside: npt.NDArray[np.bool_], window: Window) -> dict[str, float]:
    """Return `paced_start` where the window's first tenth and its rest have enough tasks to speak of."""
    done = inside & (tasks.finished != 0)
    logs = np.log(np.maximum(tasks.finished[done] - tasks.planned[done], 1))
    first = tasks.planned[done] < window.start_ns + (window.end_ns - window.start_ns) // 10
    if min(first.sum(), (~first).sum()) < BEYOND:
        return {}
    return {"paced_start": float(logs[first].mean() - logs[~first].mean())}


def _latency_values(latencies: Sequence[float], load: Load, suffix: str) -> dict[str, float]:
    """Return the percentiles that have `BEYOND` tasks beyond them, and the share that waited."""
    count = len(latencies)
    if not count:
        return {}
    supported = [q for q in QUANTILES if count * (100 - q) >= BEYOND * 100]
    found = {f"p{q}{suffix}": stats.percentile(latencies, q) for q in supported}
    waited = count - bisect.bisect_right(latencies, load.wait_ms)
    return found | {f"{WAITING}{suffix}": 100 * stats.share(waited, count)}


def kinds_of(tasks: Tasks, chosen: npt.NDArray[np.bool_], load: Load, seed: int) -> npt.NDArray[np.int64]:
    """Return of which kind (a position in `load.kinds`) each of the `chosen` tasks of one turn was.

    The ledger knows a task's name and queue, which kinds may share; the number in its id is its place in the sequence
    that its generator drew from the turn's `seed`.
    """
    digits = _digits(tasks, NUMBER_DIGITS)[chosen].astype(np.int64)
    values = np.where(digits <= ord("9"), digits - ord("0"), digits - ord("a") + 10)
    numbers = values @ (16 ** np.arange(values.shape[1], dtype=np.int64)[::-1])
    drawn = sequence([kind.share for kind in load.kinds], seed)
    kinds = np.fromiter(islice(drawn, int(numbers.max(initial=-1)) + 1), np.int64)
    return kinds[numbers]


def pacing(planned: npt.NDArray[np.int64], sent: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return how well a plan was kept: rates between the first planned and the last, planned and sent; lag in ms."""
    start, count = planned.min(), len(planned) - 1
    lags = np.sort(sent - planned) / 1e6
    return {
        "offered_rate": count / _seconds(start, planned.max()),
        "achieved_rate": count / _seconds(start, sent.max()),
        "lag_p99": stats.percentile(lags.tolist(), 99),
    }


def in_turn(tasks: Tasks, post: int) -> npt.NDArray[np.bool_]:
    """Return which of `tasks` were sent under turn number `post`: the second group of digits of their ids."""
    digits = _digits(tasks, TURN_DIGITS)
    same: npt.NDArray[np.bool_] = (digits == np.frombuffer(b"%04x" % post, np.uint8)).all(axis=1)
    return same


def _digits(tasks: Tasks, where: slice) -> npt.NDArray[np.uint8]:
    """Return some characters of each task's id, shape (tasks, characters)."""
    width = tasks.id.dtype.itemsize
    return np.ascontiguousarray(tasks.id).view(np.uint8).reshape(len(tasks), width)[:, where]


def end_to_end_ms(tasks: Tasks, chosen: npt.NDArray[np.bool_]) -> list[float]:
    """Return the ascending times from planned (sent, when there was no plan) to finished, in ms, of finished tasks."""
    chosen = chosen & (tasks.finished != 0)
    since = np.where(tasks.planned != 0, tasks.planned, tasks.sent)
    ordered: list[float] = np.sort((tasks.finished[chosen] - since[chosen]) / 1e6).tolist()
    return ordered


def _seconds(start_ns: np.int64, end_ns: np.int64) -> float:
    return float(end_ns - start_ns) / 1e9
