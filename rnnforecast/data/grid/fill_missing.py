"""Imputation of missing targets: zero, the previous value, a line between neighbours, or the previous season."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.errors import plural
from rnnforecast.data.ragged import last_true_before
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import Finding
from rnnforecast.options import Fill


def filled(series: SeriesSet, how: Fill, findings: list[Finding]) -> SeriesSet:
    """Return the series with missing targets filled, with a finding that counts them; `none` leaves all masked.

    Targets without a value before them (for a line, on both sides) stay masked.
    """
    if how == "none" or series.observed.all():
        return series
    starts = np.repeat(series.offsets[:-1], series.lengths)
    values = _FILLERS[how](series, starts)
    known = ~np.isnan(values)
    count = int((known & ~series.observed).sum())
    if count:
        message = f"{plural(count, 'missing target')} filled: --fill {how}"
        column = series.target_names[0]
        findings.append(Finding("W_VALUE_FILLED", message, column=column, count=count))
    return replace(series, values=values, observed=known)


def _before(values: Float64Array, observed: BoolArray, starts: Int64Array) -> Float64Array:
    newest = last_true_before(observed, starts)
    return np.where(newest >= 0, values[newest], np.nan)


def _season_before(series: SeriesSet, starts: Int64Array) -> Float64Array:
    """Return each missing value as the newest one before it at the same place of the season."""
    season = series.season_length
    step = np.arange(len(series.values), dtype=np.int64) - starts
    phase = starts * season + step % season  # distinct for each series and place in the season
    order = np.argsort(phase, kind="stable")
    firsts = np.flatnonzero(np.diff(phase[order], prepend=-1))
    group_starts = np.repeat(firsts, np.diff(np.append(firsts, len(order))))
    values = np.empty_like(series.values)
    values[order] = _before(series.values[order], series.observed[order], group_starts)
    return values


def _line(series: SeriesSet, _: Int64Array) -> Float64Array:
    """Return missing values on the line between the observed ones around them in the same series."""
    values, observed, offsets = series.values, series.observed, series.offsets
    known = np.flatnonzero(observed)
    filled_in = values.copy()
    if not len(known):
        return filled_in
    missing = np.flatnonzero(~observed)
    place = np.searchsorted(known, missing)
    left, right = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    owner = np.searchsorted(offsets, missing, side="right") - 1
    inside = (place > 0) & (place < len(known)) & (left >= offsets[owner]) & (right < offsets[owner + 1])
    chosen, left, right = missing[inside], left[inside], right[inside]
    fraction = (chosen - left) / (right - left)
    filled_in[chosen] = values[left] * (1 - fraction) + values[right] * fraction
    return filled_in


_FILLERS: dict[str, Callable[[SeriesSet, Int64Array], Float64Array]] = {
    "zero": lambda series, _: np.where(series.observed, series.values, 0.0),
    "previous": lambda series, starts: _before(series.values, series.observed, starts),
    "season": _season_before,
    "linear": _line,
}
