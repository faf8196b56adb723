"""The price of watching a worker in five ways: whole processes, one turn each in every round, new ones each time.

Two processes of the same code differ for as long as they live, so a ratio of whole processes has an interval of several
percent. What the ledger and its exporter cost together is therefore judged twice: by whole processes, and by a sum of
what is known better: the hooks' price inside one worker (`rig.selfbench.hooks`), and the exporter's own CPU.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rig.selfbench.figure import Figure, percent, times
from rig.selfbench.hooks import Price
from rig.stats import Interval, geometric_mean, paired_ratio

NOTHING, LEDGER, EXPORTER = "nothing attached", "ledger", "ledger + exporter"
EVENTS, MULTIPROCESS = "events + Flower", "prometheus-client"
ROWS = (NOTHING, LEDGER, EXPORTER, EVENTS, MULTIPROCESS)
WATCHER = {EXPORTER: "exporter", EVENTS: "Flower"}  # what runs in a container of its own beside the worker

MOST = 0.05  # ledger and exporter together, of a task's CPU with nothing attached


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One way measured once. CPU in microseconds a task: of the worker's container, and of the watcher's."""

    tasks_per_second: float
    worker_us: float
    watcher_us: float = 0.0

    @property
    def all_us(self) -> float:
        """CPU of a task and of all that watches it."""
        return self.worker_us + self.watcher_us


Turns = Mapping[str, Sequence[Turn]]  # row -> one turn a round


def orders(rounds: int, seed: int) -> list[list[str]]:
    """Return the rows of each round in the order in which they are measured."""
    dice = random.Random(seed)  # noqa: S311 - a plan, not a secret
    return [dice.sample(ROWS, len(ROWS)) for _ in range(rounds)]


def figures(turns: Turns, hooks: Price) -> list[Figure]:
    """Return every row's figures, and how the ledger does against the limit and against the two others."""
    found = [figure for row in ROWS for figure in _of_row(row, turns)]
    found += _together(turns, hooks)
    for ours in (LEDGER, EXPORTER):
        for theirs in (EVENTS, MULTIPROCESS):
            ratio = _all_cpu(turns, theirs, ours)
            name = f"({ours}) / ({theirs}), all CPU"
            found.append(times(name, ratio, "interval below 1", ok=ratio.high < 1))
    return found


def _of_row(row: str, turns: Turns) -> list[Figure]:
    own = turns[row]
    rate = geometric_mean([turn.tasks_per_second for turn in own])
    found = [
        Figure(name=f"{row}: rate", value=rate, unit="tasks/s"),
        Figure(name=f"{row}: worker", value=geometric_mean([turn.worker_us for turn in own]), unit="µs CPU a task"),
    ]
    if row in WATCHER:
        us = geometric_mean([turn.watcher_us for turn in own])
        found.append(Figure(name=f"{row}: {WATCHER[row]}", value=us, unit="µs CPU a task"))
    if row != NOTHING:
        bare = [turn.tasks_per_second for turn in turns[NOTHING]]
        slower = paired_ratio(bare, [turn.tasks_per_second for turn in own])
        ratio = _all_cpu(turns, NOTHING, row)
        found.append(times(f"{row}: rate, of the bare one", slower))
        limit, ok = (f"≤ +{MOST:.0%}", ratio.ratio <= 1 + MOST) if row == EXPORTER else ("", True)
        found.append(percent(f"{row}: all CPU, over the bare one", ratio, limit, ok))
    return found


def _together(turns: Turns, hooks: Price) -> list[Figure]:
    """Return the exporter's share of a bare task, the hooks', and both: independent errors add up in squares."""
    bare = [turn.worker_us for turn in turns[NOTHING]]
    exporter = paired_ratio(bare, [turn.watcher_us for turn in turns[EXPORTER]])
    share, low, high = hooks.share, hooks.hooks.low + hooks.extra, hooks.hooks.high + hooks.extra
    both = share + exporter.ratio
    below = math.hypot(share - low, exporter.ratio - exporter.low)
    above = math.hypot(high - share, exporter.high - exporter.ratio)
    return [
        _share("exporter's CPU, of a bare task", exporter.ratio, exporter.low, exporter.high),
        _share("all stamps, switched inside one worker", share, low, high),
        _share("all stamps and the exporter", both, both - below, both + above, f"≤ {MOST:.0%}", ok=both <= MOST),
    ]


def _share(name: str, share: float, low: float, high: float, limit: str = "", ok: bool = True) -> Figure:
    return Figure(name=name, value=100 * share, unit="% more", low=100 * low, high=100 * high, limit=limit, ok=ok)


def _all_cpu(turns: Turns, baseline: str, row: str) -> Interval:
    return paired_ratio([turn.all_us for turn in turns[baseline]], [turn.all_us for turn in turns[row]])
