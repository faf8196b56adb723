"""CPU per task, of each part of a deployment, in both regimes: a batch that is worked off, and a paced load.

A batch is cheaper for each task: whatever waits in a queue is moved, acknowledged and written in bunches. A paced load
is what a deployment that keeps up with its tasks pays. Neither stands for the other: ratios of the two have differed by
a factor, and in sign (docs/method.md). So both are taken, and neither is printed without the other.

What a part uses while nothing is sent is subtracted: (CPU time - idle share x length) / tasks. Otherwise the slower of
two variants would pay for the longer time in which it kept a broker's heartbeats company.
"""

from __future__ import annotations

from collections.abc import Mapping

from rig.experiment.turn import BACKLOG, DRAIN, PACED, PARTS, Phase, Turn

BATCH_SUFFIX = "_batch"
TOTAL = "total"
# Regime -> (its phases, the entry of `Turn.values` that says how many tasks they are divided by).
REGIMES = {"": ((PACED,), "paced_tasks"), BATCH_SUFFIX: ((BACKLOG, DRAIN), "backlog_tasks")}

Idle = Mapping[str, Mapping[str, Mapping[str, float]]]  # "before"/"after" -> cell -> part -> CPU-µs a second


def idle_of(idle: Idle, cell: str, part: str) -> float:
    """Return the CPU in µs a second that `part` uses while nothing is sent: the mean of before and after the rounds."""
    taken = [cells[cell][part] for cells in idle.values() if part in cells.get(cell, {})]
    return sum(taken) / len(taken) if taken else 0.0


def costs(turn: Turn, idle: Idle) -> dict[str, float]:
    """Return `<part>_cpu` (paced) and `<part>_cpu_batch` of a turn, in µs a task, for each of `PARTS` and their total.

    Of a regime that the turn did not measure there is none.
    """
    found: dict[str, float] = {}
    for suffix, (names, divisor) in REGIMES.items():
        tasks = turn.values.get(divisor, 0.0)
        phases = [turn.phases[name] for name in names if name in turn.phases]
        if tasks and len(phases) == len(names):
            micros = {part: _used_us(phases, part, idle_of(idle, turn.cell, part)) / tasks for part in PARTS}
            found |= {f"{part}_cpu{suffix}": value for part, value in micros.items()}
            found[f"{TOTAL}_cpu{suffix}"] = sum(micros.values())
    return found


def _used_us(phases: list[Phase], part: str, idle_us_a_second: float) -> float:
    seconds = sum(phase.seconds for phase in phases)
    return sum(phase.used_ns(part) for phase in phases) / 1e3 - idle_us_a_second * seconds
