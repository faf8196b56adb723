"""report.md: the verdict first, then the numbers, what became of every task, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rig.experiment import check
from rig.experiment.compare import Row
from rig.experiment.measure import MEASURES
from rig.experiment.result import Result
from rig.experiment.verdict import Verdict
from rig.report import table
from rig.report.sentence import quotable

ACCOUNT = (
    "sent", "confirmed", "executed", "succeeded", "failed", "lost", "duplicated", "unexpected", "stalled",
    "indeterminate",
)  # fmt: skip


def report(result: Result, rows: Sequence[Row], verdict: Verdict, picture: str) -> str:
    """Return the whole report; `picture` is the plot's path relative to it."""
    parts = [
        f"# {result.experiment.name}: {verdict.word}",
        f"> {quotable(result, rows)}",
        f"![every ratio with its interval, and the judged measure by round]({picture})",
        _claim(result, verdict),
        _measured(result, rows),
        _validity(result, verdict),
        _tasks(result),
        _method(result),
        _rounds(result),
        _machine(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_LEGEND = """\
Values are geometric means over the rounds; ratios are paired within rounds, with Student's t interval. The last column
is the control, the first variant against itself in a second cell: differences of its size are noise in every column.
Only the expected measure decides the verdict: among ten intervals of 95% one that misses is no surprise."""


def _measured(result: Result, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    shown = table.as_markdown(table.header(result), table.body(result, rows))
    return f"## What was measured\n\n{shown}\n\n{_LEGEND}"


def _claim(result: Result, verdict: Verdict) -> str:
    experiment = result.experiment
    lines = [
        f"- **Claim:** {experiment.claim} ([source]({experiment.source}))",
        f"- **Verdict:** {verdict.word}. {verdict.because}.",
        f"- **Varied:** {', '.join(f'`{factor}`' for factor in experiment.factors)}",
    ]
    for variant in experiment.variants:
        said = ", ".join(f"{name} {value}".strip() for name, value in variant.factors().items())
        lines.append(f"- **{variant.name}:** `{said}`")
    return "\n".join(lines)


def _validity(result: Result, verdict: Verdict) -> str:
    lines = [f"- **invalid:** {problem.reason}. To change: {problem.change}." for problem in verdict.invalid]
    lines = lines or [_VALID]
    lines += [f"- **mind:** {said}." for said in check.warnings(result)]
    return "## Validity\n\n" + "\n".join(lines)


_VALID = """\
- Every check passed: the ledger is whole; no task was lost, unexpected or stalled; Locust, ledger and broker counted
  the same tasks; the paced load reached its rate; the control shows no difference."""


def _tasks(result: Result) -> str:
    if not result.accounts:
        return ""
    titles = ["cell", *ACCOUNT]
    lines = [[cell, *(_number(account[what]) for what in ACCOUNT)] for cell, account in result.accounts.items()]
    text = "## What became of every task\n\n" + table.as_markdown(titles, lines)
    if not result.counts:
        return text
    witnesses = list(next(iter(result.counts.values())))
    counted = [[scope, *(str(counts[name]) for name in witnesses)] for scope, counts in result.counts.items()]
    return text + "\n\nTasks, as each witness counted them:\n\n" + table.as_markdown(["cell", *witnesses], counted)


def _number(value: Any) -> str:
    return str(value if isinstance(value, int) else len(value))


def _method(result: Result) -> str:
    load, experiment = result.experiment.load, result.experiment
    again = sum(turn.discarded for turn in result.turns) or "no"
    idle = ", ".join(f"{component} {micros:,.0f}" for component, micros in result.idle.items())
    return f"""\
## How

{len(result.cells)} cells, {experiment.rounds} rounds after a discarded one, order from seed {result.seed}, {again} \
turns taken again because others used too much CPU. Each turn: \
{load.backlog:,} × {', '.join(f'`{kind.task}`' for kind in load.kinds)} published by {load.users} users while the worker stood still, then drained; then \
{load.seconds:g} s of {load.arrivals} arrivals at {result.rate:,.0f} tasks/s in every cell, which is \
{100 * load.share:.0f}% of the slowest cell's drain capacity. Idle cost, in CPU-µs a second and contained in the \
numbers above: {idle or "not measured"}. docs/method.md explains why it is done so.

Repeat it: `rig run {experiment.path} --rounds {experiment.rounds} --seed {result.seed}`"""


def _rounds(result: Result) -> str:
    measure = result.experiment.expectation.measure
    values = result.by_cell(measure)
    cells = list(result.cells)
    count = len(values[cells[0]])
    lines = [
        [str(index + 1), " → ".join(result.orders[index]), *(f"{values[cell][index]:,.1f}" for cell in cells)]
        for index in range(count)
    ]
    title = f"## Round by round: {MEASURES[measure].title} ({MEASURES[measure].unit})"
    return f"{title}\n\n" + table.as_markdown(["round", "order", *cells], lines) if lines else ""


def _machine(result: Result) -> str:
    seen = result.environment
    lines = [f"- {name}: {_plain(seen[name])}" for name in seen if name != "images"]
    lines += [f"- image {name}: `{image}`" for name, image in seen.get("images", {}).items()]
    return "## Machine and software\n\n" + "\n".join(lines) if lines else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
