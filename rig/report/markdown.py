"""report.md: the verdict first, then the numbers, what became of every task, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence

from rig.experiment import check
from rig.experiment.compare import Row
from rig.experiment.result import Result
from rig.experiment.verdict import Verdict
from rig.report import facts, table
from rig.report.sentence import quotable


def report(result: Result, rows: Sequence[Row], verdict: Verdict, picture: str) -> str:
    """Return the whole report; `picture` is the plot's path relative to it."""
    parts = [
        f"# {result.experiment.name}: {verdict.word}",
        f"> {quotable(result, rows)}",
        f"![every ratio with its interval, and the judged measure by round]({picture})" if rows else "",
        _claim(result, verdict),
        _measured(result, rows),
        _validity(result, verdict),
        _tasks(result),
        f"## How\n\n{facts.method(result)}\n\nRepeat it: `{facts.command(result)}`",
        _rounds(result),
        _machine(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_LEGEND = """\
Values are geometric means over the rounds; ratios are paired within rounds, with Student's t interval. The last column
is the control, the first variant against itself in a second cell: differences of its size are noise in every column.
Only the expected measure decides the verdict: among many intervals of 95% one that misses is no surprise."""


def _measured(result: Result, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    shown = [table.as_markdown(block.titles, block.lines) for block in table.blocks(result, rows)]
    return "\n\n".join(["## What was measured", *shown, _LEGEND])


def _claim(result: Result, verdict: Verdict) -> str:
    experiment = result.experiment
    lines = [
        f"- **Claim:** {experiment.claim} ([source]({experiment.source}))",
        f"- **Verdict:** {verdict.word}. {verdict.because}.",
        f"- **Varied:** {', '.join(f'`{factor}`' for factor in experiment.factors)}",
    ]
    lines += [f"- **Threshold {'kept' if held.kept else 'missed'}:** {held.said}." for held in verdict.thresholds]
    for name, factors in facts.variants(result).items():
        said = ", ".join(f"{factor} {value}".strip() for factor, value in factors)
        lines.append(f"- **{name}:** `{said}`")
    return "\n".join(lines)


def _validity(result: Result, verdict: Verdict) -> str:
    lines = [f"- **invalid:** {problem.reason}. To change: {problem.change}." for problem in verdict.invalid]
    lines = lines or [f"- {facts.VALID}"]
    lines += [f"- **mind:** {said}." for said in check.warnings(result)]
    return "## Validity\n\n" + "\n".join(lines)


def _tasks(result: Result) -> str:
    titles, lines = facts.account(result)
    if not lines:
        return ""
    text = "## What became of every task\n\n" + table.as_markdown(titles, lines)
    titles, lines = facts.counters(result)
    if not lines:
        return text
    return f"{text}\n\nTasks, as each witness counted them:\n\n{table.as_markdown(titles, lines)}"


def _rounds(result: Result) -> str:
    titles, lines = facts.rounds(result)
    return f"## Round by round: {facts.judged(result)}\n\n{table.as_markdown(titles, lines)}" if lines else ""


def _machine(result: Result) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.machine(result)]
    return "## Machine and software\n\n" + "\n".join(lines) if lines else ""
