"""The time column of one file as timestamps: a column of text, dates or numbers, or the parts of a date in several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef, LinesOf
from rnnforecast.data.timestamps.formats import format_of, is_time_of_day
from rnnforecast.data.timestamps.numeric import holds_years, parse_floats, parse_integers
from rnnforecast.data.timestamps.split_columns import Parts, join_numbers, join_times, not_parts, part_of
from rnnforecast.data.timestamps.text import Timestamps, fix_of_missing, parse_timestamps

_INTEGER = re.compile(r"[-+]?\d{1,19}(\.0*)?")
#: What a month of a year with decimals looks like, and no month by its number: 1949.083, 1950.25, 1950.5.
_YEAR_WITH_MONTH = re.compile(r"\s*\d{4}\.(?:\d{3,}|[2-9]\d?|1[3-9])\s*")
_DECIMAL = re.compile(r"[-+]?\d+\.\d*(e[-+]?\d+)?", re.IGNORECASE)


def read_timestamps(
    frame: pd.DataFrame, names: Sequence[str], *, path: str, lines_of: LinesOf, how: DataSettings | None = None
) -> Timestamps:
    """Return the timestamps of all rows from one time column, or from the parts of a date.

    `how` holds what the user says about them: formats, units, order of day and month. Raises DataError for cells that
    are not timestamps, formats that mix and dates that can be read in two ways.
    """
    parts = Parts(frame, names, path, lines_of)
    if len(names) == 1:
        return _one_column(frame[names[0]], parts.ref(names[0]), how)
    dated = next((name for name in names if _holds_dates(frame[name])), None)
    if dated is None and all(part_of(name) is not None for name in names):
        return join_numbers(parts, names)
    if dated is None:
        dated = next(
            (name for name in names if part_of(name) is None and not is_time_of_day(str(frame[name].iloc[0]).strip())),
            names[0],
        )
    first = _one_column(frame[dated], parts.ref(dated), how)
    if first.values.dtype.kind != "M":
        raise not_parts(names, path)
    return join_times(first, parts, [name for name in names if name != dated])


def _one_column(column: pd.Series[Any], ref: ColumnRef, how: DataSettings | None) -> Timestamps:
    """Return one column as timestamps: dates directly, numbers by their size, text by its format."""
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.array.__arrow_array__().to_pandas()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        _check_present(column, ref)
        return _from_zone(column, ref)
    if column.dtype.kind == "M":
        _check_present(column, ref)
        return Timestamps(column.to_numpy().astype("datetime64[us]", copy=False))
    if how is not None and how.date_format is not None:
        return parse_timestamps(column.astype(str).to_numpy(dtype=object), ref, how)
    if column.dtype.kind in "iuf":
        _check_present(column, ref)
        if column.dtype.kind == "f" and not _are_whole(column.to_numpy()):
            return parse_floats(_as_floats(column), ref, how)
        return parse_integers(column.to_numpy().astype(np.int64), ref, how)
    if _all_match(column, _INTEGER):
        return parse_integers(_integers(column), ref, how)
    if _is_decimal_column(column, how):
        return parse_floats(_as_floats(column.str.strip()), ref, how)
    return parse_timestamps(column.to_numpy(dtype=object), ref, how)


def _holds_dates(column: pd.Series[Any]) -> bool:
    """Whether a column holds whole dates, by its type or its first text: one named `day` need not be a part of one."""
    if column.dtype.kind in "iufM" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dtype.kind not in "iuf"
    text = str(column.iloc[0]).strip()
    return not text.isdigit() and format_of(text) not in (None, "HH:MM")


def _as_floats(column: pd.Series[Any]) -> Float64Array:
    values: Any = column.to_numpy()
    return np.asarray(values, dtype=np.float64)


def _are_whole(values: Float64Array) -> bool:
    return bool((np.isfinite(values) & (values == np.floor(values))).all())


def _from_zone(column: pd.Series[Any], ref: ColumnRef) -> Timestamps:
    """Return timestamps of a zone in UTC, or as local dates where they have one time of day there."""
    local = column.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    times = local - local.astype("datetime64[D]")
    daily = bool((times == times[:1]).all()) and len(local) > 0
    held = "local time, as dates" if daily else "UTC"
    note = ref.finding("N_TIME_ZONE", f"{ref} is in zone {column.dt.tz}; timestamps are held in {held}")
    if daily:
        return Timestamps(local, findings=(note,))
    utc = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return Timestamps(utc, timezone="UTC", findings=(note,))


def _all_match(column: pd.Series[Any], pattern: re.Pattern[str]) -> bool:
    """Whether every text has a pattern; the first one decides mostly."""
    first = str(column.iloc[0]).strip()
    return pattern.fullmatch(first) is not None and bool(column.str.strip().str.fullmatch(pattern).all())


def _is_decimal_column(column: pd.Series[Any], how: DataSettings | None) -> bool:
    """Whether every text is a number, some with decimals: floats since 1970 or days of a spreadsheet."""
    number = re.compile(f"(?:{_INTEGER.pattern}|{_DECIMAL.pattern})", re.IGNORECASE)
    if not _all_match(column, number):
        return False
    if how is not None and (how.excel_dates or how.epoch_unit is not None):
        return True
    # 12.30 is a time of day, 2024.01 a month: only numbers of the size of timestamps are safe
    if len(str(column.iloc[0]).strip().split(".")[0]) >= 5:
        return True
    return holds_years(column) and bool(column.str.fullmatch(_YEAR_WITH_MONTH).any())


def _integers(column: pd.Series[Any]) -> Int64Array:
    return np.asarray(column.str.strip().str.replace(r"\.0*$", "", regex=True).astype(np.int64), dtype=np.int64)


def _check_present(column: pd.Series[Any], ref: ColumnRef) -> None:
    rows = np.flatnonzero(column.isna().to_numpy())
    if len(rows):
        fix = fix_of_missing(rows, ref, num_rows=len(column))
        raise ref.reject("E_TIME_MISSING", rows, "missing timestamp", fix=fix)
