"""A run's result: every number as it was taken, in one JSON file from which each report can be made again."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.experiment.costs import costs
from rig.experiment.file.spec import Experiment
from rig.experiment.file.tables import experiment_of
from rig.experiment.turn import ENGINE, Phase, Turn

FORMAT = 2
FILE = "result.json"


Accounts = Mapping[str, Mapping[str, Any]]
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Session:
    """What was kept of a run that was interrupted, for the process that continued it.

    `turns` is how many of `Result.turns` are from this session and those before it, `rounds` how many whole rounds were
    there. `accounts` and `counts` are those of these turns' tasks alone; its broker is gone and is no witness.
    """

    ended: str
    turns: int
    rounds: int
    accounts: Accounts
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run. `rate` is the paced rate (tasks/s) of all cells; `idle` the CPU in µs a second that each part of each
    cell used while nothing was sent, "before" the rounds and "after" them (`rig.experiment.costs`); `accounts` (of
    `rig.ledger.account`) are per cell, `counts` (see `rig.experiment.judge.gate`) per cell or for "all cells", as the
    broker can tell them apart.
    `left_out` says of a round that was discarded why; its order was taken again at the end. `tries` are the earlier
    attempts at the same experiment in this checkout, as `rig.experiment.attempts` counts them, and what came of each.
    `stopped` says why a run was complete before its last round, `interrupted` why one is incomplete; `earlier`
    has a `Session` for each time that it was continued, and `accounts` and `counts` include them.
    """

    run: str
    experiment: Experiment
    cells: Mapping[str, str]  # cell -> name of its variant; one of them is the A/A control
    seed: int
    orders: list[list[str]]
    rate: float = 0.0
    turns: list[Turn] = field(default_factory=list)  # round 0 is the warm-up
    idle: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    engine: int = ENGINE
    accounts: Accounts = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""
    interrupted: str = ""
    earlier: list[Session] = field(default_factory=list)

    def seed_of(self, index: int) -> int:
        """Return the seed of a round's arrivals and kinds: hashed, or neighbours would be alike."""
        return zlib.crc32(f"{self.seed}/{index}".encode())

    @property
    def counted(self) -> list[Turn]:
        """The turns whose numbers count: those of rounds that were not left out."""
        return [turn for turn in self.turns if turn.round and not turn.discarded]

    @property
    def whole_rounds(self) -> list[int]:
        """The numbers of the rounds that count, in which every cell had its turn."""
        return self._whole(self.counted)

    @property
    def all_rounds(self) -> list[int]:
        """The numbers of all rounds in which every cell had its turn, those included that were left out."""
        return self._whole([turn for turn in self.turns if turn.round])

    def _whole(self, turns: list[Turn]) -> list[int]:
        had = Counter(turn.round for turn in turns)
        return sorted(number for number, count in had.items() if count == len(self.cells))

    @property
    def stolen_share(self) -> float:
        """The share of the machine's CPU that the hypervisor gave to others, over all phases that count."""
        phases = [phase for turn in self.counted for phase in turn.phases.values()]
        capacity = sum(phase.seconds for phase in phases) * 1e9 * self.environment.get("cores", 1)
        return sum(phase.stolen_ns for phase in phases) / capacity if capacity else 0.0

    def by_cell(self, measure: str, rounds: Sequence[int] | None = None) -> dict[str, list[float]]:
        """Return the values of `measure` by round, for the rounds that count (or `rounds`) and have one of each cell.

        `measure` is an entry of `Turn.values` or a cost (`rig.experiment.costs`).
        """
        chosen = self.whole_rounds if rounds is None else rounds
        found: dict[int, dict[str, float]] = {number: {} for number in sorted(chosen)}
        for turn in self.turns:
            if turn.round in found and (value := self.value(turn, measure)) is not None:
                found[turn.round][turn.cell] = value
        whole = [values for values in found.values() if len(values) == len(self.cells)]
        return {cell: [values[cell] for values in whole] for cell in self.cells}

    def value(self, turn: Turn, measure: str) -> float | None:
        """Return what a turn measured; None where it did not."""
        if measure in turn.values:
            return turn.values[measure]
        return costs(turn, self.idle).get(measure) if "_cpu" in measure else None


def save(result: Result, directory: Path) -> None:
    """Write result.json, whole or not at all."""
    data = {"format": FORMAT} | asdict(result)
    data["experiment"]["path"] = str(result.experiment.path)
    scratch = directory / (FILE + ".tmp")
    scratch.write_text(_text(data))
    scratch.replace(directory / FILE)


def _text(data: dict[str, Any]) -> str:
    """Return the JSON text, each turn on one line: a record stays small, and what differs from the last is readable."""
    turns = ",\n".join(f"  {json.dumps(turn, separators=(',', ':'))}" for turn in data["turns"])
    rest = json.dumps(data | {"turns": []}, indent=1)
    return rest.replace('"turns": []', f'"turns": [\n{turns}\n ]', 1) + "\n"  # in a text its quotes would be escaped


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
    earlier = [Session(**session) for session in data.pop("earlier", [])]
    left_out = {int(number): why for number, why in data.pop("left_out", {}).items()}
    return Result(experiment=experiment_of(experiment), turns=turns, earlier=earlier, left_out=left_out, **data)


SERIES = "run-"  # begins the directories of the runs of a series, which are numbered from 1


def load_all(directory: Path) -> list[Result]:
    """Read the result of a run's directory, or those of all runs of a series; BadInput as `load`."""
    if (directory / FILE).exists():
        return [load(directory)]
    runs = [path.parent for path in directory.glob(f"{SERIES}*/{FILE}")]
    return [load(run) for run in sorted(runs, key=lambda run: int(run.name.removeprefix(SERIES)))] or [load(directory)]
