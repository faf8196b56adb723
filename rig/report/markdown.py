"""report.md: the verdict first, then the numbers, what became of every task, and how to repeat it."""

from __future__ import annotations

from rig.report import facts, table
from rig.report.conclusion import Conclusion
from rig.report.lines import UNUSABLE
from rig.report.sentence import quotable


def report(of: Conclusion, picture: str) -> str:
    """Return the whole report; `picture` is the plot's path relative to it."""
    parts = [
        f"# {of.experiment.name}: {of.verdict.word}",
        f"> {quotable(of)}" if of.valid else NOT_TO_BE_QUOTED,
        measured(of),
        f"![the judged measure, every ratio with its interval, and each round]({picture})" if of.rows else "",
        _claim(of),
        _rest(of),
        _validity(of),
        _tasks(of),
        f"## How\n\n{facts.method(of.results)}\n\n{_idle(of)}\n\nRepeat it: `{facts.command(of.results)}`",
        _rounds(of),
        _machine(of),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


NOT_TO_BE_QUOTED = "The judged measure may not be used; why is said below, and what to change before the next run."
LEGEND = """\
`noise`: what two cells of the same variant may differ by in this run; a difference of that size is none. Bold: clear of
it. Values are means over rounds, those of the baseline over both of its cells; intervals of 95% (Student's t)"""


def measured(of: Conclusion) -> str:
    """Return the judged measure and the costs of the judged variant in both regimes."""
    if not of.rows:
        return ""
    variant = of.experiment.expectation.variant
    heading = f"CPU per task, paced ({table.rates(of)}) and working off a batch:"
    shown = [_markdown(table.judged(of)), heading, _markdown(table.both_costs(of, variant))]
    runs = len(of.results)
    over = "over the rounds of one run." if runs == 1 else f"over {runs} runs: what differs between runs is in them."
    return "\n\n".join([*shown, f"{LEGEND} {over}"])


def _markdown(of: table.Table, labels: int = 1) -> str:
    """Render a table with its notes. A line that ends with `UNUSABLE` is struck out behind its first `labels` cells."""
    lines = [
        [*line[:labels], *(f"~~{cell}~~" for cell in line[labels:-1]), UNUSABLE] if line[-1] == UNUSABLE else line
        for line in of.lines
    ]
    return "\n\n".join([table.as_markdown(of.titles, lines), *of.notes])


def _rest(of: Conclusion) -> str:
    if not of.rows:
        return ""
    judged = of.experiment.expectation.variant
    names = [variant.name for variant in of.experiment.variants[1:]]
    parts = ["## The rest"]
    for name in sorted(names, key=lambda each: each != judged):
        parts += [f"### {name}"] if len(names) > 1 else []
        parts += [_markdown(table.both_costs(of, name))] if name != judged else []
        parts.append(_markdown(table.rest(of, name), labels=2))
    return "\n\n".join([*parts, "Among many intervals of 95% one that misses is no surprise: only one decides."])


def _claim(of: Conclusion) -> str:
    experiment, result = of.experiment, of.result
    lines = [
        f"- **Claim:** {experiment.claim} ([source]({experiment.source}))",
        f"- **Verdict:** {of.verdict.word}. {of.verdict.because}.",
        f"- **Varied:** {', '.join(f'`{factor}`' for factor in experiment.factors)}",
    ]
    lines += [f"- **Threshold {'kept' if held.kept else 'missed'}:** {held.said}." for held in of.verdict.thresholds]
    for name, factors in facts.variants(result).items():
        said = ", ".join(f"{factor} {value}".strip() for factor, value in factors)
        lines.append(f"- **{name}:** `{said}`")
    return "\n".join(lines)


def _validity(of: Conclusion) -> str:
    lines = [f"- **invalid:** {problem.reason}. To change: {problem.change}." for problem in of.verdict.invalid]
    lines = lines or [f"- {facts.VALID}"]
    lines += [f"- **mind:** {said}." for said in of.warnings]
    found = [table.as_markdown(*each) for each in (facts.conditions(of.results), facts.rig(of.results)) if each[1]]
    return "\n\n".join(["## Validity", "\n".join(lines), *found])


def _idle(of: Conclusion) -> str:
    titles, lines = facts.idle(of.results)
    return table.as_markdown(titles, lines) if lines else "Idle costs were not measured."


def _tasks(of: Conclusion) -> str:
    titles, lines = facts.account(of.results)
    if not lines:
        return ""
    text = "## What became of every task\n\n" + table.as_markdown(titles, lines)
    titles, lines = facts.counters(of.results)
    if not lines:
        return text
    return f"{text}\n\nTasks, as each witness counted them:\n\n{table.as_markdown(titles, lines)}"


def _rounds(of: Conclusion) -> str:
    titles, lines = facts.rounds(of.results)
    return f"## Round by round: {facts.judged(of.result)}\n\n{table.as_markdown(titles, lines)}" if lines else ""


def _machine(of: Conclusion) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.machine(of.result)]
    return "## Machine and software\n\n" + "\n".join(lines)
