"""The ledger: all logged forecasts, kept so that they can be scored when actuals arrive.

One Parquet file for each model version and cutoff (the newest of a run), with the rows of every series; a forecast
is known by model, cutoff, id, target and timestamp, and issuing it again replaces it. The oldest files go when a name
has more than `MAX_PARTS` of them or they take more than `MAX_BYTES`. What a score needs is in the rows: nothing else
has to outlive the forecast.

Axis legend: N rows, L levels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rnnforecast.errors import ModelFileError, OutputError, first_line
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import (
    check_no_link,
    entries_of,
    flush_folder,
    lock,
    make_folder,
    remove_file,
    replace_file,
    sweep_temporaries,
)
from rnnforecast.store.names import decode_name, encode_name

if TYPE_CHECKING:
    import pyarrow as pa


#: Quantiles that are kept with the median: the ends of the 80 and the 95 % interval.
LEDGER_LEVELS = (0.025, 0.1, 0.9, 0.975)
MAX_PARTS = 1_000
MAX_BYTES = 512 * 2**20

_FORMAT = 1
_METADATA = b"rnnforecast"
_PART = re.compile(r"(\d{1,9})_(-?\d{1,19})\.parquet")
_WAIT_SECONDS = 60.0
_QUANTILES = tuple(f"q{level:g}" for level in LEDGER_LEVELS)
_NUMBERS = ("forecast", *_QUANTILES, "baseline", "scale", "last_value")


@dataclass(frozen=True)
class Issued:
    """Forecasts as they were issued, one entry a series and step.

    `ids` and `targets` are the distinct ones (ids: JSON lists of the id columns' values), `item` and `target` point
    into them. `baseline` is the seasonal naive forecast from the same rows, `scale` what errors are divided by (from
    the rows of the training), `last_value` the value at the cutoff, NaN where it was missing.
    """

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    item: np.ndarray  # int32 [N]
    target: np.ndarray  # int32 [N]
    version: np.ndarray  # int32 [N]
    cutoff: np.ndarray  # [N] datetime64[us], or int64 where steps are counted
    timestamp: np.ndarray  # [N]
    lead: np.ndarray  # int32 [N], 1 is the first step after the cutoff
    forecast: np.ndarray  # [N] the median
    quantiles: np.ndarray  # [N, L] at `LEDGER_LEVELS`
    baseline: np.ndarray  # [N]
    scale: np.ndarray  # [N]
    last_value: np.ndarray  # [N]
    method: tuple[str, ...]  # distinct methods; `served` points into them
    served: np.ndarray  # int32 [N]
    issued_at: np.ndarray  # datetime64[us] [N], UTC
    facts: Mapping[str, JSONValue]  # name, roles, freq, season_length, horizon: what reading the actuals needs

    @property
    def num_rows(self) -> int:
        """Number of issued steps, N."""
        return len(self.lead)


class Ledger:
    """The ledger of one name in a store. Reading never takes the lock and never writes."""

    def __init__(self, store: Path, name: str) -> None:
        self.name = name
        self.folder = store / "ledger" / encode_name(name)

    def append(self, issued: Issued) -> Path:
        """Keep forecasts of one version, whole or not at all; those kept already are replaced, equal ones left alone.

        Raises OutputError, LockedError, and ModelFileError where the part they belong to is damaged.
        """
        check_no_link(self.folder)
        version, newest = int(issued.version[0]), _token(issued.cutoff.max())
        path = self.folder / f"{version}_{newest}.parquet"
        make_folder(self.folder)
        with lock(self.folder / "ledger.lock", wait_seconds=_WAIT_SECONDS):
            sweep_temporaries(self.folder)
            table = _to_table(issued)
            if path.exists():
                kept = _read_part(path)
                if _are_equal(kept, table):
                    return path
                table = _latest(_join([kept, table]))
            _write_part(path, table)
            self._prune(but=path)
        return path

    def parts(self) -> list[Path]:
        """Return the files, oldest cutoff first. Raises ModelFileError where the folder is a link."""
        check_no_link(self.folder)
        try:
            found = [(match, entry) for entry in entries_of(self.folder) if (match := _PART.fullmatch(entry.name))]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            message = f"the ledger `{self.folder}` cannot be read: {(error.strerror or str(error)).lower()}"
            raise ModelFileError(message, hint="allow this user to read it", code="E_LEDGER_READ") from error
        return [entry for match, entry in sorted(found, key=lambda pair: (int(pair[0][2]), int(pair[0][1])))]

    def read(self, *, version: int | None = None) -> Issued | None:
        """Read all forecasts, or those of one version, each once and as it was issued last; None where there are none.

        Raises ModelFileError naming a part that is damaged.
        """
        paths = [path for path in self.parts() if version is None or path.name.startswith(f"{version}_")]
        if not paths:
            return None
        tables = [_read_part(path) for path in paths]
        odd = next((place for place, table in enumerate(tables) if table.schema != tables[-1].schema), None)
        if odd is not None:
            raise ModelFileError(
                f"forecasts of `{self.name}` for rows with dates and for rows that count steps cannot be scored together",
                hint=f"move `{paths[odd]}` or `{paths[-1]}` out of the ledger, or `rnnforecast train` a model for each file",
                code="E_LEDGER_READ",
            )
        return _from_table(_latest(_join(tables)))

    def facts(self) -> dict[str, JSONValue]:
        """Return the facts of the newest part; none where there is no part or it is damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = self.parts()
        try:
            schema = pq.read_schema(max(parts, key=lambda part: part.stat().st_mtime_ns)) if parts else None
            return dict(json.loads((schema.metadata or {})[_METADATA])) if schema is not None else {}
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, RecursionError):
            return {}

    def _prune(self, *, but: Path) -> None:
        """Remove the oldest parts beyond the bounds, never the one just written."""
        parts = self.parts()
        sizes = [part.stat().st_size for part in parts]
        surplus = 0
        while len(parts) - surplus > MAX_PARTS or sum(sizes[surplus:]) > MAX_BYTES:
            surplus += 1
        gone = [part for part in parts[:surplus] if part != but]
        for part in gone:
            remove_file(part)
        if gone:
            flush_folder(self.folder)


def ledger_names(store: Path) -> list[str]:
    """Return the names that have forecasts in a store, sorted; names too long for a folder come back cut."""
    try:
        folders = sorted(entry.name for entry in entries_of(store / "ledger") if not entry.is_symlink())
    except OSError:
        return []
    names = [decode_name(folder) for folder in folders]
    return [name for name in names if Ledger(store, name).parts()]


def _token(timestamp: Any) -> int:
    """Return a timestamp as an integer that sorts in time: seconds since 1970, or the step itself."""
    return int(timestamp.astype("datetime64[s]").astype(np.int64)) if timestamp.dtype.kind == "M" else int(timestamp)


def _schema(time: pa.DataType) -> pa.Schema:
    """Return names and types of the columns; `time` is that of cutoffs and timestamps."""
    import pyarrow as pa

    text, whole = pa.dictionary(pa.int32(), pa.string()), pa.int32()
    fields = {"id": text, "target": text, "version": whole, "cutoff": time, "timestamp": time, "lead": whole}
    fields |= {name: pa.float64() for name in _NUMBERS} | {"method": text, "issued_at": pa.timestamp("us")}
    return pa.schema(list(fields.items()))


def _to_table(issued: Issued) -> pa.Table:
    import pyarrow as pa

    def named(places: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(names, pa.string()))

    columns = {"id": named(issued.item, issued.ids), "target": named(issued.target, issued.targets)}
    columns["method"] = named(issued.served, issued.method)
    plain = vars(issued) | dict(zip(_QUANTILES, map(np.ascontiguousarray, issued.quantiles.T), strict=True))
    schema = _schema(pa.array(issued.timestamp).type)
    columns |= {field.name: pa.array(plain[field.name], field.type) for field in schema if field.name not in columns}
    facts = json.dumps({"format": _FORMAT, **issued.facts}, ensure_ascii=True)
    return pa.table(columns, schema=schema).replace_schema_metadata({_METADATA: facts.encode("ascii")})


def _from_table(table: pa.Table) -> Issued:
    table = table.unify_dictionaries().combine_chunks()
    ids, item = _decoded(table["id"])
    targets, target = _decoded(table["target"])
    method, served = _decoded(table["method"])
    plain = ("version", "cutoff", "timestamp", "lead", "forecast", "baseline", "scale", "last_value", "issued_at")
    return Issued(
        ids=ids,
        targets=targets,
        item=item,
        target=target,
        method=method,
        served=served,
        quantiles=np.stack([table[name].to_numpy() for name in _QUANTILES], axis=1),
        facts=_facts(table),
        **{name: table[name].to_numpy() for name in plain},
    )


def _decoded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the distinct values of a column and each row's index into them."""
    array = column.combine_chunks()
    if hasattr(array, "chunks"):  # some versions keep a chunked array of one chunk
        array = array.chunk(0)
    return tuple(array.dictionary.to_pylist()), np.asarray(array.indices.to_numpy(zero_copy_only=False), np.int32)


def _facts(table: pa.Table) -> dict[str, JSONValue]:
    facts = json.loads((table.schema.metadata or {})[_METADATA])
    return dict(facts)


def _join(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables below each other, the facts of the last one on top."""
    import pyarrow as pa

    metadata = tables[-1].schema.metadata
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables]).replace_schema_metadata(metadata)


def _latest(table: pa.Table) -> pa.Table:
    """Keep of each forecast the one issued last, in the order of rows."""
    table = table.unify_dictionaries().combine_chunks()
    keys = [
        _decoded(table["id"])[1],
        _decoded(table["target"])[1],
        table["version"].to_numpy(),
        table["cutoff"].to_numpy().astype(np.int64),
        table["timestamp"].to_numpy().astype(np.int64),
    ]
    order = np.lexsort((np.arange(len(table)), table["issued_at"].to_numpy().astype(np.int64), *keys))
    differs = np.zeros(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        differs |= key[order][1:] != key[order][:-1]
    last = order[np.append(differs, True)] if len(order) else order
    return table.take(np.sort(last)) if len(last) < len(table) else table


def _are_equal(kept: pa.Table, fresh: pa.Table) -> bool:
    """Tell whether the same forecasts are kept already, whenever they were issued."""
    if len(kept) != len(fresh) or kept.column_names != fresh.column_names:
        return False
    ours, theirs = _from_table(kept), _from_table(fresh)
    if dict(ours.facts) != dict(theirs.facts) or (ours.ids, ours.targets) != (theirs.ids, theirs.targets):
        return False
    arrays = ("item", "target", "version", "cutoff", "timestamp", "lead")
    numbers = ("forecast", "quantiles", "baseline", "scale", "last_value")
    return (
        all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in arrays)
        and all(np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True) for name in numbers)
        and [ours.method[place] for place in ours.served] == [theirs.method[place] for place in theirs.served]
    )


def _write_part(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    def write(stream: BinaryIO) -> None:
        pq.write_table(table, stream, compression="zstd", write_page_checksum=True)

    def check(temporary: Path) -> None:
        if len(_read_part(temporary)) != len(table):
            message = f"`{path}` was not written: verification failed, the file differs from what was written"
            raise OutputError(message, hint="check the disk; the previous file is untouched", code="E_OUT_VERIFY")

    replace_file(path, write, check=check)


def _read_part(path: Path) -> pa.Table:
    """Read a part with its checksums and check that it is one of ours. Raises ModelFileError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        table.validate(full=True)
        facts = _facts(table)
        written = facts.get("format")
    except (OSError, pa.ArrowException, KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, first_line(error)) from error
    if isinstance(written, int) and written > _FORMAT:
        raise _damaged(path, f"it has format {written}, this rnnforecast reads formats up to {_FORMAT}")
    problem = _misfit(table)
    if problem is not None:
        raise _damaged(path, problem)
    return table


def _misfit(table: pa.Table) -> str | None:
    """Say which column is missing or of another type than ours, None where all fit."""
    import pyarrow as pa

    found = {field.name: field.type for field in table.schema}
    time = pa.int64() if found.get("timestamp") == pa.int64() else pa.timestamp("us")
    for field in _schema(time):
        if field.name not in found:
            return f"the column `{field.name}` is missing"
        if found[field.name] != field.type:
            return f"the column `{field.name}` is {found[field.name]}, not {field.type}"
    return "a value is missing" if any(column.null_count for column in table.columns) else None


def _damaged(path: Path, reason: str) -> ModelFileError:
    message = f"`{path}` is not a readable ledger file: {reason}"
    hint = "restore it from a backup, or move it away: the forecasts in it are then not scored"
    return ModelFileError(message, hint=hint, code="E_LEDGER_DAMAGED")
