"""`rig list`: the runs of this checkout, oldest first."""

from __future__ import annotations

import argparse
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.result import FILE, load
from rig.report.table import as_text
from rig.report.write import conclude
from rig.stack.paths import checkout


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("list", help="list the runs and what came of each", description="Lists the runs.")
    parser.add_argument("--runs", type=Path, help="where run directories are (default: runs/ of the checkout)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each run."""
    lines = [_line(path) for path in directories(arguments.runs or checkout().root / "runs")]
    print(as_text(["run", "rounds", "verdict", "because"], lines) if lines else "no runs yet: make bench")
    return 0


def directories(runs: Path) -> list[Path]:
    """Return the run directories that hold a result, oldest first (their names begin with the time)."""
    return sorted(path.parent for path in runs.glob(f"*/{FILE}"))


def find(wanted: str) -> Path:
    """Return the directory `wanted`, or the latest run of this checkout whose name contains it. BadInput if none."""
    if (Path(wanted) / FILE).exists():
        return Path(wanted)
    matching = [path for path in directories(checkout().root / "runs") if wanted in path.name]
    if not matching:
        raise BadInput([f"no run is called {wanted!r}: `rig list` shows them"])
    return matching[-1]


def _line(directory: Path) -> list[str]:
    try:
        report = conclude(load(directory))
    except BadInput as error:
        return [directory.name, "", "unreadable", error.problems[0]]
    rounds = f"{len(report.result.whole_rounds)} of {report.result.experiment.rounds}"
    return [directory.name, rounds, report.verdict.word, report.verdict.because]
