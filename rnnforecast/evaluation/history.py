"""Look-ups into the rows before a cutoff, for many windows at once; no row at or after a cutoff is ever read.

Axis legend: N rows of all series, W windows, H steps ahead. Flat rows count through all series, -1 means none.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.ragged import last_true_before, newest_of_season, offsets_of, positions, rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.frozen import dataclass

#: Rows before the first cutoff of a series that are looked at: more say nothing new, and each costs 80 bytes.
MAX_PAST = 100_000


@dataclass(frozen=True)
class Past:
    """The rows before the cutoff of each window of some series."""

    series: SeriesSet
    windows: Windows

    @classmethod
    def recent(cls, series: SeriesSet, windows: Windows) -> Past:
        """Return the past of windows, of the series alone that have any, from `MAX_PAST` rows before the first cutoff.

        Where nothing was observed in those rows, all of them are looked at.
        """
        if not len(windows):
            return cls(series, windows)
        chosen, number = np.unique(windows.series, return_inverse=True)
        first, last = np.full(len(chosen), np.iinfo(np.int64).max), np.zeros(len(chosen), dtype=np.int64)
        np.minimum.at(first, number, windows.cutoffs)
        np.maximum.at(last, number, windows.cutoffs)
        # whole seasons are left out, so that every row keeps its position in the season
        begins = np.maximum(first - MAX_PAST, 0) // series.season_length * series.season_length
        rows = rows_of(series.offsets[chosen] + begins, last - begins)
        narrow = replace(
            series,
            id_values=series.id_values[chosen],
            target_index=series.target_index[chosen],
            values=series.values[rows],
            observed=series.observed[rows],
            offsets=offsets_of(last - begins),
            first_ordinals=series.first_ordinals[chosen] + begins,
            past_covariates=series.past_covariates[rows],
            future_covariates=series.future_covariates[:0],
            future_offsets=np.zeros(len(chosen) + 1, dtype=np.int64),
            static_covariates=series.static_covariates[chosen],
            own_seasons=None,
        )
        past = cls(narrow, Windows(number, windows.cutoffs - begins[number]))
        return past if (past.last_rows >= 0).all() else cls(series, windows)

    @cached_property
    def place(self) -> Int64Array:
        """Position of each row in its series: [N]."""
        return positions(self.series.lengths)

    @cached_property
    def starts(self) -> Int64Array:
        """First flat row of each window's series: [W]."""
        return np.asarray(self.series.offsets[self.windows.series], dtype=np.int64)

    @cached_property
    def newest(self) -> Int64Array:
        """Newest observed flat row up to and with each row: [N]."""
        rows = np.arange(self.series.num_rows, dtype=np.int64)
        if self.series.observed.all():
            return rows
        return last_true_before(self.series.observed, rows - self.place)

    @cached_property
    def newest_of_season(self) -> Int64Array:
        """Newest observed flat row up to and with each row, of the same position in the season: [N]."""
        series = self.series
        if series.observed.all():
            return np.arange(series.num_rows, dtype=np.int64)
        return newest_of_season(series.observed, series.lengths, season_length=series.season_length)

    @cached_property
    def last_rows(self) -> Int64Array:
        """Last observed flat row before each cutoff: [W]."""
        cutoffs = self.windows.cutoffs
        return np.where(cutoffs > 0, self.newest[np.maximum(self.starts + cutoffs - 1, 0)], -1)

    @cached_property
    def last_values(self) -> Float64Array:
        """Last observed value before each cutoff: [W]."""
        return np.asarray(self.series.values[self.last_rows], dtype=np.float64)

    def season_rows(self, horizon: int) -> Int64Array:
        """Return for each step ahead the newest observed flat row of the same position in the season: [W, H]."""
        season_length = self.series.season_length
        lead = np.arange(horizon, dtype=np.int64)
        place = self.windows.cutoffs[:, None] + lead - season_length * (lead // season_length + 1)  # [W, H]
        rows = self.newest_of_season[np.maximum(self.starts[:, None] + place, 0)]
        return np.where(place >= 0, rows, -1)

    def totals(self, row_values: Float64Array) -> Float64Array:
        """Return the sum of `row_values` [N] over the rows before each cutoff: [W].

        Adds up from cutoff to cutoff within a series: a running sum over all series would lose the digits of
        small series behind large ones.
        """
        windows = self.windows
        order = np.lexsort((windows.cutoffs, windows.series))
        owner, ends = windows.series[order], windows.cutoffs[order]
        first_of_series = np.r_[True, owner[1:] != owner[:-1]][: len(order)]
        begins = np.where(first_of_series, 0, np.r_[0, ends[:-1]][: len(order)])
        starts = self.starts[order]
        bounds = np.stack([starts + begins, starts + ends], axis=1).ravel()
        sums = np.add.reduceat(np.append(row_values, 0.0), bounds)[::2] if len(order) else np.zeros(0)
        sums = np.where(ends > begins, sums, 0.0)  # reduceat gives an empty run its first row
        rank = np.arange(len(order)) - np.maximum.accumulate(np.where(first_of_series, np.arange(len(order)), 0))
        for number in range(1, int(rank.max(initial=0)) + 1):
            later = np.flatnonzero(rank == number)
            sums[later] += sums[later - 1]
        totals = np.empty(len(order))
        totals[order] = sums
        return totals
