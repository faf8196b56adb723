"""Own statistics against scipy; test_stats_simulated.py has them against the truth."""

import math

import numpy as np
import pytest
import scipy.stats as reference

from rig.experiment import stats


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 8, 15, 30, 100, 1000])
@pytest.mark.parametrize("p", [0.55, 0.6, 0.9, 0.975, 0.995, 0.9995])
def test_t_quantile_is_scipys(p: float, degrees: int) -> None:
    assert stats.t_quantile(p, degrees) == pytest.approx(reference.t.ppf(p, degrees), rel=1e-9)


def test_interval_is_scipys_for_the_mean_of_the_logs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.lognormal(7, 0.1, 8), rng.lognormal(7.1, 0.1, 8)
    logs = np.log(b / a)
    low, high = reference.t.interval(0.95, 7, loc=logs.mean(), scale=reference.sem(logs))
    ours = stats.paired_ratio(list(a), list(b))
    assert (ours.low, ours.ratio, ours.high) == pytest.approx((math.exp(low), math.exp(logs.mean()), math.exp(high)))
    assert ours.pairs == 8


def test_ratio_is_the_quotient_of_the_geometric_means_shown_beside_it() -> None:
    a, b = [100.0, 120.0, 90.0], [200.0, 260.0, 170.0]
    assert stats.paired_ratio(a, b).ratio == pytest.approx(stats.geometric_mean(b) / stats.geometric_mean(a))


@pytest.mark.parametrize("q", [1, 25, 50, 90, 95, 99, 99.9, 100])
@pytest.mark.parametrize("n", [1, 2, 10, 601])
def test_percentile_is_a_measured_value_by_the_definition(q: float, n: int) -> None:
    values = sorted(np.random.default_rng(n).exponential(size=n))
    assert stats.percentile(values, q) == np.percentile(values, q, method="inverted_cdf")


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.paired_ratio([1.0], [1.0]),
        lambda: stats.paired_ratio([1.0, 2.0], [1.0]),
        lambda: stats.paired_ratio([1.0, 2.0], [1.0, 0.0]),
        lambda: stats.percentile([], 50),
        lambda: stats.t_quantile(0.4, 3),
        lambda: stats.t_quantile(0.975, 0),
    ],
)
def test_what_has_no_answer_is_refused(call) -> None:
    with pytest.raises(ValueError):
        call()
