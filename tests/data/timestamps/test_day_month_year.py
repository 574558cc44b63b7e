from __future__ import annotations

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.timestamps import time_column as timing
from rnnforecast.data.timestamps.day_month_year import parse_slashed
from rnnforecast.data.timestamps.text import Timestamps, parse_timestamps
from rnnforecast.errors import DataError
from tests.data.conftest import Write


def fast(*texts: str, how: DataSettings | None = None) -> Timestamps | None:
    half = len(texts) // 2
    column = pa.chunked_array([list(texts[:half]), [], list(texts[half:])], pa.string())
    return parse_slashed(column, name="date", path="a.csv", how=how)


def slow(*texts: str, how: DataSettings | None = None) -> Timestamps:
    column = np.array(texts, dtype=object)
    return parse_timestamps(column, name="date", path="a.csv", lines_of=lambda rows: list(rows), how=how)


@pytest.mark.parametrize("sign", ["/", "-", "."])
@pytest.mark.parametrize("time", ["", " 00:00", " 23:59", "T07:05", " 10:30:59", " 7:05"])
@pytest.mark.parametrize(
    "dates",
    [
        ("01/02/2024", "29/02/2024"),
        ("02/01/2024", "02/29/2024"),
        ("1/2/2024", "13/12/1999"),
        ("05/05/2024", "06/06/1724"),
    ],
)
def test_dates_by_their_digits_are_the_timestamps_and_findings_of_the_parser_of_texts(
    sign: str, time: str, dates: tuple[str, ...]
) -> None:
    texts = [date.replace("/", sign) + time for date in dates]
    expected, found = slow(*texts), fast(*texts)
    assert found is not None
    assert found.values.tolist() == expected.values.tolist()
    assert found.values.dtype == expected.values.dtype
    assert (found.findings, found.timezone) == (expected.findings, expected.timezone)


@pytest.mark.parametrize("dayfirst", [True, False])
def test_the_order_that_is_asked_for_settles_dates_of_two_readings(dayfirst: bool) -> None:
    how = DataSettings(dayfirst=dayfirst)
    expected, found = slow("01/02/2024", "03/04/2024", how=how), fast("01/02/2024", "03/04/2024", how=how)
    assert found is not None
    assert found.values.tolist() == expected.values.tolist()
    assert found.findings == expected.findings == ()


@pytest.mark.parametrize(
    "texts",
    [
        ("01/02/2024", "03/04/2024"),  # two readings
        ("13/02/2024", "02/13/2024"),  # both orders
        ("30/02/2024", "13/04/2024"),
        ("13/00/2024", "13/04/2024"),
        ("00/12/2024", "13/04/2024"),
        ("32/12/2024", "13/04/2024"),
        ("13/04/24", "14/04/24"),
        ("13/04/2024 24:00", "14/04/2024 01:00"),
        ("13/04/2024 10:60", "14/04/2024 01:00"),
        ("13/04/2024 10:30:60", "14/04/2024 01:00:00"),
        ("13/04/2024 10.30", "14/04/2024 11.30"),
        ("13/04-2024", "14/04-2024"),
        ("13/04/2024", "14/04/2024 11:30"),
        ("13/04/2024", ""),
        ("13/04/2024", None),
        ("13/04/2024", "14/o4/2024"),
        ("13/04/2024", "14/04/20é"),
        ("13/04/2024 1:05 PM", "14/04/2024 1:05 PM"),
        (" 3/04/2024", " 4/04/2024"),
    ],
)
def test_whatever_is_odd_in_a_column_is_left_to_the_parser_of_texts(texts: tuple[str, ...]) -> None:
    assert fast(*texts) is None
    assert fast(*texts, *texts) is None
    assert fast() is None


def test_every_day_of_leap_and_other_years_is_read_and_no_other() -> None:
    good: list[str] = []
    bad: list[str] = []
    for year, month, day in product((1900, 2000, 2023, 2024), range(1, 13), range(1, 32)):
        text = f"{day:02d}/{month:02d}/{year}"
        found = fast(text, how=DataSettings(dayfirst=True))
        (bad if found is None else good).append(text)
        assert found is None or str(found.values[0])[:10] == f"{year}-{month:02d}-{day:02d}"
    assert (len(good), len(bad)) == (2 * 365 + 2 * 366, 4 * 12 * 31 - 2 * 365 - 2 * 366)


def test_a_file_of_such_dates_is_read_without_a_text_of_any_row(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "parse_timestamps", None)
    rows = "".join(f"{day:02d}/03/2024 10:30,{day}\n" for day in range(1, 32))
    assert read_series(write("t,y\n" + rows)).series.freq.alias == "D"


def test_an_odd_date_far_down_is_still_refused_by_its_row(write: Write) -> None:
    rows = "".join(f"{day:02d}/03/2024,{day}\n" for day in range(1, 32))
    with pytest.raises(DataError, match="row 33: `31/02/2024` is not a date or time"):
        read_series(write("t,y\n" + rows + "31/02/2024,1\n"))
