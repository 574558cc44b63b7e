"""Covariates made from the calendar alone: the position of a step in its day, week and year, and holidays.

They are known for every future step, so that no file needs them. S series, Nf rows known ahead, F columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.data.calendar.closed_days import holidays_of
from rnnforecast.data.calendar.frequency import DAY, FIXED_UNITS, MONTHS_IN, Frequency
from rnnforecast.data.ragged import offsets_of, positions
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.timestamps.timezones import read_zone
from rnnforecast.errors import UsageError
from rnnforecast.grammars import LAST_DAY

#: Prefix of generated covariates; no column of a file may have it.
PREFIX = "calendar:"
HOLIDAY = f"{PREFIX}holiday"
#: Shorter cycles get no covariates.
MIN_STEPS = 4
_HOUR = DAY // 24
_WEEK = 7 * DAY
_MONDAY = 4 * DAY  # the first Monday after 1970-01-01


def is_generated(name: str) -> bool:
    """Tell whether a covariate is made from the calendar."""
    return name.startswith(PREFIX)


def feature_names(freq: Frequency, *, season_length: int, features: Sequence[str]) -> tuple[str, ...]:
    """Return the covariates of the features `season` and `holidays` at this frequency, in order.

    Raises UsageError for steps that have none.
    """
    names = [
        f"{PREFIX}{cycle}-{part}"
        for cycle in (_cycles(freq, season_length) if "season" in features else ())
        for part in ("sin", "cos")
    ]
    if "season" in features and not names:
        raise UsageError(
            f"steps of {freq.alias} have no position in a season",
            hint="leave `season` out of --calendar-features, or name a season with --season-length",
            code="E_RUN_CALENDAR",
        )
    if "holidays" in features and not freq.is_calendar:
        raise UsageError(
            "holidays need dates, the rows are steps",
            hint="name the time column with --time, or leave `holidays` out of --calendar-features",
            code="E_RUN_CALENDAR",
        )
    return (*names, HOLIDAY) if "holidays" in features else tuple(names)


def with_calendar(series: SeriesSet, features: Sequence[str], *, country: str | None, horizon: int) -> SeriesSet:
    """Return the series with calendar covariates after those of the files, and as far ahead as these.

    Without future covariates in files they reach `horizon` steps ahead. Raises UsageError for features that do not fit the
    steps or an unknown country, ResourceError where the package `holidays` is not installed.
    """
    if not features:
        return series
    names = feature_names(series.freq, season_length=series.season_length, features=features)
    lengths = np.diff(series.future_offsets) if series.future_names else series.lengths + horizon
    ordinals = np.repeat(series.first_ordinals, lengths) + positions(lengths)
    distinct, place = np.unique(ordinals, return_inverse=True)  # most timestamps occur in many series
    columns = _values(names, series, distinct, country=country).astype(np.float32)[place]
    own = series.future_covariates if series.future_names else np.empty((len(ordinals), 0), dtype=np.float32)
    seen = None
    if series.future_names and series.covariates_observed is not None:
        seen = np.concatenate([series.covariates_observed, np.ones(columns.shape, dtype=np.bool_)], axis=1)
    return replace(
        series,
        future_covariates=np.concatenate([own, columns], axis=1),
        covariates_observed=seen,
        future_offsets=offsets_of(lengths),
        future_names=(*series.future_names, *names),
    )


def _cycles(freq: Frequency, season_length: int) -> tuple[str, ...]:
    """Return the cycles that have `MIN_STEPS` steps at least, the shortest first."""
    if not freq.is_calendar:
        return ("season",) if season_length > 1 else ()
    step = FIXED_UNITS.get(freq.unit, DAY if freq.unit == "business-day" else 0) * freq.multiple
    if step:
        lengths = {"hour": _HOUR, "day": DAY, "week": _WEEK, "year": 365 * DAY}
        return tuple(name for name, length in lengths.items() if MIN_STEPS * step <= length)
    return ("year",) if MIN_STEPS * MONTHS_IN[freq.unit] * freq.multiple <= 12 else ()


def _values(names: Sequence[str], series: SeriesSet, ordinals: Int64Array, *, country: str | None) -> Float64Array:
    """Return the covariates of distinct steps: [n, F]."""
    freq = series.freq
    if not freq.is_calendar:
        phase = 2 * np.pi * (ordinals % series.season_length) / series.season_length
        return np.stack([np.sin(phase), np.cos(phase)], axis=1)
    timestamps = _local(freq, ordinals)
    columns = []
    for name in names:
        if name == HOLIDAY:
            columns.append(_holidays(*_days(freq, ordinals, timestamps), country))
            continue
        cycle, part = name.removeprefix(PREFIX).split("-")
        phase = 2 * np.pi * _position(timestamps, cycle)
        columns.append(np.sin(phase) if part == "sin" else np.cos(phase))
    return np.stack(columns, axis=1)


def _local(freq: Frequency, ordinals: Int64Array) -> TimestampArray:
    """Return the local time of these steps."""
    timestamps = freq.to_timestamps(ordinals)
    return read_zone(freq.timezone, timestamps).to_local(timestamps) if freq.timezone else timestamps


def _position(timestamps: TimestampArray, cycle: str) -> Float64Array:
    """Return the fraction of the cycle that has passed at each timestamp: 0 at its beginning, below 1."""
    if cycle == "year":
        years = timestamps.astype("datetime64[Y]")
        begin, end = years.astype("datetime64[us]"), (years + np.timedelta64(1, "Y")).astype("datetime64[us]")
        return np.asarray((timestamps - begin) / (end - begin), dtype=np.float64)
    length = {"hour": _HOUR, "day": DAY, "week": _WEEK}[cycle]
    since = timestamps.astype("datetime64[us]").astype(np.int64) - (_MONDAY if cycle == "week" else 0)
    return np.asarray((since % length) / length, dtype=np.float64)


def _days(freq: Frequency, ordinals: Int64Array, timestamps: TimestampArray) -> tuple[TimestampArray, TimestampArray]:
    """Return the first day of each step and the day after its last: up to the next timestamp, or from the last one on
    where timestamps are ends of months.
    """
    days = timestamps.astype("datetime64[D]")
    if freq.unit == "business-day" or FIXED_UNITS.get(freq.unit, 2 * DAY) * freq.multiple <= DAY:
        return days, days + np.timedelta64(1, "D")
    if freq.unit in MONTHS_IN and freq.day == LAST_DAY:
        day = np.timedelta64(1, "D")
        return _local(freq, ordinals - 1).astype("datetime64[D]") + day, days + day
    return days, _local(freq, ordinals + 1).astype("datetime64[D]")


def _holidays(first: TimestampArray, end: TimestampArray, country: str | None) -> Float64Array:
    """Return how many holidays there are from the first days on and before the ends."""
    if country is None:
        raise UsageError(
            "holidays need a country",
            hint="name it: `--country DE`, or a part of one, `--country DE-BY`",
            code="E_RUN_CALENDAR",
        )
    years = np.concatenate([first, end]).astype("datetime64[Y]").astype(np.int64) + 1970
    closed = holidays_of(country, int(years.min()), int(years.max())) if len(years) else end
    return np.asarray(np.searchsorted(closed, end) - np.searchsorted(closed, first), dtype=np.float64)
