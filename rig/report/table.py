"""The table of a run, as rows of text, and its rendering for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rig.experiment.compare import Row, words
from rig.experiment.measure import MEASURES
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval

NOTHING = "–"


def header(result: Result) -> list[str]:
    """Return the titles of the columns that `body` fills."""
    base, *others = [variant.name for variant in result.experiment.variants]
    titles = ["", "unit", base]
    for other in others:
        titles += [other, f"{other} / {base} [95%]", "in words"]
    return [*titles, f"A/A: {base} / {base} [95%]"]


def body(result: Result, rows: Sequence[Row]) -> list[list[str]]:
    """Return a line of text cells for each measure, then one each for what was lost and duplicated."""
    base, *others = [variant.name for variant in result.experiment.variants]
    lines = []
    for row in rows:
        digits = MEASURES[row.measure].digits
        line = [MEASURES[row.measure].title, MEASURES[row.measure].unit, f"{row.means[base]:,.{digits}f}"]
        for other in others:
            line += [f"{row.means[other]:,.{digits}f}", *_ratio(row.measure, row.ratios.get(other))]
        lines.append([*line, _short(row.ratios.get(CONTROL))])
    return lines + [_counted(result, what, base, others) for what in ("lost", "duplicated") if result.accounts]


def _ratio(measure: str, ratio: Interval | None) -> list[str]:
    return [NOTHING, NOTHING] if ratio is None else [_short(ratio), words(measure, ratio).partition(" [")[0]]


def _short(ratio: Interval | None) -> str:
    return (
        NOTHING
        if ratio is None
        else f"{_short_number(ratio.ratio)} [{_short_number(ratio.low)}, {_short_number(ratio.high)}]"
    )


def _short_number(value: float) -> str:
    return f"{value:.3f}" if value < 100 else f"{value:.2g}"


def _counted(result: Result, what: str, base: str, others: Sequence[str]) -> list[str]:
    counts = {cell: str(len(account[what])) for cell, account in result.accounts.items()}
    line = [what, "tasks", counts[base]]
    for other in others:
        line += [counts[other], NOTHING, NOTHING]
    return [*line, counts[CONTROL]]


def as_text(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Render for a terminal: columns two spaces apart, numbers to the right."""
    grid = [list(titles), *map(list, lines)]
    widths = [max(len(line[column]) for line in grid) for column in range(len(titles))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    rendered = ["  ".join([line[0].ljust(widths[0]), *map(_aligned, line[1:], widths[1:])]) for line in grid]
    return "\n".join([rendered[0].rstrip(), rule, *(line.rstrip() for line in rendered[1:])])


def as_markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Render for a Markdown file."""
    rule = ["---" if not index else "---:" for index in range(len(titles))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [titles, rule, *lines])


def _aligned(text: str, width: int) -> str:
    is_number = text[:1].isdigit() or text[:1] in ("[", NOTHING) or " / " in text
    return text.rjust(width) if is_number and "%" not in text else text.ljust(width)
