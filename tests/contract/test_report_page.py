"""The records in docs/runs: their report.html, as this code makes it, is whole and self-contained."""

import shutil
from pathlib import Path

import pytest

from rig.report.write import PAGE, write_report
from tests.records import CURRENT, FOLDER, ROOT, called, record
from tests.report_page import SECTIONS, external, sections


@pytest.mark.parametrize("directory", CURRENT, ids=called)
def test_a_record_has_a_page_with_every_section_and_no_external_reference(directory: Path, tmp_path: Path) -> None:
    again = tmp_path / directory.name
    shutil.copytree(directory, again)
    write_report(again)
    for page in again.rglob(PAGE):
        assert external(page.read_text()) == []
        assert sections(page.read_text()) == list(SECTIONS)


def test_a_readme_without_a_record_says_so() -> None:
    said = record.UNMEASURED in (ROOT / "README.md").read_text()
    assert said == (not (FOLDER / "ignore_result").exists())
