"""A run's result: every number as it was taken, in one JSON file from which each report can be made again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.experiment.record import Phase, Turn
from rig.experiment.spec import Experiment
from rig.experiment.tables import experiment_of

FORMAT = 1
FILE = "result.json"


Accounts = Mapping[str, Mapping[str, Any]]
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Life:
    """What was kept of a run that ended before its time, for the process that continued it.

    `turns` is how many of `Result.turns` are from this life and those before it, `rounds` how many whole rounds were
    there. `accounts` and `counts` are those of these turns' tasks alone; its broker is gone and is no witness.
    """

    ended: str
    turns: int
    rounds: int
    accounts: Accounts
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run. `rate` is the paced rate (tasks/s) of all cells; `idle` the CPU in µs a second of each component
    while nothing was sent; `accounts` (of `rig.ledger.account`) are per cell, `counts` (see `rig.experiment.check`) per
    cell or for "all cells", as the broker can tell them apart.
    `stopped` says why a run was complete before its last round, `interrupted` why one ended before its time; `earlier`
    has a `Life` for each time that it was continued, and `accounts` and `counts` include them.
    """

    run: str
    experiment: Experiment
    cells: Mapping[str, str]  # cell -> name of its variant; one of them is the A/A control
    seed: int
    orders: list[list[str]]
    rate: float = 0.0
    turns: list[Turn] = field(default_factory=list)  # round 0 is the warm-up
    idle: Mapping[str, float] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""
    interrupted: str = ""
    earlier: list[Life] = field(default_factory=list)

    @property
    def counted(self) -> list[Turn]:
        """The turns whose numbers count: those of rounds, the last try of each."""
        return [turn for turn in self.turns if turn.round and not turn.discarded]

    @property
    def whole_rounds(self) -> list[int]:
        """The numbers of the rounds in which every cell had its turn."""
        had = Counter(turn.round for turn in self.counted)
        return sorted(number for number, turns in had.items() if turns == len(self.cells))

    def by_cell(self, measure: str) -> dict[str, list[float]]:
        """Return the values of `measure` by round, for the rounds in which every cell had its turn."""
        rounds: dict[int, dict[str, float]] = {}
        for turn in self.counted:
            if measure in turn.values:
                rounds.setdefault(turn.round, {})[turn.cell] = turn.values[measure]
        whole = [rounds[number] for number in sorted(rounds) if len(rounds[number]) == len(self.cells)]
        return {cell: [values[cell] for values in whole] for cell in self.cells}


def save(result: Result, directory: Path) -> None:
    """Write result.json, whole or not at all."""
    data = {"format": FORMAT} | asdict(result)
    data["experiment"]["path"] = str(result.experiment.path)
    scratch = directory / (FILE + ".tmp")
    scratch.write_text(json.dumps(data, indent=1) + "\n")
    scratch.replace(directory / FILE)


def load(directory: Path) -> Result:
    """Read result.json of a run directory; BadInput if there is none, or one that cannot be used."""
    path = directory / FILE
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput([f"{path}: cannot be read: {error}"]) from error
    if data.pop("format", None) != FORMAT:
        raise BadInput([f"{path}: written by another version of the rig; this one reads format {FORMAT}"])
    try:
        return _result(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput([f"{path}: damaged: {error!r}"]) from error


def _result(data: dict[str, Any]) -> Result:
    experiment = data.pop("experiment")
    turns = [
        Turn(**(turn | {"phases": {name: Phase(**phase) for name, phase in turn["phases"].items()}}))
        for turn in data.pop("turns")
    ]
    earlier = [Life(**life) for life in data.pop("earlier", [])]
    return Result(experiment=experiment_of(experiment), turns=turns, earlier=earlier, **data)
