"""The one sentence of a run that a person can quote."""

from __future__ import annotations

from rig.experiment.judge.limits import limits
from rig.experiment.judge.ratios import WIDE, Row, percent, words
from rig.experiment.measure import GOAL_RATE, PACED_MEASURES, named
from rig.experiment.result import Result
from rig.report.conclusion import Conclusion
from rig.report.facts import capital
from rig.report.lines import difference
from rig.report.table import rates


def quotable(of: Conclusion) -> str:
    """Say what the judged measure showed, how sure that is, what became of the tasks, and on what it was measured."""
    expected, row = of.experiment.expectation, of.judged
    ratio = row.ratios.get(expected.variant) if row else None
    if row is None or ratio is None:
        return "Too little was measured for a sentence."
    measure = named(expected.measure)
    apart = difference(row.differences.get(expected.variant), measure.digits)
    said = words(expected.measure, ratio, row.noise_floor)
    executed, lost, twice = (_total(of, what) for what in ("executed", "lost", "duplicated"))
    with_unit = f"{apart} {measure.unit}".rstrip()
    return (
        f"{capital(measure.title)} with “{expected.variant}” instead of “{of.experiment.baseline.name}”, {load(of)}: "
        f"{said}, which is {with_unit} (95% interval over {_size(of)}; {noise(row)}"
        f"{_limit(of)}; of {executed:,} tasks {lost} were lost and {twice} executed twice; {machine(of.result)})."
    )


def load(of: Conclusion) -> str:
    """Return under which load the judged measure was taken: 'working off a batch', 'at 300 tasks/s'."""
    base = of.experiment.expectation.measure.partition(".")[0]
    if base == GOAL_RATE:
        return "at the highest rate that kept to the goal"
    return f"at {rates(of)}" if base in PACED_MEASURES else "working off a batch"


def noise(row: Row) -> str:
    """Say what the control showed."""
    if row.noise_floor > WIDE or row.control is None:
        return "by how much the same setup measured twice differs cannot be told"
    return f"the same setup measured twice differed by at most {percent(row.noise_floor - 1)}%"


def _size(of: Conclusion) -> str:
    rounds, runs = of.rounds, len(of.results)
    return f"{rounds} rounds of one run" if runs == 1 else f"{runs} independent runs with {rounds} rounds together"


def _limit(of: Conclusion) -> str:
    """Say what limited an execution rate: of anything else it is no part of the statement."""
    expected = of.experiment.expectation
    if expected.measure != "execution_rate":
        return ""
    found = limits(of.results)
    base, other = of.experiment.baseline.name, expected.variant
    if base not in found or other not in found:
        return ""
    first, second = found[base].part, found[other].part
    return f"; limited by {first}" if first == second else f"; limited by {first} in “{base}”, by {second} in “{other}”"


def machine(result: Result) -> str:
    """Name what was measured, and on what, in a few words."""
    seen = result.environment
    software = [f"{name} {version}" for name, version in seen.get("versions", {}).items() if name in _NAMED]
    return ", ".join([*software, f"{seen.get('cores', '?')} cores of {seen.get('cpu', 'an unknown CPU')}"])


_NAMED = ("Celery", "RabbitMQ", "Redis")


def _total(of: Conclusion, what: str) -> int:
    values = [account[what] for result in of.results for account in result.accounts.values()]
    return sum(value if isinstance(value, int) else len(value) for value in values)
