"""Means of forecasts that are given by quantiles, and quantiles of sums over several steps.

Between the levels, and beyond the outermost ones, a quantile function is linear in normal scores, so that a normal
distribution is met exactly (`forecasting.interpolate_quantiles` reads other levels by the same rule).

Axis legend: W windows, H horizon, Q quantiles, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import Float64Array

_NORMAL = NormalDist()


def mean_of(quantiles: Float64Array, levels: Sequence[float]) -> Float64Array:
    """Return the mean of the distribution behind quantiles at ascending levels: [..., Q] to [...]."""
    mean: Float64Array = quantiles @ _mean_weights(tuple(levels))
    return mean


@cache
def _mean_weights(levels: tuple[float, ...]) -> Float64Array:
    """Return the weight of each quantile in the mean: the integral of the piecewise linear function, [Q]."""
    if len(levels) == 1:
        return np.ones(1)
    scores = [_NORMAL.inv_cdf(level) for level in levels]
    weights = np.zeros(len(levels))
    last = len(levels) - 2
    for place, (low, high) in enumerate(pairwise(scores)):
        start = -np.inf if place == 0 else low
        stop = np.inf if place == last else high
        mass = _NORMAL.cdf(stop) - _NORMAL.cdf(start)
        moment = _NORMAL.pdf(start) - _NORMAL.pdf(stop)  # of the normal density over the piece
        weights[place] += (high * mass - moment) / (high - low)
        weights[place + 1] += (moment - low * mass) / (high - low)
    return weights


#: Draws behind the quantiles of a sum, half of them mirrored.
NUM_DRAWS = 4_000


def std_of(quantiles: Float64Array, levels: Sequence[float]) -> Float64Array:
    """Return the standard deviation of the distribution behind quantiles: [..., Q] to [...]."""
    scores = np.array([_NORMAL.inv_cdf((number + 0.5) / 200) for number in range(200)])
    spread: Float64Array = values_at(quantiles, levels, scores).std(axis=-1)
    return spread


def values_at(quantiles: Float64Array, levels: Sequence[float], scores: Float64Array) -> Float64Array:
    """Return the values of distributions given by quantiles at normal scores [D]: [..., Q] to [..., D]."""
    values: Float64Array = quantiles @ _read_weights(tuple(levels), scores).T
    return values


def sum_quantiles(
    quantiles: Float64Array, levels: Sequence[float], *, correlation: float, wanted: Sequence[float]
) -> Float64Array:
    """Return quantiles of the sum over steps whose normal scores all have one correlation: [W, H, Q] to [W, L].

    A Gaussian copula: the score of every step is sqrt(r) times a common normal draw plus sqrt(1 - r) times a separate
    one. The draws are the same in every call, so that equal forecasts have equal sums.
    """
    random = np.random.default_rng(20_231)
    half = NUM_DRAWS // 2
    common = random.standard_normal(half)
    total = np.zeros((len(quantiles), NUM_DRAWS))
    for step in range(quantiles.shape[1]):
        score = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * random.standard_normal(half)
        total += values_at(quantiles[:, step], levels, np.concatenate([score, -score]))
    found: Float64Array = np.quantile(total, np.asarray(wanted), axis=1).T
    return found


def log_variance_ratio(errors: Float64Array, spreads: Float64Array, *, num_steps: int) -> tuple[float, int]:
    """Return how much more the error of a sum of so many steps varies than if its steps erred apart, and from how much.

    `errors` and `spreads` are those of windows [K, H], NaN where not observed. The ratio is that of the squared sums of
    scaled errors within blocks to the sums of their squares, as a logarithm: 0 for independent steps, log(num_steps)
    for steps that err alike. It comes with the number of blocks; 0 and 0 where there is none.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.where(spreads > 0, np.clip(errors / spreads, -4.0, 4.0), 0.0)
    num_blocks = max(scaled.shape[1] // num_steps, 1)
    blocks = scaled[:, : num_blocks * num_steps].reshape(len(scaled) * num_blocks, -1)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    squares, of_sums = float(np.square(blocks).sum()), float(np.square(blocks.sum(axis=1)).sum())
    if not squares > 0 or not of_sums > 0 or blocks.shape[1] < 2:
        return 0.0, 0
    # the logarithm of a mean of n squares is too small by 1 / n
    return float(np.log(of_sums / squares)) + 1.0 / len(blocks), len(blocks)


def _read_weights(levels: tuple[float, ...], scores: Float64Array) -> Float64Array:
    """Return the weights of the quantiles in the values at normal scores: [D] to [D, Q]."""
    weights = np.zeros((len(scores), len(levels)))
    rows = np.arange(len(scores))
    if len(levels) == 1:
        return weights + 1.0
    known = np.array([_NORMAL.inv_cdf(level) for level in levels])
    upper = np.clip(np.searchsorted(known, scores), 1, len(known) - 1)
    fraction = (scores - known[upper - 1]) / (known[upper] - known[upper - 1])
    weights[rows, upper - 1] = 1 - fraction
    weights[rows, upper] = fraction
    return weights
