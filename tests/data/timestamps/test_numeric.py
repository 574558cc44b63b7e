from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef
from rnnforecast.data.timestamps.numeric import parse_floats, parse_integers
from rnnforecast.data.timestamps.text import Timestamps
from rnnforecast.errors import DataError

SECONDS = 1_700_000_000


def ref(name: str) -> ColumnRef:
    return ColumnRef.in_file(name, "a.csv", lambda rows: [row + 2 for row in rows], noun="time column")


def integers(*values: int, name: str = "timestamp", how: DataSettings | None = None) -> Timestamps:
    return parse_integers(np.array(values, dtype=np.int64), ref(name), how)


def floats(*values: float, name: str = "timestamp", how: DataSettings | None = None) -> Timestamps:
    return parse_floats(np.array(values), ref(name), how)


def shown(timestamps: Timestamps) -> list[str]:
    return [text.removesuffix(".000000").removesuffix("T00:00:00") for text in timestamps.values.astype(str)]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000), ("us", 10**6), ("ns", 10**9)])
def test_the_size_of_an_epoch_tells_its_unit(unit: str, factor: int) -> None:
    timestamps = integers(SECONDS * factor, (SECONDS + 60) * factor)
    assert shown(timestamps) == ["2023-11-14T22:13:20", "2023-11-14T22:14:20"]
    assert timestamps.timezone == "UTC"
    assert f"is read as {unit} since 1970-01-01 in UTC" in timestamps.findings[0].message


def test_epochs_of_two_units_are_rejected_with_both_rows() -> None:
    with pytest.raises(DataError, match=r"row 3: 1700000060000 is ms since 1970 by its size, but .* in row 2 is s"):
        integers(SECONDS, (SECONDS + 60) * 1_000, SECONDS + 120)


def test_a_zero_among_epochs_is_not_a_timestamp() -> None:
    with pytest.raises(DataError, match="row 3: 0 is too small for a time since 1970") as caught:
        integers(SECONDS, 0, SECONDS + 60)
    assert "--epoch-unit" in str(caught.value.hint)


def test_a_named_unit_beats_the_size() -> None:
    timestamps = integers(1_000, 61_000, name="t", how=DataSettings(epoch_unit="ms"))
    assert shown(timestamps) == ["1970-01-01T00:00:01", "1970-01-01T00:01:01"]


def test_epochs_with_decimals_are_exact_to_the_millisecond() -> None:
    assert shown(floats(SECONDS + 0.25)) == ["2023-11-14T22:13:20.250000"]
    assert shown(floats(1_700_000_000_250.0)) == ["2023-11-14T22:13:20.250000"]


def test_days_of_a_spreadsheet_are_rejected_unless_they_are_called_so() -> None:
    with pytest.raises(DataError, match=r"may be a day of a spreadsheet \(2024-01-01T12:00:00\) or a step") as caught:
        floats(45292.5, 45293.5, name="Date")
    assert "--excel-dates" in str(caught.value.hint)
    assert shown(floats(45292.5, name="Date", how=DataSettings(excel_dates=True))) == ["2024-01-01T12:00:00"]
    assert shown(integers(45292, name="Date", how=DataSettings(excel_dates=True))) == ["2024-01-01"]


def test_whole_days_of_a_spreadsheet_in_a_column_of_dates_are_rejected_too() -> None:
    with pytest.raises(DataError, match=r"45292 may be a day of a spreadsheet \(2024-01-01\)"):
        integers(45292, 45293, name="date")


def test_the_same_numbers_in_a_column_of_steps_are_steps() -> None:
    assert integers(45292, 45293, name="step").values.tolist() == [45292, 45293]


def test_other_decimals_are_not_timestamps() -> None:
    with pytest.raises(DataError, match=r"0.5 is neither a whole step nor a time since 1970"):
        floats(0.5, 1.5)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("month", 202403, "2024-03-01"),
        ("date", 2024030113, "2024-03-01T13:00:00"),
        ("date", 202403011330, "2024-03-01T13:30:00"),
        ("timestamp", 20240301133059, "2024-03-01T13:30:59"),
    ],
)
def test_dates_written_as_one_number_are_read(name: str, value: int, expected: str) -> None:
    assert shown(integers(value, name=name)) == [expected]


def test_seconds_since_1970_are_not_taken_for_hours_of_a_date() -> None:
    assert shown(integers(1_901_010_100 - 200_000_000, name="time"))[0].startswith("2023-")


def test_an_epoch_past_year_9999_is_rejected_instead_of_running_over() -> None:
    with pytest.raises(DataError, match="9000000000000000000 s since 1970 is not in the years 1 to 9999"):
        integers(9 * 10**18, how=DataSettings(epoch_unit="s"))


def test_an_epoch_before_year_1_is_rejected() -> None:
    with pytest.raises(DataError, match="-99999999999 s since 1970 is not in the years 1 to 9999"):
        integers(SECONDS, -99_999_999_999, how=DataSettings(epoch_unit="s"))


@pytest.mark.parametrize("day", [np.inf, -np.inf, 1e300, -1e7, 3e6])
def test_a_day_of_a_spreadsheet_outside_all_years_is_rejected_by_row_instead_of_becoming_no_timestamp(
    day: float,
) -> None:
    with pytest.raises(DataError, match=r"row 3: day .* of a spreadsheet is not in the years 1 to 9999"):
        floats(45292.5, day, name="Date", how=DataSettings(excel_dates=True))


def test_an_infinite_number_is_not_a_timestamp() -> None:
    with pytest.raises(DataError, match="row 3: an infinite number is not a timestamp"):
        floats(SECONDS + 0.5, np.inf)
