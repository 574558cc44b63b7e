from __future__ import annotations

from typing import Any

import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError
from tests.data.conftest import Write


def read(path: str, **settings: Any) -> ReadResult:
    return read_series([path], DataSettings(**settings))


def rows(*timestamps: str, item: str | None = None) -> str:
    head = "" if item is None else f"{item},"
    return "".join(f"{head}{timestamp},{number}\n" for number, timestamp in enumerate(timestamps))


def test_daily_rows_timestamped_at_changing_hours_lose_the_time_of_day(write: Write) -> None:
    text = "date,y\n" + rows("2015-07-01 16:00", "2015-07-02 16:00", "2015-07-03 13:00", "2015-07-06 16:00")
    found = read(write(text))
    assert found.assumptions.freq == "B"
    assert found.findings[0].message == "4 timestamps moved to the grid of frequency B, by at most 16 hours"


def test_quarters_timestamped_on_a_near_day_are_quarters(write: Write) -> None:
    text = "date,y\n" + rows("1960-01-01", "1960-04-01", "1960-07-02", "1960-10-01", "1961-01-01")
    found = read(write(text))
    assert (found.assumptions.freq, found.findings[0].count) == ("QS-JAN", 1)


def test_months_timestamped_on_their_last_trading_day_are_month_ends(write: Write) -> None:
    text = "date,y\n" + rows("2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30", "2024-05-31")
    assert read(write(text)).assumptions.freq == "ME"


def test_a_clock_that_wanders_by_seconds_is_set_right(write: Write) -> None:
    text = "time,y\n" + rows("2024-01-01 00:00:03", "2024-01-01 00:10:01", "2024-01-01 00:19:58", "2024-01-01 00:30:00")
    found = read(write(text))
    assert found.assumptions.freq == "10min"
    assert "by at most 3 seconds" in found.findings[0].message


def test_timestamps_far_from_every_grid_are_rejected(write: Write) -> None:
    text = "time,y\n" + rows("2024-01-01 00:00", "2024-01-01 00:10", "2024-01-01 00:17", "2024-01-01 00:30")
    with pytest.raises(DataError, match=r"rows.csv, time column `time`: the timestamps are irregular"):
        read(write(text))


def test_a_frequency_that_does_not_fit_is_rejected_with_the_first_row_off_it(write: Write) -> None:
    text = "date,y\n" + rows("2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08")
    with pytest.raises(DataError, match="rows 3, 4: timestamp 2024-01-06 is not on the grid of frequency B") as caught:
        read(write(text), freq="B")
    assert "--freq" in str(caught.value.hint)


def test_a_named_frequency_is_taken_with_the_phase_of_the_timestamps(write: Write) -> None:
    text = "time,y\n" + rows("2024-01-01 00:30", "2024-01-01 01:30", "2024-01-01 03:30")
    assert read(write(text), freq="h").series.num_rows == 4


def test_nearly_regular_timestamps_fit_a_named_frequency_too(write: Write) -> None:
    text = "date,y\n" + rows("2015-07-01 16:00", "2015-07-02 13:00", "2015-07-03 16:00", "2015-07-06 16:00")
    assert read(write(text), freq="D").assumptions.freq == "D"


def test_a_monthly_series_in_a_panel_of_days_is_rejected_by_name(write: Write) -> None:
    text = (
        "item,date,y\n"
        + rows(*(f"2024-01-{day:02d}" for day in range(1, 15)), item="a")
        + rows("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", item="b")
    )
    with pytest.raises(DataError, match="series have different calendars: D: `a`; MS: `b`"):
        read(write(text))


def test_a_series_with_many_gaps_is_not_taken_for_a_coarser_calendar(write: Write) -> None:
    text = (
        "item,date,y\n"
        + rows(*(f"2024-01-{day:02d}" for day in range(1, 15)), item="a")
        + rows("2024-01-02", "2024-01-05", "2024-01-12", "2024-01-14", item="b")
    )
    assert read(write(text)).assumptions.freq == "D"


def test_series_on_different_phases_of_one_clock_are_rejected_by_name(write: Write) -> None:
    text = (
        "item,time,y\n"
        + rows("2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00", item="a")
        + rows("2024-01-01 00:30", "2024-01-01 01:30", "2024-01-01 02:30", item="b")
    )
    with pytest.raises(DataError, match=r"series have different calendars: h: `a`; h from 2024-01-01 00:30:00: `b`"):
        read(write(text), id=("item",))


def test_a_timestamp_far_from_all_others_is_rejected_before_it_fills_the_memory(write: Write) -> None:
    timestamps = [f"2024-01-01 00:00:{second:02d}" for second in range(50)]
    with pytest.raises(DataError, match=r"the grid of frequency s would hold \d+ rows for 51 rows") as caught:
        read(write("time,y\n" + rows(*timestamps, "2054-01-01 00:00:00")))
    assert "wrong timestamp" in str(caught.value.hint)


def test_one_row_has_no_frequency(write: Write) -> None:
    with pytest.raises(DataError, match="no series has two timestamps"):
        read(write("date,y\n2024-01-01,1\n"))


def test_one_row_with_a_named_frequency_is_read(write: Write) -> None:
    assert read(write("date,y\n2024-01-01,1\n"), freq="D").series.num_rows == 1
