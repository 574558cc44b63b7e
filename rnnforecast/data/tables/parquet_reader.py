"""Parquet as columns, read batch by batch into arrays of their final size; announced sizes are checked first.

Where a file announces far more than it holds, a child process with limited memory and time reads it first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rnnforecast.arrays import Float64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.errors import data_error, quoted_path
from rnnforecast.data.files.compression import check_ratio
from rnnforecast.data.files.local import free_memory, in_words, too_large
from rnnforecast.data.sources import Source
from rnnforecast.data.tables.csv_dialect import MAX_CELL_BYTES
from rnnforecast.data.tables.formats import SAMPLE_ROWS, sample_note
from rnnforecast.errors import DataError, first_line
from rnnforecast.findings import Finding

#: Cells above which a file is rejected: a few kilobytes can announce any number of rows.
MAX_CELLS = 4 * 10**9
#: Bytes in memory for one byte of the file above which a child process reads the file first.
PROBE_RATIO = 500
_PROBE_BYTES = 2**26
#: Rows that are read at once; few of texts without a dictionary, each of which may be as long as a cell.
_BATCH_ROWS, _FEW_ROWS = 2**16, 2**10
_PROBE_SECONDS = 60
_PROBE_CODE = f"""
import json, resource, sys
asked = json.loads(sys.argv[1])
for kind, limit in ((resource.RLIMIT_AS, asked["memory"]), (resource.RLIMIT_CPU, asked["seconds"])):
    hard = resource.getrlimit(kind)[1]  # a job may have less than is asked for
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import pyarrow as pa
import pyarrow.parquet as pq
file = pq.ParquetFile(pa.BufferReader(sys.stdin.buffer.read()), page_checksum_verification=True)
for batch in file.iter_batches(batch_size={_BATCH_ROWS}, columns=asked["columns"], use_threads=False):
    batch.validate(full=True)
"""
#: Cells of a sample, and columns that are decompressed at once for it.
_SAMPLE_CELLS, _SAMPLE_COLUMNS = 2**22, 64
_BYTES_PER_CELL = 8
_EXACT_DIGITS = 15
#: What pyarrow says of texts that are encoded by their lengths or shared prefixes: no dictionary can be read from them.
_NO_DICTIONARY = "DictAccumulator"
#: Raised by pyarrow for damaged files.
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError, StopIteration, MemoryError)


def open_columns(source: Source, settings: DataSettings) -> ParquetColumns:
    """Return the columns of a source. Raises DataError where it is damaged or announces too much."""
    return ParquetColumns(source, sample=settings.sample)


class ParquetColumns:
    """The columns of one Parquet file."""

    def __init__(self, source: Source, *, sample: int | None = None) -> None:
        self.source = source
        self.path = source.path
        self.file = self._open()
        self._check_metadata()
        self._unread: dict[str, DataError] = {}  # columns that the sample could not read, and why
        self.fields = {known.name: known for known in reversed(list(self.file.schema_arrow))}
        self.names = tuple(known.name for known in self.file.schema_arrow)
        self.num_rows = min(self.file.metadata.num_rows, sample or self.file.metadata.num_rows)
        self.num_left_out = self.file.metadata.num_rows - self.num_rows
        self.problems: list[Finding] = []
        self.findings: list[Finding] = []
        if self.num_left_out:
            self.findings.append(sample_note(self.path, self.num_rows, self.num_left_out))

    def _open(self, *, metadata: pq.FileMetaData | None = None, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(
                pa.BufferReader(self.source.payload),
                metadata=metadata,
                read_dictionary=list(dictionaries),
                page_checksum_verification=True,
                coerce_int96_timestamp_unit="us",
                thrift_string_size_limit=max(len(self.source.payload), 2**20),
                thrift_container_size_limit=2**20,
            )
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error

    def _check_metadata(self) -> None:
        """Raise DataError where the metadata contradict themselves or announce too many cells."""
        metadata = self.file.metadata
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if sum(counts) != metadata.num_rows or min(counts, default=0) < 0:
            words = f"it announces {metadata.num_rows} rows, its row groups {sum(counts)}"
            raise _damaged(self.path, ValueError(words))
        cells = metadata.num_rows * metadata.num_columns
        if cells > MAX_CELLS and not self.source.is_trusted:
            message = f"{quoted_path(self.path)} announces {cells} cells, more than {MAX_CELLS} are not read"
            hint = "split the file, keep only the columns that are used, or name its size: --max-bytes 64GiB"
            raise DataError(message, hint=hint, code="E_DATA_SIZE")
        size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
        if size > self.source.cap:
            raise too_large(self.path, size, self.source.cap)
        check_ratio(self.path, size, len(self.source.payload), is_asked=self.source.is_trusted)

    def sample(self) -> pd.DataFrame:
        """Return the first rows of the columns with plain values that can be read. Raises DataError without rows."""
        if not self.file.metadata.num_rows:
            message = f"{quoted_path(self.path)} has columns but 0 data rows"
            raise DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")
        names = list(dict.fromkeys(known.name for known in self.file.schema_arrow if _type_problem(known) is None))
        num_rows = max(min(SAMPLE_ROWS, _SAMPLE_CELLS // max(len(names), 1)), 20)
        chunks = [names[start : start + _SAMPLE_COLUMNS] for start in range(0, len(names), _SAMPLE_COLUMNS)]
        frames = [frame for chunk in chunks for frame in self._first_rows(chunk, num_rows)]
        for name, error in self._unread.items():
            if pa.types.is_temporal(self.fields[name].type) and not self._is_locked(name):
                raise error  # it may be the time: without it rows would be numbered in silence
        for name in filter(self._is_locked, self._unread):
            message, fix = f"column `{name}` is encrypted: it is not read", "decrypt the file to use it"
            self.findings.append(Finding("W_DATA_ENCRYPTED", message, self.path, column=name, count=1, fix=fix))
        return pd.concat(frames, axis=1) if frames else pd.DataFrame(index=range(min(num_rows, self.num_rows)))

    def _first_rows(self, names: Sequence[str], num_rows: int) -> list[pd.DataFrame]:
        """Return the first rows of columns; one that cannot be read is left out."""
        texts = self._texts(names)
        for dictionaries in [texts, []] if texts else [[]]:
            try:
                file = self._open(metadata=self.file.metadata, dictionaries=dictionaries)
                batch = next(file.iter_batches(batch_size=num_rows, columns=list(names), use_threads=False))
                batch.validate(full=True)
                frame = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
                return [frame.astype(dict.fromkeys(dictionaries, object))]
            except _DAMAGE as error:
                if dictionaries and _NO_DICTIONARY in str(error):
                    continue
                if len(names) > 1:
                    break
                self._unread[names[0]] = _damaged(self.path, error)
        return [frame for name in names for frame in self._first_rows([name], num_rows)] if len(names) > 1 else []

    def _texts(self, names: Sequence[str]) -> list[str]:
        """Return the columns to read as a dictionary: a text then takes memory once, not in each row."""
        return [name for name in names if _is_text(self.fields[name].type)]

    def _is_locked(self, name: str) -> bool:
        return name in self._unread and "decrypt" in self._unread[name].message.lower()

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return columns by name: text categorical, "" where it is null; numbers float64, or text as in the file.

        Timestamps keep their type. Raises DataError for damage and for columns without plain values.
        """
        kinds = dict.fromkeys(numeric, "numeric") | dict.fromkeys(text, "text") | dict.fromkeys(time, "time")
        problems = self.unusable([*kinds])
        if problems:
            raise data_error(problems)
        self._check_size([*kinds])
        try:
            try:
                columns = self._columns(kinds, self._texts([*kinds]))
            except OSError as error:
                if _NO_DICTIONARY not in str(error):
                    raise
                columns = self._columns(kinds, [])
            order = dict.fromkeys([*time, *text, *numeric])
            frame = pd.DataFrame({name: columns[name].finish() for name in order}, copy=False)
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error
        self._check_texts(columns)
        for name, column in columns.items():
            if column.num_lost:
                message = f"column `{name}` contains numbers whose last digits are lost"
                count = column.num_lost
                self.findings.append(Finding("W_VALUE_DIGITS", message, self.path, column=name, count=count))
        return frame

    def _columns(self, kinds: Mapping[str, str], dictionaries: Sequence[str]) -> dict[str, _Column]:
        columns = {name: _Column(name, kind, self.fields[name].type, self.num_rows) for name, kind in kinds.items()}
        start = 0
        for batch in self._batches([*kinds], dictionaries):
            batch.validate(full=True)
            if start + batch.num_rows > self.num_rows:
                raise pa.ArrowInvalid("there are more rows than announced")
            for name, column in columns.items():
                column.add(batch.column(batch.schema.get_field_index(name)), start)
            start += batch.num_rows
        if start != self.num_rows:
            raise pa.ArrowInvalid(f"{start} rows where {self.num_rows} are announced")
        return columns

    def _batches(self, names: Sequence[str], dictionaries: Sequence[str]) -> Iterator[pa.RecordBatch]:
        file = self._open(metadata=self.file.metadata, dictionaries=dictionaries)
        size = _BATCH_ROWS if len(dictionaries) == len(self._texts(names)) else _FEW_ROWS
        position = 0
        for group in range(file.metadata.num_row_groups):
            before, position = position, position + file.metadata.row_group(group).num_rows
            if position <= self.num_left_out:
                continue  # not even examined
            skip = max(self.num_left_out - before, 0)
            for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=list(names)):
                yield batch.slice(min(skip, batch.num_rows))
                skip = max(skip - batch.num_rows, 0)

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return row numbers of the file, from 1."""
        return [row + 1 + self.num_left_out for row in rows]

    def release(self) -> None:
        """Free the bytes of the file."""
        self.file.close()
        self.source = self.source.with_payload(b"")

    def ambiguous_numbers(self, names: Sequence[str]) -> list[Finding]:  # noqa: ARG002
        """Return nothing: numbers have their own type here."""
        return []

    def unusable(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns without plain values, or that cannot be read."""
        found = []
        for name in names:
            problem = _type_problem(self.fields[name]) if name in self.fields else None
            if problem is not None:
                message = f"column `{name}` contains {problem}, not plain values"
                fix = "write it as a column of numbers, timestamps or text, or use another column"
                found.append(Finding("E_COLUMN_TYPE", message, self.path, column=name, fix=fix))
            elif self._is_locked(name):
                message, fix = f"column `{name}` is encrypted", "decrypt the file first; keys are never asked for"
                found.append(Finding("E_DATA_ENCRYPTED", message, self.path, column=name, count=1, fix=fix))
            elif (error := self._unread.get(name)) is not None:
                message = f"column `{name}` cannot be read: {error.message}"
                found.append(Finding(error.code, message, self.path, column=name, count=1, fix=error.hint))
        return found

    def _check_texts(self, columns: dict[str, _Column]) -> None:
        """Raise DataError for a text longer than any cell may be."""
        found = []
        for name, column in columns.items():
            if column.longest > MAX_CELL_BYTES and not self.source.is_trusted:
                message = f"column `{name}` contains a text of {in_words(column.longest)}, more than 128KiB"
                fix = "shorten it, or, if it is right, name the size that the file may reach: --max-bytes 20GiB"
                found.append(Finding("E_DATA_BOMB", message, self.path, column=name, count=1, fix=fix))
        if found:
            raise data_error(found)

    def _check_size(self, names: Sequence[str]) -> None:
        """Raise DataError where the columns do not fit into the cap or into memory, or a child process cannot read them."""
        cells = self.num_rows * _BYTES_PER_CELL
        if cells * len(names) > 2 * self.source.cap:
            raise too_large(self.path, cells * len(names), self.source.cap)
        wanted = cells * (2 * len(names) + 8)  # the grid needs as much again, and so does sorting
        free = free_memory()
        if free is not None and wanted > free:
            fitting = int(self.num_rows * 0.5 * free / wanted)
            message = (
                f"{quoted_path(self.path)} has {self.num_rows} rows: reading {len(names)} columns needs about "
                f"{in_words(wanted)} of memory, {in_words(free)} are free"
            )
            raise DataError(message, hint=f"read a part of it: --sample {fitting}", code="E_DATA_MEMORY")
        size = len(self.source.payload)
        if wanted > _PROBE_BYTES and wanted > PROBE_RATIO * size and not self.source.is_trusted:
            problem = probe_in_subprocess(self.source.payload, names, memory=4 * wanted + 2**30)
            if problem is not None:
                raise _damaged(self.path, ValueError(problem))


def probe_in_subprocess(payload: bytes, columns: Sequence[str], *, memory: int) -> str | None:
    """Return None where a child process can read these columns with limited memory and time, else its error."""
    memory += 4 * len(payload)  # the child has a copy of it
    asked = json.dumps({"memory": memory, "seconds": _PROBE_SECONDS, "columns": list(columns)})
    command = [sys.executable, "-P", "-c", _PROBE_CODE, asked]
    try:
        done = subprocess.run(command, input=payload, capture_output=True, timeout=2 * _PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"reading it took more than {2 * _PROBE_SECONDS} seconds"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"reading it ended with signal {-done.returncode}: it needs too much memory or is damaged"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it cannot be read"


def _type_problem(known: pa.Field) -> str | None:
    """Return why the type of a column cannot be used, in words, None where it can."""
    if pa.types.is_nested(known.type):
        return f"lists or structures ({known.type})"
    if isinstance(known.type, pa.BaseExtensionType) or b"ARROW:extension:name" in (known.metadata or {}):
        label = (known.metadata or {}).get(b"ARROW:extension:name", b"").decode(errors="replace")
        return f"an extension type ({label or known.type})"
    if pa.types.is_binary(known.type) or pa.types.is_large_binary(known.type):
        return "bytes"
    if pa.types.is_duration(known.type):
        return f"spans of time ({known.type})"
    return None


class _Column:
    """One column while its batches arrive."""

    def __init__(self, name: str, kind: str, type_: pa.DataType, num_rows: int) -> None:
        self.name, self.num_lost = name, 0
        self.longest = 0  # bytes of its longest text
        value_type = type_.value_type if pa.types.is_dictionary(type_) else type_
        is_text = _is_text(value_type)
        self.kind = "text" if kind == "numeric" and is_text else kind
        self.is_native_time = kind == "time" and not is_text
        self.chunks: list[pa.Array] = []
        self.values = np.full(num_rows, np.nan) if self.kind == "numeric" else None

    def add(self, column: pa.Array, start: int) -> None:
        """Take one batch."""
        if self.values is not None:
            self.values[start : start + len(column)] = self._as_numbers(column)
        elif self.is_native_time:
            decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            self.chunks.append(_as_timestamps(decoded))
        else:
            texts = _as_text(column)
            self.longest = max(self.longest, pc.max(pc.binary_length(texts.dictionary)).as_py() or 0)
            self.chunks.append(texts)

    def finish(self) -> pd.Series[Any] | Float64Array:
        """Return the whole column."""
        if self.values is not None:
            return self.values
        whole = pa.chunked_array(self.chunks)
        if self.is_native_time:
            native: pd.Series[Any] = whole.to_pandas()
            return native
        series: pd.Series[Any] = whole.unify_dictionaries().to_pandas()
        return series.astype(object) if self.kind == "time" else series

    def _as_numbers(self, column: pa.Array) -> Float64Array:
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
    """Whether a whole number or a decimal differs from its nearest float64, both written in decimal digits."""
    return exact != int(near) if isinstance(exact, int) else float(repr(near)) != near or f"{exact:f}" != _written(near)


def _written(number: float) -> str:
    return f"{Decimal(repr(number)):f}"


def _is_text(type_: pa.DataType) -> bool:
    names = ("string", "large_string", "string_view")
    return str(type_) in names or pa.types.is_string(type_)


def _as_text(column: pa.Array) -> pa.Array:
    """Return a batch as text under a dictionary, "" where it is null; truth values and floats as Python writes them."""
    if pa.types.is_dictionary(column.type):
        return _as_shared_text(column) if _is_text(column.type.value_type) else _as_text(column.dictionary_decode())
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


def _as_shared_text(column: pa.DictionaryArray) -> pa.Array:
    """Return texts of a dictionary under one that has only those of this batch, in their order; no text is copied."""
    used = column.indices.dictionary_encode("encode")
    texts = column.dictionary.take(used.dictionary).cast(pa.string()).fill_null("").dictionary_encode()
    return pa.DictionaryArray.from_arrays(texts.indices.take(used.indices), texts.dictionary)


def _as_timestamps(column: pa.Array) -> pa.Array:
    """Return a batch of timestamps or whole numbers unchanged, dates as timestamps, anything else as text."""
    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    if pa.types.is_integer(kind) and not column.null_count:
        return column.cast(pa.int64())
    return _as_text(column).dictionary_decode()


def _damaged(path: str, error: BaseException) -> DataError:
    words = first_line(error)
    if "out of range" in words:
        message = f"{quoted_path(path)} holds a date that is not on the calendar: {words}"
        return DataError(message, hint="correct the date, or leave its column out", code="E_TIME_RANGE")
    if "too deeply nested" in words:
        message = f"{quoted_path(path)} holds lists within lists: {words}"
        return DataError(message, hint="write a file with the columns that are used", code="E_COLUMN_TYPE")
    message = f"{quoted_path(path)} is a damaged Parquet file: {words}"
    return DataError(message, hint="write the file again", code="E_DATA_DAMAGED")
