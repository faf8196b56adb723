"""The verdict: expectation and thresholds of the experiment file held against what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rig.experiment.file.spec import Expectation, Threshold
from rig.experiment.judge.ratios import Row, ratio_of, row_of, words
from rig.experiment.judge.validity import Invalid, unusable
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.stats import Interval

CONFIRMED, REFUTED, NO_DIFFERENCE = "confirmed", "refuted", "no difference"
INCONCLUSIVE, INVALID, TRIAL = "inconclusive", "invalid", "trial"
EXIT_CODES = {CONFIRMED: 0, REFUTED: 1, NO_DIFFERENCE: 1, INCONCLUSIVE: 1, TRIAL: 1, INVALID: 3}
TRIAL_ROUNDS = 4  # with fewer rounds a run shows that it works, and judges nothing


@dataclass(frozen=True, kw_only=True)
class Held:
    """A threshold and the ratio that it bounds; None where none may be used, which keeps no threshold."""

    threshold: Threshold
    ratio: Interval | None

    @property
    def kept(self) -> bool:
        """Whether the far end of the interval keeps to every bound."""
        low, high = self.threshold.at_least, self.threshold.at_most
        if self.ratio is None:
            return False
        return (high is None or self.ratio.high <= high) and (low is None or self.ratio.low >= low)

    @property
    def said(self) -> str:
        """The threshold and what was seen, in words."""
        bounds = [("at most", self.threshold.at_most), ("at least", self.threshold.at_least)]
        wanted = " and ".join(f"{name} {bound:g}" for name, bound in bounds if bound is not None)
        seen = (
            f"{self.ratio.ratio:.3f} [{self.ratio.low:.3f}, {self.ratio.high:.3f}]"
            if self.ratio
            else "no ratio that may be used"
        )
        title = named(self.threshold.measure).title
        return f"{title} of {self.threshold.variant!r} to the baseline's: {wanted}; seen: {seen}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`word` is one of the six, `because` the numbers that led there, `invalid` every reason why numbers of the run may
    not be used (the verdict is "invalid" only where one touches the judged measure), `thresholds` those of the
    experiment file, kept or not.
    """

    word: str
    because: str
    invalid: Sequence[Invalid] = ()
    thresholds: Sequence[Held] = ()

    @property
    def as_expected(self) -> bool:
        """Whether the expectation is met, whatever became of the thresholds."""
        return self.word == CONFIRMED

    @property
    def exit_code(self) -> int:
        """0: as expected, and every threshold is kept; 1: not; 3: the run is invalid."""
        missed = any(not held.kept for held in self.thresholds)
        return EXIT_CODES[self.word] or int(missed)


def judge(results: Sequence[Result], rows: Sequence[Row], invalid: Sequence[Invalid]) -> Verdict:
    """Return the verdict on one run, or on several independent ones of the same experiment.

    A reason in `invalid` that touches the judged measure overrules what the numbers say.
    """
    experiment = results[0].experiment
    wanted = experiment.expectation
    ratio = ratio_of(rows, wanted.measure, wanted.variant)
    if ratio is None and not unusable(invalid, wanted.measure):
        reason = f"{wanted.measure} has no ratio: too few rounds, too few tasks in a window, or a value of zero"
        invalid = [*invalid, Invalid(reason=reason, change="run more rounds, or judge by another measure")]
    against = unusable(invalid, wanted.measure)
    if against or ratio is None:
        word, because = INVALID, against[0].reason
    else:
        word, because = _word(wanted, ratio, rows)
        if sum(len(result.whole_rounds) for result in results) < TRIAL_ROUNDS:
            because = f"{because}. Fewer than {TRIAL_ROUNDS} rounds judge nothing; with more it would be: {word}"
            word = TRIAL
    held = [_held(each, rows, invalid) for each in experiment.thresholds]
    return Verdict(word=word, because=because, invalid=invalid, thresholds=held)


def _held(threshold: Threshold, rows: Sequence[Row], invalid: Sequence[Invalid]) -> Held:
    """Return a threshold with the ratio that it bounds: none where that may not be used."""
    if unusable(invalid, threshold.measure):
        return Held(threshold=threshold, ratio=None)
    return Held(threshold=threshold, ratio=ratio_of(rows, threshold.measure, threshold.variant))


def _word(wanted: Expectation, ratio: Interval, rows: Sequence[Row]) -> tuple[str, str]:
    """Return the verdict of a valid run and why."""
    word = outcome(wanted, ratio)
    title = named(wanted.measure).title
    row = row_of(rows, wanted.measure)
    floor = row.noise_floor if row else 1.0
    because = f"{title} of {wanted.variant!r}: {words(wanted.measure, ratio, floor)}; expected: {expected(wanted)}"
    if word == CONFIRMED and wanted.change != "same" and abs(math.log(ratio.ratio)) <= math.log(floor):
        return INCONCLUSIVE, because
    return word, because


def outcome(wanted: Expectation, ratio: Interval) -> str:
    """Hold a 95% interval against an expectation of `wanted.percent`.

    "higher"/"lower": confirmed when the whole interval lies beyond that much; when the whole interval falls short of
    it: "no difference" if nothing that large is possible in either direction and equal is, else refuted.
    "same": confirmed when the whole interval lies within, refuted when it lies wholly outside.
    Whatever the interval leaves open is inconclusive: more rounds narrow it.
    """
    margin = math.log1p(wanted.percent / 100)
    low, high = math.log(ratio.low), math.log(ratio.high)
    within = low >= -margin and high <= margin
    if wanted.change == "same":
        if within:
            return CONFIRMED
        return REFUTED if low > margin or high < -margin else INCONCLUSIVE
    if wanted.change == "lower":
        low, high = -high, -low
    if low > margin:
        return CONFIRMED
    if high >= margin:
        return INCONCLUSIVE
    return NO_DIFFERENCE if within and not ratio.clear_of_one else REFUTED


def expected(wanted: Expectation) -> str:
    """Say the expectation: 'lower by at least 5%'."""
    if wanted.change == "same":
        return f"the same within {wanted.percent:g}%"
    return f"{wanted.change} by at least {wanted.percent:g}%"
