"""PostgreSQL, by psycopg: writers of one table are serialised, readers get a read-only snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import psycopg

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
from rnnforecast.masking import masked

_FETCHED_ROWS = 50_000
_LEAST_CONNECT_SECONDS, _LONGEST_CONNECT_SECONDS = 2, 30
#: Classes and codes of SQLSTATE after which a retry may succeed: connections, resources, shutdown, deadlock, locks.
_BUSY_STATES = ("08", "53200", "53300", "57P0", "57014", "40001", "40P01", "55P03")
#: The same for a failed connection, which has no SQLSTATE: words of its message.
_BUSY_WORDS = (
    *("connection refused", "timeout", "timed out", "no such file or directory", "temporary failure", "unreachable"),
    *("reset by peer", "closed the connection", "starting up", "shutting down", "too many clients", "in recovery"),
    *("connection slots", "not yet accepting", "connection is lost", "eof detected", "broken pipe"),
)
_HINTS = {
    "42501": "grant this user SELECT, INSERT and UPDATE on the table (and CREATE on its schema where it is absent)",
    "25006": "this server is read-only: name the primary",
    "3F000": "create the schema first",
    "53100": "free space on the disk of the server",
    "42P01": "check the query and the tables it names",
}
_SIGN_IN = "give the password in `PGPASSWORD` or `~/.pgpass` (mode 600), and check user and database"


class PostgresqlSession:
    """A connection to PostgreSQL."""

    TYPES: ClassVar[Mapping[Kind, str]] = {
        "text": "text", "integer": "bigint", "number": "double precision", "timestamp": "timestamp",
        "zoned": "timestamptz",
    }  # fmt: skip
    ACCEPTED: ClassVar[Mapping[Kind, frozenset[str]]] = {
        "text": frozenset({"text", "character varying"}),
        "integer": frozenset({"bigint", "numeric"}),
        "number": frozenset({"double precision"}),
        "timestamp": frozenset({"timestamp without time zone"}),
        "zoned": frozenset({"timestamp with time zone"}),
    }
    MAX_NAME_BYTES = 63
    IGNORES_CASE = False
    ERROR = psycopg.Error

    def __init__(self, connection: psycopg.Connection[Any], *, lock_milliseconds: int) -> None:
        self._connection = connection
        self._lock_milliseconds = lock_milliseconds

    @classmethod
    def connect(cls, address: Address, *, writes: bool, seconds: float) -> PostgresqlSession:
        """Connect to the server; without `writes` the server itself rejects every change."""
        timeout = int(min(max(seconds, _LEAST_CONNECT_SECONDS), _LONGEST_CONNECT_SECONDS))
        connection = psycopg.connect(
            address.location,
            connect_timeout=timeout,
            prepare_threshold=None,
            client_encoding="utf8",
            application_name="rnnforecast",
        )
        connection.read_only = not writes
        return cls(connection, lock_milliseconds=max(int(seconds * 1_000), 1))

    @staticmethod
    def translate(error: Any) -> Exception:
        """Return our error for one of the library."""
        words, state = masked(first_paragraph(error)), error.sqlstate
        if state is not None:
            if state.startswith(_BUSY_STATES):
                return BusyError(words)
            code = "QUERY" if state in ("42601", "0A000", "25006", "25001") else "DB"
            return FailedError(words, hint=_HINTS.get(state, "check the query, the table and the rights"), code=code)
        if isinstance(error, psycopg.OperationalError):
            if any(sign in words.lower() for sign in _BUSY_WORDS):
                return BusyError(words)
            return FailedError(words, hint=_SIGN_IN)
        return FailedError(words, hint="check the URL; dates beyond year 9999 are not read")

    def begin(self, lock: str) -> None:
        """Begin, and wait until no other writer of ours uses this table."""
        self.run(f"SET LOCAL lock_timeout = {self._lock_milliseconds}")
        number = int.from_bytes(hashlib.sha256(f"rnnforecast {lock}".encode()).digest()[:8], "big", signed=True)
        self.run("SELECT pg_advisory_xact_lock(%s)", (number,))

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        cursor = self._connection.execute(sql.encode(), tuple(parameters) or None)
        return cursor.fetchall() if cursor.description else []

    def schema(self, address: Address) -> TableSchema | None:
        """Return the schema of the table, found by the search path where no schema is named."""
        found = self.run("SELECT c.oid, c.relkind FROM pg_class c WHERE c.oid = to_regclass(%s)", (address.table_name,))
        if not found:
            return None
        oid, kind = found[0]
        columns = self.run(
            "SELECT attname, format_type(atttypid, NULL), atthasdef OR attidentity <> '' FROM pg_attribute "
            "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (oid,),
        )
        keys = self.run(
            "SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a "
            "ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = %s AND i.indisunique "
            "AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid",
            (oid,),
        )
        return TableSchema(
            is_table=(kind.decode() if isinstance(kind, bytes) else kind) in ("r", "p"),
            columns=tuple(TableColumn(name, type_, bool(fills)) for name, type_, fills in columns),
            unique=frozenset(frozenset(names) for (names,) in keys),
        )

    def stage(self, name: str, cells: Cells) -> None:
        """Create a temporary table, dropped with the transaction, and fill it by COPY."""
        self.run(f"{create_table(quoted(name), cells, self.TYPES)} ON COMMIT DROP")
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {quoted(name)} FROM STDIN".encode()) as copy:
            for row in zip(*cells.values, strict=True):
                copy.write_row(row)
        self.run(f"ANALYZE {quoted(name)}")

    def read(self, query: str) -> Iterator[Any]:
        """Run a query behind a cursor of the server, which takes one SELECT or VALUES and nothing else."""
        self.run("SET LOCAL timezone = 'UTC'")
        self.run(f"SET LOCAL lock_timeout = {self._lock_milliseconds}")
        with self._connection.cursor("rnnforecast_rows") as cursor:
            cursor.execute(query.encode())
            names = [column.name for column in cursor.description or ()]
            yield from batches_of(names, iter(lambda: cursor.fetchmany(_FETCHED_ROWS), []))

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.commit()

    def end(self) -> None:
        """Close; the server rolls back."""
        self._connection.close()


ENGINE = PostgresqlSession
