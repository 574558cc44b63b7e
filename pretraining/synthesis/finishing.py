"""From a series to numbers somebody wrote down: limits, zeros, signs, units, rounding."""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Frame, Mask, Paths


def limit(frame: Frame, paths: Paths) -> None:
    """Clip some rows at zero, some at a capacity, some at a floor, in place."""
    rows = frame.chance(0.25)
    paths[rows] = np.maximum(paths[rows], 0)
    rows = frame.chance(0.015)
    if len(rows):
        ceiling = np.quantile(paths[rows], 0.9, axis=1, keepdims=True).astype(np.float32)
        paths[rows] = np.minimum(paths[rows], ceiling)
    rows = frame.chance(0.02)
    if len(rows):
        floor = np.quantile(paths[rows], 0.3, axis=1, keepdims=True).astype(np.float32)
        paths[rows] = np.maximum(paths[rows], floor)


def blank(frame: Frame, paths: Paths, share: float) -> None:
    """Set steps of some rows to zero, in place: closed days here and there, or one closed time."""
    rows = frame.chance(share)
    if not len(rows):
        return
    part = frame.pick(rows)
    single = part.rng.random((len(rows), frame.length), dtype=np.float32) < part.log_uniform(0.005, 0.15)
    since = np.arange(frame.length)[None, :] - part.moments()
    closed = (since >= 0) & (since < np.maximum(part.spans[:, None] * part.log_uniform(0.01, 0.15), 2))
    paths[rows] = np.where(np.where(part.uniform(0, 1) < 0.7, single, closed), 0, paths[rows])


def turn(frame: Frame, paths: Paths, whole: Mask) -> None:
    """Flip the sign of a few rows (not of `whole` ones), run a few backwards, and hold a few constant, in place."""
    flipped = np.flatnonzero((frame.rng.random(frame.num_series) < 0.015) & ~whole)
    paths[flipped] *= -1
    reversed_ = np.flatnonzero((frame.rng.random(frame.num_series) < 0.02) & (frame.spans == frame.length))
    paths[reversed_] = paths[reversed_][:, ::-1]
    still = frame.chance(0.004)
    paths[still] = paths[still][:, -1:]


def in_units(frame: Frame, paths: Paths) -> Paths:
    """The rows in units of measure between a hundredth and a million."""
    return paths * frame.log_uniform(0.01, 1e6)


def write_down(frame: Frame, paths: Paths, whole: Mask) -> None:
    """Round three rows in five to one to four digits of their mean size, in place; `whole` rows stay as they are."""
    rows = np.flatnonzero((frame.rng.random(frame.num_series) < 0.6) & ~whole)
    if not len(rows):
        return
    size = np.maximum(np.abs(paths[rows]).mean(axis=1, keepdims=True, dtype=np.float64), 1e-6)
    digits = frame.rng.choice([1, 2, 3, 4], size=(len(rows), 1), p=[0.1, 0.35, 0.35, 0.2])
    unit = np.power(10.0, np.floor(np.log10(size)) - digits)
    paths[rows] = np.round(paths[rows] / unit) * unit + 0.0
