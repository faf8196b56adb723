"""The ratio of two samples that share no rounds: against scipy's Welch test of the logarithms."""

import math

import pytest
import scipy.stats as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.stats import MOST, independent_ratio, paired_ratio

samples = st.lists(st.floats(0.01, 100), min_size=2, max_size=20)


@settings(deadline=None)
@given(samples, samples, st.sampled_from([0.9, 0.95, 0.999]))
def test_interval_is_scipys_for_the_difference_of_the_logs(
    first: list[float], second: list[float], confidence: float
) -> None:
    logs = [[math.log(value) for value in sample] for sample in (second, first)]
    found = independent_ratio(first, second, confidence)
    assert found.ratio == pytest.approx(math.exp(sum(logs[0]) / len(second) - sum(logs[1]) / len(first)))
    assert found.low <= found.ratio * (1 + 1e-12)
    assert found.high >= found.ratio * (1 - 1e-12)
    assert found.pairs == min(len(first), len(second))
    if min(max(each) - min(each) for each in logs) < 1e-6:
        return  # scipy has no interval, or none to be trusted, where a sample has no variance
    expected = reference.ttest_ind(*logs, equal_var=False).confidence_interval(confidence)
    assert math.log(found.low) == pytest.approx(max(expected.low, -MOST), rel=1e-6, abs=1e-6)
    assert math.log(found.high) == pytest.approx(min(expected.high, MOST), rel=1e-6, abs=1e-6)


def test_two_samples_without_any_noise_leave_no_doubt() -> None:
    found = independent_ratio([2.0, 2.0], [3.0, 3.0, 3.0])
    assert (found.low, found.ratio, found.high) == pytest.approx((1.5, 1.5, 1.5))


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 2.0])])
def test_too_little_or_zero_has_no_ratio(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="two or more values in each, all above zero"):
        independent_ratio(first, second)


def test_two_noisy_rounds_have_an_interval_however_wide() -> None:
    for found in (paired_ratio([1.0, 30.0], [30.0, 1.0], 0.999), independent_ratio([1.0, 30.0], [30.0, 1.0], 0.999)):
        assert 0 < found.low < found.ratio < found.high < math.inf
        assert found.floor < math.inf
        assert not found.clear_of_one
