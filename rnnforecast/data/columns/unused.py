"""Columns that no role uses, although they could be covariates: a note names them, and the flags that use them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.profiles import Profile, named_like_id, named_like_time, profile_columns
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import listed, quoted
from rnnforecast.data.tables.table import Table
from rnnforecast.findings import Finding

#: Text with more distinct values in the sample is free text or a key, not a category.
MOST_CATEGORIES = 30


def note_unused_columns(table: Table, roles: Roles, settings: DataSettings, *, is_trained: bool) -> list[Finding]:
    """Return one note about all columns that change, have no role, and could explain the target.

    Where rows are steps in file order, another one names the text that differs in each row: it may hold timestamps.
    """
    if is_trained or settings.wide:  # a stored model noted it when it was trained
        return []
    used = {*roles.time, *roles.target, *roles.id, *roles.covariates}
    others = table.sample.loc[:, [str(name) not in used for name in table.sample.columns]]
    profiles = profile_columns(others)
    notes = [] if roles.time or settings.time == "none" else _note_texts(others, profiles, path=table.path)
    names = [
        one.name
        for place, one in enumerate(profiles)
        if _could_explain(one)
        and not _counts_rows(others.iloc[:, place])
        and one.name not in {note.column for note in notes}
    ]
    if not names:
        return notes
    message = f"{'column' if len(names) == 1 else f'{len(names)} columns'} not used: {listed(names)}"
    if {*roles.target} & {*roles.categorical}:
        message += "; a forecast of categories reads its target alone"
        return [*notes, Finding("N_COLUMN_UNUSED", message, table.path, column=names[0], count=len(names))]
    name = shlex.quote(names[0])
    fix = f"if known ahead: --future {name}; if not: --past {name}"
    ids = [column for column in roles.id if column in table.sample]
    is_plain = bool(ids) and table.sample.columns.is_unique
    if is_plain and table.sample.groupby(ids, observed=True)[names[0]].nunique().max() == 1:
        fix = f"one value for each series: --static {name}"
    return [*notes, Finding("N_COLUMN_UNUSED", message, table.path, column=names[0], count=len(names), fix=fix)]


def _note_texts(sample: pd.DataFrame, profiles: Sequence[Profile], *, path: str) -> list[Finding]:
    """Return a note about the first column that has another text with a digit in each row."""
    for place, one in enumerate(profiles):
        if one.kind != "text" or one.num_distinct < len(sample) or len(sample) < 2:
            continue
        cells = sample.iloc[:, place].astype(str)
        if cells.str.contains(r"\d", regex=True).all():
            message = (
                f"column `{one.name}` not used: texts such as {quoted(cells.iloc[0])} are in no known format of dates"
            )
            fix = f"if they are timestamps, name their format: --time {shlex.quote(one.name)} --date-format FORMAT"
            return [Finding("N_COLUMN_UNUSED", message, path, column=one.name, value=cells.iloc[0], count=1, fix=fix)]
    return []


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
