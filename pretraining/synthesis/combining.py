"""How trend, season and noise meet: as exponent, as sum, as product, or around zero.

The parts are sized relative to a level of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pretraining.synthesis.frames import Frame, Mask, Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The largest exponent: beyond it single precision and every real unit of measure end.
_MOST = 9.0


def _exponential(frame: Frame, trend: Paths, season: Paths, noise: Paths) -> Paths:  # noqa: ARG001
    """Growth, season and error in per cent of the level."""
    return np.exp(np.clip(trend + season + noise, -_MOST, _MOST))


def _additive(frame: Frame, trend: Paths, season: Paths, noise: Paths) -> Paths:
    """Everything in units of the level; three quarters of the rows that fall below zero are lifted above it."""
    paths = 1 + trend + season + noise
    lowest = np.min(paths, axis=1, where=frame.visible(), initial=np.inf, keepdims=True)
    lift = np.where(frame.uniform(0, 1) < 0.75, np.maximum(-lowest, 0) * frame.uniform(1, 1.3), 0)
    return paths + lift


def _product(frame: Frame, trend: Paths, season: Paths, noise: Paths) -> Paths:
    """A season in proportion to the trend, and errors in proportion to neither."""
    level = np.exp(np.clip(trend, -_MOST, _MOST))
    ebbing = frame.uniform(0, 1) < 0.5
    return level * (1 + season) * np.where(ebbing, 1 + noise, 1) + np.where(ebbing, 0, noise)


def _around_zero(frame: Frame, trend: Paths, season: Paths, noise: Paths) -> Paths:
    """Balances, temperatures, rates of change: no natural level, both signs."""
    total = trend + season + noise
    size = np.sqrt(np.square(total).mean(axis=1, keepdims=True))
    drawn: Paths = total + size * frame.normals(1)
    return drawn


COMBINATIONS: dict[str, Callable[[Frame, Paths, Paths, Paths], Paths]] = {
    "exponential": _exponential,
    "additive": _additive,
    "product": _product,
    "around zero": _around_zero,
}


def combine(frame: Frame, weights: Mapping[str, float], trend: Paths, season: Paths, noise: Paths) -> Paths:
    """Series `[num_series, length]`, each by one combination drawn by weight."""
    names = list(weights)
    shares = np.asarray(list(weights.values()), dtype=np.float64)
    chosen = frame.rng.choice(len(names), size=frame.num_series, p=shares / shares.sum())
    paths = np.empty((frame.num_series, frame.length), dtype=np.float32)
    for place, name in enumerate(names):
        rows: Mask = chosen == place
        if rows.any():
            part = frame.pick(np.flatnonzero(rows))
            paths[rows] = COMBINATIONS[name](part, trend[rows], season[rows], noise[rows])
    return paths
