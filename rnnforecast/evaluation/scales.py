"""Error scales: errors are divided by them so that series of any size can be averaged.

Axis legend: S series, B rows of a block.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.ragged import row_blocks
from rnnforecast.data.series import SeriesSet
from rnnforecast.frozen import dataclass

#: Differences below this fraction of the series' size are rounding, not movement.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Scales:
    """Error scales of each series; never 0, so a constant series has finite errors.

    `fallback` tells how the scales were computed: 0 differences at the season, 1 differences of neighbours
    (no season, or all of them 0), 2 the mean size of the values (the series never moved), 3 the number 1 (nothing but zeros).
    """

    mase: Float64Array  # [S] mean |y_t - y_{t-m}|
    rmsse: Float64Array  # [S] root of mean (y_t - y_{t-m})^2
    fallback: Int64Array  # [S]


def seasonal_scales(series: SeriesSet) -> Scales:
    """Return the scales of MASE and RMSSE over all rows of each series (Hyndman and Koehler 2006).

    Pass the rows before the first test cutoff (`series.head(known)`) so that no later row is used.
    """
    num_series, season_length = series.num_series, series.season_length
    sizes = _Means(num_series)
    changes = {lag: (_Means(num_series), _Means(num_series)) for lag in {1, season_length}}
    for rows, owner, place in row_blocks(series.offsets):
        known = np.flatnonzero(series.observed[rows])
        sizes.add(owner[known], np.abs(series.values[rows][known]))
        for lag, (of_sizes, of_squares) in changes.items():
            later = known[place[known] >= lag]
            earlier = later + rows.start - lag
            both = series.observed[earlier]
            later, earlier = later[both], earlier[both]
            differences = series.values[rows][later] - series.values[earlier]
            of_sizes.add(owner[later], np.abs(differences))
            with np.errstate(over="ignore"):
                of_squares.add(owner[later], differences**2)
    size = sizes.means()
    candidates = [(2, size, size)]
    for lag in (1, season_length)[: len(changes)]:
        of_sizes, of_squares = changes[lag]
        candidates.append((0 if lag == season_length else 1, of_sizes.means(), np.sqrt(of_squares.means())))
    mase, rmsse = np.ones(num_series), np.ones(num_series)
    fallback = np.full(num_series, 3, dtype=np.int64)
    for code, absolute, squared in candidates:  # each better one replaces the one before
        smallest = np.maximum(ROUNDING * size, np.finfo(np.float64).tiny)
        usable = np.isfinite(absolute) & np.isfinite(squared) & (absolute > smallest)
        mase = np.where(usable, absolute, mase)
        rmsse = np.where(usable, squared, rmsse)
        fallback = np.where(usable, code, fallback)
    return Scales(mase=mase, rmsse=rmsse, fallback=fallback)


class _Means:
    """The mean of each series, added up block by block: an array for each step of it took most of the memory."""

    def __init__(self, num_series: int) -> None:
        self._total, self._count = np.zeros(num_series), np.zeros(num_series, dtype=np.int64)

    def add(self, owner: Int64Array, values: Float64Array) -> None:
        """Take in values [B] of the series `owner` [B]."""
        self._total += np.bincount(owner, weights=values, minlength=len(self._total))
        self._count += np.bincount(owner, minlength=len(self._count))

    def means(self) -> Float64Array:
        """Return the means [S], NaN where there was no value."""
        empty = np.full(len(self._total), np.nan)
        mean: Float64Array = np.divide(self._total, self._count, out=empty, where=self._count > 0)
        return mean
