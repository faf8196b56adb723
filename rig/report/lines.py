"""A line of a table: one measure of one variant against both baseline cells, in figures that fit side by side.

Terminal, Markdown and HTML show the same lines. None prints a ratio without the difference in the measure's own unit
beside it: a tenth of little is little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rig.experiment.costs import BATCH_SUFFIX, TOTAL
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.ratios import WIDE, Row, percent, words
from rig.experiment.judge.validity import Invalid, unusable
from rig.experiment.measure import named
from rig.experiment.turn import PARTS
from rig.stats import Difference, Interval, geometric_mean

NOTHING = "–"
MOST = 10_000.0  # ratios are not told more exactly than that
UNUSABLE = "unusable"
PART_TITLES = {part: named(f"{part}_cpu").title.rpartition(": ")[2] for part in (*PARTS, TOTAL)}


@dataclass(frozen=True, kw_only=True)
class Line:
    """Text for each column, and what a drawing needs. `against` are the reasons why the line may not be used.

    `noise` is what two cells of the same variant may have differed by. `clear`: the difference is neither possibly none
    nor within that noise.
    """

    measure: str
    variant: str
    base: str
    value: str
    difference: str
    ratio: str
    noise: str
    words: str
    clear: bool
    against: Sequence[Invalid]
    interval: Interval | None
    control: Interval | None

    @property
    def title(self) -> str:
        """The measure's name."""
        return named(self.measure).title

    @property
    def unit(self) -> str:
        """The measure's unit."""
        return named(self.measure).unit


def line(row: Row, base: str, variant: str, invalid: Sequence[Invalid]) -> Line:
    """Return the line of `variant`; `base` is the first variant, whose second cell is the control."""
    measure, ratio = named(row.measure), row.ratios.get(variant)
    against = unusable(invalid, row.measure)
    said = words(row.measure, ratio, row.noise_floor) if ratio else "no ratio: a value was not above zero"
    beyond = ratio is not None and abs(math.log(ratio.ratio)) > math.log(row.noise_floor)
    return Line(
        measure=row.measure, variant=variant, base=amount(base_value(row, base), measure.digits),
        value=amount(row.means[variant], measure.digits),
        difference=difference(row.differences.get(variant), measure.digits), ratio=short(ratio), noise=_noise(row),
        words=UNUSABLE if against else said.partition(" [")[0].partition(": two cells")[0],
        clear=ratio is not None and ratio.clear_of_one and beyond and not against, against=against, interval=ratio,
        control=row.control,
    )  # fmt: skip


def base_value(row: Row, base: str) -> float:
    """Return the mean of both baseline cells, to which ratios are."""
    both = [row.means[base], row.means[CONTROL]]
    return geometric_mean(both) if min(both) > 0 else sum(both) / 2


def _noise(row: Row) -> str:
    if row.control is None:
        return NOTHING
    return "unknown" if row.noise_floor > WIDE else f"{percent(row.noise_floor - 1)}%"


def amount(value: float, digits: int) -> str:
    """Return a value with `digits` behind the point, and with one where it would be a single figure without."""
    return f"{value:,.{_digits(value, digits)}f}"


def difference(found: Difference | None, digits: int) -> str:
    """Return '+898 [+855, +942]'; a dash for none."""
    if found is None:
        return NOTHING
    shown = _digits(max(abs(found.low), abs(found.high)), digits)
    value, low, high = (_signed(each, shown) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits)
    return f"{rounded:+,.{digits}f}" if rounded else f"{0:.{digits}f}"


def _digits(size: float, digits: int) -> int:
    return 1 if not digits and 0 < abs(size) < 9.95 else digits


def short(ratio: Interval | None) -> str:
    """Return '1.716 [1.342, 2.194]'; a dash for no ratio."""
    if ratio is None:
        return NOTHING
    one, low, high = (_short_number(value) for value in (ratio.ratio, ratio.low, ratio.high))
    return f"{one} [{low}, {high}]"


def _short_number(value: float) -> str:
    """Return a ratio with three decimals, which are of no use where it is so far from 1 that it says nothing."""
    return f"{value:.3f}" if value < 100 else f"{value:,.0f}" if value < MOST else f">{MOST:,.0f}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU per task of one part: a line of the paced load and one of the batch; None where it was not measured."""

    part: str
    paced: Line | None
    batch: Line | None


def costs(rows: Sequence[Row], base: str, variant: str, invalid: Sequence[Invalid]) -> list[Cost]:
    """Return the cost of each part and of all in both regimes, as far as there is one."""
    by_name = {row.measure: row for row in rows}
    found = []
    for part, title in PART_TITLES.items():
        both = [by_name.get(f"{part}_cpu{suffix}") for suffix in ("", BATCH_SUFFIX)]
        paced, batch = (line(row, base, variant, invalid) if row else None for row in both)
        if paced or batch:
            found.append(Cost(part=title, paced=paced, batch=batch))
    return found


def is_cost(measure: str) -> bool:
    """Whether a measure is a cost, which has a table of its own."""
    return "_cpu" in measure


def others(rows: Sequence[Row], judged: str, base: str, variant: str, invalid: Sequence[Invalid]) -> list[Line]:
    """Return what is neither the judged measure nor a cost."""
    chosen = (row for row in rows if row.measure != judged and not is_cost(row.measure))
    return [line(row, base, variant, invalid) for row in chosen]


def reasons(shown: Sequence[Line | None]) -> Iterator[str]:
    """Yield why some of `shown` may not be used, each reason once, with the lines it touches where not all are."""
    lines = [one for one in shown if one]
    for reason in dict.fromkeys(each.reason for one in lines for each in one.against):
        touched = [one.title for one in lines if _touched(one, reason)]
        which = f" ({', '.join(dict.fromkeys(touched))})" if len(touched) < len(lines) else ""
        yield f"unusable{which}: {reason}"


def _touched(one: Line, reason: str) -> bool:
    return any(each.reason == reason for each in one.against)
