"""What errors are divided by so that series of any size can be averaged.

Axis legend: S series, N rows of all series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnforecast.data.ragged import positions

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Differences below this share of the series' own size are rounding, not movement.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Scales:
    """What the errors of each series are divided by; never 0, so a constant series has finite errors.

    `fallback` says what the scales are: 0 differences at the season, 1 differences of neighbours (the season gave
    nothing or 0), 2 the mean size of the values (the series never moved), 3 the number 1 (nothing but zeros).
    """

    mase: FloatArray  # [S] mean |y_t - y_{t-m}|
    rmsse: FloatArray  # [S] root of mean (y_t - y_{t-m})^2
    fallback: IntArray  # [S]


def seasonal_scales(series: SeriesSet) -> Scales:
    """Return the scales of MASE and RMSSE over all rows of each series (Hyndman and Koehler 2006).

    Give it the rows before the first held-out cutoff (`series.head(known)`), and nothing later is looked at.
    """
    lengths = series.lengths
    owner = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)  # [N]
    place = positions(lengths)  # [N]
    size = _group_mean(np.abs(series.values[series.observed]), owner[series.observed], len(lengths))
    mase, rmsse = np.ones(len(lengths)), np.ones(len(lengths))
    fallback = np.full(len(lengths), 3, dtype=np.int64)
    candidates = [(2, size, size), (1, *_difference_scales(series, owner, place, lag=1))]
    if series.season_length == 1:
        candidates[1] = (0, *candidates[1][1:])
    else:
        candidates.append((0, *_difference_scales(series, owner, place, lag=series.season_length)))
    for code, absolute, squared in candidates:  # each better one replaces the one before
        smallest = np.maximum(ROUNDING * size, np.finfo(np.float64).tiny)
        usable = np.isfinite(absolute) & np.isfinite(squared) & (absolute > smallest)
        mase = np.where(usable, absolute, mase)
        rmsse = np.where(usable, squared, rmsse)
        fallback = np.where(usable, code, fallback)
    return Scales(mase=mase, rmsse=rmsse, fallback=fallback)


def _difference_scales(
    series: SeriesSet, owner: IntArray, place: IntArray, *, lag: int
) -> tuple[FloatArray, FloatArray]:
    """Return mean absolute and root mean squared differences at a lag, where both rows are known: [S], [S]."""
    rows = np.flatnonzero(series.observed & (place >= lag))
    rows = rows[series.observed[rows - lag]]
    with np.errstate(over="ignore"):
        differences = series.values[rows] - series.values[rows - lag]
        squared = _group_mean(differences**2, owner[rows], series.num_series)
    return _group_mean(np.abs(differences), owner[rows], series.num_series), np.sqrt(squared)


def _group_mean(values: FloatArray, groups: IntArray, num_groups: int) -> FloatArray:
    """Return the mean of each group, NaN for an empty one: [G]."""
    total = np.bincount(groups, weights=values, minlength=num_groups)
    count = np.bincount(groups, minlength=num_groups)
    mean: FloatArray = np.divide(total, count, out=np.full(num_groups, np.nan), where=count > 0)
    return mean
