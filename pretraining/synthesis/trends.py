"""Slow movements: levels, slopes, growth curves, business cycles, walks of every persistence.

A family returns paths of any size; the door brings each to unit spread over its visible span, so that how strongly a
series trends is decided in one place, and what shape the trend has in another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pretraining.synthesis.frames import Component, Frame, Paths, draw_families, to_unit
from pretraining.synthesis.kernels import coloured, squared_exponential
from pretraining.synthesis.recursions import autoregress, stationary, stochastic_cycle

if TYPE_CHECKING:
    from collections.abc import Mapping


def _none(frame: Frame) -> Paths:
    return np.zeros((frame.num_series, frame.length), dtype=np.float32)


def _line(frame: Frame) -> Paths:
    return frame.clock()


def _walk(frame: Frame) -> Paths:
    return np.cumsum(frame.normals(), axis=1)


def _heavy_walk(frame: Frame) -> Paths:
    """A walk whose steps are mostly small and now and then large."""
    steps = frame.normals()
    return np.cumsum(steps * np.exp(frame.uniform(0.05, 0.25) * np.square(steps)), axis=1)


def _walk_with_drift(frame: Frame) -> Paths:
    return frame.clock() + _per_span(frame, _walk(frame)) * frame.log_uniform(0.05, 1.5)


def _momentum(frame: Frame) -> Paths:
    """A walk whose steps persist, with drift: the usual yearly or quarterly total of an economy."""
    steps = stationary(frame, frame.uniform(0.1, 0.9))
    return 2.5 * frame.clock() * frame.uniform(0, 1) + to_unit(np.cumsum(steps, axis=1), frame) * frame.log_uniform(
        0.12, 1.2
    )


def _reverting_walk(frame: Frame) -> Paths:
    """A drifting level seen through errors that the next step takes back (differences with a negative echo)."""
    level = frame.clock() * frame.uniform(0, 1) * 3 + _per_span(frame, _walk(frame)) * frame.log_uniform(0.1, 1)
    return level + frame.normals() * frame.log_uniform(0.02, 0.5)


def _local_slope(frame: Frame) -> Paths:
    """A level whose slope wanders and, in some rows, fades: the damped local linear trend."""
    fading = 1 - frame.log_uniform(0.002, 0.3)
    slopes = autoregress(frame.normals() * frame.log_uniform(0.1, 2) + 0, fading)
    slopes += frame.normals(1) * 3
    return np.cumsum(slopes, axis=1)


def _kinks(frame: Frame) -> Paths:
    """Straight pieces: one to four changes of slope."""
    clock = frame.clock()
    path = clock * frame.normals(1)
    for _ in range(4):
        kink = frame.uniform(-0.3, 1)
        path = path + np.maximum(clock - kink, 0) * frame.normals(1) * np.where(kink > 0, 1.5, 0).astype(np.float32)
    return path


def _exponential(frame: Frame) -> Paths:
    return np.exp(frame.clock() * frame.uniform(-3, 3))


def _logistic(frame: Frame) -> Paths:
    """S-shaped growth; the turning point may lie outside what is seen."""
    return 1 / (1 + np.exp(-frame.uniform(3, 16) * (frame.clock() - frame.uniform(-0.2, 1.3))))


def _saturating(frame: Frame) -> Paths:
    return 1 - np.exp(-frame.log_uniform(1, 8) * frame.clock())


def _jumps(frame: Frame) -> Paths:
    """A level that stands still between rare jumps."""
    rate = frame.log_uniform(1, 12) / frame.spans[:, None]
    return np.cumsum(frame.normals() * (frame.rng.random((frame.num_series, frame.length)) < rate), axis=1)


def _cycle(frame: Frame) -> Paths:
    """Swings of no fixed length: three to ten seasons, or five to sixty steps."""
    long = frame.log_uniform(3, 10) * max(frame.season_length, 2)
    short = frame.log_uniform(5, 60)
    period = np.where(frame.uniform(0, 1) < 0.5, long, short)
    return stochastic_cycle(frame, period, 1 - frame.log_uniform(0.004, 0.2))


def _autoregression(frame: Frame) -> Paths:
    """A level pulled back to its mean, from quickly to hardly at all."""
    return stationary(frame, 1 - frame.log_uniform(0.005, 0.6))


def _coloured(frame: Frame) -> Paths:
    return coloured(frame, frame.uniform(0.5, 4))


def _smooth(frame: Frame) -> Paths:
    return squared_exponential(frame, frame.spans[:, None] * frame.log_uniform(0.05, 0.5))


def _business(frame: Frame) -> Paths:
    """Growth with booms and slumps around it."""
    swing = to_unit(_cycle(frame), frame)
    return frame.clock() * 3 + swing * frame.log_uniform(0.1, 1.2)


def _regimes(frame: Frame) -> Paths:
    """Slopes that switch between two values, as between growth and recession."""
    stay = 1 - 1 / np.maximum(frame.spans[:, None] * frame.log_uniform(0.05, 0.5), 3)
    flips = frame.rng.random((frame.num_series, frame.length), dtype=np.float32) > stay
    state = (np.cumsum(flips, axis=1) % 2).astype(np.float32)
    return np.cumsum(1 + state * frame.uniform(-3.5, -0.5), axis=1)


def _weather(frame: Frame) -> Paths:
    """A level that drifts over hours or days in terms of the season: smooth in some rows, rough in others."""
    scale = max(frame.season_length, 2) * frame.log_uniform(0.2, 4)
    smooth = squared_exponential(frame, scale)
    return np.where(frame.uniform(0, 1) < 0.5, smooth, stationary(frame, np.exp(-1 / scale)))


def _per_span(frame: Frame, paths: Paths) -> Paths:
    """Walks of unit step, brought to unit spread at the end of the visible span."""
    return paths / np.sqrt(frame.spans[:, None].astype(np.float32))


TRENDS: dict[str, Component] = {
    "none": _none,
    "line": _line,
    "walk": _walk,
    "heavy walk": _heavy_walk,
    "walk with drift": _walk_with_drift,
    "momentum": _momentum,
    "reverting walk": _reverting_walk,
    "local slope": _local_slope,
    "kinks": _kinks,
    "exponential": _exponential,
    "logistic": _logistic,
    "saturating": _saturating,
    "jumps": _jumps,
    "cycle": _cycle,
    "autoregression": _autoregression,
    "coloured": _coloured,
    "smooth": _smooth,
    "business": _business,
    "regimes": _regimes,
    "weather": _weather,
}

#: Families with a direction, which is up more often than down in series that people keep; the others lean half as much.
DIRECTED = frozenset(
    {
        "line",
        "walk with drift",
        "momentum",
        "reverting walk",
        "exponential",
        "logistic",
        "saturating",
        "business",
        "regimes",
        "local slope",
    }
)


def draw_trend(frame: Frame, weights: Mapping[str, float], upward: float) -> Paths:
    """Trends `[num_series, length]` of unit spread; a third of the rows add a second, mostly weaker one."""
    paths = _one_trend(frame, weights, upward)
    rows = frame.chance(0.33)
    if len(rows):
        part = frame.pick(rows)
        paths[rows] += _one_trend(part, weights, upward) * part.log_uniform(0.05, 1)
    return paths


def _one_trend(frame: Frame, weights: Mapping[str, float], upward: float) -> Paths:
    paths, chosen = draw_families(frame, weights, TRENDS)
    paths = to_unit(paths, frame)
    directed = np.asarray([name in DIRECTED for name in weights])[chosen]
    chance = np.where(directed, upward, 0.5 * (upward + 0.5))
    begin = paths[np.arange(frame.num_series), frame.length - frame.spans]
    wanted = np.where(frame.uniform(0, 1)[:, 0] < chance, 1, -1)
    turned = (paths[:, -1] - begin) * wanted < 0
    paths[turned] *= -1
    return paths
