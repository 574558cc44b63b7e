"""The Theta method for many windows at once: half a straight line, half a smoothed curve around it.

Assimakopoulos, Nikolopoulos (2000), The theta model, International Journal of Forecasting 16: a series without its
season is the mean of its regression line and of `2 Y - line`, which doubles its curvature. The line is extended,
the curve is forecast by simple exponential smoothing. Hyndman, Billah (2003), Unmasking the Theta method, the same
journal 19: that is simple exponential smoothing with a drift of half the slope, hence the intervals.

Axis legend: W windows, N columns, H horizon, Q quantiles, T observed values, G smoothing parameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation.decomposition import decompose
from rnnforecast.evaluation.naive import forecast_naive, normal_quantiles

#: Most rows used, or as many seasons where those are longer: a line through more fits the last ones badly.
MAX_ROWS, MAX_SEASONS = 2_000, 6
#: Upper limit of both: smoothing takes one step after the other.
MOST_ROWS = 20_000

# below 0.1 smoothing is the mean of all, which the regression line covers
_LOWEST_ALPHA, _HIGHEST_ALPHA = 0.1, 1.0
# smoothing parameters tried over the whole range, then between the neighbours of the best
_NUM_COARSE, _NUM_FINE = 12, 7
# values from which on the start level is estimated; below, it is the first value
_MIN_ESTIMATED = 10
# after as many values the start level has no effect: 0.9^400 is less than the last digit
_FORGOTTEN = 400
# so few sums over time are taken in blocks of steps: a step of them costs little more than a step of one
_FEW_SUMS = 300
# estimated from the residuals: slope, smoothing parameter, start level
_NUM_PARAMETERS = 3
# windows, and values of them, that are worked on at once: arrays of these times the parameters are kept
_BATCH_WINDOWS, _BATCH_VALUES = 1_024, 50_000
# values of windows that are gathered from series at once
_GATHERED_VALUES = 4_000_000


def context_length(season_length: int) -> int:
    """Return the largest number of rows before its cutoff that a forecast uses."""
    return min(max(MAX_ROWS, MAX_SEASONS * season_length), MOST_ROWS)


def forecast_theta(
    values: Float64Array, observed: BoolArray, *, horizon: int, season_length: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast the steps after the last column: [W, N], [W, N] to [W, H, Q], ascending along Q.

    Shorter windows are padded on the left, where `observed` is false; values are ignored there. Only the last
    `context_length(season_length)` columns are used. A season that passes the test of the M competitions is taken out
    first: ratios to a moving average where all values are positive, differences otherwise. Smoothing keeps the level
    over missing values. The median is the point forecast; the variance h steps after the last value is
    `(1 + (h - 1) alpha^2)` times that of the errors one step ahead. A single value is repeated, its spread as large
    as the value. Windows without an observed value get NaN.
    """
    first = max(values.shape[1] - context_length(season_length), 0)
    values, observed = values[:, first:], observed[:, first:]
    # windows of similar length together: the loop over time drops those that have ended
    counts = observed.sum(axis=1)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    size = int(np.clip(_BATCH_VALUES // max(values.shape[1], 1), 1, _BATCH_WINDOWS))
    quantiles = np.full((len(values), horizon, len(quantile_levels)), np.nan)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            point, spread = _point_and_spread(values[chosen], observed[chosen], horizon, season_length)
            quantiles[chosen] = normal_quantiles(point, spread, quantile_levels)
    return quantiles


def forecast_theta_windows(
    series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast windows of series in their season: [W, H, Q]; naive where the context has no observed value."""
    lengths = np.minimum(windows.cutoffs, context_length(series.season_length))
    order = np.argsort(-lengths, kind="stable")
    quantiles = np.empty((len(windows), horizon, len(quantile_levels)))
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        chosen = order[start : start + max(1, _GATHERED_VALUES // max(longest, 1))]
        start += len(chosen)
        place = windows.cutoffs[chosen, None] + np.arange(-longest, 0, dtype=np.int64)  # [B, longest]
        rows = series.offsets[windows.series[chosen], None] + np.maximum(place, 0)
        quantiles[chosen] = forecast_theta(
            series.values[rows],
            series.observed[rows] & (place >= 0),
            horizon=horizon,
            season_length=series.season_length,
            quantile_levels=quantile_levels,
        )
    empty = np.flatnonzero(np.isnan(quantiles).all(axis=(1, 2)))
    if len(empty):
        quantiles[empty] = forecast_naive(
            "naive", series, windows.select(empty), horizon=horizon, quantile_levels=quantile_levels
        )
    return quantiles


def _point_and_spread(
    values: Float64Array, observed: BoolArray, horizon: int, season_length: int
) -> tuple[Float64Array, Float64Array]:
    """Return point forecasts and standard deviations of windows, those of most values first: [W, H], [W, H]."""
    values = np.where(observed, values, 0.0)
    # powers of two change no digit, and squares of very large and very small values stay numbers
    _, exponents = np.frexp(np.abs(values).max(axis=1))
    season = decompose(np.ldexp(values, -exponents[:, None]), observed, season_length=season_length)
    adjusted = season.remove(np.ldexp(values, -exponents[:, None]))
    counts = observed.sum(axis=1)
    back = np.argmax(observed[:, ::-1], axis=1)  # columns after the last value
    last = np.take_along_axis(adjusted, values.shape[1] - 1 - back[:, None], axis=1)  # [W, 1]
    # seen from the last value a constant is exactly 0
    adjusted = np.where(observed, adjusted - last, 0.0)
    place = np.arange(-values.shape[1], horizon, dtype=np.float64)  # 0 is the first step ahead
    line = _regression_line(adjusted, observed, counts, place)  # [W, N + H]
    curve = np.where(observed, 2 * adjusted - line[:, :-horizon], 0.0)
    alpha, level, squares = _smooth(_closed_up(curve, observed, counts), counts)
    point = last + (level[:, None] + line[:, -horizon:]) / 2
    # an error of the curve is twice that of the series
    variance = np.where(counts > 1, squares / 4 / np.maximum(counts - _NUM_PARAMETERS, 1), last[:, 0] ** 2)
    steps = 1 + back[:, None] + np.arange(horizon)  # behind the last value
    spread = np.sqrt(variance[:, None] * (1 + (steps - 1) * alpha[:, None] ** 2))
    point, spread = season.restore(point, spread)
    return np.ldexp(point, exponents[:, None]), np.ldexp(spread, exponents[:, None])


def _regression_line(
    values: Float64Array, observed: BoolArray, counts: Int64Array, place: Float64Array
) -> Float64Array:
    """Return the least squares line through the observed values [W, N] at all places [N + H]: [W, N + H]."""
    num_columns = values.shape[1]
    middle = np.where(observed, place[:num_columns], 0.0).sum(axis=1) / counts
    offsets = np.where(observed, place[:num_columns] - middle[:, None], 0.0)
    squares = (offsets**2).sum(axis=1)
    slope = (offsets * values).sum(axis=1) / np.where(squares > 0, squares, 1.0)
    line: Float64Array = (values.sum(axis=1) / counts)[:, None] + slope[:, None] * (place - middle[:, None])
    return line


def _closed_up(values: Float64Array, observed: BoolArray, counts: Int64Array) -> Float64Array:
    """Return the observed values of each window without the gaps between them, time first: [W, N] to [T, W]."""
    if observed.all():
        return np.ascontiguousarray(values.T)
    windows, columns = np.nonzero(observed)
    closed_up = np.zeros((int(counts.max()), len(values)))
    closed_up[(np.cumsum(observed, axis=1) - 1)[windows, columns], windows] = values[windows, columns]
    return closed_up


def _smooth(values: Float64Array, counts: Int64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return smoothing parameter, last level and sum of squared errors of simple exponential smoothing: [W] each.

    Both the parameter and the start level are those of least squares: the level by its formula, the parameter by a
    search over a grid, over a finer one around the best, and along a parabola through the best three.
    """
    # of equally good ones the highest: it follows the last value
    coarse = np.linspace(_HIGHEST_ALPHA, _LOWEST_ALPHA, _NUM_COARSE)
    squares, _ = _try_alphas(values, counts, coarse[:, None])
    width = coarse[0] - coarse[1]
    middle = np.clip(coarse[squares.argmin(axis=0)], _LOWEST_ALPHA + width, _HIGHEST_ALPHA - width)
    fine = middle + np.linspace(width, -width, _NUM_FINE)[:, None]  # [G, W]
    squares, _ = _try_alphas(values, counts, fine)
    best = squares.argmin(axis=0)
    inner = np.clip(best, 1, _NUM_FINE - 2)
    before, at, after = np.take_along_axis(squares, inner + np.array([[-1], [0], [1]]), axis=0)
    bend = before - 2 * at + after
    shift = np.clip((before - after) / (2 * np.where(bend > 0, bend, 1.0)), -1.0, 1.0)  # in steps of the finer grid
    vertex = np.take_along_axis(fine, inner[None], axis=0)[0] - shift * 2 * width / (_NUM_FINE - 1)
    alpha = np.where(bend > 0, vertex, np.take_along_axis(fine, best[None], axis=0)[0])
    squares, level = _try_alphas(values, counts, alpha[None])
    return alpha, level[0], squares[0]


def _try_alphas(values: Float64Array, counts: Int64Array, alpha: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return sums of squared errors and last levels: [T, W], [W], [G, 1] or [G, W] to [G, W], [G, W].

    `counts` descend. Errors are linear in the start level: with the first value v as the start they are e_t, with
    v + d they are `e_t - (1 - alpha)^t d`, t from 0; the best d is a regression of one on the other.
    """
    alpha = np.broadcast_to(alpha, (len(alpha), values.shape[1]))
    length = size = len(values)
    if alpha.size <= _FEW_SUMS:
        alpha, size = alpha.copy(), math.isqrt(length - 1) + 1
    decay = 1 - alpha
    blocks = np.empty((-(-length // size), size, *alpha.shape))  # the only array of this size
    rows = blocks.reshape(-1, *alpha.shape)
    levels = np.multiply(alpha, values[:, None], out=rows[:length])  # [T, G, W]
    levels[0], rows[length:] = values[0], 0.0
    _sum_decayed(blocks, decay)
    level = np.take_along_axis(levels, (counts - 1)[None, None], axis=0)[0]
    inside = np.arange(1, len(values))[:, None] < counts  # [T - 1, W]
    errors = np.subtract(values[1:, None], levels[:-1], out=levels[:-1])
    errors *= inside[:, None]
    squares = np.einsum("tgw,tgw->gw", errors, errors)
    # after so many steps no window remembers its start
    known = np.minimum(counts, _FORGOTTEN)
    weight_squares = (1 - decay ** (2 * known)) / (1 - np.square(decay))
    rows[length - 1 :] = 0.0
    products = _sum_back(blocks[: -(-_FORGOTTEN // size), :_FORGOTTEN], decay)
    start = np.where(counts >= _MIN_ESTIMATED, products / weight_squares, 0.0)
    squares = np.maximum(squares - start * products, 0.0)
    return squares, level + (1 - alpha) ** counts * start


def _sum_decayed(blocks: Float64Array, decay: Float64Array) -> None:
    """Replace steps x_t by `s_t = x_t + decay * s_{t-1}`: [K, T, G, W], [G, W]; each block follows the one before.

    The steps of all blocks are taken at once, then what is left of each is added to the next one.
    """
    change = np.empty_like(blocks[:, 0])
    for step in range(1, blocks.shape[1]):
        np.multiply(decay, blocks[:, step - 1], out=change)
        blocks[:, step] += change
    if len(blocks) == 1:
        return
    powers = np.multiply.accumulate(np.broadcast_to(decay, (blocks.shape[1], *decay.shape)), axis=0)
    for before, block in itertools.pairwise(blocks):
        block += powers * before[-1]


def _sum_back(blocks: Float64Array, decay: Float64Array) -> Float64Array:
    """Return the sum over t from 0 of `decay^(t + 1) * x_t`: [K, T, G, W], [G, W] to [G, W]."""
    sums = np.zeros_like(blocks[:, 0])
    for step in reversed(range(blocks.shape[1])):
        sums += blocks[:, step]
        sums *= decay
    total, past_block = np.zeros_like(decay), decay ** blocks.shape[1]
    for of_block in reversed(sums):
        total = total * past_block + of_block
    return total
