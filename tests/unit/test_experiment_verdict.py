"""From numbers to a verdict, and the checks that forbid one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import made_up
import pytest

from rig.experiment import check
from rig.experiment.compare import compare, words
from rig.experiment.environment import CLOCK_SPREAD
from rig.experiment.record import PACED
from rig.experiment.result import Life, Result
from rig.experiment.spec import CONTROL, Expectation, Threshold
from rig.experiment.stats import Interval
from rig.experiment.verdict import CONFIRMED, INCONCLUSIVE, INVALID, NO_DIFFERENCE, REFUTED, outcome
from rig.report.write import conclude


def interval(low: float, high: float) -> Interval:
    return Interval(ratio=(low * high) ** 0.5, low=low, high=high, pairs=8)


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
    assert outcome(expected, interval(low, high)) == word


@pytest.mark.parametrize(
    ("measure", "low", "high", "said"),
    [
        ("execution_rate", 1.38, 1.44, "41% faster [38, 44]"),
        ("execution_rate", 0.90, 0.95, "7.5% slower [5.0, 10]"),
        ("worker_cpu", 0.50, 0.60, "45% less [40, 50]"),
        ("p99", 1.10, 3.00, "82% longer [10, 200]"),
        ("p99", 0.97, 1.01, "no difference larger than 3.1%"),
        ("p99", 0.05, 9.0, "nothing to be said"),
    ],
)
def test_words(measure: str, low: float, high: float, said: str) -> None:
    assert words(measure, interval(low, high)) == said


def test_a_sound_run_with_an_effect_is_confirmed_and_exits_0() -> None:
    verdict = conclude(made_up.result()).verdict
    assert (verdict.word, verdict.exit_code) == (CONFIRMED, 0)
    assert "execution rate of 'ignored': 8" in verdict.because


def test_the_same_numbers_refute_the_opposite_claim_and_exit_1() -> None:
    run = made_up.result()
    run = replace(run, experiment=made_up.experiment(change="lower"))
    verdict = conclude(run).verdict
    assert (verdict.word, verdict.exit_code) == (REFUTED, 1)


def test_an_effect_within_what_equal_cells_differ_by_is_not_confirmed() -> None:
    """B is 10% above A in every round; A's own second cell wanders by more."""
    run = made_up.result(noise=0.001, effect={"execution_rate": 1.10})
    wander = [0.8, 1.25, 0.85, 1.2, 0.8, 1.25, 0.9, 1.1]
    turns = [
        replace(turn, values={**turn.values, "execution_rate": 1100 * wander[turn.round - 1]})
        if turn.cell == CONTROL
        else turn
        for turn in run.turns
    ]
    verdict = conclude(replace(run, turns=turns, experiment=made_up.experiment(percent=5))).verdict
    assert (verdict.word, verdict.exit_code) == (INCONCLUSIVE, 1)
    assert "Two cells of the same variant may differ by" in verdict.because


def shifted(run: Result, cell: str, factor: float) -> Result:
    turns = [
        replace(turn, values={**turn.values, "execution_rate": turn.values["execution_rate"] * factor})
        if turn.cell == cell
        else turn
        for turn in run.turns
    ]
    return replace(run, turns=turns)


def paced(run: Result, achieved: float) -> Result:
    return replace(run, turns=[replace(turn, values={**turn.values, "achieved_rate": achieved}) for turn in run.turns])


def counted(run: Result, witness: str, count: int) -> Result:
    return replace(run, counts={**run.counts, "ignored": {**made_up.COUNTS, witness: count}})


def answered(run: Result, **answer: Any) -> Result:
    last = max((turn for turn in run.turns if turn.cell == "ignored"), key=lambda turn: turn.round)
    sent = {PACED: {**made_up.ANSWER, **answer}}
    return replace(run, turns=[replace(turn, sent=sent) if turn is last else turn for turn in run.turns])


def saturated(run: Result, rounds: int, **answer: Any) -> Result:
    """In some rounds the second cell's generator has no time left; the first ones carry an older record's answers."""
    answers = {PACED: {**made_up.ANSWER, **answer}}
    turns = [
        replace(turn, sent=answers) if turn.cell == "ignored" and turn.round > 8 - rounds else turn
        for turn in run.turns
    ]
    return replace(run, turns=turns)


def disturbed(run: Result, count: int) -> Result:
    return replace(run, turns=[replace(turn, foreign=0.3) for turn in run.turns[:count]] + run.turns[count:])


def stolen(run: Result, share: float) -> Result:
    stolen_ns = int(share * 2e9)  # of the two cores, in the one second of each phase
    phases = {name: replace(phase, stolen_ns=stolen_ns) for name, phase in run.turns[0].phases.items()}
    return replace(run, turns=[replace(turn, phases=phases) for turn in run.turns])


BAD = {
    "lost": (lambda run: made_up.with_account(run, "ignored", lost=["id-1"]), "ignored: 1 lost (id-1)"),
    "unexpected": (lambda run: made_up.with_account(run, "stored", unexpected=list("abcd")), "4 unexpected (a, b, c,"),
    "failed": (lambda run: made_up.with_account(run, "stored", failed=3), "stored: 3 failed"),
    "ledger": (lambda run: made_up.with_account(run, "stored", invalid=["x.led: torn"]), "stored: x.led: torn"),
    "locust": (lambda run: counted(run, check.BY_LOCUST, 11999), "11999 tasks sent by Locust, but 12000 in the ledger"),
    "broker": (lambda run: counted(run, check.BY_BROKER, 12001), "12001 tasks acknowledged at the broker"),
    "left": (lambda run: counted(run, check.LEFT, 2), "2 tasks left in the broker"),
    "pacing": (lambda run: paced(run, 500.0), "reached 91% of the rate it was offered"),
    "unsent": (lambda run: answered(run, unsent=3), "3 tasks that were planned were never sent"),
    "generator": (lambda run: answered(run, problems=["a user failed"]), "ignored, round 8: a user failed"),
    "control": (lambda run: shifted(run, CONTROL, 1.2), "two cells of the same variant differ by"),
    "interrupted": (lambda run: replace(run, interrupted="Ctrl-C"), "after 8 of 8 rounds: Ctrl-C"),
    "killed": (lambda run: replace(run, turns=run.turns[:-4]), "after 6 of 8 rounds: rig was killed"),
    "clocks": (
        lambda run: replace(run, environment={**run.environment, CLOCK_SPREAD: 61}),
        "clock of two writers lie 61",
    ),
    "cpu": (
        lambda run: saturated(run, 3, cpu_seconds=1.9, seconds=2.0),
        "in 3 of 8 paced loads the generator was saturated",
    ),
    "loop": (lambda run: saturated(run, 3, loop_lag_us={"p50": 9, "p99": 5001.0}), "event loop by more than 5 ms"),
    "foreign": (lambda run: disturbed(run, 7), "in 7 of 24 turns that count, others used more than 25%"),
    "stolen": (lambda run: stolen(run, 0.06), "the hypervisor gave 6.0% of the machine's CPU to others"),
}


@pytest.mark.parametrize(
    "tolerable",
    [
        lambda run: saturated(run, 2, cpu_seconds=1.9, seconds=2.0),
        lambda run: saturated(run, 8, cpu_seconds=1.7, seconds=2.0, loop_lag_us={"p99": 4900.0}),
        lambda run: disturbed(run, 6),
        lambda run: stolen(run, 0.05),
        lambda run: replace(run, environment={**run.environment, CLOCK_SPREAD: 49.0}),
        lambda run: replace(run, turns=run.turns[:18], stopped="narrow enough"),
        lambda run: probed(run, unsent=400),
        lambda run: replace(run, counts={**run.counts, "stored, life 1": {check.IN_LEDGER: 5, check.BY_LOCUST: 5}}),
    ],
)
def test_what_is_short_of_a_limit_is_valid(tolerable: Callable[[Result], Result]) -> None:
    assert check.check(tolerable(made_up.result())) == []


def probed(run: Result, **answer: Any) -> Result:
    """A search tries rates that cannot be kept: that is its purpose, and no fault of the run."""
    first, *rest = run.turns
    return replace(run, turns=[replace(first, sent={**first.sent, "probe 1": {**made_up.ANSWER, **answer}}), *rest])


@pytest.mark.parametrize("what", BAD)
def test_what_makes_a_run_invalid_is_said_with_what_to_change_and_exits_3(what: str) -> None:
    spoil, said = BAD[what]
    verdict = conclude(spoil(made_up.result())).verdict
    assert (verdict.word, verdict.exit_code) == (INVALID, 3)
    assert any(said in problem.reason for problem in verdict.invalid), verdict.invalid
    assert all(problem.change for problem in verdict.invalid)


def test_a_sound_run_gives_no_reason_to_doubt_it() -> None:
    assert check.check(made_up.result()) == []
    assert check.warnings(made_up.result()) == []


def test_foreign_load_stolen_time_and_few_rounds_are_warned_of() -> None:
    run = disturbed(stolen(made_up.result(rounds=4), 0.05), 3)
    assert check.warnings(run) == [
        "only 4 rounds: wide intervals, in which one odd round weighs much",
        "in 3 of 12 turns that count, others used more than 25% of the machine's CPU",
        "the hypervisor gave 5.0% of the machine's CPU to others while it was measured",
    ]


def test_a_turn_that_was_taken_again_does_not_count() -> None:
    run = made_up.result()
    odd = replace(run.turns[0], discarded=True, foreign=0.9, values=dict.fromkeys(run.turns[0].values, 1.0))
    assert compare(replace(run, turns=[*run.turns, odd])) == compare(run)
    assert check.warnings(replace(run, turns=[*run.turns, odd])) == []


def test_a_run_that_was_continued_says_what_was_compared_for_its_earlier_life() -> None:
    life = Life(ended="Ctrl-C", turns=9, rounds=3, accounts={}, counts={})
    (said,) = check.warnings(replace(made_up.result(), earlier=[life]))
    assert said.startswith("continued after round 3 (Ctrl-C)")


def test_foreign_share_is_what_is_not_ours() -> None:
    assert made_up.phase(seconds=1.0).foreign_share(cores=2) == pytest.approx((1.3 - 4 * 0.3) / 2)


def test_an_unfinished_round_counts_for_no_cell() -> None:
    run = made_up.result()
    run = replace(run, turns=run.turns[:-1])
    assert {len(column) for column in run.by_cell("p99").values()} == {7}


def test_nothing_is_compared_before_the_second_whole_round() -> None:
    run = made_up.result()
    assert compare(replace(run, turns=run.turns[:3])) == []
    assert conclude(replace(run, turns=run.turns[:3])).verdict.word == INVALID


def test_a_measure_with_a_zero_has_no_ratio_and_the_others_keep_theirs() -> None:
    run = made_up.result(effect={"results_cpu": 0.0})
    rows = {row.measure: row for row in compare(run)}
    assert "ignored" not in rows["results_cpu"].ratios
    assert CONTROL in rows["results_cpu"].ratios
    assert "ignored" in rows["worker_cpu"].ratios


def with_thresholds(run: Result, *thresholds: Threshold) -> Result:
    return replace(run, experiment=replace(run.experiment, thresholds=thresholds))


# The interval of `worker_cpu` lies around 0.55, some percent wide.
@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (Threshold(measure="worker_cpu", variant="ignored", at_most=0.9), True),
        (Threshold(measure="worker_cpu", variant="ignored", at_least=0.4, at_most=0.9), True),
        (Threshold(measure="worker_cpu", variant="ignored", at_most=0.5), False),
        (Threshold(measure="worker_cpu", variant="ignored", at_least=0.6), False),
        (Threshold(measure="sustainable_rate", variant="ignored", at_least=0.1), False),  # not measured: not kept
    ],
)
def test_a_missed_threshold_makes_a_confirmed_run_exit_1(threshold: Threshold, kept: bool) -> None:
    verdict = conclude(with_thresholds(made_up.result(), threshold)).verdict
    assert (verdict.word, verdict.exit_code) == (CONFIRMED, 0 if kept else 1)
    assert [held.kept for held in verdict.thresholds] == [kept]


def test_the_whole_interval_must_keep_to_a_threshold() -> None:
    seen = conclude(with_thresholds(made_up.result(), Threshold(measure="p50", variant="ignored", at_most=9)))
    (held,) = seen.verdict.thresholds
    assert held.ratio is not None
    for bound, kept in ((held.ratio.ratio, False), (held.ratio.high, True)):
        assert replace(held, threshold=replace(held.threshold, at_most=bound)).kept is kept
    for bound, kept in ((held.ratio.ratio, False), (held.ratio.low, True)):
        assert replace(held, threshold=replace(held.threshold, at_most=None, at_least=bound)).kept is kept


def test_an_invalid_run_exits_3_whatever_its_thresholds_say() -> None:
    run = with_thresholds(made_up.result(), Threshold(measure="p50", variant="ignored", at_most=0.01))
    assert conclude(replace(run, interrupted="Ctrl-C")).verdict.exit_code == 3
