"""Forecasts into a table of a database: one transaction, a key that makes a repeated run the same run, read back.

The rows go into a temporary table first; from there one statement inserts or replaces them by their key, and another
counts how many stand in the target exactly as they were meant. Only then is it committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import Address, parse_address, quoted
from rnnforecast.data.databases.cells import cells_of
from rnnforecast.data.databases.session import BusyError, Cells, FailedError, engine_of, patiently
from rnnforecast.data.databases.shapes import check_names, check_purpose, check_shape
from rnnforecast.errors import OutputError, TryLaterError
from rnnforecast.store.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rnnforecast.data.databases.session import Engine, Session

STAGE = "rnnforecast_rows"


@dataclass(frozen=True)
class Target:
    """A table that forecasts go to, and how long it is waited for."""

    address: Address
    wait: float  # seconds

    @classmethod
    def of(cls, url: str, *, wait: float) -> Target:
        """Return the target of a URL. Raises UsageError for one that names no table."""
        address = parse_address(url)
        address.table_name  # noqa: B018  # raises where there is none
        return cls(address, wait)


def check_target(target: Target) -> None:
    """Check before the work starts that rows can be written there; leaves nothing behind.

    Raises ResourceError without the package, TryLaterError for a database that stays busy, OutputError otherwise.
    """
    address = target.address
    engine = engine_of(address)
    check_names((), engine, address)
    if address.engine != "postgresql" and not address.path.exists():
        check_writable(address.path)  # the file is made when there is something to write
        return

    def check(seconds: float) -> None:
        with engine.connect(address, writes=True, seconds=seconds) as session:
            session.begin(address.table_name)
            shape = session.shape(address)
            if shape is None:
                session.run(f"CREATE TABLE {address.table_name} (model {engine.TYPES['text']})")
                return
            name = quoted(check_purpose(shape, address))
            session.run(
                f"INSERT INTO {address.table_name} ({name}) SELECT {name} FROM {address.table_name} WHERE 1 = 0"
            )
            session.run(f"UPDATE {address.table_name} SET {name} = {name} WHERE 1 = 0")

    _with_errors_told(target, check)


def write_rows(frame: pd.DataFrame, target: Target, *, key: Sequence[str]) -> None:
    """Write all rows or none; rows whose key columns are there already take the place of the old ones.

    Raises TryLaterError where the database stays busy, OutputError for whatever else keeps the rows from standing
    there, also for a table of another shape.
    """
    engine, cells = engine_of(target.address), cells_of(frame)
    check_names(cells.names, engine, target.address)

    def write(seconds: float) -> None:
        with engine.connect(target.address, writes=True, seconds=seconds) as session:
            session.begin(target.address.table_name)
            _put(session, engine, target.address, cells, list(key))
            session.commit()

    _with_errors_told(target, write)


def _put(session: Session, engine: Engine, address: Address, cells: Cells, key: list[str]) -> None:
    """Insert or replace the rows, then count those that stand there as they were meant."""
    table = address.table_name
    shape = session.shape(address)
    if shape is None:
        session.run(_create(table, engine, cells, key))
    else:
        check_shape(shape, cells, key, engine=engine, address=address)
    session.stage(STAGE, cells)
    names = ", ".join(map(quoted, cells.names))
    others = [quoted(name) for name in cells.names if name not in key]
    replaced = ", ".join(f"{name} = excluded.{name}" for name in others)
    session.run(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {quoted(STAGE)} WHERE 1 = 1 "
        f"ON CONFLICT ({', '.join(map(quoted, key))}) DO UPDATE SET {replaced}"
    )
    found = _count(session, table, key=key, others=others)
    if found != len(cells):
        raise OutputError(
            f"{address.shown} was written with {len(cells)} rows but {found} of them read back as they were meant",
            hint="see whether a trigger or a rule of the table changes them; the table is as it was before",
            code="E_OUT_READ_BACK",
        )


def _create(table: str, engine: Engine, cells: Cells, key: Sequence[str]) -> str:
    columns = [
        f"{quoted(name)} {engine.TYPES[kind]} NOT NULL" for name, kind in zip(cells.names, cells.kinds, strict=True)
    ]
    return f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({', '.join(map(quoted, key))}))"


def _count(session: Session, table: str, *, key: Sequence[str], others: Sequence[str]) -> int:
    same_key = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in key)
    same_values = " AND ".join(f"t.{name} IS NOT DISTINCT FROM s.{name}" for name in others)
    rows = session.run(f"SELECT count(*) FROM {quoted(STAGE)} s JOIN {table} t ON {same_key} WHERE {same_values}")
    return int(rows[0][0])


def _with_errors_told(target: Target, action: Callable[[float], None]) -> None:
    shown = target.address.shown
    try:
        patiently(action, seconds=target.wait)
    except BusyError as error:
        raise TryLaterError(
            f"{shown} was not written: {error} (waited {target.wait:g} s)",
            hint="run it again later, or let it wait longer, such as `--wait 10m`; nothing was changed",
            code="E_OUT_BUSY",
        ) from None
    except FailedError as error:
        raise OutputError(f"{shown} was not written: {error}", hint=error.hint, code=f"E_OUT_{error.code}") from None


if TYPE_CHECKING:
    from collections.abc import Callable
