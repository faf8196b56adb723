"""From a result's turns to the rows of the table: every measure of every cell, and its ratio to the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rig.experiment import stats
from rig.experiment.measure import measures, named
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval

WIDE = 10.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure. `means` are geometric means over rounds by cell; `ratios` are to the baseline, by cell, and hold
    none for a cell where a value was zero. The control's ratio is the noise floor.
    """

    measure: str
    means: Mapping[str, float]
    ratios: Mapping[str, Interval]

    @property
    def control(self) -> Interval | None:
        """The A/A ratio."""
        return self.ratios.get(CONTROL)

    @property
    def noise_floor(self) -> float:
        """The largest difference (a ratio >= 1) that two cells of the same variant may have had in this run."""
        return self.control.floor if self.control else 1.0


def compare(result: Result) -> list[Row]:
    """Return a row for each measure that was taken in at least two whole rounds."""
    rows = []
    for measure in measures(result.experiment):
        values = result.by_cell(measure)
        baseline = values[result.experiment.baseline.name]
        if len(baseline) < 2:
            continue
        positive = {cell for cell, column in values.items() if min(column) > 0}
        means = {cell: stats.geometric_mean(column) if cell in positive else 0.0 for cell, column in values.items()}
        ratios = {
            cell: stats.paired_ratio(baseline, column, level(result))
            for cell, column in values.items()
            if cell != result.experiment.baseline.name and {cell, result.experiment.baseline.name} <= positive
        }
        rows.append(Row(measure=measure, means=means, ratios=ratios))
    return rows


def level(result: Result) -> float:
    """Return what a run's intervals ask of Student's t, so that they are intervals of 95%."""
    return stats.STOPPING if result.experiment.stop_at else stats.CONFIDENCE


def ratio_of(rows: Sequence[Row], measure: str, variant: str) -> Interval | None:
    """Return one ratio; None where it was not taken, or a value was zero."""
    row = next((row for row in rows if row.measure == measure), None)
    return row.ratios.get(variant) if row else None


def words(measure: str, ratio: Interval) -> str:
    """Say a ratio in words: '41% faster [38, 44]', or 'no difference larger than 3%' where its interval holds 1.

    An interval that holds 1 and more than a factor of `WIDE` says nothing at all.
    """
    if not ratio.clear_of_one and ratio.floor > WIDE:
        return "nothing to be said"
    if not ratio.clear_of_one:
        return f"no difference larger than {percent(ratio.floor - 1)}%"
    shown = named(measure)
    if ratio.ratio > 1:
        low, high = ratio.low - 1, ratio.high - 1
        return f"{percent(ratio.ratio - 1)}% {shown.more} [{percent(low)}, {percent(high)}]"
    low, high = 1 - ratio.high, 1 - ratio.low
    return f"{percent(1 - ratio.ratio)}% {shown.less} [{percent(low)}, {percent(high)}]"


def percent(share: float) -> str:
    """Return a share as a percentage with two digits that mean something: 0.4, 3.8, 41, 190."""
    value = 100 * share
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
