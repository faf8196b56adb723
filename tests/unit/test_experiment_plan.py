from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.experiment.plan import may_stop, narrow_enough, schedule
from rig.stats import Interval

CELLS = ["stored", "ignored", "control"]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rounds", [8, 12, 20])
def test_every_cell_goes_before_every_other_as_often_as_after_it(rounds: int, seed: int) -> None:
    orders = schedule(CELLS, rounds, seed)
    for a, b in combinations(CELLS, 2):
        before = sum(order.index(a) < order.index(b) for order in orders)
        assert before == rounds / 2


@pytest.mark.parametrize("cells", [CELLS, list("abcd"), list("abcde")])
def test_over_twice_as_many_rounds_as_cells_each_place_is_held_equally_often(cells: list[str]) -> None:
    orders = schedule(cells, 2 * len(cells), seed=7)
    held = Counter((place, cell) for order in orders for place, cell in enumerate(order))
    assert set(held.values()) == {2}


def test_every_round_has_every_cell_once() -> None:
    assert all(sorted(order) == sorted(CELLS) for order in schedule(CELLS, 9, seed=3))
    assert len(schedule(CELLS, 9, seed=3)) == 9


def test_the_seed_decides() -> None:
    assert schedule(CELLS, 8, seed=11) == schedule(CELLS, 8, seed=11)
    assert len({str(schedule(CELLS, 8, seed)) for seed in range(20)}) > 10


def test_a_run_may_stop_after_whole_pairs_of_orders_from_the_sixth_round_on() -> None:
    assert [rounds for rounds in range(13) if may_stop(rounds)] == [6, 8, 10, 12]


@given(ratio=st.floats(0.01, 100), half=st.floats(1.0001, 3), percent=st.floats(0.1, 50))
def test_the_width_alone_decides_about_a_stop(ratio: float, half: float, percent: float) -> None:
    """Where the interval lies must not matter: neither the ratio nor which side of 1 it is on."""
    interval = Interval(ratio=ratio, low=ratio / half, high=ratio * half, pairs=8)
    at_one = Interval(ratio=1, low=1 / half, high=half, pairs=8)
    if abs(half - 1 - percent / 100) > 1e-9:
        assert narrow_enough(interval, percent) == narrow_enough(at_one, percent) == (half <= 1 + percent / 100)
