"""The report of a freeze: a table and a picture, and the places in documents that show the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rig.errors import BadInput
from rig.freeze import figure
from rig.freeze.record import CLOSED, OPEN, PERCENTILES, Loop, Record, load

REPORT, PICTURE = "report.md", "freeze.png"
DOCUMENT = Path("docs/loads.md")
BEGIN, END = "<!-- from docs/runs/freeze/report.md -->\n", "<!-- end -->"


def write(directory: Path) -> str:
    """Write report.md and the picture from the record in `directory`; return the report's text."""
    record = load(directory)
    figure.draw(record, directory / PICTURE)
    text = "\n".join(lines(record)) + "\n"
    (directory / REPORT).write_text(text)
    return text


def lines(record: Record) -> Iterator[str]:
    """Yield the report, without and around its table."""
    yield "# A broker that stands still"
    yield ""
    yield f"Two loads of {record.rate:g} tasks a second, each for {record.seconds:g} s. In the middle the broker is"
    yield f"stopped for {record.loops[OPEN].length:.1f} s with `docker pause`. Made by `rig freeze`."
    if record.run_in:
        yield f"Each ran for {record.run_in:g} s before that: these tasks are accounted for, and in no other number."
        yield f"Measured with version {record.engine} of the rig's engine."
    yield ""
    yield f"![latency over time, open and closed loop]({PICTURE})"
    yield ""
    yield from table(record)
    yield ""
    told = record.account
    yield "What became of the tasks: " + ", ".join(f"{count:,} {name}" for name, count in told.items()) + "."
    yield ""
    about = record.environment
    yield f"{about['cpu']}, {about['cores']} cores, kernel {about['kernel']}, engine {about['engine']};"
    yield f"load average before: {about['load before']:g}. Raw numbers: freeze.json, latencies.csv."


def table(record: Record) -> Iterator[str]:
    """Yield the table: what either loop says of the same freeze. Times are from plan (open) or send (closed) on."""
    both = [record.loops[OPEN], record.loops[CLOSED]]
    yield "| | open loop | closed loop |"
    yield "|---|---:|---:|"
    yield _row("users who wait for the broker", "none", f"{record.users}")
    yield _row("requests in the window", *(f"{len(loop.at):,}" for loop in both))
    yield _row("failed", *(f"{loop.failed:,}" for loop in both))
    yield _row("took a tenth of the freeze or more", *(f"{loop.felt:,}" for loop in both))
    for percent in PERCENTILES:
        yield _row(f"p{percent:g}", *(milliseconds(loop.percentile(percent)) for loop in both))
    yield _row("longest", *(milliseconds(loop.percentile(100)) for loop in both))
    yield _row("confirmed a second in the last two", *(f"{_last(record, loop):,.0f}" for loop in both))


def _last(record: Record, loop: Loop) -> float:
    return loop.rate(record.seconds - 2, record.seconds)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def milliseconds(seconds: float) -> str:
    """Return a time with three significant digits, as Locust shows it."""
    value = seconds * 1e3
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def renew(root: Path, record: Record) -> None:
    """Put the table of the committed record where docs/loads.md shows it. BadInput when the marks are missing."""
    text = (root / DOCUMENT).read_text()
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not (begin and end):
        raise BadInput([f"{DOCUMENT}: no block between {BEGIN.strip()!r} and {END!r}"])
    (root / DOCUMENT).write_text(head + begin + "\n".join(table(record)) + "\n" + end + tail)
