"""Autoregressions fitted by least squares to many histories at once: forecasts of what a regression leaves.

A history wanders as a walk, with or without a drift, or keeps to a level or to a line: kind and order are chosen by the
corrected information criterion (Hurvich and Tsai 1989). An order whose impulse response grows is left out, so that no
forecast explodes.

Axis legend: B histories, N rows, P lags, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.forecasting import normal_scores

#: Newest rows that are read where no network sets how many.
MAX_ROWS = 500
MAX_LAGS = 8
FEWEST_ROWS = 4
#: Impulse response beyond which an order is left out; that of a random walk is 1.
LARGEST_RESPONSE = 1.2
#: Sum of responses of changes beyond which an order of a walk is left out.
LARGEST_SUM = 4.0
WALK, DRIFT, LEVEL, LINE = range(4)
#: Columns of each kind in addition to the lags: the constant and the line.
_FIXED: tuple[tuple[int, ...], ...] = ((), (0,), (0,), (0, 1))
#: The normal distribution counts as so many rows next to those observed.
NORMAL_ROWS = 20.0
#: Usual changes that a spike is at least away from both of its neighbours.
SPIKE = 20.0
_RIDGE = 1e-6
#: Paths and responses that explode stop here, until their order is left out.
_OVERFLOW = 1e100


def forecast_autoregression(
    target: Float64Array, observed: BoolArray, *, horizon: int, levels: tuple[float, ...]
) -> Float64Array:
    """Forecast after the last column of each row: [B, N], [B, N] to [B, H, Q]; NaN where too few rows are known.

    `target` is 0 where not `observed`. Errors one step ahead are distributed as those of the history, errors far ahead
    as its values where it keeps to a level. Intervals include the error of the level, the drift or the line.
    """
    level = target.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    values = _without_spikes(np.where(observed, target - level[:, None], 0.0), observed)
    count = num_lags(values.shape[1])
    lagged = np.stack([_delayed(values, lag) for lag in range(count + 1)])  # [P + 1, B, N]
    there = np.logical_and.reduce([_delayed(observed, lag) for lag in range(count + 1)])
    steps = np.broadcast_to(np.arange(1.0, values.shape[1] + 1) / values.shape[1] - 1.0, values.shape)
    columns = np.concatenate([there[None].astype(np.float64), np.where(there, np.stack([steps, *lagged]), 0.0)])
    moments = np.einsum("ibn,jbn->bij", columns, columns)  # the constant, the line, the values, their lags
    equations = [_normal_equations(moments, kind) for kind in range(len(_FIXED))]
    criteria = np.concatenate([_criteria(each, moments[:, 0, 0], kind) for kind, each in enumerate(equations)])
    rows = np.arange(len(values))
    newest = _carried_on(values, observed)[:, -count:].T[::-1]
    while True:
        best = np.argmin(criteria, axis=0)
        kinds, orders = np.divmod(best, count + 1)
        solution, sigma = _solved(equations, moments[:, 0, 0], kinds, orders)
        path, response = _iterated(solution, newest, horizon, steps=values.shape[1])
        moves = np.diff(response, axis=1, prepend=0.0)
        largest = np.where(kinds <= DRIFT, np.abs(moves).max(axis=1), np.abs(response).max(axis=1))
        explodes = (largest > LARGEST_RESPONSE) | (np.abs(response).max(axis=1) > LARGEST_SUM)
        explodes &= np.isfinite(criteria[best, rows])
        if not explodes.any():
            break
        criteria[best[explodes], rows[explodes]] = np.inf
    errors = np.cumsum(np.square(response), axis=1) + _errors_of_level(moments, response, kinds, values.shape[1])
    spread = sigma[:, None] * np.sqrt(errors)
    residual = columns[2] - np.einsum("bp,pbn->bn", solution, columns[[0, 1, *range(3, count + 3)]])
    has_level = (kinds == LEVEL)[:, None]
    far, known = np.where(has_level, values, residual), np.where(has_level, observed, there)
    scores = _scores(residual, far, there, known, spread, levels)
    quantiles = level[:, None, None] + path[:, :, None] + spread[:, :, None] * scores
    quantiles[(there.sum(axis=1) < FEWEST_ROWS) | ~np.isfinite(criteria[best, rows])] = np.nan
    return np.asarray(quantiles)


def _without_spikes(values: Float64Array, observed: BoolArray) -> Float64Array:
    """Return values [B, N] with the mean of their neighbours for each that leaps away from both and back.

    A spike among the newest lags would be taken for a movement.
    """
    if values.shape[1] < FEWEST_ROWS:
        return values
    changes = np.where(observed[:, 1:] & observed[:, :-1], np.diff(values, axis=1), 0.0)
    leap = SPIKE * np.median(np.abs(changes), axis=1, keepdims=True)
    there, back = changes[:, :-1], changes[:, 1:]
    is_spike = (
        (np.minimum(np.abs(there), np.abs(back)) > leap) & (np.abs(there + back) < 0.25 * np.abs(there)) & (leap > 0)
    )
    result = values.copy()
    result[:, 1:-1] = np.where(is_spike, 0.5 * (values[:, :-2] + values[:, 2:]), values[:, 1:-1])
    return result


def _carried_on(values: Float64Array, observed: BoolArray) -> Float64Array:
    """Return values [B, N] with the newest observed one before it for each that is missing; 0 before the first."""
    place = np.maximum.accumulate(np.where(observed, np.arange(values.shape[1]), 0), axis=1)
    return np.take_along_axis(values, place, axis=1)


def num_lags(num_rows: int) -> int:
    """Return the highest order that is tried for a history of so many rows."""
    return min(max(num_rows // 4, 1), MAX_LAGS)


def _normal_equations(moments: Float64Array, kind: int) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the moments of the columns of a kind [B, K, K], theirs with the target [B, K], and of the target [B].

    `moments` [B, P + 3, P + 3] are those of the constant, the line, the values and their lags. Walks have changes as
    target, and one lag less.
    """
    if kind <= DRIFT:
        size = moments.shape[1]
        changes = np.eye(size - 1, size)
        place = np.arange(2, size - 1)
        changes[place, place + 1] = -1.0
        moments = changes @ moments @ changes.T
    chosen = [*_FIXED[kind], *range(3, moments.shape[1])]
    gram = moments[:, chosen][:, :, chosen]
    diagonal = np.diagonal(gram, axis1=1, axis2=2)[..., None] + 1e-300
    return gram + _RIDGE * np.eye(len(chosen)) * diagonal, moments[:, chosen, 2], moments[:, 2, 2]


def _criteria(
    equations: tuple[Float64Array, Float64Array, Float64Array], count: Float64Array, kind: int
) -> Float64Array:
    """Return the criterion of every order from 0 up: [1 + P, B], infinite where too few of the `count` [B] rows are known.

    One factorisation fits all orders: each column of it takes its square off the sum that is left.
    """
    gram, cross, total = equations
    num_fixed, num_lags = len(_FIXED[kind]), cross.shape[1] - len(_FIXED[kind])
    taken = np.square(np.linalg.solve(np.linalg.cholesky(gram), cross[..., None])[..., 0])
    sums = np.cumsum(np.concatenate([np.zeros((len(total), 1)), taken], axis=1), axis=1)[:, num_fixed:].T
    rest = np.maximum(total - sums, 1e-12 * total)  # [1 + P, B]
    terms = num_fixed + np.arange(num_lags + 1.0)[:, None]
    freedom = count - terms - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        criterion = count * np.log(rest / count) + 2 * (terms + 1) * (count / freedom) + _handicap(kind, count)
    result = np.where(freedom > 0, np.where(total > 0, criterion, terms), np.inf)
    if kind <= DRIFT:  # as many orders as the others
        return np.concatenate([result, np.full((1, len(count)), np.inf)])
    return np.asarray(result)


def _solved(
    equations: Sequence[tuple[Float64Array, Float64Array, Float64Array]],
    count: Float64Array,
    kinds: Int64Array,
    orders: Int64Array,
) -> tuple[Float64Array, Float64Array]:
    """Return constant, slope and lags of each row [B, 2 + P] in its kind and order [B], and its standard errors [B]."""
    solution, sigma = np.zeros((len(kinds), equations[LEVEL][1].shape[1] + 1)), np.empty(len(kinds))
    for kind in np.unique(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        gram, cross, total = (each[rows] for each in equations[kind])
        terms = len(_FIXED[kind]) + orders[rows]
        used = np.arange(cross.shape[1]) < terms[:, None]
        gram = np.where(used[:, :, None] & used[:, None], gram, np.eye(cross.shape[1]))
        cross = np.where(used, cross, 0.0)
        found = np.linalg.solve(gram, cross[..., None])[..., 0]
        rest = np.maximum(total - (found * cross).sum(axis=1), 1e-12 * total)
        sigma[rows] = np.sqrt(rest / np.maximum(count[rows] - terms, 1))
        lags = found[:, len(_FIXED[kind]) :]
        solution[np.ix_(rows, _FIXED[kind])] = found[:, : len(_FIXED[kind])]
        if kind <= DRIFT:  # lags of changes to lags of values
            lags = np.diff(lags, axis=1, prepend=-1.0, append=0.0)
        solution[rows, 2:] = lags
    return solution, sigma


def _handicap(kind: int, count: Float64Array) -> Float64Array | float:
    """Return what a kind must gain on a walk in twice the log likelihood, its number of terms apart.

    A walk looks like a level or a line (Dickey and Fuller 1979); a line is the costliest error far ahead.
    """
    return 3 * np.log(count + 1) - 4 if kind == LINE else 0.0 if kind == WALK else 2.0


def _errors_of_level(moments: Float64Array, response: Float64Array, kinds: Int64Array, steps: int) -> Float64Array:
    """Return what the error of the fitted level, drift or line adds to the variance of each lead: [B, H], in squared errors."""
    horizon, count = response.shape[1], np.maximum(moments[:, 0, 0], 1.0)
    of_constant = np.cumsum(response, axis=1)
    added = np.where((kinds > WALK)[:, None], np.square(of_constant) / count[:, None], 0.0)
    rows = np.flatnonzero(kinds == LINE)
    if len(rows):
        middle = moments[rows, 0, 1] / count[rows]
        size = moments[rows, 1, 1] - count[rows] * np.square(middle)
        ahead = np.arange(1.0, horizon + 1)
        away = ahead[None] / steps - middle[:, None]
        of_line = np.stack([np.convolve(one, way)[:horizon] for one, way in zip(response[rows], away, strict=True)])
        added[rows] += np.square(of_line) / np.maximum(size, 1e-12)[:, None]
    return added


def _iterated(
    solution: Float64Array, recent: Float64Array, horizon: int, *, steps: int
) -> tuple[Float64Array, Float64Array]:
    """Return forecasts and the response to one error, both [B, H]; `recent` [P, B] are the newest values, newest first."""
    order = len(recent)
    values = np.zeros((2, len(solution), order + horizon))  # forecasts, responses
    values[0, :, :order] = recent[::-1].T
    ahead = np.arange(1.0, horizon + 1) / steps
    fixed = solution[:, :1] + solution[:, 1:2] * ahead
    lags = solution[:, :1:-1]  # oldest first
    for lead in range(order, order + horizon):
        values[:, :, lead] = np.einsum("abp,bp->ab", values[:, :, lead - order : lead], lags)
        values[0, :, lead] += fixed[:, lead - order]
        if lead == order:
            values[1, :, lead] = 1.0
        np.clip(values[:, :, lead], -_OVERFLOW, _OVERFLOW, out=values[:, :, lead])
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
    normal = normal_scores(levels)
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
