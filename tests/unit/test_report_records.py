"""What is put on record of runs and series, and the digest that says when record and code have parted."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import made_up
import made_up_shapes
import pytest

from rig.experiment import distributions
from rig.experiment import result as results
from rig.experiment.result import Result
from rig.report import plot
from rig.testbed.environment import measuring_code
from tests.records import record


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(record, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(record, "TRUTH", tmp_path / "records" / "truth")
    monkeypatch.setattr(plot, "draw", lambda _of, path, _title: path.write_text("seconds to draw"))
    return record


def kept(run: Result, directory: Path) -> Path:
    directory.mkdir(parents=True)
    numbered = made_up_shapes.numbered(run)
    results.save(numbered, directory)
    distributions.save(made_up_shapes.shapes(numbered), directory)
    (directory / "tasks.parquet").write_text("large")
    return directory


def series(directory: Path) -> Path:
    for number, run in enumerate(made_up.series(2), start=1):
        kept(run, directory / f"run-{number}")
    return directory


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_of_a_run_its_numbers_and_its_report_are_kept(script: ModuleType, tmp_path: Path) -> None:
    target = script.put_on_record(kept(made_up.result(), tmp_path / "one"))
    assert target == script.RECORDS / "ignore_result"
    assert files(target) == ["plot.png", "report.md", "result.json", "shapes.json"]


def test_a_series_replaces_a_run_and_keeps_the_numbers_of_each_of_its_runs(script: ModuleType, tmp_path: Path) -> None:
    script.put_on_record(kept(made_up.result(), tmp_path / "one"))
    target = script.put_on_record(series(tmp_path / "series"))
    raw = [f"run-{number}/{name}" for number in (1, 2) for name in ("result.json", "shapes.json")]
    assert files(target) == ["plot.png", "report.md", *raw]
    assert files(script.put_on_record(target)) == ["plot.png", "report.md", *raw]


def test_documents_quote_a_series_with_difference_engine_and_date(script: ModuleType, tmp_path: Path) -> None:
    script.put_on_record(series(tmp_path / "series"))
    (row,) = (line for line in script.overview() if "(../loadtests/experiments/ignore_result.toml)" in line)
    assert "] tasks/s (2 runs, 16 rounds, 2025-01-01, engine 2, [report]" in row
    (row,) = (line for line in script.variants() if line.startswith("| ignore_result |"))
    assert "] tasks/s |" in row
    assert "95% interval over 2 independent runs" in "\n".join(script.bench())


def test_a_record_of_an_earlier_engine_is_quoted_with_no_numbers(script: ModuleType) -> None:
    directory = kept(replace(made_up.result(), engine=1), script.RECORDS / "ignore_result")
    assert not script.current(directory)
    (row,) = (line for line in script.overview() if "(../loadtests/experiments/ignore_result.toml)" in line)
    assert row.endswith(f"| {script.WITHDRAWN} |")
    assert list(script.bench()) == [f"({script.WITHDRAWN})"]
    (row,) = (line for line in script.variants() if line.startswith("| ignore_result |"))
    assert script.WITHDRAWN in row


def test_one_run_of_another_engine_withdraws_the_whole_series(script: ModuleType, tmp_path: Path) -> None:
    target = script.put_on_record(series(tmp_path / "series"))
    assert script.current(target)
    results.save(replace(results.load(target / "run-2"), engine=1), target / "run-2")
    assert not script.current(target)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("rig/experiment/costs.py", "rig/instrument/fast.c", "rig/ledger/writer.py", "rig/ledger/account.py"):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# about\n\nx = 1\n")
    return tmp_path / "checkout"


@pytest.mark.parametrize("name", ["rig/experiment/costs.py", "rig/instrument/fast.c", "rig/ledger/writer.py"])
def test_code_that_decides_numbers_changes_the_digest(checkout: Path, name: str) -> None:
    before = measuring_code(checkout)
    (checkout / name).write_text("# about\n\nx = 2\n")
    assert measuring_code(checkout) != before


def test_comments_other_code_and_other_files_do_not(checkout: Path) -> None:
    before = measuring_code(checkout)
    (checkout / "rig/experiment/costs.py").write_text("# about something else\nx = 1\n\n")
    (checkout / "rig/ledger/account.py").write_text("x = 2\n")
    (checkout / "rig/experiment/costs.cpython-311.pyc").write_bytes(b"\0")
    assert measuring_code(checkout) == before
    (checkout / "rig/experiment/costs.py").rename(checkout / "rig/experiment/prices.py")
    assert measuring_code(checkout) != before
