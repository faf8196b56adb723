"""The table in docs/selfbench.md is that of the committed record, and empty as long as there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.selfbench import record
from rig.selfbench.part import all_parts

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "runs" / "selfbench" / record.NAME
DOCUMENT = ROOT / "docs" / "selfbench.md"


def test_the_document_shows_the_committed_record() -> None:
    document = DOCUMENT.read_text()
    assert record.into(document, record.load(RECORD) if RECORD.exists() else []) == document


@pytest.mark.skipif(not RECORD.exists(), reason="no self-test is on record yet")
def test_the_record_is_of_every_part_and_was_not_a_quick_one() -> None:
    assert {section.part for section in record.load(RECORD)} == set(all_parts())
    assert '"quick": false' in RECORD.read_text()


def test_every_part_is_explained() -> None:
    document = DOCUMENT.read_text()
    assert [name for name in all_parts() if f"**{name}** " not in document.partition(record.END)[2]] == []
