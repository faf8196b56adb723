"""The statistics of an experiment: paired log-ratios, a t interval, lossless percentiles. Standard library alone.

Why log-ratios of pairs: what a machine does in a minute (clock speed, neighbours, temperature) multiplies the cost of
everything that runs in it. Within a round all cells meet nearly the same machine, so the ratio of two cells of one
round is free of it, and the logarithm makes "twice as fast" and "half as fast" equally far from "no difference".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

Columns = Sequence[Sequence[float]]

CONFIDENCE = 0.95
MOST = 700.0  # the logarithm at which an interval is cut off: e^709 is the largest double

# What Student's t is asked for where a run may stop as soon as its interval is narrow: an interval that is narrow by
# chance stops more runs than one that is wide by chance, and a plain 95% interval would then miss the truth in up to
# 7% of them. So asked, it misses in at most 5%, and is a 95% interval again: tests/unit/test_stats_simulated.py.
STOPPING = 0.97


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A ratio with its confidence interval, `pairs` rounds behind it. `low <= ratio <= high`, all > 0; 1 is "equal"."""

    ratio: float
    low: float
    high: float
    pairs: int

    @property
    def clear_of_one(self) -> bool:
        """Whether "equal" lies outside of the interval."""
        return self.low > 1 or self.high < 1

    @property
    def floor(self) -> float:
        """The largest difference that the interval allows, as a ratio >= 1 (1.03: at most 3% either way)."""
        return max(self.high, 1 / self.low)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference in the measure's own unit with its confidence interval, `pairs` rounds behind it; 0 is "equal"."""

    value: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean with its confidence interval, of `count` values (rounds, or runs where there are several)."""

    value: float
    half: float
    count: int


def mean_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Mean:
    """Return the mean of two or more values with Student's t interval; ValueError for fewer.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs two or more values, not {n}")
    mean = math.fsum(values) / n
    variance = math.fsum((x - mean) ** 2 for x in values) / (n - 1)
    return Mean(value=mean, half=t_quantile(0.5 + confidence / 2, n - 1) * math.sqrt(variance / n), count=n)


def pooled(runs: Columns, confidence: float = CONFIDENCE) -> Mean:
    """Return the mean of all runs with an interval that has the variance between runs in it.

    `runs[i]` are the values of the rounds of run i. Of one run the rounds are the sample. Of several the runs are: the
    rounds of a run share its broker, its boot and its neighbours, so what differs between runs is in no spread of
    rounds; the mean of each run is one value, and Student's t has one degree of freedom less than there are runs. That
    is the exact interval of the balanced random-effects model (Searle, Casella & McCulloch, Variance Components, 1992,
    section 3.6), whatever part of the variance lies where. Two or three means may lie close together by chance, so the
    interval is never narrower than the spread of the rounds within the runs makes it.
    """
    if len(runs) == 1:
        return mean_of(runs[0], confidence)
    found = mean_of([math.fsum(rounds) / len(rounds) for rounds in runs], confidence)
    return replace(found, half=max(found.half, _half_within(runs, confidence)))


def _half_within(runs: Columns, confidence: float) -> float:
    """Return the half-width that the mean of all runs would have, did runs differ by nothing but their rounds."""
    degrees = sum(len(rounds) - 1 for rounds in runs)
    if not degrees:
        return 0.0
    means = [math.fsum(rounds) / len(rounds) for rounds in runs]
    squares = math.fsum((x - mean) ** 2 for rounds, mean in zip(runs, means, strict=True) for x in rounds)
    error = squares / degrees * math.fsum(1 / len(rounds) for rounds in runs) / len(runs) ** 2
    return t_quantile(0.5 + confidence / 2, degrees) * math.sqrt(error)


def log_ratios(baselines: Columns, variant: Sequence[float]) -> list[float]:
    """Return for each round the logarithm of variant / geometric mean of the baselines.

    `baselines` are the columns of one or more cells of the first variant; every value > 0, ValueError otherwise. Two
    cells of the same variant are two measurements of one thing: their mean has half the variance of either.
    """
    _same_length(baselines, variant)
    if min(*variant, *(value for column in baselines for value in column)) <= 0:
        raise ValueError("a ratio needs values above zero")
    return [
        math.log(value) - math.fsum(math.log(column[i]) for column in baselines) / len(baselines)
        for i, value in enumerate(variant)
    ]


def differences(baselines: Columns, variant: Sequence[float]) -> list[float]:
    """Return for each round variant - mean of the baselines, in their unit. ValueError where a round lacks a value."""
    _same_length(baselines, variant)
    return [value - math.fsum(column[i] for column in baselines) / len(baselines) for i, value in enumerate(variant)]


def _same_length(baselines: Columns, variant: Sequence[float]) -> None:
    if not baselines or not variant or any(len(column) != len(variant) for column in baselines):
        lengths = ", ".join(str(len(column)) for column in baselines)
        raise ValueError(f"a comparison needs a value of each cell in each round, not {lengths} and {len(variant)}")


def ratio_of_logs(runs: Columns, confidence: float = CONFIDENCE) -> Interval:
    """Return the ratio whose logarithms, by run and round, are `runs`; its interval as that of `pooled`.

    The back-transformed mean is the ratio of geometric means (Fleming & Wallace, CACM 29-3 (1986)).
    """
    mean = pooled(runs, confidence)
    return _interval(mean.value, mean.half, sum(map(len, runs)))


def difference_of(runs: Columns, confidence: float = CONFIDENCE) -> Difference:
    """Return the difference whose values, by run and round, are `runs`; its interval as that of `pooled`."""
    mean = pooled(runs, confidence)
    pairs = sum(map(len, runs))
    return Difference(value=mean.value, low=mean.value - mean.half, high=mean.value + mean.half, pairs=pairs)


def paired_ratio(baseline: Sequence[float], variant: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return variant / baseline over the rounds of one run: values all > 0, two rounds or more; else ValueError."""
    return ratio_of_logs([log_ratios([baseline], variant)], confidence)


def share(of: int, count: int) -> float:
    """Return (of + 1/2) / (count + 1): a share that has a logarithm even where none of `count` or all of them are.

    With half a one added the logarithm is nearly unbiased where some five or more are expected; where fewer are, it
    makes ratios smaller and none larger. Source: Anscombe, "On estimating binomial response relations", Biometrika 43
    (1956).
    """
    return (of + 0.5) / (count + 1)


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How a log-ratio went over the rounds of a run: `change`, from the first round to the last, by a straight line;
    `p`, how often rounds without any trend have one at least as steep.
    """

    change: float
    p: float


def trend(logs: Sequence[float]) -> Trend | None:
    """Return the least-squares trend of `logs` over their places; None for fewer than four values.

    The slope's t statistic with n - 2 degrees of freedom (Draper & Smith, Applied Regression Analysis, 1998, 1.4).
    """
    n = len(logs)
    if n < 4:
        return None
    middle, mean = (n - 1) / 2, math.fsum(logs) / n
    spread = math.fsum((i - middle) ** 2 for i in range(n))
    slope = math.fsum((i - middle) * (x - mean) for i, x in enumerate(logs)) / spread
    left = math.fsum((x - mean - slope * (i - middle)) ** 2 for i, x in enumerate(logs))
    if left <= 1e-24:
        return Trend(change=slope * (n - 1), p=0.0 if abs(slope) > 1e-12 else 1.0)
    t = slope / math.sqrt(left / (n - 2) / spread)
    return Trend(change=slope * (n - 1), p=_beta_regularized((n - 2) / (n - 2 + t * t), (n - 2) / 2, 0.5))


# Of a beginning that differs from the rest: so much is let pass, and an interval of this confidence must lie beyond it.
UNSTEADY = 1.1
UNSTEADY_CONFIDENCE = 0.99


def unsteady(logs: Sequence[float]) -> Interval | None:
    """Return how the beginning of a load compares with its rest, where that is not the same; None where it may be.

    `logs` has for each round the logarithm of (beginning / rest). An alarm needs the whole interval of 99% beyond a
    tenth more or less, so where the beginning is as the rest there is none in practice, and where it truly differs by
    a tenth one in 200: tests/unit/test_stats_steady.py has both by simulation. None for fewer than three rounds.
    """
    if len(logs) < 3:
        return None
    found = ratio_of_logs([logs], UNSTEADY_CONFIDENCE)
    return found if found.low > UNSTEADY or found.high < 1 / UNSTEADY else None


def independent_ratio(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return second / first for samples that share no rounds: the ratio of their geometric means, with an interval.

    Both have two or more values, all > 0; ValueError otherwise. The difference of the means of the logarithms has the
    variance s1^2/n1 + s2^2/n2 and, with Satterthwaite's degrees of freedom, nearly a t distribution; neither equal
    variances nor equal numbers are assumed. `pairs` is the smaller number, though nothing is paired.
    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34 (1947); Satterthwaite, "An approximate
    distribution of estimates of variance components", Biometrics Bulletin 2 (1946).
    """
    if min(len(first), len(second)) < 2 or min(*first, *second) <= 0:
        raise ValueError("a ratio of two samples needs two or more values in each, all above zero")
    (mean1, error1), (mean2, error2) = (_log_mean(values) for values in (first, second))
    squares = error1**2 / (len(first) - 1) + error2**2 / (len(second) - 1)
    degrees = (error1 + error2) ** 2 / squares if squares else len(first) + len(second) - 2.0
    half = t_quantile(0.5 + confidence / 2, degrees) * math.sqrt(error1 + error2)
    return _interval(mean2 - mean1, half, min(len(first), len(second)))


def _log_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the logarithms, and the square of its standard error."""
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / len(logs)
    return mean, math.fsum((x - mean) ** 2 for x in logs) / (len(logs) - 1) / len(logs)


def _interval(mean: float, half: float, pairs: int) -> Interval:
    """Return the interval of a mean of logarithms. Two noisy rounds may ask for an end that no double can hold."""
    low, high = math.exp(max(mean - half, -MOST)), math.exp(min(mean + half, MOST))
    return Interval(ratio=math.exp(mean), low=low, high=high, pairs=pairs)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of values > 0: the average whose quotient is the paired ratio."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def percentile(ordered: Sequence[float], q: float) -> float:
    """Return the q-th percentile (0 < q <= 100) of ascending values: the smallest that q percent do not exceed.

    Nearest rank (Hyndman & Fan, The American Statistician 50-4 (1996), definition 1): always a value that was measured,
    from all of them, with no bucket in between. ValueError for no values.
    """
    if not len(ordered):
        raise ValueError("no values, no percentile")
    return ordered[max(0, math.ceil(q / 100 * len(ordered)) - 1)]


@cache
def t_quantile(p: float, degrees: float) -> float:
    """Return the p-quantile (0.5 < p < 1) of Student's t with `degrees` >= 1 of freedom, to 1e-10 relative.

    P(T <= t) = 1 - I_x(degrees/2, 1/2) / 2 with x = degrees / (degrees + t^2) (DLMF 8.17; Abramowitz & Stegun 26.7.1),
    inverted by bisection over x, in which it is monotonic.
    """
    if not 0.5 < p < 1 or degrees < 1:
        raise ValueError(f"no t quantile for p={p}, degrees={degrees}")
    tail = 2 * (1 - p)
    low, high = 0.0, 1.0
    for _ in range(100):  # halves until no double lies between
        x = (low + high) / 2
        low, high = (x, high) if _beta_regularized(x, degrees / 2, 0.5) < tail else (low, x)
    x = (low + high) / 2
    return math.sqrt(degrees * (1 - x) / x)


def _beta_regularized(x: float, a: float, b: float) -> float:
    """Return I_x(a, b): the continued fraction of DLMF 8.17.22, evaluated by Lentz's method as modified by Thompson."""
    if x <= 0 or x >= 1:
        return max(0.0, min(1.0, x))
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly: I_x(a, b) = 1 - I_{1-x}(b, a), DLMF 8.17.4
        return 1 - _beta_regularized(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return math.exp(log_front) * fraction / a
