"""The calendar of a file: which frequency its stamps have, and the season and horizon that go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.frequency import (
    DAY,
    FIXED_UNITS,
    MONTHS_IN,
    SECOND,
    Frequency,
    StampArray,
    Unit,
    align,
    common_day,
    parse_frequency,
)
from rnnforecast.data.seasonality import detect_season_length
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]

__all__ = [
    "Frequency",
    "StampArray",
    "default_horizon",
    "default_season_length",
    "detect_season_length",
    "infer_frequency",
    "parse_frequency",
]

_FIXED_DOWNWARDS: tuple[Unit, ...] = ("week", "day", "hour", "minute", "second")


def infer_frequency(timestamps: StampArray, offsets: IntArray) -> Frequency:
    """Return the one frequency of all series; stamps ascend within `offsets[s]:offsets[s + 1]`, gaps are allowed.

    The most common step between neighbours decides, when all others are multiples of it. Raises DataError with the
    steps that were counted where they are not.
    """
    stamps = np.asarray(timestamps)
    steps = _steps_between(stamps, offsets)
    if not len(steps):
        if stamps.dtype.kind in "iu":
            return align(Frequency("step"), stamps[:1])
        raise DataError(
            "no series has two stamps, so no frequency can be seen",
            hint="name it with `--freq`, such as `--freq D`",
            code="E_TIME_FREQ",
        )
    if stamps.dtype.kind in "iu":
        return _integer_steps(stamps, steps)
    for candidate in (_months(stamps, offsets), _business_days(stamps, offsets), _fixed(stamps, steps)):
        if candidate is not None:
            return candidate
    raise irregular(steps)


def _steps_between(stamps: StampArray, offsets: IntArray) -> npt.NDArray[np.int64]:
    """Return the steps between neighbours of one series, in microseconds or integer steps."""
    numbers = stamps.astype("datetime64[us]").astype(np.int64) if stamps.dtype.kind == "M" else stamps.astype(np.int64)
    return np.diff(numbers)[same_series(len(numbers), offsets)]


def same_series(num_rows: int, offsets: IntArray) -> npt.NDArray[np.bool_]:
    """Return for each pair of neighbouring rows whether both belong to one series: [N - 1]."""
    same = np.ones(max(num_rows - 1, 0), dtype=np.bool_)
    borders = offsets[1:-1] - 1
    same[borders[(borders >= 0) & (borders < len(same))]] = False
    return same


def _most_common(steps: npt.NDArray[np.int64]) -> int:
    """Return the most frequent step; of equally frequent ones the shortest."""
    sizes, counts = np.unique(steps, return_counts=True)
    return int(sizes[np.argmax(counts)])


def _integer_steps(stamps: StampArray, steps: npt.NDArray[np.int64]) -> Frequency:
    step = _most_common(steps)
    if (steps % step).any():
        raise irregular(steps, is_calendar=False)
    return align(Frequency("step", multiple=step), stamps)


def _fixed(stamps: StampArray, steps: npt.NDArray[np.int64]) -> Frequency | None:
    """Return seconds to weeks when every step is a multiple of the most common one."""
    step = _most_common(steps)
    if step % SECOND or (steps % step).any() or not _one_phase(stamps, step):
        return None
    for unit in _FIXED_DOWNWARDS:
        if step % FIXED_UNITS[unit] == 0:
            return align(Frequency(unit, multiple=step // FIXED_UNITS[unit]), stamps)
    return None


def _one_phase(stamps: StampArray, step: int) -> bool:
    """Whether all series share one grid: hours of one at :00 and of another at :30 do not."""
    phases = stamps.astype("datetime64[us]").astype(np.int64) % step
    return bool((phases == phases[0]).all())


def _business_days(stamps: StampArray, offsets: IntArray) -> Frequency | None:
    """Return business days when stamps come daily, never at a weekend, and pass one in a few days somewhere."""
    steps = _steps_between(stamps, offsets)
    if _most_common(steps) != DAY or not _one_phase(stamps, DAY):
        return None
    weekdays = (stamps.astype("datetime64[D]").astype(np.int64) + 3) % 7  # Monday is 0
    lands = weekdays[:-1][same_series(len(stamps), offsets)] + steps // DAY  # 7 is the Monday after
    if (weekdays >= 5).any() or not ((lands >= 7) & (steps <= 5 * DAY)).any():
        return None
    return align(Frequency("business-day"), stamps)


def _months(stamps: StampArray, offsets: IntArray) -> Frequency | None:
    """Return months, quarters or years when all stamps share one day of month and one time of day."""
    if not _one_phase(stamps, DAY):
        return None
    day = common_day(stamps)
    months = stamps.astype("datetime64[M]").astype(np.int64)
    steps = np.diff(months)[same_series(len(months), offsets)]
    if not len(steps) or (steps <= 0).any():
        return None
    step = _most_common(steps)
    if (steps % step).any():
        return None
    unit: Unit = "year" if step % 12 == 0 else "quarter" if step % 3 == 0 else "month"
    freq = align(Frequency(unit, multiple=step // MONTHS_IN[unit], day=day), stamps, keep_day=True)
    fits = freq.to_timestamps(freq.floor(stamps)) == stamps.astype("datetime64[us]")
    return freq if bool(np.all(fits)) else None


def irregular(steps: npt.NDArray[np.int64], *, is_calendar: bool = True) -> DataError:
    """Return the refusal of stamps without a regular grid, with the steps that were counted."""
    sizes, counts = np.unique(steps, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    describe = describe_step if is_calendar else str
    shown = ", ".join(f"{describe(int(sizes[i]))} ({counts[i]} times)" for i in order)
    more = f" and {len(sizes) - len(order)} other lengths" if len(sizes) > len(order) else ""
    message = f"the stamps are irregular; steps between neighbours: {shown}{more}"
    hint = "bring the rows to a regular grid, or read them as steps in file order with `--time none`"
    finding = Finding("E_TIME_IRREGULAR", "refusal", message, count=len(steps), fix=hint)
    return DataError(message, hint=hint, code="E_TIME_IRREGULAR", findings=(finding,))


def describe_step(microseconds: int) -> str:
    """Return a length of time in words, such as `3 days`."""
    for unit in _FIXED_DOWNWARDS[1:]:
        if microseconds and microseconds % FIXED_UNITS[unit] == 0:
            count = microseconds // FIXED_UNITS[unit]
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{microseconds / SECOND:g} seconds"


_SEASONS: dict[str, int] = {"business-day": 5, "week": 52, "month": 12, "quarter": 4}
_HORIZONS: dict[str, int] = {
    "step": 10, "day": 30, "business-day": 10, "week": 13, "month": 12, "quarter": 8, "year": 4,
}  # fmt: skip
#: Longest season tried: a day of minutes, an hour of ten seconds.
MAX_DEFAULT_SEASON = 1440


def default_season_length(freq: Frequency) -> int:
    """Return how many steps the season natural to a frequency has: a day of hours, a year of months; 1 for none."""
    if freq.unit in _SEASONS:
        season = _SEASONS[freq.unit]
        return season // freq.multiple if season % freq.multiple == 0 else 1
    if freq.unit not in FIXED_UNITS:
        return 1
    step = FIXED_UNITS[freq.unit] * freq.multiple
    if step % DAY == 0:
        return 7 if step == DAY else 1
    for cycle in (DAY, FIXED_UNITS["hour"], FIXED_UNITS["minute"]):
        if cycle % step == 0 and cycle // step <= MAX_DEFAULT_SEASON:
            return cycle // step
    return 1


def default_horizon(freq: Frequency, *, length: int | None = None) -> int:
    """Return the horizon natural to a frequency; with the `length` of a series one that it can be judged on."""
    if freq.unit in _HORIZONS:
        horizon = max(_HORIZONS[freq.unit] // freq.multiple, 1)
    else:
        minutes = FIXED_UNITS[freq.unit] * freq.multiple // FIXED_UNITS["minute"]
        if minutes < 15:
            horizon = 60
        elif minutes < 30:
            horizon = 96
        else:
            horizon = max(48 * 60 // max(minutes, 60), 4)
    if length is None or horizon <= length // 6:
        return horizon
    shorter = 14 if freq.unit == "day" and length // 6 >= 14 else max(length // 6, 1)
    return min(horizon, shorter)


def in_words(stamp: object) -> str:
    """Return a stamp as a message shows it: the date alone at midnight, without fractions of zero."""
    text = str(stamp)
    return text.removesuffix(".000000").removesuffix("T00:00:00").replace("T", " ")
