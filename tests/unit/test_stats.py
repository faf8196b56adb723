"""Own statistics against scipy; test_stats_simulated.py has them against the truth."""

import math

import numpy as np
import pytest
import scipy.stats as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rig import stats

logs = st.floats(-5, 5).map(lambda value: round(value, 6))  # no two that differ by less than numbers can show
several = st.lists(logs, min_size=2, max_size=20)
confidences = st.sampled_from([0.9, 0.95, 0.97, 0.999])
positive = st.floats(0.01, 100)
rounds = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(positive, min_size=n, max_size=n)] * 3)  # two baseline cells and a variant
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 8, 15, 30, 100, 1000])
@pytest.mark.parametrize("p", [0.55, 0.6, 0.9, 0.975, 0.995, 0.9995])
def test_t_quantile_is_scipys(p: float, degrees: int) -> None:
    assert stats.t_quantile(p, degrees) == pytest.approx(reference.t.ppf(p, degrees), rel=1e-9)


@settings(deadline=None)
@given(several, confidences)
def test_interval_of_a_mean_is_scipys(values: list[float], confidence: float) -> None:
    found = stats.mean_of(values, confidence)
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    assert found.count == len(values)
    assume(max(values) - min(values) > 0)
    low, high = reference.t.interval(confidence, len(values) - 1, np.mean(values), reference.sem(values))
    assert (found.value - found.half, found.value + found.half) == pytest.approx((low, high), rel=1e-8, abs=1e-9)


@settings(deadline=None)
@given(st.lists(several, min_size=2, max_size=5), confidences)
def test_of_several_runs_the_means_are_the_sample_and_rounds_a_floor(
    runs: list[list[float]], confidence: float
) -> None:
    means = [float(np.mean(run)) for run in runs]
    between = stats.mean_of(means, confidence)
    degrees = sum(map(len, runs)) - len(runs)
    variance = sum(len(run) * np.var(run) for run in runs) / degrees
    error = math.sqrt(variance * sum(1 / len(run) for run in runs)) / len(runs)
    found = stats.pooled(runs, confidence)
    assert found.value == pytest.approx(between.value, abs=1e-12)
    within = reference.t.ppf(0.5 + confidence / 2, degrees) * error
    assert found.half == pytest.approx(max(between.half, within), rel=1e-8, abs=1e-9)
    assert found.count == len(runs)


def test_of_one_run_the_rounds_are_the_sample() -> None:
    assert stats.pooled([[1.0, 2.0, 4.0]]) == stats.mean_of([1.0, 2.0, 4.0])


def test_runs_of_one_round_each_have_the_interval_of_their_means() -> None:
    assert stats.pooled([[1.0], [2.0], [4.0]]) == stats.mean_of([1.0, 2.0, 4.0])


@settings(deadline=None)
@given(rounds, confidences)
def test_ratio_is_to_the_geometric_mean_of_both_baselines(
    cells: tuple[list[float], list[float], list[float]], confidence: float
) -> None:
    first, second, variant = cells
    expected = np.log(variant) - np.log(np.sqrt(np.array(first) * np.array(second)))
    found = stats.log_ratios([first, second], variant)
    assert found == pytest.approx(list(expected), abs=1e-9)
    interval = stats.ratio_of_logs([found], confidence)
    both = stats.geometric_mean([*first, *second])
    assert interval.ratio == pytest.approx(stats.geometric_mean(variant) / both)
    assert interval.pairs == len(variant)
    half = stats.mean_of(found, confidence).half
    assert math.log(interval.high) == pytest.approx(math.log(interval.ratio) + half, abs=1e-9) or half > stats.MOST / 2
    assert interval.low <= interval.ratio * (1 + 1e-12)


@settings(deadline=None)
@given(rounds, confidences)
def test_difference_is_to_the_mean_of_both_baselines_in_their_unit(
    cells: tuple[list[float], list[float], list[float]], confidence: float
) -> None:
    first, second, variant = cells
    values = stats.differences([first, second], variant)
    assert values == pytest.approx([c - (a + b) / 2 for a, b, c in zip(first, second, variant, strict=True)])
    found = stats.difference_of([values], confidence)
    half = stats.mean_of(values, confidence).half
    assert (found.low, found.value, found.high) == pytest.approx(
        (np.mean(values) - half, np.mean(values), np.mean(values) + half), abs=1e-9
    )
    assert found.pairs == len(variant)


def test_two_baselines_that_are_noisy_alike_make_a_narrower_interval_than_one() -> None:
    """That is what the second cell of the first variant is for: half of the baseline's variance is gone."""
    noise = np.random.default_rng(1).normal(0, 0.05, (3, 2000))
    one, two, variant = np.exp(noise).tolist()
    with_both, with_one = stats.log_ratios([one, two], variant), stats.log_ratios([one], variant)
    assert np.var(with_both) / np.var(with_one) == pytest.approx(0.75, abs=0.05)


def test_paired_ratio_is_that_of_one_run_and_one_baseline() -> None:
    a, b = [100.0, 120.0, 90.0], [200.0, 260.0, 170.0]
    found = stats.paired_ratio(a, b)
    assert found == stats.ratio_of_logs([stats.log_ratios([a], b)])
    assert found.ratio == pytest.approx(stats.geometric_mean(b) / stats.geometric_mean(a))


@pytest.mark.parametrize("q", [1, 25, 50, 90, 95, 99, 99.9, 100])
@pytest.mark.parametrize("n", [1, 2, 10, 601])
def test_percentile_is_a_measured_value_by_the_definition(q: float, n: int) -> None:
    values = sorted(np.random.default_rng(n).exponential(size=n))
    assert stats.percentile(values, q) == np.percentile(values, q, method="inverted_cdf")


@settings(deadline=None)
@given(st.integers(0, 2000), st.integers(0, 2000))
def test_a_share_has_a_logarithm_and_grows_with_what_it_counts(some: int, others: int) -> None:
    found = stats.share(some, some + others)
    assert 0 < found < 1
    assert found < stats.share(some + 1, some + others + 1)
    assert found == pytest.approx(1 - stats.share(others, some + others))


@pytest.mark.parametrize("expected", [5, 10, 50])
def test_the_logarithm_of_a_share_is_nearly_unbiased(expected: int) -> None:
    """By the binomial distribution itself: within 1% of the true share where five or more are expected."""
    count = 400
    often = reference.binom.pmf(range(count + 1), count, expected / count)
    mean = sum(p * math.log(stats.share(of, count)) for of, p in enumerate(often))
    assert mean == pytest.approx(math.log(expected / count), abs=0.01)


@pytest.mark.parametrize("expected", [0.1, 0.5, 1, 2])
def test_where_few_are_expected_the_ratio_of_shares_is_understated_never_overstated(expected: float) -> None:
    count = 400
    one, twice = (
        sum(
            p * math.log(stats.share(of, count))
            for of, p in enumerate(reference.binom.pmf(range(count + 1), count, each / count))
        )
        for each in (expected, 2 * expected)
    )
    assert 0 < twice - one < math.log(2) + 0.01


@settings(deadline=None)
@given(st.lists(logs, min_size=4, max_size=20))
def test_trend_is_scipys_line(values: list[float]) -> None:
    found = stats.trend(values)
    assert found is not None
    expected = reference.linregress(range(len(values)), values)
    assert found.change == pytest.approx(expected.slope * (len(values) - 1), abs=1e-9)
    if 1 - abs(expected.rvalue) > 1e-9:  # nearer to a straight line both have nothing but rounding left
        assert found.p == pytest.approx(expected.pvalue, rel=1e-5, abs=1e-9)


def test_trend_of_a_straight_line_and_of_none() -> None:
    line, level = stats.trend([0.1, 0.2, 0.3, 0.4, 0.5]), stats.trend([0.3, 0.3, 0.3, 0.3 + 1e-16, 0.3])
    assert line == stats.Trend(change=pytest.approx(0.4), p=0.0)
    assert level == stats.Trend(change=pytest.approx(0, abs=1e-12), p=1.0)
    assert stats.trend([0.1, 0.2, 0.3]) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.mean_of([1.0]),
        lambda: stats.pooled([[1.0]]),
        lambda: stats.paired_ratio([1.0], [1.0]),
        lambda: stats.paired_ratio([1.0, 2.0], [1.0]),
        lambda: stats.paired_ratio([1.0, 2.0], [1.0, 0.0]),
        lambda: stats.log_ratios([[1.0, 2.0], [1.0, 0.0]], [1.0, 2.0]),
        lambda: stats.log_ratios([[1.0, 2.0], [1.0]], [1.0, 2.0]),
        lambda: stats.log_ratios([], [1.0, 2.0]),
        lambda: stats.differences([[1.0, 2.0], [1.0]], [1.0, 2.0]),
        lambda: stats.differences([[]], []),
        lambda: stats.percentile([], 50),
        lambda: stats.t_quantile(0.4, 3),
        lambda: stats.t_quantile(0.975, 0),
    ],
)
def test_what_has_no_answer_is_refused(call) -> None:
    with pytest.raises(ValueError):
        call()
