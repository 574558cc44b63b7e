"""`Frequency`: the regular grid that timestamps lie on, and the arithmetic between timestamps and their ordinals.

Ordinals count grid points: two neighbours differ by one, whatever the calendar does between them. Nothing here
depends on the frequency strings of another library, so a stored model means the same calendar for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast, get_args

import numpy as np

from rnnforecast.arrays import DatetimeArray, Int64Array, TimestampArray
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import LAST_DAY, MONTHS, WEEKDAYS, FrequencyText, Unit

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
FIXED_UNITS: dict[str, int] = {
    "second": SECOND,
    "minute": 60 * SECOND,
    "hour": 3_600 * SECOND,
    "day": DAY,
    "week": 7 * DAY,
}
MONTHS_IN: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}

_SHORT = {"step": "step", "second": "s", "minute": "min", "hour": "h", "day": "D", "business-day": "B"}
_ADJECTIVES = {
    "hour": "hourly", "day": "daily", "business-day": "business-day", "week": "weekly", "month": "monthly",
    "quarter": "quarterly", "year": "yearly",
}  # fmt: skip
_MONDAY = 4  # days from 1970-01-01, a Thursday, to the first Monday
WEEKDAY_MASK = "1111100"  # open from Monday to Friday
EVERY_DAY_MASK = "1111111"
_EPOCH = np.datetime64(0, "D")
_LONG_AGO = np.datetime64(-1_000_000, "D")  # NumPy counts open days reliably only forwards


@dataclass(frozen=True)
class Frequency:
    """A regular grid of timestamps.

    `phase` is the offset of the grid: microseconds after 1970-01-01 for fixed units, microseconds after midnight
    for business days, months, quarters and years, an integer for steps. `anchor` is the first month on the grid,
    counted from January 1970, for months, quarters and years; `day` their day of month, cut to the month's
    length, so that 31 is the month's end. `timezone` says that timestamps are held in UTC and shown in that zone.

    Business days come on the days of `weekmask` (Monday first) that are not among `closed` (days since 1970-01-01),
    which `calendar` named. Seconds to hours with `slots` come that many times on such a day, the first one `phase`
    microseconds after midnight; without `slots` they come around the clock.
    """

    unit: Unit
    multiple: int = 1
    phase: int = 0
    anchor: int = 0
    day: int = 1
    timezone: str | None = None
    weekmask: str = WEEKDAY_MASK
    closed: tuple[int, ...] = ()
    calendar: str | None = None
    slots: int = 0

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise UsageError(f"unknown frequency unit `{self.unit}`", hint=f"units: {', '.join(get_args(Unit))}")
        if self.multiple < 1 or not 1 <= self.day <= LAST_DAY:
            raise UsageError(f"a frequency needs multiple >= 1 and day 1 to 31, not {self.multiple} and {self.day}")
        if self.unit == "business-day" and self.multiple != 1:
            raise UsageError("business days come one by one: no multiple of B is known", hint="use `--freq D`")
        if re.fullmatch("[01]{7}", self.weekmask) is None or "1" not in self.weekmask:
            raise UsageError(f"a week of open days is seven digits 1 or 0, Monday first, not `{self.weekmask}`")
        if self.slots < 0 or (self.slots and not 0 < self.slots * self.step <= DAY):
            raise UsageError(f"{self.slots} steps of {self.multiple} {self.unit} do not fit into a day")

    @property
    def alias(self) -> str:
        """The public spelling: step, 15min, h, D, B, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC ..."""
        count = "" if self.multiple == 1 else str(self.multiple)
        if self.unit == "week":
            return f"{count}W-{WEEKDAYS[(self.phase // DAY - _MONDAY) % 7]}"
        if self.unit not in MONTHS_IN:
            return count + _SHORT[self.unit] + self._hours()
        edge = {1: "S", LAST_DAY: "E"}.get(self.day, "")
        name = self.unit[0].upper() + edge
        if self.unit != "month":
            name += f"-{self._anchor_month()}"
        return count + name + ("" if edge else f"-{self.day}")

    @property
    def grid_name(self) -> str:
        """The grid as a message calls it: `daily grid`, `grid of frequency 15min`."""
        usual = self.multiple == 1 and not self.slots and (self.unit != "business-day" or self.weekmask == WEEKDAY_MASK)
        return (
            f"{_ADJECTIVES[self.unit]} grid"
            if usual and self.unit in _ADJECTIVES
            else f"grid of frequency {self.alias}"
        )

    def _hours(self) -> str:
        """Return open days and hours where they are not the usual ones: `[1111110]`, `[1111100 07:00-21:00]`."""
        if self.slots:
            ends = (self.phase, (self.phase + (self.slots - 1) * self.step) % DAY)
            first, last = (str(np.datetime64(end, "us"))[11:19].removesuffix(":00") for end in ends)
            return f"[{self.weekmask} {first}-{last}]"
        return "" if self.unit != "business-day" or self.weekmask == WEEKDAY_MASK else f"[{self.weekmask}]"

    @property
    def step(self) -> int:
        """Microseconds between neighbours of a fixed unit, 0 for other units."""
        return FIXED_UNITS.get(self.unit, 0) * self.multiple

    @property
    def goes_overnight(self) -> bool:
        """Whether sessions end on the day after the one they begin on: Sunday 17:00 to Monday 16:00."""
        return self.phase + (self.slots - 1) * self.step >= DAY

    @property
    def has_closed_days(self) -> bool:
        """Whether the grid leaves out days: business days, and hours of open days only."""
        return self.unit == "business-day" or self.slots > 0

    @property
    def open_days(self) -> np.busdaycalendar:
        """The days the grid has, for NumPy's arithmetic of business days."""
        return np.busdaycalendar(self.weekmask, np.array(self.closed, dtype="datetime64[D]"))

    def _anchor_month(self) -> str:
        if self.unit == "quarter":  # QS-JAN names the first month of the year, QE-DEC the last
            return MONTHS[self.anchor % 3 + (9 if self.day == LAST_DAY else 0)]
        return MONTHS[self.anchor % 12]

    @property
    def is_calendar(self) -> bool:
        """Whether timestamps are dates and times; false for plain integer steps."""
        return self.unit != "step"

    def to_ordinals(self, timestamps: TimestampArray) -> Int64Array:
        """Return the place of each timestamp on the grid; raises DataError that names the first timestamp off the grid."""
        ordinals = self.floor(timestamps)
        off = np.asarray(self.to_timestamps(ordinals) != self._native(timestamps))
        if off.any():
            first = self._native(timestamps)[off].flat[0]
            raise DataError(
                f"{int(off.sum())} of {off.size} timestamps are not on the grid of frequency {self.alias}, first {first}",
                hint="name the frequency of the timestamps with `--freq`, or correct these rows",
                code="E_TIME_OFF_GRID",
            )
        return ordinals

    def floor(self, timestamps: TimestampArray) -> Int64Array:
        """Return the ordinal of the newest grid point at or before each timestamp, on the grid or not."""
        native = self._native(timestamps)
        if self.unit == "step":
            return (native.astype(np.int64) - self.phase) // self.multiple
        if self.has_closed_days:
            return self._floor_open(native)
        if self.unit in FIXED_UNITS:
            return (native.astype(np.int64) - self.phase) // self.step
        shifted = native - np.timedelta64(self.phase, "us")
        months = shifted.astype("datetime64[M]").astype(np.int64)
        return (months - self.anchor) // (MONTHS_IN[self.unit] * self.multiple)

    def to_timestamps(self, ordinals: Int64Array) -> TimestampArray:
        """Return the timestamps of ordinals, any shape: datetime64[us], or int64 for steps."""
        ordinals = np.asarray(ordinals, dtype=np.int64)
        if self.unit == "step":
            return ordinals * self.multiple + self.phase
        if self.has_closed_days:
            day_ordinals, slots = np.divmod(ordinals, max(self.slots, 1))
            calendar = self.open_days
            days_before = np.busday_count(_LONG_AGO, _EPOCH, busdaycal=calendar)
            days = np.busday_offset(_LONG_AGO, days_before + day_ordinals, roll="forward", busdaycal=calendar)
            return np.asarray(
                days.astype("datetime64[us]") + (slots * self.step + self.phase).astype("timedelta64[us]")
            )
        if self.unit in FIXED_UNITS:
            return (ordinals * self.step + self.phase).astype("datetime64[us]")
        days = day_of_month(ordinals * (MONTHS_IN[self.unit] * self.multiple) + self.anchor, self.day)
        return np.asarray(days.astype("datetime64[us]") + np.timedelta64(self.phase, "us"))

    def _floor_open(self, native: TimestampArray) -> Int64Array:
        """Return the ordinal of the newest grid point at or before each timestamp, on a closed day the last one before."""
        shifted = native - np.timedelta64(self.phase, "us")
        days = shifted.astype("datetime64[D]")
        calendar = self.open_days
        opened = np.busday_offset(days, 0, roll="backward", busdaycal=calendar)
        days_before = np.busday_count(_LONG_AGO, _EPOCH, busdaycal=calendar)
        ordinals = np.busday_count(_LONG_AGO, opened, busdaycal=calendar).astype(np.int64) - days_before
        if not self.slots:
            return ordinals
        since = (shifted - days.astype("datetime64[us]")).astype(np.int64)
        slots = np.where(opened == days, np.minimum(since // self.step, self.slots - 1), self.slots - 1)
        return ordinals * self.slots + slots

    def _native(self, timestamps: TimestampArray) -> TimestampArray:
        timestamps = np.asarray(timestamps)
        wanted = "M" if self.is_calendar else "iu"
        if timestamps.dtype.kind not in wanted:
            kinds = "dates and times" if self.is_calendar else "integer steps"
            raise DataError(f"frequency {self.alias} needs {kinds}, the timestamps are {timestamps.dtype}")
        return timestamps.astype("datetime64[us]" if self.is_calendar else np.int64)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the specification as plain JSON values, for the model file; open days only where there are some."""
        fields: dict[str, JSONValue] = {**asdict(self), "closed": list(self.closed)}
        usual: dict[str, JSONValue] = {"weekmask": WEEKDAY_MASK, "closed": [], "calendar": None, "slots": 0}
        return {name: value for name, value in fields.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> Frequency:
        """Rebuild a frequency that `to_dict` wrote; raises UsageError for anything else."""
        zone, calendar = fields.get("timezone"), fields.get("calendar")
        weekmask, closed = fields.get("weekmask", WEEKDAY_MASK), fields.get("closed", [])
        numbers = {name: fields.get(name, default) for name, default in _NUMBERS.items()}
        days = closed if isinstance(closed, list | tuple) else [None]
        if (
            not all(isinstance(number, int) for number in (*numbers.values(), *days))
            or not isinstance(zone, str | None)
            or not isinstance(calendar, str | None)
            or not isinstance(weekmask, str)
        ):
            raise UsageError(f"not a frequency specification: {dict(fields)}")
        return cls(
            unit=cast(Unit, str(fields.get("unit"))),
            timezone=zone,
            weekmask=weekmask,
            closed=tuple(cast("list[int]", days)),
            calendar=calendar,
            **cast("dict[str, Any]", numbers),
        )


_NUMBERS = {"multiple": 1, "phase": 0, "anchor": 0, "day": 1, "slots": 0}


def day_of_month(months: Int64Array, day: int) -> DatetimeArray:
    """Return the given day of each month (months since January 1970), the last one in months that are shorter."""
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    if day <= 28:
        return np.asarray(first + np.timedelta64(day - 1, "D"))
    last = (months + 1).astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
    return np.minimum(first + np.timedelta64(day - 1, "D"), last)


def parse_frequency(text: str, timestamps: TimestampArray | None = None) -> Frequency:
    """Return the frequency that a user wrote; what the text leaves open (weekday, phase) is taken from the timestamps.

    Raises UsageError for a word that names no frequency.
    """
    told = FrequencyText.parse(text)
    freq = Frequency(told.unit, multiple=told.multiple, day=told.day or 1)
    if timestamps is not None and len(timestamps):
        freq = align(freq, timestamps, keep_day=told.day is not None)
    if told.anchor is not None:
        freq = _with_anchor(freq, told.anchor)
    return _with_hours(freq, told) if told.weekmask is not None else freq


def _with_hours(freq: Frequency, told: FrequencyText) -> Frequency:
    """Return the frequency on the open days, and in the open hours, that its text names."""
    freq = replace(freq, weekmask=told.weekmask or freq.weekmask)
    if told.hours is None or freq.unit not in FIXED_UNITS:
        return freq
    first, last = (
        int(np.timedelta64(np.datetime64(f"1970-01-01T{time}") - _EPOCH, "us").astype(np.int64)) for time in told.hours
    )
    slots = (last - first) % DAY // freq.step + 1
    return replace(freq, phase=first, slots=slots)


def align(freq: Frequency, timestamps: TimestampArray, *, keep_day: bool = False) -> Frequency:
    """Return the frequency with phase, anchor and (unless it is kept) day of month as the first timestamp has them.

    Raises UsageError for steps where the timestamps are dates.
    """
    first = np.asarray(timestamps)[:1]
    if freq.unit == "step":
        if first.dtype.kind == "M":
            message = f"frequency `{freq.alias}` counts rows, but the time column holds dates"
            hint = "leave `--freq` out, or read the rows as steps in file order with `--time none`"
            raise UsageError(message, hint=hint, code="E_RUN_FREQ")
        return replace(freq, phase=int(first[0]) % freq.multiple)
    microseconds = int(first.astype("datetime64[us]").astype(np.int64)[0])
    if freq.unit in FIXED_UNITS:
        return replace(freq, phase=microseconds % freq.step)
    phase = microseconds % DAY
    if freq.unit == "business-day":
        return replace(freq, phase=phase)
    months = int(first.astype("datetime64[M]").astype(np.int64)[0])
    anchor = months % (MONTHS_IN[freq.unit] * freq.multiple)
    return replace(freq, phase=phase, anchor=anchor, day=freq.day if keep_day else common_day(timestamps))


def common_day(timestamps: TimestampArray) -> int:
    """Return the day of month that all timestamps have when months that are too short count as their last day.

    31 where every timestamp is a month's end; 1 where no single day fits.
    """
    days = np.asarray(timestamps).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    numbers = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    ends = (days + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    if ends.all():
        return LAST_DAY
    highest = int(numbers.max())
    return highest if bool(((numbers == highest) | (ends & (numbers < highest))).all()) else 1


def _with_anchor(freq: Frequency, number: int) -> Frequency:
    """Return the frequency on a weekday or month, counted from 0: W-SUN is 6, QS-JAN is 0."""
    if freq.unit == "week":
        weekday = (freq.phase // DAY - _MONDAY) % 7
        phase = (freq.phase + (number - weekday) * DAY) % (freq.multiple * 7 * DAY)
        return replace(freq, phase=phase)
    cycle = MONTHS_IN[freq.unit]
    return replace(freq, anchor=freq.anchor - freq.anchor % cycle + number % cycle)


def in_words(timestamp: object) -> str:
    """Return a timestamp as a message shows it: the date alone at midnight, without fractions of zero."""
    text = str(timestamp)
    return text.removesuffix(".000000").removesuffix("T00:00:00").replace("T", " ")
