"""The one sentence of a run that a person can quote."""

from __future__ import annotations

from collections.abc import Sequence

from rig.experiment.compare import WIDE, Row, percent, words
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.report.facts import capital


def quotable(result: Result, rows: Sequence[Row]) -> str:
    """Say what the judged measure showed, how sure that is, what became of the tasks, and on what it was measured."""
    expected = result.experiment.expectation
    row = next((row for row in rows if row.measure == expected.measure), None)
    ratio = row.ratios.get(expected.variant) if row else None
    if row is None or ratio is None:
        return "Too little was measured for a sentence."
    base, title = result.experiment.baseline.name, named(expected.measure).title
    floor = f"two cells of the same variant agree within {percent(row.noise_floor - 1)}%"
    if row.noise_floor > WIDE:
        floor = "what two cells of the same variant differ by cannot be told"
    executed, lost, twice = (_total(result, what) for what in ("executed", "lost", "duplicated"))
    return (
        f"{capital(title)} with “{expected.variant}” instead of “{base}”: {words(expected.measure, ratio)}"
        f" (95% interval, {ratio.pairs} rounds, {floor};"
        f" of {executed:,} tasks {lost} were lost and {twice} executed twice; {machine(result)})."
    )


def machine(result: Result) -> str:
    """Name what was measured, and on what, in a few words."""
    seen = result.environment
    software = [f"{name} {version}" for name, version in seen.get("versions", {}).items() if name in _NAMED]
    return ", ".join([*software, f"{seen.get('cores', '?')} cores of {seen.get('cpu', 'an unknown CPU')}"])


_NAMED = ("Celery", "RabbitMQ", "Redis")


def _total(result: Result, what: str) -> int:
    values = [account[what] for account in result.accounts.values()]
    return sum(value if isinstance(value, int) else len(value) for value in values)
