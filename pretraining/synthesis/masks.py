"""Where a series begins, and which of its steps nobody wrote down."""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Frame, Indices, Mask, Paths


def draw_spans(rng: np.random.Generator, num_series: int, length: int, *, short_share: float, shortest: int) -> Indices:
    """Visible steps `[num_series]` at the end of each row: all of them, or any number from the shortest on."""
    low = min(shortest, length)
    short = np.floor(np.exp(rng.uniform(np.log(low), np.log(length + 1), num_series))).astype(np.int64)
    even = rng.integers(low, length + 1, num_series)
    short = np.where(rng.random(num_series) < 0.5, even, np.minimum(short, length))
    return np.where(rng.random(num_series) < short_share, short, length)


def observe(frame: Frame, share: float) -> Mask:
    """Observed steps `[num_series, length]`: visible and not missing; a few rows miss single steps or one block.

    The first and the last visible step are always observed.
    """
    observed = frame.visible()
    rows = frame.chance(share)
    if len(rows):
        part = frame.pick(rows)
        single = part.rng.random((len(rows), frame.length), dtype=np.float32) < part.log_uniform(0.01, 0.2)
        since = np.arange(frame.length)[None, :] - part.moments(0.05)
        block = (since >= 0) & (since < np.maximum(part.spans[:, None] * part.log_uniform(0.01, 0.15), 2))
        block &= np.arange(frame.length)[None, :] < frame.length - part.spans[:, None] // 4
        observed[rows] &= ~np.where(part.uniform(0, 1) < 0.75, single, block)
    everyone = np.arange(frame.num_series)
    observed[everyone, frame.length - frame.spans] = True
    observed[:, -1] = True
    return observed


def hold(paths: Paths, observed: Mask) -> Paths:
    """Paths with the last observed value wherever nothing is observed; before the first one, the first."""
    length = paths.shape[1]
    places = np.where(observed, np.arange(length, dtype=np.int32)[None, :], -1)
    places = np.maximum.accumulate(places, axis=1)
    places = np.where(places < 0, np.argmax(observed, axis=1)[:, None], places)
    return np.take_along_axis(paths, places.astype(np.int64), axis=1)
