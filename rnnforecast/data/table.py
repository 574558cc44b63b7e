"""`Table`: one file as columns on demand, the same for CSV and Parquet, so that only used columns are parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from rnnforecast.data import delimited
from rnnforecast.data.source import open_source
from rnnforecast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from rnnforecast.data.source import Source
    from rnnforecast.findings import Finding

SAMPLE_ROWS = 2_000
#: Cells of a Parquet file above which it is refused: a few kilobytes can announce any number of rows.
MAX_CELLS = 4 * 10**9


@dataclass(frozen=True)
class Table:
    """One input file: names of its columns, a sample of its rows, and whole columns when they are asked for.

    Cells of the sample are text for CSV, and of the column's own type for Parquet.
    """

    source: Source
    names: tuple[str, ...]
    sample: pd.DataFrame
    _dialect: delimited.Dialect | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The path as the user wrote it."""
        return self.source.path

    @property
    def digest(self) -> str:
        """The sha256 of the file."""
        return self.source.digest

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed when the file was opened."""
        return self.source.findings

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = ()) -> pd.DataFrame:
        """Return whole columns by name: `text` ones as written, `numeric` ones as numbers or (undecided) as text."""
        if self._dialect is None:
            return _read_parquet(_open_parquet(self.source), self.path, text=text, numeric=numeric)
        place = {name: index for index, name in reversed(list(enumerate(self.names)))}
        frame = delimited.read_columns(
            self.source, self._dialect, text=[place[name] for name in text], numeric=[place[name] for name in numeric]
        )
        return frame.rename(columns={str(index): name for name, index in place.items()})

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file that rows stand on, the header being line 1; row numbers from 1 for Parquet."""
        if self._dialect is None:
            return [row + 1 for row in rows]
        return delimited.line_numbers(self.source, self._dialect, rows)


def read_table(path: str) -> Table:
    """Open a CSV or Parquet file, `-` for standard input; the content decides which of them it is.

    Raises InputError where there is no readable file, DataError where it holds no table.
    """
    source = open_source(path)
    if source.kind == "parquet":
        file = _open_parquet(source)
        names = tuple(file.schema_arrow.names)
        batches = list(file.iter_batches(batch_size=SAMPLE_ROWS, columns=_flat_columns(file)))[:1]
        if not batches or not batches[0].num_rows:
            raise DataError(f"{path} has columns but 0 data rows", hint="name a file with rows", code="E_DATA_NO_ROWS")
        return Table(source, names, _sample_of(batches[0]))
    dialect = delimited.read_dialect(source)
    delimited.check_rows(source, dialect)
    columns = range(len(dialect.names))
    sample = delimited.read_text(source, dialect, columns, num_rows=SAMPLE_ROWS)
    sample.columns = pd.Index(dialect.names)
    if sample.empty:
        message = f"{path} has a header but 0 data rows"
        raise DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")
    return Table(source, dialect.names, sample, dialect)


def _sample_of(batch: pa.RecordBatch) -> pd.DataFrame:
    """Return a batch as a frame whose columns are all columns of the file, an index among them."""
    import pyarrow as pa

    frame: pd.DataFrame = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
    return frame


def _open_parquet(source: Source) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(source.payload), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _damaged_parquet(source.path, error) from error
    cells = file.metadata.num_rows * file.metadata.num_columns
    if cells > MAX_CELLS:
        message = f"{source.path} announces {cells} cells, more than {MAX_CELLS} are not read"
        raise DataError(message, hint="split the file, or keep only the columns that are used", code="E_DATA_SIZE")
    return file


def _damaged_parquet(path: str, error: Exception) -> DataError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is a damaged Parquet file: {words}", hint="write the file again", code="E_DATA_DAMAGED")


def _flat_columns(file: pq.ParquetFile) -> list[str]:
    """Return the columns that hold one plain value a row; nested ones cannot be used."""
    import pyarrow as pa

    return [
        name
        for name, kind in zip(file.schema_arrow.names, file.schema_arrow.types, strict=True)
        if not pa.types.is_nested(kind)
    ]


def _read_parquet(file: pq.ParquetFile, path: str, *, text: Sequence[str], numeric: Sequence[str]) -> pd.DataFrame:
    """Return columns of a Parquet file: stamps as datetime64, ids as text, "" where a text is null."""
    import pyarrow as pa

    try:
        table = file.read(columns=[*text, *numeric])
        table.validate(full=True)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, strings_to_categorical=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
        raise _damaged_parquet(path, error) from error
    return pd.DataFrame({name: _as_text(frame[name]) if name in text else _as_numeric(frame[name]) for name in frame})


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return ids and text stamps as text; stamps and whole numbers of a time column keep their type."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if column.dtype.kind in "Miu" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return column
    return column.where(column.notna(), "").astype(str).astype(object)


def _as_numeric(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers and truth values as float64, anything else as it is."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if column.dtype.kind in "iufb":
        return cast("pd.Series[Any]", column.astype(np.float64))
    if column.map(lambda cell: cell is None or not isinstance(cell, str)).all():
        return cast("pd.Series[Any]", pd.to_numeric(column.astype(object), errors="coerce").astype(np.float64))
    return column.where(column.notna(), "").astype(object)
