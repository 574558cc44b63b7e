"""What a request asks for: options of `predict`, and rows as a file, checked before anything is computed.

A request names options and models of the store, never a path, an address or a query: its rows are its body.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Literal, NoReturn

from rnnforecast.config import Settings
from rnnforecast.errors import DataError, UsageError, first_line
from rnnforecast.frozen import dataclass
from rnnforecast.options import FORECAST_OPTIONS
from rnnforecast.serving.arrow_body import check_size, read_arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Kind = Literal["json", "csv", "arrow", "parquet"]
#: Media type -> what a body is.
KINDS: dict[str, Kind] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.parquet": "parquet",
}
#: Media type -> what an answer may be.
ANSWERS: dict[str, Kind] = {media: kind for media, kind in KINDS.items() if kind != "parquet"}
#: Options that name files, addresses or limits of the server.
CLOSED = ("future_data", "query", "wait", "max_bytes", "dataset", "sample")
#: Options of a request besides its model.
OPEN_OPTIONS = {option.word: option for option in FORECAST_OPTIONS if option.name not in CLOSED}
MAX_COLUMNS = 10_000
#: Bytes that a value of a JSON row takes at least.
_CELL_BYTES = 8


@dataclass(frozen=True)
class Asked:
    """A request: the model it names, its settings (flat), and its rows as the bytes of a CSV or Parquet file."""

    rows: bytes
    model: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def settings(self, *, max_bytes: int) -> Settings:
        """Return the settings, with the size that the rows may unpack to. Raises UsageError."""
        flat = {OPEN_OPTIONS[word].name: value for word, value in self.options.items()}
        return Settings.from_flat({**flat, "max_bytes": f"{max_bytes}"}, source="the request")


def parse_request(kind: Kind, query: Mapping[str, Sequence[str]], body: bytes, *, cap: int) -> Asked:
    """Return what is asked for. Options are in the query, those of JSON in the document; rows unpack to `cap` bytes.

    Raises UsageError for options, DataError for rows that are not a table.
    """
    if kind == "json":
        if query:
            raise UsageError(
                "the options of a JSON request are in the document, not in the query", code="E_SERVE_OPTION"
            )
        return _from_document(_parse_json(body), cap)
    options: dict[str, object] = {}
    for word, values in query.items():
        if len(values) > 1 and not _is_repeated(word):
            raise UsageError(f"the option `{word}` was given {len(values)} times", code="E_SERVE_OPTION")
        options[word] = list(values) if _is_repeated(word) else values[0]
    model = options.pop("model", None)
    if kind == "arrow":
        body = _to_parquet(read_arrow(body, cap), cap)
    return Asked(body, None if model is None else str(model), _checked(options))


def _from_document(document: object, cap: int) -> Asked:
    if not isinstance(document, dict):
        raise UsageError('the document is not an object such as {"rows": [...]}', code="E_SERVE_BODY")
    if isinstance(document, _Doubled):
        raise UsageError(f"the option `{document.name}` was given twice", code="E_SERVE_OPTION")
    options = dict(document)
    rows, columns, model = (options.pop(name, None) for name in ("rows", "columns", "model"))
    if (rows is None) == (columns is None):
        raise UsageError("the document needs either `rows` or `columns`", hint=_EXAMPLE, code="E_SERVE_BODY")
    if not isinstance(model, str | None):
        raise UsageError("`model` is not text", hint='such as "base" or "prices@3"', code="E_SERVE_OPTION")
    options = _checked(options)
    table = _to_columns(rows, cap) if columns is None else columns
    return Asked(_to_parquet(_to_arrow(table), cap), model, options)


_EXAMPLE = '{"columns": {"date": ["2024-01-01", ...], "value": [1.5, ...]}, "horizon": 14}'


def _is_repeated(word: str) -> bool:
    return word in OPEN_OPTIONS and OPEN_OPTIONS[word].repeated


def _checked(options: Mapping[str, object]) -> dict[str, object]:
    """Return options that a request may set; names with `_` count too. Raises UsageError."""
    found = {word.replace("_", "-"): value for word, value in options.items()}
    closed = [word for word in found if word.replace("-", "_") in CLOSED]
    if closed:
        raise UsageError(
            f"a request cannot set `{closed[0]}`: the server opens no file, address or query for a request",
            hint="send the rows in the body",
            code="E_SERVE_OPTION",
        )
    unknown = [word for word in found if word not in OPEN_OPTIONS]
    if unknown:
        raise UsageError(
            f"unknown option `{unknown[0][:100]}`", hint="GET /docs lists all options", code="E_SERVE_OPTION"
        )
    for word, value in found.items():
        values = value if isinstance(value, list) else [value]
        if OPEN_OPTIONS[word].kind is not bool and any(isinstance(each, bool) for each in values):
            raise UsageError(f"the option `{word}` is neither true nor false", code="E_SERVE_OPTION")
    return found


def _parse_json(body: bytes) -> object:
    try:
        found: object = json.loads(body, parse_constant=_reject_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8, and integers of 5,000 digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        if "set_int_max_str_digits" in reason:
            reason = "a number has too many digits"
        raise UsageError(f"the body is not valid JSON: {reason}", hint=_EXAMPLE, code="E_SERVE_BODY") from error
    return found


class _Doubled(dict[str, object]):
    """An object of a JSON document with a key that occurs twice."""

    name = ""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, seen = _Doubled(found), set[str]()
    doubled.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return doubled


def _check_once(found: object, what: str) -> None:
    """Raise DataError for an object with a column that occurs twice: one of them would be dropped."""
    if isinstance(found, _Doubled):
        raise DataError(
            f"the column `{found.name}` occurs twice in {what}",
            hint="give each column a unique name",
            code="E_COLUMN_TWICE",
        )


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON, a missing value is null")


def _to_columns(rows: object, cap: int) -> dict[str, list[object]]:
    """Return rows of a JSON document, objects with the same keys, as columns; a key that is absent is a missing value."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("`rows` is not a list of objects", hint=_EXAMPLE, code="E_SERVE_BODY")
    for place, row in enumerate(rows):
        _check_once(row, f"row {place + 1}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise DataError(f"the rows have {len(names):,} columns, at most {MAX_COLUMNS:,}", code="E_SERVE_BODY")
    check_size(_CELL_BYTES * len(names) * len(rows), cap)
    return {name: [row.get(name) for row in rows] for name in names}


def _to_arrow(columns: object) -> pa.Table:
    """Return columns of a JSON document as a table. Raises DataError, which names the column."""
    import pyarrow as pa

    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise UsageError("`columns` is not an object of lists", hint=_EXAMPLE, code="E_SERVE_BODY")
    _check_once(columns, "`columns`")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        first = next(iter(lengths))
        other = next(name for name, length in lengths.items() if length != lengths[first])
        raise DataError(
            f"the column `{other}` has {lengths[other]} values, `{first}` has {lengths[first]}", code="E_SERVE_BODY"
        )
    arrays = {}
    for name, values in columns.items():
        nested = next((place for place, value in enumerate(values) if isinstance(value, list | dict)), None)
        if nested is not None:
            message = f"row {nested + 1} of the column `{name}` is a list or an object"
            raise DataError(message, hint="values are numbers, texts or null", code="E_SERVE_BODY")
        if _is_broken(name):
            raise DataError(
                f"the name of the column {name!a} is not valid Unicode",
                hint="send the name as UTF-8",
                code="E_SERVE_BODY",
            )
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise DataError(
                f"the values of the column `{name}` are not of one type",
                hint="numbers and null, or texts and null",
                code="E_SERVE_BODY",
            ) from error
    return pa.table(arrays)


def _is_broken(name: str) -> bool:
    """Return whether a text has half of a surrogate pair, which no encoding holds."""
    return any("\ud800" <= letter <= "\udfff" for letter in name)


def _to_parquet(table: pa.Table, cap: int) -> bytes:
    """Return a table as a Parquet file, which is read and checked as every other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink, compression="none", write_statistics=False)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"the rows cannot be read as a table: {first_line(error)}", code="E_SERVE_BODY") from error
    rows = sink.getvalue()
    check_size(rows.size, cap)
    return bytes(rows)
