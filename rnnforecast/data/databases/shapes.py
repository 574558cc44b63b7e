"""Whether a table that is there can take the rows: its columns, their types, its key; each refusal names its column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import quoted
from rnnforecast.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.data.databases.address import Address
    from rnnforecast.data.databases.session import Cells, Engine, Shape

ANOTHER = "or name another table behind the `#`"


def check_names(names: Sequence[str], engine: Engine, address: Address) -> None:
    """Refuse columns that the database would cut or take for one another. Raises OutputError."""
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name or len(name.encode("utf-8", "surrogatepass")) > engine.MAX_NAME_BYTES:
            why = f"is no name of a column there (1 to {engine.MAX_NAME_BYTES} bytes)"
            raise _refusal(address, f"`{name[:80]}` {why}", "name the column otherwise in the data")
        other = seen.setdefault(name.casefold() if engine.FOLDS_CASE else name, name)
        if other != name:
            raise _refusal(
                address,
                f"`{other}` and `{name}` are one column there: capitals do not count",
                "name the column otherwise in the data, or write a file",
            )
    if address.table is not None and len(address.table.encode()) > engine.MAX_NAME_BYTES:
        raise _refusal(address, f"the name of the table has more than {engine.MAX_NAME_BYTES} bytes", "shorten it")


def check_purpose(shape: Shape, address: Address) -> str:
    """Refuse what is no table of forecasts, before anything is forecast; returns the column that names the model."""
    names = {known.name.lower().lstrip("_"): known.name for known in shape.columns}
    if not shape.is_table:
        raise _refusal(address, "it is no table but a view", "name a table")
    lacking = [name for name in ("model", "cutoff", "forecast", "method") if name not in names]
    if lacking:
        raise _refusal(
            address,
            f"the table is there and holds no forecasts: it lacks `{lacking[0]}`",
            "name another table behind the `#`",
        )
    return names["model"]


def check_shape(shape: Shape, cells: Cells, key: Sequence[str], *, engine: Engine, address: Address) -> None:
    """Refuse a table that cannot hold these rows by this key. Raises OutputError naming the column and the fix."""
    check_purpose(shape, address)
    known = {_folded(column.name, engine): column for column in shape.columns}
    table = address.table_name
    for name, kind in zip(cells.names, cells.kinds, strict=True):
        column = known.get(_folded(name, engine))
        if column is None:
            fix = f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {engine.TYPES[kind]}"
            raise _refusal(address, f"the table lacks column `{name}`", f"`{fix}`, {ANOTHER}")
        if column.type not in engine.ACCEPTED[kind]:
            wanted = engine.TYPES[kind]
            why = f"column `{name}` is {column.type or 'of no type'} there, the forecasts need {wanted}"
            raise _refusal(address, why, f"change the type of {quoted(name)} to {wanted}, {ANOTHER}")
    names = {_folded(name, engine) for name in cells.names}
    for column in shape.columns:
        if _folded(column.name, engine) not in names and not column.fills_itself:
            why = f"the table has a column `{column.name}` that the forecasts do not have"
            fix = f"give it a default, forecast with the same `--quantiles` as before, {ANOTHER}"
            raise _refusal(address, why, fix)
    folded_key = frozenset(_folded(name, engine) for name in key)
    if folded_key not in {frozenset(_folded(name, engine) for name in one) for one in shape.unique}:
        listed = ", ".join(map(quoted, key))
        why = f"the table has no unique key of {', '.join(f'`{name}`' for name in key)}"
        raise _refusal(address, why, f"`CREATE UNIQUE INDEX ON {table} ({listed})` or its like, {ANOTHER}")


def _folded(name: str, engine: Engine) -> str:
    return name.casefold() if engine.FOLDS_CASE else name


def _refusal(address: Address, why: str, fix: str) -> OutputError:
    return OutputError(f"{address.shown} was not written: {why}", hint=fix, code="E_OUT_SHAPE")
