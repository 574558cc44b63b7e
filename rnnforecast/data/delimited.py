"""Delimited text: which delimiter, which header, which rows are whole, and columns parsed fast.

Columns are known by position inside; rows of the frame are found again in the file by `line_numbers`.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.data.refusals import quoted, refusal, rows_in_words
from rnnforecast.data.source import text_of
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]

    from rnnforecast.data.source import Source

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_ROWS = 50
#: What an empty number may look like.
MISSING_TOKENS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "-", "<NA>", "#N/A")
_LOOKS_LIKE_DATA = re.compile(
    r"[-+]?[\d.,]+(e[-+]?\d+)?|\d{4}-\d\d?-\d\d?.*|\d\d?[/.]\d\d?[/.]\d{2,4}.*", re.IGNORECASE
)


@dataclass(frozen=True)
class Dialect:
    """How the text of one file is laid out."""

    delimiter: str
    names: tuple[str, ...]
    skipped_lines: int  # lines up to and including the header


def read_dialect(source: Source) -> Dialect:
    """Return delimiter and column names; raises DataError where there is no header or no row."""
    with text_of(source) as stream:
        lines = list(islice(stream, SNIFFED_ROWS * 4))
    skipped, told = 0, None
    while lines and (not lines[0].strip() or lines[0].lower().startswith("sep=")):
        line = lines.pop(0).rstrip("\r\n")
        skipped += 1
        if line.lower().startswith("sep=") and line[4:] in DELIMITERS:
            told = line[4:]
    delimiter = told or _sniff(source.path, lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows = [row for row in islice(reader, SNIFFED_ROWS) if row]
    header, header_lines = rows[0], _header_lines(lines, delimiter)
    if len(rows) == 1:
        message = f"{source.path} has a header but 0 data rows"
        raise DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")
    if header[0].startswith("#") and len(rows[1]) > len(header):
        raise DataError(
            f"{source.path}, row {skipped + 1} is a comment, {quoted(delimiter.join(header))}, not a header",
            hint=f"remove the comments: grep -v '^#' {source.path} > rows.csv",
            code="E_DATA_COMMENT",
        )
    if all(_LOOKS_LIKE_DATA.fullmatch(cell.strip()) for cell in header):
        raise DataError(
            f"{source.path} has no header: row {skipped + 1} is {quoted(delimiter.join(header))}",
            hint="add a first line with the names of the columns",
            code="E_DATA_HEADER",
        )
    return Dialect(delimiter, column_names(header), skipped + header_lines)


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Return header cells as names: blanks around them cut, an empty one called `Unnamed: POSITION`."""
    cleaned = [cell.replace("\u00a0", " ").replace("\u200b", "").replace("\ufeff", "").strip() for cell in header]
    return tuple(name or f"Unnamed: {position}" for position, name in enumerate(cleaned))


def _header_lines(lines: list[str], delimiter: str) -> int:
    reader = csv.reader(lines, delimiter=delimiter)
    next(reader)
    return reader.line_num


def _sniff(path: str, lines: list[str]) -> str:
    """Return the delimiter that cuts header and rows into equally many cells, more than one."""
    fits: dict[str, int] = {}
    for delimiter in DELIMITERS:
        counts = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), SNIFFED_ROWS) if row]
        same = sum(abs(count - counts[0]) <= 1 for count in counts[1:])
        if counts[0] > 1 and same >= 0.8 * (len(counts) - 1):
            fits[delimiter] = counts[0]
    if not fits:
        return ","
    best = [delimiter for delimiter in fits if fits[delimiter] == max(fits.values())]
    if len(best) > 1:
        raise DataError(
            f"{path}: {' and '.join(quoted(delimiter) for delimiter in best)} cut the rows equally well",
            hint="write the file with one delimiter, or put `sep=;` (or another) in a first line of its own",
            code="E_DATA_DELIMITER",
        )
    return best[0]


def check_rows(source: Source, dialect: Dialect) -> None:
    """Raise DataError for rows with too many or too few cells, and for a quote that never closes."""
    cells = _cells_of_lines(source, dialect)
    if cells is not None and bool(((cells == len(dialect.names)) | (cells == 0)).all()):
        return
    ragged: list[tuple[int, int]] = []
    line = dialect.skipped_lines + 1
    try:
        for line, row in records(source, dialect):
            if len(row) != len(dialect.names) and not _only_trailing(row, dialect):
                ragged.append((line, len(row)))
    except csv.Error as error:
        message = f"the quotes after row {line} do not pair up ({error})"
        fix = "close the quote that opens there, or remove it"
        raise refusal([Finding("E_DATA_QUOTE", "refusal", message, source.path, (line,), fix=fix)]) from error
    if ragged:
        raise refusal([_ragged(source.path, dialect, ragged)])


def _cells_of_lines(source: Source, dialect: Dialect) -> IntArray | None:
    """Return the number of cells of each line after the header, 0 for a blank line; None where quotes forbid it."""
    if b'"' in source.payload:
        return None
    text = np.frombuffer(source.payload, dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    if text[-1] != ord("\n"):
        ends = np.append(ends, len(text))
    delimiters = np.searchsorted(np.flatnonzero(text == ord(dialect.delimiter)), ends)
    lengths = np.diff(ends, prepend=-1) - 1
    last = text[np.maximum(ends - 1, 0)]
    blank = (lengths == 0) | ((lengths == 1) & (last == ord("\r")))
    cells = np.diff(delimiters, prepend=0) + 1
    return np.where(blank, 0, cells)[dialect.skipped_lines :]


def _only_trailing(row: list[str], dialect: Dialect) -> bool:
    """Whether a row differs from the header by empty cells behind the last column only."""
    return len(row) > len(dialect.names) and not any(cell.strip() for cell in row[len(dialect.names) :])


def _ragged(path: str, dialect: Dialect, ragged: list[tuple[int, int]]) -> Finding:
    rows = tuple(line for line, _ in ragged[:MAX_LISTED_ROWS])
    cells = ragged[0][1]
    message = (
        f"{rows_in_words(rows, len(ragged))}: {cells} cells where the header has {len(dialect.names)} columns "
        f"(delimiter {quoted(dialect.delimiter)})"
    )
    fix = "correct these rows (a comma inside a number needs quotes); a cut last row: the file was still being written"
    return Finding("E_DATA_RAGGED", "refusal", message, path, rows, value=str(cells), count=len(ragged), fix=fix)


def records(source: Source, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield each data row with the line it starts on, as an editor counts lines.

    Blank lines are passed over, as the fast parser does, unless the file has one column: there they are rows.
    """
    with text_of(source) as stream:
        for _ in range(dialect.skipped_lines):
            next(stream)
        reader = csv.reader(stream, delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
        before = 0
        for row in reader:
            line, before = before + 1, reader.line_num
            if len(row) > 1 or (row and row[0].strip()) or len(dialect.names) == 1:
                yield dialect.skipped_lines + line, row or [""]


def line_numbers(source: Source, dialect: Dialect, rows: Sequence[int]) -> list[int]:
    """Return the file lines of frame rows."""
    cells = _cells_of_lines(source, dialect)
    if cells is not None:
        lines = np.arange(len(cells)) if len(dialect.names) == 1 else np.flatnonzero(cells)
        return [int(lines[row]) + dialect.skipped_lines + 1 for row in rows]
    wanted = set(rows)
    found: dict[int, int] = {}
    for number, (line, _) in enumerate(islice(records(source, dialect), max(wanted, default=-1) + 1)):
        if number in wanted:
            found[number] = line
    return [found[row] for row in rows]


def read_text(source: Source, dialect: Dialect, columns: Sequence[int], *, num_rows: int | None = None) -> pd.DataFrame:
    """Return columns (by position) as text, "" where a cell is empty; ids like `007` and `NA` survive."""
    return _parse(source, dialect, columns, text=columns, num_rows=num_rows)


def read_columns(source: Source, dialect: Dialect, *, text: Sequence[int], numeric: Sequence[int]) -> pd.DataFrame:
    """Return text columns as text and numeric ones as the fast parser reads them: object where it could not."""
    return _parse(source, dialect, [*text, *numeric], text=text, num_rows=None)


def _parse(
    source: Source, dialect: Dialect, columns: Sequence[int], *, text: Sequence[int], num_rows: int | None
) -> pd.DataFrame:
    """Return columns under their position, such as "3"."""
    used = [str(place) for place in sorted(set(columns))]
    as_text = {str(place) for place in text}
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(source.payload.rstrip()),
            sep=dialect.delimiter,
            header=None,
            names=[str(place) for place in range(len(dialect.names))],
            index_col=False,
            usecols=used,
            skiprows=dialect.skipped_lines,
            nrows=num_rows,
            dtype=dict.fromkeys(as_text, str),
            keep_default_na=False,
            na_values={name: list(MISSING_TOKENS) for name in used if name not in as_text},
            skip_blank_lines=len(dialect.names) > 1,
            skipinitialspace=True,
            float_precision="round_trip",
            low_memory=False,
            encoding="utf-8",
        )
    except pd.errors.ParserError as error:
        raise DataError(f"{source.path} cannot be read as a table: {error}", code="E_DATA_RAGGED") from error
    return frame
