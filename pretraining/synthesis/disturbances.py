"""What breaks a series: levels that shift, changes that pass, single wild points, strikes of a few steps.

Sizes are in units of the series' own spread (noise and season together), so that a disturbance shows in quiet and in
restless series alike.
"""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Component, Frame, Paths

#: The largest disturbance in units of the level, or of its logarithm (a factor of twelve).
_MOST = 2.5


def _since(frame: Frame) -> Paths:
    """Steps since a random moment, negative before it."""
    return (np.arange(frame.length, dtype=np.int32)[None, :] - frame.moments()).astype(np.float32)


def _level_shift(frame: Frame) -> Paths:
    shift = (_since(frame) >= 0) * frame.normals(1)
    again = (_since(frame) >= 0) * frame.normals(1) * (frame.uniform(0, 1) < 0.35)
    return (shift + again) * 2.5


def _temporary_change(frame: Frame) -> Paths:
    """A jump that dies out."""
    since = _since(frame)
    fade = np.exp(-np.maximum(since, 0) / (frame.spans[:, None] * frame.log_uniform(0.01, 0.2)))
    return np.where(since >= 0, fade, 0).astype(np.float32) * frame.normals(1) * 4


def _outliers(frame: Frame) -> Paths:
    """One to several wild points."""
    share = frame.log_uniform(0.8, 8) / frame.spans[:, None]
    hit = frame.rng.random((frame.num_series, frame.length), dtype=np.float32) < share
    sizes = 3 + 2 * np.abs(frame.normals())
    sign = np.where(frame.rng.random((frame.num_series, frame.length), dtype=np.float32) < frame.uniform(0, 1), 1, -1)
    drawn: Paths = (hit * sizes * sign).astype(np.float32)
    return drawn


def _strike(frame: Frame) -> Paths:
    """A patch of a few steps at another level: strikes, lockdowns, closed shops."""
    since = _since(frame)
    patch = (since >= 0) & (since < np.maximum(frame.spans[:, None] * frame.log_uniform(0.01, 0.12), 2))
    return patch * (frame.normals(1) - 0.6) * 4


def _new_slope(frame: Frame) -> Paths:
    """A trend from one moment on."""
    return np.maximum(_since(frame), 0) / frame.spans[:, None] * frame.normals(1) * 4


DISTURBANCES: dict[str, Component] = {
    "level shift": _level_shift,
    "temporary change": _temporary_change,
    "outliers": _outliers,
    "strike": _strike,
    "new slope": _new_slope,
}


def disturb(frame: Frame, paths: Paths, spread: Paths, shares: dict[str, float]) -> None:
    """Add disturbances to a share of the rows, in place; `spread [num_series, 1]` sizes them."""
    for name, share in shares.items():
        rows = frame.chance(share)
        if len(rows):
            part = frame.pick(rows)
            effect = DISTURBANCES[name](part) * spread[rows] * part.log_uniform(0.3, 1.5)
            paths[rows] += np.clip(effect, -_MOST, _MOST)
