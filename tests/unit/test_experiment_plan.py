from collections import Counter
from itertools import combinations

import pytest

from rig.experiment.plan import schedule

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
