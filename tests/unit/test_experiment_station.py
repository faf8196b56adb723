"""One turn of one cell: what is ordered, what is read when, and how each thing that goes wrong is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from station import LOAD, Scene, played

from rig.errors import BadInput, StackError
from rig.experiment import station as module
from rig.experiment.station import LEAST_USERS, NotReadyError, Station, ask, between, paced_users
from rig.experiment.turn import BACKLOG, DRAIN, PACED, WARM, post_number
from rig.testbed.cgroups import Process, Reading
from rig.testbed.ended import Ended
from rig.testbed.variant import Variant

TURN, SEED, RATE = 7, 11, 300.0
Stage = tuple[Scene, Station]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A cell whose patience is short."""
    for name, seconds in (("SUSPICIOUS_S", 0.2), ("STALL_S", 0.6), ("READY_S", 1.0), ("ASK_S", 0.1), ("POLL_S", 0.02)):
        monkeypatch.setattr(module, name, seconds)
    with played(tmp_path) as given:
        yield given


def test_every_user_that_a_paced_load_needs_sends_before_anything_is_measured(stage: Stage) -> None:
    scene, station = stage
    sent = station.warm(TURN, 1000.0)
    (order,) = scene.orders
    assert order["users"] == paced_users(1000.0) == 100
    assert order["arrivals"] == {"kind": "each", "count": 2}  # two by each: WARM_TASKS at least
    assert order["turn"] == post_number(TURN, WARM)
    assert order["kinds"][0]["queue"] == "bench.c0"
    assert sent.keys() == {WARM}
    assert station.warm(TURN + 1, 0.0)[WARM]["turn"] == post_number(TURN + 1, WARM)
    assert scene.orders[1]["users"] == LEAST_USERS


def test_a_backlog_is_published_while_the_workers_stand_still(stage: Stage) -> None:
    scene, station = stage
    measured = station.drain(TURN, SEED)
    assert scene.done == [BACKLOG, "pause", "read", "order", "read", "unpause", DRAIN, "read"]
    assert measured.phases.keys() == {BACKLOG, DRAIN}
    start, published, drained = (reading.at_ns for reading in scene.readings)
    assert (measured.phases[BACKLOG].started_ns, measured.phases[BACKLOG].ended_ns) == (start, published)
    assert (measured.phases[DRAIN].started_ns, measured.phases[DRAIN].ended_ns) == (published, drained)
    (order,) = scene.orders
    assert (order["arrivals"], order["users"], order["seed"]) == ({"kind": "closed", "count": 30}, 4, SEED)
    assert measured.values["broker_bytes"] == 0


def test_workers_go_on_even_if_nothing_could_be_published(stage: Stage) -> None:
    scene, station = stage
    scene.answer = lambda _: (409, {"problems": ["a turn runs already"]})
    with pytest.raises(StackError):
        station.drain(TURN, SEED)
    assert scene.done[-1] == "unpause"


def test_counters_are_read_at_both_edges_of_the_window_while_the_load_goes_on(stage: Stage) -> None:
    scene, station = stage
    measured = station.pace(TURN, RATE, SEED)
    (order,), window = scene.orders, measured.window
    assert order["arrivals"] == {"kind": "poisson", "rate": RATE, "seconds": 0.7, "seed": SEED}
    assert (order["run_in"], order["users"]) == (0.2, paced_users(RATE))
    assert window.start_ns - order["start_ns"] == pytest.approx(0.2e9, abs=1000)
    assert window.end_ns - window.start_ns == pytest.approx(0.5e9, abs=1000)
    opened, closed = (reading.at_ns for reading in scene.readings)
    assert window.start_ns - 1000 <= opened < window.end_ns - 1000 <= closed
    assert (measured.phases[PACED].started_ns, measured.phases[PACED].ended_ns) == (opened, closed)
    assert scene.done[:2] == [PACED, "order"]  # the generator has its order before the window opens
    assert order["turn"] == post_number(TURN, PACED)


def test_constant_arrivals_need_no_seed(tmp_path: Path) -> None:
    with played(tmp_path, replace(LOAD, arrivals="constant", run_in=0.0)) as (scene, station):
        station.pace(TURN, RATE, SEED)
    assert scene.orders[0]["arrivals"] == {"kind": "constant", "rate": RATE, "seconds": 0.5}


def test_options_and_call_of_a_variant_are_in_its_orders(tmp_path: Path) -> None:
    variant = Variant(name="stored", options={"priority": 3}, call="apply_async")
    with played(tmp_path, variant=variant) as (scene, station):
        station.warm(TURN, RATE)
    assert (scene.orders[0]["options"], scene.orders[0]["call"]) == ({"priority": 3}, "apply_async")


def test_a_task_that_the_worker_does_not_know_is_bad_input_as_soon_as_it_says_so(stage: Stage) -> None:
    scene, station = stage
    scene.answer = lambda order: scene.execute(order, finished=0, outcome="unknown")
    with pytest.raises(BadInput, match=r"stored: its worker knows no task of the name 'app\.noop'") as caught:
        station.warm(TURN, RATE)
    assert len(caught.value.problems) == 1
    assert "look" not in scene.done  # nobody waited until it was suspicious


def test_behind_the_warm_up_such_a_task_is_a_fault_of_the_stack(stage: Stage) -> None:
    scene, station = stage
    scene.answer = lambda order: scene.execute(order, finished=5, outcome="unknown")
    with pytest.raises(StackError, match=r"stored: 5 of 30 tasks finished \(backlog\), then none for 0\.6 s"):
        station.drain(TURN, SEED)


USAGE = Ended(exit_code=2, last_words="Error: No such option: --concurency")
KILLED = Ended(exit_code=137, last_words="Killed")


def never_ready(_: object) -> tuple[int, object]:
    return 503, {"problems": ["the queue bench.c0 is not there"]}


def test_a_worker_that_does_not_understand_its_command_line_is_bad_input(stage: Stage) -> None:
    scene, station = stage
    scene.answer, scene.ended = never_ready, USAGE
    with pytest.raises(BadInput) as caught:
        station.warm(TURN, RATE)
    assert caught.value.problems == ["stored: its worker has ended with 2: Error: No such option: --concurency"]
    assert len(scene.orders) == 1


def test_a_worker_that_has_ended_otherwise_is_a_fault_of_the_stack(stage: Stage) -> None:
    scene, station = stage
    scene.answer, scene.ended = never_ready, KILLED
    with pytest.raises(StackError, match=r"stored: its worker has ended with 137: Killed \(the generator answered:"):
        station.warm(TURN, RATE)


@pytest.mark.parametrize(("ended", "error"), [(USAGE, BadInput), (KILLED, StackError)])
def test_a_worker_that_ends_with_tasks_left_is_found_out(stage: Stage, ended: Ended, error: type[Exception]) -> None:
    scene, station = stage
    scene.answer, scene.ended = (lambda order: scene.execute(order, finished=3)), ended
    with pytest.raises(error, match="its worker has ended with"):
        station.warm(TURN, RATE)


def test_a_drain_that_stalls_says_how_far_it_came(stage: Stage) -> None:
    scene, station = stage
    scene.answer = lambda order: scene.execute(order, finished=29)
    with pytest.raises(StackError, match=r"29 of 30 tasks finished \(backlog\), then none for 0\.6 s"):
        station.drain(TURN, SEED)


def test_a_generator_that_is_not_ready_is_asked_again(stage: Stage) -> None:
    scene, station = stage
    scene.answer = lambda order: never_ready(order) if len(scene.orders) < 3 else scene.execute(order)
    station.warm(TURN, RATE)
    assert len(scene.orders) == 3


def test_one_that_never_is_ready_says_why_in_words(stage: Stage) -> None:
    scene, station = stage
    scene.answer = never_ready
    with pytest.raises(NotReadyError, match=r"^the generator answered: the queue bench\.c0 is not there$"):
        station.warm(TURN, RATE)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"problems": ["turn: missing", "users: 0"]}, "the generator answered: turn: missing; users: 0"),
        (500, b"<html>\xff oops", "the generator answered: <html>� oops"),
        (400, [1], "the generator answered: [1]"),
        (400, {"problems": [1]}, 'the generator answered: {"problems": [1]}'),
    ],
)  # fmt: skip
def test_a_refusal_is_words_and_no_json(stage: Stage, status: int, body: object, said: str) -> None:
    scene, station = stage
    scene.answer = lambda _: (status, body)
    with pytest.raises(StackError) as caught:
        station.warm(TURN, RATE)
    assert str(caught.value) == said
    assert len(scene.orders) == 1  # asking again would not help


def test_a_generator_out_of_reach_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match="the generator cannot be reached"):
        ask("http://127.0.0.1:9/turn", {}, timeout=1)


def process(pid: int, parent: int, ms: int) -> Process:
    return Process(pid=pid, parent=parent, name="celery", cpu_ns=ms * 1_000_000)


def test_a_phase_is_what_lies_between_two_readings() -> None:
    before = Reading(
        at_ns=100, cpu_ns={"broker": 5, "worker": 7}, host_ns=20, stolen_ns=1, rig_ns=2, opened={"worker": 3},
        processes=[process(10, 1, 100), process(11, 10, 50), process(12, 10, 60), process(13, 10, 5)],
    )  # fmt: skip
    after = Reading(
        at_ns=300, cpu_ns={"broker": 15, "worker": 27}, host_ns=90, stolen_ns=4, rig_ns=9, opened={"worker": 5},
        processes=[process(10, 1, 130), process(11, 10, 90), process(12, 10, 60), process(14, 10, 8)],
    )  # fmt: skip
    phase = between(before, after)
    assert (phase.started_ns, phase.ended_ns) == (100, 300)
    assert (phase.cpu_ns, phase.host_ns, phase.stolen_ns) == ({"broker": 10, "worker": 20}, 70, 3)
    assert (phase.rig_ns, phase.opened) == (7, {"worker": 2})
    # 10 talks to the broker; 11, 12 and 14, which is new, are its pool; 13 has ended.
    assert phase.processes == {"main": 1, "pool": 3}
    assert phase.process_ns == {"main": 30_000_000, "pool": 48_000_000}
    assert phase.other_ns == 40


def test_of_several_workers_each_has_a_main_process_and_threads_are_no_pool() -> None:
    two = [process(10, 1, 1), process(11, 10, 1), process(20, 2, 1)]
    reading = Reading(at_ns=1, cpu_ns={}, host_ns=0, stolen_ns=0, processes=two)
    assert between(reading, replace(reading, at_ns=2)).processes == {"main": 2, "pool": 1}
