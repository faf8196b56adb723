"""The verdict: the expectation of the experiment file held against what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rig.experiment.compare import Row, percent, words
from rig.experiment.measure import MEASURES
from rig.experiment.result import Result
from rig.experiment.spec import Expectation
from rig.experiment.stats import Interval

CONFIRMED, REFUTED, NO_DIFFERENCE = "confirmed", "refuted", "no difference"
INCONCLUSIVE, INVALID = "inconclusive", "invalid"
EXIT_CODES = {CONFIRMED: 0, REFUTED: 1, NO_DIFFERENCE: 1, INCONCLUSIVE: 1, INVALID: 3}


@dataclass(frozen=True, kw_only=True)
class Invalid:
    """Why a run's numbers may not be used, and what to change before the next one."""

    reason: str
    change: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`word` is one of the five, `because` the numbers that led there, `invalid` every reason of an invalid run."""

    word: str
    because: str
    invalid: Sequence[Invalid] = ()

    @property
    def exit_code(self) -> int:
        """0: as expected; 1: not; 3: the run is invalid."""
        return EXIT_CODES[self.word]


def judge(result: Result, rows: Sequence[Row], invalid: Sequence[Invalid]) -> Verdict:
    """Return the verdict; any reason in `invalid` overrules what the numbers say."""
    if invalid:
        return Verdict(word=INVALID, because=invalid[0].reason, invalid=invalid)
    expected = result.experiment.expectation
    row = next((row for row in rows if row.measure == expected.measure), None)
    ratio = row.ratios.get(expected.variant) if row else None
    if row is None or ratio is None:
        reason = f"{expected.measure} has no ratio: too few rounds, or a value of zero"
        problem = Invalid(reason=reason, change="run more rounds, or judge by another measure")
        return Verdict(word=INVALID, because=reason, invalid=[problem])
    word = outcome(expected, ratio)
    title = MEASURES[expected.measure].title
    because = f"{title} of {expected.variant!r}: {words(expected.measure, ratio)}; expected: {_said(expected)}"
    if word == CONFIRMED and expected.change != "same" and _size(ratio) <= math.log(row.noise_floor):
        floor = percent(row.noise_floor - 1)
        return Verdict(
            word=INCONCLUSIVE, because=f"{because}. Two cells of the same variant may differ by {floor}% in this run"
        )
    return Verdict(word=word, because=because)


def outcome(expected: Expectation, ratio: Interval) -> str:
    """Hold a 95% interval against an expectation of `expected.percent`.

    "higher"/"lower": confirmed when the whole interval lies beyond that much; when the whole interval falls short of
    it: "no difference" if nothing that large is possible in either direction and equal is, else refuted.
    "same": confirmed when the whole interval lies within, refuted when it lies wholly outside.
    Whatever the interval leaves open is inconclusive: more rounds narrow it.
    """
    margin = math.log1p(expected.percent / 100)
    low, high = math.log(ratio.low), math.log(ratio.high)
    within = low >= -margin and high <= margin
    if expected.change == "same":
        if within:
            return CONFIRMED
        return REFUTED if low > margin or high < -margin else INCONCLUSIVE
    if expected.change == "lower":
        low, high = -high, -low
    if low > margin:
        return CONFIRMED
    if high >= margin:
        return INCONCLUSIVE
    return NO_DIFFERENCE if within and not ratio.clear_of_one else REFUTED


def _size(ratio: Interval) -> float:
    return abs(math.log(ratio.ratio))


def _said(expected: Expectation) -> str:
    if expected.change == "same":
        return f"the same within {expected.percent:g}%"
    return f"{expected.change} by at least {expected.percent:g}%"
