"""Who takes a turn when, and for how long: orders that are random, yet balanced and repeatable, and the early stop."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from rig.stats import Interval

FEWEST_ROUNDS = 6  # before an early stop: with fewer, a spread that is small by chance would end a run


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


def may_stop(rounds: int) -> bool:
    """Whether a run may end after `rounds`: enough of them, and each pair of mirrored orders whole."""
    return rounds >= FEWEST_ROUNDS and rounds % 2 == 0


def narrow_enough(interval: Interval, percent: float) -> bool:
    """Whether half of `interval`, on the log scale, is at most `percent` of the ratio.

    The rule for an early stop looks at the width alone, never at where the interval lies: whoever stops as soon as an
    interval is clear of 1 finds a difference sooner or later, also where there is none. Stopping by width is the
    sequential interval of fixed width (Chow & Robbins, Ann. Math. Statist. 36-2, 1965), whose coverage tends to the
    promised one as the width goes to zero; tests/unit/test_stats*.py simulate what it is at these few rounds.
    """
    return math.log(interval.high / interval.low) / 2 <= math.log1p(percent / 100)
