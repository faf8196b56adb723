"""What docs/loads.md says of the freeze is what the committed record says."""

from __future__ import annotations

from pathlib import Path

from rig.freeze import report
from rig.freeze.record import load

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "runs" / "freeze"


def test_the_report_is_made_from_the_raw_numbers() -> None:
    assert "\n".join(report.lines(load(RECORD))) + "\n" == (RECORD / report.REPORT).read_text()
    assert (RECORD / report.PICTURE).exists()


def test_the_record_can_be_trusted() -> None:
    assert load(RECORD).problems == []


def test_the_document_shows_the_table_of_the_record() -> None:
    text = (ROOT / report.DOCUMENT).read_text()
    shown = text.partition(report.BEGIN)[2].partition(report.END)[0]
    assert shown.splitlines() == list(report.table(load(RECORD)))


def test_what_the_document_says_of_the_record_is_so() -> None:
    """The sentences around the table have no figures, but they say which way it went."""
    record = load(RECORD)
    opened, closed = record.loops["open"], record.loops["closed"]
    assert opened.percentile(99) > opened.length / 2 > 10 * closed.percentile(99)  # "its p99 hides"
    assert 1 <= closed.felt <= record.users  # "as many slow requests as it has users"
    assert opened.felt > record.rate * opened.length * 0.9  # "everything that was due"
