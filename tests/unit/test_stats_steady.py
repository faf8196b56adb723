"""The alarm for a beginning that is not like the rest: how often it is false, and what it finds, by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as reference

from rig import stats
from tests.unit import simulated
from tests.unit.simulated import START_NOISE, alarms, beginnings

NOISE = START_NOISE["paced_start"]
ROUNDS = (6, 8, 16)
ONE_IN = 200  # false alarms where the truth is exactly what is let pass


@pytest.mark.parametrize("times", [1.4, 1 / 1.4])
@pytest.mark.parametrize("kind", ["heavy", "normal", "skewed"])
def test_the_simulation_raises_the_engines_alarms(kind: str, times: float) -> None:
    logs = beginnings(kind, NOISE, 8)[:500] + math.log(times)
    found = [stats.unsteady(each.tolist()) is not None for each in logs]
    assert alarms(logs) == np.mean(found)
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_where_the_beginning_is_like_the_rest_there_is_no_alarm(rounds: int) -> None:
    assert alarms(beginnings("heavy", NOISE, rounds)) == 0
    assert alarms(beginnings("skewed", NOISE, rounds)) < 1 / ONE_IN


@pytest.mark.parametrize("rounds", [3, *ROUNDS])
@pytest.mark.parametrize("kind", ["heavy", "normal"])
def test_exactly_a_tenth_off_it_is_one_cell_in_two_hundred(kind: str, rounds: int) -> None:
    """With normal noise as often as promised; tails as heavy as Student's t make intervals wider and alarms fewer."""
    logs = beginnings(kind, NOISE, rounds)
    for off in (math.log(stats.UNSTEADY), -math.log(stats.UNSTEADY)):
        count = round(alarms(logs + off) * len(logs))
        assert count <= reference.binom.ppf(0.9999, len(logs), 1 / ONE_IN)
        assert count >= reference.binom.ppf(0.0001, len(logs), 1 / ONE_IN) or kind == "heavy"


@pytest.mark.parametrize(("rounds", "half_more", "twice"), [(6, 0.6, 0.95), (8, 0.8, 0.98), (16, 0.97, 0.99)])
def test_a_slow_start_is_found(rounds: int, half_more: float, twice: float) -> None:
    logs = beginnings("heavy", NOISE, rounds)
    assert alarms(logs + math.log(1.5)) >= half_more
    assert alarms(logs + math.log(2)) >= twice


def test_a_start_that_shrinks_what_follows_is_found_as_well() -> None:
    """The alarm looks both ways: a queue that grows makes the rest longer than the beginning."""
    assert alarms(beginnings("heavy", NOISE, 8) - math.log(2)) >= 0.98


def test_two_rounds_raise_no_alarm_and_the_ratio_is_told_where_there_is_one() -> None:
    assert stats.unsteady([1.0, 1.0]) is None
    found = stats.unsteady([math.log(2), math.log(2.1), math.log(1.9)])
    assert found is not None
    assert found.ratio == pytest.approx(2, rel=0.01)


def test_the_noise_is_no_smaller_than_in_the_records() -> None:
    for name, noise in START_NOISE.items():
        seen = simulated.recorded_starts(name)
        assert len(seen) < simulated.ENOUGH or np.median(seen) <= noise, f"{name}: {np.median(seen):.3f} on record"
