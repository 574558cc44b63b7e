"""SQLite, by the library that comes with Python: timestamps are ISO text there, and only one process writes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rnnforecast.data.databases.address import Address, quoted
from rnnforecast.data.databases.cells import batches_of
from rnnforecast.data.databases.session import (
    BusyError,
    Cells,
    FailedError,
    Kind,
    Row,
    TableColumn,
    TableSchema,
    create_table,
    first_paragraph,
)

_FETCHED_ROWS = 50_000
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
#: Actions that a query may take: read columns, call functions, recurse.
_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_HINTS = {
    sqlite3.SQLITE_FULL: ("free space on its disk", "NO_SPACE"),
    sqlite3.SQLITE_READONLY: ("allow this user to write the file and its folder", "READ_ONLY"),
    sqlite3.SQLITE_CANTOPEN: ("check the path; file and folder must be there and open to this user", "PERMISSION"),
    sqlite3.SQLITE_NOTADB: ("name a database of SQLite", "KIND"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged: restore it from a copy", "DEVICE"),
    sqlite3.SQLITE_IOERR: ("check the disk", "DEVICE"),
}


class SqliteSession:
    """A connection to SQLite."""

    TYPES: ClassVar[Mapping[Kind, str]] = {
        "text": "TEXT", "integer": "INTEGER", "number": "REAL", "timestamp": "TEXT", "zoned": "TEXT",
    }  # fmt: skip
    _TEXT = frozenset({"text", "varchar", "character varying"})
    ACCEPTED: ClassVar[Mapping[Kind, frozenset[str]]] = {
        "text": _TEXT, "integer": frozenset({"integer", "bigint", "int"}), "timestamp": _TEXT, "zoned": _TEXT,
        "number": frozenset({"real", "double", "double precision", "float"}),
    }  # fmt: skip
    MAX_NAME_BYTES = 10_000
    IGNORES_CASE = True
    ERROR = sqlite3.Error

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, address: Address, *, writes: bool, seconds: float) -> SqliteSession:
        """Open the file."""
        uri = f"{address.path.as_uri()}?mode={'rwc' if writes else 'ro'}"
        return cls(sqlite3.connect(uri, uri=True, timeout=seconds, isolation_level=None))

    @staticmethod
    def translate(error: Any) -> Exception:
        """Return our error for one of the library."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            return BusyError("another program is writing it")
        hint, name = _HINTS.get(code, ("check the query and the tables it names", "DB"))
        return FailedError(first_paragraph(error), hint=hint, code=name)

    def begin(self, lock: str) -> None:  # noqa: ARG002
        """Begin as the one writer."""
        self._connection.execute("BEGIN IMMEDIATE")

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        return self._connection.execute(sql, tuple(parameters)).fetchall()

    def schema(self, address: Address) -> TableSchema | None:
        """Return the schema of the table."""
        found = self.run("SELECT type, name FROM sqlite_master WHERE name = ? COLLATE NOCASE", (address.table,))
        found = [row for row in found if row[0] in ("table", "view")]
        if not found:
            return None
        name = found[0][1]
        columns = self.run("SELECT name, type, dflt_value, pk FROM pragma_table_info(?)", (name,))
        unique = {frozenset(str(row[0]) for row in columns if row[3])}
        for (index,) in self.run('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (name,)):
            unique.add(frozenset(str(row[0]) for row in self.run("SELECT name FROM pragma_index_info(?)", (index,))))
        return TableSchema(
            is_table=found[0][0] == "table",
            columns=tuple(TableColumn(row[0], _base(row[1]), row[2] is not None) for row in columns),
            unique=frozenset(unique),
        )

    def stage(self, name: str, cells: Cells) -> None:
        """Create and fill a temporary table."""
        self.run(create_table(quoted(name), cells, self.TYPES))
        values = [
            [_iso(value) for value in column] if kind in ("timestamp", "zoned") else column
            for column, kind in zip(cells.values, cells.kinds, strict=True)
        ]
        marks = ", ".join("?" * len(cells.names))
        self._connection.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", zip(*values, strict=True))

    def read(self, query: str) -> Iterator[Any]:
        """Run a query; SQLite asks before each step, and only reading is allowed."""
        denied: list[int] = []

        def authorize(action: int, *_: object) -> int:
            if action in _READS:
                return sqlite3.SQLITE_OK
            denied.append(action)
            return sqlite3.SQLITE_DENY

        self._connection.set_authorizer(authorize)
        try:
            cursor = self._connection.execute(query)
            names = [str(column[0]) for column in cursor.description or ()]
            yield from batches_of(names, iter(lambda: cursor.fetchmany(_FETCHED_ROWS), []))
        except (sqlite3.DatabaseError, sqlite3.ProgrammingError) as error:
            if denied:
                raise FailedError("the query does more than read", hint="write a SELECT", code="QUERY") from error
            raise
        finally:
            self._connection.set_authorizer(None)

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.execute("COMMIT")

    def end(self) -> None:
        """Roll back and close."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _base(declared: str) -> str:
    """Return a declared type without its size."""
    return declared.partition("(")[0].strip().lower()


def _iso(timestamp: Any) -> str:
    """Return a timestamp as SQLite's own functions read it; the same text for the same timestamp in every run."""
    return str(timestamp.isoformat(sep=" "))


ENGINE = SqliteSession
