"""The score of the newest value of a series, with a memory of six numbers: as `detection`, without its rows.

The distance of a value from its forecast, in normal scores, has a threshold that a fixed fraction of values exceeds
(followed by stochastic approximation) and a Pareto tail above it (by mean and variance of the excesses).
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence

#: Values that a tail remembers, about, and those before it gives a score.
MEMORY, WARM_UP = 20_000, 200
TAIL_FRACTION = 0.02
PRIOR_SHAPE, PRIOR_EXCESSES, SHAPE_BOUNDS = 0.1, 20.0, (-0.3, 0.45)
#: Of a tail: values seen, threshold, excesses seen, their mean and mean square, mean distance.
START = (0.0, 2.0, 0.0, 0.0, 0.0, 0.8)
MAX_SCORE = 100.0
#: Clean values with a larger score are too rare to matter for the tail.
FAULT_SCORE = 2.0
LARGEST_AT_FIRST = 6.0
LOG_FRACTION, LOG_10 = math.log10(TAIL_FRACTION), math.log(10.0)


def score_value(
    tail: MutableSequence[float], distance: float, *, log_budget: float
) -> tuple[float | None, float | None]:
    """Return the score of a distance, and the distance whose score is 1, and remember it; None during the warm-up.

    1 is as rare as the budget allows, whose decimal logarithm a row is `log_budget`. A distance that is not known (NaN)
    has no score and is not remembered.
    """
    seen, threshold, count, mean, square, usual = tail
    score = limit = None
    if seen < WARM_UP:
        distance = min(distance, LARGEST_AT_FIRST)  # the first forecasts know little; NaN stays
    else:
        scale, shape = _pareto(tail)
        limit = _limit(threshold, scale, shape, log_budget)
        score = _score(tail, distance, scale, shape, log_budget) if distance == distance else None
    if distance != distance:
        return None, limit
    if score is not None and limit is not None and score > FAULT_SCORE:
        distance = min(distance, limit)  # a fault must not widen what is usual
    seen = min(seen + 1.0, MEMORY)
    usual += (distance - usual) / min(seen + 20.0, MEMORY)
    rate = max(1.0 / seen, 20.0 / MEMORY)
    if distance > threshold:
        count = min(count + 1.0, MEMORY * TAIL_FRACTION)
        excess = distance - threshold
        mean += (excess - mean) / count
        square += (excess * excess - square) / count
        threshold += 10.0 * rate * usual * (1.0 - TAIL_FRACTION)
    else:
        threshold -= 10.0 * rate * usual * TAIL_FRACTION
    tail[:] = (seen, max(threshold, 0.0), count, mean, square, usual)
    return score, limit


def _score(tail: MutableSequence[float], distance: float, scale: float, shape: float, log_budget: float) -> float:
    _, threshold, count, _, _, _ = tail
    base = LOG_FRACTION / log_budget
    if distance <= threshold or count < 1:
        return min(distance / max(threshold, 1e-12), 1.0) * base
    excess = (distance - threshold) / scale
    inside = max(1.0 + shape * excess, 1e-12)
    steps = excess / LOG_10 if abs(shape) < 1e-6 else math.log10(inside) / shape
    return min((LOG_FRACTION - steps) / log_budget, MAX_SCORE)


def _pareto(tail: MutableSequence[float]) -> tuple[float, float]:
    """Return scale and shape of the tail, by mean and variance of the excesses and a few of a usual tail."""
    _, _, count, mean, square, usual = tail
    variance = max(square - mean * mean, 1e-3 * mean * mean, 1e-300)
    shape = min(max(0.5 * (1.0 - mean * mean / variance), SHAPE_BOUNDS[0]), SHAPE_BOUNDS[1])
    shape = (count * shape + PRIOR_EXCESSES * PRIOR_SHAPE) / (count + PRIOR_EXCESSES)
    mean = (count * mean + PRIOR_EXCESSES * 0.5 * usual) / (count + PRIOR_EXCESSES)
    return max(mean * (1.0 - shape), 1e-12), shape


def _limit(threshold: float, scale: float, shape: float, log_budget: float) -> float:
    steps = max(LOG_FRACTION - log_budget, 0.0) * LOG_10
    return threshold + scale * (steps if abs(shape) < 1e-6 else math.expm1(shape * steps) / shape)
