"""How dates of spreadsheets and of fiscal calendars are read, or rejected with a fix that works."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=60)
MONTHS = pd.date_range("2020-01-01", periods=36, freq="MS")


def read(folder: Path, stamps: Iterable[str], *, names: str = "t", **settings: object) -> ReadResult:
    path = folder / "rows.csv"
    path.write_text(f"{names},y\n" + "".join(f"{stamp},{7 + row % 11}\n" for row, stamp in enumerate(stamps)))
    return read_series(path, DataSettings(**settings))


@pytest.mark.parametrize(
    ("stamps", "freq", "last", "code"),
    [
        (DAYS.strftime("%d.%m.%y"), "D", "2024-02-29", "N_TIME_TWO_DIGITS"),
        (DAYS.strftime("%m/%d/%y"), "D", "2024-02-29", "N_TIME_TWO_DIGITS"),
        (DAYS.strftime("%y/%m/%d"), "D", "2024-02-29", "N_TIME_ORDER"),
        (DAYS.strftime("%d-%b-%y"), "D", "2024-02-29", "N_TIME_TWO_DIGITS"),
        (MONTHS.strftime("%d/%m/%Y"), "MS", "2022-12-01", "N_TIME_ORDER"),
        (MONTHS.strftime("%m/%d/%Y"), "MS", "2022-12-01", "N_TIME_ORDER"),
        (DAYS.strftime("%Y - %m - %d"), "D", "2024-02-29", "N_TIME_BLANKS"),
        (DAYS.strftime("%m/ %d/%Y"), "D", "2024-02-29", "N_TIME_BLANKS"),
        (
            [f"Q{q} FY{year}" for year in range(2014, 2020) for q in range(1, 5)],
            "QS-JAN",
            "2019-10-01",
            "N_TIME_FISCAL",
        ),
        (
            [f"FY{year} Q{q}" for year in range(2014, 2020) for q in range(1, 5)],
            "QS-JAN",
            "2019-10-01",
            "N_TIME_FISCAL",
        ),
        (
            [f"Q{q} FY{year}" for year in range(14, 20) for q in range(1, 5)],
            "QS-JAN",
            "2019-10-01",
            "N_TIME_FISCAL",
        ),
        (
            [f"13.02.2024 {hour:02d}:00-{hour + 1:02d}:00" for hour in range(23)],
            "h",
            "2024-02-13",
            "N_TIME_INTERVAL",
        ),
        ([f"2023-{week:02d}" for week in range(1, 53)], "W-MON", "2023-12-25", "N_TIME_ORDER"),
        ([f"{day:%d.%m.%Y %H:%M} - {day:%H:59}" for day in DAYS], "D", "2024-02-29", "N_TIME_INTERVAL"),
        ([f"{day:%Y-%m-%d}/{day + pd.Timedelta('1D'):%Y-%m-%d}" for day in DAYS], "D", "2024-02-29", "N_TIME_INTERVAL"),
    ],
)
def test_dates_are_read_with_a_note(tmp_path: Path, stamps: Iterable[str], freq: str, last: str, code: str) -> None:
    found = read(tmp_path, stamps)
    assert found.assumptions.freq == freq
    assert str(found.series.timestamps(0)[-1])[:10] == last
    assert code in {one.code for one in found.findings}


def test_the_order_that_alone_makes_a_regular_grid_is_reported(tmp_path: Path) -> None:
    (found,) = read(tmp_path, MONTHS.strftime("%m/%d/%Y")).findings
    assert found.message.endswith("is read as month/day/year: in no other order do the rows make a regular grid")


def test_two_orders_that_both_make_a_grid_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="may be 2020-02-01 or 2020-01-02, and no row decides"):
        read(tmp_path, MONTHS[:12].strftime("%d/%m/%Y"))
    assert read(tmp_path, MONTHS[:12].strftime("%d/%m/%Y"), dayfirst=True).assumptions.freq == "MS"


@pytest.mark.parametrize("name", ["Hour Ending", "HE"])
def test_hours_called_by_their_end_are_held_by_their_start(tmp_path: Path, name: str) -> None:
    stamps = [f"{day:%Y-%m-%d},{hour}" for day in DAYS[:4] for hour in range(1, 25)]
    found = read(tmp_path, stamps, names=f"date,{name}")
    assert (found.assumptions.freq, found.series.num_rows) == ("h", 96)
    assert str(found.series.timestamps(0)[0]) == "2024-01-01T00:00:00.000000"


def test_intervals_of_a_day_next_to_its_date_are_the_time_of_day(tmp_path: Path) -> None:
    stamps = [f"{day:%Y-%m-%d},{hour:02d}:00 - {hour:02d}:30" for day in DAYS[:4] for hour in range(24)]
    assert read(tmp_path, stamps, names="Datum,Uhrzeit").assumptions.freq == "h"


def test_weeks_that_drift_by_a_day_are_one_grid(tmp_path: Path) -> None:
    weeks = pd.date_range("2022-01-03", periods=40, freq="7D").to_list()
    weeks[7] += pd.Timedelta("1D")
    found = read(tmp_path, [f"{week:%Y-%m-%d}" for week in weeks])
    assert (found.assumptions.freq, found.series.num_rows) == ("W-MON", 40)
    assert [one.code for one in found.findings] == ["W_TIME_SNAPPED"]


def test_a_year_not_turned_in_january_is_named_with_its_rows(tmp_path: Path) -> None:
    stamps = [*pd.date_range("2023-03-01", "2023-12-31").strftime("%Y-%m-%d")]
    stamps = [*pd.date_range("2023-01-01", "2023-02-28").strftime("%Y-%m-%d"), *stamps, "2023-01-01", "2023-01-02"]
    with pytest.raises(DataError, match="the year may not have been turned in January") as caught:
        read(tmp_path, stamps)
    (found,) = caught.value.findings[:1]
    assert (found.code, found.rows, found.count) == ("E_TIME_YEAR", (367, 368), 2)


def test_a_january_of_the_old_year_at_the_end_is_named_with_its_rows(tmp_path: Path) -> None:
    stamps = [*DAYS.strftime("2023-%m-%d")[:19]]
    with pytest.raises(DataError, match="as rows of 2024 they would continue the others") as caught:
        read(tmp_path, [*pd.date_range("2023-11-01", "2023-12-31").strftime("%Y-%m-%d"), *stamps])
    (found,) = caught.value.findings
    assert (found.code, found.rows[0], found.count) == ("E_TIME_YEAR", 63, 19)


def test_a_january_before_the_rows_of_its_year_is_only_out_of_order(tmp_path: Path) -> None:
    found = read(
        tmp_path, [*pd.date_range("2023-02-01", "2023-12-31").strftime("%Y-%m-%d"), "2023-01-30", "2023-01-31"]
    )
    assert [one.code for one in found.findings] == ["N_TIME_UNSORTED"]


def test_hours_with_letters_are_hours_called_by_their_end(tmp_path: Path) -> None:
    stamps = [f"{day:%Y-%m-%d},HE{hour:02d}" for day in DAYS[:5] for hour in range(1, 25)]
    found = read(tmp_path, stamps, names="day,hour")
    assert (found.assumptions.freq, str(found.series.timestamps(0)[0])[:16]) == ("h", "2024-01-01T00:00")
    assert "ends of hours" in found.findings[-1].message


def test_texts_that_may_be_timestamps_are_said_whatever_their_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the format of `2024_01_01` is unknown") as caught:
        read(tmp_path, DAYS.strftime("%Y_%m_%d"), names="label")
    assert "--date-format '%Y_%m_%d'" in str(caught.value.hint)
    (found,) = read(tmp_path, [f"shift {row}" for row in range(20)], names="label").findings
    assert (found.code, found.column) == ("N_COLUMN_UNUSED", "label")


def test_seasons_are_no_weeks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is written in another format"):
        read(tmp_path, [f"{year}-{(year + 1) % 100:02d}" for year in range(2001, 2023)])


def test_half_months_are_rejected_with_a_frequency_that_holds_them(tmp_path: Path) -> None:
    stamps = [f"{month:%Y-%m}-{day}" for month in MONTHS for day in ("01", "15")]
    with pytest.raises(DataError, match="they look like half months") as caught:
        read(tmp_path, stamps)
    assert "`--resample 1MS --aggregate sum`" in str(caught.value.hint)
    assert "`--time none` (24 steps are a year: `--season-length 24`)" in str(caught.value.hint)
    steps = read(tmp_path, stamps, time="none", season_length=24).series
    assert (steps.num_rows, steps.season_length) == (72, 24)
    found = read(tmp_path, stamps, resample="1MS", aggregate="sum").series
    assert found.values.sum() == sum(7 + row % 11 for row in range(72))  # nothing counts twice


def test_fiscal_months_of_whole_weeks_are_rejected_with_the_fix_that_works(tmp_path: Path) -> None:
    days = pd.Timestamp("2021-01-04") + pd.to_timedelta(pd.Series([28, 28, 35] * 8).cumsum(), unit="D")
    stamps = [f"{day:%Y-%m-%d}" for day in days]
    with pytest.raises(DataError, match="fiscal months of 4, 4 and 5 weeks") as caught:
        read(tmp_path, stamps)
    assert "`--time none`" in str(caught.value.hint)
    assert read(tmp_path, stamps, time="none", season_length=12).series.num_rows == 24


@pytest.mark.parametrize("stamp", ["d{:%Y-%m-%d}z", "{:%Y-Z%d}", "no {:%d.%m.%Y}"])
def test_dates_that_cannot_be_read_are_never_passed_over(tmp_path: Path, stamp: str) -> None:
    with pytest.raises(DataError, match=r"column `label` holds dates, but the format of .* is unknown"):
        read(tmp_path, [stamp.format(day) for day in DAYS[:9]], names="label")
