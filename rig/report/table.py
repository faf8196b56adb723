"""The table of a run, as rows of text, and its rendering for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rig.experiment.compare import Row, words
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval

NOTHING = "–"
BEYOND = 10_000.0  # ratios are not told more exactly than that


@dataclass(frozen=True, kw_only=True)
class Block:
    """One variant against the baseline: a line of text cells for each measure, and for what was lost and duplicated."""

    variant: str
    titles: list[str]
    lines: list[list[str]]


def blocks(result: Result, rows: Sequence[Row]) -> list[Block]:
    """Return a block for each variant but the baseline: side by side, more than one would be wider than a terminal."""
    base, *others = [variant.name for variant in result.experiment.variants]
    return [_block(result, rows, base, other) for other in others]


def _block(result: Result, rows: Sequence[Row], base: str, other: str) -> Block:
    titles = ["", "unit", base, other, f"{other} / {base} [95%]", "in words", f"A/A: {base} / {base} [95%]"]
    lines = []
    for row in rows:
        measure = named(row.measure)
        values = [f"{row.means[cell]:,.{measure.digits}f}" for cell in (base, other)]
        ratio = _ratio(row.measure, row.ratios.get(other))
        lines.append([measure.title, measure.unit, *values, *ratio, short(row.ratios.get(CONTROL))])
    for what in ("lost", "duplicated") if result.accounts else ():
        counts = {cell: str(len(account[what])) for cell, account in result.accounts.items()}
        lines.append([what, "tasks", counts[base], counts[other], NOTHING, NOTHING, counts[CONTROL]])
    return Block(variant=other, titles=titles, lines=lines)


def _ratio(measure: str, ratio: Interval | None) -> list[str]:
    return [NOTHING, NOTHING] if ratio is None else [short(ratio), words(measure, ratio).partition(" [")[0]]


def short(ratio: Interval | None) -> str:
    """Return '1.716 [1.342, 2.194]'; a dash for no ratio."""
    if ratio is None:
        return NOTHING
    one, low, high = (_short_number(value) for value in (ratio.ratio, ratio.low, ratio.high))
    return f"{one} [{low}, {high}]"


def _short_number(value: float) -> str:
    """Return a ratio with three decimals; nobody needs them of one so far from 1 that it says nothing."""
    return f"{value:.3f}" if value < 100 else f"{value:,.0f}" if value < BEYOND else f">{BEYOND:,.0f}"


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
