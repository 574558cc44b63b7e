from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError, UsageError
from tests.data.conftest import Write


def read(path: str, **settings: object) -> ReadResult:
    return read_series(path, DataSettings.model_validate(settings))


def text_of(timestamps: np.ndarray, *, zone: str = "") -> str:
    rows = [f"{str(timestamp)[:16].replace('T', ' ')}{zone},{row % 7}" for row, timestamp in enumerate(timestamps)]
    return "\n".join(["time,y", *rows]) + "\n"


def codes(result: ReadResult) -> list[str]:
    return [finding.code for finding in result.findings]


@pytest.fixture
def night(write: Write) -> str:
    """Quarters of hours in local time over the night in which the clocks of Berlin were put back."""
    instants = np.arange(np.datetime64("2024-10-26", "m"), np.datetime64("2024-10-29", "m"), np.timedelta64(15, "m"))
    put_back = instants >= np.datetime64("2024-10-27T01:00")
    return write(text_of(instants + np.where(put_back, 60, 120).astype("timedelta64[m]")))


def test_a_clock_that_was_put_back_is_rejected_with_the_zone_as_fix(night: str) -> None:
    with pytest.raises(
        DataError, match="the timestamps repeat as they do at the end of daylight saving time"
    ) as caught:
        read(night)
    assert "--tz Europe/Berlin --ambiguous infer" in str(caught.value.hint)


def test_the_zone_reads_every_hour_of_a_day_of_25_hours(night: str) -> None:
    series = read(night, tz="Europe/Berlin", ambiguous="infer").series
    assert (series.freq.alias, series.freq.timezone, series.num_rows) == ("15min", "Europe/Berlin", 3 * 96)
    assert series.observed.all()


def test_offsets_need_no_zone(night: str, write: Write) -> None:
    lines = Path(night).read_text().splitlines()
    first_pass = [line for line in lines[1:] if line < "2024-10-27 03:00"][: 4 * 27]
    offsets = ["+02:00" if row < len(first_pass) - 4 else "+01:00" for row in range(len(lines) - 1)]
    rows = [line.replace(",", f"{offset},") for line, offset in zip(lines[1:], offsets, strict=True)]
    series = read(write("\n".join(["time,y", *rows]) + "\n", "offsets.csv")).series
    assert series.freq.timezone == "UTC"


def test_zone_and_offsets_may_stand_together(write: Write) -> None:
    hours = np.arange(np.datetime64("2024-01-01", "m"), np.datetime64("2024-01-03", "m"), np.timedelta64(60, "m"))
    result = read(write(text_of(hours, zone="Z")), tz="Asia/Tokyo")
    assert result.series.freq.timezone == "Asia/Tokyo"
    assert str(result.series.timestamps(0)[0]) == "2024-01-01T00:00:00.000000"


def test_days_resampled_from_instants_begin_at_midnights_of_the_zone(write: Write) -> None:
    hours = np.arange(
        np.datetime64("2024-01-01T15:00", "m"), np.datetime64("2024-01-04T15:00", "m"), np.timedelta64(60, "m")
    )
    path = write(text_of(hours, zone="Z"))
    result = read(path, tz="Asia/Tokyo", resample="1D", aggregate="count")
    assert result.series.values.tolist() == [24.0, 24.0, 24.0]
    assert str(result.series.timestamps(0)[0])[:10] == "2024-01-02"


def test_events_are_rejected_with_a_histogram_and_read_when_they_are_resampled(write: Write) -> None:
    rng = np.random.default_rng(0)
    events = np.datetime64("2024-01-01", "m") + np.sort(rng.choice(60 * 24 * 20, 900, replace=False)).astype(
        "timedelta64[m]"
    )
    path = write(text_of(events))
    with pytest.raises(DataError, match=r"the timestamps are irregular; .* up to 1 hour, \d+ up to 1 day") as caught:
        read(path)
    assert "--resample 1h --aggregate mean" in str(caught.value.hint)
    result = read(path, resample="1h", aggregate="count")
    assert (result.assumptions.freq, float(result.series.values.sum())) == ("h", 900.0)
    assert "N_TIME_RESAMPLED" in codes(result)


@pytest.mark.parametrize("settings", [{"resample": "1h"}, {"aggregate": "sum"}])
def test_resample_and_aggregate_belong_together(write: Write, settings: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="`--resample` and `--aggregate` belong together"):
        read(write("time,y\n2024-01-01,1\n2024-01-02,2\n"), **settings)


def test_ambiguous_hours_need_a_zone(write: Write) -> None:
    with pytest.raises(UsageError, match="need the time zone of the timestamps"):
        read(write("time,y\n2024-01-01,1\n2024-01-02,2\n"), ambiguous="infer")


def test_timestamps_in_the_future_are_noted_with_their_rows(write: Write) -> None:
    result = read(write("time,y\n2024-01-01,1\n2025-01-01,2\n9024-01-01,3\n".replace("9024", "2926")), freq="YS")
    note = next(finding for finding in result.findings if finding.code == "N_TIME_FUTURE")
    assert (note.rows, note.count) == ((4,), 1)
    assert "timestamps in the future, such as 2926-01-01" in note.message


def test_rows_of_a_known_future_are_not_timestamps_in_the_future(write: Write) -> None:
    result = read(write("time,y,x\n2024-01-01,1,1\n2025-01-01,2,1\n2926-01-01,,1\n"), freq="YS", future=("x",))
    assert "N_TIME_FUTURE" not in codes(result)


def test_a_horizon_past_the_last_year_is_rejected_before_anything_is_trained(write: Write) -> None:
    path = write("time,y\n9990-01-01,1\n9991-01-01,2\n9992-01-01,3\n")
    with pytest.raises(DataError, match="8 steps of YS-JAN after 9992-01-01 would lead to year 10000") as caught:
        read(path, horizon=8)
    assert "--horizon" in str(caught.value.hint)
    assert read(path, horizon=7).assumptions.horizon == 7


def test_dates_whose_day_and_month_are_exchanged_in_some_rows_are_rejected_as_such(write: Write) -> None:
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-07-01"))
    rows = []
    for row, day in enumerate(days):
        year, month, number = str(day).split("-")
        exchanged = number == "02" and int(month) in (4, 5, 6)
        rows.append(f"{month}/{number}/{year},{row}" if exchanged else f"{number}/{month}/{year},{row}")
    with pytest.raises(DataError, match="some rows may be written month first") as caught:
        read(write("\n".join(["date,y", *rows]) + "\n"))
    assert caught.value.code == "E_TIME_ORDER_MIXED"


def test_several_time_columns_are_named_with_a_comma_or_as_a_list(write: Write) -> None:
    path = write("when,hh,y\n2024-01-01,0,1\n2024-01-01,1,2\n2024-01-01,2,3\n")
    assert read(path, time="when,hh").assumptions.freq == "h"
    assert read(path, time=["when", "hh"]).assumptions.time == "when+hh"


def test_a_named_format_may_have_offsets(write: Write) -> None:
    result = read(write("time,y\n1.1.2024 12 +0100,1\n1.1.2024 12 +0000,2\n"), date_format="%d.%m.%Y %H %z")
    assert (result.series.freq.timezone, result.assumptions.freq) == ("UTC", "h")


def test_steps_of_six_hours_that_begin_anew_at_midnight_stay_local(write: Write) -> None:
    timestamps = np.arange(np.datetime64("2024-03-25", "m"), np.datetime64("2024-04-05", "m"), np.timedelta64(360, "m"))
    result = read(write(text_of(timestamps)), tz="Europe/Berlin")
    assert (result.assumptions.freq, result.series.freq.timezone) == ("6h", None)
    assert any("they stay local" in finding.message for finding in result.findings)


def test_epochs_are_found_under_any_name_of_a_time(write: Write) -> None:
    rows = "\n".join(f"{1_700_000_000 + 3_600 * row},{row % 5}" for row in range(20))
    assert read(write(f"unix_time,y\n{rows}\n")).assumptions.time == "unix_time"
