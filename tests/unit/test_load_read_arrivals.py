"""A load's arrivals as an order, a load file or a command line gives them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rig.errors import BadInput
from rig.load.schedule.arrivals import SECOND_NS
from rig.load.schedule.read_arrivals import from_text, parse


@pytest.mark.parametrize(
    ("spec", "number", "seconds"),
    [
        ({"kind": "closed", "count": 3}, 3, 0),
        ({"kind": "each", "count": 3}, 3, 0),
        ({"kind": "constant", "rate": 10, "seconds": 0.5}, 5, 0.5),
        ({"kind": "poisson", "rate": 10.0, "seconds": 2, "seed": 1}, None, 2),
        ({"kind": "bursts", "period": 0.5, "size": 7, "seconds": 2}, 28, 2),
        ({"kind": "bursts", "period": 0.5, "size": 7, "rate": 100, "seconds": 2}, 28, 2),
        ({"kind": "ramp", "from": 0, "to": 20, "seconds": 4}, 40, 4),
        ({"kind": "ramp", "from": 20, "to": 0, "seconds": 4, "seed": 7}, None, 4),
        ({"kind": "steps", "steps": [[10, 1], [0, 2], [30, 1]]}, 40, 4),
        ({"kind": "steps", "steps": [[10, 1]], "seed": 7}, None, 1),
    ],
)
def test_a_spec_gives_its_schedule(spec: dict[str, Any], number: int | None, seconds: float) -> None:
    parsed = parse(spec)
    times = list(parsed.times())
    planned = spec["kind"] not in ("closed", "each")
    assert (parsed.kind, parsed.seconds, parsed.planned) == (spec["kind"], seconds, planned)
    assert parsed.each == (spec["kind"] == "each")
    assert number is None or len(times) == number
    assert parsed.planned or set(times) == {0}
    assert times == list(parsed.times()) == sorted(times)


EVERY = ["closed, each, constant, poisson, bursts, ramp, steps, trace"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (7, ["an object"]),
        ({}, EVERY),
        ({"kind": []}, EVERY),
        ({"kind": "closed"}, ["arrivals.count: missing"]),
        ({"kind": "closed", "count": 0}, ["above 0"]),
        ({"kind": "closed", "count": True}, ["a whole number"]),
        ({"kind": "closed", "count": 1, "rate": 2}, ["arrivals.rate: not known"]),
        ({"kind": "constant", "rate": -1, "seconds": math.inf}, ["arrivals.rate", "arrivals.seconds"]),
        ({"kind": "poisson", "rate": 1, "seconds": "1", "seed": 1.5}, ["arrivals.seconds", "arrivals.seed"]),
        ({"kind": "poisson", "rate": 1}, ["arrivals.seconds: missing", "arrivals.seed: missing"]),
        (
            {"kind": "bursts", "size": 1.5, "rate": 0, "seconds": 1},
            ["period: missing", "size: a whole", "rate: a number"],
        ),
        ({"kind": "bursts", "period": 1, "size": 12, "rate": 10, "seconds": 9}, ["1.1 s, and the next"]),
        ({"kind": "ramp", "from": -1, "to": math.nan, "seconds": 1}, ["arrivals.from", "arrivals.to"]),
        ({"kind": "ramp", "from": 0, "to": 0, "seconds": 1}, ["above 0"]),
        ({"kind": "steps", "steps": [[1, 0]]}, ["[rate, seconds]"]),
        ({"kind": "steps", "steps": []}, ["[rate, seconds]"]),
        ({"kind": "steps", "steps": [[0, 3]]}, ["one rate at least"]),
        ({"kind": "trace", "file": "", "speed": 0}, ["the path of a file", "arrivals.speed"]),
        ({"kind": "trace", "file": "no/such.csv"}, ["no/such.csv cannot be read: No such file"]),
    ],
)
def test_every_mistake_in_a_spec_is_named(spec: object, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        parse(spec)
    assert len(refused.value.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, refused.value.problems, strict=True))


def test_the_schedule_of_a_test_may_have_no_end_and_the_seed_of_its_run() -> None:
    def first(text: str, seed: str = "run") -> list[int]:
        endless = parse(from_text(text), seed).times()
        return [next(endless) for _ in range(100)]

    assert parse(from_text("poisson rate=5"), "run").seconds == math.inf
    assert first("poisson rate=5") == first("poisson rate=5") != first("poisson rate=5", "another")
    assert first("poisson rate=5 seed=4") == first("poisson rate=5 seed=4", "another")
    assert first("constant rate=5")[:3] == [0, SECOND_NS // 5, 2 * SECOND_NS // 5]
    assert first("bursts period=2 size=60")[59:61] == [0, 2 * SECOND_NS]
    assert parse(from_text("constant rate=5 seconds=2"), "run").seconds == 2
    assert len(list(parse(from_text("ramp from=0 to=10 seconds=2"), "run").times())) == 10  # no seed of its own: even


def test_a_line_of_text_says_what_an_object_does() -> None:
    assert from_text("steps steps=[[100,10],[300,10]] seed=3") == {
        "kind": "steps", "steps": [[100, 10], [300, 10]], "seed": 3,
    }  # fmt: skip
    assert from_text("trace 'file=with a space.csv' speed=0.5") == {
        "kind": "trace", "file": "with a space.csv", "speed": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ["a kind"]), ("poisson 'rate=5", ["a kind"]), ("poisson 50 60 seed=1", ["not '50'", "not '60'"])],
)
def test_a_line_that_cannot_be_read_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        from_text(text)
    assert len(refused.value.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, refused.value.problems, strict=True))
