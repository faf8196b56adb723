"""The statistics of an experiment: paired log-ratios, a t interval, lossless percentiles. Standard library alone.

Why log-ratios of pairs: what a machine does in a minute (clock speed, neighbours, temperature) multiplies the cost of
everything that runs in it. Within a round all cells meet nearly the same machine, so the ratio of two cells of one
round is free of it, and the logarithm makes "twice as fast" and "half as fast" equally far from "no difference".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

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


def paired_ratio(baseline: Sequence[float], variant: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return variant / baseline over rounds: exp of the mean log-ratio, with Student's t interval for that mean.

    `baseline[i]` and `variant[i]` are the two values of round i, all > 0, at least two rounds; ValueError otherwise.
    Source: Student, "The probable error of a mean", Biometrika 6 (1908), applied to paired differences of logarithms;
    the back-transformed mean is the ratio of geometric means (Fleming & Wallace, CACM 29-3 (1986)).
    """
    if len(baseline) != len(variant) or len(baseline) < 2:
        raise ValueError(f"a ratio needs two or more pairs, not {len(baseline)} against {len(variant)} values")
    if min(*baseline, *variant) <= 0:
        raise ValueError("a ratio needs values above zero")
    logs = [math.log(b / a) for a, b in zip(baseline, variant, strict=True)]
    n = len(logs)
    mean = math.fsum(logs) / n
    variance = math.fsum((x - mean) ** 2 for x in logs) / (n - 1)
    half = t_quantile(0.5 + confidence / 2, n - 1) * math.sqrt(variance / n)
    return _interval(mean, half, n)


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
