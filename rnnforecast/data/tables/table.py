"""`Table`: one file as columns on demand, the same for CSV and Parquet, so that only used columns are parsed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.databases.address import is_database
from rnnforecast.data.errors import quoted_path, refusal, rows_in_words
from rnnforecast.data.sources import Source, open_database, open_source, stem_of
from rnnforecast.data.tables.csv_reader import SAMPLE_ROWS, Sheet, open_sheet
from rnnforecast.data.tables.parquet_reader import ParquetColumns, sample_of
from rnnforecast.data.values.number_formats import cleaned, doubtful_point
from rnnforecast.data.values.numbers import EXACT, LARGEST_INTEGER
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Table:
    """One input file: names of its columns, a sample of its rows, and whole columns when they are asked for.

    Cells of the sample are text for CSV, and of the column's own type for Parquet.
    """

    path: str
    digest: str  # sha256 of the file
    names: tuple[str, ...]
    sample: pd.DataFrame
    _columns: Sheet | ParquetColumns
    _opening: tuple[Finding, ...] = ()

    @property
    def stem(self) -> str:
        """The file's name without folder and endings."""
        return stem_of(self.path)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed when the file was opened, and so far when it was read."""
        return (*self._opening, *self._columns.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The refusals of rows that were found while columns were read; the rows themselves were left out."""
        return tuple(self._columns.problems) if isinstance(self._columns, Sheet) else ()

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return whole columns by name: ids as written, timestamps in the plainest type, numbers or (undecided) as text."""
        if isinstance(self._columns, ParquetColumns):
            return self._columns.read(text=text, numeric=numeric, time=time)
        place = {name: index for index, name in reversed(list(enumerate(self.names)))}
        frame = self._columns.read(
            text=[place[name] for name in text],
            numeric=[place[name] for name in numeric],
            time=[place[name] for name in time],
        )
        for name in numeric:
            if _may_lose_digits(frame[str(place[name])]):
                exact = self._columns.read(text=[place[name]], numeric=[])
                frame[str(place[name])] = exact[str(place[name])]
        names = dict.fromkeys([*time, *text, *numeric])
        return pd.DataFrame({name: frame[str(place[name])] for name in names}, copy=False)

    def release(self) -> None:
        """Let go of the bytes of the file where its rows can be named without them; no column can be read any more."""
        self._columns.release()

    def problems_of(self, names: Sequence[str]) -> list[Finding]:
        """Return the refusals of columns that could play no part: only those of Parquet can be of such types."""
        return self._columns.problems_of(names) if isinstance(self._columns, ParquetColumns) else []

    def doubts_of(self, names: Sequence[str], settings: DataSettings) -> list[Finding]:
        """Return the refusals of columns of numbers whose points have two readings, by the sample.

        Who parts cells by `;` has often taken the comma for decimals, and the point for thousands.
        """
        if not isinstance(self._columns, Sheet) or self._columns.dialect.delimiter != ";":
            return []
        if settings.decimal is not None or settings.thousands is not None:
            return []
        doubts = ((name, doubtful_point(cleaned(text) for text in self.sample[name])) for name in names)
        return [self._doubt(name, *found) for name, found in doubts if found is not None]

    def _doubt(self, name: str, pointed: str, whole: str) -> Finding:
        row = [cleaned(text) for text in self.sample[name]].index(pointed)
        plain = pointed.replace(".", "")
        lines = tuple(self.lines_of([row]))
        message = (
            f"column `{name}`, {rows_in_words(lines, 1)}: `{pointed}` may mean {plain} or {pointed}: cells are parted "
            f"by `;`, and beside it stands `{whole}`"
        )
        fix = f"say which: --thousands . reads {plain}, --decimal . reads {pointed}"
        return Finding("E_VALUE_TEXT", message, self.path, lines, name, pointed, 1, fix)

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file that rows stand on, the header being line 1; row numbers from 1 for Parquet."""
        if isinstance(self._columns, ParquetColumns):
            return [row + 1 + self._columns.num_left_out for row in rows]
        return self._columns.lines_of(rows)


def _may_lose_digits(column: pd.Series[Any]) -> bool:
    """Whether a column holds whole numbers so large that only their text tells whether a digit is lost."""
    if column.dtype != np.float64:
        return False
    values = column.to_numpy()
    if max(np.fmax.reduce(values, initial=0.0), -np.fmin.reduce(values, initial=0.0)) < EXACT:
        return False  # nearly every column, without a copy of it
    size = np.abs(values)
    return bool(((size >= EXACT) & (size <= LARGEST_INTEGER)).any())


def read_table(path: str, settings: DataSettings | None = None) -> Table:
    """Open a CSV or Parquet file, `-` for standard input, or a database; the content of a file decides which it is.

    Raises InputError where there is no readable file, DataError where it holds no table.
    """
    settings = settings or DataSettings()
    source = _open(path, settings)
    if source.kind == "parquet":
        columns = ParquetColumns(source, sample=settings.sample)
        sample = sample_of(columns, num_rows=SAMPLE_ROWS)
        return Table(source.path, source.digest, columns.names, sample, columns, source.findings)
    sheet = open_sheet(source, settings)
    sample = sheet.sample()
    if sample.empty:
        sheet.read(text=[0], numeric=[])  # the rows may all be of another width
        if sheet.problems:
            raise refusal(sheet.problems)
        sample = sheet.sample()
    if sample.empty:
        message = f"{quoted_path(source.path)} has a header but 0 data rows"
        raise DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")
    return Table(source.path, source.digest, sheet.names, sample, sheet, source.findings)


def _open(path: str, settings: DataSettings) -> Source:
    if is_database(path):
        return open_database(path, settings)
    source = open_source(path, encoding=settings.encoding, max_bytes=settings.max_bytes)
    if settings.query is None:
        return source
    message = f"{quoted_path(source.path)} is a file and was read whole: the query is for databases"
    return replace(source, findings=(*source.findings, Finding("N_INPUT_QUERY", message, source.path)))


def release_unused() -> None:
    """Give back to the system what pyarrow keeps of the memory it had: more than the series that were read from it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
