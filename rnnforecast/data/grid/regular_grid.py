"""Place rows on a regular grid: sort them, drop repetitions, find the frequency, mask gaps.

n rows of the file, K items (combinations of ids), N rows of the grid, T columns of values.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from rnnforecast.arrays import BoolArray, Int64Array, TimestampArray
from rnnforecast.data.calendar.closed_days import OpenDays, closed_hours, set_open_days
from rnnforecast.data.calendar.frequency import Frequency, in_words, parse_frequency
from rnnforecast.data.calendar.infer_frequency import DistinctTimestamps, infer_frequency, same_series
from rnnforecast.data.calendar.snap import (
    are_midnights_elsewhere,
    calendars_in_words,
    differing_frequencies,
    one_calendar_fix,
    snap,
)
from rnnforecast.data.errors import data_error, quoted
from rnnforecast.data.grid.duplicates import MONTH, YEAR_WORDS, without_duplicates, year_not_turned
from rnnforecast.data.ragged import in_order, offsets_of
from rnnforecast.data.rows import Grid, Rows
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding, plural
from rnnforecast.options import Duplicates

#: Grid rows for one row of the file above which gaps are taken for a wrong timestamp or frequency.
MAX_GRID_ROWS = 1_000_000
MAX_ROWS_PER_ROW = 100
#: What settles whether business days without rows are closed.
CALENDAR_FIX = "name the calendar that closes such days, as `--calendar XNYS` or `DE`, or `--calendar learned`"
#: Rows that show the frequency of one series, and the number of series that are checked.
MIN_CALENDAR_ROWS = 4
MAX_CALENDARS = 1_000


def to_grid(
    rows: Rows,
    *,
    freq: str | None,
    timezone: str | None,
    findings: list[Finding],
    duplicates: Duplicates = "refuse",
    num_targets: int = 1,
    open_days: OpenDays | None = None,
) -> Grid:
    """Sort rows, drop exact repetitions, find the frequency and place the rows on its grid; gaps have no source.

    Appends to `findings`. Raises DataError for timestamps that occur twice with different values, and
    for timestamps without a regular grid.
    """
    order = _sorted(rows, findings)
    rows, order = without_duplicates(rows, order, how=duplicates, num_targets=num_targets, findings=findings)
    if open_days is None or open_days.calendar != "every-day":
        order = without_closed_rows(rows, order, freq=freq, num_targets=num_targets, findings=findings)
    items = in_order(rows.items, order)
    num_items = int(items.max()) + 1
    given = offsets_of(np.bincount(items, minlength=num_items).astype(np.int64))
    clock, timestamps = _frequency(rows, order, given, freq=freq, findings=findings)
    distinct = DistinctTimestamps.of(timestamps, given)
    asked = open_days or OpenDays()
    clock = set_open_days(clock, rows, timestamps, distinct=distinct.timestamps, asked=asked, findings=findings)
    if timezone is not None:
        clock = replace(clock, timezone=timezone)
    ordinals = distinct.to_rows(clock.floor(distinct.timestamps))
    del distinct
    _check_same_calendar(rows, timestamps, ordinals, given, clock)
    first, last = ordinals[given[:-1]], ordinals[given[1:] - 1]
    lengths = last - first + 1
    _check_size(rows, clock, lengths, num_rows=len(order))
    offsets = offsets_of(lengths)
    if np.array_equal(offsets, given) and not clock.has_closed_days:
        sources = order  # no gap: the rows in their order are the grid
    else:
        sources = np.full(int(offsets[-1]), -1, dtype=np.int64)
        sources[(offsets[:-1] - first)[items] + ordinals] = order
    _note_gaps(rows, clock, ordinals, items, findings)
    return Grid(clock, offsets, first, sources, rows)


def _sorted(rows: Rows, findings: list[Finding]) -> Int64Array:
    """Return the rows by item, then by timestamp; counts those that came too late in the file."""
    ascends = bool((rows.items[1:] >= rows.items[:-1]).all())
    order = np.arange(len(rows.items)) if ascends else np.argsort(rows.items, kind="stable")
    timestamps, items = in_order(rows.timestamps, order), in_order(rows.items, order)
    too_late = (timestamps[1:] < timestamps[:-1]) & (items[1:] == items[:-1])
    if too_late.any():
        _check_years(rows, order, timestamps, items, np.flatnonzero(too_late) + 1)
        late = order[1:][too_late]
        were = "was" if len(late) == 1 else "were"
        message = (
            f"{plural(len(late), 'row')} came before an earlier timestamp and {were} sorted by `{rows.time_column}`"
        )
        findings.append(rows.time.finding("N_TIME_UNSORTED", message, rows=np.sort(late)))
        order = np.lexsort((rows.timestamps, rows.items))
    return order.astype(np.int64)


def _check_years(
    rows: Rows, order: Int64Array, timestamps: TimestampArray, items: Int64Array, late: Int64Array
) -> None:
    """Raise DataError for rows at the end of a series whose year was not turned: they would lie far before all others."""
    if timestamps.dtype.kind != "M":
        return
    found: dict[int, list[Int64Array]] = {}
    for place in late[:MAX_CALENDARS]:
        begin, end = np.searchsorted(items, [items[place], items[place] + 1])
        before, after = timestamps[begin:place], timestamps[place:end]
        year = year_not_turned(after, before)
        if year is not None and before.min() - after.max() > MONTH:
            found.setdefault(year + 1, []).append(order[place:end])
    if found:
        fixes = {year: f"write {year} in these rows" for year in found}
        problem = partial(rows.time.problem, "E_TIME_YEAR")
        raise data_error(
            [problem(np.concatenate(late), YEAR_WORDS.format(year), fix=fixes[year]) for year, late in found.items()]
        )


def _frequency(
    rows: Rows, order: Int64Array, offsets: Int64Array, *, freq: str | None, findings: list[Finding]
) -> tuple[Frequency, TimestampArray]:
    """Return the frequency and the timestamps on its grid, nearly regular ones snapped to it."""
    timestamps = in_order(rows.timestamps, order)
    try:
        if freq is None:
            return infer_frequency(timestamps, offsets), timestamps
        distinct = DistinctTimestamps.of(timestamps, offsets).timestamps
        clock = parse_frequency(freq, distinct)
        if _on_grid(clock, distinct).all():
            return clock, timestamps
        error = _off_grid(rows, order, clock, timestamps, offsets=offsets)
    except DataError as cause:
        error = _irregular(rows, order, offsets, cause)
    if are_midnights_elsewhere(timestamps, offsets):
        raise _summer_time(rows, order, timestamps)
    snapped = snap(timestamps, offsets)
    if snapped is None:
        raise error
    clock = snapped.freq if freq is None else parse_frequency(freq, snapped.timestamps)
    if not _on_grid(clock, snapped.timestamps).all():
        raise error
    message = (
        f"{plural(snapped.num_moved, 'timestamp')} moved to the grid of frequency {clock.alias}, "
        f"by at most {snapped.furthest}"
    )
    findings.append(rows.time.finding("W_TIME_SNAPPED", message, count=snapped.num_moved))
    return clock, snapped.timestamps


def _summer_time(rows: Rows, order: Int64Array, timestamps: TimestampArray) -> DataError:
    """Return the error for midnights of an unnamed zone with daylight saving time."""
    file, _ = rows.locate([int(order[0])])
    hours = np.unique((timestamps - timestamps.astype("datetime64[D]")).astype("timedelta64[m]").astype(np.int64))
    times = " and ".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in hours)
    message = (
        f"time column `{rows.time_column}`: timestamps fall on {times} for months each, as midnights of a zone with"
    )
    fix = "name that zone, as `--tz Europe/Berlin`, so that each row gets its own day"
    finding = Finding("E_TIME_SUMMER", f"{message} summer time", file, column=rows.time_column, fix=fix)
    return data_error([finding])


def _irregular(rows: Rows, order: Int64Array, offsets: Int64Array, error: DataError) -> DataError:
    """Return the error with its file; where frequencies differ, with the series of each."""
    file, _ = rows.locate([int(order[0])])
    where = f"{file}, time column `{rows.time_column}`"
    differing = differing_frequencies(rows.timestamps[order], offsets)
    if differing:
        message = f"{where}: series have different calendars: {calendars_in_words(differing, rows.labels)}"
        fix = one_calendar_fix(differing)
        finding = Finding("E_TIME_FREQ_MIXED", message, file, column=rows.time_column, fix=fix)
        return DataError(message, hint=fix, code=finding.code, findings=(finding,))
    found = tuple(replace(finding, file=file, column=rows.time_column) for finding in error.findings)
    return DataError(f"{where}: {error.message}", hint=error.hint, code=error.code, findings=found)


def _check_same_calendar(
    rows: Rows, timestamps: TimestampArray, ordinals: Int64Array, offsets: Int64Array, freq: Frequency
) -> None:
    """Raise DataError for series with a coarser frequency: months in a panel of days do not show gaps."""
    same = same_series(len(ordinals), offsets)
    steps = np.diff(ordinals)
    steps[~same] = np.iinfo(np.int64).max
    long = np.flatnonzero(np.diff(offsets) >= MIN_CALENDAR_ROWS)
    smallest = [int(steps[offsets[series] : offsets[series + 1] - 1].min()) for series in long[:MAX_CALENDARS]]
    coarse = {
        int(series): own.alias
        for series, step in zip(long[:MAX_CALENDARS], smallest, strict=True)
        if step > 1 and (own := _own_calendar(timestamps[offsets[series] : offsets[series + 1]])) is not None
    }
    if coarse:
        if len(offsets) == 2:
            message = f"the rows are {next(iter(coarse.values()))}, not {freq.alias} as was asked for"
            fix = "leave `--freq` (or `--resample`) out, or forecast with a model that was trained on this frequency"
        else:
            found = {int(series): coarse.get(int(series), freq.alias) for series in long[:MAX_CALENDARS]}
            message = f"series have different calendars: {calendars_in_words(found, rows.labels)}"
            fix = one_calendar_fix(found)
        raise data_error([rows.time.finding("E_TIME_FREQ_MIXED", message, value="", count=len(coarse), fix=fix)])


def _own_calendar(timestamps: TimestampArray) -> Frequency | None:
    """Return the calendar of one series where its rows fill it without a gap."""
    try:
        freq = infer_frequency(timestamps, np.array([0, len(timestamps)], dtype=np.int64))
    except DataError:
        return None
    return freq if bool((np.diff(freq.floor(timestamps)) == 1).all()) else None


def _on_grid(freq: Frequency, timestamps: TimestampArray) -> BoolArray:
    return np.asarray(freq.to_timestamps(freq.floor(timestamps)) == timestamps)


def _off_grid(
    rows: Rows, order: Int64Array, freq: Frequency, timestamps: TimestampArray, *, offsets: Int64Array
) -> DataError:
    off = np.flatnonzero(~_on_grid(freq, timestamps))
    timestamp = in_words(timestamps[off[0]])
    words = f"timestamp {timestamp} is not on the grid of frequency {freq.alias}"
    resample = f"`--resample {freq.alias} --aggregate mean`"
    fix = f"name the frequency of the rows with --freq, or bring them to this one with {resample}"
    try:
        words += f"; the rows are {infer_frequency(timestamps, offsets).alias}"
    except DataError:
        fix = f"bring the rows to this frequency with {resample}, or leave out --freq"
    return rows.time.reject("E_TIME_OFF_GRID", np.sort(order[off]), words, value=timestamp, fix=fix)


def _check_size(rows: Rows, freq: Frequency, lengths: Int64Array, *, num_rows: int) -> None:
    total = int(lengths.sum())
    if total <= max(MAX_GRID_ROWS, MAX_ROWS_PER_ROW * num_rows):
        return
    longest = int(np.argmax(lengths))
    label = rows.labels(longest)
    raise DataError(
        f"the grid of frequency {freq.alias} would hold {total} rows for {num_rows} rows of the file"
        + (f", {int(lengths[longest])} of them for series {quoted(label)}" if label else ""),
        hint="look for a wrong timestamp far from the others, or name a coarser frequency with --freq",
        code="E_TIME_SPARSE",
    )


def _note_gaps(rows: Rows, freq: Frequency, ordinals: Int64Array, items: Int64Array, findings: list[Finding]) -> None:
    """Note the number of timestamps without a row, and the longest gap."""
    steps = np.diff(ordinals)
    gaps = np.flatnonzero((items[1:] == items[:-1]) & (steps > 1))
    if not len(gaps):
        return
    missing = int((steps[gaps] - 1).sum())
    longest = gaps[np.argmax(steps[gaps])]
    after = in_words(freq.to_timestamps(ordinals[longest : longest + 1])[0])
    label = rows.labels(int(items[longest]))
    unclear = freq.unit == "business-day" and freq.calendar is None
    kind, fix = ("gap or closed period", CALENDAR_FIX) if unclear else ("gap", None)
    where = f"after {after}" + (f" in series {quoted(label)}" if label else "")
    are = "timestamp is" if missing == 1 else "timestamps are"
    longest_run = plural(int(steps[longest]) - 1, "step")
    message = (
        f"{missing:,} {are} missing from the {freq.grid_name} ({plural(len(gaps), kind)}; longest: {longest_run} "
        f"{where}); masked, not filled in"
    )
    first = in_words(freq.to_timestamps(ordinals[gaps[0] : gaps[0] + 1] + 1)[0])
    findings.append(rows.time.finding("N_TIME_GAPS", message, value=first, count=missing, fix=fix))


#: Fraction of rows without a target from which on they may mark closed days and hours.
MIN_MISSING = 0.05


def without_closed_rows(
    rows: Rows, order: Int64Array, *, freq: str | None, num_targets: int, findings: list[Finding]
) -> Int64Array:
    """Return the order without rows that hold no target and lie on closed days or hours.

    These are the days and hours that a named frequency closes, else those without a target in any series.
    """
    if rows.timestamps.dtype.kind != "M" or not num_targets:
        return order
    missing = np.isnan(rows.values[order, 0])
    if missing.mean() < MIN_MISSING:
        return order
    missing &= np.isnan(rows.values[order, :num_targets]).all(axis=1)
    clock = _open_times(rows, order[~missing], freq)
    if clock is None or not clock.has_closed_days:
        return order
    candidates = np.flatnonzero(missing)
    timestamps = rows.timestamps[order[candidates]].astype("datetime64[us]")
    off = candidates[clock.to_timestamps(clock.floor(timestamps)) != timestamps]
    has_target = np.zeros(int(rows.items.max()) + 1, dtype=np.bool_)
    has_target[rows.items[order[~missing]]] = True
    off = off[has_target[rows.items[order[off]]]]
    if not len(off):
        return order
    message = f"{len(off):,} rows without a target lie on closed days or at closed hours: left out"
    findings.append(rows.time.finding("N_TIME_CLOSED", message, rows=np.sort(order[off]), value=clock.alias))
    return np.delete(order, off)


def _open_times(rows: Rows, observed: Int64Array, freq: str | None) -> Frequency | None:
    """Return the frequency of the rows with a target, with its closed days and hours; None without one."""
    timestamps = rows.timestamps[observed]
    if not len(timestamps):
        return None
    if freq is not None:
        return parse_frequency(freq, timestamps)
    offsets = offsets_of(np.bincount(rows.items[observed]).astype(np.int64))
    try:
        return closed_hours(infer_frequency(timestamps, offsets), timestamps)
    except DataError:
        return None
