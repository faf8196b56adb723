"""Figures in documents are those of the committed run records, and those are what their raw numbers say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rig.report.write import REPORT, write_report

ROOT = Path(__file__).parents[2]
RECORDS = sorted(path.parent for path in (ROOT / "docs" / "runs").glob("*/result.json"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_committed_report_is_what_its_raw_numbers_say(record: Path, tmp_path: Path) -> None:
    again = tmp_path / record.name
    shutil.copytree(record, again)
    (again / REPORT).unlink()
    write_report(again)
    assert (again / REPORT).read_text() == (record / REPORT).read_text()


def test_the_readme_shows_the_committed_run() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition("<!-- from docs/runs/ignore_result/report.md")[2].partition("-->")[2]
    lines = [line for line in shown.partition("<!-- end -->")[0].splitlines() if line.strip()]
    report = (ROOT / "docs" / "runs" / "ignore_result" / REPORT).read_text().splitlines()
    assert len(lines) > 10
    assert [line for line in lines if line not in report] == []
