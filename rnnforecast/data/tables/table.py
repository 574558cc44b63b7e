"""`Table`: one file as columns that are read on demand, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.databases.address import is_database
from rnnforecast.data.errors import NamesOf, quoted_path
from rnnforecast.data.sources import Source, open_database, open_source, stem_of
from rnnforecast.data.tables.formats import EXCEL, PARQUET, ColumnSource
from rnnforecast.data.tables.in_memory import IN_MEMORY, InMemory
from rnnforecast.data.tables.unpivoted import UnpivotedColumns
from rnnforecast.data.tables.wide_header import wide_header
from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class Table:
    """One input file: names of its columns, a sample of its rows, and whole columns on demand.

    Cells of the sample are text for CSV, and of the column's own type for Parquet.
    """

    path: str
    digest: str  # sha256 of the file
    sample: pd.DataFrame
    columns: ColumnSource
    _opening: tuple[Finding, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return self.columns.names

    @property
    def stem(self) -> str:
        """The file's name without folder and extensions."""
        return stem_of(self.path)

    @property
    def is_unpivoted(self) -> bool:
        """Whether timestamps of its header were made rows (`--wide`)."""
        return isinstance(self.columns, UnpivotedColumns)

    def names_of(self, name: str) -> NamesOf | None:
        """Return what finds the columns of the file that rows of a column were; None for a column of the file itself."""
        columns = self.columns
        if isinstance(columns, UnpivotedColumns) and name == columns.header.names[1]:
            return columns.names_of
        return None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Notes and warnings from opening the file, and so far from reading it."""
        return (*self._opening, *self.columns.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Errors of rows, found while columns were read; the rows were left out."""
        return tuple(self.columns.problems)

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return whole columns by name: ids as written, timestamps in the narrowest type, numbers or undecided text."""
        return self.columns.read(text=text, numeric=numeric, time=time)

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file on which rows stand, the header being line 1; row numbers from 1 for Parquet."""
        return self.columns.lines_of(rows)

    def release(self) -> None:
        """Free the bytes of the file where lines can be found without them; no column can be read afterwards."""
        self.columns.release()


def read_table(path: str, settings: DataSettings | None = None) -> Table:
    """Open a file, `-` for standard input, or a database; the content of a file decides its format.

    Raises InputError for a file that cannot be read, DataError for one without a table.
    """
    settings = settings or DataSettings()
    source = _open(path, settings)
    if settings.sheet is not None and source.format is not EXCEL:
        message = f"`--sheet` names a sheet, but {quoted_path(source.path)} is not a workbook"
        raise UsageError(message, hint="leave `--sheet` out", code="E_RUN_SHEET")
    columns: ColumnSource = import_module(source.format.reader).open_columns(source, settings)
    table = Table(source.path, source.digest, columns.sample(), columns, source.findings)
    return _as_rows(table) if settings.wide else table


def _as_rows(table: Table) -> Table:
    """Return a wide table with a row for each timestamp of its header; unchanged where the header holds none."""
    header = wide_header(table.names, table.sample)
    if header is None:
        return table
    columns = UnpivotedColumns(table.columns, header, table.path)
    return replace(table, sample=columns.sample(), columns=columns)


def _open(path: str, settings: DataSettings) -> Source:
    if isinstance(path, InMemory):
        return Source(IN_MEMORY, PARQUET, path.payload, path.digest, is_trusted=True)
    if is_database(path):
        return open_database(path, settings)
    source = open_source(path, encoding=settings.encoding, max_bytes=settings.max_bytes)
    if settings.query is None:
        return source
    message = f"{source.path} is a file and was read whole: the query is for databases"
    return replace(source, findings=(*source.findings, Finding("N_INPUT_QUERY", message, source.path)))


def release_unused() -> None:
    """Return the memory that pyarrow keeps for reuse to the system: more than the series that were read."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
