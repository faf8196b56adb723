"""The shapes behind a run's numbers: how latencies are distributed, where a task's time goes, how a turn went.

Computed once, at the end of a run, from the ledgers; kept as shapes.json (some ten kB), so that the figures of
report.html can be made again without them. Only turns that count are in it: no warm-up, nothing that was discarded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rig import stats
from rig.errors import BadInput
from rig.experiment.measure import in_turn, kinds_of
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, PACED, Turn, post_number
from rig.ledger.parts import partitions
from rig.ledger.reader import Ledger
from rig.ledger.tasks import Tasks

FORMAT = 1
FILE = "shapes.json"
Stamps = npt.NDArray[np.int64]

# Where quantiles are kept: evenly spaced on the axis log10(1 / (1 - q)), from the fastest task to 99.99%.
POINTS = [round(0.05 * index, 2) for index in range(81)]
# The stages of a task, in the order in which it meets them; they add up to its end-to-end latency.
STAGES = ("lag", "publish", "queue", "prefetch", "body", "store", "rest")
MOST_BINS = 6000
BIN_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Latency:
    """End-to-end latencies of the paced phases of all rounds: `ms` at each of `POINTS`, by nearest rank.

    `count` tasks, the slowest took `most_ms`. Of the slowest 1% (`tail` tasks), the share `worst_share` comes from
    round `worst_round`: near 1 / rounds in an even run, near 1 where one bad moment makes the tail.
    """

    count: int
    ms: list[float]
    most_ms: float
    tail: int
    worst_round: int
    worst_share: float


@dataclass(frozen=True, kw_only=True)
class StageMeans:
    """Mean µs of each of `STAGES` over `count` tasks of the paced phases that have all their stamps.

    `median_us` is the median of the whole. `partial` tasks lack a stamp and are not in it.
    """

    count: int
    partial: int
    us: dict[str, float]
    median_us: float


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Tasks published and finished in each bin of a turn, from the beginning of its first phase."""

    published: list[int]
    finished: list[int]


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """`latency` and `stack` are by cell and kind of task ("" for all kinds together), `flow` by number of the turn."""

    bin_s: float
    latency: dict[str, dict[str, Latency]]
    stack: dict[str, dict[str, StageMeans]]
    flow: dict[int, Flow]


def shapes_of(result: Result, ledgers: Mapping[str, Ledger], scratch: Path) -> Shapes:
    """Return the shapes of `result` from its cells' ledgers.

    One part of one cell's tasks is in memory at a time, and the stamps of that cell's paced phases. `scratch` needs
    room for a copy of a ledger that is larger than a part. Raises OSError where a segment is gone or there is no room.
    """
    turns = [turn for turn in result.counted if turn.phases]
    total_s = sum(_length_ns(turn) for turn in turns) / 1e9
    bin_s = BIN_S * max(1, math.ceil(total_s / BIN_S / MOST_BINS))
    shapes = Shapes(bin_s=bin_s, latency={}, stack={}, flow={})
    for cell, ledger in ledgers.items():
        own = [turn for turn in turns if turn.cell == cell]
        gathered = _Gathered(result, own, bin_s)
        for tasks in partitions(ledger, scratch):
            gathered.add(tasks)
        shapes.latency[cell], shapes.stack[cell] = gathered.latency(), gathered.stack()
        shapes.flow.update(gathered.flow)
    return shapes


class _Gathered:
    """What is kept of one cell's tasks while its ledger goes by."""

    def __init__(self, result: Result, turns: list[Turn], bin_s: float) -> None:
        self._load, self._result, self._turns = result.experiment.load, result, turns
        self._bin_ns = int(bin_s * 1e9)
        self._paced: dict[str, list[tuple[int, Stamps]]] = {}  # by kind: round, stamps (tasks, len(_STAMPS))
        self.flow = {turn.number: self._no_flow(turn) for turn in turns}

    def _no_flow(self, turn: Turn) -> Flow:
        bins = math.ceil(_length_ns(turn) / self._bin_ns)
        return Flow(published=[0] * bins, finished=[0] * bins)

    def add(self, tasks: Tasks) -> None:
        """Take what is needed from some of the cell's tasks. Children, sent by tasks, are not the load: left out."""
        ours = tasks.parent == b""
        for turn in self._turns:
            paced = in_turn(tasks, post_number(turn.number, PACED)) & ours
            chosen = paced | (in_turn(tasks, post_number(turn.number, BACKLOG)) & ours)
            flow = self.flow[turn.number]
            for bins, stamps in ((flow.published, tasks.published), (flow.finished, tasks.finished)):
                self._count(bins, stamps[chosen & (stamps != 0)] - _begin_ns(turn))
            window = turn.phases.get(PACED)
            if window:  # without it, there is no paced load; what was planned before it is the run-in
                inside = (tasks.planned >= window.started_ns) & (tasks.planned < window.ended_ns)
                self._keep(turn, tasks, paced & inside)

    def _keep(self, turn: Turn, tasks: Tasks, paced: npt.NDArray[np.bool_]) -> None:
        """Keep the stamps of the tasks of a turn's window, all together and, where there are several kinds, by kind."""
        rows = np.column_stack([getattr(tasks, name)[paced] for name in _STAMPS])
        self._paced.setdefault("", []).append((turn.round, rows))
        if len(self._load.kinds) > 1:
            kinds = kinds_of(tasks, paced, self._load, self._result.seed_of(turn.round))
            for position, kind in enumerate(self._load.kinds):
                self._paced.setdefault(kind.name, []).append((turn.round, rows[kinds == position]))

    def _count(self, bins: list[int], since_ns: Stamps) -> None:
        """Add to `bins`; what came before the first or after the last counts in that one."""
        place = np.clip(since_ns // self._bin_ns, 0, len(bins) - 1)
        for index, more in enumerate(np.bincount(place, minlength=len(bins)).tolist()):
            bins[index] += more

    def latency(self) -> dict[str, Latency]:
        """Return the distribution for each kind of task that finished at all."""
        return {kind: found for kind, parts in self._paced.items() if (found := _latency(parts))}

    def stack(self) -> dict[str, StageMeans]:
        """Return the mean stack for each kind of task that has one with all stamps."""
        return {kind: found for kind, parts in self._paced.items() if (found := _stack([rows for _, rows in parts]))}


_STAMPS = ("planned", "sent", "published", "received", "started", "body_done", "stored", "finished")


def _latency(parts: list[tuple[int, Stamps]]) -> Latency | None:
    ended = np.concatenate([_total_ns(rows[rows[:, -1] != 0]) for _, rows in parts])
    rounds = np.concatenate([np.full((rows[:, -1] != 0).sum(), number) for number, rows in parts])
    if not len(ended):
        return None
    order = np.argsort(ended, kind="stable")
    ms = (ended[order] / 1e6).tolist()
    tail = max(1, len(ms) // 100)
    numbers, times = np.unique(rounds[order[-tail:]], return_counts=True)
    worst = int(times.argmax())
    return Latency(
        count=len(ms), ms=[_short(_quantile(ms, point)) for point in POINTS], most_ms=_short(ms[-1]), tail=tail,
        worst_round=int(numbers[worst]), worst_share=round(float(times[worst]) / tail, 3),
    )  # fmt: skip


def _quantile(ordered: list[float], point: float) -> float:
    """Return by nearest rank what all but a share of 10^-point do not exceed. A rounding error must not add a task."""
    beyond = math.floor(len(ordered) * 10**-point + 1e-9)
    return ordered[max(0, len(ordered) - beyond - 1)]


def _stack(parts: list[Stamps]) -> StageMeans | None:
    """Return mean stages. A stage that does not apply is empty: no plan, no lag; no result stored, no `store`.

    publish ends when the call returned or, where that was earlier, when the worker had the message: what a publisher
    still waits for then delays nobody's task. So the stages follow one another and add up.
    """
    rows = np.concatenate(parts)
    needed = [_STAMPS.index(name) for name in _STAMPS if name not in ("planned", "stored")]
    whole = rows[(rows[:, needed] != 0).all(axis=1)]
    if not len(whole):
        return None
    planned, sent, published, received, started, body_done, stored, finished = whole.T
    planned = np.where(planned, planned, sent)
    published = np.minimum(published, received)
    stored = np.where(stored, stored, body_done)
    edges = np.column_stack([planned, sent, published, received, started, body_done, stored, finished])
    means = (np.diff(edges, axis=1) / 1e3).mean(axis=0)
    median = stats.percentile(np.sort(_total_ns(whole) / 1e3).tolist(), 50)
    us = {stage: round(float(mean), 1) for stage, mean in zip(STAGES, means, strict=True)}
    return StageMeans(count=len(whole), partial=len(rows) - len(whole), us=us, median_us=round(median, 1))


def _total_ns(rows: Stamps) -> Stamps:
    """Return finished - planned (sent, when there was no plan)."""
    planned, sent = rows[:, 0], rows[:, 1]
    total: Stamps = rows[:, -1] - np.where(planned, planned, sent)
    return total


def _short(ms: float) -> float:
    return float(f"{ms:.4g}")


def _begin_ns(turn: Turn) -> int:
    return min(phase.started_ns for phase in turn.phases.values())


def _length_ns(turn: Turn) -> int:
    return max(phase.ended_ns for phase in turn.phases.values()) - _begin_ns(turn)


def save(shapes: Shapes, directory: Path) -> None:
    """Write shapes.json, whole or not at all."""
    scratch = directory / (FILE + ".tmp")
    scratch.write_text(json.dumps({"format": FORMAT} | asdict(shapes), separators=(",", ":")) + "\n")
    scratch.replace(directory / FILE)


def load(directory: Path) -> Shapes | None:
    """Read shapes.json of a run directory; None where there is none. BadInput where it cannot be used."""
    path = directory / FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text())
        if data.pop("format") != FORMAT:
            raise BadInput([f"{path}: written by another version of the rig; this one reads format {FORMAT}"])
        return _shapes(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput([f"{path}: damaged: {error!r}; without it the report is made with fewer figures"]) from error


def _shapes(data: dict[str, Any]) -> Shapes:
    return Shapes(
        bin_s=data["bin_s"],
        latency={c: {k: Latency(**each) for k, each in kinds.items()} for c, kinds in data["latency"].items()},
        stack={c: {k: StageMeans(**each) for k, each in kinds.items()} for c, kinds in data["stack"].items()},
        flow={int(number): Flow(**each) for number, each in data["flow"].items()},
    )
