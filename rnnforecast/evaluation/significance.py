"""Significance tests for the difference of two forecasts, and the uncertainty of a skill.

A unit is one observation of the test: a window of one series, or a series of a panel.
Axis legend: U units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from rnnforecast.arrays import Float64Array

#: Losses whose difference is below this fraction of their size are equal but for rounding.
ROUNDING = 1e-9

#: Lags of the changes that are tested for correlation, and the changes that a series needs for it.
CHANGE_LAGS, FEWEST_CHANGES = 10, 30

#: Smallest loss before logarithms are taken, as a part of the mean loss.
_LOG_FLOOR = 0.01
#: Halvings that place the end of an interval: to a billionth of the range of the differences.
_HALVINGS = 30
#: Pairs up to which the signed-rank test is exact.
EXACT_PAIRS = 50


def diebold_mariano(losses_a: Float64Array, losses_b: Float64Array, *, lag: int) -> tuple[float, float]:
    """Test whether two forecasts have the same expected loss: (statistic, two-sided p-value).

    `losses_*` [U] are in order of time, `lag` is the number of later cutoffs whose windows overlap with one. Diebold
    and Mariano (1995) with the correction of Harvey, Leybourne and Newbold (1997): the statistic is shrunk and compared
    with Student's t. Below zero: the first forecast is better.

    With U of 8 to 30 and a lag up to U / 3 the published test rejects a true null hypothesis in 6 to 22 % of cases at
    the 5 % level. Two changes keep that near or below 5 %: the variance is never taken to be smaller than that without
    lags, and the degrees of freedom are those of the windows that do not overlap, U / (lag + 1) - 1 instead of U - 1.
    """
    differences = loss_differences(losses_a, losses_b)
    lag = min(lag, len(differences) - 1)
    variance = max(_mean_variance(differences, lag), _mean_variance(differences, 0))
    return _student(differences, variance, lag=lag, degrees=_degrees(len(differences), lag))


def log_losses(losses_a: Float64Array, losses_b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return logarithms of paired losses [U], whose differences are log ratios: no single unit decides their mean.

    A loss counts as a hundredth of the mean loss at least, so that a unit without any error has a ratio.
    """
    losses_a, losses_b = np.asarray(losses_a, dtype=np.float64), np.asarray(losses_b, dtype=np.float64)
    equal = loss_differences(losses_a, losses_b) == 0
    floor = _LOG_FLOOR * float(losses_a.mean() + losses_b.mean()) / 2 or 1.0
    log_b = np.log(np.maximum(losses_b, floor))
    return np.where(equal, log_b, np.log(np.maximum(losses_a, floor))), log_b


def mean_interval(losses_a: Float64Array, losses_b: Float64Array, *, lag: int, level: float) -> tuple[float, float]:
    """Return the interval of the mean difference that excludes 0 exactly where `diebold_mariano` has p < 1 - level."""
    from scipy import special

    differences = loss_differences(losses_a, losses_b)
    statistic, _ = diebold_mariano(losses_a, losses_b, lag=lag)
    mean = float(differences.mean())
    if not np.isfinite(statistic) or statistic == 0:
        return mean, mean
    half = float(special.stdtrit(_degrees(len(differences), lag), (1 + level) / 2)) * abs(mean / statistic)
    return mean - half, mean + half


def median_interval(losses_a: Float64Array, losses_b: Float64Array, *, level: float) -> tuple[float, float, float]:
    """Return the median difference by Hodges and Lehmann (1963), and the ends of its interval; equal pairs are left out.

    Both invert the signed-rank test: the estimate is the shift at which the rank sums are equal, the ends are the shifts
    at which the test has p = 1 - level. So the interval excludes 0 exactly where `wilcoxon_signed_rank` has p < 1 - level.
    """
    differences = loss_differences(losses_a, losses_b)
    differences = differences[differences != 0]
    if not len(differences):
        return 0.0, 0.0, 0.0
    lowest, highest = float(differences.min()), float(differences.max())

    def crossing(tail: float) -> float:
        low, high = lowest, highest
        for _ in range(_HALVINGS):
            shift = (low + high) / 2
            rank_sum = _rank_sum(differences - shift)
            half = _rank_sum_p_value(rank_sum, len(differences)) / 2
            exceeds = rank_sum > 0 if tail == 0.5 else (half if rank_sum >= 0 else 1 - half) < tail
            low, high = (shift, high) if exceeds else (low, shift)
        return (low + high) / 2

    return crossing(0.5), crossing((1 - level) / 2), crossing((1 + level) / 2)


def mean_ranks(losses: Float64Array) -> Float64Array:
    """Return the mean rank of each of K methods over units with losses [U, K]: 1 is best, equal losses share a rank.

    Units where a loss is not finite are left out.
    """
    from scipy import stats

    known = losses[np.isfinite(losses).all(axis=1)]
    if not len(known):
        return np.full(losses.shape[1], np.nan)
    found: Float64Array = np.asarray(stats.rankdata(known, axis=1), dtype=np.float64).mean(axis=0)
    return found


def critical_difference(num_methods: int, num_units: int) -> float:
    """Return by how much two mean ranks must differ to be significant at 5 % in a comparison of all pairs.

    Nemenyi's test after Friedman's (Demsar 2006): q sqrt(k (k + 1) / (6 N)), q of the studentised range over sqrt(2).
    Units are taken to be independent.
    """
    from scipy import stats

    if num_methods < 2 or num_units < 2:
        return math.nan
    quantile = float(stats.studentized_range.ppf(0.95, num_methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(num_methods * (num_methods + 1) / (6 * num_units))


def wilcoxon_signed_rank(losses_a: Float64Array, losses_b: Float64Array) -> tuple[float, float]:
    """Test whether paired losses differ (Wilcoxon 1945): (difference of the rank sums, two-sided p-value).

    Equal pairs are left out. The p-value is exact up to `EXACT_PAIRS` pairs, normal above. Below zero: the first forecast
    is better.
    """
    differences = loss_differences(losses_a, losses_b)
    differences = differences[differences != 0]
    if not len(differences):
        return 0.0, 1.0
    rank_sum = _rank_sum(differences)
    return rank_sum, _rank_sum_p_value(rank_sum, len(differences))


def _rank_sum(differences: Float64Array) -> float:
    """Return the sum of the ranks of positive differences less that of negative ones."""
    _, place, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal sizes the mean of theirs
    return float((np.sign(differences) * ranks[place]).sum())


def _rank_sum_p_value(rank_sum: float, count: int) -> float:
    """Return the two-sided p-value; ties make it slightly too large."""
    if count > EXACT_PAIRS:
        variance = count * (count + 1) * (2 * count + 1) / 6
        return math.erfc(abs(rank_sum) / math.sqrt(2 * variance))
    of_positive = int((count * (count + 1) / 2 + abs(rank_sum)) / 2)
    return min(2 * float(_rank_sum_tail(count)[of_positive]), 1.0)


@cache
def _rank_sum_tail(count: int) -> Float64Array:
    """Return the probability that the positive ranks of so many pairs sum to w or more, for every w."""
    probability: Float64Array = np.ones(1)
    for rank in range(1, count + 1):
        none: Float64Array = np.zeros(rank)
        probability = (np.r_[probability, none] + np.r_[none, probability]) / 2
    return np.cumsum(probability[::-1])[::-1]


def change_correlation(series: Iterable[Float64Array]) -> float:
    """Return the p-value that the changes of series, NaN where missing, tell nothing about later changes: a random walk.

    The sum over series and lags of squared autocorrelations of the changes, each divided by its variance under changing
    volatility (Lobato, Nankervis and Savin 2001), against chi-squared. NaN for series too short to tell.
    """
    statistic, degrees = 0.0, 0
    for values in series:
        changes = np.diff(values)
        changes = changes[np.isfinite(changes)]
        if len(changes) < FEWEST_CHANGES:
            continue
        changes = changes - changes.mean()
        for lag in range(1, CHANGE_LAGS + 1):
            products = changes[lag:] * changes[:-lag]
            variance = float((products**2).sum())
            if variance > 0:
                statistic += float(products.sum()) ** 2 / variance
                degrees += 1
    from scipy import special

    return float(special.chdtrc(degrees, statistic)) if degrees else math.nan


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for having made several comparisons (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    factors = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values, dtype=np.float64)[order]), 1.0)
    return [float(value) for value in adjusted]


def loss_differences(losses_a: Float64Array, losses_b: Float64Array) -> Float64Array:
    """Return the differences of paired losses, exactly 0 where they differ by rounding alone: [U]."""
    differences = np.asarray(losses_a, dtype=np.float64) - losses_b
    return np.where(np.abs(differences) <= ROUNDING * (np.abs(losses_a) + np.abs(losses_b)), 0.0, differences)


def _degrees(count: int, lag: int) -> float:
    """Return the degrees of freedom: of the windows that do not overlap."""
    return max(count / (min(lag, count - 1) + 1) - 1, 0.5)


def _mean_variance(differences: Float64Array, lag: int) -> float:
    """Return the variance of the mean from autocovariances up to a lag, all with weight 1."""
    count = len(differences)
    centred = differences - differences.mean()
    covariances = [float(centred[k:] @ centred[: count - k]) / count for k in range(lag + 1)]
    return (covariances[0] + 2 * sum(covariances[1:])) / count


def _student(differences: Float64Array, variance: float, *, lag: int, degrees: float) -> tuple[float, float]:
    from scipy import special

    count, steps, mean = len(differences), lag + 1, float(differences.mean())
    if mean == 0 or count < 2:
        return 0.0, 1.0
    if variance <= (ROUNDING * mean) ** 2:  # the same difference in every window
        return float(np.copysign(np.inf, mean)), 0.0
    shrinking = max((count + 1 - 2 * steps + steps * (steps - 1) / count) / count, 0.0)
    statistic = float(np.sqrt(shrinking) * mean / np.sqrt(variance))
    return statistic, float(2 * special.stdtr(degrees, -abs(statistic)))
