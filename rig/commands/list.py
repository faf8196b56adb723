"""`rig list`: the runs of this checkout, oldest first."""

from __future__ import annotations

import argparse
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.result import FILE, SERIES, load_all
from rig.report.conclusion import Conclusion
from rig.report.table import as_text
from rig.report.write import conclude
from rig.stack.paths import checkout


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("list", help="list the runs and what came of each", description="Lists the runs.")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where `rig run --into DIR` put them (default: runs/)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each run or series."""
    lines = [_line(path) for path in directories(arguments.into or checkout().root / "runs")]
    print(as_text(["run", "rounds", "verdict", "because"], lines) if lines else "no runs yet: make bench")
    return 0


def directories(runs: Path) -> list[Path]:
    """Return the directories of runs and series that hold a result, oldest first (their names begin with the time)."""
    single = (path.parent for path in runs.glob(f"*/{FILE}"))
    series = (path.parents[1] for path in runs.glob(f"*/{SERIES}*/{FILE}"))
    return sorted({*single, *series})


def find(wanted: str) -> Path:
    """Return the directory `wanted`, or the latest run or series of this checkout whose name contains it.

    BadInput if there is none.
    """
    path = Path(wanted)
    if (path / FILE).exists() or any(path.glob(f"{SERIES}*/{FILE}")):
        return path
    matching = [path for path in directories(checkout().root / "runs") if wanted in path.name]
    if not matching:
        raise BadInput([f"no run is called {wanted!r}: `rig list` shows them"])
    return matching[-1]


def _line(directory: Path) -> list[str]:
    try:
        report = conclude(*load_all(directory))
    except BadInput as error:
        return [directory.name, "", "unreadable", error.problems[0]]
    return [directory.name, _rounds(report), report.verdict.word, report.verdict.because]


def _rounds(report: Conclusion) -> str:
    """Return rounds done of asked: '16 of 16', of a series '3 runs: 48 of 48'."""
    runs = len(report.results)
    asked = report.experiment.rounds * runs
    return f"{report.rounds} of {asked}" if runs == 1 else f"{runs} runs: {report.rounds} of {asked}"
