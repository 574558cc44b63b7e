"""Imputation of missing targets: zero, the previous value, a line between neighbours, or the previous season."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.ragged import newest_of_season
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import Finding, plural
from rnnforecast.options import Fill


def filled(series: SeriesSet, how: Fill, findings: list[Finding]) -> SeriesSet:
    """Return the series with missing targets filled, with a finding that counts them; `none` leaves all masked.

    Targets without a value before them (for a line, on both sides) stay masked.
    """
    if how == "none" or series.observed.all():
        return series
    values = _FILLERS[how](series)
    known = ~np.isnan(values)
    count = int((known & ~series.observed).sum())
    if count:
        message = f"{plural(count, 'missing target')} filled: --fill {how}"
        column = series.target_names[0]
        findings.append(Finding("W_VALUE_FILLED", message, column=column, count=count))
    return replace(series, values=values, observed=known)


def _newest(series: SeriesSet, season_length: int) -> Float64Array:
    """Return each missing value as the newest one before it at the same place of the season."""
    newest = newest_of_season(series.observed, series.lengths, season_length=season_length)
    return np.where(newest >= 0, series.values[newest], np.nan)


def _line(series: SeriesSet) -> Float64Array:
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


_FILLERS: dict[str, Callable[[SeriesSet], Float64Array]] = {
    "zero": lambda series: np.where(series.observed, series.values, 0.0),
    "previous": lambda series: _newest(series, 1),
    "season": lambda series: _newest(series, series.season_length),
    "linear": _line,
}
