"""From text to timestamps, by one format for the whole column; dates that can be read in two ways are rejected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from rnnforecast.arrays import BoolArray, Int64Array, TextArray, TimestampArray
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.infer_frequency import infer_frequency
from rnnforecast.data.errors import ColumnRef, data_error, quoted
from rnnforecast.data.timestamps.formats import (
    CLOCK,
    DAY_AND_MONTH,
    FOREIGN,
    FORMATS,
    ISO,
    MANY,
    YEAR,
    ZONE,
    ParsedTexts,
    SplitTexts,
    format_of,
    is_clock,
    orders_of,
    parse_many_iso,
    split_time,
    starts_of,
    time_of_day,
    weeks_of,
    without_blanks,
    without_prefix,
)
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, languages_of, to_english
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass

#: What to do with thirteen periods of four weeks.
THIRTEEN_FIX = (
    "read the rows as steps in file order with `--time none --season-length 13`, or write the first day of each period"
)
_EMPTY = frozenset({"", "NaT", "NA", "NaN", "nan", "null", "None", "NULL", "<NA>", "N/A", "n/a"})
_ORDER_FIX = "name the order with `--dayfirst` or `--monthfirst`, or write the dates as YYYY-MM-DD"
_SAMPLE = 4_000
#: Timestamps that show a grid, and the fraction of it that they fill.
_MIN_REGULAR, _MIN_FILLED = 8, 0.6
#: Fraction of distinct texts in a sample above which each row is parsed by itself.
_MOSTLY_DISTINCT = 0.5
_PERIOD_13 = re.compile(r"\bp(?:er(?:iod)?)?[ .]?13\b", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
#: A month by its name and a year of two digits: `Apr-82`, `12-Apr-82`.
_SHORT_YEAR = re.compile(rf"(?:\d\d?[-/ ])?{ENGLISH_MONTH}[-/ '\u2019]+\d\d", re.IGNORECASE)
_ZONE_AT_END = re.compile(rf"(?:\d:\d\d[\d:.,]*(?: ?[ap]\.?m\.?)?|[T ]\d{{4,6}})({ZONE})$", re.IGNORECASE)


@dataclass(frozen=True)
class Timestamps:
    """A parsed time column: datetime64[us] (in UTC when `timezone` is set), or int64 steps."""

    values: TimestampArray
    timezone: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Column:
    """A time column as distinct texts and the rows that hold them."""

    ref: ColumnRef
    codes: Int64Array  # [n] place of the text of each row
    distinct: TextArray

    @classmethod
    def of(cls, texts: TextArray, ref: ColumnRef) -> _Column:
        """Return the distinct texts without blanks around them; all texts where nearly all of them differ."""
        sample = texts[:: max(len(texts) // _SAMPLE, 1)][:_SAMPLE]
        if len(texts) > MANY and len(set(sample)) > _MOSTLY_DISTINCT * len(sample):
            codes, distinct = np.arange(len(texts), dtype=np.int64), texts
        else:
            codes, distinct = pd.factorize(texts, use_na_sentinel=False)
        stripped = np.array([str(text).strip() for text in distinct], dtype=object)
        return cls(ref, codes.astype(np.int64), stripped)

    @property
    def every(self) -> BoolArray:
        """The choice of all distinct texts."""
        return np.ones(len(self.distinct), dtype=np.bool_)

    def changed(self, change: Callable[[str], str]) -> _Column:
        """Return the column with each distinct text changed."""
        return replace(self, distinct=np.array([change(str(text)) for text in self.distinct], dtype=object))

    def first(self, chosen: BoolArray) -> tuple[int, str]:
        """Return the file row and the text of the first row whose distinct text is chosen."""
        row = int(np.argmax(chosen[self.codes]))
        return self.ref.locate([row])[1][0], str(self.distinct[self.codes[row]])

    def problem(self, code: str, chosen: BoolArray, words: str, fix: str) -> Finding:
        """Return the finding that rejects all rows whose distinct text is chosen."""
        rows = np.flatnonzero(chosen[self.codes])
        text = str(self.distinct[self.codes[rows[0]]])
        return self.ref.problem(code, rows, words, value="" if text in _EMPTY else text, fix=fix)

    def note(self, code: str, words: str, chosen: BoolArray | None = None) -> Finding:
        """Return a note about the column, or a warning about the rows whose distinct text is chosen."""
        message = f"{self.ref} {words}"
        if chosen is None:
            return self.ref.finding(code, message)
        rows = np.flatnonzero(chosen[self.codes])
        return self.ref.finding(code, message, rows=rows, value=str(self.distinct[self.codes[rows[0]]]))

    def not_a_timestamp(self, bad: BoolArray) -> Finding:
        """Return the finding for texts that are not timestamps, or whose month has a name of another language."""
        _, text = self.first(bad)
        if _SHORT_YEAR.fullmatch(text):
            mark = re.sub(r"[A-Za-z\d]", "", text)[:1] or "-"
            return self.two_digit_year(bad, f"%b{mark}%y" if mark != "'" else '"%b \'%y"')
        languages = set.intersection(*(set(languages_of(str(one))) for one in self.distinct[bad][:100]))
        if languages:
            shown = " or ".join(f"`--locale {one}`" for one in sorted(languages))
            return self.problem("E_TIME_LOCALE", bad, f"{quoted(text)} names a month in another language", shown)
        fix = "correct these rows, or remove them; dates are best written as YYYY-MM-DD, others need --date-format"
        if _PERIOD_13.search(text):
            words = f"{quoted(text)} is a period of 13 in a year, which no calendar has"
            return self.problem("E_TIME_TEXT", bad, words, THIRTEEN_FIX)
        return self.problem("E_TIME_TEXT", bad, f"{quoted(text)} is not a date or time", fix)

    def two_digit_year(self, bad: BoolArray, example: str) -> Finding:
        """Return the finding for years of two digits."""
        fix = f"name the format, such as `--date-format {example}`, or write years with four digits"
        return self.problem("E_TIME_TWO_DIGITS", bad, f"{quoted(self.first(bad)[1])} has a year of two digits", fix)

    def other_format(self, bad: BoolArray) -> Finding:
        """Return the finding for a column with two formats, or with a row that is not a timestamp at all."""
        _, text = self.first(bad)
        if format_of(text) in (None, FOREIGN):
            return self.not_a_timestamp(bad)
        row, other = self.first(~bad)
        words = f"{quoted(text)} is written in another format than {quoted(other)} in row {row}"
        has_zone = _ZONE_AT_END.search(text) is not None
        if has_zone != (_ZONE_AT_END.search(other) is not None):
            one, another = ("has", "lacks") if has_zone else ("lacks", "has")
            words = f"{quoted(text)} {one} the zone that {quoted(other)} in row {row} {another}"
        fix = "rewrite the column in one format, as YYYY-MM-DD, or name the one format with --date-format"
        return self.problem("E_TIME_FORMATS", bad, words, fix)


def parse_timestamps(texts: TextArray, ref: ColumnRef, how: DataSettings | None = None) -> Timestamps:
    """Return a text column as timestamps; each distinct text is parsed once.

    Raises DataError for empty cells, for two formats in one column, and for dates that can be read in two ways: for all
    of them at once.
    """
    column = _Column.of(texts, ref)
    if how is not None and how.locale is not None:
        column = replace(column, distinct=to_english(column.distinct, how.locale))
    first = str(column.distinct[0])
    notes: tuple[Finding, ...] = ()
    weeks = weeks_of(column.distinct)
    starts = starts_of(column.distinct)
    if weeks is not None:
        words = "is read as year and ISO week, by its Monday: months end with 12"
        notes, column = (column.note("N_TIME_ORDER", words),), replace(column, distinct=weeks)
    elif starts is not None:
        words = f"holds intervals such as {quoted(first)}: their starts are the timestamps"
        notes, column = (column.note("N_TIME_INTERVAL", words),), replace(column, distinct=starts)
    else:
        short = without_prefix(first) if how is None or how.date_format is None else first
        if short != first and not any(one.fits(*split_time(first)) for one in FORMATS):
            column, first = column.changed(without_prefix), short
        bare = without_blanks(first)
        if bare != first and format_of(bare) is not None and split_time(first)[0] != split_time(bare)[0]:
            notes = (column.note("N_TIME_BLANKS", f"has blanks inside dates such as {quoted(first)}"),)
            column = column.changed(without_blanks)
    parsed = _parse_present(column, ref, how)
    return replace(parsed, findings=(*notes, *parsed.findings))


def _parse_present(column: _Column, ref: ColumnRef, how: DataSettings | None) -> Timestamps:
    """Parse a column; raises DataError for empty cells, with what is wrong in the others."""
    empty = np.array([text in _EMPTY for text in column.distinct], dtype=np.bool_)
    if not empty.any():
        return _parse(column, how)
    fix = fix_of_missing(np.flatnonzero(empty[column.codes]), ref, num_rows=len(column.codes))
    problems = [column.problem("E_TIME_MISSING", empty, "missing timestamp", fix)]
    present = np.flatnonzero(~empty[column.codes])
    if len(present):
        codes, distinct = pd.factorize(column.distinct[column.codes[present]])
        try:
            _parse(_Column(_some_rows(ref, present), codes.astype(np.int64), distinct), how)
        except DataError as error:
            problems += error.findings
    raise data_error(problems)


def fix_of_missing(rows: Int64Array, ref: ColumnRef, *, num_rows: int) -> str:
    """Return the fix of missing timestamps: of the last line of a text alone, which may be a total, also its flag."""
    path = (ref.path or "").lower()
    is_text = "://" not in path and not path.endswith((".parquet", ".pq"))
    if is_text and rows.tolist() == [num_rows - 1]:
        return "write the timestamp, or leave the last line out if it is a total: --footer 1"
    return "write the timestamp, or remove the row"


def _some_rows(ref: ColumnRef, rows: Int64Array) -> ColumnRef:
    def locate(chosen: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        return ref.locate(rows[list(chosen)].tolist())

    return replace(ref, locate=locate)


def _parse(column: _Column, how: DataSettings | None) -> Timestamps:
    if how is not None and how.date_format is not None:
        return _by_format(column, how.date_format)
    first = str(column.distinct[0])
    date, time = split_time(first)
    if is_clock(first):
        return _without_dates(column)
    if (separator := DAY_AND_MONTH.fullmatch(date)) is not None:
        return _day_and_month(column, separator[1], how)
    known = next((one for one in (*FORMATS, YEAR) if one.fits(date, time)), None)
    if known is None:
        raise data_error([_begins_with_no_timestamp(column)])
    has_zone = _ZONE_AT_END.search(first) is not None
    many = parse_many_iso(column.distinct, has_zone=has_zone) if known is ISO else None
    if many is not None and not (has_zone and _has_few_times(many)):
        return _in_utc(column, many, ()) if has_zone else Timestamps(many[column.codes])
    parsed = SplitTexts(column.distinct).parse(known)
    _check(column, parsed)
    findings = _odd_times(column, parsed)
    if has_zone:
        return _in_utc_or_local(column, parsed, findings)
    if known.name in ("Q FY", "FY Q", "FY P", "P YYYY"):
        parts = "quarters" if "Q" in known.name else "months"
        words = f"holds fiscal {parts}, which are called by the calendar {parts}"
        findings += (column.note("N_TIME_FISCAL", words),)
    if known.has_short_year:
        findings += (column.note("N_TIME_TWO_DIGITS", "has years of two digits: 69 to 99 are 1969 to 1999"),)
    if known.name == "YYYY-MM":
        _check_seasons(column, parsed.local)
        if int(parsed.local.astype("datetime64[Y]").astype(np.int64).max()) + 1970 < 1_000:
            findings += (column.note("N_TIME_YEAR_COUNT", "counts years from 1, in an unknown calendar"),)
    return Timestamps(parsed.local[column.codes], findings=findings)


def _begins_with_no_timestamp(column: _Column) -> Finding:
    """Return the finding for a column whose first text is not a timestamp; of numbers, for the texts that are none."""
    bad = np.array([not _is_number(text) for text in column.distinct], dtype=np.bool_)
    if bad[0] or not bad.any():
        return column.not_a_timestamp(np.arange(len(bad)) == 0)
    return column.other_format(bad)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _check(column: _Column, parsed: ParsedTexts) -> None:
    """Raise DataError for texts in another format, and for days and times that do not exist."""
    bad = np.isnat(parsed.local)
    if bad.any():
        problems = [column.other_format(bad & ~parsed.fits)] if (bad & ~parsed.fits).any() else []
        raise data_error(
            [*problems, *([column.not_a_timestamp(bad & parsed.fits)] if (bad & parsed.fits).any() else [])]
        )


def _odd_times(column: _Column, parsed: ParsedTexts) -> tuple[Finding, ...]:
    """Return the warnings about 24:00 and second 60."""
    findings = []
    if parsed.ends_day.any():
        findings.append(column.note("W_TIME_24", "has 24:00: midnight at the end of the day", parsed.ends_day))
    if parsed.is_leap.any():
        words = "has leap seconds (:60), which are read as the second after them"
        findings.append(column.note("W_TIME_LEAP", words, parsed.is_leap))
    return tuple(findings)


def _by_format(column: _Column, text_format: str) -> Timestamps:
    """Return timestamps of the format the user named; raises DataError that shows the first text without it."""
    has_zone = "%z" in text_format
    texts = pd.Series(column.distinct, dtype=object)
    parsed = pd.to_datetime(texts, format=text_format, errors="coerce", utc=has_zone)
    values = (parsed.dt.tz_localize(None) if has_zone else parsed).to_numpy().astype("datetime64[us]")
    bad = np.isnat(values)
    if bad.any():
        words = f"{quoted(column.first(bad)[1])} is not written as {quoted(text_format)}"
        fix = "name the format of the column with --date-format: %Y-%m-%d %H:%M:%S is 2024-03-01 10:30:00"
        raise data_error([column.problem("E_TIME_TEXT", bad, words, fix)])
    return Timestamps(values[column.codes], timezone="UTC" if has_zone else None)


def _day_and_month(column: _Column, separator: str, how: DataSettings | None) -> Timestamps:
    """Parse three numbers in the order that the user names, that fits all rows, or that alone makes a regular grid."""
    has_short_year = re.match(r"\d\d?([/.-])\d\d?\1\d\d(?:\D|$)", str(column.distinct[0])) is not None
    texts = SplitTexts(column.distinct)
    orders = orders_of(separator, has_short_year=has_short_year)
    parsed = {name: texts.parse(order) for name, order in orders.items()}
    first = parsed["day/month/year"]
    if not first.fits.all():
        raise data_error([column.other_format(~first.fits)])
    lost = {name: np.isnat(one.local) for name, one in parsed.items()}
    nowhere = np.logical_and.reduce(list(lost.values()))
    if nowhere.any():
        raise data_error([column.not_a_timestamp(nowhere)])
    if how is not None and how.dayfirst is not None:
        name, word = ("day/month/year", "day") if how.dayfirst else ("month/day/year", "month")
        if lost[name].any():
            words = f"{quoted(column.first(lost[name])[1])} cannot be read with the {word} first"
            fix = "leave out `--dayfirst` and `--monthfirst`, or correct these rows"
            raise data_error([column.problem("E_TIME_FORMATS", lost[name], words, fix)])
        return _in_order(column, parsed[name], ())
    fits = [name for name in parsed if not lost[name].any()]
    if not fits:
        not_day, not_month = lost["day/month/year"], lost["month/day/year"]
        row, text = column.first(not_day)
        words = f"day first as in {quoted(column.first(not_month)[1])} cannot be meant in row {row}, {quoted(text)}"
        raise data_error([column.problem("E_TIME_FORMATS", not_month, words, "rewrite the column as YYYY-MM-DD")])
    reason = "no other order fits all rows"
    if any((parsed[name].local != parsed[fits[0]].local).any() for name in fits[1:]):
        regular = [name for name in fits if _is_regular(parsed[name].local)]
        if len(regular) != 1:
            one, other = next(
                (one, other)
                for place, one in enumerate(fits)
                for other in fits[place + 1 :]
                if (parsed[one].local != parsed[other].local).any()
            )
            raise data_error([_two_readings(column, parsed[one].local, parsed[other].local)])
        fits, reason = regular, "in no other order do the rows make a regular grid"
    found = [column.note("N_TIME_ORDER", f"is read as {fits[0]}: {reason}")]
    if has_short_year:
        found.append(column.note("N_TIME_TWO_DIGITS", "has years of two digits: 69 to 99 are 1969 to 1999"))
    return _in_order(column, parsed[fits[0]], tuple(found))


def _is_regular(local: TimestampArray) -> bool:
    """Whether timestamps lie on one grid and fill most of it."""
    timestamps = np.unique(local)
    if len(timestamps) < _MIN_REGULAR:
        return False
    try:
        freq = infer_frequency(timestamps, np.array([0, len(timestamps)], dtype=np.int64))
    except DataError:
        return False
    ends = freq.floor(timestamps[[0, -1]])
    return bool(len(timestamps) >= _MIN_FILLED * (int(ends[1] - ends[0]) + 1))


def _in_order(column: _Column, parsed: ParsedTexts, findings: tuple[Finding, ...]) -> Timestamps:
    findings = (*_odd_times(column, parsed), *findings)
    if parsed.has_zone.any():
        return _in_utc_or_local(column, parsed, findings)
    return Timestamps(parsed.local[column.codes], findings=findings)


def _two_readings(column: _Column, day_first: TimestampArray, month_first: TimestampArray) -> Finding:
    differs = day_first != month_first
    _, text = column.first(differs)
    index = int(np.flatnonzero(column.distinct == text)[0])
    readings = f"{day_first[index].astype('datetime64[D]')} or {month_first[index].astype('datetime64[D]')}"
    words = f"{quoted(text)} may be {readings}, and no row decides"
    return column.problem("E_TIME_AMBIGUOUS", differs, words, _ORDER_FIX)


def _check_seasons(column: _Column, parsed: TimestampArray) -> None:
    """Raise DataError where every month has the number of the next year: 2001-02, 2002-03 are seasons, not months."""
    months = parsed.astype("datetime64[M]").astype(np.int64)
    is_next = (months // 12 + 1970 + 1) % 100 == months % 12 + 1
    if len(months) < 3 or not is_next.all():
        return
    row, text = column.first(is_next)
    words = f"{quoted(text)} in row {row} may be a month, or the season that begins in its year, as all others"
    fix = "read months with `--date-format %Y-%m`; of seasons write the year in which they begin"
    raise data_error([column.problem("E_TIME_AMBIGUOUS", column.every, words, fix)])


def _in_utc_or_local(column: _Column, parsed: ParsedTexts, findings: tuple[Finding, ...]) -> Timestamps:
    """Return zoned timestamps in UTC, or in local time where they have one time of day there: dates, not instants."""
    if _has_few_times(parsed.utc) and _are_dates(parsed.local, parsed.utc):
        words = f"has offsets ({_offsets(column)}); timestamps are held in local time, as dates"
        return Timestamps(parsed.local[column.codes], findings=(*findings, column.note("N_TIME_ZONE", words)))
    return _in_utc(column, parsed.utc, findings)


def _in_utc(column: _Column, utc: TimestampArray, findings: tuple[Finding, ...]) -> Timestamps:
    note = column.note("N_TIME_ZONE", f"has offsets ({_offsets(column)}); timestamps are held in UTC")
    return Timestamps(utc[column.codes], timezone="UTC", findings=(*findings, note))


def _offsets(column: _Column) -> str:
    """Return the first offsets of a sample, as written."""
    found = (_ZONE_AT_END.search(text) for text in column.distinct[:: max(len(column.distinct) // _SAMPLE, 1)])
    return ", ".join(sorted({one[1].strip() for one in found if one is not None})[:3])


def _are_dates(local: TimestampArray, utc: TimestampArray) -> bool:
    """Whether local timestamps have one time of day and are distinct: dates, or days at their hour of closing."""
    times = np.unique(local - local.astype("datetime64[D]"))
    is_clear = len(times) == 1 and (len(local) >= 3 or times[0] == np.timedelta64(0, "us"))
    return is_clear and len(np.unique(local)) == len(np.unique(utc))


def _has_few_times(utc: TimestampArray) -> bool:
    """Whether timestamps come at few times of day in UTC, as daily ones do when the offset changes."""
    few = utc[:: max(len(utc) // _SAMPLE, 1)]
    return len(np.unique(few - few.astype("datetime64[D]"))) <= 3


def _without_dates(column: _Column) -> Timestamps:
    """Return times of day as timestamps from 1970-01-01 on; a time before the one above it begins the next day."""
    other = np.array([CLOCK.fullmatch(text) is None for text in column.distinct], dtype=np.bool_)
    if other.any():
        raise data_error([column.other_format(other)])
    times = np.array([time_of_day(text) for text in column.distinct], dtype=np.int64)
    timestamps = times.astype("datetime64[us]")[column.codes]
    backwards = np.diff(timestamps.astype(np.int64), prepend=timestamps[:1].astype(np.int64)) < 0
    days = np.cumsum(backwards).astype("timedelta64[D]")
    note = column.note("N_TIME_NO_DATE", "has times without dates; the first day is called 1970-01-01")
    return Timestamps(timestamps + days, findings=(note,))
