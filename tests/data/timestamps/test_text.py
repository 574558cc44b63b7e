from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef
from rnnforecast.data.timestamps import formats
from rnnforecast.data.timestamps import text as timestamps_module
from rnnforecast.data.timestamps.formats import format_of, to_number
from rnnforecast.data.timestamps.numeric import parse_integers
from rnnforecast.data.timestamps.text import Timestamps, parse_timestamps
from rnnforecast.errors import DataError

DATE = ColumnRef.in_file("date", "a.csv", lambda rows: [row + 2 for row in rows], noun="time column")


def parse(*texts: str) -> Timestamps:
    return parse_timestamps(np.array(texts, dtype=object), DATE)


def shown(timestamps: Timestamps) -> list[str]:
    return [text.removesuffix(".000000").removesuffix("T00:00:00") for text in timestamps.values.astype(str)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01", "2024-03-01"),
        ("2024-3-1", "2024-03-01"),
        ("2024-03-01 10:30", "2024-03-01T10:30:00"),
        ("2024-03-01T10:30:15.5", "2024-03-01T10:30:15.500000"),
        ("2024/03/01", "2024-03-01"),
        ("2024/03/01 10:30", "2024-03-01T10:30:00"),
        ("20240301", "2024-03-01"),
        ("1949-01", "1949-01-01"),
        ("1949/01", "1949-01-01"),
        ("1-02", "0001-02-01"),
        ("Jan 1949", "1949-01-01"),
        ("September 1949", "1949-09-01"),
        ("1982 Apr", "1982-04-01"),
        ("1-Mar-2024", "2024-03-01"),
        ("1 Mar 2024", "2024-03-01"),
        ("March 1, 2024", "2024-03-01"),
        ("Mar 1, 2024", "2024-03-01"),
        ("1987-Q1", "1987-01-01"),
        ("1981 Q3", "1981-07-01"),
        ("1981Q4", "1981-10-01"),
        ("Q2 1981", "1981-04-01"),
        ("1991 W06", "1991-02-04"),
        ("1997-W05", "1997-01-27"),
        ("25/03/2024", "2024-03-25"),
        ("3/25/2024", "2024-03-25"),
        ("25.03.2024 10:30", "2024-03-25T10:30:00"),
        ("3/25/2024 4:00:00 PM", "2024-03-25T16:00:00"),
        ("1749-01-01", "1749-01-01"),
        ("1500-01-01", "1500-01-01"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31 23:59", "9999-12-31T23:59:00"),
        ("2024-3-1 4:05 PM", "2024-03-01T16:05:00"),
        ("2024-03-01 10:30:15,5", "2024-03-01T10:30:15.500000"),
        ("2024-03-01 10:30:15.123456789", "2024-03-01T10:30:15.123456"),
        ("20240301T1030", "2024-03-01T10:30:00"),
        ("20240301T103059", "2024-03-01T10:30:59"),
        ("2024.03.01", "2024-03-01"),
        ("2024M03", "2024-03-01"),
        ("1 Mar 2024 10:30", "2024-03-01T10:30:00"),
        ("Fri, 01 Mar 2024 10:30:00", "2024-03-01T10:30:00"),
        ("March 1, 2024 4:00 pm", "2024-03-01T16:00:00"),
        ("1st March 2024", "2024-03-01"),
        ("01Mar2024", "2024-03-01"),
        ("2024-W05-3", "2024-01-31"),
        ("2020-W53", "2020-12-28"),
        ("Qtr1 1987", "1987-01-01"),
        ("25/03/2024 10:30:15.25", "2024-03-25T10:30:15.250000"),
    ],
)
def test_one_way_to_write_timestamps_is_read(text: str, expected: str) -> None:
    assert shown(parse(text)) == [expected]


def test_offsets_are_read_as_utc_and_noted() -> None:
    timestamps = parse("2024-03-01T10:00:00+01:00", "2024-03-01T10:00:00Z")
    assert shown(timestamps) == ["2024-03-01T09:00:00", "2024-03-01T10:00:00"]
    assert timestamps.timezone == "UTC"
    assert "timestamps are held in UTC" in timestamps.findings[0].message


def test_local_midnights_stay_dates_across_a_change_of_offset() -> None:
    timestamps = parse("2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00")
    assert shown(timestamps) == ["2024-03-30", "2024-03-31", "2024-04-01"]
    assert timestamps.timezone is None


def test_the_whole_column_decides_between_day_and_month() -> None:
    timestamps = parse("01/02/2024", "02/02/2024", "13/02/2024")
    assert shown(timestamps) == ["2024-02-01", "2024-02-02", "2024-02-13"]
    assert "read as day/month/year" in timestamps.findings[0].message


def test_dates_with_two_readings_are_rejected_with_both() -> None:
    with pytest.raises(DataError, match="`01/02/2024` may be 2024-02-01 or 2024-01-02, and no row decides") as caught:
        parse("01/02/2024", "02/02/2024")
    assert caught.value.hint == "name the order with `--dayfirst` or `--monthfirst`, or write the dates as YYYY-MM-DD"


def test_dates_that_read_the_same_either_way_need_no_decision() -> None:
    assert shown(parse("01/01/2023", "02/02/2024")) == ["2023-01-01", "2024-02-02"]


def test_day_first_and_month_first_in_one_column_are_rejected_with_two_rows() -> None:
    with pytest.raises(DataError, match=r"row 2: day first as in `13/02/2024` cannot be meant in row 3, `02/14/2024`"):
        parse("13/02/2024", "02/14/2024")


def test_years_of_two_digits_in_an_order_that_no_row_decides_are_rejected() -> None:
    with pytest.raises(DataError, match="`01/02/24` may be 2024-02-01 or 2024-01-02, and no row decides"):
        parse("01/02/24")


def test_a_month_by_name_with_a_year_of_two_digits_is_rejected_with_its_format() -> None:
    with pytest.raises(DataError, match="`Apr/82` has a year of two digits") as caught:
        parse("Apr/82")
    assert "--date-format %b/%y" in str(caught.value.hint)


def test_two_formats_in_one_column_are_rejected_with_two_rows() -> None:
    with pytest.raises(DataError, match=r"row 4: `03/01/2024` is written in another format than `2024-01-01` in row 2"):
        parse("2024-01-01", "2024-01-02", "03/01/2024")


def test_a_footer_row_is_rejected_by_value() -> None:
    with pytest.raises(DataError, match=r"row 3: `Total` is not a date or time"):
        parse("2024-01-01", "Total")


def test_a_day_that_does_not_exist_is_rejected_with_its_row() -> None:
    with pytest.raises(DataError, match=r"row 3: `2024-02-30` is not a date or time"):
        parse("2024-02-28", "2024-02-30")


def test_empty_timestamps_are_rejected_with_all_their_rows() -> None:
    with pytest.raises(DataError, match=r"rows 3, 5: missing timestamp") as caught:
        parse("2024-01-01", "", "2024-01-03", "NaT")
    assert caught.value.findings[0].count == 2


def test_times_without_dates_count_days_from_1970() -> None:
    timestamps = parse("22:00", "23:00", "00:00", "01:00")
    assert shown(timestamps)[2:] == ["1970-01-02", "1970-01-02T01:00:00"]
    assert "times without dates" in timestamps.findings[0].message


@pytest.mark.parametrize("text", ["hello", "12 kg", "a-b-c", "1.5"])
def test_other_text_has_no_format(text: str) -> None:
    assert format_of(text) is None


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("year", [1949, 1950], ["1949-01-01", "1950-01-01"]),
        ("date", [20240301, 20240302], ["2024-03-01", "2024-03-02"]),
        ("timestamp", [1_700_000_000, 1_700_000_060], ["2023-11-14T22:13:20", "2023-11-14T22:14:20"]),
        ("time", [1_700_000_000_000], ["2023-11-14T22:13:20"]),
    ],
)
def test_whole_numbers_of_known_size_are_timestamps(name: str, values: list[int], expected: list[str]) -> None:
    assert shown(parse_integers(np.array(values), replace(DATE, name=name))) == expected


def test_seconds_since_1970_are_noted_with_their_unit() -> None:
    timestamps = parse_integers(np.array([1_700_000_000]), replace(DATE, name="timestamp"))
    assert "read as s since 1970-01-01 in UTC" in timestamps.findings[0].message


def test_other_whole_numbers_are_steps() -> None:
    assert parse_integers(np.array([1, 2, 3]), replace(DATE, name="ds")).values.tolist() == [1, 2, 3]
    assert parse_integers(np.array([1950, 1951]), replace(DATE, name="step")).values.tolist() == [1950, 1951]


def how(**settings: object) -> DataSettings:
    return DataSettings.model_validate(settings)


def parse_with(settings: DataSettings, *texts: str) -> Timestamps:
    return parse_timestamps(np.array(texts, dtype=object), DATE, settings)


def test_the_named_order_of_day_and_month_settles_what_no_row_decides() -> None:
    assert shown(parse_with(how(dayfirst=True), "01/02/2024", "02/02/2024")) == ["2024-02-01", "2024-02-02"]
    assert shown(parse_with(how(dayfirst=False), "01/02/2024", "02/02/2024")) == ["2024-01-02", "2024-02-02"]


def test_a_row_that_contradicts_the_named_order_is_rejected() -> None:
    with pytest.raises(DataError, match=r"row 3: `13/02/2024` cannot be read with the month first"):
        parse_with(how(dayfirst=False), "01/02/2024", "13/02/2024")


def test_a_named_format_reads_what_is_rejected_without() -> None:
    with pytest.raises(DataError, match="no row decides"):
        parse("01/02/24", "02/02/24")
    assert shown(parse_with(how(date_format="%d/%m/%y"), "01/02/24", "02/02/24")) == ["2024-02-01", "2024-02-02"]


def test_a_row_without_the_named_format_is_rejected_with_text_and_format() -> None:
    with pytest.raises(DataError, match=r"row 3: `2024-02-02` is not written as `%d/%m/%Y`"):
        parse_with(how(date_format="%d/%m/%Y"), "01/02/2024", "2024-02-02")


def test_24_o_clock_is_midnight_of_the_next_day_and_counted() -> None:
    timestamps = parse("2024-01-31 23:00", "2024-01-31 24:00", "2024-02-01 01:00")
    assert shown(timestamps)[1] == "2024-02-01"
    assert [(one.code, one.severity, one.rows, one.count) for one in timestamps.findings] == [
        ("W_TIME_24", "warning", (3,), 1)
    ]


def test_25_o_clock_is_not_time() -> None:
    with pytest.raises(DataError, match="`2024-01-31 25:00` is not a date or time"):
        parse("2024-01-31 23:00", "2024-01-31 25:00")


def test_a_leap_second_is_the_second_after_it_and_counted() -> None:
    timestamps = parse("2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2017-01-01T00:00:01Z")
    assert shown(timestamps) == ["2016-12-31T23:59:59", "2017-01-01", "2017-01-01T00:00:01"]
    assert timestamps.findings[0].code == "W_TIME_LEAP"


def test_timestamps_with_and_without_zone_are_rejected_with_two_rows() -> None:
    with pytest.raises(
        DataError, match=r"row 3: `2024-01-01 11:00\+01:00` has the zone that `2024-01-01 10:00` in row 2"
    ):
        parse("2024-01-01 10:00", "2024-01-01 11:00+01:00")


def test_years_that_are_counted_from_one_are_noted() -> None:
    timestamps = parse("1-01", "1-02", "2-01")
    assert shown(timestamps) == ["0001-01-01", "0001-02-01", "0002-01-01"]
    assert "counts years from 1" in timestamps.findings[0].message


def test_days_at_one_local_hour_stay_dates_when_the_offset_changes() -> None:
    timestamps = parse("2024-03-30T16:00:00+01:00", "2024-03-31T16:00:00+02:00", "2024-04-01T16:00:00+02:00")
    assert shown(timestamps) == ["2024-03-30T16:00:00", "2024-03-31T16:00:00", "2024-04-01T16:00:00"]
    assert timestamps.timezone is None


@pytest.mark.parametrize(
    "write",
    ["{:%Y-%m-%d %H:%M}", "{:%d/%m/%Y %H:%M}", "{:%m/%d/%Y %H:%M:%S}", "{:%Y-%m-%dT%H:%M:%S}Z", "{:%d %b %Y %H:%M}"],
)
def test_long_columns_are_read_like_short_ones(write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = np.datetime64("2024-01-01T00:00", "m") + np.arange(0, 40 * 1440, 17) * np.timedelta64(1, "m")
    texts = np.array([write.format(moment.item()) for moment in moments], dtype=object)
    for module in (formats, timestamps_module):
        monkeypatch.setattr(module, "MANY", 100)
    assert np.array_equal(parse(*texts).values, moments.astype("datetime64[us]"))


def test_an_odd_row_of_a_long_column_is_rejected_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (formats, timestamps_module):
        monkeypatch.setattr(module, "MANY", 100)
    days = (np.datetime64("2024-01-01") + np.arange(500) * np.timedelta64(1, "D")).astype(str).astype(object)
    days[321] = "2024-13-01"
    with pytest.raises(DataError, match="row 323: `2024-13-01` is not a date or time"):
        parse(*days)


def test_an_exponent_without_end_is_not_a_number_and_ends_no_process() -> None:
    texts = pd.Series(["1700000000", "1e9991700001500000", "1E-99999999999999", "x"], dtype=object)
    assert to_number(texts).fillna(-1.0).tolist() == [1.7e9, -1.0, -1.0, -1.0]
