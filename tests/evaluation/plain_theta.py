"""The Theta method for one complete series, step by step as the papers have it: what the vectorised one must equal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def plain_theta(run: Sequence[float], *, horizon: int, season_length: int) -> tuple[list[float], list[float]]:
    """Return point forecasts and standard deviations of a complete series, written as the papers have it."""
    values = [float(value) for value in run]
    factors, multiplicative = plain_season(values, season_length)
    length = len(values)
    season = [factors[place % season_length] for place in range(length + horizon)]
    adjusted = [v / s if multiplicative else v - s for v, s in zip(values, season, strict=False)]
    slope = float(np.polyfit(np.arange(length), adjusted, 1)[0])
    best: tuple[float, float] = (math.inf, 0.0)
    for alpha in np.linspace(0.1, 1.0, 901):
        squares, _ = plain_smoothing(adjusted, alpha, slope)
        best = min(best, (squares, float(alpha)))
    alpha = best[1]
    squares, level = plain_smoothing(adjusted, alpha, slope)
    sigma = math.sqrt(squares / (length - 3))
    points, deviations = [], []
    for lead in range(horizon):
        # Hyndman and Billah: the level of the series itself, and a drift of half the slope
        drift = slope / 2 * (lead + 1 / alpha - (1 - alpha) ** length / alpha)
        point, deviation = level + drift, sigma * math.sqrt(1 + lead * alpha**2)
        factor = season[length + lead]
        points.append(point * factor if multiplicative else point + factor)
        deviations.append(deviation * factor if multiplicative else deviation)
    return points, deviations


def plain_smoothing(values: list[float], alpha: float, slope: float) -> tuple[float, float]:
    """Return the squared errors of exponential smoothing with that drift, and its last level, from the best start."""
    length = len(values)
    drift = [slope / 2 * (1 / alpha - (1 - alpha) ** place / alpha) for place in range(length + 1)]

    def errors_from(start: float) -> tuple[npt.NDArray[np.float64], float]:
        level, errors = start, []
        for place, value in enumerate(values):
            errors.append(value - level - drift[place])
            level += alpha * (value - level)
        return np.array(errors), level

    base = values[0]
    at_base, _ = errors_from(base)
    change = errors_from(base + 1.0)[0] - at_base
    start = base - float(change @ at_base) / float(change @ change)
    errors, level = errors_from(start)
    return float(errors @ errors), level


def plain_season(values: list[float], season_length: int) -> tuple[list[float], bool]:
    """Return factors by place from the first value on, and whether they multiply; zeros where there is no season."""
    length, nothing = len(values), [0.0] * season_length
    if season_length < 2 or length < 2 * season_length:
        return nothing, False
    centred = np.array(values) - np.mean(values)
    acf = [float(centred[lag:] @ centred[: length - lag] / (centred @ centred)) for lag in range(1, season_length + 1)]
    if abs(acf[-1]) <= 1.6448536 * math.sqrt((1 + 2 * sum(r**2 for r in acf[:-1])) / length):
        return nothing, False
    half = season_length // 2
    weights = np.ones(2 * half + 1)
    if season_length % 2 == 0:
        weights[[0, -1]] = 0.5
    multiplicative = min(values) > 0
    found: list[list[float]] = [[] for _ in range(season_length)]
    for place in range(half, length - half):
        average = float(weights @ np.array(values[place - half : place + half + 1])) / season_length
        found[place % season_length].append(values[place] / average if multiplicative else values[place] - average)
    means = np.array([np.mean(part) for part in found])
    means = means / means.mean() if multiplicative else means - means.mean()
    return means.tolist(), multiplicative
