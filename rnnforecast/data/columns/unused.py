"""Columns that no role uses, although they could be covariates: a note names them, and the flags that use them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.columns.profiles import named_like_id, named_like_time, profile_columns
from rnnforecast.data.errors import listed
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from rnnforecast.config import DataSettings
    from rnnforecast.data.columns.profiles import Profile
    from rnnforecast.data.columns.roles import Roles
    from rnnforecast.data.tables.table import Table

#: Text with more distinct values in the sample is free text or a key, not a category.
MOST_CATEGORIES = 30


def note_unused_columns(table: Table, roles: Roles, settings: DataSettings, *, is_trained: bool) -> list[Finding]:
    """Return one note about all columns that change, have no role, and could explain the target."""
    if is_trained or settings.wide:  # a stored model noted it when it was trained
        return []
    used = {*roles.time, *roles.target, *roles.id, *roles.covariates}
    others = table.sample.loc[:, [str(name) not in used for name in table.sample.columns]]
    names = [
        one.name
        for place, one in enumerate(profile_columns(others))
        if _could_explain(one) and not _counts_rows(others.iloc[:, place])
    ]
    if not names:
        return []
    message = f"{'column' if len(names) == 1 else f'{len(names)} columns'} not used: {listed(names)}"
    if {*roles.target} & {*roles.categorical}:
        message += "; a forecast of categories reads its target alone"
        return [Finding("N_COLUMN_UNUSED", message, table.path, column=names[0], count=len(names))]
    name = shlex.quote(names[0])
    fix = f"if known ahead: --future {name}; if not: --past {name}"
    ids = [column for column in roles.id if column in table.sample]
    is_plain = bool(ids) and table.sample.columns.is_unique
    if is_plain and table.sample.groupby(ids, observed=True)[names[0]].nunique().max() == 1:
        fix = f"one value for each series: --static {name}"
    return [Finding("N_COLUMN_UNUSED", message, table.path, column=names[0], count=len(names), fix=fix)]


def _counts_rows(column: pd.Series[Any]) -> bool:
    """Whether a column numbers the rows, whatever its name: each number is the one before it and 1."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    return len(numbers) > 2 and bool((np.diff(numbers) == 1).all())


def _could_explain(profile: Profile) -> bool:
    if profile.num_distinct < 2 or profile.name.startswith("Unnamed: "):
        return False
    if profile.kind == "text":
        return profile.num_distinct <= MOST_CATEGORIES and not named_like_time(profile.name)
    if profile.kind == "integer" and (named_like_id(profile.name) or named_like_time(profile.name)):
        return False
    return profile.kind in ("integer", "number", "boolean")
