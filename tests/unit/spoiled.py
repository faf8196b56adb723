"""Changes to runs that never were: each makes one thing of a sound run wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import made_up

from rig.experiment.result import Result
from rig.experiment.turn import PACED, Phase, Turn

Change = Callable[[Turn], Turn]


def turns(run: Result, change: Change, cell: str = "", rounds: int = 99) -> Result:
    """Change the turns of one cell (or of all) in the last `rounds` rounds."""
    first = len(run.orders) - rounds
    return replace(
        run, turns=[change(turn) if cell in ("", turn.cell) and turn.round > first else turn for turn in run.turns]
    )  # fmt: skip


def values(run: Result, cell: str = "", rounds: int = 99, **given: float) -> Result:
    """Set what turns measured."""
    return turns(run, lambda turn: replace(turn, values={**turn.values, **given}), cell, rounds)


def scaled(run: Result, measure: str, factor: float, cell: str) -> Result:
    """Multiply one measure of one cell."""
    return turns(
        run, lambda turn: replace(turn, values={**turn.values, measure: turn.values[measure] * factor}), cell
    )  # fmt: skip


def answered(run: Result, cell: str = "ignored", rounds: int = 1, phase: str = PACED, **answer: Any) -> Result:
    """Let generators answer something else to an order of a phase."""
    sent = {phase: {**made_up.ANSWER, **answer}}
    return turns(run, lambda turn: replace(turn, sent={**turn.sent, **sent}), cell, rounds)


def phases(run: Result, change: Callable[[Phase], Phase], cell: str = "", rounds: int = 99, only: str = "") -> Result:
    """Change phases of turns."""

    def changed(turn: Turn) -> Turn:
        own = {name: change(phase) if only in ("", name) else phase for name, phase in turn.phases.items()}
        return replace(turn, phases=own)

    return turns(run, changed, cell, rounds)


def foreign(run: Result, share: float, cell: str = "", rounds: int = 99, only: str = "") -> Result:
    """Let others use so much more of a machine with two cores."""

    def busier(phase: Phase) -> Phase:
        return replace(phase, host_ns=phase.host_ns + round(share * 2e9 * phase.seconds))

    return phases(run, busier, cell, rounds, only)


def stolen(run: Result, share: float) -> Result:
    """Let the hypervisor give so much of two cores to others."""
    return phases(run, lambda phase: replace(phase, stolen_ns=round(share * 2e9 * phase.seconds)))


def opened(run: Result, phase: str, cell: str, rounds: int) -> Result:
    """Let a worker open a connection in a phase."""
    return phases(run, lambda each: replace(each, opened={"publisher": 0, "worker": 1}), cell, rounds, phase)


def counted(run: Result, witness: str, count: int) -> Result:
    """Let one of the four counters have another number."""
    return replace(run, counts={**run.counts, "ignored": {**made_up.COUNTS, witness: count}})


def left_out(run: Result, *numbers: int) -> Result:
    """Discard whole rounds."""
    made = [replace(turn, discarded=turn.round in numbers) for turn in run.turns]
    return replace(run, turns=made, left_out=dict.fromkeys(numbers, "others used 61% of the machine"))


def experiment(run: Result, **changes: Any) -> Result:
    """Let the file say something else."""
    return replace(run, experiment=replace(run.experiment, **changes))
