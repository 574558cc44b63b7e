"""DuckDB: one process at a time may write a file, and rows travel as Arrow tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from rnnforecast.data.databases.address import quoted
from rnnforecast.data.databases.session import (
    BusyError,
    Cells,
    FailedError,
    Kind,
    KnownColumn,
    Row,
    Shape,
    first_line,
    told_apart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import duckdb

    from rnnforecast.data.databases.address import Address

_FETCHED_ROWS = 100_000
#: Nothing is fetched from the network behind the back of the user.
_CONFIG = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_BUSY_WORDS = ("could not set lock", "conflicting lock", "different configuration")


class DuckdbEngine:
    """Databases of DuckDB."""

    TYPES: ClassVar[Mapping[Kind, str]] = {
        "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "timestamp": "TIMESTAMP",
        "zoned": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    ACCEPTED: ClassVar[Mapping[Kind, frozenset[str]]] = {
        "text": frozenset({"varchar"}), "integer": frozenset({"bigint", "hugeint"}), "number": frozenset({"double"}),
        "timestamp": frozenset({"timestamp"}), "zoned": frozenset({"timestamp with time zone"}),
    }  # fmt: skip
    MAX_NAME_BYTES = 10_000
    FOLDS_CASE = True

    @contextlib.contextmanager
    def connect(self, address: Address, *, writes: bool, seconds: float) -> Iterator[DuckdbSession]:  # noqa: ARG002
        """Open the file; without `writes` it must be there and stays as it is."""
        import duckdb

        if not writes and not address.path.exists():
            raise FailedError("there is no such file", hint="check the path", code="MISSING")
        with _told_apart():
            connection = duckdb.connect(str(address.path), read_only=not writes, config=dict(_CONFIG))
        session = DuckdbSession(connection)
        try:
            with _told_apart():
                session.run("SET TimeZone = 'UTC'")
                yield session
        finally:
            session.end()


class DuckdbSession:
    """A connection to DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def begin(self, lock: str) -> None:  # noqa: ARG002
        """Begin; no other process has the file open."""
        self.run("BEGIN TRANSACTION")

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        return list(self._connection.execute(sql, list(parameters)).fetchall())

    def shape(self, address: Address) -> Shape | None:
        """Return the table as it is."""
        where = (
            "database_name = current_database() AND schema_name = coalesce(?, current_schema()) "
            "AND lower({0}) = lower(?)"
        )
        names = (address.schema, address.table)
        is_view = self.run(f"SELECT 1 FROM duckdb_views() WHERE {where.format('view_name')}", names)
        at = where.format("table_name")
        found = "SELECT column_name, data_type, column_default FROM duckdb_columns() WHERE "
        columns = self.run(found + at, names)
        if not columns:
            return None
        keys = self.run(
            "SELECT constraint_column_names FROM duckdb_constraints() "
            f"WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') AND {at}",
            names,
        )
        return Shape(
            is_table=not is_view,
            columns=tuple(KnownColumn(row[0], row[1].lower(), row[2] is not None) for row in columns),
            unique=frozenset(frozenset(row[0]) for row in keys),
        )

    def stage(self, name: str, cells: Cells) -> None:
        """Make and fill a temporary table."""
        import pyarrow as pa

        types = {
            "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "timestamp": pa.timestamp("us"),
            "zoned": pa.timestamp("us", tz="UTC"),
        }  # fmt: skip
        columns = zip(cells.values, cells.kinds, strict=True)
        table = pa.table([pa.array(values, types[kind]) for values, kind in columns], names=list(cells.names))
        view = f"{name}_arrow"
        self._connection.register(view, table)
        self.run(f"CREATE TEMP TABLE {quoted(name)} AS SELECT * FROM {quoted(view)}")
        self._connection.unregister(view)

    def read(self, query: str) -> Iterator[Any]:
        """Run a query; a statement that is no SELECT is refused before it is run."""
        import duckdb

        statements = duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise FailedError("the query does more than read", hint="write one SELECT", code="QUERY")
        reader = self._connection.sql(query).to_arrow_reader(_FETCHED_ROWS)
        try:
            empty = True
            for batch in reader:
                empty = False
                yield _without_intervals(batch)
            if empty:
                yield _without_intervals(_empty(reader.schema))
        finally:
            reader.close()  # closing the connection would wait for it

    def commit(self) -> None:
        """Make what was written last."""
        self.run("COMMIT")

    def end(self) -> None:
        """Undo what was not committed and close."""
        import duckdb

        with contextlib.suppress(duckdb.Error):  # no transaction is open after a commit
            self.run("ROLLBACK")
        with contextlib.suppress(duckdb.Error):
            self._connection.close()


def load() -> DuckdbEngine:
    """Return the engine. Raises ImportError where the package is not installed."""
    import duckdb  # noqa: F401

    return DuckdbEngine()


def _told_apart() -> AbstractContextManager[None]:
    """Turn the errors of the library into ours."""
    import duckdb

    return told_apart(duckdb.Error, _judged)


def _judged(error: duckdb.Error) -> Exception:
    import duckdb

    words = first_line(error)
    if isinstance(error, duckdb.TransactionException) or any(sign in words.lower() for sign in _BUSY_WORDS):
        return BusyError("another program has it open")
    if "not a valid DuckDB database" in words:
        return FailedError("the file is no DuckDB database", hint="name another file", code="KIND")
    return FailedError(words, hint="check the query, the tables and the file", code="DB")


def _without_intervals(batch: Any) -> Any:
    """Return a batch in which spans of time, which Parquet does not know, are text."""
    import pyarrow as pa

    arrays = [
        pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        if pa.types.is_interval(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, known.type) for known in schema], names=schema.names)
