"""Two runs, or two series of runs, compared: has an effect changed, and in what else do they differ?

An effect is what was measured as the ratio of a variant to its baseline. What divides machines, hours and versions from
one another, and weighs on baseline and variant alike, cancels within each run; absolute values have no such protection
and get no interval.

Of two series the means of their runs are the samples, so that what differs from run to run is in the interval. Of two
single runs the rounds are: all that tells one run's broker, boot and neighbours from the other's then counts as a
change of the effect, and the text says so. Either way the two samples are independent, and their means differ with
Welch's interval (`rig.stats.independent_ratio`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rig import stats
from rig.errors import BadInput
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.ratios import UNCLEAR, WIDE, Row, judged_logs, level, percent, row_of
from rig.experiment.judge.validity import unusable
from rig.experiment.measure import measures, named
from rig.experiment.result import Result
from rig.report import facts, table
from rig.report.conclusion import Conclusion
from rig.report.lines import NOTHING, UNUSABLE, amount, difference, short
from rig.stats import Difference, Interval
from rig.testbed.environment import CLOCK_SPREAD

DIGEST = 19  # of an image's id: "sha256:" and twelve digits, as Docker shows them
# Entries of an environment that differ between any two runs, and say nothing by that.
EVER_NEW = ("load before", CLOCK_SPREAD)
SINGLE = """\
There is no variance between runs in these intervals, since not both sides are of several runs: what tells one run's
broker and boot from another's may look like a change. To have it in them: `rig run FILE --runs 3` for each side."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One measure of one variant: ratio and difference to the baseline on both sides, and the quotient of the ratios.

    `floor`, a ratio >= 1, is what the control's ratio may have changed by: a change of that size is noise. `usable`:
    neither side has a reason against it.
    """

    measure: str
    variant: str
    first: Interval
    second: Interval
    differences: tuple[Difference, Difference]
    change: Interval
    floor: float = 1.0
    usable: bool = True


def effects(first: Conclusion, second: Conclusion) -> list[Effect]:
    """Return the effects that both sides have, by measure and name of the variant, the control as the last.

    BadInput where no variant but the baseline is in both, or they were measured by engines of different versions.
    """
    _comparable(first, second)
    common = [name for name in measures(first.experiment) if name in measures(second.experiment)]
    controls = {name: found for name in common if (found := _effect(first, second, name, CONTROL))}
    floors = {name: found.change.floor for name, found in controls.items()}
    shared = [name for name in _others(first) if name in _others(second)]
    every = (_effect(first, second, name, variant, floors.get(name, 1.0)) for variant in shared for name in common)
    return [*(effect for effect in every if effect), *controls.values()]


def _comparable(first: Conclusion, second: Conclusion) -> None:
    sides = {"A": first, "B": second}
    engines = {side: {result.engine for result in of.results} for side, of in sides.items()}
    if len(set.union(*engines.values())) > 1:
        said = " and ".join(f"{side} by engine {_listed(found)}" for side, found in engines.items())
        raise BadInput([f"{said}: a change of the engine moves numbers, so measure both with the same one"])
    if not set(_others(first)) & set(_others(second)):
        said = "; ".join(f"{of.result.run} has {', '.join(_others(of))}" for of in sides.values())
        raise BadInput([f"the runs share no variant besides their baselines: {said}"])


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _others(of: Conclusion) -> list[str]:
    return [variant.name for variant in of.experiment.variants[1:]]


def _effect(first: Conclusion, second: Conclusion, measure: str, variant: str, floor: float = 1.0) -> Effect | None:
    """Return None where one side has fewer than two rounds of it, or a value that is not above zero."""
    rows = [row_of(of.rows, measure) for of in (first, second)]
    before, after = (_sample(of, measure, variant, single=not in_series(first, second)) for of in (first, second))
    one, two = rows
    if one is None or two is None or not (variant in one.ratios and variant in two.ratios and before and after):
        return None
    confidence = max(level(of.result) for of in (first, second))
    return Effect(
        measure=measure, variant=variant, first=one.ratios[variant], second=two.ratios[variant],
        differences=(one.differences[variant], two.differences[variant]),
        change=stats.independent_ratio(before, after, confidence), floor=floor,
        usable=not any(unusable(of.verdict.invalid, measure) for of in (first, second)),
    )  # fmt: skip


def in_series(first: Conclusion, second: Conclusion) -> bool:
    """Whether both sides are of several runs, so that runs can be compared."""
    return min(len(first.results), len(second.results)) > 1


def _sample(of: Conclusion, measure: str, variant: str, *, single: bool) -> list[float]:
    """Return one ratio for each round, or for each run of a series."""
    runs = [judged_logs(result, measure, variant) for result in of.results]
    if single:
        return [math.exp(log) for logs in runs for log in logs]
    return [math.exp(math.fsum(logs) / len(logs)) for logs in runs] if all(runs) else []


def judged(first: Conclusion, found: Sequence[Effect]) -> Effect | None:
    """Return the effect that the first side's expectation is about; None where they do not share it."""
    wanted = first.experiment.expectation
    fitting = (each for each in found if (each.measure, each.variant) == (wanted.measure, wanted.variant))
    return next(fitting, None)


def words(change: Interval, floor: float = 1.0) -> str:
    """Say a change of a ratio: '12% higher [3, 22]', or 'no difference larger than 9%' where the interval holds 1.

    `floor`: what the control's ratio may have changed by.
    """
    if not change.clear_of_one:
        if change.floor > WIDE:
            return "interval too wide to conclude anything"
        if change.floor > UNCLEAR:
            return f"unclear: between {percent(1 - change.low)}% lower and {percent(change.high - 1)}% higher"
        return f"no difference larger than {percent(change.floor - 1)}%"
    if not changed(change, floor):
        return f"within the noise: the control's may have changed by {percent(floor - 1)}%"
    if change.ratio > 1:
        ends = percent(change.low - 1), percent(change.high - 1)
        return f"{percent(change.ratio - 1)}% higher [{ends[0]}, {ends[1]}]"
    ends = percent(1 - change.high), percent(1 - change.low)
    return f"{percent(1 - change.ratio)}% lower [{ends[0]}, {ends[1]}]"


def changed(change: Interval, floor: float = 1.0) -> bool:
    """Whether a change is clear of none, and larger than what the control's may be."""
    return change.clear_of_one and abs(math.log(change.ratio)) > math.log(floor)


def effect_table(found: Sequence[Effect], variant: str) -> facts.Table:
    """Return titles and lines of one variant's effects: a line for each side, the change beside the second."""
    titles = ["", "", "difference [95%]", "ratio [95%]", "B / A [95%]", "in words"]
    lines = []
    for each in (effect for effect in found if effect.variant == variant):
        digits = named(each.measure).digits
        one, two = (difference(apart, digits) for apart in each.differences)
        said = words(each.change, each.floor) if each.usable else UNUSABLE
        lines.append([named(each.measure).title, "A", one, short(each.first), "", ""])
        lines.append(["", "B", two, short(each.second), short(each.change), said])
    return titles, lines


def value_table(first: Conclusion, second: Conclusion) -> facts.Table:
    """Return titles and lines of the absolute values of the cells that both sides have, means over rounds."""
    cells = [cell for cell in first.result.cells if cell in second.result.cells]
    lines = []
    for name, measure in measures(first.experiment).items():
        rows = [row_of(of.rows, name) for of in (first, second)]
        if any(rows):
            values = [_value(row, cell, measure.digits) for cell in cells for row in rows]
            lines.append([measure.title, measure.unit, *values])
    return ["", "unit", *(f"{cell} {side}" for cell in cells for side in "AB")], lines


def _value(row: Row | None, cell: str, digits: int) -> str:
    return amount(row.means[cell], digits) if row else NOTHING


def differences(first: Conclusion, second: Conclusion) -> facts.Lines:
    """Return name, value of the first side and of the second, of everything in which environment or settings differ."""
    sides = [dict(_flat(of)) for of in (first, second)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    rows = [[name, sides[0].get(name, NOTHING), sides[1].get(name, NOTHING)] for name in names]
    return [row for row in rows if row[1] != row[2]]


def same_environment(first: Conclusion, second: Conclusion) -> bool:
    """Whether everything that was written down of machine and software is the same in all runs, but for the revision.

    A revision says where the rig's files were, not what ran: "measuring code" does that.
    """
    kept = [
        {name: value for name, value in _environment(result).items() if name != "revision"}
        for of in (first, second)
        for result in of.results
    ]
    return all(each == kept[0] for each in kept)


def _environment(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.environment.items() if name not in EVER_NEW}


def _flat(of: Conclusion) -> Iterator[tuple[str, str]]:
    experiment, environment = of.experiment, _environment(of.result)
    yield "experiment", experiment.name
    yield "runs", str(len(of.results))
    yield "rounds", str(of.rounds)
    yield "paced rate", table.rates(of)
    load = {name: value for name, value in vars(experiment.load).items() if name != "kinds"}
    yield from _entries("load", load)
    for kind in experiment.load.kinds:
        yield from _entries(f"load {kind.name or 'kind'}", vars(kind))
    for variant in experiment.variants:
        yield from _entries(variant.name, variant.factors())
    images = environment.pop("images", {})
    yield from _entries("environment", environment)
    yield from _entries("image", {name: image[:DIGEST] for name, image in images.items()})


def _entries(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _entries(f"{prefix} {name}", value)
        else:
            yield f"{prefix}: {name}", str(value)


def text(first: Conclusion, second: Conclusion, found: Sequence[Effect]) -> str:
    """Return the comparison for a terminal."""
    parts = [f"A: {_named(first)}\nB: {_named(second)}"]
    parts += [] if in_series(first, second) else [SINGLE]
    for variant in dict.fromkeys(effect.variant for effect in found):
        base = first.experiment.baseline.name
        head = "A/A control: what two cells of the same variant differ by" if variant == CONTROL else ""
        head = head or f"Effect of “{variant}” compared with “{base}”"
        parts.append(f"{head}\n\n{table.as_text(*effect_table(found, variant))}")
    parts.append(f"Absolute values. {_warning(first, second)}\n\n{table.as_text(*value_table(first, second))}")
    listed = "\n".join(f"{name}: {a} → {b}" for name, a, b in differences(first, second))
    return "\n\n".join([*parts, f"What differs (A → B)\n\n{listed or 'nothing that was written down'}"])


def _named(of: Conclusion) -> str:
    return ", ".join(result.run for result in of.results)


def _warning(first: Conclusion, second: Conclusion) -> str:
    if same_environment(first, second):
        return "Machine and software are the same in all that was written down; what else ran on it is not known."
    return "Machine or software differ (see below): these values do not compare, only the ratios above do."
