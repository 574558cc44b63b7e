"""Check that all files of a table have the same columns, of the same kinds."""

from __future__ import annotations

from collections.abc import Sequence

from rnnforecast.data.columns.profiles import profile_columns
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import data_error, listed
from rnnforecast.data.tables.table import Table
from rnnforecast.findings import Finding

_NUMERIC = ("integer", "number", "boolean", "empty")


def check_schemas(tables: Sequence[Table], roles: Roles) -> None:
    """Raise DataError for every file that lacks a used column of the first one, or holds another kind of it."""
    used = [*roles.time, *roles.target, *roles.id, *roles.covariates]
    kinds = _kinds(tables[0])
    problems = []
    for table in tables[1:]:
        mine = _kinds(table)
        lacking = [name for name in used if name not in mine and name in kinds]
        other = [name for name in used if name in mine and name in kinds and mine[name] != kinds[name]]
        if lacking:
            message = f"lacks column {listed(lacking)}, which {tables[0].path} has"
            fix = "write all files with the same columns, or name only files of one kind"
            problems.append(Finding("E_DATA_SCHEMA", message, table.path, column=lacking[0], fix=fix))
        if other:
            shown = ", ".join(f"`{name}` holds {mine[name]}, not {kinds[name]}" for name in other)
            message = f"{shown} as in {tables[0].path}"
            fix = "write the column alike in all files"
            problems.append(Finding("E_DATA_SCHEMA", message, table.path, column=other[0], fix=fix))
    if problems:
        raise data_error(problems)


def _kinds(table: Table) -> dict[str, str]:
    """Return the kind of each column in words; numbers of any sort are one kind, an empty column is of any."""
    return {
        profile.name: "numbers" if profile.kind in _NUMERIC else f"{profile.kind}s"
        for profile in profile_columns(table.sample)
    }
