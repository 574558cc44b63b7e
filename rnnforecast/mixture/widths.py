"""Widths of intervals: how far actuals of causal windows were from the median, compared with how far the forecasts said.

A few windows say little about the next one, so only what is clear of chance changes a width: each log ratio is lessened by
its standard error. All series of a panel share the factors: one for all leads, and one for each third of the horizon.

Axis legend: S series, K windows, T tasks, H horizon, Q quantiles.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.forecasting import normal_scores

#: Variance of one absolute error relative to its squared mean, of a normal distribution.
VARIANCE_OF_ONE = float(np.pi / 2 - 1)
#: The expected variance of a window counts as so many windows.
USUAL_WINDOWS = 3.0
#: Correlation of the errors of neighbouring leads before any is seen, and so many pairs that it counts as.
USUAL_CORRELATION, USUAL_PAIRS = 0.5, 20.0
LARGEST_CORRELATION = 0.97
#: Standard errors by which the log ratio of all leads, and that of one third to it, are lessened.
DOUBT, DOUBT_OF_THIRDS = 1.0, 0.5
#: Spread of the true log factors, of all leads and of the thirds around it.
PRIOR_SPREAD, PRIOR_SPREAD_OF_THIRDS = 0.25, 0.15
#: Series of a panel that a window counts for at most: errors at one time are correlated.
MAX_SERIES = 10
SMALLEST, LARGEST = 0.6, 1.6
#: Ratios of one window beyond these count as these.
RATIO_BOUNDS = (0.2, 5.0)
#: A spread below this fraction of the median counts as none.
_ROUNDING = 1e-9


def relative_errors(actual: Float64Array, quantiles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Return errors over the mean absolute error that the quantiles expect: [T, H], NaN where unknown.

    `actual` is [T, H], NaN where unknown; `quantiles` are [T, H, Q].
    """
    middle = quantiles[..., levels.index(0.5)]
    normal = _mean_distance(normal_scores(levels), levels)
    expected = _mean_distance(quantiles, levels) * np.sqrt(2 / np.pi) / normal  # exact for a normal distribution
    known = np.isfinite(actual) & np.isfinite(expected) & (expected > _ROUNDING * np.abs(middle))
    return np.where(known, (actual - middle) / np.where(known, expected, 1.0), np.nan)


def width_factors(errors: Float64Array) -> Float64Array:
    """Return what the distance of each quantile from the median is multiplied by, for each lead: [H].

    `errors` [S, K, H] are those of windows as `relative_errors` returns them.
    """
    horizon, series = errors.shape[2], min(len(errors), MAX_SERIES)
    correlation = _correlation(errors, series / len(errors))
    whole = _mean_sizes(errors)
    factor = _clear_factor(whole, _usual_variance(errors, correlation), series, DOUBT, PRIOR_SPREAD)
    thirds = np.array_split(np.arange(horizon), min(3, horizon))
    of_thirds = []
    for leads in thirds:
        part = errors[..., leads]
        ratios = _mean_sizes(part) / np.where(whole > 0, whole, np.nan)
        usual = _usual_variance(part, correlation)
        of_thirds.append(_clear_factor(ratios, usual, series, DOUBT_OF_THIRDS, PRIOR_SPREAD_OF_THIRDS))
    middles = [float(leads.mean()) for leads in thirds]
    return np.clip(factor * np.interp(np.arange(horizon), middles, of_thirds), SMALLEST, LARGEST)


def widened(
    quantiles: Float64Array, factors: Float64Array, levels: tuple[float, ...], *, spread: Float64Array | None = None
) -> Float64Array:
    """Return quantiles [..., H, Q] with their distance from the median multiplied by the factor of each lead [H].

    `factors` may be of each forecast too, [..., 1]; a `spread` [..., H] adds normal uncertainty that is independent.
    """
    middle = quantiles[..., [levels.index(0.5)]]
    away = factors[..., None] * (quantiles - middle)
    if spread is not None and spread.any():
        added = spread[..., None] * normal_scores(levels)
        away = np.copysign(np.hypot(away, added), added)
    return np.asarray(middle + away)


def _mean_sizes(errors: Float64Array) -> Float64Array:
    """Return the mean absolute error of each window, within bounds: [S, K], NaN without any."""
    known = np.isfinite(errors)
    count = known.sum(axis=-1)
    mean = np.where(known, np.abs(errors), 0.0).sum(axis=-1) / np.maximum(count, 1)
    return np.where(count > 0, np.clip(mean, *RATIO_BOUNDS), np.nan)


def _correlation(errors: Float64Array, fraction: float) -> float:
    """Return the correlation of the errors of neighbouring leads; `fraction` of the pairs count."""
    first, second = (np.clip(part, -RATIO_BOUNDS[1], RATIO_BOUNDS[1]) for part in (errors[..., 1:], errors[..., :-1]))
    both = np.isfinite(first) & np.isfinite(second)
    products = np.where(both, first * second, 0.0).sum()
    squares = 0.5 * np.where(both, np.square(first) + np.square(second), 0.0).sum()
    count = fraction * float(both.sum())
    seen = float(products / squares) if squares > 0 else USUAL_CORRELATION
    mean = (count * seen + USUAL_PAIRS * USUAL_CORRELATION) / (count + USUAL_PAIRS)
    return min(max(mean, 0.0), LARGEST_CORRELATION)


def _usual_variance(errors: Float64Array, correlation: float) -> float:
    """Return the variance of the mean absolute error of a window: neighbours tell less, sizes are correlated by the square."""
    windows = np.isfinite(errors).any(axis=-1).sum()
    leads = np.isfinite(errors).sum() / max(windows, 1)
    square = correlation**2
    return float(VARIANCE_OF_ONE * min((1 + square) / (1 - square) / max(leads, 1.0), 1.0))


def _clear_factor(ratios: Float64Array, usual_variance: float, series: int, doubt: float, prior_spread: float) -> float:
    """Return the factor that ratios [S, K] of windows bear out, 1 where they do not: `series` of them are independent."""
    known = np.isfinite(ratios)
    counts = known.sum(axis=1)
    total = int(counts.sum())
    if not total:
        return 1.0
    means = np.where(known, ratios, 0.0).sum(axis=1) / np.maximum(counts, 1)
    means = np.where(counts > 0, means, 1.0)
    squares = np.where(known, np.square(ratios - means[:, None]), 0.0).sum(axis=1) / np.square(means)
    variances = (squares + USUAL_WINDOWS * usual_variance) / (np.maximum(counts - 1, 0) + USUAL_WINDOWS)
    factor, variance = (float(counts @ values) / total for values in (np.log(means), variances))
    variance /= series * int(counts.max()) * float((counts > 0).mean())
    clear = np.sign(factor) * max(abs(factor) - doubt * np.sqrt(variance), 0.0)
    return float(np.exp(clear * prior_spread**2 / (prior_spread**2 + variance)))


def _mean_distance(quantiles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Return the mean distance from the median of what is between the outer quantiles, and of those beyond."""
    away = np.abs(quantiles - quantiles[..., [levels.index(0.5)]])
    inner = (0.5 * (away[..., 1:] + away[..., :-1]) * np.diff(levels)).sum(axis=-1)
    return np.asarray(inner + levels[0] * away[..., 0] + (1 - levels[-1]) * away[..., -1])
