"""Intermittent demand: Croston's method with the correction of Syntetos and Boylan, and the method of Teunter,
Syntetos and Babai, for many windows at once.

Syntetos, Boylan (2005), The accuracy of intermittent demand estimates, International Journal of Forecasting 21:
(1 - a / 2) size / interval, both smoothed at each demand. Teunter, Syntetos, Babai (2011), Intermittent demand: linking
forecasting to inventory obsolescence, European Journal of Operational Research 214: probability times size, where the
probability is smoothed at every step. Both forecast the mean demand of a step.

Axis legend: W windows, N rows before a cutoff, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.evaluation.naive import observed_past
from rnnforecast.frozen import dataclass

#: Smoothing parameter of sizes, intervals and probabilities.
ALPHA = 0.1
#: Demand is intermittent from this mean number of steps from one demand to the next (Syntetos, Boylan 2005).
INTERMITTENT_INTERVAL = 1.32
MAX_ROWS = 1_000
_BATCH_WINDOWS = 4_096


@dataclass(frozen=True)
class _Demand:
    """What is smoothed over the rows before each cutoff: [W] each."""

    size: Float64Array  # of a demand
    interval: Float64Array  # steps from one demand to the next
    probability: Float64Array  # of a demand in a step
    spread: Float64Array  # standard deviation of sizes


def _croston(demand: _Demand) -> tuple[Float64Array, Float64Array]:
    rate = 1.0 / np.maximum(demand.interval, 1.0)
    return rate, (1 - ALPHA / 2) * rate * demand.size


def _tsb(demand: _Demand) -> tuple[Float64Array, Float64Array]:
    return demand.probability, demand.probability * demand.size


#: Name -> probability of a demand and mean demand of a step: [W] each.
INTERMITTENT_METHODS: dict[str, Callable[[_Demand], tuple[Float64Array, Float64Array]]] = {
    "croston-sba": _croston,
    "tsb": _tsb,
}


def is_intermittent(series: SeriesSet) -> bool:
    """Return whether half of the series or more have intermittent demand: never below zero, with many zeros."""
    starts, has_rows = series.offsets[:-1], series.lengths > 0
    if not has_rows.any():
        return False
    with np.errstate(invalid="ignore"):
        is_demand, is_negative = series.values > 0, series.values < 0

    def count(mask: BoolArray) -> Float64Array:
        # an empty series counts nothing, and reduceat gives it the first row of the next
        return np.asarray(np.add.reduceat(np.append(mask, False), np.minimum(starts, len(mask)), dtype=np.float64))

    intermittent = (count(series.observed) >= INTERMITTENT_INTERVAL * count(is_demand)) & (count(is_negative) == 0)
    return bool(intermittent[has_rows].mean() >= 0.5)


def forecast_intermittent(
    name: str, series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast every window with one of `INTERMITTENT_METHODS`: [W, H, Q], ascending along Q, the same at every step.

    The quantiles are those of no demand or a demand of lognormal size, scaled so that their mean is the forecast. Raises
    DataError for a window without an observed row before its cutoff.
    """
    observed_past(series, windows)
    parts = [
        _quantiles(*INTERMITTENT_METHODS[name](demand), demand, quantile_levels)
        for start in range(0, len(windows), _BATCH_WINDOWS)
        for demand in [_smooth(series, windows.select(slice(start, start + _BATCH_WINDOWS)))]
    ]
    quantiles = np.concatenate(parts) if parts else np.empty((0, len(quantile_levels)))
    return np.repeat(quantiles[:, None], horizon, axis=1)


def _smooth(series: SeriesSet, windows: Windows) -> _Demand:
    """Smooth sizes, intervals and probabilities, each from its mean over the rows: one step after the other."""
    length = min(int(windows.cutoffs.max()), MAX_ROWS)
    place = windows.cutoffs[:, None] - np.arange(length, 0, -1)  # [W, N]
    rows = series.offsets[windows.series][:, None] + np.maximum(place, 0)
    seen = (place >= 0) & series.observed[rows]
    values = np.where(seen, series.values[rows], 0.0)
    is_demand = values > 0
    num_demands, num_seen = is_demand.sum(axis=1), np.maximum(seen.sum(axis=1), 1)
    size = np.where(is_demand, values, 0.0).sum(axis=1) / np.maximum(num_demands, 1)
    spread = np.sqrt(
        np.where(is_demand, (values - size[:, None]) ** 2, 0.0).sum(axis=1) / np.maximum(num_demands - 1, 1)
    )
    probability = num_demands / num_seen
    interval = num_seen / np.maximum(num_demands, 1)
    since = np.zeros(len(windows))
    for step in range(length):
        observed, demand = seen[:, step], is_demand[:, step]
        since += observed
        size = np.where(demand, size + ALPHA * (values[:, step] - size), size)
        interval = np.where(demand, interval + ALPHA * (since - interval), interval)
        probability = np.where(observed, probability + ALPHA * (demand - probability), probability)
        since = np.where(demand, 0.0, since)
    return _Demand(size, interval, probability, spread)


def _quantiles(rate: Float64Array, mean: Float64Array, demand: _Demand, levels: Sequence[float]) -> Float64Array:
    """Return quantiles with this mean: [W, Q]."""
    size = np.maximum(demand.size, 1e-300)
    log_variance = np.log1p((demand.spread / size) ** 2)
    chance = np.clip(rate, 1e-9, 1.0)[:, None]
    inner = (np.array(levels) - (1 - chance)) / chance  # the level within the sizes
    inverse = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
    scores = inverse(np.clip(inner, 1e-6, 1 - 1e-6))
    sizes = size[:, None] * np.exp(np.sqrt(log_variance)[:, None] * scores - log_variance[:, None] / 2)
    quantiles = np.where(inner > 0, sizes, 0.0)
    found = mean_of(quantiles, levels)
    scale = np.divide(mean, found, out=np.ones_like(mean), where=found > 0)
    return np.asarray(np.sort(quantiles * scale[:, None], axis=1))
