"""Which worker forecasts what: the parts of a folder of Parquet files, each with whole series."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import zlib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np

from rnnforecast.data.errors import quoted_path
from rnnforecast.data.files.remote import is_url, open_url
from rnnforecast.data.sources import expand, public_path, stem_of
from rnnforecast.errors import DataError, InputError, UsageError, first_line
from rnnforecast.frozen import dataclass
from rnnforecast.options import ShardBy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa
    import pyarrow.parquet as pq

    from rnnforecast.arrays import BoolArray

_SHARD = re.compile(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*")
MAX_SHARDS = 100_000
_EXTENSIONS = (".parquet", ".pq")


@dataclass(frozen=True)
class Shard:
    """Worker `number` (from 1) of `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that `2/8` names. Raises UsageError."""
        match = _SHARD.fullmatch(text)
        if match is None:
            raise UsageError(
                f"invalid shard `{text}`", hint="write I/N, such as `--shard 2/8` for the second of eight workers"
            )
        shard = cls(int(match[1]), int(match[2]))
        if not 1 <= shard.number <= shard.count <= MAX_SHARDS:
            raise UsageError(
                f"shard {shard} is outside: with {shard.count} workers they are numbered from 1 to {shard.count}",
                hint=f"array jobs that count from 0 add 1; at most {MAX_SHARDS:,} workers",
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, place: int) -> bool:
        """Whether the worker takes what is at this place of a list, or has this number."""
        return place % self.count == self.number - 1


@dataclass(frozen=True)
class Part:
    """What is forecast at once and written as one file: a file, or the series of all files with one hash."""

    name: str  # of its output, without extension
    paths: tuple[str, ...]
    shard: Shard | None = None  # takes only series of this shard of the files

    def read(self, id_columns: Sequence[str]) -> pa.Table:
        """Return the rows of the series that the part takes. Raises InputError and DataError."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        for path in self.paths:
            with open_parquet(path) as file, _damage_of(path):
                _check_columns(file, id_columns, path)
                table = file.read()
                if self.shard is not None:
                    table = table.filter(pa.array(_belongs(table, id_columns, self.shard)))
            tables.append(table)
            _check_types(self.paths[0], tables[0].schema, path, table.schema)
        return pa.concat_tables(tables, promote_options="default")


def plan_parts(data: Sequence[str | Path], shard: Shard, *, by: ShardBy, id_columns: Sequence[str]) -> list[list[Part]]:
    """Return the parts of every worker, in the order of their numbers; all workers find the same.

    By file, the largest files are dealt out first. Raises InputError where there are no Parquet files, DataError where a
    series lies in several files that are forecast one by one.
    """
    paths, _ = expand(data, dataset=True)
    other = next((path for path in paths if not path.lower().endswith(_EXTENSIONS)), None)
    if other is not None:
        raise InputError(
            f"shards are read from Parquet files, {quoted_path(public_path(other))} is not one",
            hint="name a folder or a pattern of Parquet files",
            code="E_INPUT_KIND",
        )
    if by == "id":
        workers = [Shard(number, shard.count) for number in range(1, shard.count + 1)]
        width = len(str(shard.count))
        return [[Part(f"part-{each.number:0{width}}-of-{each.count}", tuple(paths), each)] for each in workers]
    check_whole(paths, id_columns)
    sizes = {path: size_of(path) for path in paths}
    names = _distinct_names(paths, data)
    ordered = sorted(paths, key=lambda path: (-sizes[path], names[path]))
    return [[Part(names[path], (path,)) for path in ordered[number :: shard.count]] for number in range(shard.count)]


def check_whole(paths: Sequence[str], id_columns: Sequence[str]) -> None:
    """Raise DataError that names a series whose rows lie in several files, and two of them.

    A file that cannot be read is left out: it fails alone, once it is to be forecast.
    """
    ranges: dict[str, tuple[object, object] | None] = {}
    for path in paths:
        with contextlib.suppress(DataError):
            ranges[path] = _range_of(path, id_columns)
    if len(paths) > 1 and not _overlaps(ranges):
        return
    owners: dict[tuple[object, ...], str] = {}
    for path in ranges:
        found: list[tuple[object, ...]] = []
        with contextlib.suppress(DataError), open_parquet(path) as file, _damage_of(path):
            found += _distinct(file.read(columns=list(id_columns)), id_columns)
        for ids in found:
            other = owners.setdefault(ids, path)
            if other != path:
                raise DataError(
                    f"the rows of series `{'/'.join(map(str, ids))}` lie in several files: "
                    f"{quoted_path(public_path(other))} and {quoted_path(public_path(path))}",
                    hint="write each series into one file, or let each worker read all files: `--shard-by id`",
                    code="E_SHARD_SERIES_SPLIT",
                )


def open_parquet(path: str) -> AbstractContextManager[pq.ParquetFile]:
    """Open a Parquet file of this machine or behind a URL. Raises InputError and DataError."""
    import pyarrow.parquet as pq

    with _damage_of(path):
        file: AbstractContextManager[pq.ParquetFile] = pq.ParquetFile(open_url(path) if is_url(path) else path)
    return file


@contextlib.contextmanager
def _damage_of(path: str) -> Iterator[None]:
    """Raise DataError for what pyarrow raises where the bytes of a file are not sound, InputError where it is gone."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        message = f"{quoted_path(public_path(path))} does not exist"
        raise InputError(message, hint="check the folder and the pattern", code="E_INPUT_MISSING") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{quoted_path(public_path(path))} is not a readable Parquet file: {first_line(error)}",
            hint="write the file again, or remove it from the folder",
            code="E_DATA_PARQUET",
        ) from error


def size_of(path: str) -> int:
    """Return the bytes of a file. Raises InputError where it is gone."""
    if is_url(path):
        with open_url(path) as stream:
            return int(stream.seek(0, io.SEEK_END))
    try:
        return Path(path).stat().st_size
    except OSError as error:
        message = f"{quoted_path(path)} does not exist"
        raise InputError(message, hint="check the folder and the pattern", code="E_INPUT_MISSING") from error


def _distinct_names(paths: Sequence[str], data: Sequence[str | Path]) -> dict[str, str]:
    """Return a name for the output of each file, whatever other files there are and however the folder is spelled.

    It is the file's own, and below the named folder, or with an unusual extension, that with a digest of where it lies.
    """
    common = os.path.commonpath([_folder_of(str(item)) for item in data])
    names = {}
    for path in paths:
        place = os.path.relpath(_resolved(path), common)
        digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        is_plain = place == f"{stem_of(path)}.parquet"
        names[path] = stem_of(path) if is_plain else f"{stem_of(path)}-{digest}"
    return names


def _folder_of(item: str) -> str:
    """Return the folder that an input of the user names: of a pattern that above the first sign, of a file its own."""
    sign = None if not is_url(item) and os.path.lexists(item) else re.search(r"[*?[]", item)
    if sign is not None:
        return _resolved(item[: sign.start()], only_folder=True)
    is_file = item.lower().endswith(_EXTENSIONS) and (is_url(item) or not os.path.isdir(item))
    return _resolved(item if is_file else f"{item}/x", only_folder=True)


def _resolved(path: str, *, only_folder: bool = False) -> str:
    """Return one spelling for all paths of a file, whose folder is resolved; of an address without its protocol."""
    parts = urlsplit(path) if is_url(path) else None
    if parts is not None and parts.scheme not in ("file", "local"):
        folder, _, name = f"/{parts.netloc}{parts.path}".rpartition("/")
    else:
        folder, name = os.path.split(path if parts is None else unquote(parts.path))
        folder = os.path.realpath(folder)
    return folder if only_folder else os.path.join(folder, name)


def _belongs(table: pa.Table, id_columns: Sequence[str], shard: Shard) -> BoolArray:
    """Say for each row whether its series belongs to the shard, by a hash of its ids that is the same everywhere."""
    import pyarrow as pa

    codes, words = np.zeros(table.num_rows, dtype=np.int64), [()]
    for name in id_columns:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):  # its missing ids have no number
            column = column.cast(column.type.value_type)
        column = column.combine_chunks().dictionary_encode(null_encoding="encode")
        values = [str(value) for value in column.dictionary.to_pylist()]
        # one number for each combination of ids that there is
        mixed = codes * len(values) + column.indices.to_numpy()
        found, codes = np.unique(mixed, return_inverse=True)
        words = [(*words[number // len(values)], values[number % len(values)]) for number in found.tolist()]
    hashes = (zlib.crc32("\0".join(ids).encode("utf-8", "surrogatepass")) for ids in words)
    return np.array([shard.takes(each) for each in hashes], dtype=np.bool_)[codes]


def _distinct(table: pa.Table, id_columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    found = table.group_by(list(id_columns)).aggregate([])
    return zip(*(found.column(name).to_pylist() for name in id_columns), strict=True)


def _check_columns(file: pq.ParquetFile, id_columns: Sequence[str], path: str) -> None:
    import pyarrow as pa

    names = file.schema_arrow.names
    for name in id_columns:
        if names.count(name) > 1:
            raise DataError(
                f"{quoted_path(public_path(path))} has the column `{name}` {names.count(name)} times",
                hint="give each column another name",
                code="E_COLUMN_TWICE",
            )
        if name in names and pa.types.is_nested(file.schema_arrow.field(name).type):
            raise DataError(
                f"column `{name}` of {quoted_path(public_path(path))} contains lists or records, not plain values",
                hint="write the ids as text or whole numbers",
                code="E_COLUMN_TYPE",
            )
    missing = [name for name in id_columns if name not in names]
    if missing:
        raise DataError(
            f"{quoted_path(public_path(path))} has no column `{missing[0]}`, which identifies the series",
            hint="name the id columns with `--id`, or remove the file from the folder",
            code="E_COLUMN_UNKNOWN",
        )


def _check_types(first: str, expected: pa.Schema, path: str, schema: pa.Schema) -> None:
    """Raise DataError where the tables of two files cannot be one: a column has two types, or a name twice."""
    import pyarrow as pa

    try:
        pa.unify_schemas([expected, schema])
    except (pa.ArrowException, ValueError) as error:
        raise DataError(
            f"{quoted_path(public_path(first))} and {quoted_path(public_path(path))} cannot be read as one table: "
            f"{first_line(error)}",
            hint="write each column with one type in all files",
            code="E_COLUMN_TYPE",
        ) from error


def _range_of(path: str, id_columns: Sequence[str]) -> tuple[object, object] | None:
    """Return the smallest and the largest id of a file by its statistics, None where they are not kept."""
    with open_parquet(path) as file, _damage_of(path):
        _check_columns(file, id_columns, path)
        if len(id_columns) > 1:
            return None
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
        kept = [chunk.statistics for chunk in chunks if chunk.path_in_schema == id_columns[0]]
        if not kept or not all(each is not None and each.has_min_max and not each.null_count for each in kept):
            return None
        return min(each.min for each in kept), max(each.max for each in kept)


def _overlaps(ranges: dict[str, tuple[Any, Any] | None]) -> bool:
    """Whether the ids of two files may be the same, by their ranges."""
    known = [each for each in ranges.values() if each is not None]
    if len(known) < len(ranges) or not known:
        return True
    if len({type(end) for each in known for end in each}) > 1:
        return True
    ordered = sorted(known)  # of one type that Parquet orders
    return any(high >= low for (_, high), (low, _) in pairwise(ordered))
