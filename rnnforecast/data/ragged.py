"""Ragged arrays: many runs of rows of different length, laid end to end in one flat array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.arrays import BoolArray, Int64Array

#: Rows that are looked at in one go where an array as long as all rows would be made for nothing.
ROWS_A_BLOCK = 2**19


def offsets_of(lengths: Int64Array) -> Int64Array:
    """Return where each run starts, and behind the last one where it ends: [S] -> [S + 1]."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def positions(lengths: Int64Array) -> Int64Array:
    """Return 0, 1, 2 ... within each run: [S] -> [N]."""
    total = int(lengths.sum())
    return np.arange(total, dtype=np.int64) - np.repeat(offsets_of(lengths)[:-1], lengths)


def rows_of(starts: Int64Array, lengths: Int64Array) -> Int64Array:
    """Return the flat row numbers of runs that begin at `starts`: [S], [S] -> [N]."""
    return np.repeat(starts, lengths) + positions(lengths)


def row_blocks(offsets: Int64Array) -> Iterator[tuple[slice, Int64Array, Int64Array]]:
    """Yield all rows in blocks, with the run of each row and its position in that run: slices, [B], [B]."""
    for start in range(0, int(offsets[-1]), ROWS_A_BLOCK):
        rows = np.arange(start, min(start + ROWS_A_BLOCK, int(offsets[-1])), dtype=np.int64)
        runs = np.searchsorted(offsets, rows, side="right") - 1
        yield slice(start, start + len(rows)), runs, rows - offsets[runs]


def spread_sample(count: int, most: int) -> Int64Array:
    """Return up to `most` of the numbers below `count`, ascending: one drawn from each of as many equal parts.

    Every k-th number would miss kinds that alternate. The draw is the same each time.
    """
    if count <= most:
        return np.arange(count, dtype=np.int64)
    edges = np.arange(most + 1) * count // most
    return np.asarray(np.random.default_rng(0).integers(edges[:-1], edges[1:]), dtype=np.int64)


def in_order(values: npt.NDArray[Any], order: Int64Array) -> npt.NDArray[Any]:
    """Return rows in an order; the rows themselves, looked at and not copied, where they have that order already."""
    has_it = len(order) == len(values) and bool((order[1:] > order[:-1]).all())
    return values if has_it else np.asarray(values[order])


def newest_of_season(observed: BoolArray, lengths: Int64Array, *, season_length: int) -> Int64Array:
    """Return for each row the newest observed row up to and with it, of its run and its position in the season; else -1."""
    owner = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    season = owner * season_length + positions(lengths) % season_length
    order = np.argsort(season, kind="stable")  # rows of one run and position side by side, oldest first
    ordered = season[order]
    newest = last_true_before(observed[order], np.searchsorted(ordered, ordered, side="left"))
    rows = np.empty(len(order), dtype=np.int64)
    rows[order] = np.where(newest >= 0, order[newest], -1)
    return rows


def last_true_before(mask: BoolArray, run_starts: Int64Array) -> Int64Array:
    """Return for each row the newest row up to it whose mask is true, or -1 where its run has none so far.

    `run_starts` [N] holds for each row the row its run begins with.
    """
    newest = np.maximum.accumulate(np.where(mask, np.arange(len(mask), dtype=np.int64), -1))
    return np.where(newest >= run_starts, newest, -1)
