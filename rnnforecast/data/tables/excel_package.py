"""The package for workbooks, openpyxl, of the extra `excel`; tables as workbooks."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rnnforecast.errors import OutputError, missing_extra

if TYPE_CHECKING:
    import pandas as pd

#: Rows that a sheet can hold below its header.
MAX_ROWS = 1_048_575
SHEET = "forecasts"


def load_openpyxl() -> Any:
    """Return the package openpyxl. Raises ResourceError where the extra `excel` is not installed."""
    check_openpyxl()
    return importlib.import_module("openpyxl")


def check_openpyxl() -> None:
    """Raise ResourceError where the extra `excel` is not installed."""
    if importlib.util.find_spec("openpyxl") is None:
        raise missing_extra("workbooks need", "openpyxl", "excel", otherwise="; or use CSV")


def write_sheet(frame: pd.DataFrame, stream: BinaryIO) -> None:
    """Write a table as the one sheet of a workbook: dates as dates, text never as a formula.

    Raises OutputError for more rows than a sheet holds.
    """
    if len(frame) > MAX_ROWS:
        message = f"a sheet holds {MAX_ROWS:,} rows, the table has {len(frame):,}"
        raise OutputError(message, hint="write .csv or .parquet", code="E_OUT_ROWS")
    workbook = load_openpyxl().Workbook(write_only=True)
    sheet = workbook.create_sheet(SHEET)
    sheet.append([_as_text_cell(sheet, str(name)) for name in frame.columns])
    columns = [_as_values(frame[name]) for name in frame.columns]
    for values in zip(*columns, strict=True):
        sheet.append([_as_text_cell(sheet, value) if isinstance(value, str) else value for value in values])
    workbook.save(stream)


def rows_of_sheet(path: Path) -> tuple[int, int]:
    """Return the number of rows and columns of the sheet that `write_sheet` wrote."""
    with path.open("rb") as stream:  # a temporary file has another extension
        workbook = load_openpyxl().load_workbook(stream, read_only=True)
        widths = [len(row) for row in workbook[SHEET].iter_rows(values_only=True)]
        workbook.close()
    return len(widths) - 1, max(widths)


def _as_values(column: pd.Series[Any]) -> list[object]:
    """Return a column as values of a workbook: missing ones empty, timestamps of a zone as text."""
    if column.dtype.kind == "M" and getattr(column.dtype, "tz", None) is None:
        return [
            None if value is None else value.to_pydatetime()
            for value in column.astype(object).where(column.notna(), None)
        ]
    plain = column.astype(object).where(column.notna(), None)
    return [
        value.isoformat() if hasattr(value, "isoformat") and getattr(value, "tzinfo", None) else value
        for value in plain
    ]


def _as_text_cell(sheet: Any, text: str) -> Any:
    """Return a cell that holds text unchanged, without what no workbook can hold."""
    cells = importlib.import_module("openpyxl.cell")
    illegal = importlib.import_module("openpyxl.cell.cell").ILLEGAL_CHARACTERS_RE
    cell = cells.WriteOnlyCell(sheet, illegal.sub("\ufffd", text))
    cell.data_type = "s"  # text that begins with `=` would run as a formula
    return cell
