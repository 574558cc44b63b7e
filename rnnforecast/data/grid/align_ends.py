"""A common end of all series (`--align`): masked rows lead those that end early to the newest timestamp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.arrays import BoolArray, Int64Array
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.errors import quoted
from rnnforecast.data.grid.regular_grid import MAX_GRID_ROWS, MAX_ROWS_PER_ROW
from rnnforecast.data.ragged import offsets_of, positions
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding, plural


def with_common_end(series: SeriesSet, findings: list[Finding]) -> SeriesSet:
    """Return the series with masked rows up to the newest timestamp of all, so that every forecast starts after it.

    Covariates hold their last value in these rows, as they do in gaps. Raises DataError where the rows would be very
    many: some series then ended long before the others.
    """
    ends = series.first_ordinals + series.lengths - 1
    lacking = ends.max() - ends
    if not lacking.any():
        return series
    timestamp = in_words(series.freq.to_timestamps(ends.max()[None])[0])
    count, early = int(lacking.sum()), np.flatnonzero(lacking)
    if count + series.num_rows > max(MAX_GRID_ROWS, MAX_ROWS_PER_ROW * series.num_rows):
        longest = quoted(series.item_ids[int(np.argmax(lacking))])
        raise DataError(
            f"--align would add {count:,} missing rows to {series.num_rows:,}, {int(lacking.max()):,} of them to {longest}",
            hint="leave it out, or leave out the series that ended long before the others",
            code="E_TIME_SPARSE",
        )
    words = f"{len(early)} of {series.num_series} series end before {timestamp}, such as "
    words += f"{quoted(series.item_ids[int(early[0])])}; {plural(count, 'missing row')} added (--align)"
    findings.append(Finding("W_TIME_ALIGNED", words, column=series.time_column, value=timestamp, count=count))
    lengths = series.lengths + lacking
    rows, is_new = _carried_rows(series.offsets, lengths)
    future_lengths = np.diff(series.future_offsets)
    future_rows, _ = _carried_rows(series.future_offsets, np.where(future_lengths > 0, lengths, 0))
    return replace(
        series,
        values=np.where(is_new, np.nan, series.values[rows]),
        observed=series.observed[rows] & ~is_new,
        offsets=offsets_of(lengths),
        past_covariates=series.past_covariates[rows],
        future_covariates=series.future_covariates[future_rows],
        covariates_observed=None if series.covariates_observed is None else series.covariates_observed[future_rows],
        future_offsets=offsets_of(np.maximum(future_lengths, np.where(future_lengths > 0, lengths, 0))),
    )


def _carried_rows(offsets: Int64Array, lengths: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Return runs of at least `lengths` [S] rows as row numbers, the last one again and again, and which repeat it."""
    own = np.diff(offsets)
    lengths = np.maximum(own, lengths)
    step, longest = positions(lengths), np.repeat(own, lengths)
    rows = np.repeat(offsets[:-1], lengths) + np.minimum(step, longest - 1)
    return rows, step >= longest
