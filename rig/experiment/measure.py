"""The measures: what each is, in which unit, how it is worded, and how a turn's ledger and counters give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from rig.experiment import stats
from rig.experiment.record import BACKLOG, COMPONENTS, DRAIN, PACED, Phase, post_number
from rig.experiment.spec import Experiment, Load
from rig.ledger.tasks import Tasks
from rig.load.order import sequence

GOAL_RATE = "sustainable_rate"  # measured where the load has a latency goal
QUANTILES = (50, 95, 99)  # the percentiles of latency that are measures
TURN_DIGITS, NUMBER_DIGITS = slice(9, 13), slice(24, 36)  # of a task id: docs/design.md, "Task ids"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a measure is shown: `more` and `less` are the words for a ratio above and below 1."""

    title: str
    unit: str
    more: str
    less: str
    digits: int = 0  # behind the decimal point


# By base name; `measures` says which of them a run has.
MEASURES: dict[str, Measure] = {
    "publish_rate": Measure(title="publish rate", unit="tasks/s", more="faster", less="slower"),
    "execution_rate": Measure(title="execution rate", unit="tasks/s", more="faster", less="slower"),
    "publisher_cpu": Measure(title="CPU a task: publisher", unit="µs", more="more", less="less"),
    "broker_cpu": Measure(title="CPU a task: broker", unit="µs", more="more", less="less"),
    "worker_cpu": Measure(title="CPU a task: worker", unit="µs", more="more", less="less"),
    "results_cpu": Measure(title="CPU a task: result store", unit="µs", more="more", less="less", digits=1),
    "total_cpu": Measure(title="CPU a task: all four", unit="µs", more="more", less="less"),
    "broker_bytes": Measure(title="network bytes a task: broker", unit="bytes", more="more", less="less"),
    "results_bytes": Measure(title="network bytes a task: result store", unit="bytes", more="more", less="less"),
    "broker_operations": Measure(title="broker operations a task", unit="", more="more", less="less", digits=2),
    "worker_memory": Measure(title="memory: worker", unit="MiB", more="more", less="less", digits=1),
    "broker_memory": Measure(title="memory: broker", unit="MiB", more="more", less="less", digits=1),
    "sustainable_rate": Measure(title="sustainable rate", unit="tasks/s", more="higher", less="lower"),
    "p50": Measure(title="end to end, p50", unit="ms", more="longer", less="shorter", digits=2),
    "p95": Measure(title="end to end, p95", unit="ms", more="longer", less="shorter", digits=2),
    "p99": Measure(title="end to end, p99", unit="ms", more="longer", less="shorter", digits=2),
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
    names += [f"p{quantile}.{kind}" for kind in kinds for quantile in QUANTILES]
    return {name: named(name) for name in names}


def backlog_values(number: int, phases: Mapping[str, Phase], tasks: Tasks) -> dict[str, float]:
    """Return what the backlog of turn `number` shows, from its phases and its cell's tasks. ValueError if too few ran.

    publish_rate    backlog tasks / (last publish returned - first apply_async called)
    execution_rate  (backlog tasks - 1) / (last finished - first finished): from the first end on, both ends counted
                    alike, so the time in which released consumers wake up is in neither
    *_cpu           CPU of the component's containers in the backlog and the drain phase / backlog tasks; idle costs
                    (heartbeats, statistics) are included, result.json has them under "idle"
    """
    chosen = in_turn(tasks, post_number(number, BACKLOG))
    count = int(chosen.sum())
    ended = tasks.finished[chosen & (tasks.finished != 0)]
    if len(ended) < 2:
        raise ValueError(f"turn {number}: {len(ended)} of {count} backlog tasks finished, nothing to measure")
    values = {
        "publish_rate": count / _seconds(tasks.sent[chosen].min(), tasks.published[chosen].max()),
        "execution_rate": (len(ended) - 1) / _seconds(ended.min(), ended.max()),
    }
    for component in COMPONENTS:
        cpu_ns = phases[BACKLOG].cpu_ns[component] + phases[DRAIN].cpu_ns[component]
        values[f"{component}_cpu"] = cpu_ns / 1e3 / count
    return values | {"total_cpu": sum(values[f"{component}_cpu"] for component in COMPONENTS)}


def paced_values(number: int, tasks: Tasks, load: Load, seed: int) -> dict[str, float]:
    """Return what the paced load of turn `number` shows, from its cell's tasks. ValueError if none was executed.

    p50, p95, p99   finished - planned over all tasks of the paced phase, in ms; "p50.short" over those of one kind,
                    where there are several
    offered_rate    tasks/s planned, and achieved_rate, sent: no measures, but whether the generator kept its plan
    lag_p99         sent - planned, in ms: likewise
    """
    chosen = in_turn(tasks, post_number(number, PACED))
    latencies = end_to_end_ms(tasks, chosen)
    if len(latencies) < 2:
        raise ValueError(f"turn {number}: {len(latencies)} tasks of the paced load finished, nothing to measure")
    values = _percentiles(latencies, "")
    if len(load.kinds) > 1:
        kinds = kinds_of(tasks, chosen, load, seed)
        for position, kind in enumerate(load.kinds):
            own = np.zeros(len(tasks), bool)
            own[chosen] = kinds == position
            values |= _percentiles(end_to_end_ms(tasks, own), f".{kind.name}")
    return values | pacing(tasks.planned[chosen], tasks.sent[chosen])


def _percentiles(latencies: Sequence[float], suffix: str) -> dict[str, float]:
    """Return the percentiles that are measures; none where no task of the kind was sent."""
    return {f"p{q}{suffix}": stats.percentile(latencies, q) for q in QUANTILES} if latencies else {}


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
