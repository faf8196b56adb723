"""Two runs held against each other: has an effect changed, and in what else do the runs differ?

An effect is what a run measured as the ratio of a variant to its baseline. Each run has one such ratio a round; the two
runs share no rounds, so their logarithms are two independent samples, whose means differ with Welch's interval
(`rig.experiment.stats.independent_ratio`). What divides machines, hours and versions from one another, and weighs on
baseline and variant alike, cancels within each run; absolute values have no such protection and get no interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rig.errors import BadInput
from rig.experiment import stats
from rig.experiment.compare import WIDE, level, percent
from rig.experiment.measure import measures, named
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval
from rig.report import facts, table
from rig.report.table import NOTHING, short

DIGEST = 19  # of an image's id: "sha256:" and twelve digits, as Docker shows them
# Entries of an environment that differ between any two runs, and say nothing by that.
EVER_NEW = ("load before", "revision")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One measure of one variant: its ratio to the baseline in the first run, in the second, and their ratio."""

    measure: str
    variant: str
    first: Interval
    second: Interval
    change: Interval


def effects(first: Result, second: Result) -> list[Effect]:
    """Return the effects that both runs have, by measure and name of the variant, the control as the last.

    BadInput where no variant but the baseline is in both.
    """
    shared = [variant.name for variant in first.experiment.variants[1:] if variant.name in _others(second)]
    if not shared:
        said = [f"{each.run} has {', '.join(_others(each))}" for each in (first, second)]
        raise BadInput([f"the runs share no variant besides their baselines: {'; '.join(said)}"])
    common = [name for name in measures(first.experiment) if name in measures(second.experiment)]
    every = (_effect(first, second, measure, variant) for variant in [*shared, CONTROL] for measure in common)
    return [effect for effect in every if effect]


def _others(result: Result) -> list[str]:
    return [variant.name for variant in result.experiment.variants[1:]]


def _effect(first: Result, second: Result, measure: str, variant: str) -> Effect | None:
    """Return None where a run has fewer than two rounds of it, or a value of zero."""
    pairs = [_pair(result, measure, variant) for result in (first, second)]
    if any(len(base) < 2 or min(*base, *other) <= 0 for base, other in pairs):
        return None
    one, two = ([b / a for a, b in zip(base, other, strict=True)] for base, other in pairs)
    return Effect(
        measure=measure, variant=variant, first=stats.paired_ratio(*pairs[0], level(first)),
        second=stats.paired_ratio(*pairs[1], level(second)),
        change=stats.independent_ratio(one, two, max(level(first), level(second))),
    )  # fmt: skip


def _pair(result: Result, measure: str, variant: str) -> tuple[list[float], list[float]]:
    values = result.by_cell(measure)
    return values[result.experiment.baseline.name], values[variant]


def judged(first: Result, found: list[Effect]) -> Effect | None:
    """Return the effect that the first run's expectation is about; None where the runs do not share it."""
    wanted = first.experiment.expectation
    fitting = (each for each in found if (each.measure, each.variant) == (wanted.measure, wanted.variant))
    return next(fitting, None)


def words(change: Interval) -> str:
    """Say a change of a ratio: '12% higher [3, 22]', or 'no difference larger than 9%' where the interval holds 1."""
    if not change.clear_of_one:
        wide = change.floor > WIDE
        return "nothing to be said" if wide else f"no difference larger than {percent(change.floor - 1)}%"
    if change.ratio > 1:
        ends = percent(change.low - 1), percent(change.high - 1)
        return f"{percent(change.ratio - 1)}% higher [{ends[0]}, {ends[1]}]"
    ends = percent(1 - change.high), percent(1 - change.low)
    return f"{percent(1 - change.ratio)}% lower [{ends[0]}, {ends[1]}]"


def effect_table(found: list[Effect], variant: str) -> tuple[list[str], facts.Lines]:
    """Return titles and lines of one variant's effects."""
    titles = ["", "A: ratio [95%]", "B: ratio [95%]", "B / A [95%]", "in words"]
    chosen = [effect for effect in found if effect.variant == variant]
    return titles, [
        [named(each.measure).title, short(each.first), short(each.second), short(each.change), words(each.change)]
        for each in chosen
    ]


def value_table(first: Result, second: Result) -> tuple[list[str], facts.Lines]:
    """Return titles and lines of the absolute values of the cells that both runs have, geometric means over rounds."""
    cells = [cell for cell in first.cells if cell in second.cells]
    lines = []
    for name, measure in measures(first.experiment).items():
        if name in measures(second.experiment):
            values = [_mean(result, name, cell) for cell in cells for result in (first, second)]
            if any(value is not None for value in values):
                lines.append([measure.title, measure.unit, *(_number(value, measure.digits) for value in values)])
    return ["", "unit", *(f"{cell} {side}" for cell in cells for side in "AB")], lines


def _mean(result: Result, measure: str, cell: str) -> float | None:
    values = result.by_cell(measure)[cell]
    if not values:
        return None
    return stats.geometric_mean(values) if min(values) > 0 else 0.0


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def differences(first: Result, second: Result) -> facts.Lines:
    """Return name, value in the first run and in the second, of everything in which environment or settings differ."""
    sides = [dict(_flat(result)) for result in (first, second)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    rows = [[name, sides[0].get(name, NOTHING), sides[1].get(name, NOTHING)] for name in names]
    return [row for row in rows if row[1] != row[2]]


def same_environment(first: Result, second: Result) -> bool:
    """Whether everything that was written down of machine and software is the same in both runs."""
    kept = [{k: v for k, v in each.environment.items() if k not in EVER_NEW} for each in (first, second)]
    return kept[0] == kept[1]


def _flat(result: Result) -> Iterator[tuple[str, str]]:
    experiment = result.experiment
    yield "experiment", experiment.name
    yield "rounds", str(len(result.whole_rounds))
    yield "paced rate, tasks/s", f"{result.rate:,.0f}"
    load = {name: value for name, value in vars(experiment.load).items() if name != "kinds"}
    yield from _entries("load", load)
    for kind in experiment.load.kinds:
        yield from _entries(f"load {kind.name or 'kind'}", vars(kind))
    for variant in experiment.variants:
        yield from _entries(variant.name, variant.factors())
    yield from _entries("environment", {name: value for name, value in result.environment.items() if name != "images"})
    images = result.environment.get("images", {})
    yield from _entries("image", {name: image[:DIGEST] for name, image in images.items()})


def _entries(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _entries(f"{prefix} {name}", value)
        else:
            yield f"{prefix}: {name}", str(value)


def text(first: Result, second: Result, found: list[Effect]) -> str:
    """Return the comparison for a terminal."""
    parts = [f"A: {first.run}\nB: {second.run}"]
    for variant in dict.fromkeys(effect.variant for effect in found):
        base = first.experiment.baseline.name
        head = "A/A control: what two cells of the same variant differ by" if variant == CONTROL else ""
        head = head or f"Effect of “{variant}”, as a ratio to “{base}”"
        parts.append(f"{head}\n\n{table.as_text(*effect_table(found, variant))}")
    parts.append(f"Absolute values. {_warning(first, second)}\n\n{table.as_text(*value_table(first, second))}")
    listed = "\n".join(f"{name}: {a} → {b}" for name, a, b in differences(first, second))
    return "\n\n".join(
        [*parts, f"What differs between the runs (A → B)\n\n{listed or 'nothing that was written down'}"]
    )


def _warning(first: Result, second: Result) -> str:
    if same_environment(first, second):
        return "Machine and software are the same in all that was written down; what else ran on it is not known."
    return "Machine or software differ (see below): these values do not compare, only the ratios above do."
