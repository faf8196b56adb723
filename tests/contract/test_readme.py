"""Figures in documents are those of the committed run records, and those are what their raw numbers say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rig.report.write import PICTURE, REPORT, write_report
from tests.records import CURRENT, ROOT, called, record


@pytest.mark.parametrize("directory", CURRENT, ids=called)
def test_a_committed_report_is_what_its_raw_numbers_say(directory: Path, tmp_path: Path) -> None:
    again = tmp_path / directory.name
    shutil.copytree(directory, again)
    (again / REPORT).unlink()
    write_report(again)
    assert (again / REPORT).read_text() == (directory / REPORT).read_text()


def test_the_readme_shows_the_committed_run() -> None:
    shown = (ROOT / "README.md").read_text().partition("<!-- from docs/runs/ignore_result")[2].partition("-->")[2]
    lines = [line for line in shown.partition("<!-- end -->")[0].splitlines() if line.strip()]
    directory = ROOT / "docs" / "runs" / "ignore_result"
    if directory not in CURRENT:
        assert lines == [f"({record.missing(directory)})"]
        return
    assert lines == [line for line in record.bench() if line]
    assert lines[1] in (directory / REPORT).read_text().splitlines()
    assert (directory / PICTURE).exists()
