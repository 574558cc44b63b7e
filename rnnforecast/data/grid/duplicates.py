"""Rows of one series with the same timestamp: exact repetitions are dropped, others merged as asked, or rejected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.calendar.snap import exchanged_days
from rnnforecast.data.errors import data_error, quoted, rows_in_words
from rnnforecast.data.grid.resample import aggregate
from rnnforecast.data.ragged import in_order
from rnnforecast.data.rows import Rows
from rnnforecast.data.timestamps.timezones import is_clock_put_back
from rnnforecast.findings import Finding
from rnnforecast.options import Duplicates

#: The longest month: a year that was not turned begins and ends within one.
MONTH = np.timedelta64(31, "D")
YEAR_WORDS = "as rows of {} they would continue the others: the year may not have been turned in January"


def without_duplicates(
    rows: Rows, order: Int64Array, *, how: Duplicates, num_targets: int, findings: list[Finding]
) -> tuple[Rows, Int64Array]:
    """Return rows and order (by item, then timestamp, then file) with one row for each timestamp of a series.

    With `refuse`, exact repetitions are dropped and others raise DataError. Otherwise all rows of a timestamp are merged
    into one: targets by the sum, mean, first or last observed value, covariates by the first or last.
    """
    items, timestamps = in_order(rows.items, order), in_order(rows.timestamps, order)
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = (items[1:] == items[:-1]) & (timestamps[1:] == timestamps[:-1])
    if not again.any():
        return rows, order
    values = rows.values[order]
    same = np.zeros(len(order), dtype=np.bool_)
    same[1:] = ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    chosen = np.flatnonzero(again)
    were = "row was" if len(chosen) == 1 else "rows were"
    if how != "refuse":
        message = f"{len(chosen):,} {were} merged with another one of the same timestamp: --duplicates {how}"
        findings.append(rows.time.finding("W_TIME_DUPLICATE", message, rows=np.sort(order[chosen])))
        return _merged(rows, order, again, values, how=how, num_targets=num_targets)
    if (again & ~same).any():
        raise data_error([_two_values(rows, order, np.flatnonzero(again & ~same))])
    message = (
        f"{len(chosen):,} {were} dropped as exact {'repetition' if len(chosen) == 1 else 'repetitions'} of another"
    )
    findings.append(rows.time.finding("W_TIME_REPEATED", message, rows=np.sort(order[chosen])))
    return rows, order[~again]


def _merged(
    rows: Rows, order: Int64Array, again: BoolArray, values: Float64Array, *, how: Duplicates, num_targets: int
) -> tuple[Rows, Int64Array]:
    """Return one row for each timestamp of a series."""
    firsts = np.flatnonzero(~again)
    # a temperature given twice is not twice as warm
    num_merged = values.shape[1] if how in ("first", "last") else num_targets
    merged = values[firsts]
    for place in range(num_merged):
        merged[:, place] = aggregate(values[:, place], firsts, how)
    kept = order[firsts]
    result = rows.values.copy()
    result[kept] = merged
    return replace(rows, values=result), kept


def _two_values(rows: Rows, order: Int64Array, again: Int64Array) -> Finding:
    """Return the finding for timestamps that occur twice in one series with different values."""
    late, early = order[again], order[again - 1]
    _, lines = rows.locate([int(early[0]), int(late[0])])
    timestamp = in_words(rows.timestamps[late[0]])
    label = rows.labels(int(rows.items[late[0]]))
    column = int(np.argmax(rows.values[early[0]] != rows.values[late[0]]))
    values = f"{rows.values[early[0], column]:g} and {rows.values[late[0], column]:g}"
    whose = f"series {quoted(label)}: " if label else ""
    message = f"{whose}timestamp {timestamp} occurs in {rows_in_words(lines, 2)} with different values, {values}"
    if len(again) > 1:
        message += f"; {len(again):,} such timestamps in total"
    code, words, fix = _likely_cause(rows.timestamps[late], rows.timestamps) or (
        "E_TIME_DUPLICATE",
        "",
        "name the columns that identify series with --id, merge such rows with --duplicates sum|mean|first|last, or keep "
        "one row for each timestamp",
    )
    message += f"; {words}" if words else ""
    return rows.time.finding(code, message, rows=late, value=timestamp, fix=fix)


def _likely_cause(repeated: TimestampArray, timestamps: TimestampArray) -> tuple[str, str, str] | None:
    """Return code, words and fix where repeated timestamps have a likely cause; None where nothing is known.

    `timestamps` are all timestamps of the rows, the repeated ones among them.
    """
    if timestamps.dtype.kind != "M" or not len(repeated):
        return None
    exchanged = exchanged_days(repeated, timestamps)
    if exchanged is not None:
        shown = ", ".join(in_words(day) for day in exchanged[:3])
        words = f"with day and month exchanged they would fill gaps ({shown}): some rows may be written month first"
        return "E_TIME_ORDER_MIXED", words, "rewrite the column as YYYY-MM-DD"
    if len(repeated) > 1 and (year := year_not_turned(repeated, timestamps)) is not None:
        return "E_TIME_YEAR", YEAR_WORDS.format(year + 1), f"write {year + 1} in these rows"
    if is_clock_put_back(repeated):
        words = "the timestamps repeat as they do at the end of daylight saving time"
        fix = "name the zone of the clock as `--tz Europe/Berlin --ambiguous infer`, or merge rows with --duplicates"
        return "E_TIME_FOLD", words, fix
    if 2 * len(repeated) > len(timestamps) and bool((timestamps == timestamps.astype("datetime64[D]")).all()):
        words = "most dates have several rows: the time of day or the name of the series may be in another column"
        fix = (
            "name the columns that identify series with --id, or merge such rows with --duplicates sum|mean|first|last"
        )
        return "E_TIME_DUPLICATE", words, fix
    return None


def year_not_turned(late: TimestampArray, timestamps: TimestampArray) -> int | None:
    """Return the year of dates in January that, one year later, would follow the newest of all; None for others."""
    years = late.astype("datetime64[Y]")
    newest = timestamps.max()
    if (years != years[0]).any() or years[0] != newest.astype("datetime64[Y]") or 2 * len(late) >= len(timestamps):
        return None
    begins = late.min() - years[0].astype(late.dtype)
    ends = (years[0] + np.timedelta64(1, "Y")).astype(late.dtype) - newest
    return int(str(years[0])) if max(begins, ends) <= MONTH else None
