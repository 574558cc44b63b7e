"""`Frequency`: the regular grid that stamps lie on, and the arithmetic between stamps and their ordinals.

Ordinals count grid points: two neighbours differ by one, whatever the calendar does between them. Nothing here
depends on the frequency strings of another library, so a stored model means the same calendar for ever.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt

from rnnforecast.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.findings import JSONValue

Unit = Literal["step", "second", "minute", "hour", "day", "business-day", "week", "month", "quarter", "year"]
IntArray = npt.NDArray[np.int64]
#: datetime64[us] on a calendar, int64 where the clock counts steps.
StampArray: TypeAlias = npt.NDArray[Any]

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
LAST_DAY = 31  # day of month that means the month's end

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_SHORT = {"step": "step", "second": "s", "minute": "min", "hour": "h", "day": "D", "business-day": "B"}
_MONDAY = 4  # days from 1970-01-01, a Thursday, to the first Monday


@dataclass(frozen=True)
class Frequency:
    """A regular grid of stamps.

    `phase` is the offset of the grid: microseconds after 1970-01-01 for fixed units, microseconds after midnight
    for business days, months, quarters and years, an integer for steps. `anchor` is the first month on the grid,
    counted from January 1970, for months, quarters and years; `day` their day of month, cut to the month's
    length, so that 31 is the month's end. `timezone` says that stamps of a zoned file are held in that zone.
    """

    unit: Unit
    multiple: int = 1
    phase: int = 0
    anchor: int = 0
    day: int = 1
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise UsageError(f"unknown frequency unit `{self.unit}`", hint=f"units: {', '.join(get_args(Unit))}")
        if self.multiple < 1 or not 1 <= self.day <= LAST_DAY:
            raise UsageError(f"a frequency needs multiple >= 1 and day 1 to 31, not {self.multiple} and {self.day}")
        if self.unit == "business-day" and self.multiple != 1:
            raise UsageError("business days come one by one: no multiple of B is known", hint="use `--freq D`")

    @property
    def alias(self) -> str:
        """The public spelling: step, 15min, h, D, B, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC ..."""
        count = "" if self.multiple == 1 else str(self.multiple)
        if self.unit == "week":
            return f"{count}W-{WEEKDAYS[(self.phase // DAY - _MONDAY) % 7]}"
        if self.unit not in MONTHS_IN:
            return count + _SHORT[self.unit]
        edge = {1: "S", LAST_DAY: "E"}.get(self.day, "")
        name = self.unit[0].upper() + edge
        if self.unit != "month":
            name += f"-{self._anchor_month()}"
        return count + name + ("" if edge else f"-{self.day}")

    def _anchor_month(self) -> str:
        if self.unit == "quarter":  # QS-JAN names the first month of the year, QE-DEC the last
            return MONTHS[self.anchor % 3 + (9 if self.day == LAST_DAY else 0)]
        return MONTHS[self.anchor % 12]

    @property
    def is_calendar(self) -> bool:
        """Whether stamps are dates and times; false for plain integer steps."""
        return self.unit != "step"

    def to_ordinals(self, timestamps: StampArray) -> IntArray:
        """Return the place of each stamp on the grid; raises DataError that names the first stamp off the grid."""
        ordinals = self.floor(timestamps)
        off = np.asarray(self.to_timestamps(ordinals) != self._native(timestamps))
        if off.any():
            first = self._native(timestamps)[off].flat[0]
            raise DataError(
                f"{int(off.sum())} of {off.size} stamps are not on the grid of frequency {self.alias}, first {first}",
                hint="name the frequency of the stamps with `--freq`, or correct these rows",
                code="E_TIME_OFF_GRID",
            )
        return ordinals

    def floor(self, timestamps: StampArray) -> IntArray:
        """Return the ordinal of the newest grid point at or before each stamp, on the grid or not."""
        native = self._native(timestamps)
        if self.unit == "step":
            return (native.astype(np.int64) - self.phase) // self.multiple
        if self.unit in FIXED_UNITS:
            return (native.astype(np.int64) - self.phase) // (FIXED_UNITS[self.unit] * self.multiple)
        shifted = native - np.timedelta64(self.phase, "us")
        if self.unit == "business-day":
            return np.busday_count(np.datetime64(0, "D"), shifted.astype("datetime64[D]")).astype(np.int64)
        months = shifted.astype("datetime64[M]").astype(np.int64)
        return (months - self.anchor) // (MONTHS_IN[self.unit] * self.multiple)

    def to_timestamps(self, ordinals: IntArray) -> StampArray:
        """Return the stamps of ordinals, any shape: datetime64[us], or int64 for steps."""
        ordinals = np.asarray(ordinals, dtype=np.int64)
        if self.unit == "step":
            return ordinals * self.multiple + self.phase
        if self.unit in FIXED_UNITS:
            microseconds = ordinals * (FIXED_UNITS[self.unit] * self.multiple) + self.phase
            return microseconds.astype("datetime64[us]")
        if self.unit == "business-day":
            days = np.busday_offset(np.datetime64(0, "D"), ordinals, roll="forward")
        else:
            months = ordinals * (MONTHS_IN[self.unit] * self.multiple) + self.anchor
            days = day_of_month(months, self.day)
        return np.asarray(days.astype("datetime64[us]") + np.timedelta64(self.phase, "us"))

    def _native(self, timestamps: StampArray) -> StampArray:
        stamps = np.asarray(timestamps)
        wanted = "M" if self.is_calendar else "iu"
        if stamps.dtype.kind not in wanted:
            kinds = "dates and times" if self.is_calendar else "integer steps"
            raise DataError(f"frequency {self.alias} needs {kinds}, the stamps are {stamps.dtype}")
        return stamps.astype("datetime64[us]" if self.is_calendar else np.int64)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the specification as plain JSON values, for the model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> Frequency:
        """Rebuild a frequency that `to_dict` wrote."""
        zone = fields.get("timezone")
        numbers = {name: fields.get(name, default) for name, default in _NUMBERS.items()}
        if not all(isinstance(number, int) for number in numbers.values()) or not isinstance(zone, str | None):
            raise UsageError(f"not a frequency specification: {dict(fields)}")
        return cls(unit=cast(Unit, str(fields.get("unit"))), timezone=zone, **cast("dict[str, int]", numbers))


_NUMBERS = {"multiple": 1, "phase": 0, "anchor": 0, "day": 1}


def day_of_month(months: IntArray, day: int) -> npt.NDArray[np.datetime64]:
    """Return the given day of each month (months since January 1970), the last one in months that are shorter."""
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    if day <= 28:
        return np.asarray(first + np.timedelta64(day - 1, "D"))
    last = (months + 1).astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
    return np.minimum(first + np.timedelta64(day - 1, "D"), last)


_PATTERN = re.compile(r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z]{3}))?(?:-(\d{1,2}))?")
_SPELLINGS: dict[str, tuple[Unit, int | None]] = {
    "step": ("step", None), "s": ("second", None), "sec": ("second", None), "min": ("minute", None),
    "t": ("minute", None), "h": ("hour", None), "d": ("day", None), "b": ("business-day", None),
    "w": ("week", None), "m": ("month", None), "ms": ("month", 1), "me": ("month", LAST_DAY),
    "q": ("quarter", None), "qs": ("quarter", 1), "qe": ("quarter", LAST_DAY),
    "y": ("year", None), "ys": ("year", 1), "ye": ("year", LAST_DAY), "a": ("year", None),
    "second": ("second", None), "minute": ("minute", None), "hour": ("hour", None), "day": ("day", None),
    "week": ("week", None), "month": ("month", None), "quarter": ("quarter", None), "year": ("year", None),
    "hourly": ("hour", None), "daily": ("day", None), "weekly": ("week", None), "monthly": ("month", None),
    "quarterly": ("quarter", None), "yearly": ("year", None), "annual": ("year", None),
}  # fmt: skip


def parse_frequency(text: str, timestamps: StampArray | None = None) -> Frequency:
    """Return the frequency that a user wrote; what the text leaves open (weekday, phase) is taken from the stamps.

    Raises UsageError for a word that names no frequency.
    """
    match = _PATTERN.fullmatch(text.strip())
    spelling = _SPELLINGS.get(match[2].lower()) if match else None
    if match is None or spelling is None:
        raise UsageError(
            f"unknown frequency `{text}`",
            hint="write one of s, min, h, D, B, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC or step, "
            "with a number in front for multiples, such as 15min",
            code="E_RUN_FREQ",
        )
    unit, day = spelling
    if match[4]:
        day = int(match[4])
    plain = Frequency(unit, multiple=int(match[1] or 1), day=day or 1)
    anchored = (
        plain if timestamps is None or not len(timestamps) else align(plain, timestamps, keep_day=day is not None)
    )
    return _with_anchor(anchored, match[3], text) if match[3] else anchored


def align(freq: Frequency, timestamps: StampArray, *, keep_day: bool = False) -> Frequency:
    """Return the frequency with phase, anchor and (unless it is kept) day of month as the first stamp has them.

    Raises UsageError for steps where the stamps are dates.
    """
    first = np.asarray(timestamps)[:1]
    step = freq.multiple
    if freq.unit == "step":
        if first.dtype.kind == "M":
            raise UsageError(
                f"frequency `{freq.alias}` counts rows, but the time column holds dates",
                hint="leave `--freq` out, or read the rows as steps in file order with `--time none`",
                code="E_RUN_FREQ",
            )
        return Frequency("step", multiple=step, phase=int(first[0]) % step)
    microseconds = int(first.astype("datetime64[us]").astype(np.int64)[0])
    if freq.unit in FIXED_UNITS:
        phase = microseconds % (FIXED_UNITS[freq.unit] * step)
        return Frequency(freq.unit, multiple=step, phase=phase, timezone=freq.timezone)
    phase = microseconds % DAY
    if freq.unit == "business-day":
        return Frequency(freq.unit, phase=phase, timezone=freq.timezone)
    months = int(first.astype("datetime64[M]").astype(np.int64)[0])
    return Frequency(
        freq.unit,
        multiple=step,
        phase=phase,
        anchor=months % (MONTHS_IN[freq.unit] * step),
        day=freq.day if keep_day else common_day(timestamps),
        timezone=freq.timezone,
    )


def common_day(timestamps: StampArray) -> int:
    """Return the day of month that all stamps share when months that are too short count as their last day.

    31 where every stamp is a month's end; 1 where no single day fits.
    """
    days = np.asarray(timestamps).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    numbers = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    ends = (days + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    if ends.all():
        return LAST_DAY
    highest = int(numbers.max())
    return highest if bool(((numbers == highest) | (ends & (numbers < highest))).all()) else 1


def _with_anchor(freq: Frequency, name: str, text: str) -> Frequency:
    """Return the frequency on the weekday or month that its text names, such as W-SUN or QS-JAN."""
    names = WEEKDAYS if freq.unit == "week" else MONTHS if freq.unit in ("quarter", "year") else ()
    if name.upper() not in names:
        known = f"one of {', '.join(names)}" if names else "no suffix"
        raise UsageError(f"frequency `{text}`: {known} is known after `{freq.unit}`", code="E_RUN_FREQ")
    number = names.index(name.upper())
    if freq.unit == "week":
        weekday = (freq.phase // DAY - _MONDAY) % 7
        phase = (freq.phase + (number - weekday) * DAY) % (freq.multiple * 7 * DAY)
        return Frequency("week", multiple=freq.multiple, phase=phase, timezone=freq.timezone)
    cycle = MONTHS_IN[freq.unit]
    anchor = freq.anchor - freq.anchor % cycle + number % cycle
    return Frequency(freq.unit, freq.multiple, freq.phase, anchor, freq.day, freq.timezone)
