"""What a freeze left behind: freeze.json and latencies.csv, from which report and picture can be made again."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rig.errors import BadInput
from rig.stats import Interval, independent_ratio

FACTS, LATENCIES = "freeze.json", "latencies.csv"
OPEN, CLOSED = LOOPS = ("open", "closed")
PERCENTILES = (50, 90, 95, 99, 99.9)
FELT = 0.1  # a request felt the freeze when it took this part of it
MAY_BE_SLOW = 0.01  # of the requests before the freeze
PAUSE_S = 1.0  # that docker may need to stop the broker: it is certain only when it says so
BEGINNING, BLOCK = 0.1, 0.01  # of the window: what is compared with the rest, and the pieces that show how it varies
# The first tenth is not like the rest when an interval of this confidence lies beyond so much more or less. The freeze
# makes a difference of several hundred times. Where blocks differ by 15%, fewer than one steady load in a thousand gets
# the words, and nearly every one that begins at twice the latency (tests/unit/test_freeze.py).
UNSTEADY, CONFIDENCE = 1.25, 0.99

Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One load under the freeze; one entry a task that the broker confirmed.

    `at`: when it was planned (open) or sent (closed), in seconds after the window began; `latency`: seconds from then
    until the broker had confirmed it. `frozen`: when the broker stood still, on the same clock as `at`.
    """

    at: Seconds
    latency: Seconds
    frozen: tuple[float, float]
    failed: int

    @property
    def length(self) -> float:
        """How long the broker stood still, in seconds."""
        return self.frozen[1] - self.frozen[0]

    def percentile(self, percent: float) -> float:
        """Return a percentile of the latency by nearest rank; 100 is the longest."""
        return float(np.percentile(self.latency, percent, method="inverted_cdf"))

    @property
    def felt(self) -> int:
        """How many requests took at least a tenth of the freeze."""
        return int((self.latency >= FELT * self.length).sum())

    def unsteady(self, seconds: float) -> Interval | None:
        """Return beginning / rest of a window of `seconds` before the freeze, where they differ; None where they may
        not. Both are geometric means of blocks.
        """
        before = self.at < self.frozen[0] - PAUSE_S
        number = (self.at[before] / seconds / BLOCK).astype(int)
        count = np.bincount(number)
        logs = np.bincount(number, np.log(np.maximum(self.latency[before], 1e-6)))
        block = np.flatnonzero(count)
        means = np.exp(logs[block] / count[block])
        begun = block < round(BEGINNING / BLOCK)
        if min(begun.sum(), (~begun).sum()) < 2:
            return None
        found = independent_ratio(means[~begun].tolist(), means[begun].tolist(), CONFIDENCE)
        return found if found.low > UNSTEADY or found.high < 1 / UNSTEADY else None

    def rate(self, since: float, until: float) -> float:
        """Return how many tasks a second were confirmed between two moments of the window."""
        done = self.at + self.latency
        return float(((done >= since) & (done < until)).sum()) / (until - since)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A whole measurement: `rate` a second asked of both loads, for `seconds`, the closed one by `users`.

    Before that they ran for `run_in` seconds. `engine` is how numbers are taken (`rig.experiment.turn.ENGINE`): 1 and
    no run-in, for records that do not say. `account` is what became of all tasks, `environment` what it was measured
    on.
    """

    rate: float
    seconds: float
    users: int
    loops: Mapping[str, Loop]
    account: Mapping[str, int]
    environment: Mapping[str, Any]
    run_in: float = 0.0
    engine: int = 1

    @property
    def problems(self) -> list[str]:
        """What makes the record worthless, in words."""
        told, loop = self.account, self.loops[OPEN]
        found = [f"{name}: {told[name]} tasks" for name in ("lost", "duplicated", "unexpected") if told[name]]
        found += [f"{name} loop: {each.failed} sends failed" for name, each in self.loops.items() if each.failed]
        if not told["sent"] == told["confirmed"] == told["executed"]:
            found.append("sent, confirmed and executed are not the same number of tasks")
        if len(loop.at) < int(self.rate * self.seconds):
            found.append(f"only {len(loop.at)} of {self.rate * self.seconds:.0f} planned tasks were sent in time")
        before = loop.latency[loop.at < loop.frozen[0] - PAUSE_S]
        if len(before) and (before >= FELT * loop.length).mean() > MAY_BE_SLOW:
            found.append(f"{self.rate:g} a second were too much even before the freeze: take a quieter machine")
        for name, each in self.loops.items():
            if ratio := each.unsteady(self.seconds):
                took = f"its requests took {ratio.ratio:.2g} times as long"
                found.append(f"{name} loop: the window's first tenth was not like the rest before the freeze: {took}")
        return found


def save(record: Record, directory: Path) -> None:
    """Write `record` to `directory`, which is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    loops = {name: {"frozen": list(loop.frozen), "failed": loop.failed} for name, loop in record.loops.items()}
    facts = {
        "engine": record.engine, "rate": record.rate, "run_in": record.run_in, "seconds": record.seconds,
        "users": record.users, "loops": loops,
        "account": dict(record.account), "environment": dict(record.environment),
    }  # fmt: skip
    (directory / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
    with (directory / LATENCIES).open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["loop", "at_us", "latency_us"])
        for name, loop in record.loops.items():
            for at, latency in zip(loop.at, loop.latency, strict=True):
                rows.writerow([name, round(at * 1e6), round(latency * 1e6)])


def load(directory: Path) -> Record:
    """Read what `save` wrote. BadInput when it is not there."""
    try:
        facts = json.loads((directory / FACTS).read_text())
        with (directory / LATENCIES).open(newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, ValueError) as error:
        raise BadInput([f"{directory}: no record of a freeze ({error})"]) from error
    loops = {}
    for name, told in facts.pop("loops").items():
        at, latency = np.array([row[1:] for row in rows if row[0] == name], np.float64).reshape(-1, 2).T / 1e6
        loops[name] = Loop(at=at, latency=latency, frozen=(told["frozen"][0], told["frozen"][1]), failed=told["failed"])
    return Record(loops=loops, **facts)
