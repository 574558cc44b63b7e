"""Workbooks in and out, and what is rejected about them."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.data.write import write_table
from rnnforecast.errors import DataError, UsageError
from tests.data.tables.workbooks import raw_workbook

DAYS = [datetime.datetime(2024, 3, 1) + datetime.timedelta(days=row) for row in range(20)]
VALUES = [row + 0.5 for row in range(20)]
ROWS: list[list[object]] = [["day", "load"], *([day, value] for day, value in zip(DAYS, VALUES, strict=True))]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def read(path: Path, **settings: Any) -> ReadResult:
    return read_series(path, DataSettings(**settings))


def test_a_sheet_is_read_with_its_dates(tmp_path: Path) -> None:
    found = read(workbook(tmp_path / "a.xlsx", Data=ROWS))
    assert (found.assumptions.time, found.assumptions.target, found.assumptions.freq) == ("day", ("load",), "D")
    assert found.series.values.tolist() == VALUES
    assert found.findings == ()


def test_the_sheet_is_the_first_one_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", First=ROWS, Second=[["day", "load"], *ROWS[1:9]])
    first = read(path)
    assert (first.series.num_rows, [one.code for one in first.findings]) == (20, ["N_DATA_SHEET"])
    assert (read(path, sheet="Second").series.num_rows, read(path, sheet="Second").findings) == (8, ())


def test_a_sheet_that_is_not_there_is_rejected_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no sheet `Sales`") as caught:
        read(workbook(tmp_path / "a.xlsx", First=ROWS, Second=ROWS), sheet="Sales")
    assert "its sheets are `First`, `Second`" in str(caught.value.hint)


def test_a_sheet_of_a_text_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("day,load\n2024-01-01,1\n2024-01-02,2\n")
    with pytest.raises(UsageError, match=r"`--sheet` names a sheet, but .* is not a workbook"):
        read(path, sheet="First")


def test_titles_text_ids_and_cells_without_values(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Report of the plant"], [], ["day", "sku", "load"]]
    rows += [[day, sku, None if day == DAYS[3] else -row] for sku in ("007", "010") for row, day in enumerate(DAYS)]
    found = read(workbook(tmp_path / "a.xlsx", Data=rows))
    assert found.series.id_values[:, 0].tolist() == ["007", "010"]
    assert np.isnan(found.series.values[3])
    assert found.series.values[4] == -4
    assert found.findings[0].code == "W_DATA_TITLE"


def test_a_date_above_a_narrow_table_is_no_header(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Report"], [], ["Generated", DAYS[0]], ["day", "load", "price"]]
    found = read(workbook(tmp_path / "a.xlsx", Data=[*rows, *([day, row, 1] for row, day in enumerate(DAYS))]))
    assert (found.assumptions.time, found.assumptions.target) == ("day", ("load",))


def test_a_wrong_cell_is_named_with_its_row_of_the_sheet(tmp_path: Path) -> None:
    rows: list[list[object]] = [*ROWS[:6], [DAYS[5], "abc"], *ROWS[7:]]
    with pytest.raises(DataError, match="row 7: `abc` is not a number"):
        read(workbook(tmp_path / "a.xlsx", Data=rows))


def test_formats_far_below_the_table_are_not_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.active.cell(row=1_000_000, column=1).number_format = "0.00"
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx").series.num_rows == 20


@pytest.mark.parametrize("column", ["D", "XFD"])
def test_a_cell_beside_the_table_is_left_out_with_a_warning(tmp_path: Path, column: str) -> None:
    row = f'<row r="62">{_cell(f"{column}62", 7)}</row>'
    found = read(raw_workbook(tmp_path / "a.xlsx", rows=_HEAD + _TABLE + row), target=("y",))
    assert found.series.values.tolist() == [row % 7 for row in range(2, 60)]
    stray = next(finding for finding in found.findings if finding.code == "W_CELL_STRAY")
    assert (stray.rows, stray.value, stray.count) == ((62,), "7", 1)
    assert not any("delimiters" in finding.message for finding in found.findings)


def test_rows_far_below_the_table_are_not_left_out_in_silence(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.active.cell(row=7_000, column=2).value = 1
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="row 7000 lies below more than 5,000 empty rows") as caught:
        read(tmp_path / "a.xlsx")
    assert caught.value.code == "E_DATA_GAP"


def _with_part(folder: Path, name: str, content: bytes) -> Path:
    path = workbook(folder / "a.xlsx", Data=ROWS)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def _merged(folder: Path) -> Path:
    header: list[list[object]] = [["day", "load", None], ["", "north", "south"]]
    return workbook(folder / "a.xlsx", Data=[*header, *([day, 1, 2] for day in DAYS)])


def _two_lines(folder: Path) -> Path:
    header: list[list[object]] = [["", "north", None, "south", None], ["day", "load", "price", "load", "price"]]
    return workbook(folder / "a.xlsx", Data=[*header, *([day, 1, 2, 3, 4] for day in DAYS)])


def _merged_cells(folder: Path) -> Path:
    book = openpyxl.Workbook()
    for row in [["day", "load", None], *([day, 1, 2] for day in DAYS)]:
        book.active.append(row)
    book.active.merge_cells("B1:C1")
    book.save(folder / "a.xlsx")
    return folder / "a.xlsx"


def _damaged(folder: Path) -> Path:
    path = workbook(folder / "a.xlsx", Data=ROWS)
    path.write_bytes(path.read_bytes()[:2_000])
    return path


def _document(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w/>")
    return folder / "a.xlsx"


def _encrypted(folder: Path) -> Path:
    (folder / "a.xlsx").write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    )
    return folder / "a.xlsx"


@pytest.mark.parametrize(
    ("make", "code", "hint"),
    [
        (
            lambda folder: _with_part(folder, "xl/vbaProject.bin", b"x"),
            "E_DATA_MACROS",
            ".xlsx",
        ),
        (
            lambda folder: _with_part(folder, "xl/x.bin", bytes(2**27)),
            "E_DATA_BOMB",
            "--max-bytes",
        ),
        (_merged, "E_DATA_MERGED", "without merged cells"),
        (_two_lines, "E_DATA_MERGED", "--no-header --skip-rows 2"),
        (_merged_cells, "E_DATA_MERGED", "without merged cells"),
        (_damaged, "E_DATA_DAMAGED", "again"),
        (_document, "E_DATA_FORMAT", "CSV"),
        (_encrypted, "E_DATA_ENCRYPTED", "without a password"),
        (lambda folder: workbook(folder / "a.xlsx", Empty=[]), "E_DATA_EMPTY", "--sheet"),
    ],
    ids=["macros", "bomb", "merged", "two lines", "merged cells", "damaged", "document", "encrypted", "empty"],
)
def test_what_is_not_a_plain_workbook_is_rejected(
    tmp_path: Path, make: Callable[[Path], Path], code: str, hint: str
) -> None:
    with pytest.raises(DataError, match=r"a\.xlsx") as caught:
        read(make(tmp_path))
    assert caught.value.code == code
    assert hint in str(caught.value.hint)


def test_a_sheet_above_the_cap_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains more than") as caught:
        read(workbook(tmp_path / "a.xlsx", Data=ROWS), max_bytes="6KB")
    assert caught.value.code == "E_DATA_SIZE"


def test_forecasts_are_written_as_a_sheet_with_dates_and_text_that_runs_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"day": pd.to_datetime(DAYS[:3]), "id": ["=1+1", "b\x01", "c"], "forecast": [1.5, np.nan, 3.0]}
    )
    write_table(frame, tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["forecasts"]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("day", "id", "forecast")
    assert rows[1] == (DAYS[0], "=1+1", 1.5)
    assert rows[2] == (DAYS[1], "b\ufffd", None)
    assert sheet["B2"].data_type == "s"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"day": pd.to_datetime(DAYS), "y": VALUES}), tmp_path / "out.xlsx")
    assert read(tmp_path / "out.xlsx").series.values.tolist() == VALUES


def test_a_workbook_comes_from_stdin_bytes_as_from_a_file(tmp_path: Path) -> None:
    packed = io.BytesIO(workbook(tmp_path / "a.xlsx", Data=ROWS).read_bytes())
    (tmp_path / "renamed.csv").write_bytes(packed.getvalue())
    found = read(tmp_path / "renamed.csv")
    assert (found.series.num_rows, found.findings[0].code) == (20, "W_DATA_NAMED")


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (_archive(), "is a zip archive without the parts of a workbook"),
        (b"PK\x03\x04" + bytes(300), "is a damaged or truncated zip file"),
        (b"\x07" + bytes(300), "is not an Excel file: it does not begin with PK"),
    ],
    ids=["another archive", "cut", "binary"],
)
def test_junk_under_the_name_of_a_workbook_is_named_as_such(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "junk.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_series([tmp_path / "junk.xlsx"])


def _cell(at: str, value: object, kind: str = "n") -> str:
    return f'<c r="{at}" t="{kind}"><v>{value}</v></c>'


_TABLE = "".join(f'<row r="{row}">{_cell(f"A{row}", row)}{_cell(f"B{row}", row % 7)}</row>' for row in range(2, 60))
_HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>step</t></is></c><c r="B1" t="inlineStr"><is><t>y</t></is></c></row>'
_LAUGHS = "".join(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 10))
_ENTITIES = f'<!DOCTYPE x [<!ENTITY a0 "{"x" * 1_000}">{_LAUGHS}]>'
_ENTITY = "<row><c><v>&a9;</v></c></row>"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"rows": _HEAD + _TABLE + '<row r="60">' + _cell("ZZZZZZ60", 1) + "</row>"}, "E_DATA_DAMAGED"),
        ({"rows": _HEAD + _TABLE + '<row r="60">' + _cell("ALM60", 1) + "</row>" + "<row><c/></row>" * 9}, None),
        ({"rows": "<row>" + "<c/>" * 3_000_000 + "</row>"}, "E_DATA_BOMB"),
        ({"rows": _HEAD + _TABLE, "styles": "<cellXfs>" + "<xf/>" * 3_000_000 + "</cellXfs>"}, "E_DATA_BOMB"),
        (
            {
                "rows": _HEAD + "".join(f'<row>{_cell(f"A{row}", 0, "s")}</row>' for row in range(2, 2_000)),
                "shared": f"<si><t>{'x' * 1_000_000}</t></si>",
            },
            "E_DATA_BOMB",
        ),
        (
            {
                "rows": "".join(f'<row><c r="A{row}"><v>1</v></c></row>' for row in range(1, 40_000))
                + "".join(f'<row r="{row}">{_cell(f"XFD{row}", 1)}</row>' for row in range(40_001, 40_005)),
            },
            "E_DATA_BOMB",
        ),
        ({"before": _ENTITIES, "rows": _HEAD + _ENTITY}, "E_DATA_DAMAGED"),
        ({"before": '<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>', "rows": _ENTITY}, "E_DATA_DAMAGED"),
    ],
    ids=["far column", "wide row", "cells", "styles", "shared text", "wide and long", "entities", "external entity"],
)  # fmt: skip
def test_a_workbook_that_unpacks_to_gigabytes_is_rejected_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, str], code: str | None
) -> None:
    monkeypatch.setattr("rnnforecast.data.tables.excel_reader._MEMORY", 2**28)
    path = raw_workbook(tmp_path / "a.xlsx", **parts)
    assert path.stat().st_size < 2_000_000
    if code is None:
        assert read(path, target=("y",)).series.num_rows >= 58
        return
    with pytest.raises(DataError, match=r"a\.xlsx") as caught:
        read(path)
    assert caught.value.code == code
