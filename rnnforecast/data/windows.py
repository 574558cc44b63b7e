"""Windows as indices into flat series, and the one gather that turns them into a batch.

Axis legend: S series, N rows of all series, W windows, B batch, C context_length, H horizon, F features.
Arrays are NumPy arrays or torch tensors of one device; this file imports NumPy only.
"""

from __future__ import annotations

from dataclasses import fields
from types import ModuleType
from typing import Any

import numpy as np

from rnnforecast.arrays import Array as Array
from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.ragged import positions
from rnnforecast.data.series import SeriesSet, first_observed
from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class WindowBatch:
    """Everything a network may see of a window, and what it is judged by.

    `past_*` ends with the cutoff, `future_*` starts one step after it. Masks are false for missing values, for
    padding before a series starts and for steps after it ends.
    """

    past_target: Array  # [B, C] float64, missing values filled, left-padded with the first value of the series
    past_observed: Array  # [B, C] bool
    future_target: Array  # [B, H] float64, filled
    future_observed: Array  # [B, H] bool
    past_covariates: Array  # [B, C, Fp] float32
    future_covariates: Array  # [B, C + H, Ff] float32, the first C steps are those of the past
    static_covariates: Array  # [B, Fs] float32
    loss_scale: Array  # [B] float64, never 0


@dataclass(frozen=True)
class Windows:
    """Windows as numbers: series `series[w]` with its first `cutoffs[w]` rows as the past."""

    series: Array  # [W] int64
    cutoffs: Array  # [W] int64

    def __len__(self) -> int:
        return len(self.series)

    def select(self, index: Array) -> Windows:
        """Return the windows of these numbers, or of this slice or mask."""
        return Windows(self.series[index], self.cutoffs[index])


def min_past(season_length: int) -> int:
    """Rows of history a training window needs at least: one season and a step, and two for a slope."""
    return max(2, season_length + 1)


def make_windows(
    lengths: Int64Array,
    *,
    context_length: int,
    horizon: int,
    min_past: int | None = None,
    stride: int = 1,
    max_per_series: int | None = None,
    first: Int64Array | int | None = None,
    last: Int64Array | int | None = None,
) -> Windows:
    """Cut every window: cutoffs `stride` apart, counted back from the newest; in order of series, then of time.

    A window has at least `min_past` rows before its cutoff (default: a full context) and its horizon inside the
    series. `first` and `last` [S] bound the cutoffs further; a series that is too short has no window.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    lowest = np.full_like(lengths, context_length if min_past is None else min_past)
    if first is not None:
        lowest = np.maximum(lowest, first)
    highest = lengths - horizon
    if last is not None:
        highest = np.minimum(highest, last)
    counts = np.maximum((highest - lowest) // stride + 1, 0)
    if max_per_series is not None:
        counts = np.minimum(counts, max_per_series)
    series = np.repeat(np.arange(len(lengths), dtype=np.int64), counts)
    steps_back = counts[series] - 1 - positions(counts)
    return Windows(series, highest[series] - steps_back * stride)


@dataclass(frozen=True)
class FlatSeries:
    """The arrays of a `SeriesSet` that a gather reads; training moves them to a device field by field."""

    filled: Array  # [N] float64
    observed: Array  # [N] bool
    offsets: Array  # [S + 1] int64
    lengths: Array  # [S] int64, rows of each series that may be seen; those after them count as missing
    first_observed: Array  # [S] int64
    past_covariates: Array  # [N, Fp] float32
    future_covariates: Array  # [Nf, Ff] float32
    future_offsets: Array  # [S + 1] int64
    static_covariates: Array  # [S, Fs] float32
    loss_scale: Array  # [S] float64

    @classmethod
    def from_series(cls, series: SeriesSet, loss_scale: Float64Array | None = None) -> FlatSeries:
        """Lay out series for gathers; `loss_scale` [S] is 1 unless given."""
        return cls(
            filled=series.filled(),
            observed=series.observed,
            offsets=series.offsets,
            lengths=series.lengths,
            first_observed=first_observed(series),
            past_covariates=series.past_covariates,
            future_covariates=series.future_covariates,
            future_offsets=series.future_offsets,
            static_covariates=series.static_covariates,
            loss_scale=np.ones(series.num_series) if loss_scale is None else np.asarray(loss_scale, np.float64),
        )

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name, for example to move them: `FlatSeries(**{n: move(a) for n, a in ...})`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def gather(
    flat: FlatSeries, windows: Windows, *, context_length: int, horizon: int, xp: ModuleType = np
) -> WindowBatch:
    """Read a batch of windows in one gather of each array; no copy of a window exists before."""
    series, cutoffs = windows.series, windows.cutoffs
    starts = flat.offsets[series][:, None]  # [B, 1]
    lengths = flat.lengths[series][:, None]
    steps = cutoffs[:, None] + xp.arange(-context_length, horizon, **_like(flat.offsets))  # [B, C + H]
    inside = (steps >= 0) & (steps < lengths)
    rows = _bounded(starts + _bounded(steps, lengths - 1), len(flat.filled) - 1)
    target = flat.filled[rows]  # [B, C + H]
    observed = flat.observed[rows] & inside
    # before the first observed value all fillings come from the future: the network must see a plain 0
    known = (cutoffs > flat.first_observed[series])[:, None]
    past = xp.where(known, target[:, :context_length], 0.0)
    return WindowBatch(
        past_target=past,
        past_observed=observed[:, :context_length],
        future_target=target[:, context_length:],
        future_observed=observed[:, context_length:],
        past_covariates=_taken(xp, flat.past_covariates, rows[:, :context_length]),
        future_covariates=_future_covariates(xp, flat, series, steps),
        static_covariates=_taken(xp, flat.static_covariates, series),
        loss_scale=flat.loss_scale[series],
    )


def _future_covariates(xp: ModuleType, flat: FlatSeries, series: Array, steps: Array) -> Array:
    """Return covariates known ahead for each step: [B, C + H, Ff]; the nearest known row outside their range."""
    if flat.future_covariates.shape[1]:
        starts = flat.future_offsets[series][:, None]
        last = flat.future_offsets[series + 1][:, None] - starts - 1
        steps = starts + _bounded(steps, last)
    return _taken(xp, flat.future_covariates, steps)


def _taken(xp: ModuleType, covariates: Array, index: Array) -> Array:
    """Return rows of covariates; most data have none, and an empty gather takes as long as one of a column."""
    return covariates[index] if covariates.shape[1] else xp.zeros((*index.shape, 0), **_like(covariates))


def _bounded(index: Array, highest: Array | int) -> Array:
    """Return the index held between 0 and `highest`, which may be below 0 for an empty series."""
    return index.clip(max=highest).clip(min=0)


def _like(array: Array) -> dict[str, Any]:
    """Return the keywords that make a new array of the same kind, and on the same device for torch."""
    if isinstance(array, np.ndarray):
        return {"dtype": array.dtype}
    return {"dtype": array.dtype, "device": array.device}
