"""Closed days and hours, whose missing rows are not gaps: weekends, holidays of a market or a country, nights.

A calendar is named by the user, inferred from the rows, or recognised because the rows leave out all of its holidays.
The closed days are part of the frequency, so that a model file needs no other source for future timestamps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.arrays import DatetimeArray, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import DAY, EVERY_DAY_MASK, FIXED_UNITS, WEEKDAY_MASK, Frequency, align
from rnnforecast.data.ragged import ROWS_A_BLOCK
from rnnforecast.data.rows import Rows
from rnnforecast.errors import DataError, ResourceError, UsageError
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import WEEKDAYS, load_calendar

#: Years after the last row for which closed days are written into the frequency.
YEARS_AHEAD = 50
#: Markets that are tried for rows of business days, the likeliest first.
_MARKETS = (
    "XNYS", "XECB", "XLON", "XETR", "XTSE", "XJPX", "XHKG", "XSHG", "XNSE", "XASX", "XSWX", "XKRX", "BVMF", "XMEX",
    "XSES", "XTAI", "XMAD", "XJSE", "XIST", "XNZE", "XWAR",
)  # fmt: skip
MIN_HOLIDAYS = 3
#: Fraction of empty open days that may be real gaps and not holidays of a recognised calendar.
MAX_OTHER_GAPS = 0.2
#: Days of rows that show opening hours, and the fraction of them that must begin and end with the hours.
MIN_SESSIONS = 5
MIN_FULL_SESSIONS = 0.9
#: How full days that end at midnight may be for sessions that go beyond it to be tried, how long these are at least, as a
#: fraction of a day, and by how much fuller they must be.
MAX_FILLED = 0.97
MIN_OVERNIGHT = 0.5
LEAST_GAIN = 0.02
#: Fraction of the open days that must have rows where whole days are closed.
MIN_OPEN_DAYS = 0.8
#: Days between the first row and the last above which closed days are neither learned nor recognised: 500 years.
MAX_DAYS = 182_500


@dataclass(frozen=True)
class OpenDays:
    """The calendar of closed days that the user names, and the frequency of a stored model."""

    calendar: str | None = None
    known: Frequency | None = None


@dataclass(frozen=True)
class _Days:
    """A calendar of open days: the open days of the week, and the days that are closed nevertheless."""

    name: str
    weekmask: str
    closed: DatetimeArray


def named_days(name: str, first_year: int, last_year: int) -> _Days:
    """Return the open days of a market (XNYS), a country (DE) or a part of one (DE-BY).

    Raises UsageError for a name that is neither, ResourceError where the package `holidays` is not installed.
    """
    years = range(max(first_year, 1), min(last_year, 9_998) + 1)
    found = load_calendar(name, years)
    weekend: set[int] = set(found.weekend)
    weekmask = "".join("0" if weekday in weekend else "1" for weekday in range(7))
    days = np.array(sorted(found), dtype="datetime64[D]")
    return _Days(name, weekmask, days[np.is_busday(days, weekmask=weekmask)])


def holidays_of(name: str, first_year: int, last_year: int) -> DatetimeArray:
    """Return the holidays of a country (DE), a part of one (DE-BY) or a market, weekends among them, in order.

    Raises what `named_days` raises.
    """
    years = range(max(first_year, 1), min(last_year, 9_998) + 1)
    return np.array(sorted(load_calendar(name, years)), dtype="datetime64[D]")


def set_open_days(
    freq: Frequency,
    rows: Rows,
    timestamps: TimestampArray,
    *,
    distinct: TimestampArray,
    asked: OpenDays,
    findings: list[Finding],
) -> Frequency:
    """Return the frequency with the closed days and hours that the user names or the rows show.

    `distinct` holds each of the timestamps once, or all of them. The closed days of a stored model are used where they
    reach far enough. Raises DataError for rows on closed days of the named calendar, UsageError for steps without days.
    """
    calendar, known = asked.calendar, asked.known
    if calendar == "every-day":
        if known is None and freq.unit != "business-day" and not _hours(freq, distinct).slots:
            raise _without_effect(calendar, "no day and no hour is closed without it")
        return align(Frequency("day"), timestamps) if freq.unit == "business-day" else replace(freq, slots=0)
    days = distinct.astype("datetime64[D]") if distinct.dtype.kind == "M" else None
    if days is None or (freq.unit not in ("day", "business-day") and not _is_within_day(freq)):
        if calendar in (None, "learned"):
            return freq
        message = f"the calendar `{calendar}` closes days, but the rows come in steps of {freq.alias}"
        raise UsageError(message, hint="leave `--calendar` out", code="E_RUN_CALENDAR")
    within = _is_within_day(freq)
    if within and calendar is None and not freq.slots:
        return _with_hours(freq, rows, distinct, findings)
    daily = freq if within else _daily(freq, timestamps)
    if calendar is None:
        return _recognised(daily, rows, days, findings) if freq.unit == "business-day" and not freq.closed else freq
    if within and not freq.slots:
        daily = _with_hours(freq, rows, distinct, findings, names_days=False)
        daily = daily if daily.slots else _around_the_clock(freq, calendar)
    if known is not None and known.calendar == calendar and _reaches(known, days):
        chosen = _Days(calendar, known.weekmask, np.array(known.closed, dtype="datetime64[D]"))
    elif calendar == "weekdays":
        chosen = _Days(calendar, WEEKDAY_MASK, np.array([], dtype="datetime64[D]"))
    elif calendar == "learned":
        chosen = _learned(days)
    else:
        chosen = named_days(calendar, *_years(days))
    closed = _without_rows(rows, timestamps, chosen)
    if known is None and chosen.weekmask == EVERY_DAY_MASK and not len(chosen.closed):
        raise _without_effect(calendar, "there are rows on every day")
    if calendar == "learned":
        message = (
            f"{plural(len(chosen.closed), 'day')} without rows treated as closed; open weekdays in the future: "
            f"{_weekdays(chosen.weekmask)}"
        )
        findings.append(rows.time.finding("N_TIME_CLOSED", message, count=len(chosen.closed)))
    return replace(daily, weekmask=chosen.weekmask, closed=closed, calendar=calendar)


def _is_within_day(freq: Frequency) -> bool:
    return freq.unit in FIXED_UNITS and freq.step < DAY


def _daily(freq: Frequency, timestamps: TimestampArray) -> Frequency:
    return freq if freq.unit == "business-day" else align(Frequency("business-day"), timestamps)


def _reaches(known: Frequency, days: DatetimeArray) -> bool:
    """Whether the closed days of a stored calendar cover the years of all rows and some after them."""
    if not known.closed:
        return False
    first, last = (np.datetime64(day, "D").astype("datetime64[Y]") for day in (known.closed[0], known.closed[-1]))
    years = days.astype("datetime64[Y]")
    return bool(first <= years.min() and years.max() + np.timedelta64(20, "Y") <= last)


def _years(days: DatetimeArray) -> tuple[int, int]:
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return int(years.min()), int(years.max()) + YEARS_AHEAD


def _without_rows(rows: Rows, timestamps: TimestampArray, chosen: _Days) -> tuple[int, ...]:
    """Return the closed days as numbers; raises DataError for rows that stand on one of them."""
    open_rows = np.is_busday(timestamps.astype("datetime64[D]"), weekmask=chosen.weekmask, holidays=chosen.closed)
    if not open_rows.all():
        days = np.unique(timestamps[~open_rows].astype("datetime64[D]"))
        bad = np.flatnonzero(np.isin(rows.timestamps.astype("datetime64[D]"), days))
        words = f"{days[0]} is a closed day of the calendar `{chosen.name}`"
        fix = "leave `--calendar` out, or name the calendar of these rows, such as `--calendar learned`"
        raise rows.time.reject("E_TIME_CLOSED", bad, words, value=str(days[0]), fix=fix)
    return tuple(chosen.closed.astype(np.int64).tolist())


def _learned(days: DatetimeArray) -> _Days:
    """Return the weekdays and days on which no series has a row. Raises DataError where those are centuries."""
    distinct = np.unique(days)
    if int((distinct[-1] - distinct[0]).astype(np.int64)) > MAX_DAYS:
        message = f"the rows reach from {distinct[0]} to {distinct[-1]}: too far for closed days to be learned"
        hint = "look for a wrong timestamp far from the others, or leave `--calendar` out"
        raise DataError(message, hint=hint, code="E_TIME_SPARSE")
    weekmask = open_weekdays(distinct)
    every = np.arange(distinct[0], distinct[-1] + np.timedelta64(1, "D"))
    return _Days("learned", weekmask, np.setdiff1d(every[np.is_busday(every, weekmask=weekmask)], distinct))


def open_weekdays(days: DatetimeArray) -> str:
    """Return the weekdays on which days fall, Monday first, as seven digits 1 or 0."""
    seen = np.zeros(7, dtype=np.bool_)
    seen[(days.astype(np.int64) + 3) % 7] = True
    return "".join("1" if one else "0" for one in seen)


def _recognised(freq: Frequency, rows: Rows, days: DatetimeArray, findings: list[Finding]) -> Frequency:
    """Return the frequency with the holidays of the market that all rows leave out, itself where there is none."""
    distinct = np.unique(days)
    if int((distinct[-1] - distinct[0]).astype(np.int64)) > MAX_DAYS:
        return freq
    every = np.arange(distinct[0], distinct[-1] + np.timedelta64(1, "D"))
    empty = np.setdiff1d(every[np.is_busday(every, weekmask=freq.weekmask)], distinct)
    if len(empty) < MIN_HOLIDAYS or freq.weekmask != WEEKDAY_MASK:
        return freq
    best: _Days | None = None
    fewest = MAX_OTHER_GAPS * len(empty) + 1e-9
    try:
        for name in _MARKETS:
            found = named_days(name, *_years(days))
            inside = found.closed[(found.closed >= distinct[0]) & (found.closed <= distinct[-1])]
            others = len(empty) - len(inside)
            if found.weekmask != WEEKDAY_MASK or len(inside) < MIN_HOLIDAYS or not np.isin(inside, empty).all():
                continue
            if others < fewest:
                best, fewest = found, others
            if not others:
                break
    except ResourceError:
        return freq
    if best is None:
        return freq
    closed = best.closed
    message = f"the rows leave out all holidays of the calendar {best.name}: treated as closed days, also in the future"
    fix = "`--calendar weekdays` counts holidays as gaps, another name takes another calendar"
    findings.append(rows.time.finding("N_TIME_CALENDAR", message, value=best.name, count=len(empty), fix=fix))
    return replace(freq, closed=tuple(closed.astype(np.int64).tolist()), calendar=best.name)


def _sessions(
    timestamps: TimestampArray, *, step: int, phase: int
) -> tuple[DatetimeArray, Int64Array, Int64Array, int]:
    """Return the days with rows, the first and last step of each day, and how many steps of a day have rows at all."""
    start = timestamps.min().astype("datetime64[D]")
    num_days = int((timestamps.max().astype("datetime64[D]") - start).astype(np.int64)) + 1
    first, last = np.full(num_days, DAY // step), np.full(num_days, -1)
    seen = np.zeros(DAY // step + 1, dtype=np.bool_)
    for begin in range(0, len(timestamps), ROWS_A_BLOCK):
        some = timestamps[begin : begin + ROWS_A_BLOCK]
        days = some.astype("datetime64[D]")
        slots = ((some - days).astype(np.int64) - phase) // step
        place = (days - start).astype(np.int64)
        np.minimum.at(first, place, slots)
        np.maximum.at(last, place, slots)
        seen[slots] = True  # one before the phase of the day is the last of the array: -1
    open_days = np.flatnonzero(last >= first)
    return start + open_days, first[open_days], last[open_days], int(np.count_nonzero(seen))


def _around_the_clock(freq: Frequency, calendar: str) -> Frequency:
    """Return the frequency with all steps of a day on its open days. Raises UsageError for steps that fill no day."""
    if DAY % freq.step:
        message = f"the calendar `{calendar}` closes days, but steps of {freq.alias} do not fill a day"
        raise UsageError(message, hint="leave `--calendar` out", code="E_RUN_CALENDAR")
    return replace(freq, phase=freq.phase % freq.step, slots=DAY // freq.step)


def _without_effect(calendar: str, why: str) -> UsageError:
    return UsageError(
        f"`--calendar {calendar}` has no effect: {why}", hint="leave `--calendar` out", code="E_RUN_CALENDAR"
    )


def _hours(freq: Frequency, timestamps: TimestampArray) -> Frequency:
    """Return the frequency with the open days and hours that timestamps show, itself where they come at all hours."""
    if timestamps.dtype.kind != "M" or not _is_within_day(freq):
        return freq
    step = freq.step
    if DAY % step or not len(timestamps):
        return freq
    found, filled = _sessions_of(freq, timestamps, phase=freq.phase % step)
    if filled > MAX_FILLED or found.slots * step < MIN_OVERNIGHT * DAY:
        return found  # days that end at midnight fit, or are too short for a session that goes beyond it
    start = _start_of_week(timestamps, step=step, phase=freq.phase % step)
    overnight, more = _sessions_of(freq, timestamps, phase=start) if start else (found, filled)
    return overnight if overnight.slots and more > filled + LEAST_GAIN else found


def _start_of_week(timestamps: TimestampArray, *, step: int, phase: int) -> int:
    """Return the time of day, in microseconds, at which rows begin after the longest time of a week without any."""
    week = 7 * (DAY // step)
    seen = np.zeros(week, dtype=np.bool_)
    seen[(timestamps.astype("datetime64[us]").astype(np.int64) - phase) // step % week] = True
    places = np.flatnonzero(seen)
    gaps = np.diff(places, append=places[0] + week)
    longest = int(np.argmax(gaps))
    return int(places[(longest + 1) % len(places)]) * step % DAY + phase if gaps[longest] > 1 else 0


def _sessions_of(freq: Frequency, timestamps: TimestampArray, *, phase: int) -> tuple[Frequency, float]:
    """Return the frequency with sessions that begin `phase` after midnight at the earliest, and how full they are.

    Where no sessions show, the frequency itself, as full as a grid around the clock.
    """
    step = freq.step
    every_day = DAY // step
    begin = phase - phase % step
    distinct, first, last, seen = _sessions(timestamps - np.timedelta64(begin, "us"), step=step, phase=phase % step)
    opens, closes = int(first.min()), int(last.max())
    num_slots = closes - opens + 1
    typical = min((first == opens).mean(), (last == closes).mean())
    if len(distinct) < MIN_SESSIONS:
        return freq, 1.0
    is_sorted = bool((timestamps[1:] > timestamps[:-1]).all())
    filled = (len(timestamps) if is_sorted else len(np.unique(timestamps))) / (len(distinct) * num_slots)
    weekmask = open_weekdays(distinct) if distinct[-1] - distinct[0] >= np.timedelta64(13, "D") else EVERY_DAY_MASK
    is_short = 2 <= num_slots <= 0.9 * every_day or (begin > 0 and num_slots < every_day)
    if is_short and typical >= MIN_FULL_SESSIONS and seen >= MIN_FULL_SESSIONS * num_slots:
        return replace(freq, phase=phase + opens * step, slots=num_slots, weekmask=weekmask), filled
    num_open = np.busday_count(distinct[0], distinct[-1] + np.timedelta64(1, "D"), weekmask=weekmask)
    if weekmask == EVERY_DAY_MASK or len(distinct) < MIN_OPEN_DAYS * num_open or seen < MIN_FULL_SESSIONS * every_day:
        return freq, filled
    return replace(freq, phase=phase, slots=every_day, weekmask=weekmask), filled


def closed_hours(freq: Frequency, timestamps: TimestampArray) -> Frequency:
    """Return the frequency with the closed days and hours that timestamps show, for steps within a day."""
    return freq if freq.slots else _hours(freq, timestamps)


def _with_hours(
    freq: Frequency, rows: Rows, timestamps: TimestampArray, findings: list[Finding], *, names_days: bool = True
) -> Frequency:
    """Return the frequency with the open days and hours that the rows show, with a note; itself where all are open."""
    found = _hours(freq, timestamps)
    if not found.slots:
        return freq
    hours = found.alias.partition(" ")[2].rstrip("]")
    is_whole = found.slots * freq.step == DAY
    if is_whole and not names_days:
        return found
    when = "" if is_whole else f" from {hours.replace('-', ' to ')}"
    what = "days" if is_whole else "hours"
    message = f"rows come on {_weekdays(found.weekmask)}{when}: other {what} are closed, not gaps"
    if found.goes_overnight:
        opens, _, closes = hours.partition("-")
        words = f"sessions begin on {_weekdays(found.weekmask)} at {opens}, their last row is at {closes} the day after"
        message = f"{words}: other hours are closed, not gaps"
    fix = "`--calendar every-day` counts them as gaps"
    findings.append(rows.time.finding("N_TIME_HOURS", message, value=found.alias, fix=fix))
    return found


def _weekdays(weekmask: str) -> str:
    return ", ".join(name.capitalize() for name, is_open in zip(WEEKDAYS, weekmask, strict=True) if is_open == "1")
