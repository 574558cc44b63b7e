from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.timestamps.text import Timestamps
from rnnforecast.data.timestamps.time_column import read_timestamps
from rnnforecast.errors import DataError


def read(**columns: object) -> Timestamps:
    frame = pd.DataFrame(columns)
    return read_timestamps(frame, list(columns), path="a.parquet", lines_of=lambda rows: [row + 1 for row in rows])


def shown(timestamps: Timestamps) -> list[str]:
    return [str(timestamp) for timestamp in timestamps.values.astype("datetime64[m]")]


def test_dates_of_parquet_are_taken_as_they_are() -> None:
    assert shown(read(t=pd.to_datetime(["2024-01-01 10:30"]))) == ["2024-01-01T10:30"]
    assert shown(read(t=pd.Series([datetime.date(2024, 1, 1)], dtype=object).astype(str))) == ["2024-01-01T00:00"]


def test_zoned_timestamps_are_held_in_utc() -> None:
    timestamps = read(t=pd.to_datetime(["2024-01-01 10:30", "2024-01-01 11:30"]).tz_localize("Europe/Berlin"))
    assert shown(timestamps) == ["2024-01-01T09:30", "2024-01-01T10:30"]
    assert timestamps.timezone == "UTC"


def test_midnights_of_a_zone_stay_dates() -> None:
    timestamps = read(t=pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin"))
    assert shown(timestamps) == ["2024-03-30T00:00", "2024-03-31T00:00", "2024-04-01T00:00"]
    assert "local time, as dates" in timestamps.findings[0].message


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_missing_dates_are_rejected_with_their_rows(zone: str | None) -> None:
    with pytest.raises(DataError, match=r"^a.parquet: time column `t`, row 2: missing timestamp"):
        read(t=pd.to_datetime(["2024-01-01", "NaT"]).tz_localize(zone))


def test_whole_numbers_are_steps_however_they_are_written() -> None:
    assert read(t=[1, 2]).values.tolist() == [1, 2]
    assert read(t=["1", " 2 "]).values.tolist() == [1, 2]
    assert read(t=["1.0", "2."]).values.tolist() == [1, 2]


def test_a_date_and_a_time_of_day_are_one_timestamp() -> None:
    assert shown(read(date=["2024-01-01"], time=["10:30"])) == ["2024-01-01T10:30"]


def test_a_date_an_hour_and_a_minute_are_one_timestamp() -> None:
    assert shown(read(date=["2024-01-01"], hour=[7], minute=[5])) == ["2024-01-01T07:05"]


def test_years_months_and_days_are_one_timestamp() -> None:
    assert shown(read(year=["2024"], month=["2"])) == ["2024-02-01T00:00"]
    assert shown(read(year=[2024], month=[2], day=[29], hour=[3], minute=[4])) == ["2024-02-29T03:04"]


def test_months_next_to_years_may_have_names() -> None:
    assert shown(read(year=["2024", "2024"], month=["Feb", "March"])) == ["2024-02-01T00:00", "2024-03-01T00:00"]


def test_parts_of_a_date_out_of_range_are_rejected_with_row_and_value() -> None:
    with pytest.raises(DataError, match=r"time column `month`, row 2: `13` is not a valid month \(1 to 12\)"):
        read(year=[2024, 2024], month=[12, 13])
    with pytest.raises(DataError, match=r"time column `month`, row 1: `Smarch` is not a valid month"):
        read(year=["2024"], month=["Smarch"])
    with pytest.raises(DataError, match=r"time column `hour`, row 1: `25` is not a valid hour \(0 to 24\)"):
        read(date=["2024-01-01"], hour=[25])


def test_years_and_quarters_are_one_timestamp() -> None:
    assert shown(read(year=[2024, 2024], quarter=[1, 4])) == ["2024-01-01T00:00", "2024-10-01T00:00"]


def test_years_and_days_of_the_year_are_one_timestamp() -> None:
    assert shown(read(year=[2024, 2024], doy=[60, 366])) == ["2024-02-29T00:00", "2024-12-31T00:00"]


def test_hour_24_is_midnight_at_the_end_of_the_day_and_counted() -> None:
    timestamps = read(date=["2024-01-31", "2024-01-31"], hour=[23, 24])
    assert shown(timestamps) == ["2024-01-31T23:00", "2024-02-01T00:00"]
    assert [(one.code, one.count) for one in timestamps.findings] == [("W_TIME_24", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9:30 PM", "21:30"), ("12:05 am", "00:05"), ("18.00.00", "18:00"), ("07:05:59.9", "07:05")],
)
def test_times_of_day_are_read_as_people_write_them(text: str, expected: str) -> None:
    assert shown(read(date=["2024-01-01"], time=[text])) == [f"2024-01-01T{expected}"]


def test_times_of_day_as_one_number_are_hours_and_minutes() -> None:
    assert shown(read(date=["2024-01-01", "2024-01-01"], hhmm=[30, 2330])) == ["2024-01-01T00:30", "2024-01-01T23:30"]


def test_a_cell_that_is_not_time_of_day_is_rejected_with_its_row() -> None:
    with pytest.raises(DataError, match=r"time column `time`, row 2: `noon` is not a time of day"):
        read(date=["2024-01-01", "2024-01-02"], time=["10:30", "noon"])


def test_the_date_may_stand_after_the_time() -> None:
    assert shown(read(time=["10:30"], date=["2024-01-01"])) == ["2024-01-01T10:30"]


def test_steps_and_times_of_day_make_no_timestamp() -> None:
    with pytest.raises(DataError, match="`t`, `hour` do not make up timestamps"):
        read(t=[1, 2], hour=[3, 4])


def test_timestamps_are_kept_to_the_microsecond() -> None:
    assert read(t=pd.to_datetime(["2024-01-01 00:00:00.000001"])).values.dtype == np.dtype("datetime64[us]")


def test_a_column_of_numbers_up_to_24_named_next_to_dates_holds_hours_and_is_noted() -> None:
    timestamps = read(date=["2024-01-01", "2024-01-01"], slot=[0, 5])
    assert shown(timestamps) == ["2024-01-01T00:00", "2024-01-01T05:00"]
    assert "column `slot` is read as the hour" in timestamps.findings[0].message


EXCEL = DataSettings(excel_dates=True)


@pytest.mark.parametrize("how", [None, EXCEL, DataSettings(epoch_unit="s")])
@pytest.mark.parametrize("odd", ["inf", "n.a.", "1e999", "1e9991700001500000"])
def test_a_text_among_numbers_is_rejected_in_its_own_row(how: DataSettings | None, odd: str) -> None:
    with pytest.raises(DataError, match=f"row 3: `{odd}` is not a date or time"):
        read_texts("1700000000", "1700000060", odd, "1700000180", how=how)


def test_a_date_among_days_of_a_spreadsheet_is_rejected_next_to_one_of_them() -> None:
    with pytest.raises(DataError, match=r"row 2: `2024-01-02` is written in another format than `45292\.5` in row 1"):
        read_texts("45292.5", "2024-01-02", "45294.5", how=EXCEL)


def test_an_infinite_day_of_a_spreadsheet_among_whole_ones_is_rejected_as_what_it_is() -> None:
    frame = pd.DataFrame({"t": [45292.0, 45293.0, np.inf]})
    with pytest.raises(DataError, match=r"row 3: day inf of a spreadsheet is not in the years 1 to 9999"):
        read_timestamps(frame, ["t"], path="a.parquet", lines_of=lambda rows: [row + 1 for row in rows], how=EXCEL)


def read_texts(*texts: str, how: DataSettings | None) -> Timestamps:
    frame = pd.DataFrame({"t": np.array(texts, dtype=object)})
    return read_timestamps(frame, ["t"], path="a.csv", lines_of=lambda rows: [row + 1 for row in rows], how=how)
