"""A generator does what it is told over HTTP, turn by turn, and gives an account of each."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from generator_process import TURNS, end, order, ready
from hypothesis import given
from hypothesis import strategies as st
from locust_process import Locust, free_port, locust

from rig.errors import BadInput
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.load.generator.order import BLOCKS, Kind, parse, sequence
from rig.load.ids import origin


@pytest.fixture
def generator(tmp_path: Path) -> Iterator[Locust]:
    with locust(tmp_path, *TURNS, RIG_RUN_ID="0badcafe", RIG_ROLE="generator") as running:
        yield ready(running)


def test_it_is_ready_when_broker_and_ledger_are_there(generator: Locust) -> None:
    assert generator.ask("/ready") == (200, {"ready": True})


def test_dozens_of_turns_each_with_its_own_account(generator: Locust) -> None:
    posts = [order(turn, arrivals={"kind": "closed", "count": 10 + turn}) for turn in range(40)]
    answers = [generator.ask("/turn", post) for post in posts]
    for post, (status, answer) in zip(posts, answers, strict=True):
        count = post["arrivals"]["count"]
        assert (status, answer["turn"], answer["problems"]) == (200, post["turn"], [])
        assert (answer["sent"], answer["published"], answer["failed"], answer["unsent"]) == (count, count, 0, 0)
        assert answer["locust"] == {"requests": count, "failures": 0}
        assert 0 < answer["first_sent_ns"] < answer["last_published_ns"]
        assert answer["cpu_seconds"] > 0
        assert answer["seconds"] > 0
        assert (answer["run"], answer["lag_us"]) == ("0badcafe", None)
    end(generator)
    sends = generator.sends()
    assert len(set(sends)) == len(sends)
    assert Counter(send.turn for send in sends) == {post["turn"]: post["arrivals"]["count"] for post in posts}


def test_a_plan_is_kept_by_all_users_together_and_its_lag_is_told(generator: Locust) -> None:
    status, answer = generator.ask("/turn", order(arrivals={"kind": "constant", "rate": 100, "seconds": 0.6}))
    assert (status, answer["sent"], answer["problems"]) == (200, 60, [])
    assert answer["last_published_ns"] - answer["first_sent_ns"] >= 0.58e9
    lag = answer["lag_us"]
    assert 0 <= lag["p50"] <= lag["p95"] <= lag["p99"] <= lag["max"]
    lag = answer["loop_lag_us"]
    assert 0 <= lag["p50"] <= lag["p99"] <= lag["max"]
    seeded = order(arrivals={"kind": "poisson", "rate": 100, "seconds": 0.5, "seed": 3})
    first, second = (generator.ask("/turn", seeded | {"turn": turn})[1]["sent"] for turn in (2, 3))
    assert first == second > 0


def test_a_turn_that_lasts_too_long_is_ended_and_what_is_left_is_counted(generator: Locust) -> None:
    long = order(arrivals={"kind": "constant", "rate": 20, "seconds": 600}, limit=0.5)
    status, answer = generator.ask("/turn", long)
    assert status == 200
    assert answer["sent"] + answer["unsent"] == 12_000
    assert answer["sent"] == answer["locust"]["requests"] < 100
    assert any("0.5 s" in problem for problem in answer["problems"])
    assert generator.ask("/turn", order(2))[1]["problems"] == []


def test_a_task_that_cannot_be_sent_is_a_problem_in_words(generator: Locust) -> None:
    status, answer = generator.ask("/turn", order(options={"serializer": "no such one"}))
    assert status == 200
    assert (answer["sent"], answer["published"], answer["failed"]) == (50, 0, 50)
    assert answer["locust"] == {"requests": 50, "failures": 50}
    assert any(problem.startswith("50 x send app.noop on cell.a") for problem in answer["problems"])


def test_only_one_turn_at_a_time(generator: Locust) -> None:
    answers: list[Any] = []
    long = order(arrivals={"kind": "constant", "rate": 10, "seconds": 2})
    first = threading.Thread(target=lambda: answers.append(generator.ask("/turn", long)))
    first.start()
    deadline = time.monotonic() + 30
    while not list(generator.ledger.iterdir()):  # until it sends
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert generator.ask("/ready")[0] == 200
    status, refused = generator.ask("/turn", order(2))
    assert (status, "one at a time" in refused["problems"][0]) == (409, True)
    first.join()
    assert (answers[0][0], answers[0][1]["sent"]) == (200, 20)


@pytest.mark.parametrize("body", [b"nonsense", b"", [1]])
def test_a_bad_order_is_refused_with_reasons(generator: Locust, body: Any) -> None:
    status, answer = generator.ask("/turn", body)
    assert (status, len(answer["problems"])) == (400, 1)
    assert generator.ask("/turn", order())[0] == 200


def test_a_broker_that_is_not_there_is_said_and_does_not_end_the_generator(tmp_path: Path) -> None:
    port = free_port()
    with locust(tmp_path, *TURNS, BROKER_URL=f"redis://127.0.0.1:{port}/0") as running:
        ready(running)
        for path, body in (("/ready", None), ("/turn", order())):
            status, answer = running.ask(path, body)
            (problem,) = answer["problems"]
            assert (status, f"127.0.0.1:{port}" in problem) == (503, True)
        end(running)


def test_it_needs_the_web_ui_and_a_ledger(tmp_path: Path) -> None:
    with locust(tmp_path, *TURNS, "--headless") as running:
        assert running.wait() == 2
    assert "error: server.py gets its orders over HTTP" in running.output
    with locust(tmp_path, *TURNS, RIG_LEDGER_DIR="") as running:
        assert running.wait() == 2
    assert "RIG_LEDGER_DIR" in running.output
    assert "Traceback" not in running.output


def test_an_order_is_read_with_its_defaults() -> None:
    kinds = [{"task": "t", "queue": "q"}]
    read = parse({"turn": 0, "kinds": kinds, "arrivals": {"kind": "constant", "rate": 1, "seconds": 7}})
    assert read.kinds == [Kind(task="t", queue="q", args=(), kwargs={}, share=1.0)]
    assert (read.options, read.users, read.wait, read.call, read.seed) == ({}, 1, False, "send_task", 0)
    assert (read.start_ns, read.run_in) == (0, 0)
    assert read.seconds > 7
    assert parse(order(limit=3)).seconds == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"turn": -1}, ["turn: between"]),
        ({"turn": 65536}, ["turn: between"]),
        ({"turn": True}, ["turn: a whole number"]),
        ({"users": 0}, ["users: between"]),
        ({"kinds": [{"task": "", "queue": ""}]}, ["kinds[0].task: must not", "kinds[0].queue: must not"]),
        ({"kinds": [{"task": "t"}, 3]}, ["kinds[0].queue: missing", "kinds[1]: an object"]),
        ({"kinds": []}, ["kinds: the shares must sum to 1"]),
        ({"kinds": [{"task": "t", "queue": "q", "share": 0.3}]}, ["kinds: the shares must sum to 1"]),
        ({"kinds": [{"task": "t", "queue": "q", "share": part} for part in (0.9995, 0.0005)]}, ["in steps of 0.001"]),
        ({"call": "apply"}, ["call: one of send_task, apply_async, delay"]),
        ({"seed": "x"}, ["seed: a whole number"]),
        ({"wait": 1}, ["wait: true or false"]),
        ({"limit": -1}, ["limit: must be 0 or more"]),
        (
            {"run_in": -0.5, "start_ns": -1},
            ["start_ns: must be 0 or more, not -1", "run_in: must be 0 or more, not -0.5"],
        ),
        ({"run_in": "1", "start_ns": 1.5}, ["start_ns: a whole number", "run_in: a number"]),
        ({"arrivals": {"kind": "each", "count": 0}}, ["arrivals.count: a whole number above 0"]),
        ({"options": {"task_id": "x", "priority": 1}}, ["options.task_id"]),
        ({"arrivals": {"kind": "burst"}, "speed": 9}, ["speed: not known", "arrivals.kind"]),
        (
            {"kinds": [{"task": "t", "queue": "q", "args": {}, "kwargs": [], "name": "x"}]},
            ["kinds[0].name: not known", "kinds[0].args: a list", "kinds[0].kwargs: an object"],
        ),
    ],
)
def test_every_mistake_in_an_order_is_named(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        parse(order() | changes)
    assert len(refused.value.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, refused.value.problems, strict=True))
    with pytest.raises(BadInput) as refused:
        parse({})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["turn", "kinds", "arrivals"]


@given(
    cuts=st.lists(st.integers(min_value=1, max_value=999), min_size=1, max_size=4, unique=True),
    seed=st.integers(min_value=0),
)
def test_each_block_holds_each_kind_in_exactly_its_share(cuts: list[int], seed: int) -> None:
    edges = [0, *sorted(cuts), 1000]
    shares = [(high - low) / 1000 for low, high in pairwise(edges)]
    drawn = list(itertools.islice(sequence(shares, seed), 2 * BLOCKS[-1]))
    for block in (drawn[:1000], drawn[1000:]):
        counts = Counter(block)
        assert [counts[kind] for kind in range(len(shares))] == [round(1000 * share) for share in shares]
    assert drawn == list(itertools.islice(sequence(shares, seed), 2 * BLOCKS[-1]))


def test_whole_percents_are_exact_in_each_hundred_and_other_seeds_give_other_orders() -> None:
    drawn = [list(itertools.islice(sequence([0.97, 0.03], seed), 200)) for seed in (1, 2)]
    assert all(sum(half) == 3 for each in drawn for half in (each[:100], each[100:]))
    assert drawn[0] != drawn[1]
    assert drawn[0][:100] != drawn[0][100:]


def test_kinds_are_sent_in_their_sequence_which_the_ids_follow(generator: Locust) -> None:
    kinds = [
        {"task": "app.noop", "queue": "cell.a", "share": 0.9},
        {"task": "app.sleep", "queue": "cell.b", "args": [1], "share": 0.1},
    ]
    status, answer = generator.ask("/turn", order(kinds=kinds, arrivals={"kind": "closed", "count": 300}, seed=7))
    assert (status, answer["problems"]) == (200, [])
    end(generator)
    tasks = build(read_ledger(generator.ledger))
    seen = {origin(tasks.id[row].decode()).number: tasks.kinds[tasks.kind[row]][0] for row in range(len(tasks))}
    expected = [kinds[kind]["task"] for kind in itertools.islice(sequence([0.9, 0.1], 7), 300)]
    assert [seen[number] for number in range(300)] == expected
