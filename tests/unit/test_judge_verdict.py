"""From rows to a verdict, and from a verdict to an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import made_up
import pytest
import spoiled

from rig.experiment.file.spec import CONTROL, Expectation, Threshold
from rig.experiment.judge.gate import check_all
from rig.experiment.judge.ratios import compare
from rig.experiment.judge.validity import Invalid, touched, unusable
from rig.experiment.judge.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    INVALID,
    NO_DIFFERENCE,
    REFUTED,
    TRIAL,
    Verdict,
    judge,
    outcome,
)  # fmt: skip
from rig.experiment.result import Result
from rig.stats import Interval


def concluded(*results: Result, invalid: Sequence[Invalid] | None = None) -> Verdict:
    return judge(results, compare(results), check_all(results) if invalid is None else invalid)


@pytest.mark.parametrize(
    ("change", "percent", "low", "high", "word"),
    [
        ("higher", 5, 1.06, 1.20, CONFIRMED),
        ("higher", 5, 1.02, 1.20, INCONCLUSIVE),
        ("higher", 5, 0.97, 1.20, INCONCLUSIVE),
        ("higher", 5, 1.01, 1.04, REFUTED),  # a difference, but a smaller one than claimed
        ("higher", 5, 0.80, 0.90, REFUTED),
        ("higher", 5, 0.98, 1.03, NO_DIFFERENCE),
        ("higher", 5, 0.80, 1.03, REFUTED),  # not higher by 5%, whatever else it is
        ("higher", 0, 1.001, 1.20, CONFIRMED),
        ("lower", 5, 0.80, 0.90, CONFIRMED),
        ("lower", 5, 1.10, 1.20, REFUTED),
        ("lower", 5, 0.98, 1.02, NO_DIFFERENCE),
        ("lower", 5, 0.90, 0.99, INCONCLUSIVE),
        ("same", 5, 0.97, 1.04, CONFIRMED),
        ("same", 5, 1.06, 1.20, REFUTED),
        ("same", 5, 0.80, 0.94, REFUTED),
        ("same", 5, 0.97, 1.20, INCONCLUSIVE),
    ],
)
def test_outcome(change: str, percent: float, low: float, high: float, word: str) -> None:
    expected = Expectation(measure="execution_rate", variant="ignored", change=change, percent=percent)
    assert outcome(expected, Interval(ratio=(low * high) ** 0.5, low=low, high=high, pairs=8)) == word


def test_a_sound_run_with_an_effect_is_confirmed_and_exits_0() -> None:
    verdict = concluded(made_up.result())
    assert (verdict.word, verdict.exit_code, verdict.as_expected) == (CONFIRMED, 0, True)
    assert verdict.because.startswith("execution rate of 'ignored': ")
    assert verdict.because.endswith("; expected: higher by at least 10%")


def test_the_same_numbers_refute_the_opposite_claim_and_exit_1() -> None:
    run = replace(made_up.result(), experiment=made_up.experiment(change="lower"))
    verdict = concluded(run)
    assert (verdict.word, verdict.exit_code) == (REFUTED, 1)


def test_independent_runs_are_judged_together() -> None:
    verdict = concluded(*made_up.series())
    assert (verdict.word, verdict.exit_code) == (CONFIRMED, 0)
    apart = made_up.series(runs=2, spread=0.3)
    assert concluded(apart[0]).word == CONFIRMED
    assert concluded(*apart).word == INCONCLUSIVE


def test_an_effect_within_what_equal_cells_differ_by_is_not_confirmed() -> None:
    """B is 20% above both cells of A in every round, and these differ from one another by up to twice as much."""
    run = made_up.result()
    wander = [0.6, 1.7, 0.7, 1.4, 0.6, 1.7, 0.7, 1.4]
    turns = []
    for turn in run.turns:
        factor = {"stored": 1 / wander[turn.round - 1], CONTROL: wander[turn.round - 1], "ignored": 1.2}[turn.cell]
        turns.append(replace(turn, values={**turn.values, "execution_rate": 1100 * factor}))
    verdict = concluded(replace(run, turns=turns, experiment=made_up.experiment(percent=5)))
    assert (verdict.word, verdict.exit_code) == (INCONCLUSIVE, 1)
    assert "within the noise: two cells of the same variant may differ by" in verdict.because


@pytest.mark.parametrize("rounds", [2, 3])
def test_fewer_than_four_rounds_are_a_trial_and_judge_nothing(rounds: int) -> None:
    verdict = concluded(made_up.result(rounds=rounds, noise=0.001))
    assert (verdict.word, verdict.exit_code, verdict.as_expected) == (TRIAL, 1, False)
    assert "with more it would be: confirmed" in verdict.because
    assert concluded(made_up.result(rounds=4, noise=0.001)).word == CONFIRMED


def test_the_rounds_of_all_runs_together_are_enough() -> None:
    runs = made_up.series(runs=2, rounds=2, spread=0.001, noise=0.001)
    assert concluded(*runs).word == CONFIRMED


def test_a_measure_without_a_ratio_makes_the_verdict_invalid_and_says_so() -> None:
    verdict = concluded(spoiled.values(made_up.result(), "ignored", execution_rate=0.0), invalid=[])
    assert (verdict.word, verdict.exit_code) == (INVALID, 3)
    assert "execution_rate has no ratio" in verdict.because


LATENCY = Invalid(reason="late", change="wait", touches=("p50", "p95"))
RATE = Invalid(reason="unsteady", change="longer", touches=("execution_rate",))
ALL = Invalid(reason="lost", change="look")


def test_a_verdict_falls_only_by_reasons_that_touch_the_judged_measure() -> None:
    run = made_up.result()
    spared = concluded(run, invalid=[LATENCY])
    assert (spared.word, spared.exit_code, spared.invalid) == (CONFIRMED, 0, [LATENCY])
    for reason in (RATE, ALL):
        fallen = concluded(run, invalid=[LATENCY, reason])
        assert (fallen.word, fallen.exit_code, fallen.because) == (INVALID, 3, reason.reason)
    latency = replace(run, experiment=made_up.experiment(measure="p50", change="lower"))
    assert concluded(latency, invalid=[RATE]).word == CONFIRMED
    assert concluded(latency, invalid=[LATENCY]).word == INVALID


def test_a_reason_touches_its_measures_of_every_kind_of_task() -> None:
    assert unusable([LATENCY, RATE, ALL], "p95.short") == [LATENCY, ALL]
    assert unusable([LATENCY, RATE], "p99") == []
    assert touched([LATENCY], ["p50", "execution_rate", "p95.long", "p99"]) == ["p50", "p95.long"]
    assert touched([ALL], ["p50", "worker_cpu"]) == ["p50", "worker_cpu"]


def with_thresholds(run: Result, *thresholds: Threshold) -> Result:
    return spoiled.experiment(run, thresholds=thresholds)


# The interval of `worker_cpu_batch` lies around 0.55, some percent wide.
@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (Threshold(measure="worker_cpu_batch", variant="ignored", at_most=0.9), True),
        (Threshold(measure="worker_cpu_batch", variant="ignored", at_least=0.4, at_most=0.9), True),
        (Threshold(measure="worker_cpu_batch", variant="ignored", at_most=0.5), False),
        (Threshold(measure="worker_cpu_batch", variant="ignored", at_least=0.6), False),
        (Threshold(measure="sustainable_rate", variant="ignored", at_least=0.1), False),  # not measured: not kept
    ],
)
def test_a_missed_threshold_makes_a_confirmed_run_exit_1(threshold: Threshold, kept: bool) -> None:
    verdict = concluded(with_thresholds(made_up.result(), threshold))
    assert (verdict.word, verdict.exit_code) == (CONFIRMED, 0 if kept else 1)
    assert [held.kept for held in verdict.thresholds] == [kept]


def test_the_whole_interval_must_keep_to_a_threshold() -> None:
    seen = concluded(with_thresholds(made_up.result(), Threshold(measure="p50", variant="ignored", at_most=9)))
    (held,) = seen.thresholds
    assert held.ratio is not None
    for bound, kept in ((held.ratio.ratio, False), (held.ratio.high, True)):
        assert replace(held, threshold=replace(held.threshold, at_most=bound)).kept is kept
    for bound, kept in ((held.ratio.ratio, False), (held.ratio.low, True)):
        assert replace(held, threshold=replace(held.threshold, at_most=None, at_least=bound)).kept is kept


def test_an_invalid_run_exits_3_whatever_its_thresholds_say() -> None:
    run = with_thresholds(made_up.result(), Threshold(measure="p50", variant="ignored", at_most=0.01))
    assert concluded(replace(run, interrupted="Ctrl-C")).exit_code == 3


def test_a_threshold_is_not_kept_by_a_ratio_that_may_not_be_used() -> None:
    run = with_thresholds(made_up.result(), Threshold(measure="p50", variant="ignored", at_most=9))
    verdict = concluded(run, invalid=[LATENCY])
    assert (verdict.word, verdict.exit_code) == (CONFIRMED, 1)
    assert verdict.thresholds[0].said.endswith("seen: no ratio that may be used")
    assert concluded(run, invalid=[replace(LATENCY, touches=("p95",))]).exit_code == 0
