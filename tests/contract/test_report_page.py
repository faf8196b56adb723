"""The records in docs/runs: their report.html, as committed and as this code makes it, is whole and self-contained."""

import shutil
from pathlib import Path

import pytest

from rig.experiment import shapes
from rig.experiment.result import FILE
from rig.report.write import PAGE, write_report
from tests.report_page import SECTIONS, external, sections

RECORDS = sorted(path.parent for path in (Path(__file__).parents[2] / "docs" / "runs").rglob(FILE))


@pytest.mark.parametrize("record", RECORDS, ids=[record.name for record in RECORDS])
def test_a_record_has_a_page_with_every_section_and_no_external_reference(record: Path, tmp_path: Path) -> None:
    for name in (FILE, shapes.FILE):
        if (record / name).exists():
            shutil.copy(record / name, tmp_path)
    write_report(tmp_path)
    for page in (tmp_path / PAGE, record / PAGE):
        if page.exists():
            assert external(page.read_text()) == []
            assert sections(page.read_text()) == list(SECTIONS)


def test_there_are_records() -> None:
    assert RECORDS
