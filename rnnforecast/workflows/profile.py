"""The profile of series: what `inspect` finds out about their values, beyond how they are read.

N rows of one series, m season length.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.calendar.seasonality import autocorrelation
from rnnforecast.data.series import SeriesSet

#: Longest lag of an autocorrelation, in seasons and in steps.
SEASONS_OF_LAGS, MAX_LAG = 3, 400


def total_of(series: SeriesSet) -> tuple[Int64Array, Float64Array]:
    """Return ordinals and values [N] of the sum of all series; of the first target where there are several.

    A step at which no series was observed is NaN.
    """
    chosen = np.flatnonzero(series.target_index == series.target_index[0]) if series.num_series else np.arange(0)
    if len(chosen) < series.num_series:
        series = series.select(chosen)
    if not series.num_rows:
        return np.empty(0, dtype=np.int64), np.empty(0)
    first = int(series.first_ordinals.min())
    place = np.repeat(series.first_ordinals - first - series.offsets[:-1], series.lengths) + np.arange(series.num_rows)
    length = int((series.first_ordinals + series.lengths).max()) - first
    sums = np.bincount(place, weights=np.where(series.observed, series.values, 0.0), minlength=length)
    counts = np.bincount(place, weights=series.observed, minlength=length)
    return first + np.arange(length, dtype=np.int64), np.where(counts > 0, sums, np.nan)


def common_end(series: SeriesSet) -> tuple[int, BoolArray]:
    """Return the last ordinal of most series, and which series [S] end there: forecasts of those can be added up."""
    last = series.first_ordinals + series.lengths - 1
    end = int(np.bincount(last - last.min()).argmax() + last.min())
    return end, last == end


def last_rows_total(series: SeriesSet, chosen: BoolArray, *, num_rows: int) -> Float64Array:
    """Return the sum over the chosen series [S] of each of their last `num_rows` rows; NaN where none was observed."""
    sums, seen = np.zeros(num_rows), np.zeros(num_rows, dtype=np.int64)
    for back in range(num_rows):
        rows = series.offsets[1:][chosen & (series.lengths > back)] - 1 - back
        known = series.observed[rows]
        sums[num_rows - 1 - back], seen[num_rows - 1 - back] = series.values[rows][known].sum(), known.sum()
    return np.where(seen > 0, sums, np.nan)


def autocorrelations(values: Float64Array, *, season_length: int) -> Float64Array:
    """Return the autocorrelation of values [N], NaN where missing, at lags 0 to `MAX_LAG`; empty for a constant."""
    observed = np.isfinite(values)
    if observed.sum() < 3:
        return np.empty(0)
    wanted = max(SEASONS_OF_LAGS * season_length, 30) if season_length > 1 else 60
    longest = int(min(wanted, MAX_LAG, len(values) // 2)) + 1
    centred = np.where(observed, values - values[observed].mean(), 0.0)
    found = autocorrelation(centred, observed, longest=longest)
    return np.empty(0) if found is None else np.clip(found, -1.0, 1.0)


def season_shape(values: Float64Array, ordinals: Int64Array, *, season_length: int) -> Float64Array:
    """Return the 10 %, 50 % and 90 % quantile of values [N] by position in the season: [m, 3], NaN without values."""
    shape = np.full((season_length, 3), np.nan)
    position = ordinals % season_length
    order = np.argsort(position, kind="stable")
    bounds = np.searchsorted(position[order], np.arange(season_length + 1))
    for place, (start, stop) in enumerate(pairwise(bounds.tolist())):
        found = values[order[start:stop]]
        found = found[np.isfinite(found)]
        if len(found):
            shape[place] = np.quantile(found, (0.1, 0.5, 0.9))
    return shape
