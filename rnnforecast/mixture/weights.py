"""Weights of ensemble members from their losses on causal windows at the end of the history.

A weight is the prior times exp(-SHARPNESS x log ratio of the member's loss to that of the first member), pooled over
windows, shrunk towards the mean over the series that are forecast together.

Axis legend: S series, K windows, M members, H horizon, Q quantiles.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array

SHARPNESS = 10.0
#: Windows of a series, or series of a panel, that make one member the clear best; 5 % limits of Student's t for so many.
FEWEST_UNITS = 5
_T_LIMITS, _T_LIMIT_OF_MANY = {5: 2.132, 6: 2.015, 7: 1.943, 8: 1.895, 9: 1.860}, 1.833
#: Windows that the mean over all series counts for when it is pooled with a series' windows.
POOLED_WINDOWS = 8.0
#: How much worse a member is at most, and how much better it counts for other series of a panel.
MAX_LOG_RATIO = 1.5
#: What is added to each loss, in losses of the first member: a member without any error is not infinitely better.
LEAST_OF_ALL, LEAST_OF_ONE = 1e-5, 1e-4
#: A member that would weigh less is left out: it would lift quantiles of counts off an exact zero.
SMALLEST_WEIGHT = 0.05


def pinball(actual: Float64Array, quantiles: Float64Array, levels: Float64Array) -> Float64Array:
    """Return the mean pinball loss over observed leads and levels: actual [..., H], quantiles [..., H, Q] -> [...].

    NaN where no lead is observed.
    """
    observed = np.isfinite(actual)
    error = np.where(observed, actual, 0.0)[..., None] - quantiles
    loss = (np.maximum(levels * error, (levels - 1.0) * error)).mean(axis=-1) * observed
    count = observed.sum(axis=-1)
    return np.asarray(np.where(count > 0, loss.sum(axis=-1) / np.maximum(count, 1), np.nan))


def log_ratios(losses: Float64Array) -> Float64Array:
    """Return log ratios of each member's loss to the first one's: losses [S, K, M] -> [S, M], NaN without a window.

    Half the ratio of sums over windows, half the mean over windows of log ratios: one large window decides neither.
    """
    reference = losses[..., :1]
    both = np.isfinite(losses) & np.isfinite(reference)
    count = np.maximum(both.sum(axis=1), 1)
    mean = np.where(both, losses, 0.0).sum(axis=1) / count
    base = np.where(both, reference, 0.0).sum(axis=1) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        of_means = np.log((mean + LEAST_OF_ALL * base) / ((1 + LEAST_OF_ALL) * base))
        each = np.log((losses + LEAST_OF_ONE * reference) / ((1 + LEAST_OF_ONE) * reference))
    of_windows = np.where(both & (reference > 0), each, 0.0).sum(axis=1) / count
    # a history that the first member forecasts without any error leaves nothing to choose
    ratios = np.where(base > 0, np.minimum(0.5 * (of_means + of_windows), MAX_LOG_RATIO), 0.0)
    return np.asarray(np.where(both.any(axis=1), ratios, np.nan))


def is_clearly_best(losses: Float64Array, member: int) -> BoolArray:
    """Return for which series a member has smaller losses than every other one, by more than chance explains: [S].

    `losses` [S, K, M] are NaN where unknown. The log ratios to the best other member are compared with Student's t, one-sided
    at 5 %: over the windows of a single series, of which five are needed, or over the series of a panel, for all of them.
    """
    num_series, _, num_members = losses.shape
    others = [number for number in range(num_members) if number != member]
    logs = np.log(np.maximum(losses, 1e-300))
    ratios = logs[..., [member]] - logs[..., others]  # [S, K, M - 1]
    if num_series == 1:
        ratios = ratios[0]
    else:
        there = np.isfinite(ratios)
        sums = np.where(there, ratios, 0.0).sum(axis=1)
        ratios = np.where(there.any(axis=1), sums / np.maximum(there.sum(axis=1), 1), np.nan)
    known = np.isfinite(ratios)
    counts = known.sum(axis=0)
    is_rival = counts >= FEWEST_UNITS
    if not is_rival.any() or counts.max() < np.isfinite(logs[..., member]).any(axis=int(num_series > 1)).sum():
        return np.zeros(num_series, dtype=np.bool_)
    means = np.where(known, ratios, 0.0).sum(axis=0) / np.maximum(counts, 1)
    spread = np.sqrt((np.where(known, ratios - means, 0.0) ** 2).sum(axis=0) / np.maximum(counts - 1, 1))
    limit = np.array([_T_LIMITS.get(int(count), _T_LIMIT_OF_MANY) for count in counts])
    is_beaten = means < -limit * spread / np.sqrt(np.maximum(counts, 1))
    return np.full(num_series, bool((is_beaten & (means < 0))[is_rival].all()))


def member_weights(
    ratios: Float64Array, num_windows: Int64Array, prior: Float64Array, *, smallest: float = SMALLEST_WEIGHT
) -> tuple[Float64Array, Float64Array]:
    """Return weights of each series [S, M] and of a series without windows [M].

    `ratios` [S, M] are NaN where unknown, `num_windows` is [S], `prior` [M]. A member that no series could score weighs
    nothing, the first apart; a single series is not shrunk.
    """
    known = np.isfinite(ratios)
    count = known.sum(axis=0)
    bounded = np.where(known, np.maximum(ratios, -MAX_LOG_RATIO), 0.0)
    pooled = np.where(count > 0, bounded.sum(axis=0) / np.maximum(count, 1), np.inf)  # [M]
    pooled[0] = 0.0
    if len(ratios) == 1:
        shrunk = np.where(known, ratios, np.inf)
    else:
        windows = np.where(known, num_windows[:, None], 0)
        shrunk = (windows * np.where(known, ratios, 0.0) + POOLED_WINDOWS * pooled) / (windows + POOLED_WINDOWS)
    shrunk[:, 0] = 0.0
    weights = (prior * np.exp(-SHARPNESS * known) for known in (shrunk, pooled))
    of_series, of_panel = (prune(found, smallest) for found in weights)
    return of_series, of_panel


def prune(weights: Float64Array, smallest: float = SMALLEST_WEIGHT) -> Float64Array:
    """Return weights that sum to 1 without those too small to matter."""
    weights = weights / weights.sum(axis=-1, keepdims=True)
    weights = np.where(weights >= np.minimum(smallest, weights.max(axis=-1, keepdims=True)), weights, 0.0)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
