"""What limited an execution rate is said from the drains alone, and by the first part that was full."""

from dataclasses import replace

import made_up
import pytest

from rig.experiment.judge.limits import limits
from rig.experiment.result import Result
from rig.experiment.turn import COMPONENTS, DRAIN, Phase, Turn
from rig.testbed.environment import TRANSPORTS

SECOND = 1_000_000_000


def drained(main: float, pool: float, used: float, machine: float, processes: int = 2, broker: float = 0.3) -> Result:
    """A run whose every drain was that busy: shares of a core, and of two cores for the machine."""
    run = made_up.result(rounds=3)
    phase = Phase(
        started_ns=0, ended_ns=SECOND, host_ns=round(machine * 2 * SECOND), stolen_ns=0,
        cpu_ns=dict.fromkeys(COMPONENTS, round(broker * SECOND)), processes={"main": 1, "pool": processes},
        process_ns={"main": round(main * SECOND), "pool": round(used * SECOND * processes)},
    )  # fmt: skip
    turns = [_with(turn, phase, pool * processes) for turn in run.turns]
    return replace(run, turns=turns)


def _with(turn: Turn, phase: Phase, in_pool: float) -> Turn:
    return replace(turn, phases=turn.phases | {DRAIN: phase}, values={**turn.values, "in_pool": in_pool})


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (drained(0.9, 0.95, 0.5, 0.97), "the machine's CPU (97% of 2 cores)"),
        (drained(0.9, 0.95, 0.38, 0.6), "the 2 pool processes (with a task 95% of the time, 60% of it waiting)"),
        (drained(0.9, 0.5, 0.3, 0.6), "the worker's main process (90% of a core)"),
        (
            drained(0.64, 0.1, 0.1, 0.71),
            "no single part: main process 64% of a core, pool 10%, broker 30% of a core, machine 71%",
        ),
        (
            drained(0.64, 0.0, 0.0, 0.71, processes=0),
            "no single part: main process 64% of a core, broker 30% of a core, machine 71%",
        ),
        (drained(0.9, 0.0, 0.0, 0.6, processes=0), "the worker's main process (90% of a core)"),
    ],
    ids=["machine", "pool", "main", "none", "no pool", "no pool, main"],
)
def test_the_first_part_that_was_full_is_named(run: Result, said: str) -> None:
    assert {each.said for each in limits([run]).values()} == {said}


def test_a_broker_with_one_thread_can_be_what_limits_and_another_cannot() -> None:
    run = drained(0.5, 0.3, 0.2, 0.8, broker=0.98)
    assert limits([run])["stored"].said.startswith("no single part")
    variants = tuple(replace(variant, topology="valkey") for variant in run.experiment.variants)
    about = {**run.environment, TRANSPORTS: {"valkey": "redis"}}
    on_redis = replace(run, experiment=replace(run.experiment, variants=variants), environment=about)
    assert limits([on_redis])["stored"].said == "the broker, which has one thread (98% of a core)"


def test_one_odd_turn_and_turns_that_were_left_out_change_nothing() -> None:
    run = drained(0.64, 0.1, 0.1, 0.71)
    full = drained(0.9, 0.95, 0.5, 0.99).turns[0].phases
    odd = replace(run, turns=[replace(run.turns[0], phases=full), *run.turns[1:]])
    assert limits([odd])["stored"].said.startswith("no single part")
    discarded = [replace(turn, phases=full, discarded=turn.round < 3) for turn in run.turns if turn.round < 3]
    kept = [turn for turn in run.turns if turn.round == 3]
    assert limits([replace(run, turns=[*discarded, *kept])]) == limits([run])


def test_runs_of_a_series_are_taken_together_and_nothing_is_said_without_drains() -> None:
    run, other = drained(0.64, 0.1, 0.1, 0.71), drained(0.9, 0.5, 0.3, 0.6)
    assert limits([run, other, other])["stored"].main == pytest.approx(0.9)
    assert limits([replace(run, turns=[])]) == {}
