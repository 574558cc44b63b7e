"""Numbers of a time column: years, dates written as one number, time since 1970, days of a spreadsheet, or plain steps.

The size shows the unit: seconds since 1970 have ten digits nowadays, milliseconds thirteen. A column that can be read
in two ways is rejected with both.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array, TimestampArray
from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef, data_error
from rnnforecast.data.timestamps.formats import compose, iso_weeks, to_number
from rnnforecast.data.timestamps.text import Timestamps
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass

#: Unit -> lowest and highest plausible number (1973 to 2286), microseconds in one unit as a fraction.
_UNITS: dict[str, tuple[int, int, int, int]] = {
    "s": (10**8, 10**10, 1_000_000, 1),
    "ms": (10**11, 10**13, 1_000, 1),
    "us": (10**14, 10**16, 1, 1),
    "ns": (10**17, 9 * 10**18, 1, 1_000),
}
_NEVER_EPOCHS = frozenset({"step", "index", "t"})
_DATE_WORDS = frozenset({"date", "dates", "datetime", "timestamp", "stamp", "datum", "fecha", "data", "day"})
_MONTH_WORDS = frozenset({"month", "yearmonth", "period", "yyyymm", "date", "ym", "ds"})
_WEEK_WORDS = frozenset({"week", "weeks", "yearweek", "yyyyww", "isoweek", "wk", "kw"})
_YEARS = (1500, 2200)
#: How far from a whole month a year with decimals may be, in months: 1949.08 is February.
_MONTH_SLACK = 0.13
_EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
_EXCEL_LIMITS = (-693_593, 2_958_466)  # years 1 to 9999
#: Day 0 of a spreadsheet is 30 December 1899 for all days after its invented 29 February 1900.
_EXCEL_ZERO = np.datetime64("1899-12-30", "us")
#: How dates are written as one number, from minutes on: digits after the day, lowest and highest number.
_COMPACT = (
    ("YYYYMMDDHH", 2, 19_000_101_00, 22_001_231_23),
    ("YYYYMMDDHHMM", 4, 19_000_101_0000, 22_001_231_2359),
    ("YYYYMMDDHHMMSS", 6, 19_000_101_000000, 22_001_231_235959),
)
_SECONDS_FROM_1 = -62_135_596_800  # from 1970 back to the start of year 1
_SECONDS_TO_10000 = 253_402_300_800  # from 1970 to the end of year 9999
_FAR = 1_893_456_000  # seconds from 1970 to 2030: dates of data lie before


def parse_integers(values: Int64Array, ref: ColumnRef, how: DataSettings | None = None) -> Timestamps:
    """Return whole numbers of a time column as years, dates (YYYYMMDD), time since 1970 or plain steps.

    Raises DataError for numbers in two units, and for days of a spreadsheet that nobody called so.
    """
    column = _Numbers(values, ref)
    if how is not None and how.epoch_unit is not None:
        return _from_epoch(column, how.epoch_unit)
    if how is not None and how.excel_dates:
        return _from_excel(column)
    low, high = int(values.min()), int(values.max())
    dates = _written_as_one(column, low, high)
    if dates is not None:
        return dates
    if column.words & _NEVER_EPOCHS:
        return Timestamps(values.astype(np.int64))
    unit = _unit_of(column, low, high)
    if unit is not None:
        return _from_epoch(column, unit)
    if column.words & _DATE_WORDS and _EXCEL_DAYS[0] <= low and high < _EXCEL_DAYS[1]:
        raise data_error([_like_excel(column, float(low))])
    if column.words & _DATE_WORDS and (form := _written_without_marks(values)) is not None:
        words = f"{values[0]} may be a date without marks ({form}) or a step"
        fix = f"read dates with `--date-format {form}`, or steps in file order with `--time none`"
        raise column.reject("E_TIME_TEXT", np.ones(len(values), dtype=np.bool_), words, fix)
    return Timestamps(values.astype(np.int64))


def _written_without_marks(values: Int64Array) -> str | None:
    """Return the format in which all numbers are dates, most of them a day or a month after another; None without one."""
    for form, width in (("%y%m%d", 6), ("%d%m%Y", 8), ("%m%d%Y", 8), ("%d%m%y", 6), ("%m%d%y", 6)):
        if int(values.min()) < 10 ** (width - 2) or int(values.max()) >= 10**width:
            continue
        texts = pd.Series(pd.unique(values)).astype(str).str.zfill(width)
        days = pd.to_datetime(texts, format=form, errors="coerce").to_numpy()
        if not np.isnat(days).any() and len(days) > 2:
            steps = np.diff(np.sort(days)).astype("timedelta64[D]").astype(np.int64)
            if np.median(steps) in (1, 7, 30, 31) and (steps == np.median(steps)).mean() > 0.5:
                return form
    return None


def parse_floats(values: Float64Array, ref: ColumnRef, how: DataSettings | None = None) -> Timestamps:
    """Return numbers with decimals as time since 1970, exact to the millisecond, or as days of a spreadsheet.

    Raises DataError for any other numbers.
    """
    column = _Numbers(values, ref)
    if how is not None and how.excel_dates:
        return _from_excel(column)
    if not np.isfinite(values).all():
        fix = "write the timestamp, or remove the row"
        raise column.reject("E_TIME_TEXT", ~np.isfinite(values), "an infinite number is not a timestamp", fix)
    low, high = float(values.min()), float(values.max())
    unit = how.epoch_unit if how is not None and how.epoch_unit is not None else _unit_of(column, int(low), int(high))
    if unit is not None:
        return _from_epoch(column, unit)
    if _EXCEL_DAYS[0] <= low and high < _EXCEL_DAYS[1]:
        raise data_error([_like_excel(column, low)])
    if (how is None or how.epoch_unit is None) and _are_years(values):
        months = np.round(12 * values).astype(np.int64) - 12 * 1970
        note = column.note("N_TIME_COMPACT", "years with decimals, by their months", f"{values[0]:.12g}")
        return Timestamps(months.astype("datetime64[M]").astype("datetime64[us]"), findings=(note,))
    words = f"{low:.12g} is neither a whole step nor a time since 1970"
    fix = "name another column with --time, or read the rows as steps in file order with `--time none`"
    raise column.reject("E_TIME_TEXT", np.ones(len(values), dtype=np.bool_), words, fix)


def _from_excel(column: _Numbers) -> Timestamps:
    """Return days of a spreadsheet as timestamps, to the nearest second as spreadsheets show them."""
    values = column.values.astype(np.float64)
    outside = ~((values >= _EXCEL_LIMITS[0]) & (values < _EXCEL_LIMITS[1]))
    if outside.any():
        words = f"day {values[outside][0]:.12g} of a spreadsheet is not in the years 1 to 9999"
        raise column.reject("E_TIME_TEXT", outside, words, "correct the cell, or remove the row")
    seconds = np.round(values * 86_400.0).astype(np.int64)
    note = column.note("N_TIME_EXCEL", "days since 1899-12-30, as spreadsheets count them", f"{values[0]:g}")
    return Timestamps(_EXCEL_ZERO + seconds.astype("timedelta64[s]"), findings=(note,))


def holds_timestamps(column: pd.Series[Any]) -> bool:
    """Whether a sample of numbers with decimals has the size of times since 1970, or of days of a spreadsheet."""
    numbers = to_number(column).dropna()
    if numbers.empty:
        return False
    low, high = float(numbers.min()), float(numbers.max())
    return low >= _UNITS["s"][0] or (_EXCEL_DAYS[0] <= low and high < _EXCEL_DAYS[1])


def holds_year_months(column: pd.Series[Any]) -> bool:
    """Whether a sample of whole numbers are years with the number of a month or a week: 202401, 202453."""
    numbers = to_number(column).dropna()
    last = numbers % 100
    return not numbers.empty and bool(numbers.between(190_001, 210_053).all() and last.between(1, 53).all())


def holds_years(column: pd.Series[Any]) -> bool:
    """Whether a sample of numbers lies where years do, with decimals: 1949.0833, or the quarters of 1950.25."""
    numbers = to_number(column).dropna()
    return not numbers.empty and float(numbers.min()) >= _YEARS[0] and float(numbers.max()) <= _YEARS[1]


def _are_years(values: Float64Array) -> bool:
    """Whether numbers are years whose decimals are months: twelfths, written with two decimals or more."""
    months = 12 * values
    is_near = bool((np.abs(months - np.round(months)) < _MONTH_SLACK).all())
    return is_near and _YEARS[0] <= float(values.min()) and float(values.max()) <= _YEARS[1]


def rises_like_epochs(column: pd.Series[Any]) -> bool:
    """Whether a sample of whole numbers rises row by row and has the size of times since 1970, from 2001 on."""
    numbers = to_number(column).to_numpy(dtype=np.float64)
    if len(numbers) < 3 or not np.isfinite(numbers).all() or not (np.diff(numbers) > 0).all():
        return False
    low, high = float(numbers[0]), float(numbers[-1])
    return any(10 * lowest <= low and high < highest for lowest, highest, _, _ in _UNITS.values())


@dataclass(frozen=True)
class _Numbers:
    """A time column of numbers."""

    values: Int64Array | Float64Array
    ref: ColumnRef

    @property
    def words(self) -> set[str]:
        """The words of its name."""
        return set(re.split(r"[^a-z]+", self.ref.name.lower()))

    def problem(self, code: str, chosen: BoolArray, words: str, fix: str) -> Finding:
        """Return the finding that rejects the chosen rows."""
        rows = np.flatnonzero(chosen)
        return self.ref.problem(code, rows, words, value=f"{self.values[rows[0]]:.12g}", fix=fix)

    def reject(self, code: str, chosen: BoolArray, words: str, fix: str) -> DataError:
        """Return the error that rejects the chosen rows."""
        return data_error([self.problem(code, chosen, words, fix)])

    def note(self, code: str, reading: str, value: str) -> Finding:
        """Return the note that says how the numbers are read."""
        return self.ref.finding(code, f"{self.ref} is read as {reading}", value=value)


def _written_as_one(column: _Numbers, low: int, high: int) -> Timestamps | None:
    """Return years, YYYYMM, YYYYMMDD and longer ones written as one number, None where they are not."""
    values, words = column.values.astype(np.int64), column.words
    if words & {"year", "years", "date", "ds"} and low >= 1500 and high <= 2200:
        return Timestamps((values - 1970).astype("datetime64[Y]").astype("datetime64[us]"))
    if low >= 150_001 and high <= 220_012 and words & _MONTH_WORDS and bool(((values % 100 - 1) < 12).all()):
        months = (values // 100 - 1970) * 12 + values % 100 - 1
        if bool((values % 100 >= 1).all()):
            return Timestamps(months.astype("datetime64[M]").astype("datetime64[us]"))
    if words & {"step", "index", "t"}:
        return None
    weeks = _written_as_weeks(column, low, high)
    if weeks is not None:
        return weeks
    if low >= 19_000_101 and high <= 22_001_231 and "timestamp" not in words:
        days = _from_digits(values, 0)
        return None if days is None else Timestamps(days)
    for written, digits, lowest, highest in _COMPACT:
        if low < lowest or high > highest or (written == "YYYYMMDDHH" and low < _FAR):
            continue
        moments = _from_digits(values, digits)
        if moments is not None:
            return Timestamps(moments, findings=(column.note("N_TIME_COMPACT", written, str(low)),))
    return None


def _written_as_weeks(column: _Numbers, low: int, high: int) -> Timestamps | None:
    """Return YYYYWW as the Mondays of ISO weeks, None where the name does not say so or a week does not exist."""
    values = column.values.astype(np.int64)
    if low < 150_001 or high > 220_053 or not column.words & (_WEEK_WORDS | _MONTH_WORDS):
        return None
    mondays = iso_weeks(values // 100, values % 100)
    if np.isnat(mondays).any():
        return None
    return Timestamps(
        mondays, findings=(column.note("N_TIME_COMPACT", "YYYYWW, ISO weeks by their Mondays", str(low)),)
    )


def _from_digits(values: Int64Array, digits: int) -> TimestampArray | None:
    """Return YYYYMMDD with `digits` more of HHMMSS as timestamps, None where one does not exist."""
    days, times = np.divmod(values, 10**digits)
    times = times * 10 ** (6 - digits)  # HHMMSS
    hours, minutes, seconds = times // 10_000, times // 100 % 100, times % 100
    moments = compose(days // 10_000, days // 100 % 100, days % 100)
    if np.isnat(moments).any() or (hours > 23).any() or (minutes > 59).any() or (seconds > 59).any():
        return None
    return np.asarray(moments + (3_600 * hours + 60 * minutes + seconds).astype("timedelta64[s]"))


def _unit_of(column: _Numbers, low: int, high: int) -> str | None:
    """Return the unit that all numbers have by their size; raises DataError where some have another."""
    for unit, (lowest, highest, _, _) in _UNITS.items():
        if low >= lowest and high < highest:
            return unit
    usual = float(np.median(column.values))
    if usual < 10 * _UNITS["s"][0] or column.words & _NEVER_EPOCHS:
        return None
    bounds = np.array([lowest for lowest, _, _, _ in _UNITS.values()], dtype=np.float64)
    places = np.searchsorted(bounds, column.values.astype(np.float64), side="right") - 1
    most = int(np.searchsorted(bounds, usual, side="right")) - 1
    other = places != most
    if not other.any():
        return list(_UNITS)[most]
    row, like = int(np.flatnonzero(other)[0]), int(np.flatnonzero(~other)[0])
    kinds = ("too small for a time", *(f"{unit}" for unit in _UNITS))
    words = (
        f"{column.values[row]:.20g} is {kinds[int(places[row]) + 1]} since 1970 by its size, but "
        f"{column.values[like]:.20g} in row {column.ref.locate([like])[1][0]} is {kinds[most + 1]}"
    )
    fix = "write all timestamps in one unit; `--epoch-unit` names it where sizes mislead"
    raise column.reject("E_TIME_EPOCH_UNITS", other, words, fix)


def _from_epoch(column: _Numbers, unit: str) -> Timestamps:
    _, _, factor, divisor = _UNITS[unit]
    numbers, second = column.values.astype(np.float64), 1e6 * divisor / factor
    outside = ~((numbers >= _SECONDS_FROM_1 * second) & (numbers < _SECONDS_TO_10000 * second))
    if outside.any():
        words = f"{column.values[outside][0]:.20g} {unit} since 1970 is not in the years 1 to 9999"
        raise column.reject("E_TIME_TEXT", outside, words, "name another unit with --epoch-unit")
    if column.values.dtype.kind == "f":
        seconds = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
        milliseconds = np.round(column.values.astype(np.float64) * (seconds * 1_000.0)).astype(np.int64)
        timestamps = (milliseconds * 1_000).astype("datetime64[us]")
        exact = ", to the millisecond"
    else:
        timestamps = (column.values.astype(np.int64) * factor // divisor).astype("datetime64[us]")
        exact = ""
    note = column.note("N_TIME_EPOCH", f"{unit} since 1970-01-01 in UTC{exact}", f"{column.values[0]:.20g}")
    return Timestamps(timestamps, timezone="UTC", findings=(note,))


def _like_excel(column: _Numbers, low: float) -> Finding:
    day = str((_EXCEL_ZERO + np.timedelta64(round(low * 86_400), "s")).astype("datetime64[s]")).replace("T00:00:00", "")
    words = f"{low:g} may be a day of a spreadsheet ({day}) or a step"
    fix = "read days of a spreadsheet with `--excel-dates`, or steps in file order with `--time none`"
    return column.problem("E_TIME_EXCEL", np.ones(len(column.values), dtype=np.bool_), words, fix)
