"""Lines around a table: titles above the header, units below it, totals and notes at the foot."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError, UsageError

DAYS = pd.date_range("2024-03-01", periods=20).strftime("%Y-%m-%d")
ROWS = "".join(f"{day},{row + 10}\n" for row, day in enumerate(DAYS))
VALUES = [float(row + 10) for row in range(20)]


def read(folder: Path, text: str, **settings: object) -> ReadResult:
    path = folder / "rows.csv"
    path.write_text(text)
    return read_series(path, DataSettings(**settings))


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        (f"Category: all\n\nday,visits: (Here)\n{ROWS}", "W_DATA_TITLE", 2),
        (f"Report of the plant\nmade on Monday\nday,load\n{ROWS}", "W_DATA_TITLE", 2),
        (f"\n\nReport\n\nday,load\n{ROWS}", "W_DATA_TITLE", 2),
        (f"Report,\n,\nUnit,kW\n,\nday,load\n{ROWS}", "W_DATA_TITLE", 4),
        (f"day,load\n,kW\n{ROWS}", "W_DATA_UNITS", 1),
        (f"day,load\ndate,[MWh]\n{ROWS}", "W_DATA_UNITS", 1),
        (f",load\n,Load of the plant\nUnit,kW\nAs of,2024-05-01 15:00\n{ROWS}", "W_DATA_UNITS", 3),
        (f"day,load\n{ROWS}Total,390\n", "W_DATA_FOOTER", 1),
        (f"day,load\n{ROWS}Total,390", "W_DATA_FOOTER", 1),
        (f"day,load\n{ROWS}\nSource: the plant\n* preliminary\n\n", "W_DATA_FOOTER", 2),
        (f"day,load\n{ROWS},\nGrand total,390\nNote: in kW\n", "W_DATA_FOOTER", 2),
        (f"day,load\n{ROWS}Total,390\n,\n* preliminary,\n\n", "W_DATA_FOOTER", 3),
    ],
)
def test_lines_around_a_table_are_found_left_out_and_said(tmp_path: Path, text: str, code: str, count: int) -> None:
    found = read(tmp_path, text)
    assert found.series.values.tolist() == VALUES
    (noted,) = [one for one in found.findings if one.code.startswith("W_")]
    assert (noted.code, noted.count) == (code, count)


def test_errors_below_titles_and_units_name_the_lines_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 5: `abc` is not a number"):
        read(tmp_path, "Report\n\nday,load\n2024-02-28,1\n2024-02-29,abc\n" + ROWS)
    with pytest.raises(DataError, match="row 4: `abc` is not a number"):
        read(tmp_path, "day,load\n,kW\n2024-02-28,1\n2024-02-29,abc\n" + ROWS)


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        (f"a,b,c\nday,load\n{ROWS}", {"skip_rows": 1}, "W_DATA_TITLE"),
        (f"day,load\n2024-02-29,9\n{ROWS}", {"units_row": True}, "W_DATA_UNITS"),
        (f"day,load\n{ROWS}2024-03-21,99\n", {"footer": 1}, "W_DATA_FOOTER"),
    ],
)
def test_the_user_says_which_lines_are_not_rows(
    tmp_path: Path, text: str, settings: dict[str, object], words: str
) -> None:
    found = read(tmp_path, text, **settings)
    assert found.series.values.tolist() == VALUES
    assert [one.code for one in found.findings if one.code.startswith("W_")] == [words]


def test_zero_lines_turn_the_search_off(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`Total`"):
        read(tmp_path, f"day,load\n{ROWS}Total,390\n", footer=0)
    with pytest.raises(DataError, match="row 1 is not the header of the rows below it"):
        read(tmp_path, f"Report\nday,load\n{ROWS}", skip_rows=0)


@pytest.mark.parametrize("name", ["skip_rows", "footer"])
def test_more_lines_than_the_file_has_are_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="leaves nothing of"):
        read(tmp_path, f"day,load\n{ROWS}", **{name: 500})


def test_a_series_called_total_is_not_a_footer(tmp_path: Path) -> None:
    rows = "".join(f"{name},{day},{row}\n" for name in ("north", "total") for row, day in enumerate(DAYS))
    assert read(tmp_path, f"region,day,load\n{rows}").series.item_ids == ["north", "total"]


def test_a_header_without_a_name_for_row_names_is_not_a_title(tmp_path: Path) -> None:
    rows = "".join(f"{row},{day},{row}\n" for row, day in enumerate(DAYS))
    with pytest.raises(DataError, match="cells where the header has 2 columns"):
        read(tmp_path, f"day,load\n{rows}")


@pytest.mark.parametrize(
    ("texts", "settings", "values"),
    [
        (["1,23,456.5", "12,34,567", "999"], {}, [123456.5, 1234567.0, 999.0]),
        (["950K", "1.2M", "3 bn"], {"number_format": "financial"}, [950e3, 1.2e6, 3e9]),
        (["$950K", "(1.5M)", "12"], {"number_format": "financial"}, [950e3, -1.5e6, 12.0]),
        (["<1", "4", "5"], {"missing_values": ("<1",)}, [float("nan"), 4.0, 5.0]),
    ],
)
def test_numbers_of_other_conventions(
    tmp_path: Path, texts: list[str], settings: dict[str, object], values: list[float]
) -> None:
    rows = "".join(f'{day},"{text}"\n' for day, text in zip(DAYS, texts, strict=False))
    found = read(tmp_path, f"day,load\n{rows}", **settings)
    assert found.series.values.tolist() == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "words", "fix"),
    [
        ("<1", "`<1` is a bound, not a number", "--missing-values '<1'"),
        ("950K", "`950K` is a number with its size in letters", "--number-format financial"),
    ],
)
def test_they_are_rejected_with_the_flag_that_reads_them(tmp_path: Path, text: str, words: str, fix: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(
            tmp_path,
            f"day,load\n{ROWS}2024-03-21,{text}\n2024-03-22,1.2M\n"
            if text == "950K"
            else f"day,load\n{ROWS}2024-03-21,{text}\n",
        )
    assert fix in str(caught.value.hint)


def test_aligned_columns_are_read_with_any_number_of_blanks(tmp_path: Path) -> None:
    rows = "".join(f"{day}   {row + 10:>6}\n" for row, day in enumerate(DAYS))
    assert read(tmp_path, f"  day        load\n{rows}", delimiter="space").series.values.tolist() == VALUES


@pytest.mark.parametrize(
    "text",
    [
        "day,load,\n,north,south\n" + "".join(f"{day},1,{row}\n" for row, day in enumerate(DAYS)),
        ",north,,south,\nday,sold,price,left,cost\n" + "".join(f"{day},1,2,3,{row}\n" for row, day in enumerate(DAYS)),
    ],
)
def test_a_header_of_two_lines_is_rejected_with_the_flag_that_reads_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="its cells may be merged") as caught:
        read(tmp_path, text)
    assert "--skip-rows 1" in str(caught.value.hint)
    assert read(tmp_path, text, skip_rows=1).series.num_rows == len(DAYS)
