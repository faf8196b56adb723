"""The records in docs/runs, and docs/record.py, which puts them there: for the tests that hold documents to them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from rig.experiment.result import FILE

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "runs"


def _record_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", ROOT / "docs" / "record.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


record = _record_script()

RUNS = sorted(path.parent for path in FOLDER.rglob(FILE))  # each run of a series by itself
RECORDS = sorted({record.whole(run) for run in RUNS})
CURRENT = [directory for directory in RECORDS if record.current(directory)]


def called(directory: Path) -> str:
    """Return what a test of that record is called."""
    return str(directory.relative_to(FOLDER))
