"""Makes the reports of a run directory from its result.json and shapes.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.experiment import shapes
from rig.experiment.check import check, warnings
from rig.experiment.compare import Row, compare
from rig.experiment.result import Result, load
from rig.experiment.verdict import Verdict, judge
from rig.report import html, markdown, plot, table
from rig.report.sentence import quotable

REPORT, PAGE, PICTURE = "report.md", "report.html", "plot.png"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run came to, and the text that a terminal shows of it."""

    result: Result
    rows: list[Row]
    verdict: Verdict

    @property
    def summary(self) -> str:
        """The table, the quotable sentence, the verdict."""
        parts = [f"{self.result.experiment.name}: {self.verdict.word}. {self.verdict.because}"]
        if self.rows:
            shown = [table.as_text(block.titles, block.lines) for block in table.blocks(self.result, self.rows)]
            parts = [*shown, quotable(self.result, self.rows), *parts]
        parts += [f"threshold {'kept' if held.kept else 'missed'}: {held.said}" for held in self.verdict.thresholds]
        parts += [f"invalid: {problem.reason}. To change: {problem.change}." for problem in self.verdict.invalid]
        parts += [f"mind: {said}." for said in warnings(self.result)]
        return "\n\n".join(parts)


def conclude(result: Result) -> Report:
    """Compare, check and judge."""
    rows = compare(result)
    return Report(result=result, rows=rows, verdict=judge(result, rows, check(result)))


def write_report(directory: Path) -> Report:
    """(Re)write report.md, report.html and the plot of a run directory. BadInput if it has no result.json to read."""
    concluded = conclude(load(directory))
    drawn = shapes.load(directory)
    if concluded.rows:
        title = f"{concluded.result.experiment.claim}: {concluded.verdict.word}"
        plot.draw(concluded.result, concluded.rows, directory / PICTURE, title)
    text = markdown.report(concluded.result, concluded.rows, concluded.verdict, PICTURE)
    (directory / REPORT).write_text(text)
    (directory / PAGE).write_text(html.page(concluded.result, concluded.rows, concluded.verdict, drawn))
    return concluded
