"""Makes the reports of a run, or of a series of runs, from result.json and shapes.json of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.experiment import distributions
from rig.experiment.judge.gate import check_all, undisturbed
from rig.experiment.judge.ratios import compare, ratio_of
from rig.experiment.judge.verdict import judge
from rig.experiment.result import FILE, SERIES, Result, load_all
from rig.report import html, markdown, plot, terminal
from rig.report.conclusion import Conclusion

REPORT, PAGE, PICTURE = "report.md", "report.html", "plot.png"


@dataclass(frozen=True, kw_only=True)
class Report(Conclusion):
    """What a run or a series came to, and the text that a terminal shows of it."""

    @property
    def summary(self) -> str:
        """The verdict, the tables, what is to be minded."""
        return terminal.summary(self)


def conclude(*results: Result) -> Report:
    """Compare, check and judge one run, or several independent ones of the same experiment."""
    kept, left_out = undisturbed(results)
    rows = compare(kept)
    if left_out:
        left_out.append(_with_all(results))
    return Report(results=kept, rows=rows, verdict=judge(kept, rows, check_all(kept)), left_out=left_out)


def _with_all(results: Sequence[Result]) -> str:
    """Say what the judged ratio is with the runs that are left out."""
    wanted = results[0].experiment.expectation
    ratio = ratio_of(compare(results), wanted.measure, wanted.variant)
    said = f"{ratio.ratio:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]" if ratio else "not there"
    return f"with all {len(results)} runs the judged ratio is {said}"


def write_report(directory: Path) -> Report:
    """(Re)write report.md, report.html and the plot of a run's directory, or of a series' and of each of its runs.

    Of a series' page the figures that are made from single tasks are those of the first run. BadInput if there is no
    result.json to read.
    """
    for result in directory.glob(f"{SERIES}*/{FILE}"):
        write_report(result.parent)
    concluded = conclude(*load_all(directory))
    drawn = distributions.load(directory if (directory / FILE).exists() else directory / f"{SERIES}1")
    if concluded.rows:
        title = f"{concluded.experiment.claim}: {concluded.verdict.word}"
        plot.draw(concluded, directory / PICTURE, title)
    (directory / REPORT).write_text(markdown.report(concluded, PICTURE))
    (directory / PAGE).write_text(html.page(concluded, drawn))
    return concluded
