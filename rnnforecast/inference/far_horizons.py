"""Forecasts beyond one pass of a network: they continue its last season; forecasts are never fed back as inputs.

The median keeps the season, moves to the mean of the seasons in the history within some passes, and follows a drift
only as far as stretches of the history repeat one another's movement. Intervals widen by the power with which
differences in the history grow with their distance. So nothing can grow faster than a line.

Axis legend: W windows, C steps of history, H steps of the first pass, F steps in all, Q quantiles, S season length,
K stretches of the history.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.frozen import dataclass

#: Over this many passes the median moves from the last season of the first pass to the mean of the history.
PASSES_TO_MEAN = 4
#: Seasons of the history that the mean is taken over.
MOST_SEASONS = 6
#: Stretches that a history is cut into to see whether its movement repeats (up to twice as many), and at least.
NUM_STRETCHES, FEWEST_STRETCHES = 8, 6
#: A mean movement of so many standard errors is chance at most, and one of so many certainly a drift.
NO_DRIFT, SURE_DRIFT = 3.0, 5.0
#: Moves that take one another back leave at least this fraction of their variance to the mean movement.
SMALLEST_ERROR = 0.15
#: Intervals widen by at most this power of the lead: that of a random walk.
LARGEST_POWER = 0.5
#: Lags, as a fraction of the history, by which the growth of differences is measured.
FURTHEST_LAG = 0.25


@dataclass(frozen=True)
class _Drift:
    """Movement a step that the history bears out, and its standard error: [W] each."""

    fraction: Float64Array  # 0 where no drift is borne out, 1 where it is certain
    slope: Float64Array
    error: Float64Array


def extend_forecast(
    first: Float64Array, past: Float64Array, observed: BoolArray, *, horizon: int, season_length: int, median: int
) -> Float64Array:
    """Continue a first pass [W, H, Q] after the history [W, C] to `horizon` steps: [W, F, Q]; `median` is a column.

    `observed` [W, C] marks the observed steps of the history; other values are not read.
    """
    steps = first.shape[1]
    if horizon <= steps:
        return first[:, :horizon]
    history = np.where(observed, past, np.nan)
    season = season_length if 1 < season_length <= history.shape[1] else 1
    drift = _measure_drift(history, season)
    centre = first[:, :, median]
    ahead = np.arange(steps, horizon)
    level, pattern = _last_season(centre, history, season)
    usual, usual_pattern = _mean_season(history, season, level, pattern, passed=steps)
    moved = np.minimum((ahead - steps + 1) / (PASSES_TO_MEAN * steps), 1.0)
    phase = (ahead - steps) % season
    power = _measure_power(history, season)
    # a level that drifts or walks has no mean to go back to
    homing = (1 - drift.fraction) * (1 - power / LARGEST_POWER)
    home = level[:, None] + moved[None] * (homing * (usual - level))[:, None]
    shape = pattern[:, phase] + moved[None] * (usual_pattern - pattern)[:, phase]
    distance = (ahead - steps + 1 + (season - 1) / 2)[None]
    path = home + shape + (drift.fraction * drift.slope)[:, None] * distance
    with np.errstate(invalid="ignore"):
        spread = _last_spreads(first, median, season)[:, phase]  # [W, F - H, Q]
        growth = ((ahead + 1) / steps)[None] ** power[:, None]
        unsure = (drift.fraction * drift.error)[:, None] * distance
        side = _sides(first, median)
        spread = spread * growth[..., None]
        spread = np.sign(spread) * np.hypot(spread, side[:, None, :] * unsure[..., None])
        return np.concatenate([first, path[..., None] + spread], axis=1)


def _last_season(centre: Float64Array, history: Float64Array, season: int) -> tuple[Float64Array, Float64Array]:
    """Return mean [W] and pattern around it [W, S] of the last season of a path [W, H]; pattern starts at step H.

    Where one pass is shorter than a season, the season before it is read from the history, moved to the same level.
    """
    if season == 1:
        return centre[:, -1], np.zeros((len(centre), 1))
    missing = season - centre.shape[1]
    if missing <= 0:
        last = centre[:, -season:]
    else:
        before = _filled(history[:, -season:])
        offset = (centre - before[:, : centre.shape[1]]).mean(axis=1, keepdims=True)
        last = np.concatenate([before[:, centre.shape[1] :] + offset, centre], axis=1)
    level = last.mean(axis=1)
    return level, last - level[:, None]


def _mean_season(
    history: Float64Array, season: int, level: Float64Array, pattern: Float64Array, *, passed: int
) -> tuple[Float64Array, Float64Array]:
    """Return level [W] and pattern [W, S] of the last seasons of the history; those given where none is known.

    The pattern begins with the phase of the step after the first pass of `passed` steps, as the given one does.
    """
    count = min(MOST_SEASONS, history.shape[1] // season)
    if season == 1 or count < 2:
        return level, pattern
    seasons = history[:, -count * season :].reshape(len(history), count, season)
    seen = np.isfinite(seasons)
    number = seen.sum(axis=1)
    mean = np.where(seen, seasons, 0).sum(axis=1) / np.maximum(number, 1)  # [W, S]
    mean = np.roll(mean, -(passed % season), axis=1)
    known = (number > 0).all(axis=1)
    usual = mean.mean(axis=1)
    return np.where(known, usual, level), np.where(known[:, None], mean - usual[:, None], np.nan_to_num(pattern))


def _filled(values: Float64Array) -> Float64Array:
    """Return values [W, N] with the mean of their row where they are missing, 0 without any."""
    seen = np.isfinite(values)
    mean = np.where(seen, values, 0).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    return np.where(seen, values, mean)


def _last_spreads(first: Float64Array, median: int, season: int) -> Float64Array:
    """Return distances from the median over the last season of the first pass, or its last steps: [W, S, Q]."""
    spread = first - first[:, :, median : median + 1]
    if season == 1:
        return spread[:, -1:]
    last = spread[:, -season:]
    # no phase is known better than the last step that was trained
    last = np.where(np.abs(last) < np.abs(spread[:, -1:]), spread[:, -1:], last)
    return np.resize(last.transpose(1, 0, 2), (season, *last[:, 0].shape)).transpose(1, 0, 2)


def _sides(first: Float64Array, median: int) -> Float64Array:
    """Return the distance of each quantile in standard deviations, at the last step of the first pass: [W, Q]."""
    spread = first[:, -1] - first[:, -1, median : median + 1]
    middle = np.abs(spread[:, [0, -1]]).mean(axis=1, keepdims=True)
    return 2 * spread / np.where(middle > 0, middle, 1.0)


def _measure_drift(history: Float64Array, season: int) -> _Drift:
    """Measure how far equal stretches of the history (whole seasons) repeat one another's movement."""
    length = history.shape[1]
    known = np.isfinite(history)
    begin = np.where(known.any(axis=1), known.argmax(axis=1), length)
    fraction, slope, error = (np.zeros(len(history)) for _ in range(3))
    for start in np.unique(begin):
        rows = np.flatnonzero(begin == start)
        stretch = max(1, (length - int(start)) // (NUM_STRETCHES * season)) * season
        count = (length - int(start)) // stretch
        if count < FEWEST_STRETCHES:
            continue
        parts = history[rows, length - count * stretch :].reshape(len(rows), count, stretch)
        seen = np.isfinite(parts)
        means = np.where(seen, parts, 0).sum(axis=2) / np.maximum(seen.sum(axis=2), 1)
        moves = np.diff(means, axis=1)
        place = np.arange(count) - (count - 1) / 2
        mean = (means * place).sum(axis=1) / (place**2).sum()
        deviation = _error_of_mean(moves)
        size = np.abs(mean) / np.where(deviation > 0, deviation, np.inf)
        size = np.where((deviation == 0) & (mean != 0), np.inf, size)
        agreed = np.clip((size - NO_DRIFT) / (SURE_DRIFT - NO_DRIFT), 0, 1)
        fraction[rows] = np.where(np.all(seen.any(axis=2), axis=1), agreed, 0)
        slope[rows], error[rows] = mean / stretch, deviation / stretch
    return _Drift(fraction, slope, error)


def _error_of_mean(moves: Float64Array) -> Float64Array:
    """Return the standard error of the mean of moves [W, K]: [W]; moves that take one another back tell more of it."""
    around = moves - moves.mean(axis=1, keepdims=True)
    count = moves.shape[1]
    variance = (around**2).sum(axis=1) / (count - 1)
    following = (around[:, 1:] * around[:, :-1]).sum(axis=1) / (count - 1)
    return np.asarray(np.sqrt(np.maximum(variance + 2 * following, SMALLEST_ERROR * variance) / count))


def _measure_power(history: Float64Array, season: int) -> Float64Array:
    """Measure the power by which differences over whole seasons grow with their distance: [W], 0 to that of a walk."""
    furthest = int(history.shape[1] * FURTHEST_LAG) // season
    lags = np.unique(np.round(np.geomspace(1, max(furthest, 1), 8)).astype(int))
    if len(lags) < 3:
        # too short to tell: a walk without a season, a standing season with one
        return np.full(len(history), LARGEST_POWER if season == 1 else 0.0)
    spreads = []
    for lag in lags:
        moves = history[:, lag * season :] - history[:, : -lag * season]
        seen = np.isfinite(moves)
        count = np.maximum(seen.sum(axis=1), 1)
        mean = np.where(seen, moves, 0).sum(axis=1) / count
        variance = np.where(seen, (moves - mean[:, None]) ** 2, 0).sum(axis=1) / count
        # the mean that is taken off removes a fraction of a walk's variance
        variance = variance / (1 - min(0.5, lag * season / moves.shape[1]))
        spreads.append(0.5 * np.log(np.where(variance > 0, variance, 1.0)))
    distance = np.log(lags) - np.log(lags).mean()
    power = (np.stack(spreads, axis=1) * distance).sum(axis=1) / (distance**2).sum()
    return np.asarray(np.clip(power, 0, LARGEST_POWER))
