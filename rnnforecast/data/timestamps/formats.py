"""How timestamps are written: a table of date formats, one grammar for the time of day, and the parser of both.

A text is split into date and time of day; each distinct date and each distinct time is parsed once.
"""

from __future__ import annotations

import datetime
import re
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.arrays import BoolArray, Int64Array, TextArray, TimestampArray
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, is_foreign_date, month_number
from rnnforecast.frozen import dataclass

#: Texts from which on pyarrow parses ISO timestamps: its import takes longer than a few of them.
MANY = 20_000
#: The first year of two digits that is one of the last century, as POSIX has it.
FIRST_SHORT_YEAR = 69
_ENDLESS_EXPONENT = re.compile(r"[eE][-+]?\d{4}")
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_MINUTE = 60_000_000  # microseconds
ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))"
_TIME = re.compile(
    r"(?P<hour>\d\d?)(?P<mark>[:.])(?P<minute>\d\d)(?:(?P=mark)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    rf" ?(?P<half>[ap]\.?m\.?)?(?P<zone>{ZONE})?",
    re.IGNORECASE,
)
_COMPACT = re.compile(rf"(\d{{8}})[T ](\d\d)(\d\d)(\d\d)?({ZONE})?", re.IGNORECASE | re.ASCII)
_GROUPS = {
    "%Y": r"(?P<year>\d{4})",
    "%m": r"(?P<month>\d\d?)",
    "%d": r"(?P<day>\d\d?)",
    "%b": f"(?P<month>{ENGLISH_MONTH})",
}
_WEEK = r"(?:w|wk|week|kw|cw)[ .]?(?P<week>\d\d?)"
_QUARTER = r"(?:q|qtr|quarter|t) ?(?P<quarter>[1-4])"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?"


@dataclass(frozen=True)
class DateFormat:
    """One way to write a date: its name, and a grammar whose groups are year, month, day, quarter, week or weekday."""

    name: str
    grammar: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled grammar; few formats are needed in a run."""
        return re.compile(self.grammar, re.IGNORECASE | re.ASCII)

    @property
    def has_short_year(self) -> bool:
        """Whether its years have two digits: 69 is 1969, 68 is 2068."""
        return (self.name.endswith("YY") and not self.name.endswith("YYYY")) or self.name.startswith("YY/")

    @property
    def takes_time(self) -> bool:
        """Whether a time of day may follow the date."""
        return "day" in self.pattern.groupindex

    def fits(self, date: str, time: str = "") -> bool:
        """Whether a text is written in this format, whether or not that day exists."""
        if self.pattern.fullmatch(date) is None:
            return False
        return not time or (self.takes_time and _TIME.fullmatch(time) is not None)

    def day(self, date: str) -> int | None:
        """Return the days since 1970-01-01 of a date, of a longer period its first day; None where there is no such day."""
        found = self.pattern.fullmatch(date)
        if found is None:
            return None
        parts = found.groupdict()
        try:
            year = int(parts["year"])
            if len(parts["year"]) == 2 and (self.has_short_year or "FY" in self.name):
                year += 2000 if year < FIRST_SHORT_YEAR else 1900
            if "week" in parts:
                start = datetime.date.fromisocalendar(year, int(parts["week"]), int(parts.get("weekday") or 1))
            else:
                month = 3 * int(parts["quarter"]) - 2 if "quarter" in parts else month_number(parts.get("month", "1"))
                start = datetime.date(year, month, int(parts.get("day", "1")))
        except ValueError:
            return None
        return start.toordinal() - _EPOCH_DAY


def _format(name: str, pattern: str) -> DateFormat:
    """Return the format of a pattern in which %Y, %m, %d and %b are year, month, day and the name of a month."""
    for sign, group in _GROUPS.items():
        pattern = pattern.replace(sign, group)
    return DateFormat(name, pattern)


ISO = _format("YYYY-MM-DD", "%Y-%m-%d")
#: Dates that can be read in one way only; the first format that fits is used.
FORMATS: tuple[DateFormat, ...] = (
    ISO,
    _format("YYYY/MM/DD", "%Y/%m/%d"),
    _format("YYYY.MM.DD", r"%Y\.%m\.%d"),
    _format("YYYYMMDD", r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[012])(?P<day>0[1-9]|[12]\d|3[01])"),
    _format("YYYY-WW", r"%Y[-/](?P<week>1[3-9]|[2-4]\d|5[0-3])"),
    _format("YYYY-MM", r"(?P<year>\d{1,4})[-/](?P<month>0?[1-9]|1[012])"),
    _format("YYYY.MM", r"%Y\.(?P<month>0[1-9]|1[012])"),
    _format("YYYYMmm", r"%YM(?P<month>0[1-9]|1[012])"),
    _format("MM/YYYY", r"(?P<month>0?[1-9]|1[012])[/.-]%Y"),
    _format("YYYY年M月D日", r"%Y年 ?%m月 ?%d日"),
    _format("YYYY年M月", r"%Y年 ?%m月"),
    _format("Mon YYYY", "%b[ ,-]+%Y"),
    _format("YYYY Mon", "%Y[ -]%b"),
    _format("D Mon YYYY", rf"{_WEEKDAY}%d(?:st|nd|rd|th|\.)?[ -]?%b[ ,-]*%Y"),
    _format("Mon D, YYYY", rf"{_WEEKDAY}%b +%d(?:st|nd|rd|th)?,? +%Y"),
    _format("YYYY-Q", rf"%Y[ /-]?{_QUARTER}"),
    _format("Q YYYY", rf"{_QUARTER}[ ,/'-]+%Y"),
    _format("QQ YYYY", r"(?P<quarter>[1-4])[ -]?q(?:tr)?[ /'-]?%Y"),
    _format("Q YY", r"q(?P<quarter>[1-4])[ /'-]*(?P<year>\d\d)"),
    _format("QQ YY", r"(?P<quarter>[1-4])q[ /'-]?(?P<year>\d\d)"),
    _format("Q FY", r"q(?:tr)?(?P<quarter>[1-4])[ ,/-]*fy ?'?(?P<year>\d{4}|\d\d)"),
    _format("FY Q", r"fy ?'?(?P<year>\d{4}|\d\d)[ ,/-]*q(?:tr)?(?P<quarter>[1-4])"),
    _format("D Mon YY", r"%d[ -]%b[ -](?P<year>\d\d)"),
    _format("YYYY-W", rf"%Y[ ,/-]*{_WEEK}(?:-(?P<weekday>[1-7]))?"),
    _format("W YYYY", rf"{_WEEK}[ ,/-]+%Y"),
    _format("FY P", r"(?:fy ?)?(?P<year>\d{4}|(?<=fy)\d\d)[ /-]?p(?:er(?:iod)?)?[ .]?(?P<month>0?[1-9]|1[012])"),
    _format("P YYYY", r"p(?:er(?:iod)?)?[ .]?(?P<month>0?[1-9]|1[012])[ ,/-]+(?:fy ?)?%Y"),
)
YEAR = _format("YYYY", "%Y")
CLOCK = re.compile(r"(?:[01]?\d|2[0-3])[:.][0-5]\d(?:[:.][0-5]\d)?(?: ?[ap]\.?m\.?)?", re.IGNORECASE)
FOREIGN = "day and month in another language"
#: Dates whose first two numbers are day and month in either order, between two equal separators.
DAY_AND_MONTH = re.compile(r"\d\d?([/.-])\d\d?\1(?:\d{4}|\d\d)")


#: Words before a date that say nothing more: `Mon 01/02/2023`, `Week of Jan 4 2021`, `w/e 10/01/2021`.
_PREFIX = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,? +"
    r"|(?:week (?:of|commencing|beginning|starting|end(?:ing)?)|w/[cbe])[ :]+)(?=\S*\d|[A-Za-z]{3,9}\.? \d)",
    re.IGNORECASE,
)
_BLANKS_IN_DATE = re.compile(r"(?<=\d)\s*([-/.])\s*(?=\d)")
#: What separates the start of an interval from its end.
_BETWEEN = re.compile(r"\s+(?:-|to|bis|until)\s+|\s*(?:\u2013|\u2014|\.\.)\s*|/(?=\d{4}-)", re.IGNORECASE)
_YEAR_AND_NUMBER = re.compile(r"((?:19|20)\d\d)[-/](\d\d)")
_WEEKS = 53
#: A time of day and, after a hyphen, either an offset or the end of an interval; offsets of one column at most.
_HYPHENED = re.compile(r"(.*\d:\d\d)-(\d\d:\d\d)")
_MAX_OFFSETS = 4


def orders_of(separator: str, *, has_short_year: bool) -> dict[str, DateFormat]:
    """Return the orders in which three numbers with a separator may be a date, by their name in words.

    A year of two digits may stand in front too.
    """
    sign = re.escape(separator)
    year = r"(?P<year>\d\d)" if has_short_year else "%Y"
    suffix = "YY" if has_short_year else "YYYY"
    orders = {
        "day/month/year": _format(f"D/M/{suffix}", f"%d{sign}%m{sign}{year}"),
        "month/day/year": _format(f"M/D/{suffix}", f"%m{sign}%d{sign}{year}"),
    }
    if has_short_year:
        orders["year/month/day"] = _format("YY/M/D", f"{year}{sign}%m{sign}%d")
    return orders


def split_time(text: str) -> tuple[str, str]:
    """Return the date and the time of day of a text, the time empty where there is none."""
    colon = text.find(":")
    if colon < 0:
        compact = _COMPACT.fullmatch(text)
        if compact is None:
            return text, ""
        date, hour, minute, second, zone = compact.groups(default="")
        return date, f"{hour}:{minute}:{second or '00'}{zone}"
    cut = max(text.rfind(" ", 0, colon), text.rfind("T", 0, colon), text.rfind("t", 0, colon))
    return text[: max(cut, 0)].rstrip(" ,"), text[cut + 1 :]


def format_of(text: str) -> str | None:
    """Return the name of the format of one text, None where it is not a timestamp; times of day count too."""
    if is_clock(text):
        return "HH:MM"
    date, time = split_time(text)
    known = next((one for one in FORMATS if one.fits(date, time)), None)
    if known is not None:
        return known.name
    if DAY_AND_MONTH.fullmatch(date) and (not time or _TIME.fullmatch(time)):
        return "D/M/Y or M/D/Y"
    start = interval_start(text)
    if start is not None:
        return format_of(start)
    for bare in (without_prefix(text), without_blanks(text)):
        if bare != text:
            return format_of(bare)
    return FOREIGN if is_foreign_date(text) else None


def _is_dotted_date(text: str) -> bool:
    """Whether a text with two points is a date such as 01.02.24 rather than a time of day such as 10.00.00."""
    parts = text.split(".")
    return len(parts) == 3 and 1 <= int(parts[0]) <= 31 and 1 <= int(parts[1]) <= 12 and parts[2] != "00"


def is_clock(text: str) -> bool:
    """Whether a text is a time of day without a date, and no date with points."""
    return CLOCK.fullmatch(text) is not None and not _is_dotted_date(text)


def without_prefix(text: str) -> str:
    """Return a date without the weekday or the words before it: `Mon 01/02/2023`, `Week of Jan 4 2021`."""
    return _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text


def without_blanks(text: str) -> str:
    """Return a date without the blanks around its marks: `2024 - 1 - 5`, `1/ 5/2024`."""
    return _BLANKS_IN_DATE.sub(r"\1", text)


def interval_start(text: str) -> str | None:
    """Return the start of an interval such as `01.03.2024 00:00 - 01.03.2024 01:00`, None where a text is not one."""
    for between in _BETWEEN.finditer(text):
        first, second = text[: between.start()].strip(), text[between.end() :].strip()
        if first and format_of(first) is not None and (is_time_of_day(second) or format_of(second) is not None):
            return first
    return None


def starts_of(texts: TextArray) -> TextArray | None:
    """Return the starts of a column of intervals, None where the first text is not one; other texts stay unchanged.

    `01:00-02:00` is an interval where its end changes from row to row more than an offset does.
    """
    if len(texts) and interval_start(str(texts[0])) is not None:
        return np.array([interval_start(str(text)) or text for text in texts], dtype=object)
    if not len(texts) or _HYPHENED.fullmatch(str(texts[0])) is None:
        return None
    found = [_HYPHENED.fullmatch(str(text)) for text in texts]
    if len({one[2] for one in found if one is not None}) <= _MAX_OFFSETS:
        return None
    return np.array([text if one is None else one[1] for text, one in zip(texts, found, strict=True)], dtype=object)


def weeks_of(texts: TextArray) -> TextArray | None:
    """Return years and weeks such as `2022-01` to `2022-52` as `2022-W01`, None for months and for seasons (`2022-23`)."""
    if not len(texts) or _YEAR_AND_NUMBER.fullmatch(str(texts[0])) is None:
        return None
    found = [_YEAR_AND_NUMBER.fullmatch(str(text)) for text in texts]
    pairs = [(int(one[1]), int(one[2])) for one in found if one is not None]
    if len(pairs) < len(texts) or not 12 < max(number for _, number in pairs) <= _WEEKS:
        return None
    if all((year + 1) % 100 == number for year, number in pairs):
        return None
    return np.array([f"{year}-W{number:02d}" for year, number in pairs], dtype=object)


@dataclass(frozen=True)
class ParsedTexts:
    """Texts as timestamps, each with what was written."""

    local: (
        TimestampArray  # [n] as written, without the offset; NaT where a text has another format or no such day exists
    )
    offsets: Int64Array  # [n] microseconds ahead of UTC
    has_zone: BoolArray  # [n]
    fits: BoolArray  # [n] written in the format, whether or not the day and the time exist
    ends_day: BoolArray  # [n] 24:00
    is_leap: BoolArray  # [n] second 60

    @property
    def utc(self) -> TimestampArray:
        """The instants: [n]."""
        return np.asarray(self.local - self.offsets.astype("timedelta64[us]"))


class SplitTexts:
    """Texts split into dates and times of day, each distinct one held once."""

    def __init__(self, texts: TextArray) -> None:
        pairs = [split_time(text) for text in texts]
        self.date_of, self.dates = pd.factorize(np.array([date for date, _ in pairs], dtype=object))
        self.time_of, times = pd.factorize(np.array([time for _, time in pairs], dtype=object))
        self.times = [_parse_time(text) for text in times]

    def parse(self, known: DateFormat) -> ParsedTexts:
        """Return all texts by one format; the first text decides whether they have a zone, or halves of the day."""
        fits_date = np.array([known.fits(date) for date in self.dates], dtype=np.bool_)
        days = [known.day(date) for date in self.dates]
        exists = np.array([day is not None for day in days], dtype=np.bool_)
        midnights = (
            np.array([day or 0 for day in days], dtype=np.int64).astype("datetime64[D]").astype("datetime64[us]")
        )
        like = self.times[self.time_of[0]]
        fits_time = np.array([one.written and one.kind == like.kind for one in self.times], dtype=np.bool_)
        if not known.takes_time:
            fits_time &= np.array([one.is_empty for one in self.times], dtype=np.bool_)
        elif like.kind == _Time.kind:  # dates alone may stand among dates with times
            fits_time |= np.array([one.is_empty for one in self.times], dtype=np.bool_)
        since = np.array([one.since_midnight or 0 for one in self.times], dtype=np.int64).astype("timedelta64[us]")
        is_time = np.array([one.since_midnight is not None for one in self.times], dtype=np.bool_)
        fits = fits_date[self.date_of] & fits_time[self.time_of]
        good = fits & exists[self.date_of] & is_time[self.time_of]
        local = midnights[self.date_of] + since[self.time_of]
        return ParsedTexts(
            local=np.where(good, local, np.datetime64("NaT", "us")),
            offsets=np.array([one.offset for one in self.times], dtype=np.int64)[self.time_of],
            has_zone=np.array([one.kind[0] for one in self.times], dtype=np.bool_)[self.time_of],
            fits=fits,
            ends_day=np.array([one.ends_day for one in self.times], dtype=np.bool_)[self.time_of] & good,
            is_leap=np.array([one.is_leap for one in self.times], dtype=np.bool_)[self.time_of] & good,
        )


@dataclass(frozen=True)
class _Time:
    """A time of day."""

    since_midnight: int | None = 0  # microseconds; None for a time that does not exist
    offset: int = 0
    kind: tuple[bool, bool] = (False, False)  # whether it has a zone, and am or pm
    written: bool = True  # as a time of day
    is_empty: bool = False
    ends_day: bool = False
    is_leap: bool = False


def _parse_time(text: str) -> _Time:
    if not text:
        return _Time(is_empty=True)
    found = _TIME.fullmatch(text)
    if found is None:
        return _Time(None, written=False)
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    fraction = int((found["fraction"] or "").ljust(6, "0")[:6])
    half, zone = (found["half"] or "").lower(), (found["zone"] or "").strip()
    ends_day = hour == 24 and minute == second == fraction == 0 and not half
    is_leap = second == 60 and fraction == 0 and not ends_day
    good = (hour < 24 or ends_day) and minute < 60 and (second < 60 or is_leap) and (not half or 1 <= hour <= 12)
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    digits = re.sub(r"\D", "", zone).ljust(4, "0")
    offset = (60 * int(digits[:2]) + int(digits[2:])) * _MINUTE * (-1 if zone.startswith("-") else 1)
    since = (60 * hour + minute) * _MINUTE + 1_000_000 * second + fraction
    kind = (bool(zone), bool(half))
    return _Time(since if good else None, offset, kind, ends_day=ends_day and good, is_leap=is_leap and good)


def is_time_of_day(text: str) -> bool:
    """Whether a text is written as a time of day, whether or not there is such a time."""
    return _TIME.fullmatch(text) is not None


def time_of_day(text: str) -> int | None:
    """Return the microseconds since midnight of one time of day, None where there is no such time."""
    time = _parse_time(text)
    return None if time.is_empty or time.offset else time.since_midnight


def parse_many_iso(texts: TextArray, *, has_zone: bool) -> TimestampArray | None:
    """Return a long column of ISO timestamps, those with a zone in UTC; None where one is written in another way."""
    if len(texts) <= MANY:
        return None
    import pyarrow as pa

    try:
        parsed = pa.array(texts, pa.string()).cast(pa.timestamp("us", "UTC" if has_zone else None))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return np.asarray(parsed.to_numpy(zero_copy_only=False).astype("datetime64[us]"))


def to_number(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as numbers, NaN for anything else.

    Exponents of four digits and more are not parsed: the parser of pandas ends the process on `1e9991700001500000`.
    """
    if column.dtype.kind in "iufb":
        return column
    endless = column.astype(str).str.contains(_ENDLESS_EXPONENT)
    return pd.to_numeric(column.mask(endless), errors="coerce")


def compose(year: Int64Array, month: Int64Array, day: Int64Array | int = 1) -> TimestampArray:
    """Return the days of these numbers; NaT for days that do not exist."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (np.asarray(day) - 1).astype("timedelta64[D]")
    good = (month >= 1) & (month <= 12) & (np.asarray(day) >= 1) & (days.astype("datetime64[M]") == months)
    return np.where(good, days.astype("datetime64[us]"), np.datetime64("NaT", "us"))


def iso_weeks(year: Int64Array, week: Int64Array) -> TimestampArray:
    """Return the Mondays of ISO weeks; NaT for weeks that do not exist: most years have no week 53."""
    fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.timedelta64(3, "D")  # 4 January
    weekday = (fourth.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    mondays = fourth - weekday.astype("timedelta64[D]") + (7 * (week - 1)).astype("timedelta64[D]")
    of_year = (mondays + np.timedelta64(3, "D")).astype("datetime64[Y]").astype(np.int64) + 1970
    good = (of_year == year) & (week >= 1)
    return np.where(good, mondays.astype("datetime64[us]"), np.datetime64("NaT", "us"))
