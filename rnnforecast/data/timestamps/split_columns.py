"""Timestamps split over several columns: a date and a time of day, a date and an hour, or year, month, day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.arrays import BoolArray, Int64Array
from rnnforecast.data.calendar.frequency import FIXED_UNITS
from rnnforecast.data.errors import ColumnRef, LinesOf, listed, quoted
from rnnforecast.data.timestamps.formats import (
    compose,
    interval_start,
    is_time_of_day,
    iso_weeks,
    time_of_day,
    to_number,
)
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, month_number
from rnnforecast.data.timestamps.text import THIRTEEN_FIX, Timestamps
from rnnforecast.errors import DataError
from rnnforecast.frozen import dataclass

#: Hours that are called by their end: 1 is the first hour of the day, 24 the last.
_NAMED_BY_END = ("hour_ending", "hourending", "hour_end", "he", "hrending", "hr_ending")
_NAMES: dict[str, tuple[str, ...]] = {
    "year": ("year", "yr", "yyyy", "jahr", "annee", "ano", "fiscal_year", "fiscalyear", "fy"),
    "quarter": ("quarter", "qtr", "q", "quartal", "trimestre"),
    "week": ("week", "wk", "isoweek", "iso_week", "weekofyear", "week_of_year", "week_no", "kw", "woche", "semaine"),
    "month": ("month", "mo", "mon", "mm", "mth", "monat", "mois", "mes"),
    "day": ("day", "dy", "dd", "dom", "dayofmonth", "day_of_month", "tag"),
    "day of year": ("doy", "dayofyear", "day_of_year", "yday", "julian"),
    "hour": ("hour", "hr", "hh", "h", "hours", "hod", "hour_of_day", "stunde", "heure", "hora", *_NAMED_BY_END),
    "minute": ("minute", "min", "mi", "minutes"),
    "second": ("second", "sec", "ss", "seconds"),
    "period": ("period", "fiscal_period", "fiscalperiod", "fiscal_month", "posting_period", "per"),
    "part of a day": (
        *("settlement_period", "settlementperiod", "trading_period", "tradingperiod", "half_hour", "halfhour"),
    ),
}
_PART_OF = {name: part for part, names in _NAMES.items() for name in names}
#: Part -> lowest and highest number; an hour of 24 is the end of its day.
_RANGES = {
    "quarter": (1, 4), "week": (1, 53), "month": (1, 12), "day": (1, 31), "day of year": (1, 366),
    "hour": (0, 24), "minute": (0, 59), "second": (0, 59), "period": (1, 13), "part of a day": (1, 100),
}  # fmt: skip
#: A quarter as text: `Q1`, `1`, `1st quarter`; a month `M01`, a week `W01`, an hour `HE01`.
_LETTERED = {
    "quarter": r"(?:q|qtr|quarter)?[ .]?0?([1-4])(?:q|st|nd|rd|th)?(?: ?(?:quarter|qtr))?",
    "month": r"m?(\d{1,2})",
    "period": r"[mp]?(\d{1,2})",
    "week": r"(?:w|wk|week|kw)?[ .]?(\d{1,2})",
    "hour": r"(?:he|hour|hr|h)?[ .]?(\d{1,2})",
}


@dataclass(frozen=True)
class Parts:
    """The columns of the parts, where they stand, and how rows are named in messages."""

    frame: pd.DataFrame
    names: Sequence[str]
    path: str
    lines_of: LinesOf

    def ref(self, name: str) -> ColumnRef:
        """Return one of the columns for findings."""
        return ColumnRef.in_file(name, self.path, self.lines_of, noun="time column")

    def reject(self, name: str, bad: BoolArray, words: str, fix: str) -> DataError:
        """Return the error that rejects the chosen rows of one column."""
        rows = np.flatnonzero(bad)
        value = str(self.frame[name].iloc[rows[0]])
        return self.ref(name).reject("E_TIME_PARTS", rows, f"{quoted(value)} {words}", value=value, fix=fix)


def part_of(name: str) -> str | None:
    """Return the part of a date that a column is named after, None where it is none."""
    return _PART_OF.get(name.strip().lower().replace(" ", "_"))


def holds_part(column: pd.Series[Any], part: str | None) -> bool:
    """Whether every text of a sample is a part of a date with letters, as in `_LETTERED`, or the name of a month."""
    if part not in _LETTERED or column.dtype.kind in "iufbM":
        return False
    texts = pd.Series(pd.unique(column.to_numpy(dtype=object)), dtype=object).astype(str)
    return bool(len(texts)) and bool(_lettered(texts, str(part)).notna().all())


def _lettered(texts: pd.Series[Any], part: str) -> pd.Series[Any]:
    """Return the number of a part written with letters, NaN for anything else."""
    lowered = texts.str.strip().str.lower()
    found = pd.to_numeric(lowered.str.extract(f"^{_LETTERED[part]}$", expand=False), errors="coerce")
    if part != "month":
        return found
    is_name = lowered.str.fullmatch(ENGLISH_MONTH)
    return found.where(~is_name, lowered.where(is_name, "1").map(month_number))


def join_numbers(parts: Parts, names: Sequence[str]) -> Timestamps:
    """Return timestamps from columns of year, month or quarter, day, hour ...; raises DataError for nonexistent days."""
    by_part = {str(part_of(name)): name for name in names}
    if "year" not in by_part or len(by_part) < len(names):
        raise not_parts(names, parts.path)
    numbers = {part: _numbers(parts, name, part) for part, name in by_part.items()}
    if set(by_part) == {"year", "week"}:
        return _weeks(numbers, by_part, parts)
    if "period" in numbers:
        return _periods(numbers, by_part, parts)
    rows = len(parts.frame)
    first = (numbers["quarter"] - 1) * 3 + 1 if "quarter" in numbers else np.ones(rows, dtype=np.int64)
    month, day = numbers.get("month", first), numbers.get("day", np.ones(rows, dtype=np.int64))
    timestamps = compose(numbers["year"], month, day)
    if np.isnat(timestamps).any():
        words = f"does not exist in its month: {listed(names)} name days that do not exist"
        raise parts.reject(by_part.get("day", by_part["year"]), np.isnat(timestamps), words, "correct these rows")
    if "day of year" in numbers:
        timestamps = timestamps + (numbers["day of year"] - 1).astype("timedelta64[D]")
    return _with_times(Timestamps(timestamps), numbers, by_part, parts)


def _weeks(numbers: dict[str, Int64Array], by_part: dict[str, str], parts: Parts) -> Timestamps:
    """Return the Mondays of ISO weeks; raises DataError for week 53 of a year that has 52."""
    timestamps = iso_weeks(numbers["year"], numbers["week"])
    if np.isnat(timestamps).any():
        fix = "correct these rows, or name other columns with --time"
        raise parts.reject(by_part["week"], np.isnat(timestamps), "is not an ISO week of its year", fix)
    message = f"columns `{by_part['year']}` and `{by_part['week']}` are read as ISO weeks, by their Mondays"
    note = parts.ref(by_part["week"]).finding("N_TIME_PARTS", message)
    return Timestamps(timestamps, findings=(note,))


def _periods(numbers: dict[str, Int64Array], by_part: dict[str, str], parts: Parts) -> Timestamps:
    """Return fiscal quarters or months, called by those of the calendar; raises DataError for thirteen of a year."""
    period = numbers["period"]
    if (period == 13).any():
        is_average = str(parts.frame[by_part["period"]].iloc[int(np.argmax(period == 13))]).upper().startswith("M")
        fix = "remove these rows: M13 is the average of the year" if is_average else THIRTEEN_FIX
        raise parts.reject(by_part["period"], period == 13, "is one of 13 periods of a year", fix)
    name, length = ("quarters", 3) if int(period.max()) <= 4 else ("months", 1)
    message = f"columns `{by_part['year']}` and `{by_part['period']}` are read as the {name} of calendar years"
    note = parts.ref(by_part["period"]).finding("N_TIME_PARTS", message)
    return Timestamps(compose(numbers["year"], (period - 1) * length + 1), findings=(note,))


def join_times(first: Timestamps, parts: Parts, names: Sequence[str]) -> Timestamps:
    """Return timestamps from dates and the columns of times of day, hours or minutes."""
    timestamps = first
    numbers, by_part = {}, {}
    for name in names:
        part = part_of(name)
        if part in ("hour", "minute", "second") and not _is_clock(parts.frame[name]):
            by_part[part] = name
            numbers[part] = _numbers(parts, name, part)
        elif part == "part of a day":
            timestamps = _parts_of_days(timestamps, parts, name)
        elif _is_clock(parts.frame[name]):
            timestamps = replace(timestamps, values=timestamps.values + _clock_times(parts, name))
        elif _is_whole(parts.frame[name]):
            message = f"column `{name}` is read as the hour, or as hours and minutes, of the date column"
            note = parts.ref(name).finding("N_TIME_PARTS", message)
            times = _hours_or_hundreds(parts, name)
            timestamps = replace(timestamps, values=timestamps.values + times, findings=(*timestamps.findings, note))
        else:
            raise not_parts(parts.names, parts.path)
    return _with_times(timestamps, numbers, by_part, parts)


def _parts_of_days(timestamps: Timestamps, parts: Parts, name: str) -> Timestamps:
    """Return timestamps with the start of the part of the day that a column counts: hours, halves or quarters of one."""
    numbers = _numbers(parts, name, "part of a day")
    minutes = next(length for length, most in ((60, 25), (30, 50), (15, 100)) if int(numbers.max(initial=1)) <= most)
    message = f"column `{name}` counts parts of {minutes} minutes from midnight: the timestamps are their starts"
    note = parts.ref(name).finding("N_TIME_PARTS", message)
    values = timestamps.values + (numbers - 1) * np.timedelta64(minutes * 60_000_000, "us")
    return replace(timestamps, values=values, findings=(*timestamps.findings, note))


def not_parts(names: Sequence[str], path: str) -> DataError:
    """Return the error for columns that do not make up timestamps."""
    message = f"{path}: {listed(names)} do not make up timestamps"
    hint = "name a column of dates and one of times or hours, as `--time date,hour`, or `--time year,month,day`"
    return DataError(message, hint=hint, code="E_TIME_PARTS")


def _with_times(
    timestamps: Timestamps, numbers: dict[str, Int64Array], by_part: dict[str, str], parts: Parts
) -> Timestamps:
    values, findings = timestamps.values, list(timestamps.findings)
    for part in ("hour", "minute", "second"):
        if part in numbers:
            values = values + numbers[part] * np.timedelta64(FIXED_UNITS[part], "us")
    if "hour" in numbers and _is_named_by_end(parts.frame[by_part["hour"]]):
        values = values - np.timedelta64(FIXED_UNITS["hour"], "us")
        ref = parts.ref(by_part["hour"])
        findings.append(ref.finding("N_TIME_PARTS", f"{ref} holds ends of hours: the timestamps are their starts"))
    elif "hour" in numbers and int(numbers["hour"].max(initial=0)) == 24:
        rows = np.flatnonzero(numbers["hour"] == 24)
        words = "hour 24 is midnight at the end of the day"
        findings.append(parts.ref(by_part["hour"]).problem("W_TIME_24", rows, words, value="24"))
    return replace(timestamps, values=values, findings=tuple(findings))


def _is_named_by_end(hours: pd.Series[Any]) -> bool:
    """Whether hours are called by their end, by the name of their column or as in `HE01`."""
    name = str(hours.name).strip().lower().replace(" ", "_")
    return name in _NAMED_BY_END or str(hours.iloc[0]).strip().lower().startswith("he")


def _numbers(parts: Parts, name: str, part: str) -> Int64Array:
    """Return one part as whole numbers within its range; months may be English names."""
    column: pd.Series[Any] = parts.frame[name]
    numbers = to_number(column)
    if part in _LETTERED and numbers.isna().any():
        numbers = numbers.where(numbers.notna(), _lettered(column.astype(str), part))
    lowest, highest = _RANGES.get(part, (-9_999, 9_999))
    values = numbers.to_numpy(dtype=np.float64)
    bad = ~((values >= lowest) & (values <= highest) & (values == np.floor(values)))
    if bad.any():
        words = f"is not a valid {part}" + (f" ({lowest} to {highest})" if part in _RANGES else "")
        raise parts.reject(name, bad, words, "correct these rows, or name other columns with --time")
    return values.astype(np.int64)


def _is_clock(column: pd.Series[Any]) -> bool:
    if column.dtype.kind in "iuf" or column.empty:
        return False
    first = str(column.iloc[0]).strip()
    return is_time_of_day(interval_start(first) or first)


def _is_whole(column: pd.Series[Any]) -> bool:
    return bool(to_number(column).notna().all())


def _clock_times(parts: Parts, name: str) -> npt.NDArray[np.timedelta64]:
    """Return times of day as spans since midnight; each distinct text is read once."""
    codes, distinct = pd.factorize(parts.frame[name].to_numpy(dtype=object), use_na_sentinel=False)
    texts = [str(text).strip() for text in distinct]
    times = [time_of_day(interval_start(text) or text) for text in texts]
    bad = np.array([one is None for one in times], dtype=np.bool_)[codes]
    if bad.any():
        raise parts.reject(name, bad, "is not a time of day", "correct these rows, or name another column with --time")
    return np.array(times, dtype=np.int64).astype("timedelta64[us]")[codes]


def _hours_or_hundreds(parts: Parts, name: str) -> npt.NDArray[np.timedelta64]:
    """Return times of day written as one number: an hour up to 24, or 930 and 2300."""
    values = to_number(parts.frame[name]).to_numpy(dtype=np.float64)
    if bool((values <= 24).all()):
        return _numbers(parts, name, "hour") * np.timedelta64(FIXED_UNITS["hour"], "us")
    good = (values >= 0) & (values <= 2_400) & (values % 100 < 60) & (values == np.floor(values))
    if not good.all():
        raise not_parts(parts.names, parts.path)
    minutes = (values // 100 * 60 + values % 100).astype(np.int64)
    return np.asarray(minutes.astype("timedelta64[m]").astype("timedelta64[us]"))
