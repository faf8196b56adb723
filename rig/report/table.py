"""The tables of a report as rows of text, and their rendering for a terminal and for Markdown.

In their order: the judged measure, costs in both regimes, the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rig.experiment.costs import REGIMES
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.limits import limits
from rig.experiment.judge.ratios import row_of
from rig.experiment.measure import named
from rig.report.conclusion import Conclusion, judged_by_run
from rig.report.facts import capital
from rig.report.lines import NOTHING, Cost, Line, costs, line, others, reasons

REGIME_TITLES = dict(zip(REGIMES, ("paced", "batch"), strict=True))


@dataclass(frozen=True, kw_only=True)
class Table:
    """Titles, lines of as many text cells, and what stands below."""

    titles: list[str]
    lines: list[list[str]]
    notes: Sequence[str] = ()


def columns(base: str, variant: str) -> list[str]:
    """Return the titles of `cells`."""
    return [base, variant, "difference [95%]", "ratio [95%]", "noise", "in words"]


def cells(shown: Line | None) -> list[str]:
    """Return the columns of a line; dashes where it was not measured."""
    if shown is None:
        return [NOTHING] * 6
    return [shown.base, shown.value, shown.difference, shown.ratio, shown.noise, shown.words]


def judged_lines(of: Conclusion) -> list[tuple[str, Line | None]]:
    """Return, with its name, the judged measure of the judged variant, of each run of a series, of other variants."""
    wanted, base = of.experiment.expectation, of.experiment.baseline.name
    against = of.verdict.invalid
    found: list[tuple[str, Line | None]] = []
    if of.judged:
        runs = f", {len(of.results)} runs together" if len(of.results) > 1 else ""
        found.append((f"{wanted.variant}{runs}", line(of.judged, base, wanted.variant, against)))
        for number, row in enumerate(judged_by_run(of), start=1):
            found.append((f"  run {number}", line(row, base, wanted.variant, against) if row else None))
        rest = [each.name for each in of.experiment.variants[1:] if each.name != wanted.variant]
        found += [(name, line(of.judged, base, name, against)) for name in rest]
    return found


def judged(of: Conclusion) -> Table:
    """Return the judged measure, of every variant; no lines where too little was measured."""
    found = judged_lines(of)
    measure = named(of.experiment.expectation.measure)
    title = f"{measure.title} ({measure.unit})" if measure.unit else measure.title
    notes = [*struck([each for _, each in found]), *limited(of)]
    body = [[label, *cells(each)] for label, each in found]
    base, *others = [variant.name for variant in of.experiment.variants]
    return Table(titles=[title, *columns(base, others[0] if len(others) == 1 else "variant")], lines=body, notes=notes)


def limited(of: Conclusion) -> Iterator[str]:
    """Yield what limited the execution rate of which cells, where that rate is a row of the report."""
    found = limits(of.results) if row_of(of.rows, "execution_rate") else {}
    cells_by_limit: dict[str, list[str]] = {}
    for variant in of.experiment.variants:
        if variant.name in found:
            cells_by_limit.setdefault(found[variant.name].said, []).append(variant.name)
    for said, names in cells_by_limit.items():
        yield f"Execution rate of {', '.join(names)} limited by {said}."


def cost_table(of: Conclusion, variant: str, suffix: str) -> Table:
    """Return what each part used for a task in one regime."""
    found = _costs(of, variant)
    chosen = [(cost.part, cost.batch if suffix else cost.paced) for cost in found]
    base = of.experiment.baseline.name
    heading = regime(of, suffix)
    body = [[part, *cells(each)] for part, each in chosen]
    return Table(
        titles=[f"CPU µs per task, {heading}", *columns(base, variant)], lines=body,
        notes=list(struck([each for _, each in chosen])),
    )  # fmt: skip


def both_costs(of: Conclusion, variant: str) -> Table:
    """Return what each part used for a task in both regimes side by side. What is clear and no noise is bold."""
    found = _costs(of, variant)
    base = of.experiment.baseline.name
    titles = ["CPU µs per task"]
    for suffix in REGIMES:
        kind = REGIME_TITLES[suffix]
        titles += [f"{kind}: {base}", f"{variant}", "difference [95%]", "ratio [95%]", "noise"]
    body = [[cost.part, *_marked(cost.paced), *_marked(cost.batch)] for cost in found]
    halves = {"paced": [cost.paced for cost in found], "batch": [cost.batch for cost in found]}
    notes = [f"{capital(half)}: {said}." for half, shown in halves.items() for said in reasons(shown)]
    return Table(titles=titles, lines=body, notes=notes)


def _costs(of: Conclusion, variant: str) -> list[Cost]:
    return costs(of.rows, of.experiment.baseline.name, variant, of.verdict.invalid)


def _marked(shown: Line | None) -> list[str]:
    """Return a line without its words for Markdown: bold where it is clear, struck out where it is unusable."""
    written = cells(shown)[:-1]
    if shown and shown.against:
        return [f"~~{each}~~" for each in written]
    return [f"**{each}**" if shown and shown.clear and place in (2, 3) else each for place, each in enumerate(written)]


def rest(of: Conclusion, variant: str) -> Table:
    """Return all other measures, and what was lost and duplicated."""
    experiment = of.experiment
    base = experiment.baseline.name
    found = others(of.rows, experiment.expectation.measure, base, variant, of.verdict.invalid)
    body = [[each.title, each.unit, *cells(each)] for each in found]
    for what in ("lost", "duplicated") if of.result.accounts else ():
        counts = {cell: _count(of, cell, what) for cell in (base, CONTROL, variant)}
        both = f"{counts[base]} + {counts[CONTROL]}"
        body.append([what, "tasks", both, str(counts[variant]), *[NOTHING] * 4])
    return Table(titles=["", "unit", *columns(base, variant)], lines=body, notes=list(struck(found)))


def _count(of: Conclusion, cell: str, what: str) -> int:
    return sum(len(result.accounts.get(cell, {}).get(what, ())) for result in of.results)


def struck(shown: Sequence[Line | None]) -> Iterator[str]:
    """Yield why lines are struck out."""
    yield from (f"{capital(said)}." for said in reasons(shown))


def regime(of: Conclusion, suffix: str) -> str:
    """Return under which load a cost was taken: 'paced (550 tasks/s)' or 'batch'."""
    return REGIME_TITLES[suffix] if suffix else f"{REGIME_TITLES[suffix]} ({rates(of)})"


def rates(of: Conclusion) -> str:
    """Return the paced rate: '550 tasks/s', or '540 to 560 tasks/s' where the runs of a series differ in it."""
    said = sorted({round(result.rate) for result in of.results})
    return f"{said[0]:,} tasks/s" if len(said) == 1 else f"{said[0]:,} to {said[-1]:,} tasks/s"


def as_text(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Render for a terminal: columns two spaces apart, numbers to the right."""
    grid = [list(titles), *map(list, lines)]
    widths = [max(len(line[column]) for line in grid) for column in range(len(titles))]
    right = [_is_number(lines, column) for column in range(len(titles))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    rendered = ["  ".join(map(_aligned, line, widths, right)).rstrip() for line in grid]
    return "\n".join([rendered[0], rule, *rendered[1:]])


def as_markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Render for a Markdown file."""
    rule = ["---" if not index else "---:" for index in range(len(titles))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [titles, rule, *lines])


def shown(of: Table, render: Callable[[Sequence[str], Sequence[Sequence[str]]], str], between: str = "\n") -> str:
    """Render a table with its notes below."""
    return between.join([render(of.titles, of.lines), *of.notes])


def _is_number(lines: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column is one of numbers: the first never is."""
    said = [line[column] for line in lines if line[column] not in ("", NOTHING, "unknown")]
    return column > 0 and bool(said) and not any(letter.isalpha() for text in said for letter in text)


def _aligned(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
