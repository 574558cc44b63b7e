"""The ways to write a timestamp that have one reading: which texts each fits, and how they become timestamps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, is_foreign_date, month_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from rnnforecast.arrays import BoolArray, Int64Array, TextArray, TimestampArray


#: Texts above which the columnar library is worth its import.
MANY = 20_000
_ENDLESS_EXPONENT = re.compile(r"[eE][-+]?\d{4}")
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"
ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))"
_CLOCK_TAIL = r"(?:,?[T ]+(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))? ?([ap]\.?m\.?)?)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?"


@dataclass(frozen=True)
class Format:
    """One way to write timestamps: its name, the texts it fits, and how distinct texts become datetime64[us] or NaT."""

    name: str
    pattern: re.Pattern[str]
    parse: Callable[[TextArray], TimestampArray]

    def fits(self, texts: TextArray) -> BoolArray:
        """Return which texts are written so."""
        return matching(texts, self.pattern)


def matching(texts: TextArray, pattern: re.Pattern[str]) -> BoolArray:
    """Return which texts a pattern fits as a whole, whatever their case."""
    if len(texts) <= MANY:
        return np.array([pattern.fullmatch(text) is not None for text in texts], dtype=np.bool_)
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.match_substring_regex(pa.array(texts, pa.string()), f"^(?:{pattern.pattern})$", ignore_case=True)
    return np.asarray(whole.to_numpy(zero_copy_only=False), dtype=np.bool_)


def to_number(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as numbers, NaN for what is none.

    An exponent of so many digits is none: the parser of pandas ends the process on `1e9991700001500000`.
    """
    if column.dtype.kind in "iufb":
        return column
    endless = column.astype(str).str.contains(_ENDLESS_EXPONENT)
    return pd.to_numeric(column.mask(endless), errors="coerce")


def to_datetime(texts: TextArray, text_format: str, *, utc: bool = False) -> TimestampArray:
    """Return texts of a format of `strptime`, or ISO8601, as datetime64[us]; NaT where they are not.

    With `utc` their offsets are taken off. Raises ValueError for a format that is none.
    """
    parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=text_format, errors="coerce", utc=utc)
    if utc:
        parsed = parsed.dt.tz_localize(None)
    return parsed.to_numpy().astype("datetime64[us]")


def nothing(length: int) -> TimestampArray:
    """Return so many missing timestamps."""
    return np.full(length, np.datetime64("NaT", "us"))


def _iso(texts: TextArray) -> TimestampArray:
    timestamps = to_datetime(texts, "ISO8601")
    lost = np.flatnonzero(np.isnat(timestamps))
    if len(lost):  # years before 1678 and after 2261 too
        timestamps[lost] = _iso_one_by_one(texts[lost])
    return timestamps


def _iso_one_by_one(texts: TextArray) -> TimestampArray:
    padded = np.array([re.sub(r"(?<![\d.])(\d)(?!\d)", r"0\1", text.replace(",", ".")) for text in texts], dtype=object)
    try:
        return padded.astype("U").astype("datetime64[us]")
    except ValueError:
        timestamps = nothing(len(padded))
        for row, text in enumerate(padded):
            try:
                timestamps[row] = np.datetime64(text, "us")
            except ValueError:
                continue
        return timestamps


def stripped(texts: TextArray) -> TextArray:
    """Return texts without blanks around them."""
    if len(texts) > MANY:
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            given = pa.array(texts, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return np.array([str(text).strip() for text in texts], dtype=object)
        if given.null_count == 0 and pc.all(pc.equal(given, pc.utf8_trim_whitespace(given))).as_py():
            return texts
    return np.array([str(text).strip() for text in texts], dtype=object)


def same_length(texts: TextArray) -> bool:
    """Whether all texts have one length."""
    return len(set(map(len, texts))) == 1


def strptime(text_format: str) -> Callable[[TextArray], TimestampArray]:
    """Return a parser of one format of `strptime`."""
    return lambda texts: to_datetime(texts, text_format)


def _zoned(texts: TextArray) -> TimestampArray:
    """Return timestamps with an offset in UTC."""
    if len(texts) > MANY:
        import pyarrow as pa

        try:
            parsed = pa.array(texts, pa.string()).cast(pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)
            return np.asarray(parsed.astype("datetime64[us]"))
        except pa.ArrowInvalid:
            pass  # some are written in a way that only the slow parser knows
    cleaned = pd.Series(texts, dtype=object).str.replace(" ?(UTC|GMT)$", "Z", regex=True)
    parsed = pd.to_datetime(cleaned, format="ISO8601", errors="coerce", utc=True)
    return parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def _months(texts: TextArray) -> TimestampArray:
    """Return the first days of months written as year and month, in either order, by number or name."""
    lowered = pd.Series(texts, dtype=object).str.lower()
    by_name = month_numbers(lowered.str.extract(f"({ENGLISH_MONTH})", expand=False))
    by_number = pd.to_numeric(lowered.str.extract(r"^\d{1,4}[-/](\d{1,2})$", expand=False))
    month = by_name.where(by_name.notna(), by_number)
    year = pd.to_numeric(lowered.str.extract(r"^(\d{1,4})", expand=False))
    year = year.where(year.notna(), pd.to_numeric(lowered.str.extract(r"(\d{4})$", expand=False)))
    return compose(year, month)


def _quarters(texts: TextArray) -> TimestampArray:
    """Return the first days of quarters."""
    lowered = pd.Series(texts, dtype=object).str.lower()
    year = pd.to_numeric(lowered.str.extract(r"(\d{4})", expand=False))
    quarter = pd.to_numeric(lowered.str.extract(r"q(?:tr)? ?([1-4])", expand=False))
    return compose(year, quarter * 3 - 2)


def compose(year: pd.Series[Any], month: pd.Series[Any], day: pd.Series[Any] | None = None) -> TimestampArray:
    """Return the days of these numbers, the first of the month where there is no day; NaT for days that are none."""
    good = (year.notna() & month.between(1, 12)).to_numpy()
    ordinal = (year.fillna(1970) - 1970) * 12 + month.fillna(1) - 1
    months = ordinal.to_numpy(dtype=np.int64).astype("datetime64[M]")
    timestamps = months.astype("datetime64[D]")
    if day is not None:
        good &= day.between(1, 31).to_numpy()
        timestamps = timestamps + (day.fillna(1).to_numpy(dtype=np.int64) - 1).astype("timedelta64[D]")
        good &= timestamps.astype("datetime64[M]") == months  # 30 February is no day
    return np.where(good, timestamps.astype("datetime64[us]"), np.datetime64("NaT", "us"))


def _named_days(pattern: str) -> Callable[[TextArray], TimestampArray]:
    """Return a parser of days whose month is a name: groups day, month, year, hour, minute, second, half of day."""
    order = ("month", "day", "year") if pattern == _MONTH_FIRST else ("day", "month", "year")

    def parse(texts: TextArray) -> TimestampArray:
        parts = pd.Series(texts, dtype=object).str.lower().str.extract(pattern)
        parts.columns = pd.Index([*order, "hour", "minute", "second", "half"])
        day, year = pd.to_numeric(parts["day"]), pd.to_numeric(parts["year"])
        return compose(year, month_numbers(parts["month"]), day) + _since_midnight(parts)

    return parse


def _since_midnight(parts: pd.DataFrame) -> npt.NDArray[np.timedelta64]:
    """Return the time of day of columns hour, minute, second, half; NaT for hours and minutes that are none."""
    hour, minute = (pd.to_numeric(parts[name]).fillna(0) for name in ("hour", "minute"))
    second = pd.to_numeric(parts["second"].str.replace(",", ".", regex=False)).fillna(0)
    afternoon, halved = parts["half"].str.startswith("p", na=False), parts["half"].notna()
    good = (minute < 60) & (second < 60) & (hour < 24) & (~halved | hour.between(1, 12))
    hour = hour.where(~halved, hour % 12 + 12 * afternoon)
    microseconds = (hour * 3_600 + minute * 60) * 1_000_000 + (second * 1_000_000).round()
    spans = microseconds.to_numpy(dtype=np.int64).astype("timedelta64[us]")
    return np.where(good.to_numpy(), spans, np.timedelta64("NaT", "us"))


def _weeks(texts: TextArray) -> TimestampArray:
    """Return the days of ISO weeks, their Mondays where no day of the week is written."""
    parts = pd.Series(texts, dtype=object).str.lower().str.extract(r"(\d{4})\D*w(\d{1,2})(?:-?([1-7]))?$")
    year, week, day = parts.fillna({0: "1970", 1: "0", 2: "1"}).astype(np.int64).to_numpy().T  # no year has a week 0
    mondays, exists = iso_weeks(year, week)
    return np.where(exists, mondays + (day - 1).astype("timedelta64[D]"), np.datetime64("NaT", "us"))


def iso_weeks(year: Int64Array, week: Int64Array) -> tuple[TimestampArray, BoolArray]:
    """Return the Mondays of ISO weeks, and which of them exist: most years have no week 53."""
    fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.timedelta64(3, "D")  # 4 January
    weekday = (fourth.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    mondays = fourth - weekday.astype("timedelta64[D]") + (7 * (week - 1)).astype("timedelta64[D]")
    of_year = (mondays + np.timedelta64(3, "D")).astype("datetime64[Y]").astype(np.int64) + 1970
    return mondays.astype("datetime64[us]"), np.asarray((of_year == year) & (week >= 1))


def _clock(texts: TextArray) -> TimestampArray:
    """Return times of day on the first of January 1970."""
    cleaned = pd.Series(texts, dtype=object).str.replace(".", ":", regex=False)
    parsed = pd.to_timedelta(cleaned.where(cleaned.str.count(":") == 2, cleaned + ":00"), errors="coerce")
    return np.datetime64(0, "us") + parsed.to_numpy().astype("timedelta64[us]")


def _half_days(texts: TextArray) -> TimestampArray:
    parts = pd.Series(texts, dtype=object).str.lower().str.extract(rf"^(\S+){_CLOCK_TAIL}$")
    parts.columns = pd.Index(["date", "hour", "minute", "second", "half"])
    return _iso(parts["date"].to_numpy(dtype=object)) + _since_midnight(parts)


def _format(name: str, pattern: str, parse: Callable[[TextArray], TimestampArray]) -> Format:
    return Format(name, re.compile(pattern, re.IGNORECASE), parse)


_DAY_FIRST = rf"^{_WEEKDAY}(\d\d?)(?:st|nd|rd|th|\.)?[ -]?({ENGLISH_MONTH})[ ,-]*(\d{{4}}){_CLOCK_TAIL}$"
_MONTH_FIRST = rf"^{_WEEKDAY}({ENGLISH_MONTH}) +(\d\d?)(?:st|nd|rd|th)?,? +(\d{{4}}){_CLOCK_TAIL}$"
_ISO_DATE = r"\d{4}-\d\d?-\d\d?"

ISO = _format("YYYY-MM-DD", rf"{_ISO_DATE}{_TIME}?", _iso)
#: Formats whose texts have one reading; the first that fits counts.
FORMATS: tuple[Format, ...] = (
    ISO,
    _format("YYYY-MM-DD with zone", rf"{_ISO_DATE}{_TIME}{ZONE}", _zoned),
    _format("YYYY-MM-DD H:MM AM", r"\d{4}[-/]\d\d?[-/]\d\d?[T ]\d\d?:\d\d(?::\d\d)? ?[ap]m", _half_days),
    _format("YYYY/MM/DD", r"\d{4}/\d\d?/\d\d?", strptime("%Y/%m/%d")),
    _format("YYYY/MM/DD HH:MM", r"\d{4}/\d\d?/\d\d? \d\d?:\d\d", strptime("%Y/%m/%d %H:%M")),
    _format("YYYY/MM/DD HH:MM:SS", r"\d{4}/\d\d?/\d\d? \d\d?:\d\d:\d\d", strptime("%Y/%m/%d %H:%M:%S")),
    _format("YYYY.MM.DD", r"\d{4}\.\d\d?\.\d\d?", strptime("%Y.%m.%d")),
    _format("YYYY.MM.DD HH:MM", r"\d{4}\.\d\d?\.\d\d? \d\d?:\d\d", strptime("%Y.%m.%d %H:%M")),
    _format("YYYYMMDD", r"(?:19|20)\d\d(?:0[1-9]|1[012])(?:0[1-9]|[12]\d|3[01])", strptime("%Y%m%d")),
    _format("YYYYMMDDTHHMM", r"\d{8}[T ]\d{4}", lambda texts: to_datetime(texts, "ISO8601")),
    _format("YYYYMMDDTHHMMSS", r"\d{8}[T ]\d{6}", lambda texts: to_datetime(texts, "ISO8601")),
    _format("YYYYMMDDTHHMMSS with zone", rf"\d{{8}}T\d{{4}}(?:\d\d)?{ZONE}", _zoned),
    _format("YYYY-MM", r"\d{1,4}[-/](?:0?[1-9]|1[012])", _months),
    _format("YYYY.MM", r"\d{4}\.(?:0[1-9]|1[012])", strptime("%Y.%m")),
    _format("Mon YYYY", rf"{ENGLISH_MONTH}[ ,-]+\d{{4}}", _months),
    _format("YYYY Mon", rf"\d{{4}}[ -]{ENGLISH_MONTH}", _months),
    _format("YYYYMmm", r"\d{4}M(?:0[1-9]|1[012])", lambda texts: _months(_with_dash(texts))),
    _format("D Mon YYYY", _DAY_FIRST[1:-1], _named_days(_DAY_FIRST)),
    _format("Mon D, YYYY", _MONTH_FIRST[1:-1], _named_days(_MONTH_FIRST)),
    _format("YYYY-Q", r"\d{4}[ -]?q(?:tr)?[1-4]", _quarters),
    _format("Q YYYY", r"q(?:tr)? ?[1-4][ -]\d{4}", _quarters),
    _format("YYYY-W", r"\d{4}[ -]?w\d\d?(?:-[1-7])?", _weeks),
)
CLOCK = _format("HH:MM", r"(?:[01]?\d|2[0-3])[:.][0-5]\d(?:[:.][0-5]\d)?", _clock)
YEAR = _format("YYYY", r"\d{4}", lambda texts: texts.astype("U").astype("datetime64[Y]").astype("datetime64[us]"))
FOREIGN = "day and month in another language"
SLASHED = re.compile(
    r"(?:\d\d?/\d\d?/(?:\d{4}|\d\d)|\d\d?-\d\d?-(?:\d{4}|\d\d)|\d\d?\.\d\d?\.(?:\d{4}|\d\d))"
    r"(?:[ T]\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]m)?)?",
    re.IGNORECASE,
)


def _with_dash(texts: TextArray) -> TextArray:
    return np.array([text[:4] + "-" + text[5:] for text in texts], dtype=object)


def format_of(text: str) -> str | None:
    """Return the name of the format of one text, None where it is no timestamp; clock times and years count too."""
    for known in (*FORMATS, CLOCK):
        if known.pattern.fullmatch(text):
            return known.name
    if SLASHED.fullmatch(text):
        return "D/M/Y or M/D/Y"
    return FOREIGN if is_foreign_date(text) else None
