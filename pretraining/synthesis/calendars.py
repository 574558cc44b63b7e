"""What the calendar does to a series: trading days, Easter, paydays, the year in daily data, Christmas.

Each series begins at a random date of a real calendar, so that month lengths, weekdays and movable feasts fall as
they do. Effects have unit spread; the door sizes them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pretraining.synthesis.frames import Frame, Indices, Paths
from pretraining.synthesis.seasons import draw_shape, standardised

Days: TypeAlias = NDArray[np.datetime64]

_FIRST_YEAR = 1960
_NUM_YEARS = 120


@lru_cache(maxsize=1)
def _weekdays_by_month() -> Paths:
    """How often each weekday falls in each month, `[months, 7]`, beside the mean."""
    first = np.datetime64(f"{_FIRST_YEAR}-01", "M")
    after = first + np.timedelta64(12 * _NUM_YEARS, "M")
    start = np.arange(first.astype("datetime64[D]"), after.astype("datetime64[D]"))
    month = (start.astype("datetime64[M]") - first).astype(np.int64)
    weekday = (start.astype(np.int64) + 3) % 7
    counts = np.zeros((12 * _NUM_YEARS, 7), dtype=np.float32)
    np.add.at(counts, (month, weekday), 1)
    return counts - np.float32(30.4369 / 7)


def easter(year: int) -> tuple[int, int]:
    """Month and day of Easter Sunday in the Gregorian calendar (the anonymous algorithm of 1876)."""
    century, golden = year // 100, year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (year % 100 // 4) - epact - year % 100 % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return month, day + 1


@lru_cache(maxsize=1)
def _easter_in_march() -> Paths:
    """The share of the ten days up to Easter that falls in March, for every year."""
    dates = [easter(year) for year in range(_FIRST_YEAR, _FIRST_YEAR + _NUM_YEARS)]
    late = [day + (31 if month == 4 else 0) for month, day in dates]
    return np.clip((41 - np.asarray(late, dtype=np.float32)) / 10, 0, 1)


def trading_days(frame: Frame) -> Paths:
    """Monthly effects of how often each weekday occurs, with weights of work and rest."""
    weights = np.concatenate([1 + 0.3 * frame.normals(5), frame.normals(2) - 0.5], axis=1)
    months = _start_months(frame) + np.arange(frame.length)[None, :]
    counts = _weekdays_by_month()[months % (12 * _NUM_YEARS)]
    drawn: Paths = np.einsum("bld,bd->bl", counts, weights / np.sqrt(np.square(weights).sum(axis=1, keepdims=True)))
    return drawn


def moving_feast(frame: Frame) -> Paths:
    """Monthly effects of Easter: what one of March and April gains, the other loses."""
    months = (_start_months(frame) + np.arange(frame.length)[None, :]) % (12 * _NUM_YEARS)
    share = _easter_in_march()[months // 12] - np.float32(0.3)
    drawn: Paths = share * (2.0 * (months % 12 == 2) - 2.0 * (months % 12 == 3)).astype(np.float32)
    return drawn


def payday(frame: Frame) -> Paths:
    """Daily effects of the day of the month: a bump around one date that fades within days."""
    days = _calendar_days(frame)
    place = frame.rng.integers(0, 31, (frame.num_series, 1))
    since = (_day_of_month(days) - place) % 31
    return np.exp(-since.astype(np.float32) / frame.log_uniform(0.7, 5)) * 2 - 0.3


def year_in_days(frame: Frame) -> Paths:
    """Daily effects of the time of the year: a smooth wave, in some rows with feasts of a few days."""
    shapes = {"sine": 1.0, "waves": 1.0}
    smooth = draw_shape(frame, 365, shapes)
    feasts = draw_shape(frame, 365, {"peaks": 1.0}) * frame.uniform(0, 1)
    cells = standardised(smooth * frame.uniform(0, 1) + feasts)
    start = frame.rng.integers(0, 365, (frame.num_series, 1))
    places = np.floor((start + np.arange(frame.length)[None, :]) * (365 / 365.2425)).astype(np.int64) % 365
    return np.take_along_axis(cells, places, axis=1)


def christmas(frame: Frame) -> Paths:
    """Daily sales before Christmas that swell for days or weeks, and the slump from then to New Year and beyond."""
    days = _calendar_days(frame)
    year = days.astype("datetime64[Y]")
    since = (days - year.astype("datetime64[D]")).astype(np.int64)
    before = frame.log_uniform(0.5, 12)
    after = np.exp(-((since - 359) % 366) / frame.log_uniform(2, 25)) * frame.uniform(-1, 0.2)
    bump = np.where(since <= 358, np.exp((np.minimum(since, 358) - 358) / before), 0) + after
    drawn: Paths = (bump * 3 * frame.uniform(0.3, 1)).astype(np.float32)
    return drawn


def _day_of_month(days: Days) -> Indices:
    places: Indices = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    return places


def _calendar_days(frame: Frame) -> Days:
    start = frame.rng.integers(0, 365 * 40, (frame.num_series, 1))
    return (start + np.arange(frame.length)[None, :]).astype("datetime64[D]")


def _start_months(frame: Frame) -> Indices:
    return frame.rng.integers(0, 12 * _NUM_YEARS, (frame.num_series, 1))
