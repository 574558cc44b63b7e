"""The program that reads a workbook: a child process with limited memory and time, for workbooks may be bombs.

Run as a file, with the limits as JSON, and the workbook on standard input. It writes one line of JSON (`names` of all sheets,
the `sheet` that is read), then its rows as delimited text, a line for each. It imports the standard library and openpyxl alone.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

#: Columns of a sheet, more than Excel has; rows, as many as Excel has.
MAX_COLUMNS, MAX_ROWS = 20_000, 2**20
#: Empty rows after which a sheet has ended: formats reach down to row 1,048,576 in many. So many more are looked at.
MAX_EMPTY, MAX_LOOKED_AT = 5_000, 200_000


class GapError(Exception):
    """A row far below the others."""


def main() -> None:
    """Write the sheet, or end with what is wrong with the workbook."""
    asked = json.loads(sys.argv[1])
    with contextlib.suppress(ImportError):  # a system without such limits
        _limit(asked["memory"], asked["seconds"])
    warnings.simplefilter("ignore")
    try:
        problem = _copy(io.BytesIO(sys.stdin.buffer.read()), asked, sys.stdout.buffer)
    except MemoryError:
        problem = "memory"
    except GapError as error:
        problem = f"gap {error}"
    except Exception as error:  # of many kinds, by whatever is damaged
        problem = f"{type(error).__name__}: {error}"[:200]
    sys.stdout.flush()
    sys.exit(problem)


def _limit(memory: int, seconds: int) -> None:
    import resource

    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        hard = resource.getrlimit(kind)[1]  # a job may have less than is asked for
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (least, least))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _copy(content: BinaryIO, asked: dict[str, Any], out: BinaryIO) -> str | None:
    """Write the names of the sheets and the rows of one; returns why not all of it was written."""
    # openpyxl does without it, and its threads reserve memory for each core, which counts for the limit
    sys.modules["numpy"] = None  # type: ignore[assignment]
    import openpyxl

    workbook = openpyxl.load_workbook(content, read_only=True, data_only=True, keep_links=False)
    names = [sheet.title for sheet in workbook.worksheets]
    visible = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state == "visible"] or names
    sheet = asked["sheet"] if asked["sheet"] is not None else next(iter(visible), None)
    out.write(json.dumps({"names": names, "sheet": sheet}).encode() + b"\n")
    if sheet not in names:
        return None
    size = 0
    for row in _filled_rows(workbook[sheet]):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        size += out.write(line.getvalue().encode())
        if size > asked["most"]:
            return "size"
    return None


def _filled_rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the rows of a sheet as text up to the last filled one, without empty cells at their ends.

    Raises GapError for a row below `MAX_EMPTY` empty ones: such a sheet would be read in part.
    """
    sheet.reset_dimensions()  # what the file says about its size may be wrong
    sheet._get_row = _cells_of  # the width of a row is what the file says too
    empty = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > MAX_ROWS:
            raise ValueError("more rows than a sheet has")
        cells = list(map(_as_cell, values))
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            empty += 1
            if empty > MAX_LOOKED_AT:
                return
            continue
        if empty > MAX_EMPTY:
            raise GapError(number)
        for _ in range(empty):
            yield []
        empty = 0
        yield cells


def _cells_of(row: list[dict[str, Any]], *_: object, **__: object) -> list[object]:
    """Return the values of a row, up to the last column that counts."""
    known = {cell["column"]: cell["value"] for cell in row if 1 <= cell["column"] <= MAX_COLUMNS}
    return [known.get(column) for column in range(1, max(known, default=0) + 1)]


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


if __name__ == "__main__":
    main()
