"""Naive forecasts, the benchmark for every network, with intervals from their in-sample residuals.

All windows at once, and only from rows before each cutoff: the last value is the last observed one, and so for each
position in a season. Spreads grow with the steps ahead as in Hyndman and Athanasopoulos,
Forecasting: Principles and Practice, 3rd edition, section 5.5.

Axis legend: N rows of all series, W windows, H horizon, Q quantiles, K rows of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.errors import DataError
from rnnforecast.evaluation.history import Past
from rnnforecast.frozen import dataclass

# without a season, the window mean looks back as far as it forecasts, within these bounds
_SHORTEST_MEAN, _LONGEST_MEAN = 4, 30
# rows the residuals of the window mean are taken from, where whole blocks fit
_RESIDUAL_ROWS = 512
# values held at once while they are
_CHUNK_VALUES = 2_000_000


def forecast_naive(
    name: str, series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast every window with one of `METHODS`, in the season of the series: [W, H, Q], ascending along Q.

    Raises DataError for a window without an observed row before its cutoff.
    """
    past = observed_past(series, windows)
    with np.errstate(over="ignore", invalid="ignore"):
        point, variance = METHODS[name](past, horizon)
        return normal_quantiles(point, np.sqrt(variance), quantile_levels)


def normal_quantiles(point: Float64Array, spread: Float64Array, quantile_levels: Sequence[float]) -> Float64Array:
    """Return the quantiles of normal distributions: [W, H] and [W, H] to [W, H, Q]; the median is exactly `point`."""
    scores = [NormalDist().inv_cdf(level) for level in quantile_levels]
    return np.stack([point if score == 0.0 else point + score * spread for score in scores], axis=-1)


def observed_past(series: SeriesSet, windows: Windows) -> Past:
    """Return the rows before each cutoff. Raises DataError where none of them is observed."""
    past = Past.recent(series, windows)
    empty = np.flatnonzero(past.last_rows < 0)
    if len(empty):
        number = int(windows.series[empty[0]])
        raise DataError(
            f"series `{series.item_ids[number]}` has no observed value in its first {int(windows.cutoffs[empty[0]])} "
            "rows, so there is nothing to forecast from",
            hint="remove the series, or start it at its first value",
            code="E_SERIES_EMPTY",
        )
    return past


@dataclass(frozen=True)
class _Increments:
    """Changes between neighbouring observed rows before each cutoff, or between neighbouring seasons: [W] each.

    One change over a distance of `steps` counts as that many independent ones, so missing rows bias nothing.
    """

    count: Float64Array
    steps: Float64Array
    change: Float64Array
    squares: Float64Array  # sum of change^2 / steps

    @classmethod
    def of(cls, past: Past, previous: Int64Array, *, step_length: int) -> _Increments:
        """Sum up; `previous` [N] is the row that each row's change starts from, -1 for none."""
        series = past.series
        rows = np.flatnonzero(series.observed & (previous >= 0))
        steps, change, squares, count = (np.zeros(series.num_rows) for _ in range(4))
        steps[rows] = (rows - previous[rows]) // step_length
        change[rows] = series.values[rows] - series.values[previous[rows]]
        squares[rows] = change[rows] ** 2 / steps[rows]
        count[rows] = 1.0
        return cls(*(past.totals(array) for array in (count, steps, change, squares)))

    def variance(self, otherwise: Float64Array) -> Float64Array:
        """Return the variance of a step without drift: [W]."""
        return np.where(self.count > 0, self.squares / np.maximum(self.count, 1), otherwise)

    def drift(self) -> Float64Array:
        """Return the mean change of a step: [W]."""
        drift: Float64Array = self.change / np.maximum(self.steps, 1)
        return drift

    def variance_around_drift(self, otherwise: Float64Array) -> Float64Array:
        """Return the variance of a step around the drift: [W]."""
        left = np.maximum(self.squares - self.drift() ** 2 * self.steps, 0.0)
        return np.where(self.count > 1, left / np.maximum(self.count - 1, 1), otherwise)


def _neighbours(past: Past) -> _Increments:
    previous = np.where(past.place > 0, np.r_[-1, past.newest[:-1]], -1)
    return _Increments.of(past, previous, step_length=1)


def _seasons(past: Past) -> _Increments:
    season_length = past.series.season_length
    rows = np.arange(past.series.num_rows, dtype=np.int64)
    previous = np.where(past.place >= season_length, past.newest_of_season[np.maximum(rows - season_length, 0)], -1)
    return _Increments.of(past, previous, step_length=season_length)


def _steps_ahead(past: Past, horizon: int) -> Float64Array:
    """Return the distance in steps of each forecast from the last observed row: [W, H], 1 for the first as a rule."""
    first = past.starts + past.windows.cutoffs - past.last_rows
    steps: Float64Array = first[:, None] + np.arange(horizon, dtype=np.float64)
    return steps


def _naive(past: Past, horizon: int) -> tuple[Float64Array, Float64Array]:
    # a single value has no changes: their size is taken to be that of the value
    variance = _neighbours(past).variance(otherwise=past.last_values**2)
    point = np.repeat(past.last_values[:, None], horizon, axis=1)
    return point, variance[:, None] * _steps_ahead(past, horizon)


def _drift(past: Past, horizon: int) -> tuple[Float64Array, Float64Array]:
    changes = _neighbours(past)
    steps = _steps_ahead(past, horizon)
    variance = changes.variance_around_drift(otherwise=changes.variance(otherwise=past.last_values**2))
    point = past.last_values[:, None] + changes.drift()[:, None] * steps
    return point, variance[:, None] * (steps + steps**2 / np.maximum(changes.steps, 1)[:, None])


def _seasonal(past: Past, horizon: int, *, with_drift: bool) -> tuple[Float64Array, Float64Array]:
    """Repeat the last season; steps without an observed season before them get the naive forecast."""
    changes = _seasons(past)
    rows = past.season_rows(horizon)  # [W, H]
    target = (past.starts + past.windows.cutoffs)[:, None] + np.arange(horizon, dtype=np.int64)
    seasons = (target - rows) // past.series.season_length
    naive_point, naive_variance = _naive(past, horizon)
    variance = changes.variance(otherwise=naive_variance[:, 0])
    point, growth = past.series.values[rows], seasons.astype(np.float64)
    if with_drift:
        variance = changes.variance_around_drift(otherwise=variance)
        point = point + changes.drift()[:, None] * seasons
        growth = growth + growth**2 / np.maximum(changes.steps, 1)[:, None]
    known = rows >= 0
    return np.where(known, point, naive_point), np.where(known, variance[:, None] * growth, naive_variance)


def _window_mean(past: Past, horizon: int) -> tuple[Float64Array, Float64Array]:
    """Forecast the mean of the last season, or of the last few rows without one."""
    season_length = past.series.season_length
    length = season_length if season_length > 1 else int(np.clip(horizon, _SHORTEST_MEAN, _LONGEST_MEAN))
    longest = int(past.windows.cutoffs.max(initial=0))
    num_blocks = max(2, min(_RESIDUAL_ROWS // length, -(-longest // length)))
    parts = max(1, len(past.windows) * num_blocks * length // _CHUNK_VALUES)
    pieces = [
        _block_means(past, chosen, num_blocks=num_blocks, length=length)
        for chosen in np.array_split(np.arange(len(past.windows)), parts)
    ]
    point, variance = (np.concatenate(piece)[:, None] for piece in zip(*pieces, strict=True))
    return np.repeat(point, horizon, axis=1), np.repeat(variance, horizon, axis=1)


def _block_means(past: Past, chosen: Int64Array, *, num_blocks: int, length: int) -> tuple[Float64Array, Float64Array]:
    """Return the mean of the last `length` rows of the chosen windows, and the variance of its errors: [W], [W].

    The errors are those of every block of as many rows against the mean of the block before it.
    """
    back = np.arange(num_blocks * length, 0, -1, dtype=np.int64)
    place = past.windows.cutoffs[chosen, None] - back  # [W, blocks * K]
    rows = np.maximum(past.starts[chosen, None] + place, 0)
    shape = (len(chosen), num_blocks, length)
    known = ((place >= 0) & past.series.observed[rows]).reshape(shape)
    values = np.where(known, past.series.values[rows].reshape(shape), 0.0)
    counts = known.sum(axis=2)  # [W, blocks]
    means = values.sum(axis=2) / np.maximum(counts, 1)
    last = counts[:, -1]
    point = np.where(last > 0, means[:, -1], past.last_values[chosen])
    # a single value has no spread: it is taken to be as large as the value
    spread = np.where(known[:, -1], values[:, -1] - point[:, None], 0.0)
    within = (spread**2).sum(axis=1) / np.maximum(last - 1, 1) * (1 + 1 / np.maximum(last, 1))
    paired = known[:, 1:] & (counts[:, :-1, None] > 0)
    errors = np.where(paired, values[:, 1:] - means[:, :-1, None], 0.0)
    num_errors = paired.sum(axis=(1, 2))
    variance = np.where(last > 1, within, point**2)
    return point, np.where(num_errors > 1, (errors**2).sum(axis=(1, 2)) / np.maximum(num_errors, 1), variance)


def _historic_mean(past: Past, horizon: int) -> tuple[Float64Array, Float64Array]:
    """Forecast the mean of all rows before the cutoff (the mean method of the same book, section 5.2)."""
    series = past.series
    rows = np.flatnonzero(series.observed)
    first = rows[np.minimum(np.searchsorted(rows, series.offsets[:-1]), len(rows) - 1)]
    # far from zero, squares keep the digits of the spread only around a value of the series
    pivot = series.values[first]
    away = np.where(series.observed, series.values - np.repeat(pivot, series.lengths), 0.0)
    count, total, squares = (past.totals(array) for array in (series.observed.astype(np.float64), away, away**2))
    point = pivot[past.windows.series] + total / count
    variance = np.maximum(squares - total**2 / count, 0.0) / np.maximum(count - 1, 1) * (1 + 1 / count)
    # a single value has no spread: it is taken to be as large as the value
    variance = np.where(count > 1, variance, point**2)
    return np.repeat(point[:, None], horizon, axis=1), np.repeat(variance[:, None], horizon, axis=1)


#: Name -> point forecast and variance of each step: [W, H] each.
METHODS: dict[str, Callable[[Past, int], tuple[Float64Array, Float64Array]]] = {
    "naive": _naive,
    "seasonal-naive": partial(_seasonal, with_drift=False),
    "drift": _drift,
    "seasonal-drift": partial(_seasonal, with_drift=True),
    "window-mean": _window_mean,
    "historic-mean": _historic_mean,
}
