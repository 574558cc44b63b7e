"""DuckDB: one process at a time may write a file, and rows travel as Arrow tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from rnnforecast.data.databases.address import Address, quoted
from rnnforecast.data.databases.session import (
    BusyError,
    Cells,
    FailedError,
    Kind,
    Row,
    TableColumn,
    TableSchema,
    first_paragraph,
)

_FETCHED_ROWS = 100_000
#: Extensions are not downloaded silently.
_CONFIG = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_BUSY_WORDS = ("could not set lock", "conflicting lock", "different configuration")


class DuckdbSession:
    """A connection to DuckDB."""

    TYPES: ClassVar[Mapping[Kind, str]] = {
        "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "timestamp": "TIMESTAMP",
        "zoned": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    ACCEPTED: ClassVar[Mapping[Kind, frozenset[str]]] = {
        "text": frozenset({"varchar"}), "integer": frozenset({"bigint", "hugeint"}), "number": frozenset({"double"}),
        "timestamp": frozenset({"timestamp"}), "zoned": frozenset({"timestamp with time zone"}),
    }  # fmt: skip
    MAX_NAME_BYTES = 10_000
    IGNORES_CASE = True
    ERROR = duckdb.Error

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, address: Address, *, writes: bool, seconds: float) -> DuckdbSession:  # noqa: ARG003
        """Open the file."""
        session = cls(duckdb.connect(str(address.path), read_only=not writes, config=dict(_CONFIG)))
        # it opens a CSV, JSON or Parquet file too: as a view of a database in memory, which ends with the process
        if session.run("SELECT path FROM duckdb_databases() WHERE database_name = current_database()") == [(None,)]:
            session.end()
            raise _foreign()
        session.run("SET TimeZone = 'UTC'")
        return session

    @staticmethod
    def translate(error: Any) -> Exception:
        """Return our error for one of the library."""
        words = first_paragraph(error)
        if isinstance(error, duckdb.TransactionException) or any(sign in words.lower() for sign in _BUSY_WORDS):
            return BusyError("another program has it open")
        if "not a valid DuckDB database" in words or "in-memory database in read-only" in words:
            return _foreign()
        return FailedError(words, hint="check the query, the tables and the file", code="DB")

    def begin(self, lock: str) -> None:  # noqa: ARG002
        """Begin; no other process has the file open."""
        self.run("BEGIN TRANSACTION")

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        return list(self._connection.execute(sql, list(parameters)).fetchall())

    def schema(self, address: Address) -> TableSchema | None:
        """Return the schema of the table."""
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
        return TableSchema(
            is_table=not is_view,
            columns=tuple(TableColumn(row[0], row[1].lower(), row[2] is not None) for row in columns),
            unique=frozenset(frozenset(row[0]) for row in keys),
        )

    def stage(self, name: str, cells: Cells) -> None:
        """Create and fill a temporary table."""
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
        """Run a query; a statement other than SELECT is rejected before it runs."""
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
        """Commit the transaction."""
        self.run("COMMIT")

    def end(self) -> None:
        """Roll back and close."""
        with contextlib.suppress(duckdb.Error):  # no transaction is open after a commit
            self.run("ROLLBACK")
        with contextlib.suppress(duckdb.Error):
            self._connection.close()


def _foreign() -> FailedError:
    return FailedError("the file is not a DuckDB database", hint="name another file", code="KIND")


def _without_intervals(batch: Any) -> Any:
    """Return a batch whose intervals, which Parquet does not have, are text."""
    arrays = [
        pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        if pa.types.is_interval(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _empty(schema: Any) -> Any:
    return pa.RecordBatch.from_arrays([pa.nulls(0, column.type) for column in schema], names=schema.names)


ENGINE = DuckdbSession
