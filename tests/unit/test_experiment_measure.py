"""From stamps in a ledger to the measures of a turn's backlog, and which tasks belong to which turn."""

import math
from pathlib import Path

import numpy as np
import pytest
from stamped import MS, Stamped

from rig.experiment.measure import (
    BATCH_MEASURES,
    FACTS,
    MEASURES,
    PACED_MEASURES,
    backlog_values,
    in_turn,
    named,
    pacing,
)  # fmt: skip
from rig.experiment.station import paced_users
from rig.experiment.turn import BACKLOG, PACED, WARM, post_number

TURN = 5
S = 1000 * MS


@pytest.fixture
def ledger(tmp_path: Path) -> Stamped:
    return Stamped(tmp_path)


def backlog(ledger: Stamped, ends: list[int], took: int = 1, stored: int = 0) -> dict[str, float]:
    """What the ledger shows of a backlog whose tasks end so; of the first `stored` the result was kept."""
    ids = ledger.send(post_number(TURN, BACKLOG), [S] * len(ends))
    ledger.finish(ids[:stored], ends[:stored], took=took, stored=True)
    ledger.finish(ids[stored:], ends[stored:], took=took)
    return backlog_values(TURN, ledger.tasks())


def test_execution_rate_is_that_of_the_ends(ledger: Stamped) -> None:
    values = backlog(ledger, [2 * S + i * 5 * MS for i in range(101)])
    assert values["execution_rate"] == pytest.approx(200)
    assert values["backlog_tasks"] == 101


def test_the_first_tenth_of_the_ends_is_in_no_rate(ledger: Stamped) -> None:
    """Workers that were just let go: ten ends in ten seconds, then ninety at 200 a second."""
    slow = [2 * S + i * S for i in range(10)]
    values = backlog(ledger, slow + [20 * S + i * 5 * MS for i in range(90)])
    assert values["execution_rate"] == pytest.approx(200)
    assert values["drain_start"] == pytest.approx(0, abs=0.05)


def test_a_drain_that_slows_down_shows_in_how_its_halves_compare(ledger: Stamped) -> None:
    first = [2 * S + i * 5 * MS for i in range(55)]  # the first ten of them are left out
    values = backlog(ledger, first + [first[-1] + (i + 1) * 10 * MS for i in range(45)])
    assert values["drain_start"] == pytest.approx(math.log(2), abs=0.05)


def test_of_a_short_drain_no_halves_are_compared(ledger: Stamped) -> None:
    assert "drain_start" not in backlog(ledger, [2 * S + i * MS for i in range(20)])


def test_in_pool_is_how_many_tasks_are_between_start_and_end_on_average(ledger: Stamped) -> None:
    """Two processes, each of which has a task of 10 ms all the time."""
    ends = [2 * S + (i // 2) * 10 * MS for i in range(100)]
    assert backlog(ledger, ends, took=10 * MS)["in_pool"] == pytest.approx(2)


@pytest.mark.parametrize(("stored", "share"), [(0, 0.0), (15, 0.75), (20, 1.0)])
def test_stored_is_the_share_of_results_that_were_kept(ledger: Stamped, stored: int, share: float) -> None:
    assert backlog(ledger, [2 * S + i * MS for i in range(20)], stored=stored)["stored"] == share


def test_too_few_executions_are_an_error_and_not_a_number(ledger: Stamped) -> None:
    ids = ledger.send(post_number(TURN, BACKLOG), [S] * 5)
    ledger.finish(ids[:1], [2 * S])
    with pytest.raises(ValueError, match="1 of 5 backlog tasks finished"):
        backlog_values(TURN, ledger.tasks())


def test_other_turns_and_phases_are_left_out(ledger: Stamped) -> None:
    for number in (TURN, TURN + 1):
        for name in (WARM, BACKLOG, PACED):
            ledger.send(post_number(number, name), [S] * 3)
    ledger.finish(["00000000-0000-4000-8000-000000000000"], [5])
    tasks = ledger.tasks()
    assert in_turn(tasks, post_number(TURN, BACKLOG)).sum() == 3
    assert in_turn(tasks, 999).sum() == 0


def test_a_generator_that_falls_behind_shows_in_the_achieved_rate() -> None:
    planned = np.arange(1, 101) * 10 * MS
    stretched = planned[0] + (planned - planned[0]) * 2
    values = pacing(planned, stretched)
    assert values["offered_rate"] == pytest.approx(100)
    assert values["achieved_rate"] == pytest.approx(50)


@pytest.mark.parametrize(("rate", "users"), [(1, 20), (200, 20), (201, 21), (1270.4, 128), (5000, 500), (9e9, 500)])
def test_a_paced_load_has_as_many_users_as_arrive_in_a_tenth_of_a_second(rate: float, users: int) -> None:
    assert paced_users(rate) == users


def test_what_a_phase_disturbs_are_measures_and_none_is_of_both_phases() -> None:
    assert {*PACED_MEASURES, *BATCH_MEASURES} <= MEASURES.keys()
    assert not {*PACED_MEASURES} & {*BATCH_MEASURES}


def test_a_measure_of_one_kind_says_so() -> None:
    assert named("p95.short").title == "end to end, p95 of a typical round, short"
    with pytest.raises(KeyError):
        named("publish_rate")
    assert "stored" in FACTS
