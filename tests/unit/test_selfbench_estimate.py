"""The estimate of the price: finds what is there, calls nothing an effect that is none, and knows processes differ."""

from __future__ import annotations

import numpy as np
import pytest

from rig.selfbench.estimate import paired

ROUNDS, WORKERS = 60, 8


def costs(factor: float, dice: np.random.Generator, spread: float = 0.0) -> tuple[list[list[float]], list[list[float]]]:
    """Rounds of each worker with drift and outliers; `spread` is how much the factor differs between workers."""
    bare, other = [], []
    for _ in range(WORKERS):
        drift = 100 * dice.lognormal(0, 0.05, ROUNDS)
        noise = dice.lognormal(0, 0.02, (2, ROUNDS)) * np.where(dice.random((2, ROUNDS)) < 0.05, 2, 1)
        bare.append(list(drift * noise[0]))
        other.append(list(drift * noise[1] * (factor + dice.normal(0, spread))))
    return bare, other


def test_a_known_price_lies_in_the_interval_and_zero_does_not() -> None:
    bare, other = costs(1.03, np.random.default_rng(1))
    found = paired(bare, other)
    assert 0 < found.low < 0.03 < found.high
    assert found.rounds == ROUNDS * WORKERS


def test_no_price_is_none() -> None:
    found = paired(*costs(1.0, np.random.default_rng(2)))
    assert found.low < 0 < found.high


def test_workers_that_differ_make_the_interval_wider() -> None:
    alike = paired(*costs(1.03, np.random.default_rng(3)))
    different = paired(*costs(1.03, np.random.default_rng(3), spread=0.02))
    assert different.high - different.low > 1.5 * (alike.high - alike.low)


@pytest.mark.parametrize(("bare", "other"), [([], []), ([[1.0] * 9], [[1.0] * 9]), ([[1.0] * 12], [[1.0] * 11])])
def test_too_little_to_go_by_is_refused(bare: list[list[float]], other: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="ten or more"):
        paired(bare, other)
