"""What a run, or a series of independent runs of one experiment, came to: what every report is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rig.experiment.file.spec import Experiment
from rig.experiment.judge.cautions import all_warnings
from rig.experiment.judge.ratios import Row, compare, row_of
from rig.experiment.judge.verdict import INVALID, Verdict
from rig.experiment.result import Result


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """`rows` compare the cells over all of `results`, which are one run or several independent ones.

    `left_out` says of each run of a series that is not among them why.
    """

    results: Sequence[Result]
    rows: Sequence[Row]
    verdict: Verdict
    left_out: Sequence[str] = ()

    @property
    def result(self) -> Result:
        """The first run."""
        return self.results[0]

    @property
    def experiment(self) -> Experiment:
        """What was put to the test."""
        return self.result.experiment

    @property
    def judged(self) -> Row | None:
        """The row that decides the verdict; None where too little of it was measured."""
        return row_of(self.rows, self.experiment.expectation.measure)

    @property
    def valid(self) -> bool:
        """Whether the judged measure may be used; other rows may be struck out nevertheless."""
        return self.verdict.word != INVALID

    @property
    def warnings(self) -> list[str]:
        """What makes nothing invalid and should be known to who reads the numbers."""
        return [*self.left_out, *all_warnings(self.results)]

    @property
    def rounds(self) -> int:
        """The whole rounds of all runs."""
        return sum(len(result.whole_rounds) for result in self.results)


def judged_by_run(conclusion: Conclusion) -> list[Row | None]:
    """Return the judged row of each run by itself; nothing for a single run, whose row is that of the conclusion."""
    if len(conclusion.results) == 1:
        return []
    measure = conclusion.experiment.expectation.measure
    return [row_of(compare([result]), measure) for result in conclusion.results]
