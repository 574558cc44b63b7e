from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import UsageError

HOURS = pd.date_range("2024-03-04", "2024-04-28 23:00", freq="h")  # from a Monday on, eight weeks
WORKING = np.asarray(HOURS.day_of_week < 5)
OFFICE = WORKING & np.asarray((HOURS.hour >= 8) & (HOURS.hour < 17))


def read(folder: Path, is_open: np.ndarray, *, drop: bool, **settings: object) -> ReadResult:
    """Read hours whose closed ones are left out, or have no value."""
    path = folder / "rows.csv"
    lines = [
        f"{hour:%Y-%m-%d %H:%M},{20 + row % 7 if one else ''}"
        for row, (hour, one) in enumerate(zip(HOURS, is_open, strict=True))
        if one or not drop
    ]
    path.write_text("t,y\n" + "\n".join(lines) + "\n")
    return read_series(path, DataSettings(**settings))


@pytest.mark.parametrize("drop", [True, False], ids=["no rows", "no values"])
@pytest.mark.parametrize(
    ("is_open", "freq", "following"),
    [
        (WORKING, "h[1111100 00:00-23:00]", "2024-04-29T00"),
        (OFFICE, "h[1111100 08:00-16:00]", "2024-04-29T08"),
    ],
    ids=["around the clock", "office"],
)
def test_no_forecast_falls_on_days_and_hours_that_are_always_closed(
    tmp_path: Path, is_open: np.ndarray, freq: str, following: str, *, drop: bool
) -> None:
    found = read(tmp_path, is_open, drop=drop)
    assert found.assumptions.freq == freq
    assert found.series.observed.all()
    assert str(found.series.future_timestamps(1)[0, 0])[:13] == following


def test_the_frequency_of_a_model_leaves_the_same_rows_out(tmp_path: Path) -> None:
    found = read(tmp_path, OFFICE, drop=False, freq="h[1111100 08:00-16:00]")
    assert found.series.num_rows == OFFICE.sum()


def test_days_that_were_closed_once_are_gaps(tmp_path: Path) -> None:
    is_open = np.ones(len(HOURS), dtype=bool)
    is_open[48:72] = False
    found = read(tmp_path, is_open, drop=False)
    assert (found.assumptions.freq, int((~found.series.observed).sum())) == ("h", 24)


def test_days_of_the_week_without_a_value_are_closed_for_days_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    days = pd.date_range("2024-03-04", periods=56)
    path.write_text("t,y\n" + "".join(f"{day:%Y-%m-%d},{'' if day.weekday() > 4 else 3}\n" for day in days))
    found = read_series(path)
    assert (found.assumptions.freq, found.series.num_rows) == ("B", 40)


def test_a_calendar_that_is_named_closes_whole_days_of_hours(tmp_path: Path) -> None:
    assert read(tmp_path, WORKING, drop=True, calendar="weekdays").assumptions.freq == "h[1111100 00:00-23:00]"
    assert read(tmp_path, WORKING, drop=True, calendar="every-day").assumptions.freq == "h"


@pytest.mark.parametrize(
    ("calendar", "words"),
    [
        ("learned", "`--calendar learned` has no effect: there are rows on every day"),
        ("every-day", "`--calendar every-day` has no effect: no day and no hour is closed without it"),
    ],
)
def test_a_calendar_without_effect_is_rejected(tmp_path: Path, calendar: str, words: str) -> None:
    everything: Callable[[int], np.ndarray] = lambda length: np.ones(length, dtype=bool)  # noqa: E731
    with pytest.raises(UsageError, match=words):
        read(tmp_path, everything(len(HOURS)), drop=True, calendar=calendar)


def test_steps_that_fill_no_day_have_no_closed_days(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    hours = pd.date_range("2024-03-04", periods=60, freq="7h")
    path.write_text("t,y\n" + "".join(f"{hour:%Y-%m-%d %H:%M},{row % 5}\n" for row, hour in enumerate(hours)))
    with pytest.raises(UsageError, match="steps of 7h do not fill a day"):
        read_series(path, DataSettings(calendar="weekdays"))
