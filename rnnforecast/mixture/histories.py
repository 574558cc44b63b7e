"""Histories as plain arrays: cutoffs of causal windows, and batches that a network or a method reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Task:
    """One forecast to make: series number `series` after its first `cutoff` rows."""

    series: int
    cutoff: int


@dataclass(frozen=True)
class CausalWindows:
    """Windows at the end of one history: their cutoffs, ascending, and how many leads of each are scored."""

    cutoffs: tuple[int, ...]
    num_leads: int
    is_apart: bool = True  # no step is scored by two windows


def causal_windows(
    num_rows: int, season_length: int, horizon: int, *, num_windows: int, without_season: bool = False
) -> CausalWindows:
    """Return up to `num_windows` windows; they overlap where rows are few, and have fewer leads than the horizon.

    With `without_season`, a history that is too short for two windows after a season has those of one without a season.
    """
    fewest = 2 * season_length + 3 if num_rows > 3 * season_length + 3 else max(season_length + 2, 5)
    leads = min(horizon, max(1, (num_rows - fewest) // 2))
    fits = num_rows - num_windows * horizon >= fewest
    step = horizon if fits else max(1, min(leads, (num_rows - leads - fewest) // max(num_windows - 1, 1)))
    cutoffs = (num_rows - leads - window * step for window in range(num_windows))
    found = tuple(sorted(cutoff for cutoff in cutoffs if cutoff >= fewest))
    if without_season and len(found) < 2 and season_length > 1:
        return causal_windows(num_rows, 1, horizon, num_windows=num_windows)
    return CausalWindows(found, leads, step >= leads)


def flat_series(histories: Sequence[Float64Array]) -> tuple[FlatSeries, Windows]:
    """Return histories (NaN where missing) without covariates, and the window at the end of each."""
    lengths = np.array([len(history) for history in histories], dtype=np.int64)
    values = np.concatenate(histories)
    observed = np.isfinite(values)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    first = [int(seen.argmax()) if seen.any() else len(seen) for seen in map(np.isfinite, histories)]
    nothing = np.zeros((len(values), 0), dtype=np.float32)
    flat = FlatSeries(
        filled=np.where(observed, values, 0.0),
        observed=observed,
        offsets=offsets,
        lengths=lengths,
        first_observed=np.array(first, dtype=np.int64),
        past_covariates=nothing,
        future_covariates=nothing,
        future_offsets=offsets,
        static_covariates=np.zeros((len(histories), 0), dtype=np.float32),
        loss_scale=np.ones(len(histories)),
    )
    return flat, Windows(np.arange(len(histories), dtype=np.int64), lengths)


def right_aligned(histories: Sequence[Float64Array], length: int) -> tuple[Float64Array, BoolArray]:
    """Return the newest `length` rows of each history, 0 where missing or before its start, and a mask: [B, length]."""
    target = np.zeros((len(histories), length))
    observed: BoolArray = np.zeros((len(histories), length), dtype=np.bool_)
    for row, history in enumerate(histories):
        recent = history[-length:]
        seen = np.isfinite(recent)
        observed[row, length - len(recent) :] = seen
        target[row, length - len(recent) :] = np.where(seen, recent, 0.0)
    return target, observed
