"""Which column distinguishes rows of one timestamp: its name goes into the fix of the error about them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.profiles import named_like_id, profile_columns
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import data_error
from rnnforecast.data.files.remote import is_url
from rnnforecast.data.tables.table import Table, read_table
from rnnforecast.data.timestamps.split_columns import part_of
from rnnforecast.errors import DataError

#: Neighbouring hours that a column must hold to be one of hours.
_MIN_HOURS = 12
_MERGE = "merge such rows with --duplicates sum|mean|first|last"


def with_named_fix(error: DataError, table: Table, roles: Roles, settings: DataSettings) -> DataError:
    """Return the error of repeated timestamps with a fix that was tried: a column of this file that distinguishes them."""
    if not roles.time or not any(one.code == "E_TIME_DUPLICATE" for one in error.findings):
        return error
    sparse = None
    used = {*roles.time, *roles.target, *roles.covariates, *roles.id}
    free = [name for name in dict.fromkeys(table.names) if name not in used and table.names.count(name) == 1]
    keys = [*roles.time, *roles.id]
    found = distinguishing(table.sample, keys, free)
    if found is None and free and not is_url(table.path) and table.path != "-":
        # series that lie one below the other repeat no timestamp among the first rows
        whole = read_table(table.path, settings).read(text=[*keys, *free])
        found = distinguishing(whole, keys, free)
        sparse = _only_in_first(whole, keys, free) if found is None else None
    fix = f"{_MERGE}, or keep one row for each timestamp"
    if sparse is not None:
        fix = f"write the id into every row: `{sparse}` has it only in the first one of each series; or {_MERGE}"
    if found is not None:
        name, role = found
        words = ",".join([*roles.time, name]) if role == "time" else name
        noun = "the column of times of day too" if role == "time" else "the column that identifies the series"
        fix = f"name {noun}: --{role} {shlex.quote(words)}; or {_MERGE}"
    return data_error([replace(one, fix=fix) if one.code == "E_TIME_DUPLICATE" else one for one in error.findings])


def distinguishing(frame: pd.DataFrame, keys: Sequence[str], free: Sequence[str]) -> tuple[str, str] | None:
    """Return a column that makes repeated rows of `keys` distinct, and its role: `time` or `id`; None without one.

    Times of day come first, then text and columns named like ids; of several the one that leaves the fewest repetitions.
    """
    before = int(frame.duplicated([*keys]).sum())
    if not before or not free:
        return None
    kinds = {one.name: one.kind for one in profile_columns(frame[[*free]])}
    clocks = {name for name in free if kinds[name] == "clock" or _holds_hours(frame[name], kinds[name])}
    labels = {name for name in free if kinds[name] in ("text", "integer") and 2 * frame[name].nunique() <= len(frame)}
    left = {name: int(frame.duplicated([*keys, name]).sum()) for name in free if name in clocks | labels}
    fits = [name for name in left if 2 * left[name] < before]
    named = [name for name in fits if kinds[name] == "text" or named_like_id(name)]
    likeliest = [name for name in fits if name in clocks] or named or fits
    if not likeliest:
        return None
    best = min(likeliest, key=lambda name: (left[name], frame[name].nunique()))
    return best, "time" if best in clocks else "id"


def _only_in_first(frame: pd.DataFrame, keys: Sequence[str], free: Sequence[str]) -> str | None:
    """Return a column of ids that are empty below the first row of each series, as a spreadsheet merges such cells."""
    before = int(frame.duplicated([*keys]).sum())
    for name in free:
        cells = frame[name].astype(str)
        if cells.iloc[0] and cells.nunique() > 2 and bool((cells == "").any()):
            below = cells.mask(cells == "").ffill()
            if 2 * int(frame[[*keys]].assign(**{name: below}).duplicated().sum()) < before:
                return name
    return None


def _holds_hours(column: pd.Series[Any], kind: str) -> bool:
    """Whether whole numbers are hours of a day: 0 or 1 and those after it, up to 24 at most, or so by their name."""
    if kind != "integer":
        return False
    if part_of(str(column.name)) == "hour":
        return True
    hours = sorted({int(number) for number in column if str(number).strip()})
    return (
        len(hours) >= _MIN_HOURS
        and hours[0] in (0, 1)
        and hours == list(range(hours[0], hours[-1] + 1))
        and hours[-1] <= 24
    )
