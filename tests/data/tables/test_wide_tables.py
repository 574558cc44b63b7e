"""`--wide` on tables whose header holds timestamps: days, months, quarters, years, hours of a day, steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError
from tests.workflows.toy import fit, forecast

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], *, before: str = "", sign: str = ",") -> str:
    return before + "".join(sign.join(str(cell) for cell in row) + "\n" for row in (header, *rows))


def _numbers(count: int, start: int = 100) -> list[object]:
    return list(range(start, start + count))


def _days(names: list[str], count: int) -> list[list[object]]:
    """Return a row for each day with the numbers of a clock that runs on."""
    days = pd.date_range("2024-01-01", periods=count).strftime("%Y-%m-%d")
    return [[day, *_numbers(len(names), 100 + place * len(names))] for place, day in enumerate(days)]


def _read(tmp_path: Path, text: str, **settings: object) -> ReadResult:
    path = tmp_path / "wide.csv"
    path.write_text(text, encoding="utf-8")
    return read_series(path, DataSettings(wide=True, **settings))


HOURS = {
    "hour ending": [f"HE{hour:02d}" for hour in range(1, 25)],
    "numbers": [str(hour) for hour in range(1, 25)],
    "from zero": [f"h{hour}" for hour in range(24)],
    "words": [f"Hour {hour}" for hour in range(1, 25)],
    "clock": [f"{hour:02d}:00" for hour in range(24)],
    "intervals": [f"{hour:02d}:00 - {hour + 1:02d}:00" for hour in range(24)],
}


@pytest.mark.parametrize("names", HOURS.values(), ids=HOURS)
def test_hours_as_columns_are_an_hourly_series_that_starts_at_midnight(tmp_path: Path, names: list[str]) -> None:
    found = _read(tmp_path, _table(["Date", *names], _days(names, 9)))
    assert (found.assumptions.freq, found.assumptions.num_series) == ("h", 1)
    np.testing.assert_array_equal(found.series.values, np.arange(100.0, 100 + 9 * 24))
    start = found.series.freq.to_timestamps(found.series.first_ordinals)
    np.testing.assert_array_equal(start, np.array(["2024-01-01T00:00"], dtype="datetime64[us]"))


def test_half_hours_as_columns_are_half_hourly_rows(tmp_path: Path) -> None:
    names = [f"{half // 2}:{30 * (half % 2):02d}" for half in range(48)]
    found = _read(tmp_path, _table(["Date", *names], _days(names, 5)))
    assert found.assumptions.freq == "30min"
    np.testing.assert_array_equal(found.series.values, np.arange(100.0, 100 + 5 * 48))


def test_months_next_to_years_are_one_monthly_series_up_to_the_last_filled_month(tmp_path: Path) -> None:
    rows = [[year, *_numbers(12, 12 * year), 99] for year in range(2010, 2016)]
    rows[-1][6:13] = [""] * 7  # June on is to come
    found = _read(tmp_path, _table(["Year", *MONTHS, "Annual"], rows))
    assert (found.assumptions.freq, found.assumptions.target) == ("MS", ("value",))
    np.testing.assert_array_equal(found.series.values, np.arange(12.0 * 2010, 12 * 2015 + 5))


def test_quarters_next_to_years_are_one_quarterly_series(tmp_path: Path) -> None:
    rows = [[year, *_numbers(4, 4 * year)] for year in range(2010, 2020)]
    found = _read(tmp_path, _table(["Year", "Q1", "Q2", "Q3", "Q4"], rows))
    assert found.assumptions.freq == "QS-JAN"
    np.testing.assert_array_equal(found.series.values, np.arange(8040.0, 8080))


@pytest.mark.parametrize(
    ("header", "freq"),
    [
        ([f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=30)], "D"),
        ([f"{day.month}/{day.day}/{day:%y}" for day in pd.date_range("2024-01-01", periods=30)], "D"),
        ([f"{day:%Y%m}" for day in pd.date_range("2021-01-01", periods=30, freq="MS")], "MS"),
        ([f"{day:%b %Y}" for day in pd.date_range("2021-01-01", periods=30, freq="MS")], "MS"),
        ([str(year) for year in range(1990, 2020)], "YS-JAN"),
        ([f"{year} [YR{year}]" for year in range(1990, 2020)], "YS-JAN"),
        ([f"d_{day}" for day in range(1, 31)], "step"),
    ],
)
def test_dates_as_columns_are_rows_of_a_panel(tmp_path: Path, header: list[str], freq: str) -> None:
    rows = [["A", *_numbers(30)], ["B", *_numbers(30, 500)]]
    found = _read(tmp_path, _table(["store", *header], rows))
    assert (found.assumptions.freq, found.assumptions.id, found.assumptions.num_rows) == (freq, ("store",), 60)
    np.testing.assert_array_equal(found.series.values, [*range(100, 130), *range(500, 530)])
    assert [one.code for one in found.findings if one.code == "N_COLUMN_UNPIVOTED"] == ["N_COLUMN_UNPIVOTED"]


def test_titles_above_a_header_of_years_are_left_out(tmp_path: Path) -> None:
    before = '"Data Source","Indicators",\n\n"Last Updated Date","2024-10-24",\n\n'
    rows = [[name, name[:3].upper(), *_numbers(20)] for name in ("Aruba", "Italy", "France")]
    found = _read(tmp_path, _table(["Country Name", "Code", *map(str, range(2001, 2021))], rows, before=before))
    assert (found.assumptions.freq, found.assumptions.num_series) == ("YS-JAN", 3)


def test_errors_in_cells_name_the_columns_and_the_line_of_the_file_once(tmp_path: Path) -> None:
    header = ["store", *[f"2024-{month:02d}" for month in range(1, 13)]]
    with pytest.raises(DataError, match=r"column `2024-12`, row 3: `broken` is not a number") as caught:
        _read(tmp_path, _table(header, [["A", *_numbers(12)], ["B", *_numbers(11), "broken"]]))
    assert caught.value.findings[0].column == "2024-12"
    with pytest.raises(DataError, match=r"columns `2024-11`, `2024-12`, row 3: `broken` is not a number") as caught:
        _read(tmp_path, _table(header, [["A", *_numbers(12)], ["B", *_numbers(10), "broken", "broken"]]))
    assert caught.value.findings[0].rows == (3,)


def test_numbers_with_marks_are_read_as_in_any_column(tmp_path: Path) -> None:
    rows = [["A", *['"1,250.5"'] * 12], ["B", *['"2,000.5"'] * 12]]
    found = _read(tmp_path, _table(["store", *[f"2024-{month:02d}" for month in range(1, 13)]], rows))
    np.testing.assert_array_equal(found.series.values, [1250.5] * 12 + [2000.5] * 12)


def test_parquet_files_are_unpivoted_too(tmp_path: Path) -> None:
    names = [f"2024-{month:02d}" for month in range(1, 13)]
    pd.DataFrame({"store": ["A", "B"], **{name: [1.0, 2.0] for name in names}}).to_parquet(tmp_path / "wide.parquet")
    found = read_series(tmp_path / "wide.parquet", DataSettings(wide=True))
    np.testing.assert_array_equal(found.series.values, [1.0] * 12 + [2.0] * 12)


@pytest.mark.parametrize(
    "header",
    [
        ["Date", *HOURS["hour ending"]],
        ["Date", *HOURS["clock"]],
        ["Date", *(f"store_{number}" for number in range(24))],
    ],
    ids=["hours", "clock", "stores"],
)
def test_hours_as_columns_are_never_guessed_and_numbered_series_are(tmp_path: Path, header: list[str]) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(_table(header, _days(header[1:], 9)), encoding="utf-8")
    if header[1].startswith("store"):
        assert read_series(path).assumptions.target == ("store_23",)
        return
    with pytest.raises(DataError, match="the table is wide: 24 columns are named after") as error:
        read_series(path)
    assert "`--wide` makes a row of each of them" in str(error.value.hint)


def test_months_without_a_year_need_one(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(_table(["store", *MONTHS], [["A", *_numbers(12)], ["B", *_numbers(12)]]), encoding="utf-8")
    with pytest.raises(DataError, match="12 columns are named after months") as error:
        read_series(path)
    assert str(error.value.hint).startswith("add a column `Year` and use `--wide`; or forecast one column")


def test_names_that_are_taken_get_a_suffix(tmp_path: Path) -> None:
    names = [f"2024-{month:02d}" for month in range(1, 13)]
    rows = [["A", "x", *_numbers(12)], ["B", "y", *_numbers(12)]]
    found = _read(tmp_path, _table(["value", "date", *names], rows))
    assert found.assumptions.target == ("value_of_column",)


def test_a_model_of_a_wide_table_reads_it_again(tmp_path: Path) -> None:
    rows = [[year, *(100 + 10 * (month % 12) + year % 3 for month in range(12))] for year in range(2000, 2012)]
    (tmp_path / "wide.csv").write_text(_table(["Year", *MONTHS], rows), encoding="utf-8")
    fit(tmp_path / "wide.csv", wide=True)
    found = forecast(tmp_path / "wide.csv")
    assert [str(row)[:7] for row in found.frame["Year+month"][:2]] == ["2012-01", "2012-02"]


def test_a_total_or_names_of_rows_do_not_hide_that_a_table_is_wide(tmp_path: Path) -> None:
    years = _table(["Year", *MONTHS, "Total"], [[year, *_numbers(12), 99] for year in range(2010, 2016)])
    places = ["unit,geo\\TIME", *[f"2024-{month:02d}" for month in range(1, 13)]]
    names = _table(places, [[f"kg,{place}", *_numbers(12)] for place in ("DE", "FR")], sign="\t")
    for text in (years, names):
        (tmp_path / "rows.csv").write_text(text)
        with pytest.raises(DataError, match="the table is wide: 12 columns"):
            read_series(tmp_path / "rows.csv")
