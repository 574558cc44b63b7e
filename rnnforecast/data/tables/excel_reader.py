"""Excel workbooks as columns: one sheet becomes delimited text, which is read as any other.

Row numbers are those of the sheet. Formulas count by their stored results; macros are never run. The package openpyxl
reads in a child process with limited memory and time (`excel_child`): objects of a small file can take gigabytes.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import listed, quoted, quoted_path
from rnnforecast.data.files.compression import BOMB_BYTES, BOMB_RATIO, check_ratio
from rnnforecast.data.files.local import too_large
from rnnforecast.data.sources import Source
from rnnforecast.data.tables import csv_reader, excel_child
from rnnforecast.data.tables.csv_dialect import fix_of_two_headers
from rnnforecast.data.tables.csv_surroundings import MAX_TITLES, is_value
from rnnforecast.data.tables.excel_package import check_openpyxl
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

#: Memory of the child process besides a multiple of the file; its time, and bytes of the file for one second more.
_MEMORY, _SECONDS, _BYTES_A_SECOND = 2**30, 15, 2**16
#: Cells right of a table that are left out with a warning; more are columns without names.
_MAX_STRAY = 3


def open_columns(source: Source, settings: DataSettings) -> csv_reader.CsvTable:
    """Return a sheet of a workbook as a table. Raises DataError for what is not a plain workbook, within the byte cap."""
    check_openpyxl()
    _check_archive(source)
    names, sheet, text = _read_in_child(source, settings.sheet)
    findings = _check_sheet(names, sheet, source.path, settings.sheet)
    table, outside = _as_table(text, source, str(sheet))
    findings += outside
    plain = settings.model_copy(update={"delimiter": ",", "comment": None})
    columns = csv_reader.open_columns(source.with_payload(table), plain)
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
        message = f"{quoted_path(source.path)} is a workbook with macros"
        raise DataError(message, hint="save it as .xlsx, without macros", code="E_DATA_MACROS")
    if "xl/workbook.xml" not in names:
        message = f"{quoted_path(source.path)} is an Office document without sheets"
        raise DataError(message, hint="name a workbook, or export the table as CSV", code="E_DATA_FORMAT")


def _read_in_child(source: Source, wanted: str | None) -> tuple[list[str], str | None, bytes]:
    """Return the names of all sheets, the one that is read, and its rows. Raises DataError where the child process fails."""
    packed = len(source.payload)
    most = source.cap if source.is_trusted else min(source.cap, max(BOMB_BYTES, BOMB_RATIO * packed))
    memory = _MEMORY + 16 * packed + (4 * source.cap if source.is_trusted else 0)
    seconds = _SECONDS + packed // _BYTES_A_SECOND
    asked = json.dumps({"memory": min(memory, 2**62), "seconds": seconds, "most": most, "sheet": wanted})
    command = [sys.executable, "-P", excel_child.__file__, asked]
    try:
        done = subprocess.run(command, input=source.payload, capture_output=True, timeout=2 * seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise _needs_too_much(source.path) from error
    problem = done.stderr.decode(errors="replace").strip()
    if problem == "size" and most < source.cap:
        check_ratio(source.path, max(most, BOMB_RATIO * packed) + 1, packed, is_asked=False)
    if problem == "size":
        raise too_large(source.path, most + 1, source.cap)
    if problem.endswith("memory") or "MemoryError" in problem or done.returncode < 0:
        raise _needs_too_much(source.path)
    if problem.startswith("gap "):
        raise DataError(
            f"{quoted_path(source.path)}: row {problem[4:]} lies below more than {excel_child.MAX_EMPTY:,} empty rows",
            hint="remove those rows, or what is below them; or export the table as CSV",
            code="E_DATA_GAP",
        )
    if done.returncode:
        raise _damaged(source.path)
    head, _, text = done.stdout.partition(b"\n")
    found = json.loads(head)
    return found["names"], found["sheet"], text


def _check_sheet(names: Sequence[str], sheet: str | None, path: str, wanted: str | None) -> list[Finding]:
    """Note which of several sheets is read. Raises DataError where there is none, or none of the name that is wanted."""
    if wanted is not None:
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1) or names
            raise DataError(
                f"{quoted_path(path)} has no sheet {quoted(wanted)}",
                hint=f"its sheets are {listed(names)}: --sheet {quoted(near[0]).strip('`')!r}"
                if names
                else "it has none",
                code="E_DATA_SHEET",
            )
        return []
    if sheet is None:
        raise DataError(f"{quoted_path(path)} has no sheet with cells", hint="name another file", code="E_DATA_SHEET")
    if len(names) == 1:
        return []
    message = f"sheet {quoted(sheet)} of {len(names)} is read"
    return [Finding("N_DATA_SHEET", message, path, value=sheet, fix=f"--sheet names another of {listed(names)}")]


def _as_table(text: bytes, source: Source, name: str) -> tuple[bytes, list[Finding]]:
    """Return the rows of a sheet, with as many fields in each from the header on, and a warning about stray cells.

    Raises DataError above the cap.
    """
    lines = text.split(b"\n")[:-1]
    sizes = [(len(row), sum(map(bool, row))) for row in map(_fields, lines)]  # fields, and how many hold something
    if not any(length for length, _ in sizes):
        message = f"{quoted_path(source.path)}: sheet {quoted(name)} is empty"
        raise DataError(message, hint="name another one: --sheet", code="E_DATA_EMPTY")
    width, findings = _cut_stray_cells(lines, sizes, source.path)
    least = max(width - 1, 1)
    wide = [place for place, size in enumerate(sizes[:MAX_TITLES]) if min(size) >= least]
    named = (place for place in wide if not any(map(is_value, _fields(lines[place]))))
    header = next(named, next(iter(wide), 0))  # `Generated, 2024-06-01` above a narrow table has values
    above = [_fields(line) for line in lines[:header]]  # a title begins in the first cell, merged names do not
    header = next((place for place, row in enumerate(above) if sum(map(bool, row)) > 1 and not row[0]), header)
    _check_merged(list(map(_fields, lines[header : header + 20])), header, width, path=source.path)
    missing = [max(width - max(length, 1), 0) for length, _ in sizes]
    size = len(text) + sum(missing[header:])
    check_ratio(source.path, size, len(source.payload), is_asked=source.is_trusted)
    if size > source.cap:
        raise too_large(source.path, size, source.cap)
    padded = (line + b"," * count for line, count in zip(lines[header:], missing[header:], strict=True))
    return b"\n".join([*lines[:header], *padded, b""]), findings


def _cut_stray_cells(lines: list[bytes], sizes: Sequence[tuple[int, int]], path: str) -> tuple[int, list[Finding]]:
    """Return the number of columns: those of the widest row without gaps, where only a few cells lie right of it.

    Those few are cut from their lines, with a warning.
    """
    widest = max(length for length, _ in sizes)
    width = max((length for length, filled in sizes if filled >= length - 1), default=widest)
    stray = [(place, _fields(lines[place])) for place, (length, _) in enumerate(sizes) if length > width]
    count = sum(sum(map(bool, row[width:])) for _, row in stray)
    if not 0 < count <= _MAX_STRAY:
        return widest, []
    for place, row in stray:
        lines[place] = _line(row[:width])
    place, row = stray[0]
    column = next(at for at in range(width, len(row)) if row[at])
    cells = "1 cell lies" if count == 1 else f"{count} cells lie"
    message = (
        f"{cells} right of the table and {'is' if count == 1 else 'are'} left out: the first in column {column + 1}"
    )
    return width, [Finding("W_CELL_STRAY", message, path, (place + 1,), value=row[column][:60], count=count)]


def _line(fields: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue().encode()


def _fields(line: bytes) -> list[str]:
    """Return the fields of a line, whose cells hold no line break."""
    text = line.decode()
    return next(csv.reader([text]), []) if '"' in text else text.split(",") if text else []


def _check_merged(rows: Sequence[Sequence[str]], header: int, width: int, *, path: str) -> None:
    """Raise DataError for a header of merged cells: names are missing above columns with values.

    `rows` begin with the header, which is row `header` of the sheet.
    """
    names, below = [*rows[0], *[""] * (width - len(rows[0]))], rows[1:]
    lacking = [
        place for place in range(width) if not names[place] and any(place < len(row) and row[place] for row in below)
    ]
    if not lacking or not below:
        return
    words = f"row {header + 1} has no name above column {lacking[0] + 1}"
    fix = "write a name into each cell of the header, without merged cells"
    if all(cell and not cell[0].isdigit() for cell in below[0]) and len(below[0]) == width:
        fix = fix_of_two_headers(below[0], line=header + 1)
    raise DataError(f"{quoted_path(path)}: {words}: its cells may be merged", hint=fix, code="E_DATA_MERGED")


def _needs_too_much(path: str) -> DataError:
    message = f"{quoted_path(path)} needs too much memory or time to be read as a workbook"
    hint = "export the sheet as CSV; a workbook that is sound may name the size it reaches: --max-bytes 2GiB"
    return DataError(message, hint=hint, code="E_DATA_BOMB")


def _damaged(path: str) -> DataError:
    message = f"{quoted_path(path)} is a damaged or truncated workbook"
    hint = "open and save it in a spreadsheet program, or export the table as CSV"
    return DataError(message, hint=hint, code="E_DATA_DAMAGED")
