"""Planned times: in order, in time, as many as the rate says, and the same for the same seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rig.errors import BadInput
from rig.load import arrivals
from rig.load.arrivals import SECOND_NS

RATES = st.floats(0.1, 500, allow_nan=False)
SECONDS = st.floats(0.01, 5, allow_nan=False)


@given(RATES, SECONDS)
def test_constant_arrivals_are_evenly_spaced_and_fill_the_time(rate: float, seconds: float) -> None:
    times = list(arrivals.constant(rate, seconds))
    assert times[0] == 0
    assert times[-1] < seconds * SECOND_NS <= times[-1] + SECOND_NS / rate + 1
    gaps = np.diff(times)
    assert len(gaps) == 0 or (abs(gaps - SECOND_NS / rate) <= 1).all()


@given(RATES, SECONDS, st.integers())
def test_poisson_arrivals_are_ordered_in_time_and_repeatable(rate: float, seconds: float, seed: int) -> None:
    times = list(arrivals.poisson(rate, seconds, seed))
    assert times == sorted(times)
    assert all(0 <= due < seconds * SECOND_NS for due in times)
    assert times == list(arrivals.poisson(rate, seconds, seed))
    assert times == [due for due in arrivals.poisson(rate, 2 * seconds, seed) if due < seconds * SECOND_NS]


def test_poisson_gaps_are_exponential_and_seeds_differ() -> None:
    times = np.fromiter(arrivals.poisson(200, 50, seed=7), dtype=float) / SECOND_NS
    assert len(times) == pytest.approx(10_000, abs=5 * math.sqrt(10_000))
    assert stats.kstest(np.diff(times), "expon", args=(0, 1 / 200)).pvalue > 0.001
    assert list(arrivals.poisson(200, 1, seed=7)) != list(arrivals.poisson(200, 1, seed=8))


@given(st.integers(1, 200), st.lists(st.integers(0, 9), max_size=300))
def test_a_schedule_is_dealt_out_once_and_the_rest_is_counted(count: int, turns: list[int]) -> None:
    hand = arrivals.Hand(times=arrivals.constant(100, count / 100))
    planned = list(arrivals.constant(100, count / 100))
    dealt = [hand.deal() for _ in turns]
    assert [due for due in dealt if due is not None] == planned[: len(turns)]
    assert hand.dealt == min(len(planned), len(turns))
    assert hand.left() == len(planned) - hand.dealt
    assert hand.deal() is None


@pytest.mark.parametrize(
    ("spec", "number", "planned"),
    [
        ({"kind": "closed", "count": 3}, 3, False),
        ({"kind": "constant", "rate": 10, "seconds": 0.5}, 5, True),
        ({"kind": "poisson", "rate": 10.0, "seconds": 2, "seed": 1}, None, True),
    ],
)
def test_a_spec_gives_its_schedule(spec: dict[str, Any], number: int | None, planned: bool) -> None:
    parsed = arrivals.parse(spec)
    times = list(parsed.times())
    assert parsed.planned is planned
    assert number is None or len(times) == number
    assert planned or set(times) == {0}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (7, ["an object"]),
        ({}, ["closed, constant, poisson"]),
        ({"kind": []}, ["closed, constant, poisson"]),
        ({"kind": "closed"}, ["arrivals.count"]),
        ({"kind": "closed", "count": 0}, ["above 0"]),
        ({"kind": "closed", "count": True}, ["a whole number"]),
        ({"kind": "closed", "count": 1, "rate": 2}, ["arrivals.rate: not known"]),
        ({"kind": "constant", "rate": -1, "seconds": math.inf}, ["arrivals.rate", "arrivals.seconds"]),
        ({"kind": "poisson", "rate": 1, "seconds": "1", "seed": 1.5}, ["arrivals.seconds", "arrivals.seed"]),
    ],
)
def test_every_mistake_in_a_spec_is_named(spec: object, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        arrivals.parse(spec)
    assert len(refused.value.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, refused.value.problems, strict=True))
