"""A generator's users live as long as it does; where a schedule begins, and what its run-in is left out of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_redis import FakeRedis, fake_redis
from generator_process import TURNS, end, order, ready
from locust_process import Locust, locust

from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.load.ids import origin

STORED = '{"task_ignore_result": false}'
SLOW_S = 1.0  # of a connection to a slow result store


@pytest.fixture
def generator(tmp_path: Path) -> Iterator[Locust]:
    with locust(tmp_path, *TURNS, RIG_RUN_ID="0badcafe", RIG_ROLE="generator") as running:
        yield ready(running)


def each(turn: int, users: int, count: int = 1) -> dict[str, object]:
    return order(turn, users=users, arrivals={"kind": "each", "count": count})


def test_each_user_sends_all_that_each_is_to_send(generator: Locust) -> None:
    status, answer = generator.ask("/turn", each(3, users=20, count=4))
    assert (status, answer["problems"]) == (200, [])
    assert (answer["sent"], answer["published"], answer["unsent"]) == (80, 80, 0)
    assert answer["locust"] == {"requests": 80, "failures": 0}
    assert (answer["start_ns"], answer["lag_us"]) == (0, None)
    end(generator)
    sends = generator.sends()
    assert len(set(sends)) == 80
    assert Counter(send.turn for send in sends) == {3: 80}


def test_users_and_what_they_have_opened_stay_for_all_turns(tmp_path: Path) -> None:
    """Celery keeps a result backend, with its connection, for each greenlet: users of a turn's own would open more."""
    with (
        fake_redis() as redis,
        locust(tmp_path, *TURNS, RIG_ROLE="generator", RESULT_URL=f"{redis.url}/0", RIG_SETTINGS=STORED) as running,
    ):
        generator = ready(running)
        opened = []
        for turn, users in enumerate((1, 6, 6, 3, 6, 9)):
            assert generator.ask("/turn", each(turn, users))[1]["problems"] == []
            opened.append(redis.connections)
        by_user = (opened[1] - opened[0]) / 5
        assert by_user in (1, 2)  # the backend's own connection, and that of its subscriptions
        assert opened[1] == opened[2] == opened[3] == opened[4]
        assert opened[5] == opened[4] + 3 * by_user
        for turn, arrivals in enumerate(
            ({"kind": "closed", "count": 200}, {"kind": "poisson", "rate": 200, "seconds": 0.5, "seed": 1}), start=10
        ):
            answer = generator.ask("/turn", order(turn, users=9, arrivals=arrivals))[1]
            assert answer["problems"] == []
            assert answer["sent"] > 50
        assert redis.connections == opened[5]
        assert redis.commands["SUBSCRIBE"] > 100
        end(generator)


def planned(generator: Locust, turn: int) -> list[int]:
    tasks = build(read_ledger(generator.ledger))
    chosen = [row for row in range(len(tasks)) if origin(tasks.id[row].decode()).turn == turn]
    return sorted(tasks.planned[chosen].tolist())


def test_a_schedule_begins_when_the_order_says_and_the_answer_tells_when_it_did(generator: Locust) -> None:
    arrivals = {"kind": "constant", "rate": 50, "seconds": 0.2}
    wanted = time.monotonic_ns() + 1_500_000_000
    first = generator.ask("/turn", order(1, arrivals=arrivals, start_ns=wanted))[1]
    before = time.monotonic_ns()
    second = generator.ask("/turn", order(2, arrivals=arrivals))[1]
    assert first["start_ns"] == wanted
    assert first["first_sent_ns"] >= wanted
    assert before < second["start_ns"] < second["first_sent_ns"]
    for turn, answer in ((1, first), (2, second)):
        assert planned(generator, turn) == [answer["start_ns"] + number * 20_000_000 for number in range(10)]
    assert (first["problems"], second["problems"]) == ([], [])


def test_what_was_planned_for_the_run_in_is_in_no_lag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only user needs a second for its first send, and is late until it has caught up."""
    setup = FakeRedis.process_request_thread

    def slowly(self: FakeRedis, *given: object) -> None:
        if self.connections:  # the first one is the generator's look at whether somebody listens
            time.sleep(SLOW_S)
        setup(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeRedis, "process_request_thread", slowly)
    with (
        fake_redis() as redis,
        locust(tmp_path, *TURNS, RIG_ROLE="generator", RESULT_URL=f"{redis.url}/0", RIG_SETTINGS=STORED) as running,
    ):
        generator = ready(running)
        arrivals = {"kind": "constant", "rate": 20, "seconds": 6}
        answer = generator.ask("/turn", order(1, users=1, arrivals=arrivals, run_in=5))[1]
        assert (answer["sent"], answer["problems"]) == (120, [])
        assert answer["lag_us"]["max"] < SLOW_S * 1e6 / 2
        assert answer["late"] <= 20
        tasks = build(read_ledger(generator.ledger))
        assert (tasks.sent - tasks.planned).max() > SLOW_S * 1e9 / 2
        end(generator)


def test_a_generator_whose_users_wait_for_orders_goes_at_once(generator: Locust) -> None:
    """Locust would wait for its stop timeout until they had done their task, and say so."""
    assert generator.ask("/turn", each(1, users=50))[1]["sent"] == 50
    end(generator)
    assert "Not all users finished" not in generator.output


def test_after_a_turn_that_was_ended_there_are_users_again(generator: Locust) -> None:
    assert generator.ask("/turn", each(1, users=8))[1]["sent"] == 8
    long = order(2, users=4, arrivals={"kind": "constant", "rate": 20, "seconds": 600}, limit=0.3)
    assert any("0.3 s" in problem for problem in generator.ask("/turn", long)[1]["problems"])
    status, answer = generator.ask("/turn", each(3, users=8, count=2))
    assert (status, answer["problems"], answer["sent"]) == (200, [], 16)
    end(generator)
