"""Between tables in memory and the values that libraries of databases take and give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rnnforecast.data.databases.session import Cells, Kind, Row

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Whole numbers up to this one are exact as float64.
_EXACT = 2**53


def cells_of(frame: pd.DataFrame) -> Cells:
    """Return the columns of a table as plain Python values with their kinds."""
    kinds = tuple(_kind(frame[name]) for name in frame.columns)
    values = tuple(_plain(frame[name], kind) for name, kind in zip(frame.columns, kinds, strict=True))
    return Cells(tuple(map(str, frame.columns)), kinds, values)


def _kind(column: pd.Series[Any]) -> Kind:
    if column.dtype.kind == "M":
        return "timestamp" if getattr(column.dtype, "tz", None) is None else "zoned"
    if column.dtype.kind in "iu":
        return "integer"
    return "number" if column.dtype.kind == "f" else "text"


def _plain(column: pd.Series[Any], kind: Kind) -> Sequence[Any]:
    if kind in ("timestamp", "zoned"):
        return [timestamp.to_pydatetime() for timestamp in column]
    return [str(value) for value in column] if kind == "text" else column.tolist()


def batches_of(names: Sequence[str], chunks: Iterable[Sequence[Row]]) -> Iterator[pa.RecordBatch]:
    """Yield rows of Python values as record batches, each column in the narrowest type that holds its values."""
    import pyarrow as pa

    empty = True
    for rows in chunks:
        empty = False
        yield pa.RecordBatch.from_arrays([array_of(column) for column in zip(*rows, strict=True)], names=list(names))
    if empty:
        yield pa.RecordBatch.from_arrays([pa.nulls(0) for _ in names], names=list(names))


def array_of(values: Sequence[Any]) -> pa.Array:
    """Return values of one column as an Arrow array; text where no narrower type holds all of them exactly."""
    import pyarrow as pa

    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if kinds <= {int, float, Decimal} and all(map(_is_exact, values)):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {datetime}:
        zoned = any(value is not None and value.tzinfo is not None for value in values)
        return pa.array(
            [value if value is None or not zoned else value.astimezone(UTC) for value in values],
            pa.timestamp("us", tz="UTC" if zoned else None),
        )
    if kinds == {date}:
        return pa.array(values, pa.date32())
    if kinds <= {bytes, memoryview, bytearray}:
        return pa.array([None if value is None else bytes(value) for value in values], pa.binary())
    return pa.array([None if value is None else written(value) for value in values], pa.string())


def _is_exact(value: Any) -> bool:
    """Whether float64 holds a number exactly, in decimal digits where it is one."""
    if isinstance(value, int):
        return abs(value) <= _EXACT
    if isinstance(value, Decimal) and value.is_finite():
        return Decimal(repr(float(value))) == value
    return True


def written(value: Any) -> str:
    """Return a value as text: a decimal with all its digits, never in powers of ten."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def joined(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return batches one below the other; a column whose batches differ in type has the one that holds all."""
    import pyarrow as pa

    names = batches[0].schema.names
    columns = []
    for place in range(len(names)):
        arrays = [batch.column(place) for batch in batches]
        kinds = {array.type for array in arrays if not pa.types.is_null(array.type)}
        if len(kinds) > 1:
            numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
            if not (numbers and all(map(_is_exact, _integers(arrays)))):
                columns.append(pa.chunked_array([_as_text(array) for array in arrays], pa.string()))
                continue
            kinds = {pa.float64()}
        kind = next(iter(kinds), pa.null())
        columns.append(pa.chunked_array([array.cast(kind) for array in arrays], kind))
    return pa.Table.from_arrays(columns, names=names)


def _integers(arrays: Sequence[pa.Array]) -> Iterator[int]:
    import pyarrow as pa

    for array in arrays:
        if pa.types.is_integer(array.type):
            yield from (value for value in array.to_pylist() if value is not None)


def _as_text(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if value is None else written(value) for value in array.to_pylist()], pa.string())
