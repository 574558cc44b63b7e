"""`SeriesSet`: all series of a file, flat and ragged, on one calendar.

S series, N rows of all series laid end to end, Nf rows of covariates known ahead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field, replace

import numpy as np

from rnnforecast.arrays import BoolArray, Float32Array, Float64Array, Int64Array, TextArray, TimestampArray
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.calendar.infer_frequency import check_horizon
from rnnforecast.data.ragged import last_true_before, newest_of_season, offsets_of, positions, rows_of
from rnnforecast.frozen import dataclass

#: Rows of a part: what is worked out of them takes tens of megabytes, whatever the panel takes.
ROWS_A_PART = 2**19


@dataclass(frozen=True)
class SeriesSet:
    """All series of the files: one entry for each item and target, rows of entry s at `offsets[s]:offsets[s + 1]`.

    Gaps of the file are rows whose `observed` is false; missing rows at the end stay, so that a forecast starts
    after the last timestamp. Row i of a series' future covariates belongs to row i of its target; rows from the
    series' length on are the known future.
    """

    id_columns: tuple[str, ...]  # the user's own names, () when there is one series
    id_values: TextArray  # [S, len(id_columns)]
    target_names: tuple[str, ...]
    target_index: Int64Array  # [S]
    time_column: str | None
    values: Float64Array  # [N], NaN where not observed
    observed: BoolArray  # [N]
    offsets: Int64Array  # [S + 1]
    first_ordinals: Int64Array  # [S]
    freq: Frequency
    season_length: int
    past_covariates: Float32Array  # [N, Fp]
    future_covariates: Float32Array  # [Nf, Ff]
    future_offsets: Int64Array  # [S + 1]
    static_covariates: Float32Array  # [S, Fs]
    past_names: tuple[str, ...] = ()
    future_names: tuple[str, ...] = ()
    static_names: tuple[str, ...] = ()
    #: columns that hold codes: 1 for the first of their categories, 0 for one that is not among them
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: which future covariates the files have, [Nf, Ff]; the others were filled. None: all of them
    covariates_observed: BoolArray | None = None
    longer_seasons: tuple[int, ...] = ()  # more season lengths that were named, ascending
    other_seasons: tuple[int, ...] = ()  # seasons of plain steps that several series have instead
    own_seasons: Int64Array | None = None  # [S] seasons of plain steps, where they differ between series

    @property
    def num_series(self) -> int:
        """Number of series, S."""
        return len(self.offsets) - 1

    @property
    def num_rows(self) -> int:
        """Number of target rows of all series, N, masked ones included."""
        return len(self.values)

    @property
    def lengths(self) -> Int64Array:
        """Number of rows of each series: [S]."""
        return np.diff(self.offsets)

    @property
    def longest_season(self) -> int:
        """The longest season that any series has, 1 where none has one."""
        return self.season_length if self.own_seasons is None else int(self.own_seasons.max(initial=1))

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Covariates that change over time: those known ahead, then those known up to the cutoff."""
        return (*self.future_names, *self.past_names)

    @property
    def target_categories(self) -> tuple[str, ...]:
        """The words that values of the target number, from 1 on; () where it holds numbers."""
        return tuple(self.categories.get(self.target_names[0], ())) if self.target_names else ()

    @property
    def item_ids(self) -> list[str]:
        """One label for each series: its ids joined by `/`, with the target's name where there are several."""
        targets = [self.target_names[index] for index in self.target_index]
        if not self.id_columns:
            return targets
        joined = ["/".join(ids) for ids in self.id_values]
        if len(self.target_names) == 1:
            return joined
        return [f"{label}/{target}" for label, target in zip(joined, targets, strict=True)]

    def filled(self) -> Float64Array:
        """Return values without NaN: [N], for the input of a network that also reads the mask.

        A missing value becomes the newest observed one of its position in the season, else the last observed one,
        else (before anything was observed) the first observed one; 0 in a series without any observed value.
        """
        if self.observed.all():
            return self.values
        filled = self.values.copy()
        start = 0
        for part in self.parts():
            rows, fills = _seasonal_fill(part)
            filled[start + rows] = fills
            start += part.num_rows
        return filled

    def head(self, lengths: Int64Array) -> SeriesSet:
        """Return the first `lengths` [S] rows of each series; covariates known ahead are kept whole."""
        kept = np.clip(np.asarray(lengths, dtype=np.int64), 0, self.lengths)
        rows = rows_of(self.offsets[:-1], kept)
        return replace(
            self,
            values=self.values[rows],
            observed=self.observed[rows],
            offsets=offsets_of(kept),
            past_covariates=self.past_covariates[rows],
        )

    def select(self, index: Int64Array) -> SeriesSet:
        """Return the series of these numbers, in this order."""
        index = np.asarray(index, dtype=np.int64)
        rows = rows_of(self.offsets[index], self.lengths[index])
        future_lengths = np.diff(self.future_offsets)[index]
        future_rows = rows_of(self.future_offsets[index], future_lengths)
        return self._cut(index, rows, future_rows, offsets_of(self.lengths[index]), offsets_of(future_lengths))

    def part(self, start: int, stop: int) -> SeriesSet:
        """Return the series from number `start` to before `stop`; their rows are looked at, not copied."""
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        future = slice(int(self.future_offsets[start]), int(self.future_offsets[stop]))
        offsets = self.offsets[start : stop + 1] - self.offsets[start]
        future_offsets = self.future_offsets[start : stop + 1] - self.future_offsets[start]
        return self._cut(slice(start, stop), rows, future, offsets, future_offsets)

    def _cut(
        self,
        series: Int64Array | slice,
        rows: Int64Array | slice,
        future_rows: Int64Array | slice,
        offsets: Int64Array,
        future_offsets: Int64Array,
    ) -> SeriesSet:
        return replace(
            self,
            id_values=self.id_values[series],
            target_index=self.target_index[series],
            values=self.values[rows],
            observed=self.observed[rows],
            offsets=offsets,
            first_ordinals=self.first_ordinals[series],
            past_covariates=self.past_covariates[rows],
            future_covariates=self.future_covariates[future_rows],
            covariates_observed=None if self.covariates_observed is None else self.covariates_observed[future_rows],
            future_offsets=future_offsets,
            static_covariates=self.static_covariates[series],
            own_seasons=None if self.own_seasons is None else self.own_seasons[series],
        )

    def with_own_seasons(self, differing: Mapping[int, int]) -> SeriesSet:
        """Return the series with the seasons that differ from that of the panel, by number."""
        if not differing:
            return replace(self, own_seasons=None)
        seasons = np.full(self.num_series, self.season_length, dtype=np.int64)
        seasons[list(differing)] = list(differing.values())
        return replace(self, own_seasons=seasons)

    def parts(self) -> Iterator[SeriesSet]:
        """Yield all series in order, in parts of at most `ROWS_A_PART` rows; a longer series is one part."""
        start = 0
        while start < self.num_series:
            end = np.searchsorted(self.offsets, self.offsets[start] + ROWS_A_PART, side="right") - 1
            stop = max(int(end), start + 1)
            yield self.part(start, stop)
            start = stop

    def timestamps(self, series: int) -> TimestampArray:
        """Return the timestamps of one series: [length]."""
        length = int(self.offsets[series + 1] - self.offsets[series])
        return self.freq.to_timestamps(self.first_ordinals[series] + np.arange(length, dtype=np.int64))

    def future_timestamps(self, horizon: int) -> TimestampArray:
        """Return the timestamps that follow the last row of each series: [S, H]."""
        next_ordinals = self.first_ordinals + self.lengths
        if len(next_ordinals):
            check_horizon(self.freq, int(next_ordinals.max()) - 1, horizon)
        return self.freq.to_timestamps(next_ordinals[:, None] + np.arange(horizon, dtype=np.int64))

    def digest(self) -> str:
        """Return a sha256 of values, masks, timestamps, ids and covariates: equal for the same data in any file."""
        digest = hashlib.sha256()
        header = (self.id_columns, self.target_names, self.freq, self.past_names, self.future_names, self.static_names)
        digest.update(repr(header).encode())
        if self.categories:
            digest.update(repr(sorted(self.categories.items())).encode("utf-8", "surrogatepass"))
        arrays = (
            np.where(self.observed, self.values, 0.0), self.observed, self.offsets, self.first_ordinals,
            self.target_index, self.past_covariates, self.future_covariates, self.future_offsets,
            self.static_covariates,
        )  # fmt: skip
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\0".join(self.id_values.ravel().tolist()).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _seasonal_fill(series: SeriesSet) -> tuple[Int64Array, Float64Array]:
    """Return the missing rows and what to put there; only series that miss something are looked at."""
    missing_before = offsets_of((~series.observed).astype(np.int64))[series.offsets]
    chosen = np.flatnonzero(np.diff(missing_before) > 0)
    lengths = series.lengths[chosen]
    rows = rows_of(series.offsets[chosen], lengths)  # [n] flat rows of the chosen series
    observed, values = series.observed[rows], series.values[rows]
    starts = np.arange(len(rows), dtype=np.int64) - positions(lengths)

    owner = np.repeat(np.arange(len(chosen), dtype=np.int64), lengths)
    source = newest_of_season(observed, lengths, season_length=series.season_length)
    last = last_true_before(observed, starts)
    first = _first_true(observed, offsets_of(lengths))[owner]
    source = np.where(source >= 0, source, np.where(last >= 0, last, first))
    fills = np.where(source >= 0, values[source], 0.0)
    return rows[~observed], fills[~observed]


def _first_true(mask: BoolArray, offsets: Int64Array) -> Int64Array:
    """Return the first true row of each run, -1 where there is none: [S]."""
    true_rows = np.append(np.flatnonzero(mask), len(mask))
    first = true_rows[np.searchsorted(true_rows[:-1], offsets[:-1])]
    return np.where(first < offsets[1:], first, -1)


def first_observed(series: SeriesSet) -> Int64Array:
    """Return the position of the first observed row of each series, its length where there is none: [S]."""
    rows = _first_true(series.observed, series.offsets)
    return np.where(rows >= 0, rows - series.offsets[:-1], series.lengths)
