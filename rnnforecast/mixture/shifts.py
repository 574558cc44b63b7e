"""Level shifts: rows before the last one are moved to the level after it, so that all members see one level.

A shift is a difference to the rows some seasons before that is twice as large as any other one, and lasts.

Axis legend: N rows.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import Float64Array

#: Rows that a shift lasts at least, or half a season.
FEWEST_ROWS = 4
#: Rows that are compared with those before them, or whole seasons.
FEWEST_COMPARED = 7
#: How many times the largest other difference a shift is.
UNUSUAL = 2.0
#: Newest rows in which a shift is looked for, in units of the rows compared; and how many of them come before.
RECENT, EARLIER = 6, 6
#: What must be left of a shift in the newest rows.
LASTING = 0.5
#: Seasons before and after a shift that measure it.
MEASURED = 3


def at_one_level(history: Float64Array, season_length: int) -> Float64Array:
    """Return a history [N], NaN where missing, with the rows before its last level shift moved to the level after it.

    A history without a shift is returned unchanged, and so is one that would fall below zero where it never was.
    """
    lag = season_length * -(-FEWEST_COMPARED // season_length)
    width = max(FEWEST_ROWS, (season_length + 1) // 2)
    recent = RECENT * lag
    if len(history) < lag + width + recent + EARLIER * lag:
        return history
    differences = history[lag:] - history[:-lag]
    known = np.isfinite(differences)
    if not known.any():
        return history
    differences = np.where(known, differences - np.median(differences[known]), 0.0)
    sums = np.concatenate([np.zeros(1), np.cumsum(differences)])
    means = np.abs(sums[width:] - sums[:-width]) / width
    middle = len(means) - recent + int(means[-recent:].argmax())
    first = _first_row(sums, middle, width, lag)
    others = np.concatenate([means[: max(first - width, 0)], means[first + lag :]])  # what the shift has no part in
    usual = float(others.max())
    if means[middle] <= UNUSUAL * usual or float(np.median(others)) <= 0:
        return history
    start = lag + first
    size, left = _size(history, start, lag), _size(history, start, lag, newest=True)
    if not np.isfinite([size, left]).all() or abs(size) <= UNUSUAL * usual or left / size < LASTING:
        return history
    moved = history.copy()
    moved[:start] += size
    if np.nanmin(history) >= 0 > np.nanmin(moved):
        return history
    return moved


def _first_row(sums: Float64Array, middle: int, width: int, lag: int) -> int:
    """Return where a box of up to `lag` differences explains most of them, near the place where they are largest."""
    starts = np.arange(max(middle - width, 0), min(middle + width, len(sums) - 2) + 1)
    ends = np.minimum(starts + lag, len(sums) - 1)
    explained = np.square(sums[ends] - sums[starts]) / (ends - starts)
    return int(starts[explained.argmax()])


def _size(history: Float64Array, start: int, lag: int, *, newest: bool = False) -> float:
    """Return how far the rows from `start` on are from those of the same phase before it; NaN where unknown."""
    before = history[start - MEASURED * lag : start].reshape(MEASURED, lag)
    known = np.isfinite(before)
    usual = np.where(known, before, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    usual[~known.any(axis=0)] = np.nan
    after = history[start : start + MEASURED * lag]
    first = 0
    if newest:
        first = max(len(history) - start - lag, 0)
        after = history[start + first :]
    differences = after - usual[(first + np.arange(len(after))) % lag]
    differences = differences[np.isfinite(differences)]
    return float(differences.mean()) if len(differences) else float("nan")
