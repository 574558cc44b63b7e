"""Means of forecasts that are given by quantiles, and quantiles of sums over several steps.

Between the levels, and beyond the outermost ones, a quantile function is linear in normal scores, so that a normal
distribution is met exactly (`forecasting.interpolate_quantiles` reads other levels by the same rule).

Axis legend: W windows, H horizon, Q quantiles, D draws.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array

if TYPE_CHECKING:
    from collections.abc import Sequence

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
