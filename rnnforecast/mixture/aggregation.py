"""Temporal aggregation: `base` forecasts means of days or hours, and the usual profile around them is added.

One step of the means is a whole block, so that far leads are near for the network (Athanasopoulos et al. 2017,
"Forecasting with temporal hierarchies"). Errors of the mean and within the block are taken for independent.

Axis legend: T tasks, N blocks, S steps of a season, H horizon, Q quantiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.forecasting import normal_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.arrays import Float64Array
    from rnnforecast.inference.season_classes import Means

#: Seasons of the profile, and what each weighs relative to the one after it.
PROFILE_SEASONS, DECAY = 20, 0.9


def is_long_enough(history: Float64Array, means: Means) -> bool:
    """Return whether the means of a history have two seasons and a little more."""
    return len(history) // means.block >= 2 * means.season_length + 2


def block_means(history: Float64Array, block: int) -> Float64Array:
    """Return the mean of each whole block, counted from the end: [N], NaN where nothing was observed."""
    return _means(_folded(history, block))


def with_profile(
    forecast: Float64Array,
    histories: Sequence[Float64Array],
    *,
    block: int,
    season_length: int,
    horizon: int,
    levels: tuple[float, ...],
) -> Float64Array:
    """Return forecasts of steps [T, H, Q] from those of the means of the blocks ahead [T, N, Q].

    Every step of a season has a usual distance from the mean of its block.
    """
    lead = np.arange(horizon)
    ahead, phase = lead // block, lead % season_length
    scores = normal_scores(levels)
    found = np.empty((len(histories), horizon, len(levels)))
    for row, quantiles, history in zip(found, forecast, histories, strict=True):
        profile, spread = _profile(history[-PROFILE_SEASONS * season_length :], block, season_length)
        median = quantiles[:, [levels.index(0.5)]]
        away = np.hypot((quantiles - median)[ahead], scores * spread[phase, None])
        row[:] = median[ahead] + profile[phase, None] + np.sign(scores) * away
    return found


def _profile(history: Float64Array, block: int, season_length: int) -> tuple[Float64Array, Float64Array]:
    """Return the weighted mean of each step's distance from the mean of its block, and the spread around that: [S] each."""
    blocks = _folded(_folded(history, season_length).ravel(), block)
    away = (blocks - _means(blocks)[:, None]).reshape(-1, season_length)
    weights = np.isfinite(away) * DECAY ** np.arange(len(away))[::-1, None]
    total = weights.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    away = np.where(np.isfinite(away), away, 0.0)
    profile = (weights * away).sum(axis=0) / total
    spread = np.sqrt((weights * np.square(away - profile)).sum(axis=0) / total)
    return profile, spread


def _folded(history: Float64Array, length: int) -> Float64Array:
    return history[len(history) % length :].reshape(-1, length)


def _means(folded: Float64Array) -> Float64Array:
    seen = np.isfinite(folded)
    count = seen.sum(axis=1)
    return np.asarray(np.where(seen, folded, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan))
