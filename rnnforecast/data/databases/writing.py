"""Forecasts into a table of a database: one transaction, a key that makes runs repeatable, verified before the commit.

The rows go into a temporary table first; from there one statement inserts or replaces them by their key, and another
counts how many rows of the target equal them. Only then is it committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import Address, parse_address, quoted
from rnnforecast.data.databases.cells import cells_of
from rnnforecast.data.databases.session import Cells, Session, TableSchema, create_table, session_class, use_session
from rnnforecast.errors import OutputError
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import check_writable

if TYPE_CHECKING:
    import pandas as pd


STAGE = "rnnforecast_rows"
ANOTHER = "or name another table behind the `#`"


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
    kind = session_class(address)
    check_names((), kind, address)
    if address.engine != "postgresql" and not address.path.exists():
        check_writable(address.path)  # the file is made when there is something to write
        return

    def check(session: Session) -> None:
        session.begin(address.table_name)
        schema = session.schema(address)
        if schema is None:
            session.run(f"CREATE TABLE {address.table_name} (model {kind.TYPES['text']})")
            return
        name = quoted(check_purpose(schema, address))
        session.run(f"INSERT INTO {address.table_name} ({name}) SELECT {name} FROM {address.table_name} WHERE 1 = 0")
        session.run(f"UPDATE {address.table_name} SET {name} = {name} WHERE 1 = 0")

    use_session(address, check, writes=True, wait=target.wait)


def write_rows(frame: pd.DataFrame, target: Target, *, key: Sequence[str]) -> None:
    """Write all rows or none; rows whose key columns are there already take the place of the old ones.

    Raises TryLaterError where the database stays busy, OutputError for whatever else keeps the rows from standing
    there, also for a table of another shape.
    """
    address, cells = target.address, cells_of(frame)
    check_names(cells.names, session_class(address), address)

    def write(session: Session) -> None:
        session.begin(address.table_name)
        _put(session, address, cells, list(key))
        session.commit()

    use_session(address, write, writes=True, wait=target.wait)


def _put(session: Session, address: Address, cells: Cells, key: list[str]) -> None:
    """Insert or replace the rows, then count those that stand there as they were meant."""
    table = address.table_name
    schema = session.schema(address)
    if schema is None:
        session.run(create_table(table, cells, session.TYPES, key=key))
    else:
        check_schema(schema, cells, key, kind=type(session), address=address)
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
        message = f"{address.shown} was written with {len(cells)} rows but {found} of them read back as they were meant"
        hint = "see whether a trigger or a rule of the table changes them; the table is as it was before"
        raise OutputError(message, hint=hint, code="E_OUT_READ_BACK")


def _count(session: Session, table: str, *, key: Sequence[str], others: Sequence[str]) -> int:
    same_key = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in key)
    same_values = " AND ".join(f"t.{name} IS NOT DISTINCT FROM s.{name}" for name in others)
    rows = session.run(f"SELECT count(*) FROM {quoted(STAGE)} s JOIN {table} t ON {same_key} WHERE {same_values}")
    return int(rows[0][0])


def check_names(names: Sequence[str], kind: type[Session], address: Address) -> None:
    """Raise OutputError for columns whose names the database would cut or confuse."""
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name or len(name.encode("utf-8", "surrogatepass")) > kind.MAX_NAME_BYTES:
            why = f"is not a valid column name there (1 to {kind.MAX_NAME_BYTES} bytes)"
            raise _mismatch(address, f"`{name[:80]}` {why}", "rename the column in the data")
        other = seen.setdefault(name.casefold() if kind.IGNORES_CASE else name, name)
        if other != name:
            raise _mismatch(
                address,
                f"`{other}` and `{name}` are the same column there: names ignore case",
                "rename the column in the data, or write a file",
            )
    if address.table is not None and len(address.table.encode()) > kind.MAX_NAME_BYTES:
        raise _mismatch(address, f"the name of the table has more than {kind.MAX_NAME_BYTES} bytes", "shorten it")


def check_purpose(schema: TableSchema, address: Address) -> str:
    """Return the column that names the model. Raises OutputError where the table is not one of forecasts."""
    names = {column.name.lower().lstrip("_"): column.name for column in schema.columns}
    if not schema.is_table:
        raise _mismatch(address, "it is a view, not a table", "name a table")
    lacking = [name for name in ("model", "cutoff", "forecast", "method") if name not in names]
    if lacking:
        raise _mismatch(
            address,
            f"the table exists and contains no forecasts: it lacks `{lacking[0]}`",
            "name another table behind the `#`",
        )
    return names["model"]


def check_schema(
    schema: TableSchema, cells: Cells, key: Sequence[str], *, kind: type[Session], address: Address
) -> None:
    """Raise OutputError, with column and fix, for a table that cannot take these rows by this key."""
    check_purpose(schema, address)
    there = {_folded(column.name, kind): column for column in schema.columns}
    table = address.table_name
    for name, values in zip(cells.names, cells.kinds, strict=True):
        column = there.get(_folded(name, kind))
        if column is None:
            fix = f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind.TYPES[values]}"
            raise _mismatch(address, f"the table lacks column `{name}`", f"`{fix}`, {ANOTHER}")
        if column.type not in kind.ACCEPTED[values]:
            wanted = kind.TYPES[values]
            why = f"column `{name}` is {column.type or 'without type'} there, the forecasts need {wanted}"
            raise _mismatch(address, why, f"change the type of {quoted(name)} to {wanted}, {ANOTHER}")
    names = {_folded(name, kind) for name in cells.names}
    for column in schema.columns:
        if _folded(column.name, kind) not in names and not column.has_default:
            why = f"the table has a column `{column.name}` that the forecasts do not have"
            fix = f"give it a default, forecast with the same `--quantiles` as before, {ANOTHER}"
            raise _mismatch(address, why, fix)
    folded_key = frozenset(_folded(name, kind) for name in key)
    if folded_key not in {frozenset(_folded(name, kind) for name in one) for one in schema.unique}:
        listed = ", ".join(map(quoted, key))
        why = f"the table has no unique key of {', '.join(f'`{name}`' for name in key)}"
        raise _mismatch(address, why, f"`CREATE UNIQUE INDEX ON {table} ({listed})` or similar, {ANOTHER}")


def _folded(name: str, kind: type[Session]) -> str:
    return name.casefold() if kind.IGNORES_CASE else name


def _mismatch(address: Address, why: str, fix: str) -> OutputError:
    return OutputError(f"{address.shown} was not written: {why}", hint=fix, code="E_OUT_SHAPE")
