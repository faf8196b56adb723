"""From the turns of one or more runs to the rows of the table: every measure of every cell, and how it compares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rig import stats
from rig.experiment.file.spec import CONTROL
from rig.experiment.measure import measures, named
from rig.experiment.result import Result
from rig.stats import Difference, Interval

WIDE = 10.0
UNCLEAR = 1.5  # an interval that holds 1 and more than this is no statement of "no difference"
NOTHING_LESS = 0.0005  # what is less than 0.05% is printed as 0.0%


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure. `means` are means over rounds by cell (geometric, of positive values); `ratios` are to the geometric
    mean of both baseline cells, by cell, and hold none for a cell where a value was not positive; `differences`, in the
    measure's unit, hold one for each. The control's are to the other baseline cell: the noise floor.
    """

    measure: str
    means: Mapping[str, float]
    ratios: Mapping[str, Interval]
    differences: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def control(self) -> Interval | None:
        """The A/A ratio."""
        return self.ratios.get(CONTROL)

    @property
    def noise_floor(self) -> float:
        """The largest difference (a ratio >= 1) that two cells of the same variant may have had."""
        return self.control.floor if self.control else 1.0


def compare(results: Sequence[Result]) -> list[Row]:
    """Return a row for each measure that was taken in at least two whole rounds of each of `results`.

    Several results are independent runs of one experiment: then the intervals have the variance between runs in them.
    """
    return [row for measure in measures(results[0].experiment) if (row := _row(results, measure))]


def _row(results: Sequence[Result], measure: str) -> Row | None:
    columns = [result.by_cell(measure) for result in results]
    base = results[0].experiment.baseline.name
    if any(len(each[base]) < 2 for each in columns):
        return None
    confidence = level(results[0])
    cells = list(results[0].cells)
    positive = {cell for cell in cells if all(min(each[cell]) > 0 for each in columns)}
    ratios, differences = {}, {}
    for cell in cells:
        if cell == base:
            continue
        against = [base] if cell == CONTROL else [base, CONTROL]
        pairs = [([each[name] for name in against], each[cell]) for each in columns]
        differences[cell] = stats.difference_of([stats.differences(*pair) for pair in pairs], confidence)
        if {cell, *against} <= positive:
            logs = [stats.log_ratios(*pair) for pair in pairs]
            if any(map(any, logs)):  # the same to the digit in every round is a count of none, and no ratio
                ratios[cell] = stats.ratio_of_logs(logs, confidence)
    means = {cell: _mean([value for each in columns for value in each[cell]], cell in positive) for cell in cells}
    return Row(measure=measure, means=means, ratios=ratios, differences=differences)


def _mean(values: Sequence[float], positive: bool) -> float:
    return stats.geometric_mean(values) if positive else math.fsum(values) / len(values)


def judged_logs(result: Result, measure: str, variant: str, rounds: Sequence[int] | None = None) -> list[float]:
    """Return the log-ratio of `variant` to both baseline cells in each whole round (or in those of `rounds`).

    Nothing where a value is not above zero.
    """
    columns = result.by_cell(measure, rounds)
    base = result.experiment.baseline.name
    baselines = [columns[base]] if variant == CONTROL else [columns[base], columns[CONTROL]]
    try:
        return stats.log_ratios(baselines, columns[variant])
    except ValueError:
        return []


def level(result: Result) -> float:
    """Return what a run's intervals ask of Student's t, so that they are intervals of 95%."""
    return stats.STOPPING if result.experiment.stop_at else stats.CONFIDENCE


def row_of(rows: Sequence[Row], measure: str) -> Row | None:
    """Return the row of a measure; None where it was not taken."""
    return next((row for row in rows if row.measure == measure), None)


def ratio_of(rows: Sequence[Row], measure: str, variant: str) -> Interval | None:
    """Return one ratio; None where it was not taken, or a value was zero."""
    row = row_of(rows, measure)
    return row.ratios.get(variant) if row else None


def words(measure: str, ratio: Interval, floor: float = 1.0) -> str:
    """Say a ratio in words: '41% faster [38, 44]'; 'no difference larger than 3%' where its interval holds 1, 'unclear:
    between 84% less and 126% more' where it holds too much else besides.

    `floor` is what two cells of the same variant may differ by in this run, as a ratio >= 1: what is no larger is
    'within the noise', wherever its interval lies.
    """
    shown = named(measure)
    if not ratio.clear_of_one and ratio.floor > WIDE:
        return "interval too wide to conclude anything"
    if not ratio.clear_of_one and ratio.floor > UNCLEAR:
        return f"unclear: between {percent(1 - ratio.low)}% {shown.less} and {percent(ratio.high - 1)}% {shown.more}"
    if not ratio.clear_of_one or abs(ratio.ratio - 1) < NOTHING_LESS:
        return f"no difference larger than {percent(max(ratio.floor - 1, 0.001))}%"
    if abs(math.log(ratio.ratio)) <= math.log(floor):
        return f"within the noise: two cells of the same variant may differ by {percent(floor - 1)}%"
    if ratio.ratio > 1:
        low, high = ratio.low - 1, ratio.high - 1
        return f"{percent(ratio.ratio - 1)}% {shown.more} [{percent(low)}, {percent(high)}]"
    low, high = 1 - ratio.high, 1 - ratio.low
    return f"{percent(1 - ratio.ratio)}% {shown.less} [{percent(low)}, {percent(high)}]"


def percent(share: float) -> str:
    """Return a share as a percentage with two digits that mean something: 0.4, 3.8, 41, 190."""
    value = 100 * share
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
