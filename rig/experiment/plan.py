"""Who takes a turn when: every round each cell once, in an order that is random, yet balanced, and repeatable."""

from __future__ import annotations

import random
from collections.abc import Sequence


def schedule(cells: Sequence[str], rounds: int, seed: int) -> list[list[str]]:
    """Return for each round the order of `cells`.

    Each two rounds are an order and its mirror: any cell goes before any other exactly as often as after it, so what
    drifts steadily within a round cancels. Over `2 * len(cells)` rounds the orders are also rotations of one another,
    so each cell has held each place equally often (a Latin square with its mirror; Williams, Aust. J. Sci. Res. 2-2,
    1949, is the model). Which order comes when is drawn from `seed`: no rhythm of the machine can follow it.
    """
    rng = random.Random(seed)  # noqa: S311 - an order, not a secret
    orders: list[list[str]] = []
    while len(orders) < rounds:
        base = rng.sample(list(cells), len(cells))
        rotations = [base[i:] + base[:i] for i in range(len(base))]
        rng.shuffle(rotations)
        for rotation in rotations:
            pair = [rotation, rotation[::-1]]
            rng.shuffle(pair)
            orders += pair
    return orders[:rounds]
