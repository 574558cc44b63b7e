"""Parquet as columns, read row group by row group into arrays of their final size; its promises are checked first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.errors import quoted_path, refusal
from rnnforecast.data.files.local import free_memory, in_words
from rnnforecast.data.tables.csv_reader import sample_note
from rnnforecast.data.tables.parquet_limits import BATCH_BYTES, Scales
from rnnforecast.data.tables.sandbox import survives
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from rnnforecast.arrays import Float64Array
    from rnnforecast.data.sources import Source

#: Cells of a Parquet file above which it is refused: a few kilobytes can announce any number of rows.
MAX_CELLS = 4 * 10**9
#: Bytes in memory for one byte of the file above which a child process tries the file first.
PROBE_RATIO = 500
_PROBE_BYTES = 2**26
_BATCH_ROWS = 2**18
#: Rows in one batch up to which the size of a dictionary bounds its texts well enough.
_WEIGHED_ROWS = 2_000
_BYTES_PER_CELL = 8
_EXACT_DIGITS = 15


def open_parquet(source: Source) -> pq.ParquetFile:
    """Return an opened Parquet file whose metadata promise nothing absurd. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            pa.BufferReader(source.payload),
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",
            thrift_string_size_limit=max(len(source.payload), 2**20),
            thrift_container_size_limit=2**20,
        )
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _damaged(source.path, error) from error
    counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    if sum(counts) != file.metadata.num_rows or min(counts, default=0) < 0:
        words = f"it announces {file.metadata.num_rows} rows, its row groups {sum(counts)}"
        raise _damaged(source.path, ValueError(words))
    cells = file.metadata.num_rows * file.metadata.num_columns
    if cells > MAX_CELLS and not source.is_trusted:
        message = f"{quoted_path(source.path)} announces {cells} cells, more than {MAX_CELLS} are not read"
        hint = "split the file, keep only the columns that are used, or say how large it may be: --max-bytes 64GiB"
        raise DataError(message, hint=hint, code="E_DATA_SIZE")
    return file


def sample_of(columns: ParquetColumns, *, num_rows: int) -> pd.DataFrame:
    """Return the first rows of the columns that hold one plain value a row. Raises DataError where there is no row.

    Columns that would become far more than they are in the file are left out, as those of no plain values.
    """
    import pyarrow as pa

    file, path = columns.file, columns.path
    if not file.metadata.num_rows:
        message = f"{quoted_path(path)} has columns but 0 data rows"
        raise DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")
    flat = [known.name for known in file.schema_arrow if unusable(known) is None]
    try:
        flat, num_rows = columns.scales.of_sample(flat, num_rows)
        batch = next(file.iter_batches(batch_size=num_rows, columns=flat, use_threads=False))
        batch.validate(full=True)
        frame: pd.DataFrame = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, StopIteration, MemoryError) as error:
        raise _damaged(path, error) from error
    return frame


def unusable(known: pa.Field) -> str | None:
    """Return why a column cannot be used, in words, None where it can."""
    import pyarrow as pa

    if pa.types.is_nested(known.type):
        return f"lists or structures ({known.type})"
    if isinstance(known.type, pa.BaseExtensionType) or b"ARROW:extension:name" in (known.metadata or {}):
        label = (known.metadata or {}).get(b"ARROW:extension:name", b"").decode(errors="replace")
        return f"an extension type ({label or known.type})"
    if pa.types.is_binary(known.type) or pa.types.is_large_binary(known.type):
        return "bytes"
    return None


class ParquetColumns:
    """The columns of one Parquet file."""

    def __init__(self, source: Source, *, sample: int | None = None) -> None:
        self.path = source.path
        self.source = source
        self.file = open_parquet(source)
        self.scales = Scales(self.file, source)
        self.fields = {known.name: known for known in reversed(list(self.file.schema_arrow))}
        self.names = tuple(known.name for known in self.file.schema_arrow)
        self.num_rows = min(self.file.metadata.num_rows, sample or self.file.metadata.num_rows)
        self.num_left_out = self.file.metadata.num_rows - self.num_rows
        self.findings: list[Finding] = []
        if self.num_left_out:
            self.findings.append(sample_note(self.path, self.num_rows, self.num_left_out))

    def read(self, *, text: Sequence[str], numeric: Sequence[str], time: Sequence[str] = ()) -> pd.DataFrame:
        """Return columns by name: text categorical, "" where it is null; numbers float64, or text as it stands there.

        Timestamps keep their type. Raises DataError for damage and for columns that hold no plain values.
        """
        import pyarrow as pa

        names = list(dict.fromkeys([*time, *text, *numeric]))
        self._check_columns(names)
        self._check_size(names)
        kinds = dict.fromkeys(numeric, "numeric") | dict.fromkeys(text, "text") | dict.fromkeys(time, "time")
        num_rows = self.num_rows
        columns = {name: _Column(name, kinds[name], self.fields[name].type, num_rows) for name in names}
        try:
            start = 0
            for batch in self._batches(names):
                batch.validate(full=True)
                if start + batch.num_rows > num_rows:
                    raise pa.ArrowInvalid("there are more rows than announced")
                for name, column in columns.items():
                    column.add(batch.column(batch.schema.get_field_index(name)), start)
                start += batch.num_rows
            if start != num_rows:
                raise pa.ArrowInvalid(f"{start} rows where {num_rows} are announced")
            frame = pd.DataFrame({name: column.finish() for name, column in columns.items()}, copy=False)
        except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError, MemoryError) as error:
            raise _damaged(self.path, error) from error
        for name, column in columns.items():
            if column.num_lost:
                message = f"column `{name}` holds numbers whose last digits are lost"
                count = column.num_lost
                self.findings.append(Finding("W_VALUE_DIGITS", message, self.path, column=name, count=count))
        return frame

    def release(self) -> None:
        """Let go of the bytes of the file: its rows are numbers, which are known without them."""
        self.file.close()
        self.source = self.source.with_payload(b"")

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        longest = sum(self.scales.of_all(name, _WEIGHED_ROWS).longest for name in names)
        batch_rows = max(min(_BATCH_ROWS, BATCH_BYTES // max(longest, 1)), 1)
        position = 0
        for group in range(self.file.metadata.num_row_groups):
            before, position = position, position + self.file.metadata.row_group(group).num_rows
            if position <= self.num_left_out:
                continue  # not even looked at
            skip = max(self.num_left_out - before, 0)
            for batch in self.file.iter_batches(batch_size=batch_rows, row_groups=[group], columns=list(names)):
                yield batch.slice(min(skip, batch.num_rows))
                skip = max(skip - batch.num_rows, 0)

    def _check_columns(self, names: Sequence[str]) -> None:
        problems = self.problems_of(names)
        if problems:
            raise refusal(problems)

    def problems_of(self, names: Sequence[str]) -> list[Finding]:
        """Return the refusals of columns that hold no plain values, or far more of them than the file has bytes."""
        reasons = {name: unusable(self.fields[name]) for name in names if name in self.fields}
        fix = "write it as a column of numbers, timestamps or text, or use another column"
        return [
            Finding(
                "E_COLUMN_TYPE",
                f"column `{name}` holds {why}, not plain values",
                self.path,
                column=name,
                fix=fix,
            )
            for name, why in reasons.items()
            if why is not None
        ] + [self._too_heavy(name) for name, why in reasons.items() if why is None and self._problem_of(name)]

    def _problem_of(self, name: str) -> str | None:
        """Return why a column would become too much in memory, None where it would not. Raises DataError for damage."""
        import pyarrow as pa

        try:
            return self.scales.of_all(name, _WEIGHED_ROWS).problem
        except (pa.ArrowException, OSError, ValueError, StopIteration, MemoryError) as error:
            raise _damaged(self.path, error) from error

    def _too_heavy(self, name: str) -> Finding:
        message = f"column `{name}` holds {self._problem_of(name)}"
        fix = "write the column without it, or, if it is right, say how large the file may become: --max-bytes 20GiB"
        return Finding("E_DATA_BOMB", message, self.path, column=name, count=1, fix=fix)

    def _check_size(self, names: Sequence[str]) -> None:
        """Raise DataError where the columns would not fit into memory, or a child process does not survive them."""
        wanted = self.num_rows * _BYTES_PER_CELL * (2 * len(names) + 8)  # the grid needs as much again, and its sorting
        free = free_memory()
        if free is not None and wanted > free:
            fitting = int(self.num_rows * 0.5 * free / wanted)
            raise DataError(
                f"{quoted_path(self.path)} has {self.num_rows} rows: reading {len(names)} columns needs about "
                f"{in_words(wanted)} of memory, {in_words(free)} are free",
                hint=f"read a part of it: --sample {fitting}",
                code="E_DATA_MEMORY",
            )
        size = len(self.source.payload)
        if wanted > _PROBE_BYTES and wanted > PROBE_RATIO * size and not self.source.is_trusted:
            problem = survives(self.source.payload, list(names), memory=4 * wanted + 2**30)
            if problem is not None:
                raise _damaged(self.path, ValueError(problem))


class _Column:
    """One column while its batches arrive."""

    def __init__(self, name: str, kind: str, type_: pa.DataType, num_rows: int) -> None:
        import pyarrow as pa

        self.name, self.num_lost = name, 0
        value_type = type_.value_type if pa.types.is_dictionary(type_) else type_
        is_text = _is_text(value_type)
        self.kind = "text" if kind == "numeric" and is_text else kind
        self.is_native_time = kind == "time" and not is_text
        self.chunks: list[pa.Array] = []
        self.values = np.full(num_rows, np.nan) if self.kind == "numeric" else None

    def add(self, column: pa.Array, start: int) -> None:
        """Take one batch."""
        import pyarrow as pa

        if self.values is not None:
            self.values[start : start + len(column)] = self._as_numbers(column)
        elif self.is_native_time:
            decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            self.chunks.append(_as_timestamps(decoded))
        else:
            self.chunks.append(_as_text(column))

    def finish(self) -> pd.Series[Any] | Float64Array:
        """Return the whole column."""
        import pyarrow as pa

        if self.values is not None:
            return self.values
        whole = pa.chunked_array(self.chunks)
        if self.is_native_time:
            native: pd.Series[Any] = whole.to_pandas()
            return native
        series: pd.Series[Any] = whole.unify_dictionaries().to_pandas()
        return series.astype(object) if self.kind == "time" else series

    def _as_numbers(self, column: pa.Array) -> Float64Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_null(column.type):
            return np.full(len(column), np.nan)
        numbers = column.cast(pa.float64(), safe=False)
        is_wide = pa.types.is_decimal(column.type) and column.type.precision > _EXACT_DIGITS
        if is_wide or column.type in (pa.int64(), pa.uint64()):
            large = pc.fill_null(pc.greater(pc.abs(numbers), 2.0**53 if not is_wide else 0.0), False)
            if pc.any(large).as_py():
                exact = column.filter(large).to_pylist()
                near = numbers.filter(large).to_pylist()
                self.num_lost += sum(_is_lost(one, other) for one, other in zip(exact, near, strict=True))
        values: Float64Array = numbers.to_numpy(zero_copy_only=False)
        return values


def _is_lost(exact: Any, near: float) -> bool:
    """Whether a whole number or a decimal is another one than the float64 nearest to it, as people write both."""
    return exact != int(near) if isinstance(exact, int) else float(repr(near)) != near or f"{exact:f}" != _written(near)


def _written(number: float) -> str:
    from decimal import Decimal

    return f"{Decimal(repr(number)):f}"


def _is_text(type_: pa.DataType) -> bool:
    import pyarrow as pa

    names = ("string", "large_string", "string_view")
    return str(type_) in names or pa.types.is_string(type_)


def _as_text(column: pa.Array) -> pa.Array:
    """Return a batch as text under a dictionary, "" where it is null; truth values and floats as Python writes them."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        if pa.types.is_integer(column.type):
            column = column.cast(pa.string())
        else:
            cells = column.to_pandas()
            column = pa.array(
                [None if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)],
                type=pa.string(),
            )
    return column.cast(pa.string()).fill_null("").dictionary_encode()


def _as_timestamps(column: pa.Array) -> pa.Array:
    """Return a batch of timestamps or whole numbers as it is, dates as timestamps, anything else as text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    if pa.types.is_integer(kind) and not column.null_count:
        return column.cast(pa.int64())
    return _as_text(column).dictionary_decode()


def _damaged(path: str, error: BaseException) -> DataError:
    words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    message = f"{quoted_path(path)} is a damaged Parquet file: {words}"
    return DataError(message, hint="write the file again", code="E_DATA_DAMAGED")
