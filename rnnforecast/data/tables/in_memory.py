"""Tables in memory as inputs: a pandas DataFrame, or another table that Arrow reads, where a path may stand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from rnnforecast.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Data: TypeAlias = "str | Path | pd.DataFrame | Sequence[str | Path | pd.DataFrame]"

#: What messages and stored models call a table in memory.
IN_MEMORY = "<DataFrame>"


class InMemory(str):
    """The name of a table in memory, with its rows as a Parquet file; it passes wherever a path does.

    Text made of it (`str`) is the name alone.
    """

    __slots__ = ("payload",)
    payload: bytes

    @classmethod
    def of(cls, table: Any) -> Self:
        """Copy a table. Raises DataError for columns without one type, or with one name."""
        import pandas as pd
        import pyarrow as pa

        if isinstance(table, pd.Series):
            table = table.to_frame("value" if table.name is None else table.name)
        try:
            rows = _rows_of(table) if isinstance(table, pd.DataFrame) else pa.table(table)
        except (pa.ArrowException, TypeError, ValueError) as error:
            message = f"`{IN_MEMORY}` cannot be read: {'; '.join(map(str, error.args))}"
            hint = "give each column a name and one type, such as `frame.astype({'column': 'float64'})`"
            raise DataError(message, hint=hint, code="E_DATA_FORMAT") from error
        named = cls(IN_MEMORY)
        named.payload = as_parquet(rows.replace_schema_metadata(None))
        return named

    @property
    def digest(self) -> str:
        """The sha256 of the rows."""
        return hashlib.sha256(self.payload).hexdigest()


def inputs_of(data: Data | None) -> tuple[str, ...]:
    """Return paths and at most one table in memory as a tuple of paths. Raises UsageError for all else, DataError."""
    items = () if data is None else tuple(data) if isinstance(data, list | tuple) else (data,)
    inputs = tuple(item if isinstance(item, str) else _named(item) for item in items)
    if sum(isinstance(item, InMemory) for item in inputs) > 1:
        hint = "make them one with `pandas.concat`, with a column that identifies the series"
        raise UsageError("`data` has several tables in memory, at most one is read", hint=hint, code="E_RUN_CONFIG")
    return inputs


def as_parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file, as large as its rows, so that it does not look like a bomb."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream: Any = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="none", use_dictionary=False)
    payload: bytes = stream.getvalue().to_pybytes()
    return payload


def _named(item: object) -> str:
    if isinstance(item, Path):
        return str(item)
    import pandas as pd

    if not isinstance(item, pd.DataFrame | pd.Series) and not hasattr(item, "__arrow_c_stream__"):
        message = f"`data` is of type {type(item).__name__}, which is neither a path nor a table"
        hint = "give paths of files, such as `['prices.csv']`, or a pandas DataFrame"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    return InMemory.of(item)


def _rows_of(frame: pd.DataFrame) -> pa.Table:
    """Return a frame with its index as columns where that has names or timestamps; other indexes number the rows."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame.columns, pd.MultiIndex):
        raise ValueError("its columns have names of several levels")
    index = frame.index
    if any(name is not None for name in index.names) or isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        frame = frame.reset_index(names=None if index.nlevels > 1 else [index.name or "timestamp"])
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if frame.columns.has_duplicates:
        raise ValueError(f"two columns are named `{frame.columns[frame.columns.duplicated()][0]}`")
    for name in frame:
        if isinstance(frame[name].dtype, pd.PeriodDtype):
            frame = frame.assign(**{str(name): frame[name].dt.to_timestamp()})
    return pa.Table.from_pandas(frame, preserve_index=False)
