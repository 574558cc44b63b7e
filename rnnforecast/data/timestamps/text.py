"""From text to timestamps, by one format for the whole column; readings that could be two dates are refused."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.data.errors import quoted, refusal, rows_in_words
from rnnforecast.data.timestamps.formats import (
    CLOCK,
    FOREIGN,
    FORMATS,
    ISO,
    MANY,
    SLASHED,
    YEAR,
    ZONE,
    Format,
    format_of,
    matching,
    nothing,
    same_length,
    stripped,
    to_datetime,
)
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, languages_of, to_english
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rnnforecast.arrays import BoolArray, Int64Array, TextArray, TimestampArray
    from rnnforecast.config import DataSettings
    from rnnforecast.data.errors import LinesOf


_EMPTY = frozenset({"", "NaT", "NA", "NaN", "nan", "null", "None", "NULL", "<NA>", "N/A", "n/a"})
_REWRITE = "rewrite the column in one format, as YYYY-MM-DD, or name the one format with --date-format"
_ORDER_FIX = "name the order with `--dayfirst` or `--monthfirst`, or write the dates as YYYY-MM-DD"
_SAMPLE = 4_000
#: Share of distinct texts in a sample above which each row is parsed by itself.
_MOSTLY_DISTINCT = 0.5
_TWENTY_FOUR = re.compile(r"(.*[T ])24:00(:00(?:\.0+)?)?((?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)")
_LEAP = re.compile(r"(.*[T ]\d\d:\d\d):60(?:\.0+)?((?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
#: A month by its name and a year of two digits: `Apr-82`, `12-Apr-82`.
_SHORT_YEAR = re.compile(rf"(?:\d\d?[-/ ])?{ENGLISH_MONTH}[-/ '\u2019]+\d\d", re.IGNORECASE)
_ODD = re.compile(r".*(?:[T ]24:00|:60).*")


@dataclass(frozen=True)
class Timestamps:
    """A parsed time column: datetime64[us] (in UTC when `timezone` is set), or int64 steps."""

    values: TimestampArray
    timezone: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Column:
    """A time column as distinct texts and the rows that hold them, for messages."""

    name: str
    path: str
    codes: Int64Array
    distinct: TextArray
    lines_of: LinesOf

    def finding(self, code: str, chosen: BoolArray, words: str, fix: str) -> Finding:
        """Return the refusal of all rows whose distinct text is chosen."""
        rows = np.flatnonzero(np.append(chosen[: len(self.distinct)], True)[self.codes])
        lines = tuple(self.lines_of(rows[:MAX_LISTED_ROWS].tolist()))
        code_of_first = self.codes[rows[0]]
        value = str(self.distinct[code_of_first]) if code_of_first >= 0 else ""
        message = f"time column `{self.name}`, {rows_in_words(lines, len(rows))}: {words}"
        return Finding(code, message, self.path, lines, self.name, value, len(rows), fix)

    def note(self, code: str, words: str, *, repaired: BoolArray | None = None) -> Finding:
        """Return a note about the column, or the repair of the rows whose distinct text is chosen."""
        message = f"time column `{self.name}` {words}"
        if repaired is None:
            return Finding(code, message, self.path, column=self.name)
        rows = np.flatnonzero(repaired[self.codes])
        lines = tuple(self.lines_of(rows[:MAX_LISTED_ROWS].tolist()))
        value = str(self.distinct[self.codes[rows[0]]])
        return Finding(code, message, self.path, lines, self.name, value, len(rows))

    def first(self, chosen: BoolArray) -> tuple[int, str]:
        """Return the file row and the text of the first row whose distinct text is chosen."""
        row = int(np.flatnonzero(chosen[self.codes])[0])
        return self.lines_of([row])[0], str(self.distinct[self.codes[row]])

    def not_a_timestamp(self, bad: BoolArray) -> Finding:
        """Return the refusal of texts that are no timestamps, or whose month has a name of another language."""
        _, text = self.first(bad)
        if _SHORT_YEAR.fullmatch(text):
            fix = "name the format, such as `--date-format %b-%y`, or write years with four digits"
            return self.finding("E_TIME_TWO_DIGITS", bad, f"{quoted(text)} has a year of two digits", fix)
        languages = set.intersection(*(set(languages_of(str(one))) for one in self.distinct[bad][:100]))
        if languages:
            shown = " or ".join(f"`--locale {one}`" for one in sorted(languages))
            return self.finding("E_TIME_LOCALE", bad, f"{quoted(text)} names a month in another language", shown)
        fix = "correct these rows, or remove them; dates are best written as YYYY-MM-DD, others need --date-format"
        return self.finding("E_TIME_TEXT", bad, f"{quoted(text)} is not a date or time", fix)

    def odd_ones_out(self) -> Finding:
        """Return the refusal of a column that begins with no timestamp: where with a number, of the texts that are none."""
        bad = ~matching(self.distinct, _NUMBER)
        bad[~bad] = [not math.isfinite(float(text)) for text in self.distinct[~bad]]
        if bad[:1].any() or not bad.any():
            return self.not_a_timestamp(np.arange(len(self.distinct)) == 0)
        return self.other_format(bad)

    def other_format(self, bad: BoolArray) -> Finding:
        """Return the refusal of a column with two formats, or with a row that is no timestamp at all."""
        _, text = self.first(bad)
        if format_of(text) in (None, FOREIGN):
            return self.not_a_timestamp(bad)
        row, other = self.first(~bad)
        words = f"{quoted(text)} is written in another format than {quoted(other)} in row {row}"
        if _has_zone(text) != _has_zone(other):
            words = (
                f"{quoted(text)} {'has' if _has_zone(text) else 'lacks'} the zone that {quoted(other)} in row {row} "
            )
            words += "lacks" if _has_zone(text) else "has"
        return self.finding("E_TIME_FORMATS", bad, words, _REWRITE)


def _has_zone(text: str) -> bool:
    return re.search(rf"\d:\d\d[\d:.,]*{ZONE}$", text) is not None


def parse_timestamps(
    texts: TextArray, *, name: str, path: str, lines_of: LinesOf, how: DataSettings | None = None
) -> Timestamps:
    """Return a text column as timestamps; each distinct text is parsed once.

    Raises DataError for empty cells, for two formats in one column, and for dates with two readings: for all of them.
    """
    try:
        return _parse_texts(texts, name=name, path=path, lines_of=lines_of, how=how)
    except DataError as error:
        if error.code != "E_TIME_MISSING":
            raise
        missing = error
    present = np.flatnonzero([str(text).strip() not in _EMPTY for text in texts])
    if len(present):

        def lines_of_present(rows: Sequence[int]) -> list[int]:
            return lines_of(present[list(rows)].tolist())

        try:
            _parse_texts(texts[present], name=name, path=path, lines_of=lines_of_present, how=how)
        except DataError as error:
            raise refusal([*missing.findings, *error.findings]) from error
    raise missing


def _parse_texts(texts: TextArray, *, name: str, path: str, lines_of: LinesOf, how: DataSettings | None) -> Timestamps:
    column = _column(texts, name=name, path=path, lines_of=lines_of)
    if how is not None and how.locale is not None:
        column = replace(column, distinct=to_english(column.distinct, how.locale))
    if how is not None and how.date_format is not None:
        _check_present(column)
        return _by_format(column, how.date_format)
    first = str(column.distinct[0]) if len(column.distinct) else ""
    known = next((one for one in (*FORMATS, CLOCK, YEAR) if one.pattern.fullmatch(first)), None)
    if known is not ISO or not same_length(column.distinct):
        _check_present(column)
    if known is None and SLASHED.fullmatch(first):
        return _parse_slashed(column, how)
    if known is None:
        raise refusal([column.odd_ones_out()])
    parsed, findings = _parse(column, known)
    if known.name == "YYYY-MM":
        _check_seasons(column, parsed)
    if known is CLOCK:
        return _without_dates(column, parsed[column.codes])
    if "zone" in known.name:
        return _in_utc_or_local(column, parsed, findings)
    if known.name == "YYYY-MM" and int(parsed.astype("datetime64[Y]").astype(np.int64).max()) + 1970 < 1_000:
        findings = (*findings, column.note("N_TIME_YEAR_COUNT", "counts years from 1: of which calendar is not known"))
    return Timestamps(parsed[column.codes], findings=findings)


def _column(texts: TextArray, *, name: str, path: str, lines_of: LinesOf) -> _Column:
    """Return the distinct texts without blanks around them; all texts where nearly all of them differ."""
    sample = texts[:: max(len(texts) // _SAMPLE, 1)][:_SAMPLE]
    if len(texts) > MANY and len(set(sample)) > _MOSTLY_DISTINCT * len(sample):
        codes, distinct = np.arange(len(texts), dtype=np.int64), texts
    else:
        codes, distinct = pd.factorize(texts)
    return _Column(name, path, codes.astype(np.int64), stripped(distinct), lines_of)


def _check_present(column: _Column) -> None:
    empty = np.array([text in _EMPTY for text in column.distinct], dtype=np.bool_)
    if empty.any() or (column.codes < 0).any():
        fix = "write the timestamp, or remove the row"
        raise refusal([column.finding("E_TIME_MISSING", np.append(empty, True), "no timestamp", fix)])


def _parse(column: _Column, known: Format) -> tuple[TimestampArray, tuple[Finding, ...]]:
    """Return the distinct texts as timestamps; raises DataError where they do not all have the format."""
    texts, shifts, findings = _without_odd_times(column)
    # ISO dates of one length are left to their parser, which is fast; an odd one among them fails there
    fits = np.ones(len(texts), dtype=np.bool_) if known is ISO and same_length(texts) else known.fits(texts)
    parsed = nothing(len(texts))
    parsed[fits] = known.parse(texts[fits])
    bad = np.isnat(parsed)
    if bad.any():
        _check_present(column)
        fits = known.fits(texts)
        problems = [column.other_format(bad & ~fits)] if (bad & ~fits).any() else []
        raise refusal([*problems, *([column.not_a_timestamp(bad & fits)] if (bad & fits).any() else [])])
    return (parsed if shifts is None else parsed + shifts), findings


def _without_odd_times(
    column: _Column,
) -> tuple[TextArray, npt.NDArray[np.timedelta64] | None, tuple[Finding, ...]]:
    """Return texts without 24:00 and without second 60, what to add to their timestamps, and the repairs."""
    texts = column.distinct
    if len(texts) > MANY and not same_length(texts[:100]):
        return texts, None, ()
    odd = np.flatnonzero(_maybe_odd(texts))
    if not len(odd):
        return texts, None, ()
    cleaned, shifts = texts.copy(), np.zeros(len(texts), dtype="timedelta64[us]")
    day_ends, leaps = np.zeros(len(texts), dtype=np.bool_), np.zeros(len(texts), dtype=np.bool_)
    for index in odd:
        if (found := _TWENTY_FOUR.fullmatch(texts[index])) is not None:
            cleaned[index] = f"{found[1]}00:00{found[2] or ''}{found[3]}"
            shifts[index], day_ends[index] = np.timedelta64(1, "D"), True
        elif (found := _LEAP.fullmatch(texts[index])) is not None:
            cleaned[index], leaps[index] = f"{found[1]}:59{found[2]}", True
            shifts[index] = np.timedelta64(1, "s")
    findings = []
    if day_ends.any():
        words = "has 24:00: midnight at the end of the day"
        findings.append(column.note("W_TIME_24", words, repaired=day_ends))
    if leaps.any():
        words = "has leap seconds (:60), which are read as the second after them"
        findings.append(column.note("W_TIME_LEAP", words, repaired=leaps))
    return cleaned, shifts, tuple(findings)


def _maybe_odd(texts: TextArray) -> BoolArray:
    if len(texts) <= MANY:
        return np.array(["24:00" in text or ":60" in text for text in texts], dtype=np.bool_)
    return matching(texts, _ODD)


def _by_format(column: _Column, text_format: str) -> Timestamps:
    """Return timestamps of the format the user named; raises DataError that shows the first text without it."""
    zoned = "%z" in text_format
    try:
        parsed = to_datetime(column.distinct, text_format, utc=zoned)
    except ValueError as error:
        raise UsageError(
            f"`--date-format {text_format}` is no format: {error}",
            hint="write %Y %m %d %H %M %S for the parts, such as `--date-format '%d.%m.%Y %H:%M'`",
            code="E_RUN_DATE_FORMAT",
        ) from error
    bad = np.isnat(parsed)
    if bad.any():
        _, text = column.first(bad)
        words = f"{quoted(text)} is not written as {quoted(text_format)}"
        fix = "name the format of the column with --date-format: %Y-%m-%d %H:%M:%S is 2024-03-01 10:30:00"
        raise refusal([column.finding("E_TIME_TEXT", bad, words, fix)])
    return Timestamps(parsed[column.codes], timezone="UTC" if zoned else None)


def _parse_slashed(column: _Column, how: DataSettings | None) -> Timestamps:
    """Parse day, month and year in an order that the user names, or that the whole column decides."""
    texts, shifts, findings = _without_odd_times(column)
    other = ~matching(texts, SLASHED)
    if other.any():
        raise refusal([column.other_format(other)])
    first = str(texts[0])
    if re.match(r"\d\d?([/.-])\d\d?\1\d\d(?:\D|$)", first):
        every = np.ones(len(texts), dtype=np.bool_)
        words = f"{quoted(first)} has a year of two digits"
        fix = "name the format, such as `--date-format %d/%m/%y`, or write years with four digits"
        raise refusal([column.finding("E_TIME_TWO_DIGITS", every, words, fix)])
    day_first, month_first = (_in_order(texts, first, order) for order in ("%d{0}%m", "%m{0}%d"))
    not_day, not_month = np.isnat(day_first), np.isnat(month_first)
    if (not_day & not_month).any():
        raise refusal([column.not_a_timestamp(not_day & not_month)])
    if how is not None and how.dayfirst is not None:
        chosen, lost, word = (day_first, not_day, "day") if how.dayfirst else (month_first, not_month, "month")
        if lost.any():
            words = f"{quoted(column.first(lost)[1])} cannot be read with the {word} first"
            fix = "leave out `--dayfirst` and `--monthfirst`, or correct these rows"
            raise refusal([column.finding("E_TIME_FORMATS", lost, words, fix)])
        return Timestamps((chosen if shifts is None else chosen + shifts)[column.codes], findings=findings)
    if not_day.any() and not_month.any():
        row, text = column.first(not_day)
        words = f"day first as in {quoted(column.first(not_month)[1])} cannot be meant in row {row}, {quoted(text)}"
        raise refusal([column.finding("E_TIME_FORMATS", not_month, words, "rewrite the column as YYYY-MM-DD")])
    if not not_day.any() and not not_month.any() and (day_first != month_first).any():
        raise refusal([_two_readings(column, day_first, month_first)])
    order, timestamps = ("month/day/year", month_first) if not_day.any() else ("day/month/year", day_first)
    note = column.note("N_TIME_ORDER", f"is read as {order}: no other order fits all rows")
    return Timestamps((timestamps if shifts is None else timestamps + shifts)[column.codes], findings=(*findings, note))


def _in_order(texts: TextArray, first: str, order: str) -> TimestampArray:
    """Return texts such as 01/02/2024 10:30 as timestamps, in the order of day and month that is asked for."""
    sign = re.sub(r"\d", "", first)[0]
    _, _, time = first.replace("T", " ").partition(" ")
    tail = ""
    if time:
        clock = time.lower().removesuffix("am").removesuffix("pm")
        half = clock != time.lower()
        tail = ("T" if "T" in first else " ") + ("%I:%M" if half else "%H:%M")
        tail += (":%S" if clock.count(":") == 2 else "") + (".%f" if "." in clock else "")
        tail += (" %p" if clock.endswith(" ") else "%p") if half else ""
    return to_datetime(texts, order.format(sign) + sign + "%Y" + tail)


def _two_readings(column: _Column, day_first: TimestampArray, month_first: TimestampArray) -> Finding:
    differs = day_first != month_first
    _, text = column.first(differs)
    index = int(np.flatnonzero(column.distinct == text)[0])
    readings = f"{day_first[index].astype('datetime64[D]')} or {month_first[index].astype('datetime64[D]')}"
    words = f"{quoted(text)} may be {readings}, and no row decides"
    return column.finding("E_TIME_AMBIGUOUS", differs, words, _ORDER_FIX)


def _check_seasons(column: _Column, parsed: TimestampArray) -> None:
    """Raise DataError where every month has the number of the next year: 2001-02, 2002-03 are seasons, not months."""
    months = parsed.astype("datetime64[M]").astype(np.int64)
    is_next = (months // 12 + 1970 + 1) % 100 == months % 12 + 1
    if len(months) < 3 or not is_next.all():
        return
    row, text = column.first(is_next)
    words = f"{quoted(text)} in row {row} may be a month, or the season that begins in its year, as all others"
    fix = "read months with `--date-format %Y-%m`; of seasons write the year in which they begin"
    every = np.ones(len(column.distinct), dtype=np.bool_)
    raise refusal([column.finding("E_TIME_AMBIGUOUS", every, words, fix)])


def _in_utc_or_local(column: _Column, utc: TimestampArray, findings: tuple[Finding, ...]) -> Timestamps:
    """Return zoned timestamps in UTC, or in local time where they have one time of day there: dates, not instants."""
    pattern = f"({ZONE})$"
    zones = sorted(set(pd.Series(column.distinct[:: max(len(utc) // _SAMPLE, 1)]).str.extract(pattern, expand=False)))
    zones = sorted({str(zone).strip() for zone in zones})
    if _looks_daily(utc, column):
        bare = pd.Series(column.distinct, dtype=object).str.replace(pattern, "", regex=True, flags=re.IGNORECASE)
        local = ISO.parse(bare.to_numpy(dtype=object))
        if _are_dates(local, utc):
            words = f"has offsets ({', '.join(zones[:3])}); timestamps are held in local time, as dates"
            return Timestamps(local[column.codes], findings=(*findings, column.note("N_TIME_ZONE", words)))
    words = f"has offsets ({', '.join(zones[:3])}); timestamps are held in UTC"
    return Timestamps(utc[column.codes], timezone="UTC", findings=(*findings, column.note("N_TIME_ZONE", words)))


def _are_dates(local: TimestampArray, utc: TimestampArray) -> bool:
    """Whether local timestamps have one time of day and no two of them are one: dates, or days at their hour of closing."""
    times = np.unique(local - local.astype("datetime64[D]"))
    is_clear = len(times) == 1 and (len(local) >= 3 or times[0] == np.timedelta64(0, "us"))
    return is_clear and len(np.unique(local)) == len(np.unique(utc))


def _looks_daily(utc: TimestampArray, column: _Column) -> bool:
    """Whether timestamps come at few times of day in UTC, as daily ones do when the offset changes."""
    few = utc[:: max(len(utc) // _SAMPLE, 1)]
    return len(np.unique(few - few.astype("datetime64[D]"))) <= 3 and len(column.distinct) > 0


def _without_dates(column: _Column, timestamps: TimestampArray) -> Timestamps:
    """Return times of day as timestamps from 1970-01-01 on; a time before the one above it begins the next day."""
    backwards = np.diff(timestamps.astype(np.int64), prepend=timestamps[:1].astype(np.int64)) < 0
    days = np.cumsum(backwards).astype("timedelta64[D]")
    note = column.note("N_TIME_NO_DATE", "has times without dates; the first day is called 1970-01-01")
    return Timestamps(timestamps + days, findings=(note,))
