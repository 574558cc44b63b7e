"""Autoregressions fitted by least squares to many histories at once: forecasts of what a regression leaves.

The order is chosen by the corrected information criterion (Hurvich and Tsai 1989). An order whose impulse response grows
is left out, so that no forecast explodes.

Axis legend: B histories, N rows, P lags, H horizon, Q quantiles.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array

#: Newest rows that are read where no network sets how many.
MAX_ROWS = 500
MAX_LAGS = 8
FEWEST_ROWS = 4
#: Impulse response beyond which an order is left out; that of a random walk is 1.
LARGEST_RESPONSE = 1.2
#: The normal distribution counts as so many rows next to those observed.
NORMAL_ROWS = 20.0
_RIDGE = 1e-6


def forecast_autoregression(
    target: Float64Array, observed: BoolArray, *, horizon: int, levels: tuple[float, ...]
) -> Float64Array:
    """Forecast after the last column of each row: [B, N], [B, N] to [B, H, Q]; NaN where too few rows are known.

    `target` is 0 where not `observed`. Errors one step ahead are distributed as those of the history, errors far ahead
    as its values.
    """
    level = target.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    values = np.where(observed, target - level[:, None], 0.0)
    count = num_lags(values.shape[1])
    lagged = np.stack([_delayed(values, lag) for lag in range(count + 1)])  # [P + 1, B, N]
    there = np.logical_and.reduce([_delayed(observed, lag) for lag in range(count + 1)])
    columns = np.concatenate([there[None].astype(np.float64), np.where(there, lagged, 0.0)])
    moments = np.einsum("ibn,jbn->bij", columns, columns)  # the constant, the values, their lags
    solutions, sigmas, criteria = _fit_orders(moments)
    rows = np.arange(len(values))
    while True:
        best = np.argmin(criteria, axis=0)
        solution, sigma = solutions[best, rows], sigmas[best, rows]
        path, response = _iterated(solution, lagged[:count, :, -1], horizon)
        explodes = (np.abs(response).max(axis=1) > LARGEST_RESPONSE) & np.isfinite(criteria[best, rows])
        if not explodes.any():
            break
        criteria[best[explodes], rows[explodes]] = np.inf
    spread = sigma[:, None] * np.sqrt(np.cumsum(np.square(response), axis=1))
    residual = columns[1] - np.einsum("bp,pbn->bn", solution, columns[[0, *range(2, count + 2)]])
    scores = _scores(residual, values, there, observed, spread, levels)
    quantiles = level[:, None, None] + path[:, :, None] + spread[:, :, None] * scores
    quantiles[(there.sum(axis=1) < FEWEST_ROWS) | ~np.isfinite(criteria[best, rows])] = np.nan
    return np.asarray(quantiles)


def num_lags(num_rows: int) -> int:
    """Return the highest order that is tried for a history of so many rows."""
    return min(max(num_rows // 4, 1), MAX_LAGS)


def _fit_orders(moments: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Solve for every order from 0 up: coefficients [O, B, 1 + P], standard errors [O, B] and criteria [O, B].

    `moments` [B, P + 2, P + 2] are those of the constant, the values and their lags.
    """
    count, total, num_lags = moments[:, 0, 0], moments[:, 1, 1], moments.shape[1] - 2
    solutions = np.zeros((num_lags + 1, len(moments), num_lags + 1))
    sigmas, criteria = np.empty((2, num_lags + 1, len(moments)))
    for order in range(num_lags + 1):
        chosen = [0, *range(2, order + 2)]
        gram, cross = moments[:, chosen][:, :, chosen], moments[:, chosen, 1]
        size = np.trace(gram, axis1=1, axis2=2)[:, None, None] + 1e-300
        found = np.linalg.solve(gram + _RIDGE * np.eye(order + 1) * size, cross[..., None])[..., 0]
        rest = np.maximum(total - (found * cross).sum(axis=1), 1e-12 * total)
        freedom = count - order - 3
        with np.errstate(divide="ignore", invalid="ignore"):
            criterion = count * np.log(rest / count) + 2 * (order + 2) * (count / freedom)
        solutions[order, :, : order + 1] = found
        sigmas[order] = np.sqrt(rest / np.maximum(count - order - 1, 1))
        criteria[order] = np.where(freedom > 0, np.where(total > 0, criterion, float(order)), np.inf)
    return solutions, sigmas, criteria


def _iterated(solution: Float64Array, recent: Float64Array, horizon: int) -> tuple[Float64Array, Float64Array]:
    """Return forecasts and the response to one error, both [B, H]; `recent` [P, B] are the newest values, newest first."""
    order = len(recent)
    values = np.zeros((2, len(solution), order + horizon))  # forecasts, responses
    values[0, :, :order] = recent[::-1].T
    constant = np.stack([solution[:, 0], np.zeros(len(solution))])
    lags = solution[:, :0:-1]  # oldest first
    for lead in range(order, order + horizon):
        values[:, :, lead] = constant + np.einsum("abp,bp->ab", values[:, :, lead - order : lead], lags)
        if lead == order:
            values[1, :, lead] = 1.0
    return values[0, :, order:], values[1, :, order:]


def _scores(
    residual: Float64Array,
    values: Float64Array,
    there: BoolArray,
    observed: BoolArray,
    spread: Float64Array,
    levels: tuple[float, ...],
) -> Float64Array:
    """Return quantiles of errors in units of their spread, by lead: [B, H, Q]."""
    near, far = _standardised(residual, there, levels), _standardised(values, observed, levels)
    whole = np.square(values).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    first = np.square(spread[:, 0])
    reach = np.maximum(whole - first, 1e-12 * whole + 1e-300)[:, None]
    away = np.clip((np.square(spread) - first[:, None]) / reach, 0.0, 1.0)  # 0 one step ahead, 1 far ahead
    return np.asarray(near[:, None] + away[:, :, None] * (far - near)[:, None])


def _standardised(values: Float64Array, known: BoolArray, levels: tuple[float, ...]) -> Float64Array:
    """Return quantiles of the known values of each row about their mean, in standard deviations: [B, Q].

    They are averaged with those of the normal distribution, which counts as `NORMAL_ROWS` rows.
    """
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    count = known.sum(axis=1)[:, None]
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    place = np.array(levels) * np.maximum(count - 1, 0)
    below = np.minimum(place.astype(np.int64), values.shape[1] - 1)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, index, axis=1) for index in (below, above))
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    spread = np.sqrt(np.where(known, np.square(values - mean), 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1))
    usable = (spread > 0) & (count > 0)
    with np.errstate(invalid="ignore"):
        quantiles = np.where(usable, low + (place - below) * (high - low) - mean, 0.0) / np.where(usable, spread, 1.0)
    trust = np.where(usable, count / (count + NORMAL_ROWS), 0.0)
    return np.asarray(trust * quantiles + (1 - trust) * normal)


def _delayed(values: np.ndarray, lag: int) -> np.ndarray:
    result = np.zeros_like(values)
    result[:, lag:] = values[:, : values.shape[1] - lag]
    return result
