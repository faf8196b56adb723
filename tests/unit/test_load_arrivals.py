"""Planned times: in order, in time, as many as the rate says, and the same for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats

from rig.load.schedule import arrivals
from rig.load.schedule.arrivals import SECOND_NS, Piece

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


PIECES = st.lists(st.builds(Piece, st.floats(0, 100), st.floats(0, 100), SECONDS), min_size=1, max_size=4)


def integral(pieces: list[Piece], at_ns: int) -> float:
    """The tasks that are due up to a time, summed in the simplest way: trapezoids."""
    tasks, left = 0.0, at_ns / SECOND_NS
    for piece in pieces:
        inside = min(left, piece.seconds)
        rate = piece.start + (piece.end - piece.start) * inside / piece.seconds
        tasks += (piece.start + rate) / 2 * inside
        left -= inside
    return tasks


@given(PIECES)
@example([Piece(100, 100, 0.07)])  # the product is a little more than 7
@example([Piece(0, 100, 1), Piece(0, 0, 1), Piece(100, 0, 1)])
def test_a_profile_sends_as_many_as_the_integral_of_its_rate_says(pieces: list[Piece]) -> None:
    times = list(arrivals.profile(pieces))
    length = sum(piece.seconds for piece in pieces)
    total = integral(pieces, round(length * SECOND_NS))
    assert times == sorted(times)
    assert all(0 <= due < length * SECOND_NS for due in times)
    assert len(times) == pytest.approx(total, abs=1)
    if abs(total - round(total)) > 1e-6:
        assert len(times) == math.ceil(total)
    for number, due in enumerate(times):
        # to the nanosecond, which at 100 a second is less than a millionth of a task
        assert integral(pieces, due) == pytest.approx(number, abs=2e-6 * max(1, number))


@given(PIECES, st.integers())
def test_a_seeded_profile_is_sorted_within_the_length_and_repeatable(pieces: list[Piece], seed: int) -> None:
    times = list(arrivals.profile(pieces, seed))
    assert times == sorted(times) == list(arrivals.profile(pieces, seed))
    assert all(0 <= due < sum(piece.seconds for piece in pieces) * SECOND_NS for due in times)


def test_a_seeded_ramp_is_a_poisson_process_of_its_rate() -> None:
    """The integrals of the rate at the arrivals are those of a process of rate 1."""
    ramp = [Piece(0, 200, 50), Piece(200, 50, 50)]
    times = list(arrivals.profile(ramp, seed=3))
    assert len(times) == pytest.approx(11_250, abs=5 * math.sqrt(11_250))
    reached = np.array([integral(ramp, due) for due in times])
    assert stats.kstest(np.diff(reached), "expon").pvalue > 0.001
    assert list(arrivals.profile(ramp, seed=4)) != times


@given(st.floats(0.05, 3), st.integers(1, 40), SECONDS, st.one_of(st.just(math.inf), RATES))
def test_bursts_are_full_and_begin_every_period(period: float, size: int, seconds: float, rate: float) -> None:
    assume((size - 1) / rate < period)
    times = list(arrivals.bursts(period, size, seconds, rate))
    assert times == sorted(times)
    assert all(due < seconds * SECOND_NS for due in times)
    whole = [times[start : start + size] for start in range(0, len(times), size)]
    for number, burst in enumerate(whole):
        assert burst == [round((number * period + place / rate) * SECOND_NS) for place in range(len(burst))]
    cut = len(times) % size
    if rate == math.inf:
        assert not cut
    assert round(len(whole) * period * SECOND_NS) >= seconds * SECOND_NS  # the next one would be too late


@given(st.integers(1, 200), st.lists(st.integers(0, 9), max_size=300))
def test_a_schedule_is_dealt_out_once_and_the_rest_is_counted(count: int, turns: list[int]) -> None:
    hand = arrivals.Hand(times=arrivals.constant(100, count / 100))
    planned = list(arrivals.constant(100, count / 100))
    dealt = [due for _ in turns if (due := hand.deal()) is not None]
    assert dealt == planned[: len(turns)]
    assert hand.left() == len(planned) - len(dealt)
    assert hand.deal() is None


@given(st.integers(1, 60), st.lists(st.booleans(), max_size=120), st.integers(-1, 70))
def test_times_given_back_are_dealt_again_first(count: int, keeps: list[bool], until: int) -> None:
    planned = [number * SECOND_NS for number in range(count)]
    hand = arrivals.Hand(times=iter(planned))
    kept = []
    for keep in keeps:
        due = hand.deal()
        if due is None:
            break
        if keep:
            kept.append(due)
        else:
            hand.give_back(due)
    assert kept == planned[: len(kept)]
    assert hand.left(until * SECOND_NS) == sum(due <= until * SECOND_NS for due in planned[len(kept) :])
    assert hand.left(until * SECOND_NS) == 0
