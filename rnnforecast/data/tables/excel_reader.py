"""Excel workbooks as columns: one sheet becomes delimited text, which is read as any other.

Row numbers are those of the sheet. Formulas count by their stored results; macros are never run.
"""

from __future__ import annotations

import csv
import datetime
import io
import zipfile
from typing import TYPE_CHECKING, Any

from rnnforecast.data.errors import listed, quoted, quoted_path
from rnnforecast.data.files.compression import check_ratio
from rnnforecast.data.files.local import too_large
from rnnforecast.data.tables import csv_reader
from rnnforecast.data.tables.csv_dialect import fix_of_two_headers
from rnnforecast.data.tables.excel_package import load_openpyxl
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rnnforecast.config import DataSettings
    from rnnforecast.data.sources import Source

#: Columns of a sheet, more than Excel has.
_MAX_COLUMNS = 20_000
#: Empty rows after which a sheet has ended: formats reach down to row 1,048,576 in many.
_MAX_EMPTY = 5_000


def open_columns(source: Source, settings: DataSettings) -> csv_reader.CsvTable:
    """Return a sheet of a workbook as a table. Raises DataError for what is not a plain workbook, within the byte cap."""
    _check_archive(source)
    workbook = _load(source)
    try:
        name, findings = _choose_sheet(workbook, source.path, settings.sheet)
        text = _as_text(workbook[name], source, name)
    finally:
        workbook.close()
    plain = settings.model_copy(update={"delimiter": ",", "comment": None})
    columns = csv_reader.open_columns(source.with_payload(text), plain)
    columns.findings[:0] = findings
    return columns


def _check_archive(source: Source) -> None:
    """Raise DataError for sizes above the cap, for macros, and for archives that are not workbooks."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.payload)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _damaged(source.path) from error
    size = sum(member.file_size for member in members)
    if size > source.cap:
        raise too_large(source.path, size, source.cap)
    check_ratio(source.path, size, len(source.payload), is_asked=source.is_trusted)
    names = [member.filename.lower() for member in members]
    if any(name.endswith("vbaproject.bin") for name in names):
        raise DataError(
            f"{quoted_path(source.path)} is a workbook with macros",
            hint="save it as .xlsx, without macros",
            code="E_DATA_MACROS",
        )
    if "xl/workbook.xml" not in names:
        raise DataError(
            f"{quoted_path(source.path)} is an Office document without sheets",
            hint="name a workbook, or export the table as CSV",
            code="E_DATA_FORMAT",
        )


def _load(source: Source) -> Any:
    try:
        return load_openpyxl().load_workbook(io.BytesIO(source.payload), read_only=True, data_only=True)
    except Exception as error:  # of many kinds, by whatever is damaged
        if isinstance(error, DataError) or type(error).__module__.startswith("rnnforecast"):
            raise
        raise _damaged(source.path) from error


def _choose_sheet(workbook: Any, path: str, wanted: str | None) -> tuple[str, list[Finding]]:
    """Return the sheet that the user names, else the first one that is visible and holds cells."""
    names = [sheet.title for sheet in workbook.worksheets]
    if wanted is not None:
        if wanted not in names:
            raise DataError(
                f"{quoted_path(path)} has no sheet {quoted(wanted)}",
                hint=f"its sheets are {listed(names)}: --sheet {quoted(names[0]).strip('`')!r}"
                if names
                else "it has none",
                code="E_DATA_SHEET",
            )
        return wanted, []
    visible = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state == "visible"] or names
    if not visible:
        raise DataError(f"{quoted_path(path)} has no sheet with cells", hint="name another file", code="E_DATA_SHEET")
    if len(names) == 1:
        return visible[0], []
    message = f"sheet {quoted(visible[0])} of {len(names)} is read"
    return visible[0], [Finding("N_DATA_SHEET", message, path, value=visible[0], fix="--sheet names another")]


def _as_text(sheet: Any, source: Source, name: str) -> bytes:
    """Return the cells of a sheet as delimited text, a line for each row. Raises DataError above the cap."""
    rows, size = [], 0
    try:
        for cells in _filled_rows(sheet):
            rows.append(cells)
            size += sum(map(len, cells)) + len(cells)
            if size > source.cap:
                raise too_large(source.path, size, source.cap)
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile, EOFError, SyntaxError) as error:
        raise _damaged(source.path) from error
    width = max(map(len, rows), default=0)
    if not width:
        raise DataError(
            f"{quoted_path(source.path)}: sheet {quoted(name)} is empty",
            hint="name another one: --sheet",
            code="E_DATA_EMPTY",
        )
    header = next((place for place, row in enumerate(rows) if sum(map(bool, row)) >= max(width - 1, 1)), 0)
    _check_merged(rows, header, width, path=source.path)
    padded = [row if place < header else row + [""] * (width - len(row)) for place, row in enumerate(rows)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(padded)
    return text.getvalue().encode()


def _filled_rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the rows of a sheet as text up to the last filled one, without empty cells at their ends."""
    sheet.reset_dimensions()  # what the file says about its size may be wrong
    empty = 0
    for values in sheet.iter_rows(values_only=True, max_col=_MAX_COLUMNS):
        cells = [_as_cell(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            empty += 1
            if empty > _MAX_EMPTY:
                return
            continue
        for _ in range(empty):
            yield []
        empty = 0
        yield cells


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat(sep=" ", timespec="auto")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return " ".join(str(value).split())


def _check_merged(rows: Sequence[Sequence[str]], header: int, width: int, *, path: str) -> None:
    """Raise DataError for a header of merged cells: names are missing above columns with values."""
    names = [*rows[header], *[""] * (width - len(rows[header]))]
    below = rows[header + 1 : header + 20]
    lacking = [
        place for place in range(width) if not names[place] and any(place < len(row) and row[place] for row in below)
    ]
    if not lacking or header + 1 >= len(rows):
        return
    words = f"row {header + 1} has no name above column {lacking[0] + 1}"
    fix = "write a name into each cell of the header, without merged cells"
    if all(cell and not cell[0].isdigit() for cell in rows[header + 1]) and len(rows[header + 1]) == width:
        fix = fix_of_two_headers(rows[header + 1], line=header + 1)
    raise DataError(f"{quoted_path(path)}: {words}: its cells may be merged", hint=fix, code="E_DATA_MERGED")


def _damaged(path: str) -> DataError:
    return DataError(
        f"{quoted_path(path)} is a damaged or truncated workbook",
        hint="open and save it in a spreadsheet program, or export the table as CSV",
        code="E_DATA_DAMAGED",
    )
