"""The time column of one file as stamps: one column of text or dates, or the parts of a date in several columns."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.refusals import listed, refusal, rows_in_words
from rnnforecast.data.stamps import CLOCK, Stamps, parse_integers, parse_stamps
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rnnforecast.data.numbers import LinesOf

_INTEGER = re.compile(r"[-+]?\d{1,18}(\.0*)?")
_HOUR, _MINUTE = 3_600_000_000, 60_000_000  # microseconds


def read_stamps(frame: pd.DataFrame, names: Sequence[str], *, path: str, lines_of: LinesOf) -> Stamps:
    """Return the stamps of all rows from one time column, or from the parts of a date.

    Raises DataError for cells that are no stamps, formats that mix and dates with two readings.
    """
    columns = [_one_column(frame[name], name=name, path=path, lines_of=lines_of) for name in names]
    if len(columns) == 1:
        return columns[0]
    words = [name.lower() for name in names]
    if words[:2] == ["year", "month"]:
        return _from_parts([_whole(frame[name], name, path) for name in names], names, path=path)
    first = columns[0]
    if first.values.dtype.kind != "M":
        raise _no_parts(names, path)
    stamps = first.values
    for name, column in zip(names[1:], columns[1:], strict=True):
        if column.values.dtype.kind == "M" and _is_clock(frame[name]):
            since_midnight = column.values - column.values.astype("datetime64[D]")
            stamps = stamps + since_midnight
        elif column.values.dtype.kind in "iu" and name.lower() in ("hour", "minute"):
            stamps = stamps + column.values * np.timedelta64(_HOUR if name.lower() == "hour" else _MINUTE, "us")
        else:
            raise _no_parts(names, path)
    return replace(first, values=stamps)


def _no_parts(names: Sequence[str], path: str) -> DataError:
    return DataError(
        f"{path}: {listed(names)} do not make up stamps",
        hint="name a column of dates and one of times or hours, as `--time date+hour`, or year+month+day",
        code="E_TIME_PARTS",
    )


def _is_clock(column: pd.Series[Any]) -> bool:
    first = str(column.iloc[0]).strip()
    return CLOCK.pattern.fullmatch(first) is not None


def _one_column(column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf) -> Stamps:
    """Return one column as stamps: dates as they are, whole numbers by their size, text by its format."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        _check_present(column, name=name, path=path, lines_of=lines_of)
        return _from_zone(column, name=name, path=path)
    if column.dtype.kind == "M":
        _check_present(column, name=name, path=path, lines_of=lines_of)
        return Stamps(column.to_numpy().astype("datetime64[us]"))
    if column.dtype.kind in "iu":
        return parse_integers(column.to_numpy().astype(np.int64), name=name, path=path)
    if _all_integers(column):
        return parse_integers(_integers(column), name=name, path=path)
    return parse_stamps(column.to_numpy(dtype=object), name=name, path=path, lines_of=lines_of)


def _from_zone(column: pd.Series[Any], *, name: str, path: str) -> Stamps:
    """Return stamps of a zone in UTC, or as local dates where they are all midnights there."""
    local = column.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    midnights = bool((local == local.astype("datetime64[D]")).all())
    held = "local time, as dates" if midnights else "UTC"
    message = f"time column `{name}` is in zone {column.dt.tz}; stamps are held in {held}"
    note = Finding("N_TIME_ZONE", "note", message, path, column=name)
    if midnights:
        return Stamps(local, findings=(note,))
    utc = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return Stamps(utc, timezone="UTC", findings=(note,))


def _all_integers(column: pd.Series[Any]) -> bool:
    """Whether every text is a whole number, which a program may have written as 3.0; the first one decides mostly."""
    first = str(column.iloc[0]).strip()
    return _INTEGER.fullmatch(first) is not None and bool(column.str.strip().str.fullmatch(_INTEGER).all())


def _integers(column: pd.Series[Any]) -> npt.NDArray[np.int64]:
    return np.asarray(column.str.strip().str.replace(r"\.0*$", "", regex=True).astype(np.int64), dtype=np.int64)


def _check_present(column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf) -> None:
    rows = np.flatnonzero(column.isna().to_numpy())
    if len(rows):
        lines = tuple(lines_of(rows[:MAX_LISTED_ROWS].tolist()))
        message = f"time column `{name}`, {rows_in_words(lines, len(rows))}: no stamp"
        fix = "write the stamp, or remove the row"
        raise refusal([Finding("E_TIME_MISSING", "refusal", message, path, lines, name, "", len(rows), fix)])


def _whole(column: pd.Series[Any], name: str, path: str) -> npt.NDArray[np.int64]:
    if column.dtype.kind in "iu":
        return column.to_numpy().astype(np.int64)
    if not _all_integers(column):
        raise DataError(f"{path}: `{name}` holds more than whole numbers", code="E_TIME_PARTS")
    return _integers(column)


def _from_parts(parts: list[npt.NDArray[np.int64]], names: Sequence[str], *, path: str) -> Stamps:
    """Return stamps from year, month, day, hour and minute, as many of them as there are."""
    year, month, *rest = parts
    if ((month < 1) | (month > 12)).any():
        raise DataError(f"{path}: column `{names[1]}` holds months outside 1 to 12", code="E_TIME_PARTS")
    stamps = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[us]")
    units = ("D", "h", "m")
    for place, (part, unit) in enumerate(zip(rest, units, strict=False)):
        stamps = stamps + (part - (place == 0)).astype(f"timedelta64[{unit}]").astype("timedelta64[us]")
    if rest and (stamps.astype("datetime64[M]").astype(np.int64) % 12 + 1 != month).any():
        raise DataError(f"{path}: {listed(names)} name days that do not exist", code="E_TIME_PARTS")
    return Stamps(stamps)
