"""A run's result: every number as it was taken, in one JSON file from which each report can be made again."""

from __future__ import annotations

import json
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


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run. `rate` is the paced rate (tasks/s) of all cells; `idle` the CPU in µs a second of each component
    while nothing was sent; `accounts` (of `rig.ledger.account`) are per cell, `counts` (see `rig.experiment.check`) per
    cell or for "all cells", as the broker can tell them apart.
    `interrupted` says why a run ended before its time.
    """

    run: str
    experiment: Experiment
    cells: Mapping[str, str]  # cell -> name of its variant; one of them is the A/A control
    seed: int
    orders: list[list[str]]
    rate: float = 0.0
    turns: list[Turn] = field(default_factory=list)  # round 0 is the warm-up
    idle: Mapping[str, float] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    interrupted: str = ""

    def by_cell(self, measure: str) -> dict[str, list[float]]:
        """Return the values of `measure` by round, for the rounds in which every cell had its turn."""
        rounds: dict[int, dict[str, float]] = {}
        for turn in self.turns:
            if turn.round and not turn.discarded and measure in turn.values:
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
    return Result(experiment=experiment_of(experiment), turns=turns, **data)
