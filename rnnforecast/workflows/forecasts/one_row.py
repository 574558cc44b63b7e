"""Intervals of series with one observed value: nothing in such a series says how far it moves.

Axis legend: S series, H horizon, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.series import SeriesSet

#: Standard deviation relative to the value where no other series shows one.
ALONE = 0.5
#: Observed values from which on a series shows its spread to others.
_MIN_VALUES = 3


def spreads_of_one_row(series: SeriesSet) -> Float64Array | None:
    """Return the standard deviation of each series with one observed value, 0 for all others: [S]; None without one.

    It is the median over the other series of their standard deviation relative to their mean size.
    """
    counts = np.add.reduceat(series.observed, series.offsets[:-1], dtype=np.int64)
    if not (counts == 1).any():
        return None
    values = np.where(series.observed, series.values, 0.0)
    sizes = np.add.reduceat(np.abs(values), series.offsets[:-1]) / np.maximum(counts, 1)
    means = np.add.reduceat(values, series.offsets[:-1]) / np.maximum(counts, 1)
    squares = np.where(series.observed, (values - np.repeat(means, series.lengths)) ** 2, 0.0)
    deviations = np.sqrt(np.add.reduceat(squares, series.offsets[:-1]) / np.maximum(counts - 1, 1))
    known = (counts >= _MIN_VALUES) & (deviations > 0) & (sizes > 0)
    relative = float(np.median(deviations[known] / sizes[known])) if known.any() else ALONE
    typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    return np.where(counts == 1, relative * np.where(sizes > 0, sizes, typical), 0.0)


def spread_out(forecast: Float64Array, deviations: Float64Array, levels: Sequence[float]) -> Float64Array:
    """Return quantiles [S, H, L] of which those of series with a deviation are normal around their median."""
    chosen = deviations > 0
    distances = np.array([NormalDist().inv_cdf(level) for level in levels])
    middle = forecast[chosen][..., [list(levels).index(0.5)]]
    spread = forecast.copy()
    spread[chosen] = middle + deviations[chosen, None, None] * distances
    return spread
