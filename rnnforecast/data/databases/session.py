"""What all databases have in common: a session with a transaction in it, and how what goes wrong is told apart.

An engine turns the errors of its library into `BusyError` (may pass by itself) and `FailedError` (will not).
"""

from __future__ import annotations

import importlib
import random
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from rnnforecast.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rnnforecast.data.databases.address import Address

Kind = Literal["text", "integer", "number", "timestamp", "zoned"]
Row = tuple[Any, ...]
Result = TypeVar("Result")

EXTRA = "pip install 'rnnforecast[sql]'"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class BusyError(Exception):
    """The database is locked, starting or out of reach for the moment."""


class FailedError(Exception):
    """The database refused, and will refuse again; `hint` says what settles it."""

    def __init__(self, reason: str, *, hint: str = "check the database", code: str = "DB") -> None:
        super().__init__(reason)
        self.hint = hint
        self.code = code


@dataclass(frozen=True)
class KnownColumn:
    """A column of a table that is there."""

    name: str
    type: str  # as the database names it, lower case
    fills_itself: bool  # it has a default, so that rows may come without it


@dataclass(frozen=True)
class Shape:
    """A table that is there: its columns, and the sets of columns that no two rows may share."""

    is_table: bool  # not a view
    columns: tuple[KnownColumn, ...]
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
    """An open connection."""

    def begin(self, lock: str) -> None:
        """Begin a transaction that writes; those with the same `lock` come one after the other."""

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""

    def shape(self, address: Address) -> Shape | None:
        """Return the table as it is, None where there is none."""

    def stage(self, name: str, cells: Cells) -> None:
        """Make a table of that name that this session alone sees, and fill it."""

    def read(self, query: str) -> Iterator[Any]:
        """Run a query that can only read; yields one record batch of Arrow after the other, at least one."""

    def commit(self) -> None:
        """Make what was written last."""

    def end(self) -> None:
        """Undo what was not committed and close; raises nothing."""


class Engine(Protocol):
    """One kind of database."""

    TYPES: Mapping[Kind, str]
    ACCEPTED: Mapping[Kind, frozenset[str]]
    MAX_NAME_BYTES: int
    FOLDS_CASE: bool  # names that differ in case alone are one

    def connect(self, address: Address, *, writes: bool, seconds: float) -> AbstractContextManager[Session]:
        """Open a session; whatever its block raises, nothing of it stays. Raises BusyError or FailedError."""


@contextmanager
def told_apart(library: type[Exception], judge: Callable[[Any], Exception]) -> Iterator[None]:
    """Turn the errors of a library into what `judge` makes of them; a text that is no UTF-8 is refused for all."""
    try:
        yield
    except library as error:
        raise judge(error) from error
    except UnicodeEncodeError as error:
        raise FailedError("a text cannot be written as UTF-8", hint="mend the ids at fault") from error


def engine_of(address: Address) -> Engine:
    """Return the engine of a database. Raises ResourceError where its package is not installed."""
    module = importlib.import_module(f"rnnforecast.data.databases.{address.engine}_engine")
    try:
        engine: Engine = module.load()
    except ImportError as error:
        raise ResourceError(
            f"{address.shown} needs the package `{error.name}`, which is not installed",
            hint=EXTRA,
            code="E_RUN_PACKAGE",
        ) from error
    return engine


def patiently(action: Callable[[float], Result], *, seconds: float) -> Result:
    """Return what `action` returns, tried again while the database is busy and until `seconds` have passed.

    `action` is told how many seconds are left. Raises BusyError at the end of them.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return action(max(end - time.monotonic(), 0.0))
        except BusyError:
            nap = pause * random.uniform(0.5, 1.0)  # two that wait do not meet again and again
            if time.monotonic() + nap >= end:
                raise
        time.sleep(nap)
        pause = min(2 * pause, _LONGEST_PAUSE)


def first_line(error: BaseException) -> str:
    """Return what a library says, on one line, without the name of its error class."""
    words = " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
    return words[:300]
