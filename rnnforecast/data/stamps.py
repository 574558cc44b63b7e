"""From text to stamps, by one format for the whole column; readings that could be two dates are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.refusals import quoted, refusal, rows_in_words
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from rnnforecast.data.frequency import StampArray
    from rnnforecast.data.numbers import LinesOf

    TextArray = npt.NDArray[np.object_]

_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)"
_ZONE = r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NUMBER = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}


@dataclass(frozen=True)
class Stamps:
    """A parsed time column: datetime64[us] (in UTC when `timezone` is set), or int64 steps."""

    values: StampArray
    timezone: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Format:
    """One way to write stamps: its name, the texts it fits, and how distinct texts become datetime64[us] or NaT."""

    name: str
    pattern: re.Pattern[str]
    parse: Callable[[TextArray], StampArray]


def _iso(texts: TextArray) -> StampArray:
    try:
        return texts.astype("U").astype("datetime64[us]")
    except ValueError:
        return _to_datetime(texts, "ISO8601")


def _to_datetime(texts: TextArray, text_format: str) -> StampArray:
    parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=text_format, errors="coerce")
    return parsed.to_numpy().astype("datetime64[us]")


def _strptime(text_format: str) -> Callable[[TextArray], StampArray]:
    return lambda texts: _to_datetime(texts, text_format)


def _zoned(texts: TextArray) -> StampArray:
    """Return stamps with an offset in UTC."""
    cleaned = pd.Series(texts, dtype=object).str.replace(" ?UTC$", "Z", regex=True)
    parsed = pd.to_datetime(cleaned, format="ISO8601", errors="coerce", utc=True)
    return parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def _months(texts: TextArray) -> StampArray:
    """Return the first days of months written as year and month, in either order, by number or name."""
    lowered = pd.Series(texts, dtype=object).str.lower()
    names = lowered.str.extract(f"({_MONTH})", expand=False)
    by_name = names.str[:3].map(_MONTH_NUMBER)
    by_number = pd.to_numeric(lowered.str.extract(r"^\d{1,4}[-/](\d{1,2})$", expand=False))
    month = by_name.where(by_name.notna(), by_number)
    year = pd.to_numeric(lowered.str.extract(r"^(\d{1,4})", expand=False))
    year = year.where(year.notna(), pd.to_numeric(lowered.str.extract(r"(\d{4})$", expand=False)))
    return _first_days(year, month)


def _quarters(texts: TextArray) -> StampArray:
    """Return the first days of quarters."""
    lowered = pd.Series(texts, dtype=object).str.lower()
    year = pd.to_numeric(lowered.str.extract(r"(\d{4})", expand=False))
    quarter = pd.to_numeric(lowered.str.extract(r"q([1-4])", expand=False))
    return _first_days(year, quarter * 3 - 2)


def _first_days(year: pd.Series[Any], month: pd.Series[Any]) -> StampArray:
    good = (year.notna() & month.between(1, 12)).to_numpy()
    ordinal = (year.fillna(1970) - 1970) * 12 + month.fillna(1) - 1
    stamps = ordinal.to_numpy(dtype=np.int64).astype("datetime64[M]").astype("datetime64[us]")
    return np.where(good, stamps, np.datetime64("NaT", "us"))


def _weeks(texts: TextArray) -> StampArray:
    """Return the Mondays of ISO weeks."""
    parts = pd.Series(texts, dtype=object).str.lower().str.extract(r"(\d{4})\D*w(\d{1,2})")
    return _to_datetime((parts[0] + parts[1].str.zfill(2) + "1").to_numpy(dtype=object), "%G%V%u")


def _clock(texts: TextArray) -> StampArray:
    """Return times of day on the first of January 1970."""
    cleaned = pd.Series(texts, dtype=object).str.replace(".", ":", regex=False)
    parsed = pd.to_timedelta(cleaned.where(cleaned.str.count(":") == 2, cleaned + ":00"), errors="coerce")
    return np.datetime64(0, "us") + parsed.to_numpy().astype("timedelta64[us]")


def _format(name: str, pattern: str, parse: Callable[[TextArray], StampArray]) -> Format:
    return Format(name, re.compile(pattern, re.IGNORECASE), parse)


#: Formats whose texts have one reading; the first that fits counts.
FORMATS: tuple[Format, ...] = (
    _format("YYYY-MM-DD", rf"\d{{4}}-\d\d?-\d\d?{_TIME}?", _iso),
    _format("YYYY-MM-DD with zone", rf"\d{{4}}-\d\d?-\d\d?{_TIME}{_ZONE}", _zoned),
    _format("YYYY/MM/DD", r"\d{4}/\d\d?/\d\d?", _strptime("%Y/%m/%d")),
    _format("YYYY/MM/DD HH:MM", r"\d{4}/\d\d?/\d\d? \d\d?:\d\d", _strptime("%Y/%m/%d %H:%M")),
    _format("YYYY/MM/DD HH:MM:SS", r"\d{4}/\d\d?/\d\d? \d\d?:\d\d:\d\d", _strptime("%Y/%m/%d %H:%M:%S")),
    _format("YYYYMMDD", r"(?:19|20)\d\d(?:0[1-9]|1[012])(?:0[1-9]|[12]\d|3[01])", _strptime("%Y%m%d")),
    _format("YYYY-MM", r"\d{1,4}[-/](?:0?[1-9]|1[012])", _months),
    _format("Mon YYYY", rf"{_MONTH}[ -]\d{{4}}", _months),
    _format("YYYY Mon", rf"\d{{4}}[ -]{_MONTH}", _months),
    _format("D Mon YYYY", r"\d\d? [a-z]{3} \d{4}", _strptime("%d %b %Y")),
    _format("D-Mon-YYYY", r"\d\d?-[a-z]{3}-\d{4}", _strptime("%d-%b-%Y")),
    _format("D Month YYYY", r"\d\d? [a-z]{4,9} \d{4}", _strptime("%d %B %Y")),
    _format("Mon D, YYYY", r"[a-z]{3} \d\d?, \d{4}", _strptime("%b %d, %Y")),
    _format("Month D, YYYY", r"[a-z]{4,9} \d\d?, \d{4}", _strptime("%B %d, %Y")),
    _format("YYYY-Q", r"\d{4}[ -]?q[1-4]", _quarters),
    _format("Q YYYY", r"q[1-4][ -]\d{4}", _quarters),
    _format("YYYY-W", r"\d{4}[ -]?w\d\d?", _weeks),
)
CLOCK = _format("HH:MM", r"(?:[01]?\d|2[0-3])[:.][0-5]\d(?:[:.][0-5]\d)?", _clock)
YEAR = _format("YYYY", r"\d{4}", lambda texts: texts.astype("U").astype("datetime64[Y]").astype("datetime64[us]"))
_SLASHED = re.compile(
    r"\d\d?([/.-])\d\d?\1(?P<year>\d{4}|\d{2})(?P<time> \d\d?:\d\d)?(?P<seconds>:\d\d)?(?P<half> ?[ap]m)?",
    re.IGNORECASE,
)


def format_of(text: str) -> str | None:
    """Return the name of the format of one text, None where it is no stamp; clock times and years count too."""
    for known in (*FORMATS, CLOCK):
        if known.pattern.fullmatch(text):
            return known.name
    return "D/M/Y or M/D/Y" if _SLASHED.fullmatch(text) else None


def parse_stamps(texts: TextArray, *, name: str, path: str, lines_of: LinesOf) -> Stamps:
    """Return a text column as stamps; each distinct text is parsed once.

    Raises DataError for empty cells, for two formats in one column, and for dates with two readings.
    """
    codes, distinct = pd.factorize(texts)
    distinct = np.array([str(text).strip() for text in distinct], dtype=object)
    column = _Column(name, path, codes, distinct, lines_of)
    empty = np.array([text in ("", "NaT", "NA", "NaN", "nan", "null", "None") for text in distinct], dtype=np.bool_)
    if empty.any() or (codes < 0).any():
        raise refusal(
            [column.finding("E_TIME_MISSING", np.append(empty, True), "no stamp", "write the stamp, or remove the row")]
        )
    known = next((one for one in (*FORMATS, CLOCK, YEAR) if one.pattern.fullmatch(distinct[0])), None)
    if known is None and _SLASHED.fullmatch(distinct[0]):
        return _parse_slashed(column)
    if known is None:
        raise refusal([column.not_a_stamp(np.arange(len(distinct)) == 0)])
    fits = _fitting(distinct, known)
    parsed = np.full(len(distinct), np.datetime64("NaT", "us"))
    parsed[fits] = known.parse(distinct[fits])
    bad = np.isnat(parsed)
    if bad.any():
        fits = np.array([known.pattern.fullmatch(text) is not None for text in distinct], dtype=np.bool_)
        raise refusal([column.other_format(bad & ~fits) if (bad & ~fits).any() else column.not_a_stamp(bad)])
    if known is CLOCK:
        return _without_dates(column, parsed[codes])
    if "zone" in known.name:
        return _in_utc_or_local(column, parsed)
    return Stamps(parsed[codes])


def _fitting(distinct: TextArray, known: Format) -> npt.NDArray[np.bool_]:
    """Return which texts have the format; ISO dates of one length are left to their parser, which is fast."""
    if known.parse is _iso and len(set(map(len, distinct))) == 1:
        return np.ones(len(distinct), dtype=np.bool_)
    return np.array([known.pattern.fullmatch(text) is not None for text in distinct], dtype=np.bool_)


@dataclass(frozen=True)
class _Column:
    """A time column as distinct texts and the rows that hold them, for messages."""

    name: str
    path: str
    codes: npt.NDArray[np.int64]
    distinct: TextArray
    lines_of: LinesOf

    def finding(self, code: str, chosen: npt.NDArray[np.bool_], words: str, fix: str) -> Finding:
        """Return the refusal of all rows whose distinct text is chosen."""
        rows = np.flatnonzero(np.append(chosen[: len(self.distinct)], True)[self.codes])
        lines = tuple(self.lines_of(rows[:MAX_LISTED_ROWS].tolist()))
        code_of_first = self.codes[rows[0]]
        value = str(self.distinct[code_of_first]) if code_of_first >= 0 else ""
        message = f"time column `{self.name}`, {rows_in_words(lines, len(rows))}: {words}"
        return Finding(code, "refusal", message, self.path, lines, self.name, value, len(rows), fix)

    def first(self, chosen: npt.NDArray[np.bool_]) -> tuple[int, str]:
        """Return the file row and the text of the first row whose distinct text is chosen."""
        row = int(np.flatnonzero(chosen[self.codes])[0])
        return self.lines_of([row])[0], str(self.distinct[self.codes[row]])

    def not_a_stamp(self, bad: npt.NDArray[np.bool_]) -> Finding:
        _, text = self.first(bad)
        fix = "correct these rows, or remove them; dates are best written as YYYY-MM-DD"
        return self.finding("E_TIME_TEXT", bad, f"{quoted(text)} is not a date or time", fix)

    def other_format(self, bad: npt.NDArray[np.bool_]) -> Finding:
        """Return the refusal of a column with two formats, or with a row that is no stamp at all."""
        _, text = self.first(bad)
        if format_of(text) is None:
            return self.not_a_stamp(bad)
        row, other = self.first(~bad)
        words = f"{quoted(text)} is written in another format than {quoted(other)} in row {row}"
        return self.finding("E_TIME_FORMATS", bad, words, "rewrite the column in one format, as YYYY-MM-DD")


def _parse_slashed(column: _Column) -> Stamps:
    """Parse day, month and year in an order that the whole column decides."""
    matches = [_SLASHED.fullmatch(text) for text in column.distinct]
    first = matches[0]
    other = np.array([match is None or match["year"] is None for match in matches], dtype=np.bool_)
    if other.any() or first is None:
        raise refusal([column.other_format(other)])
    if len(first["year"]) == 2:
        words = f"{quoted(first[0])} has a year of two digits"
        every = np.ones(len(matches), dtype=np.bool_)
        raise refusal(
            [column.finding("E_TIME_TWO_DIGITS", every, words, "write years with four digits, as YYYY-MM-DD")]
        )
    tail = f"{first[1]}%Y"
    if first["time"]:
        tail += (" %I:%M" if first["half"] else " %H:%M") + (":%S" if first["seconds"] else "")
        tail += {"": "", " ": " %p"}.get((first["half"] or "")[:1], "%p")
    day_first = _to_datetime(column.distinct, f"%d{first[1]}%m{tail}")
    month_first = _to_datetime(column.distinct, f"%m{first[1]}%d{tail}")
    not_day, not_month = np.isnat(day_first), np.isnat(month_first)
    if not_day.any() and not_month.any():
        neither = not_day & not_month
        if neither.any():
            raise refusal([column.not_a_stamp(neither)])
        row, text = column.first(not_day)
        words = f"day first as in {quoted(column.first(not_month)[1])} cannot be meant in row {row}, {quoted(text)}"
        raise refusal([column.finding("E_TIME_FORMATS", not_month, words, "rewrite the column as YYYY-MM-DD")])
    if not not_day.any() and not not_month.any() and (day_first != month_first).any():
        raise refusal([_two_readings(column, day_first, month_first)])
    order, chosen = ("month/day/year", month_first) if not_day.any() else ("day/month/year", day_first)
    message = f"time column `{column.name}` is read as {order}: no other order fits all rows"
    note = Finding("N_TIME_ORDER", "note", message, column.path, column=column.name)
    return Stamps(chosen[column.codes], findings=(note,))


def _two_readings(column: _Column, day_first: StampArray, month_first: StampArray) -> Finding:
    differs = day_first != month_first
    _, text = column.first(differs)
    index = int(np.flatnonzero(column.distinct == text)[0])
    readings = f"{day_first[index].astype('datetime64[D]')} or {month_first[index].astype('datetime64[D]')}"
    words = f"{quoted(text)} may be {readings}, and no row decides"
    return column.finding("E_TIME_AMBIGUOUS", differs, words, "rewrite the column as YYYY-MM-DD")


def _in_utc_or_local(column: _Column, utc: StampArray) -> Stamps:
    """Return zoned stamps in UTC, or in local time where they are all midnights there: dates, not instants."""
    bare = pd.Series(column.distinct, dtype=object).str.replace(f"{_ZONE}$", "", regex=True)
    local = _iso(bare.to_numpy(dtype=object))
    midnights = bool((local == local.astype("datetime64[D]")).all())
    zones = sorted(set(pd.Series(column.distinct, dtype=object).str.extract(f"({_ZONE})$", expand=False).str.strip()))
    held = "local time, as dates" if midnights else "UTC"
    message = f"time column `{column.name}` has offsets ({', '.join(zones[:3])}); stamps are held in {held}"
    note = Finding("N_TIME_ZONE", "note", message, column.path, column=column.name)
    if midnights:
        return Stamps(local[column.codes], findings=(note,))
    return Stamps(utc[column.codes], timezone="UTC", findings=(note,))


def _without_dates(column: _Column, stamps: StampArray) -> Stamps:
    """Return times of day as stamps from 1970-01-01 on; a time before the one above it begins the next day."""
    backwards = np.diff(stamps.astype(np.int64), prepend=stamps[:1].astype(np.int64)) < 0
    days = np.cumsum(backwards).astype("timedelta64[D]")
    message = f"time column `{column.name}` has times without dates; the first day is called 1970-01-01"
    note = Finding("N_TIME_NO_DATE", "note", message, column.path, column=column.name)
    return Stamps(stamps + days, findings=(note,))


_EPOCH_UNITS = (("s", 10**8, 10**10, 1_000_000), ("ms", 10**11, 10**13, 1_000), ("us", 10**14, 10**16, 1))


def parse_integers(values: npt.NDArray[np.int64], *, name: str, path: str) -> Stamps:
    """Return whole numbers of a time column as years, dates (YYYYMMDD), seconds since 1970 or plain steps."""
    low, high = int(values.min()), int(values.max())
    words = set(re.split(r"[^a-z]+", name.lower()))
    if words & {"year", "years", "date", "ds"} and low >= 1500 and high <= 2200:
        return Stamps((values - 1970).astype("datetime64[Y]").astype("datetime64[us]"))
    if low >= 19000101 and high <= 22001231 and not words & {"step", "index", "t", "timestamp"}:
        dates = _to_datetime(values.astype(str).astype(object), "%Y%m%d")
        if not np.isnat(dates).any():
            return Stamps(dates)
    for unit, lowest, highest, factor in _EPOCH_UNITS:
        if low >= lowest and high < highest and not words & {"step", "index", "t"}:
            message = f"time column `{name}` is read as {unit} since 1970-01-01 in UTC"
            note = Finding("N_TIME_EPOCH", "note", message, path, column=name, value=str(low))
            return Stamps((values * factor).astype("datetime64[us]"), timezone="UTC", findings=(note,))
    return Stamps(values.astype(np.int64))
