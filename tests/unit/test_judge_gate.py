"""The validity gate: each rule, what it says, and which measures it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import made_up
import pytest
import spoiled

from rig.experiment.file.spec import ALLOWED, CONTROL, Assertion
from rig.experiment.judge import cautions, gate
from rig.experiment.judge.validity import touched
from rig.experiment.measure import BATCH_MEASURES, LATENCIES, PACED_MEASURES
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, DRAIN, PACED
from rig.testbed.environment import CLOCK_SPREAD

ALL: tuple[str, ...] = ()
Spoil = Callable[[Result], Result]


def account(cell: str, **entries: Any) -> Spoil:
    return lambda run: made_up.with_account(run, cell, **entries)


def clock(ms: float) -> Spoil:
    return lambda run: replace(run, environment={**run.environment, CLOCK_SPREAD: ms})


def asserting(fact: str, **bounds: float) -> Spoil:
    def spoil(run: Result) -> Result:
        wanted = Assertion(variant="stored", fact=fact, **bounds)
        return spoiled.values(spoiled.experiment(run, assertions=(wanted,)), "control", rounds=1, stored=0.5)

    return lambda run: spoil(spoiled.values(run, stored=1.0))


# What is wrong -> (how to make it so, a part of the reason, the measures that it touches).
BAD: dict[str, tuple[Spoil, str, tuple[str, ...]]] = {
    "lost": (account("ignored", lost=["id-1"]), "ignored: 1 lost (id-1)", ALL),
    "unexpected": (account("stored", unexpected=list("abcd")), "stored: 4 unexpected (a, b, c, …)", ALL),
    "stalled": (account("stored", stalled=["id-1"]), "stored: 1 stalled", ALL),
    "failed": (account("stored", failed=3), "stored: 3 failed", ALL),
    "indeterminate": (account("stored", indeterminate=1), "stored: 1 indeterminate", ALL),
    "duplicated": (account("control", duplicated=["id-1"]), "control: 1 duplicated (id-1)", ALL),
    "expired": (account("stored", expired=5), "stored: 5 expired", ALL),
    "ledger": (account("stored", invalid=["x.led: torn"]), "ledger of stored: x.led: torn", ALL),
    "locust": (
        lambda run: spoiled.counted(run, gate.BY_LOCUST, 11999),
        "11999 tasks sent by Locust, but 12000 in the ledger", ALL,
    ),
    "broker": (lambda run: spoiled.counted(run, gate.BY_BROKER, 12001), "12001 tasks acknowledged at the broker", ALL),
    "left": (lambda run: spoiled.counted(run, gate.LEFT, 2), "2 tasks left in the broker", ALL),
    "generator": (
        lambda run: spoiled.answered(run, problems=["a user failed"]), "ignored, round 8: a user failed", ALL,
    ),
    "interrupted": (lambda run: replace(run, interrupted="Ctrl-C"), "after 8 of 8 rounds (Ctrl-C)", ALL),
    "killed": (lambda run: replace(run, turns=run.turns[:-4]), "after 6 of 8 rounds (rig was killed)", ALL),
    "clocks": (clock(61.0), "clock of two writers lie 61", ALL),
    "stolen": (lambda run: spoiled.stolen(run, 0.06), "gave 6.0% of the machine's CPU to others", ALL),
    "rounds": (
        lambda run: spoiled.left_out(run, 1, 2, 3, 4, 5),
        "5 of 8 rounds had to be left out, the first because others used 61% of the machine", ALL,
    ),
    "asserted at least": (
        asserting("stored", at_least=0.99), "control: stored was 0.5 a task, and [[assert]] wants at least 0.99", ALL,
    ),
    "asserted at most": (
        asserting("stored", at_most=0.4), "stored: stored was 1 a task, and [[assert]] wants at most 0.4", ALL,
    ),
    "asserted between": (asserting("stored", at_least=0.6, at_most=2), "wants at least 0.6 and at most 2", ALL),
    "asserted and unseen": (asserting("results_written", at_least=1), "nothing counted results_written", ALL),
    "pacing": (
        lambda run: spoiled.values(run, "control", achieved_rate=500.0),
        "control: the paced load reached 91% of the rate it was offered", PACED_MEASURES,
    ),
    "unsent": (
        lambda run: spoiled.answered(run, unsent=3), "3 tasks that were planned were never sent", PACED_MEASURES,
    ),
    "overload": (
        lambda run: spoiled.values(run, "ignored", execution_rate=650.0),
        "the paced load of 550 tasks/s is 85% of what ignored executes in a drain (650 tasks/s)", PACED_MEASURES,
    ),
    "saturated": (
        lambda run: spoiled.answered(run, rounds=3, cpu_seconds=1.9, seconds=2.0),
        "ignored: in 3 of 8 paced loads the generator was saturated: it used more than 90% of a core", LATENCIES,
    ),
    "loop, p99": (
        lambda run: spoiled.answered(run, rounds=3, loop_lag_us={"p50": 9, "p95": 4999.0, "p99": 5001.0}),
        "in 3 of 8 paced loads the generator was late: its event loop by more than 5 ms (p99)", ("p99", "waiting"),
    ),
    "loop, p95": (
        lambda run: spoiled.answered(run, rounds=3, loop_lag_us={"p50": 9, "p95": 5001.0, "p99": 5002.0}),
        "in 3 of 8 paced loads the generator was late: its event loop by more than 5 ms (p95)",
        ("p95", "publish_ms", "p99", "waiting"),
    ),
    "loop, p50": (
        lambda run: spoiled.answered(run, rounds=3, loop_lag_us={"p50": 5001.0, "p95": 5001.0, "p99": 5001.0}),
        "in 3 of 8 paced loads the generator was late: its event loop by more than 5 ms (p50)",
        ("p50", "p95", "publish_ms", "p99", "waiting"),
    ),
    "loop, of what is called waiting": (
        lambda run: spoiled.answered(waiting(run, 8.0), rounds=3, loop_lag_us={"p99": 2001.0}),
        "in 3 of 8 paced loads the generator was late: its event loop by more than 2 ms (p99)", ("waiting",),
    ),
    "connections, paced": (
        lambda run: spoiled.opened(run, PACED, "ignored", 3),
        "ignored: in 3 of 8 turns connections were opened in the phase 'paced'", PACED_MEASURES,
    ),
    "connections, backlog": (
        lambda run: spoiled.opened(run, BACKLOG, "stored", 8),
        "stored: in 8 of 8 turns connections were opened in the phase 'backlog'", BATCH_MEASURES,
    ),
    "connections, drain": (
        lambda run: spoiled.opened(run, DRAIN, "stored", 8),
        "in 8 of 8 turns connections were opened in the phase 'drain'", BATCH_MEASURES,
    ),
    "unsteady window": (
        lambda run: spoiled.values(run, "ignored", paced_start=0.7),
        "ignored: the beginning of the paced window took 2 times as long as the rest", PACED_MEASURES,
    ),
    "unsteady drain": (
        lambda run: spoiled.values(run, "stored", drain_start=-0.4),
        "stored: the beginning of the drain went at 0.67 times the rate of the rest", BATCH_MEASURES,
    ),
    "control": (
        lambda run: spoiled.scaled(run, "execution_rate", 1.2, CONTROL),
        "two cells of the same variant differ by", ("execution_rate",),
    ),
    "control of a latency": (
        lambda run: spoiled.scaled(run, "p95", 0.7, CONTROL), "in end to end, p95 of a typical round", ("p95",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_with_what_it_touches_and_what_to_change(what: str) -> None:
    spoil, said, touches = BAD[what]
    problems = gate.check(spoil(made_up.result()))
    assert any(said in problem.reason for problem in problems), problems
    assert {problem.touches for problem in problems} == {touches}
    assert all(problem.change for problem in problems)
    assert len(problems) <= 2  # an assertion about a variant is one about both cells of the baseline


def test_a_sound_run_gives_no_reason_to_doubt_it() -> None:
    assert gate.check(made_up.result()) == []
    assert cautions.warnings(made_up.result()) == []
    assert gate.check_all(made_up.series()) == []


def latency_only(run: Result) -> Result:
    return spoiled.answered(run, rounds=8, cpu_seconds=1.9, seconds=2.0)


def drain_only(run: Result) -> Result:
    return spoiled.values(run, "stored", drain_start=-0.4)


def test_a_latency_that_may_not_be_used_leaves_the_execution_rate_alone_and_the_other_way_round() -> None:
    measures = ["execution_rate", "worker_cpu", "worker_cpu_batch", "p50", "p95", "waiting", "publish_ms"]
    found = gate.check(latency_only(made_up.result()))
    assert touched(found, measures) == ["p50", "p95", "waiting", "publish_ms"]
    found = gate.check(drain_only(made_up.result()))
    assert touched(found, measures) == ["execution_rate", "worker_cpu_batch"]
    both = gate.check(drain_only(latency_only(made_up.result())))
    assert touched(both, measures) == [each for each in measures if each != "worker_cpu"]


def test_reasons_that_touch_everything_come_first() -> None:
    run = made_up.with_account(drain_only(latency_only(made_up.result())), "stored", lost=["x"])
    run = clock(61.0)(spoiled.counted(run, gate.LEFT, 2))
    assert [bool(each.touches) for each in gate.check(run)] == [False] * 3 + [True] * 2
    assert len(gate.check(replace(run, interrupted="Ctrl-C"))) == 5  # then no counter is compared


@pytest.mark.parametrize("what", ALLOWED)
def test_what_the_file_allows_to_happen_to_tasks_is_no_reason(what: str) -> None:
    run = made_up.with_account(made_up.result(), "stored", **{what: 3 if what != "duplicated" else ["id-1"]})
    assert len(gate.check(run)) == 1
    assert gate.check(spoiled.experiment(run, allow=(what,))) == []
    other = "expired" if what != "expired" else "failed"
    assert len(gate.check(spoiled.experiment(run, allow=(other,)))) == 1


def probed(run: Result, **answer: Any) -> Result:
    """A search tries rates that cannot be kept: that is its purpose, and no fault of the run."""
    return spoiled.answered(run, phase="probe 1", **answer)


def waiting(run: Result, ms: float) -> Result:
    """The run, where a task that takes longer than `ms` has waited."""
    return replace(run, experiment=replace(run.experiment, load=replace(run.experiment.load, wait_ms=ms)))


def trembling(run: Result, name: str) -> Result:
    """A start that is half as long again in every second round and as much shorter in the others."""
    run = spoiled.values(run, "stored", **{name: 0.4})
    return spoiled.turns(
        run, lambda turn: turn if turn.round % 2 else replace(turn, values={**turn.values, name: -0.4}), "stored"
    )  # fmt: skip


@pytest.mark.parametrize(
    "tolerable",
    [
        lambda run: spoiled.answered(run, rounds=2, cpu_seconds=1.9, seconds=2.0),
        lambda run: spoiled.answered(run, rounds=8, cpu_seconds=1.7, seconds=2.0, loop_lag_us={"p99": 4900.0}),
        lambda run: spoiled.answered(run, rounds=8, loop_lag_us=None),
        lambda run: spoiled.opened(run, PACED, "ignored", 2),
        lambda run: spoiled.values(run, achieved_rate=542.0),
        lambda run: spoiled.values(run, "ignored", execution_rate=700.0),
        lambda run: spoiled.values(run, paced_start=0.09, drain_start=-0.09),
        lambda run: trembling(run, "paced_start"),
        lambda run: trembling(run, "drain_start"),
        lambda run: spoiled.stolen(run, 0.05),
        lambda run: spoiled.left_out(run, 1, 2, 3, 4),
        lambda run: spoiled.foreign(run, 0.4),
        clock(49.0),
        lambda run: replace(run, turns=run.turns[:18], stopped="narrow enough"),
        lambda run: probed(run, unsent=400),
        lambda run: replace(run, counts={**run.counts, "stored, session 1": {gate.IN_LEDGER: 5, gate.BY_LOCUST: 5}}),
    ],
)
def test_what_is_short_of_a_limit_is_valid(tolerable: Spoil) -> None:
    assert gate.check(tolerable(made_up.result())) == []


def test_an_assertion_is_about_every_cell_of_its_variant_and_no_other() -> None:
    wanted = Assertion(variant="ignored", fact="stored", at_most=0.1)
    run = spoiled.experiment(spoiled.values(made_up.result(), stored=1.0), assertions=(wanted,))
    assert [each.reason.partition(":")[0] for each in gate.check(run)] == ["ignored"]
    assert gate.check(spoiled.values(run, "ignored", stored=0.0)) == []
    wanted = replace(wanted, variant="stored")
    run = spoiled.experiment(run, assertions=(wanted,))
    assert [each.reason.partition(":")[0] for each in gate.check(run)] == ["stored", "control"]


def test_a_turn_that_was_cut_off_is_in_no_counter() -> None:
    run = spoiled.counted(replace(made_up.result(), interrupted="Ctrl-C"), gate.BY_LOCUST, 11000)
    assert [each.reason.partition(":")[0] for each in gate.check(run)] == ["incomplete"]


def test_rounds_that_were_left_out_and_could_not_be_taken_again_are_no_early_end() -> None:
    """Two of eight were to be repeated, and a third one is missing: the run did all that it may."""
    assert gate.check(spoiled.left_out(made_up.result(), 2, 5, 7)) == []


def test_the_alarm_of_equal_cells_is_for_what_chance_does_not_do() -> None:
    """An interval of 99.9%: a run has some forty measures, and each of them is looked at."""
    run = made_up.result(rounds=16)
    assert gate.check(spoiled.scaled(run, "p50", 1.012, CONTROL)) == []
    found = gate.check(spoiled.scaled(run, "p50", 1.1, CONTROL))
    assert [each.touches for each in found] == [("p50",)]
    steady = spoiled.values(made_up.result(), execution_rate=1100.0)
    assert gate.check(spoiled.scaled(steady, "execution_rate", 1.0009, CONTROL)) == []  # less than a thousandth


def test_what_is_wrong_in_one_run_of_several_is_said_with_its_number() -> None:
    first, second, third = made_up.series()
    found = gate.check_all([first, made_up.with_account(second, "stored", lost=["x"]), drain_only(third)])
    assert [each.reason.partition(":")[0] for each in found] == ["run 2", "run 3"]
    assert found[1].touches == BATCH_MEASURES


def test_a_run_that_others_disturbed_is_no_part_of_its_series() -> None:
    first, second, third = made_up.series()
    taken = spoiled.stolen(second, 0.06)
    kept, why = gate.undisturbed([first, taken, third])
    assert kept == [first, third]
    assert why == [
        "run 2 of 3 is left out, because the hypervisor gave 6.0% of the machine's CPU to others while it was measured"
    ]
    assert gate.undisturbed([first, second, third]) == ([first, second, third], [])


def test_what_was_measured_leaves_no_run_out_and_one_run_is_no_series() -> None:
    first, second, third = made_up.series()
    assert gate.undisturbed([first, drain_only(second), third])[1] == []
    taken = [spoiled.stolen(run, 0.06) for run in (first, second)]
    assert gate.undisturbed([*taken, third]) == ([*taken, third], [])
    assert gate.undisturbed(taken[:1]) == (taken[:1], [])


def test_a_percentile_that_was_not_measured_cannot_be_wrong() -> None:
    late = spoiled.answered(waiting(made_up.result(), 40.0), rounds=8, loop_lag_us={"p95": 10.0, "p99": 9000.0})
    assert [each.touches for each in gate.check(late)] == [("p99",)]
    without = spoiled.turns(
        late, lambda turn: replace(turn, values={name: v for name, v in turn.values.items() if name != "p99"})
    )
    assert gate.check(without) == []
