"""The formats of tables: how a file is identified, and which module reads it.

To add a format, write a module with `open_columns(source, settings) -> ColumnSource` and add its entry to `FORMATS`.
The module is imported when the first file of the format is opened, so it may import large packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rnnforecast.data.errors import quoted_path
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass

if TYPE_CHECKING:
    import pandas as pd


#: Rows of a sample, at most.
SAMPLE_ROWS = 2_000


class ColumnSource(Protocol):
    """The columns of one file."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""

    @property
    def findings(self) -> Sequence[Finding]:
        """Notes and warnings so far."""

    @property
    def problems(self) -> Sequence[Finding]:
        """Errors of rows, found while columns were read; the rows were left out."""

    def sample(self) -> pd.DataFrame:
        """Return the first rows: cells as text, or in the type of the column. Raises DataError where there is none."""

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return whole columns: text as categories ("" where empty), numbers as float64 or undecided text, timestamps."""

    def unusable(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns whose type or size cannot be read."""

    def ambiguous_numbers(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns whose numbers have two readings."""

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file on which rows of a frame stand, the header being line 1."""

    def release(self) -> None:
        """Free the bytes of the file; afterwards no column can be read."""


@dataclass(frozen=True)
class FileFormat:
    """One format: files are identified by their first bytes, or, where there is no magic, by their extension."""

    title: str
    extensions: tuple[str, ...]
    magic: bytes  # b"" for text
    reader: str  # the module that has `open_columns`


#: Text of no other format is CSV, whatever its extension.
CSV = FileFormat("CSV", (".csv", ".tsv", ".txt", ".dat"), b"", "rnnforecast.data.tables.csv_reader")
PARQUET = FileFormat("Parquet", (".parquet", ".pq"), b"PAR1", "rnnforecast.data.tables.parquet_reader")
EXCEL = FileFormat("Excel", (".xlsx",), b"PK\x03\x04", "rnnforecast.data.tables.excel_reader")
FORMATS = (PARQUET, EXCEL, CSV)
_CONTROL = b"\x03\x04"

_REJECTED = {
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"ARROW1": "an Arrow or Feather file",
    b"\x89HDF": "an HDF5 file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"\x1f\x9d": "a file compressed with `compress`",
    b"\x80\x04\x95": "a pickle, which is never opened",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
}


def extensions() -> tuple[str, ...]:
    """Return the extensions of all formats."""
    return tuple(extension for known in reversed(FORMATS) for extension in known.extensions)


def format_of(path: str, payload: bytes) -> FileFormat:
    """Return the format of a file. Raises DataError for a format that is not supported."""
    for known in FORMATS:
        if known.magic and payload.startswith(known.magic):
            return known
        if not known.magic and known is not CSV and path.lower().endswith(known.extensions):
            return known
    _check_supported(path, payload)
    return CSV


def format_named(path: str) -> FileFormat | None:
    """Return the format that a file's extension names, None where no format has it."""
    return next((known for known in FORMATS if path.lower().endswith(known.extensions)), None)


def sample_note(path: str, num_rows: int, left_out: int) -> Finding:
    """Return the note that only the last rows of a file are read."""
    message = f"--sample: the last {num_rows} rows are read, the {left_out} rows before them are left out"
    return Finding("N_DATA_SAMPLE", message, path, count=left_out)


def _check_supported(path: str, payload: bytes) -> None:
    if payload.startswith(b"PARE"):
        message = f"{quoted_path(path)} is an encrypted Parquet file"
        raise DataError(message, hint="decrypt it first; keys are never asked for", code="E_DATA_ENCRYPTED")
    if payload.startswith(b"\xd0\xcf\x11\xe0") and "EncryptedPackage".encode("utf-16-le") in payload:
        message = f"{quoted_path(path)} is an encrypted workbook"
        hint = "save it without a password in a spreadsheet program; passwords are never asked for"
        raise DataError(message, hint=hint, code="E_DATA_ENCRYPTED")
    head = payload[:64].lstrip()
    titles = ", ".join(known.title for known in reversed(FORMATS[1:])) + f" or {FORMATS[0].title}"
    kind = next((words for magic, words in _REJECTED.items() if head.startswith(magic)), None)
    if head[:1] in (b"{", b"[") and payload.rstrip()[-1:] in (b"}", b"]"):
        kind = "JSON"
    if kind is not None:
        message = f"{quoted_path(path)} is {kind}, not {titles}"
        raise DataError(message, hint=f"export the table as {titles}", code="E_DATA_FORMAT")
    named = format_named(path)
    if named is not None and named.magic and b"\0" in payload[:4096]:
        article = "an" if named.title[0] in "AEIOU" else "a"
        message = (
            f"{quoted_path(path)} is not {article} {named.title} file: "
            f"it does not begin with {named.magic.rstrip(_CONTROL).decode()}"
        )
        raise DataError(message, hint="write the file again; it may be truncated or damaged", code="E_DATA_FORMAT")
