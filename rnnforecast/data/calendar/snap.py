"""Snap nearly regular timestamps to their grid, by less than a tenth of a step.

Daily rows stamped at their hour of closing lose the time of day; months, quarters and years stamped on the nearest
working day get the day they were meant for; a clock that wanders by seconds is set right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from rnnforecast.arrays import Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import DAY, SECOND, Frequency, day_of_month, in_words, parse_frequency
from rnnforecast.data.calendar.infer_frequency import describe_step, infer_frequency, same_series
from rnnforecast.data.errors import listed
from rnnforecast.errors import DataError
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import LAST_DAY, Unit

#: Largest shift of a timestamp as a fraction of its step.
MAX_SHIFT = 0.1
_SIXTIETHS = (1, 2, 5, 10, 15, 20, 30)
_NICE_STEPS = (
    *(count * SECOND for count in _SIXTIETHS),
    *(count * 60 * SECOND for count in _SIXTIETHS),
    *(count * 3_600 * SECOND for count in (1, 2, 3, 4, 6, 8, 12)),
    DAY,
    7 * DAY,
)
_HOUR = 3_600 * SECOND
#: Midnights of eastern, central and western Europe in UTC.
_LATE_HOURS = ((21, 22), (22, 23), (0, 23))
#: Days that a zone keeps one time at least, and days of it that a file must show.
_SHORTEST_SEASON, _FEWEST_DAYS = 90, 7
_MAX_DESCRIBED = 50
_MAX_SHOWN = 5


@dataclass(frozen=True)
class Snapped:
    """Timestamps on a grid, and how far the farthest of them was moved."""

    timestamps: TimestampArray
    freq: Frequency
    num_moved: int
    furthest: str


def snap(timestamps: TimestampArray, offsets: Int64Array) -> Snapped | None:
    """Return the timestamps on the grid they were meant for, None where none is near; timestamps ascend in each series."""
    if timestamps.dtype.kind != "M" or not same_series(len(timestamps), offsets).any():
        return None
    for attempt in (_to_days, _to_months, _to_seconds):
        moved = attempt(timestamps, offsets)
        if moved is None or not _ascends(moved, offsets):
            continue
        try:
            freq = infer_frequency(moved, offsets)
        except DataError:
            continue
        shifts = np.abs((moved - timestamps).astype(np.int64))
        return Snapped(moved, freq, int(np.count_nonzero(shifts)), describe_step(int(shifts.max())))
    return None


def are_midnights_elsewhere(timestamps: TimestampArray, offsets: Int64Array) -> bool:
    """Whether daily or rarer timestamps fall late in the evening on one hour for months, then on the next.

    So the midnights of a European zone with summer time look in UTC: moved to their days, all would be a day early.
    """
    same = same_series(len(timestamps), offsets)
    if timestamps.dtype.kind != "M" or not same.any() or _middle_step(timestamps, offsets) < 0.8 * DAY:
        return False
    days = timestamps.astype("datetime64[D]")
    times = (timestamps - days).astype("timedelta64[us]").astype(np.int64)
    if tuple(np.unique(times) // _HOUR) not in _LATE_HOURS or (times % _HOUR).any():
        return False
    flips = np.diff(times) != 0
    begins = np.flatnonzero(np.r_[True, flips | ~same])
    ends = np.r_[begins[1:], len(timestamps)] - 1
    spans = (days[ends] - days[begins]).astype(np.int64)
    is_inner = ~np.isin(begins, offsets) & ~np.isin(ends + 1, offsets)
    return bool((flips & same).any() and (spans >= _FEWEST_DAYS).all() and (spans[is_inner] >= _SHORTEST_SEASON).all())


def _ascends(timestamps: TimestampArray, offsets: Int64Array) -> bool:
    steps = np.diff(timestamps.astype(np.int64))[same_series(len(timestamps), offsets)]
    return bool((steps > 0).all())


def _middle_step(timestamps: TimestampArray, offsets: Int64Array) -> int:
    return int(np.median(np.diff(timestamps.astype(np.int64))[same_series(len(timestamps), offsets)]))


def _to_days(timestamps: TimestampArray, offsets: Int64Array) -> TimestampArray | None:
    """Return the days of timestamps that come about once a day or less often, at changing times of day."""
    if _middle_step(timestamps, offsets) < 0.8 * DAY:
        return None
    return timestamps.astype("datetime64[D]").astype("datetime64[us]")


def _to_months(timestamps: TimestampArray, offsets: Int64Array) -> TimestampArray | None:
    """Return one day of month (first, last or middle one) for timestamps that come once a month or less often."""
    if _middle_step(timestamps, offsets) < 27 * DAY:
        return None
    days = timestamps.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    numbers = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    if numbers.max() - numbers.min() > 7:
        return None
    day = 1 if numbers.max() <= 7 else LAST_DAY if numbers.min() >= 24 else int(np.median(numbers))
    return day_of_month(months.astype(np.int64), day).astype("datetime64[us]")


def _to_seconds(timestamps: TimestampArray, offsets: Int64Array) -> TimestampArray | None:
    """Return timestamps on the nearest grid of seconds, minutes or hours, None where one is too far from it."""
    middle = _middle_step(timestamps, offsets)
    step = min(_NICE_STEPS, key=lambda nice: abs(nice - middle))
    if abs(step - middle) > MAX_SHIFT * step:
        return None
    numbers = timestamps.astype("datetime64[us]").astype(np.int64)
    furthest = DAY if step == 7 * DAY else MAX_SHIFT * step  # weeks that drift by a day, around holidays
    for phase in (0, _middle_phase(numbers, step)):
        moved = np.floor_divide(numbers - phase + step // 2, step) * step + phase
        if np.abs(moved - numbers).max() <= furthest:
            return np.asarray(moved.astype("datetime64[us]"))
    return None


def _middle_phase(numbers: Int64Array, step: int) -> int:
    """Return the phase around which timestamps lie, in whole seconds; the first one shows on which side of zero."""
    around = (numbers - numbers[0] + step // 2) % step - step // 2
    return int((numbers[0] + np.median(around)) // SECOND * SECOND % step)


def differing_frequencies(timestamps: TimestampArray, offsets: Int64Array) -> dict[int, str]:
    """Return the frequency of each of the first series that has one, where they are not all the same; else nothing."""
    found: dict[int, str] = {}
    for series in range(min(len(offsets) - 1, _MAX_DESCRIBED)):
        mine = timestamps[offsets[series] : offsets[series + 1]]
        try:
            freq = infer_frequency(mine, np.array([0, len(mine)], dtype=np.int64))
        except DataError:
            continue
        found[series] = freq.alias if freq.phase == 0 else f"{freq.alias} from {in_words(mine[0])}"
    return found if len(set(found.values())) > 1 else {}


def calendars_in_words(found: Mapping[int, str], label: Callable[[int], str]) -> str:
    """Return the series of each frequency: `D`: a, b and 3 more; `MS`: c; the frequency of most series first."""
    by_alias: dict[str, list[int]] = {}
    for series, alias in found.items():
        by_alias.setdefault(alias, []).append(series)
    most = sorted(by_alias.items(), key=lambda pair: -len(pair[1]))[:_MAX_SHOWN]
    return "; ".join(f"{alias}: {listed([label(series) for series in members], limit=3)}" for alias, members in most)


def one_calendar_fix(found: Mapping[int, str]) -> str:
    """Return how series of several frequencies come to one: all resampled to the coarsest of them."""
    aliases = {alias.partition(" from ")[0] for alias in found.values()}
    coarsest = max(aliases, key=lambda alias: _rank(parse_frequency(alias)))
    return (
        f"bring all series to one calendar with `--resample {coarsest} --aggregate mean` (or sum, last), "
        "or forecast those of one calendar at a time"
    )


def _rank(freq: Frequency) -> tuple[int, int]:
    return get_args(Unit).index(freq.unit), freq.multiple


def exchanged_days(repeated: TimestampArray, timestamps: TimestampArray) -> TimestampArray | None:
    """Return the dates that repeated ones become with day and month exchanged, where all of those are missing.

    Rows that a program wrote month first among rows written day first stand twice on one date and leave another
    date empty: None unless two dates or more say so.
    """
    days = np.unique(repeated.astype("datetime64[D]"))
    months = days.astype("datetime64[M]")
    number = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    month = months.astype(np.int64) % 12 + 1
    if len(days) < 2 or bool((number > 12).any()) or bool((number == month).any()):
        return None
    first_months = months.astype("datetime64[Y]").astype("datetime64[M]")
    exchanged = (first_months + (number - 1).astype("timedelta64[M]")).astype("datetime64[D]") + (month - 1).astype(
        "timedelta64[D]"
    )
    is_missing = not np.isin(exchanged, timestamps.astype("datetime64[D]")).any()
    return np.asarray(exchanged) if is_missing else None
