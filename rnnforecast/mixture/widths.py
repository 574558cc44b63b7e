"""Widths of intervals: how far actuals of causal windows were from the median, compared with how far the forecasts said.

A few windows say little about the next one, so only what is clear of chance changes a width: the log ratio is lessened by
its standard error, and one factor is used for all leads and all series of a panel.

Axis legend: S series, K windows, T tasks, H horizon, Q quantiles.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import Float64Array

#: Variance of the ratio of one window, relative to its mean, before any is seen; it counts as so many windows.
USUAL_VARIANCE, USUAL_WINDOWS = 0.2, 3.0
#: Spread of the true log factors.
PRIOR_SPREAD = 0.25
#: Series of a panel that a window counts for at most: errors at one time are correlated.
MAX_SERIES = 10
SMALLEST, LARGEST = 0.6, 1.6
#: Ratios of one window beyond these count as these.
RATIO_BOUNDS = (0.2, 5.0)
#: A spread below this fraction of the median counts as none.
_ROUNDING = 1e-9


def error_ratios(actual: Float64Array, quantiles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Return the mean over leads of the absolute error over the one that the quantiles expect: [T], NaN without any lead.

    `actual` is [T, H], NaN where unknown; `quantiles` are [T, H, Q].
    """
    middle = quantiles[..., levels.index(0.5)]
    normal = _mean_distance(np.array([NormalDist().inv_cdf(level) for level in levels]), levels)
    expected = _mean_distance(quantiles, levels) * np.sqrt(2 / np.pi) / normal  # exact for a normal distribution
    known = np.isfinite(actual) & np.isfinite(expected) & (expected > _ROUNDING * np.abs(middle))
    ratios = np.where(known, np.abs(actual - middle) / np.where(known, expected, 1.0), 0.0)
    count = known.sum(axis=1)
    return np.asarray(np.where(count > 0, ratios.sum(axis=1) / np.maximum(count, 1), np.nan))


def width_factor(ratios: Float64Array) -> float:
    """Return what the distance of each quantile from the median is multiplied by; `ratios` [S, K] are NaN where unknown."""
    known = np.isfinite(ratios)
    counts = known.sum(axis=1)
    total = int(counts.sum())
    if not total:
        return 1.0
    ratios = np.clip(ratios, *RATIO_BOUNDS)
    means = np.where(known, ratios, 0.0).sum(axis=1) / np.maximum(counts, 1)
    means = np.where(counts > 0, means, 1.0)
    squares = np.where(known, np.square(ratios - means[:, None]), 0.0).sum(axis=1) / np.square(means)
    variances = (squares + USUAL_WINDOWS * USUAL_VARIANCE) / (np.maximum(counts - 1, 0) + USUAL_WINDOWS)
    factor, variance = (float(counts @ values) / total for values in (np.log(means), variances))
    num_windows = min(len(ratios), MAX_SERIES) * int(counts.max()) * float((counts > 0).mean())
    variance /= num_windows
    clear = np.sign(factor) * max(abs(factor) - np.sqrt(variance), 0.0) * PRIOR_SPREAD**2 / (PRIOR_SPREAD**2 + variance)
    return float(np.clip(np.exp(clear), SMALLEST, LARGEST))


def widened(quantiles: Float64Array, factor: float, levels: tuple[float, ...]) -> Float64Array:
    """Return quantiles [..., Q] with their distance from the median multiplied."""
    middle = quantiles[..., [levels.index(0.5)]]
    return np.asarray(middle + factor * (quantiles - middle))


def _mean_distance(quantiles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Return the mean distance from the median of what is between the outer quantiles, and of those beyond."""
    away = np.abs(quantiles - quantiles[..., [levels.index(0.5)]])
    inner = (0.5 * (away[..., 1:] + away[..., :-1]) * np.diff(levels)).sum(axis=-1)
    return np.asarray(inner + levels[0] * away[..., 0] + (1 - levels[-1]) * away[..., -1])
