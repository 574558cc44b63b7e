"""Infer the frequency of timestamps; the default season length and horizon of a frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.arrays import BoolArray, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import (
    DAY,
    FIXED_UNITS,
    MONTHS_IN,
    SECOND,
    Frequency,
    align,
    common_day,
    in_words,
)
from rnnforecast.data.errors import data_error
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Unit

#: Timestamps that show whether they mix ends of months and first days.
MIN_EDGES = 4
#: Times that a weekday must be passed over, and fraction of the other days that must have rows, to count as closed.
MIN_CLOSED = 4
MIN_OPEN_SHARE = 0.8
#: The last year that dates are written in with four digits.
LAST_YEAR = 9_999
#: Steps that show events, and the fractions of usual steps and filled grid points below which timestamps are events.
MIN_EVENTS = 20
MAX_EVENT_FRACTION = 0.25
MAX_EVENT_FILL = 0.1
#: The shortest step between one day of month and the same one of another month, in microseconds.
MIN_MONTH = 28 * DAY
#: Rows for one row of the longest series from which the series of a panel are expected to have the same timestamps.
MIN_REPEATS = 8
_FIXED_DOWNWARDS: tuple[Unit, ...] = ("week", "day", "hour", "minute", "second")


@dataclass(frozen=True)
class DistinctTimestamps:
    """Distinct timestamps of a panel: calendar arithmetic is slow, and many series have the same timestamps."""

    timestamps: TimestampArray  # [D], in order of first appearance
    places: (
        Int64Array | None
    )  # [n], place of each row's timestamp among them; None where they are the timestamps of the rows

    @classmethod
    def of(cls, timestamps: TimestampArray, offsets: Int64Array) -> DistinctTimestamps:
        """Find repeated timestamps where there are many more rows than the longest series has."""
        if len(timestamps) < MIN_REPEATS * int(np.diff(offsets).max(initial=1)):
            return cls(timestamps, None)
        import pandas as pd

        places, numbers = pd.factorize(np.ascontiguousarray(timestamps).view(np.int64))
        return cls(numbers.view(timestamps.dtype), places)

    def to_rows(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return for each row what belongs to its timestamp: [D] becomes [n]."""
        return values if self.places is None else values[self.places]


def infer_frequency(timestamps: TimestampArray, offsets: Int64Array) -> Frequency:
    """Return the one frequency of all series; timestamps ascend within `offsets[s]:offsets[s + 1]`, gaps are allowed.

    The most common step between neighbours decides, when all others are multiples of it. Raises DataError with the
    steps that were counted where they are not.
    """
    timestamps = np.asarray(timestamps)
    steps = _steps_between(timestamps, offsets)
    if not len(steps):
        if timestamps.dtype.kind in "iu":
            return align(Frequency("step"), timestamps[:1])
        message = "no series has two timestamps, so the frequency is unknown"
        raise DataError(message, hint="name it with `--freq`, such as `--freq D`", code="E_TIME_FREQ")
    if timestamps.dtype.kind in "iu":
        return _integer_steps(timestamps, steps)
    distinct = DistinctTimestamps.of(timestamps, offsets)
    mixes_edges = _mixes_edges_of_months(distinct.timestamps)
    if not mixes_edges:
        same = same_series(len(timestamps), offsets)
        for find in (_months, _business_days, _fixed):
            candidate = find(distinct, steps, same)
            if candidate is not None:
                return candidate
    if mixes_edges:
        raise data_error([_MIXED_EDGES])
    raise irregular(steps)


_MIXED_EDGES = Finding(
    "E_TIME_FREQ_MIXED",
    "some timestamps are the ends of months, others their first days",
    fix="bring them to one with `--resample MS --aggregate last`, or rewrite these rows",
)


def _mixes_edges_of_months(timestamps: TimestampArray) -> bool:
    """Whether every timestamp is the first or the last day of a month, and there are both."""
    days = np.unique(timestamps.astype("datetime64[D]"))
    if len(days) < MIN_EDGES:
        return False
    is_first = days == days.astype("datetime64[M]")
    next_days = days + np.timedelta64(1, "D")
    is_last = next_days == next_days.astype("datetime64[M]")
    return bool((is_first | is_last).all() and is_first.any() and is_last.any())


def _steps_between(timestamps: TimestampArray, offsets: Int64Array) -> Int64Array:
    """Return the steps between neighbours of one series, in microseconds or integer steps."""
    if timestamps.dtype.kind == "M":
        timestamps = timestamps.astype("datetime64[us]", copy=False)
    numbers: Int64Array = np.ascontiguousarray(timestamps).view(np.int64)
    steps = np.diff(numbers)
    return steps if len(offsets) == 2 else steps[same_series(len(timestamps), offsets)]


def same_series(num_rows: int, offsets: Int64Array) -> BoolArray:
    """Return for each pair of neighbouring rows whether both belong to one series: [N - 1]."""
    same = np.ones(max(num_rows - 1, 0), dtype=np.bool_)
    borders = offsets[1:-1] - 1
    same[borders[(borders >= 0) & (borders < len(same))]] = False
    return same


def _most_common(steps: Int64Array) -> int:
    """Return the most frequent step; of equally frequent ones the shortest."""
    if bool((steps == steps[0]).all()):
        return int(steps[0])
    sizes, counts = np.unique(steps, return_counts=True)
    return int(sizes[np.argmax(counts)])


def _integer_steps(timestamps: TimestampArray, steps: Int64Array) -> Frequency:
    step = _most_common(steps)
    if step <= 0 or not _are_multiples(steps, step):
        raise irregular(steps, is_calendar=False)
    return align(Frequency("step", multiple=step), timestamps)


def _are_multiples(steps: Int64Array, step: int) -> bool:
    """Whether every step is one step or several; where all are one, as mostly, nothing is divided."""
    return bool((steps == step).all()) or not bool((steps % step).any())


def _fixed(distinct: DistinctTimestamps, steps: Int64Array, same: BoolArray) -> Frequency | None:  # noqa: ARG001
    """Return seconds to weeks when every step is a multiple of the most common one."""
    timestamps, step = distinct.timestamps, _most_common(steps)
    if step <= 0 or step % SECOND or not _are_multiples(steps, step) or not _one_phase(timestamps, step):
        return None
    if _are_events(steps, step):
        return None
    for unit in _FIXED_DOWNWARDS:
        if step % FIXED_UNITS[unit] == 0:
            return align(Frequency(unit, multiple=step // FIXED_UNITS[unit]), timestamps)
    return None


def _are_events(steps: Int64Array, step: int) -> bool:
    """Whether timestamps merely have one resolution: few steps are the most common one, and nearly all of a grid is empty.

    Events recorded to the minute are not minutely rows with gaps.
    """
    if len(steps) < MIN_EVENTS:
        return False
    return bool((steps == step).mean() < MAX_EVENT_FRACTION and len(steps) * step < MAX_EVENT_FILL * steps.sum())


def _one_phase(timestamps: TimestampArray, step: int) -> bool:
    """Whether all series are on one grid: hours of one at :00 and of another at :30 do not."""
    phases = timestamps.astype("datetime64[us]").astype(np.int64) % step
    return bool((phases == phases[0]).all())


def _business_days(distinct: DistinctTimestamps, steps: Int64Array, same: BoolArray) -> Frequency | None:
    """Return business days when timestamps come daily, never on some weekdays, and pass over them often enough.

    Weekends need to be passed once; any other closed weekdays `MIN_CLOSED` times, with most other days there.
    """
    timestamps = distinct.timestamps
    if _most_common(steps) != DAY or not _one_phase(timestamps, DAY):
        return None
    days = timestamps.astype("datetime64[D]").astype(np.int64)
    weekdays = (days + 3) % 7  # Monday is 0
    seen = np.bincount(weekdays, minlength=7) > 0
    if seen.all():
        return None
    weekmask = "".join("1" if one else "0" for one in seen)
    if not seen[5:].any():
        lands = distinct.to_rows(weekdays)[:-1][same] + steps // DAY  # 7 is the Monday after
        if not ((lands >= 7) & (steps <= 5 * DAY)).any():
            return None
        return align(Frequency("business-day"), timestamps)
    # closed days that neighbours stand around: each closed weekday passed in short steps
    starts = distinct.to_rows(days)[:-1][same][(steps > DAY) & (steps <= 4 * DAY)]
    passed = np.zeros(7, dtype=np.int64)
    for ahead in (1, 2, 3):
        ends = starts[steps[(steps > DAY) & (steps <= 4 * DAY)] > ahead * DAY]
        passed += np.bincount((ends + ahead + 3) % 7, minlength=7)
    span = int(days.max() - days.min()) + 1
    num_open = np.busday_count(days.min(), days.max() + 1, weekmask=weekmask)
    if bool((passed[~seen] < MIN_CLOSED).any()) or len(np.unique(days)) < MIN_OPEN_SHARE * num_open or span < 28:
        return None
    return align(Frequency("business-day", weekmask=weekmask), timestamps)


def _months(distinct: DistinctTimestamps, steps: Int64Array, same: BoolArray) -> Frequency | None:
    """Return months, quarters or years when all timestamps have one day of month and one time of day."""
    timestamps = distinct.timestamps
    if int(steps.min()) < MIN_MONTH or not _one_phase(timestamps, DAY):
        return None
    day = common_day(timestamps)
    months = timestamps.astype("datetime64[M]").astype(np.int64)
    steps = np.diff(distinct.to_rows(months))[same]
    if (steps <= 0).any():
        return None
    step = _most_common(steps)
    if (steps % step).any():
        return None
    unit: Unit = "year" if step % 12 == 0 else "quarter" if step % 3 == 0 else "month"
    freq = align(Frequency(unit, multiple=step // MONTHS_IN[unit], day=day), timestamps, keep_day=True)
    fits = freq.to_timestamps(freq.floor(timestamps)) == timestamps.astype("datetime64[us]")
    return freq if bool(np.all(fits)) else None


def irregular(steps: Int64Array, *, is_calendar: bool = True) -> DataError:
    """Return the error for timestamps without a regular grid, with the steps that were counted."""
    sizes, counts = np.unique(steps, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    describe = describe_step if is_calendar else str
    shown = ", ".join(f"{describe(int(sizes[i]))} ({counts[i]} times)" for i in order)
    more = f" and {len(sizes) - len(order)} other lengths" if len(sizes) > len(order) else ""
    message = f"the timestamps are irregular; steps between neighbours: {shown}{more}"
    in_order = "read the rows as steps in file order with `--time none`"
    days = set((sizes // DAY).tolist())
    if is_calendar and days <= set(range(12, 18)):
        message += "; they look like half months"
        hint = (
            f"{in_order} (24 steps are a year: `--season-length 24`), or add them up: `--resample 1MS --aggregate sum`"
        )
    elif is_calendar and days <= {28, 35}:
        message += "; they look like fiscal months of 4, 4 and 5 weeks"
        hint = f"{in_order} (12 steps are a year: `--season-length 12`); calendar months would hold none or two of them"
    elif is_calendar:
        message += f"; {_histogram(steps)}"
        usual = float(np.median(steps))
        kind, others = ("sum", "mean, count, last") if usual >= DAY else ("mean", "sum, count, last")
        fix = f"bring the rows to a regular grid with `--resample {_coarse_enough(steps)} --aggregate {kind}`"
        hint = f"{fix} (or {others}), or {in_order}"
    else:
        hint = f"bring the rows to a regular grid, or {in_order}"
    finding = Finding("E_TIME_IRREGULAR", message, count=len(steps), fix=hint)
    return data_error([finding])


_LENGTHS: tuple[tuple[str, int], ...] = (
    ("1 second", SECOND), ("1 minute", 60 * SECOND), ("1 hour", 3_600 * SECOND), ("1 day", DAY), ("1 week", 7 * DAY),
    ("31 days", 31 * DAY),
)  # fmt: skip
_RESAMPLED = (
    ("1s", SECOND), ("1min", 60 * SECOND), ("15min", 900 * SECOND), ("1h", 3_600 * SECOND), ("1D", DAY), ("1W", 7 * DAY),
    ("1MS", 31 * DAY), ("1QS", 92 * DAY),
)  # fmt: skip


def _histogram(steps: Int64Array) -> str:
    """Return how many steps are as long as a minute, an hour, a day ... at most."""
    edges = np.array([length for _, length in _LENGTHS], dtype=np.int64)
    counts = np.bincount(np.searchsorted(edges, steps), minlength=len(edges) + 1)
    names = [*(f"up to {name}" for name, _ in _LENGTHS), f"over {_LENGTHS[-1][0]}"]
    return ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True) if count)


def _coarse_enough(steps: Int64Array) -> str:
    """Return the shortest usual frequency that is not finer than most steps."""
    usual = float(np.median(steps))
    return next((alias for alias, length in _RESAMPLED if length >= usual), "1YS")


def describe_step(microseconds: int) -> str:
    """Return a length of time in words, such as `3 days`."""
    for unit in _FIXED_DOWNWARDS[1:]:
        if microseconds and microseconds % FIXED_UNITS[unit] == 0:
            count = microseconds // FIXED_UNITS[unit]
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{microseconds / SECOND:g} seconds"


_SEASONS: dict[str, int] = {"week": 52, "month": 12, "quarter": 4}
_HORIZONS: dict[str, int] = {
    "step": 10, "day": 30, "business-day": 10, "week": 13, "month": 12, "quarter": 8, "year": 4,
}  # fmt: skip
#: Longest season tried: a day of minutes, an hour of ten seconds.
MAX_DEFAULT_SEASON = 1440


def default_season_length(freq: Frequency) -> int:
    """Return the default season length of a frequency: a day of hours, a year of months; 1 for none."""
    if freq.slots:
        return freq.slots
    if freq.unit == "business-day":
        return freq.weekmask.count("1")
    if freq.unit in _SEASONS:
        season = _SEASONS[freq.unit]
        return season // freq.multiple if season % freq.multiple == 0 else 1
    if freq.unit not in FIXED_UNITS:
        return 1
    step = freq.step
    if step % DAY == 0:
        return 7 if step == DAY else 1
    for cycle in (DAY, FIXED_UNITS["hour"], FIXED_UNITS["minute"]):
        if cycle % step == 0 and cycle // step <= MAX_DEFAULT_SEASON:
            return cycle // step
    return 1


def default_horizon(freq: Frequency, *, length: int | None = None) -> int:
    """Return the default horizon of a frequency; with the `length` of a series one that a test set can hold."""
    if freq.unit in _HORIZONS:
        horizon = max(_HORIZONS[freq.unit] // freq.multiple, 1)
    else:
        minutes = freq.step // FIXED_UNITS["minute"]
        if minutes < 15:
            horizon = 60
        elif minutes < 30:
            horizon = 96
        else:
            horizon = max(48 * 60 // max(minutes, 60), 4)
        if freq.slots * minutes < 24 * 60 and freq.slots:  # at most one day of opening hours
            horizon = min(horizon, freq.slots)
    if length is None or horizon <= length // 6:
        return horizon
    shorter = 14 if freq.unit == "day" and length // 6 >= 14 else max(length // 6, 1)
    return min(horizon, shorter)


def check_horizon(freq: Frequency, last_ordinal: int, horizon: int) -> None:
    """Raise DataError where the timestamps of a forecast would pass year 9999, or the years of the closed days."""
    if not freq.is_calendar:
        return
    ahead = freq.to_timestamps(np.array([last_ordinal, last_ordinal + horizon], dtype=np.int64))
    years = ahead.astype("datetime64[Y]").astype(np.int64) + 1970
    known_until = LAST_YEAR
    if freq.closed and freq.calendar not in (None, "learned"):
        known_until = int(np.datetime64(freq.closed[-1], "D").astype("datetime64[Y]").astype(np.int64)) + 1970
    if years[0] <= years[1] <= max(known_until, int(years[0])) <= LAST_YEAR:
        return
    limit = f"the calendar {freq.calendar} is known until {known_until}" if known_until < LAST_YEAR else (
        f"dates end with year {LAST_YEAR}"
    )  # fmt: skip
    message = f"{horizon} steps of {freq.alias} after {in_words(ahead[0])} would lead to year {years[1]}, but {limit}"
    raise DataError(message, hint="use a smaller --horizon", code="E_TIME_LIMIT")
