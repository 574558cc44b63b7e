"""The common part of all databases: a session with one transaction, retries, and the errors of the libraries.

A library's errors become `BusyError` (a retry may succeed) or `FailedError` (it will not).
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from rnnforecast.data.databases.address import Address, quoted
from rnnforecast.errors import InputError, OutputError, ResourceError, TryLaterError
from rnnforecast.frozen import dataclass

Kind = Literal["text", "integer", "number", "timestamp", "zoned"]
Row = tuple[Any, ...]
Result = TypeVar("Result")

EXTRA = "pip install 'rnnforecast[sql]'"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class BusyError(Exception):
    """The database is locked, starting or out of reach for the moment."""


class FailedError(Exception):
    """The database rejects the request, and will reject it again; `hint` is the fix."""

    def __init__(self, reason: str, *, hint: str = "check the database", code: str = "DB") -> None:
        super().__init__(reason)
        self.hint = hint
        self.code = code


@dataclass(frozen=True)
class TableColumn:
    """A column of an existing table."""

    name: str
    type: str  # as the database names it, lower case
    has_default: bool


@dataclass(frozen=True)
class TableSchema:
    """An existing table: its columns, and its unique keys."""

    is_table: bool  # not a view
    columns: tuple[TableColumn, ...]
    unique: frozenset[frozenset[str]]


@dataclass(frozen=True)
class Cells:
    """Rows to be written: names, kinds and values of their columns, all of one length."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    values: tuple[Sequence[Any], ...]

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0


class Session(Protocol):
    """An open connection to one kind of database."""

    TYPES: ClassVar[Mapping[Kind, str]]
    ACCEPTED: ClassVar[Mapping[Kind, frozenset[str]]]  # types of existing columns that take these values
    MAX_NAME_BYTES: ClassVar[int]
    IGNORES_CASE: ClassVar[bool]  # of names
    ERROR: ClassVar[type[Exception]]  # the base of the library's errors

    @classmethod
    def connect(cls, address: Address, *, writes: bool, seconds: float) -> Session:
        """Open a connection; without `writes` the database must exist and is not changed."""

    @staticmethod
    def translate(error: Any) -> Exception:
        """Return a BusyError or a FailedError for an error of the library."""

    def begin(self, lock: str) -> None:
        """Begin a transaction that writes; those with the same `lock` are serialised."""

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""

    def schema(self, address: Address) -> TableSchema | None:
        """Return the table's schema, None where there is no table."""

    def stage(self, name: str, cells: Cells) -> None:
        """Create and fill a table of that name that this session alone sees."""

    def read(self, query: str) -> Iterator[Any]:
        """Run a query that can only read; yields Arrow record batches, at least one."""

    def commit(self) -> None:
        """Commit the transaction."""

    def end(self) -> None:
        """Roll back an open transaction and close; raises nothing."""


def session_class(address: Address) -> type[Session]:
    """Return the kind of session of a database. Raises ResourceError where its package is not installed."""
    try:
        module = importlib.import_module(f"rnnforecast.data.databases.{address.engine}_engine")
    except ImportError as error:
        message = f"{address.shown} needs the package `{error.name}`, which is not installed"
        raise ResourceError(message, hint=EXTRA, code="E_RUN_PACKAGE") from error
    kind: type[Session] = module.ENGINE
    return kind


def use_session(address: Address, action: Callable[[Session], Result], *, writes: bool, wait: float) -> Result:
    """Return the result of `action` in a session, tried again for `wait` seconds while the database is busy.

    Raises TryLaterError where it stays busy, InputError or (for `writes`) OutputError where it rejects the request.
    """
    kind = session_class(address)

    def attempt(seconds: float) -> Result:
        with _open_session(kind, address, writes=writes, seconds=seconds) as session:
            return action(session)

    verb = "was not written" if writes else "cannot be read"
    try:
        return retry_while_busy(attempt, seconds=wait)
    except BusyError as error:
        message = f"{address.shown} {verb}: {error} (waited {wait:g} s)"
        hint = "run it again later, or wait longer, such as `--wait 10m`" + "; nothing was changed" * writes
        raise TryLaterError(message, hint=hint, code="E_OUT_BUSY" if writes else "E_INPUT_BUSY") from None
    except FailedError as error:
        message = f"{address.shown} {verb}: {error}"
        if writes:
            raise OutputError(message, hint=error.hint, code=f"E_OUT_{error.code}") from None
        raise InputError(message, hint=error.hint, code=f"E_INPUT_{error.code}") from None


@contextmanager
def _open_session(kind: type[Session], address: Address, *, writes: bool, seconds: float) -> Iterator[Session]:
    """Yield a session; whatever its block raises, nothing uncommitted stays."""
    if address.engine != "postgresql" and not writes and not address.path.exists():
        raise FailedError("there is no such file", hint="check the path", code="MISSING")
    session = None
    try:
        session = kind.connect(address, writes=writes, seconds=seconds)
        yield session
    except kind.ERROR as error:
        raise kind.translate(error) from error
    except UnicodeEncodeError as error:
        raise FailedError("a text cannot be written as UTF-8", hint="correct the ids at fault") from error
    finally:
        if session is not None:
            session.end()


def retry_while_busy(action: Callable[[float], Result], *, seconds: float) -> Result:
    """Return the result of `action`, tried again while the database is busy and until `seconds` have passed.

    `action` gets the number of seconds left. Raises BusyError after the last of them.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return action(max(end - time.monotonic(), 0.0))
        except BusyError:
            nap = pause * random.uniform(0.5, 1.0)  # so that two that wait do not collide again
            if time.monotonic() + nap >= end:
                raise
        time.sleep(nap)
        pause = min(2 * pause, _LONGEST_PAUSE)


def first_paragraph(error: BaseException) -> str:
    """Return the first paragraph of a library's message on one line, without the name of its error class."""
    words = " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
    return words[:300]


def create_table(table: str, cells: Cells, types: Mapping[Kind, str], *, key: Sequence[str] = ()) -> str:
    """Return the statement that creates a table for rows, temporary where there is no key."""
    declared = [
        f"{quoted(name)} {types[kind]}" + " NOT NULL" * bool(key)
        for name, kind in zip(cells.names, cells.kinds, strict=True)
    ]
    if not key:
        return f"CREATE TEMP TABLE {table} ({', '.join(declared)})"
    return f"CREATE TABLE {table} ({', '.join(declared)}, PRIMARY KEY ({', '.join(map(quoted, key))}))"
