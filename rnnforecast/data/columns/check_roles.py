"""Checks of the chosen columns: one role each, unique names, numbers where they are needed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.profiles import Profile
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import data_error, listed
from rnnforecast.data.tables.wide_header import wide_header
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH
from rnnforecast.data.values.numbers import looks_numeric
from rnnforecast.findings import Finding, plural

_WORDS = {"timestamp": "dates", "clock": "times", "empty": "nothing", "nested": "lists"}
_ROLES = ("time", "target", "id", "past", "future", "static")
UNNAMED = "Unnamed: "
#: Columns named after timestamps from which on a table is wide.
_MIN_WIDE = 4


def in_words(profile: Profile) -> str:
    """Return what a column holds, in one word."""
    return _WORDS.get(profile.kind, profile.kind)


def check_roles(
    sample: pd.DataFrame, profiles: Sequence[Profile], roles: Roles, settings: DataSettings, *, path: str
) -> None:
    """Raise DataError for columns in two roles or of a name that is there twice, and for text where numbers must be."""
    named = [*roles.time, *roles.target, *roles.id, *roles.covariates]
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    problems = [_in_two_roles(name, roles, path) for name in twice]
    names = [one.name for one in profiles]
    problems += [_twice(name, names, path) for name in dict.fromkeys(named) if names.count(name) > 1]
    kinds = {one.name: one for one in profiles}
    numeric = listed([one.name for one in profiles if one.is_numeric]) or "none"
    for name in roles.target:
        if name in roles.categorical:
            continue
        if not kinds[name].is_numeric:
            message = f"target `{name}` holds {in_words(kinds[name])}, not numbers{_counts(sample[name])}"
            fix = f"numeric columns: {numeric}"
            if kinds[name].kind == "text" and not _counts(sample[name]):
                fix += f"; `rnnforecast train {shlex.quote(path)} --target {shlex.quote(name)}` forecasts categories"
            problems.append(Finding("E_TARGET_TEXT", message, path, column=name, fix=fix))
        elif name.startswith(UNNAMED) and name not in settings.target:
            problems.append(_unnamed(name, names, path))
    if problems:
        raise data_error(problems)


def check_not_wide(sample: pd.DataFrame, *, path: str) -> None:
    """Raise DataError where columns are named after timestamps: years, months, days, hours or steps as columns."""
    names = [str(name) for name in sample.columns]
    header = wide_header(names, sample)
    months = [name for name in names if re.fullmatch(ENGLISH_MONTH, name.strip(), re.IGNORECASE)]
    if header is None and len(months) < _MIN_WIDE:
        return
    wide = months if header is None else [names[place] for place in header.places]
    noun = "months" if header is None else header.noun
    message = f"the table is wide: {len(wide)} columns are named after {noun}, {listed(wide, limit=3)}"
    fix = "`--wide` makes a row of each of them" if header is not None else "add a column `Year` and use `--wide`"
    fix += f"; or forecast one column down its rows: --target {shlex.quote(wide[-1])}"
    raise data_error([Finding("E_COLUMN_WIDE", message, path, column=wide[0], value=wide[0], fix=fix)])


def separated_by(names: Sequence[str], sample: pd.DataFrame) -> str | None:
    """Return the flag for a delimiter that splits the header and all rows of one text column alike, None without one."""
    if len(names) != 1:
        return None
    texts = [names[0], *sample.iloc[:50, 0].astype(str)]
    for sign in (" ", ":", "~", "^", "!", "/", "\x01"):
        counts = {text.count(sign) for text in texts}
        if len(counts) == 1 and counts != {0}:
            return "--delimiter space" if sign == " " else f"--delimiter {sign!r}"
    words = {len(text.split()) for text in texts}
    return "--delimiter space" if len(words) == 1 and words != {1} else None


def target_of_words(
    sample: pd.DataFrame,
    profiles: Sequence[Profile],
    target: Sequence[str],
    *,
    path: str,
    known: Mapping[str, Sequence[str]] | None,
    is_open: bool,
) -> tuple[str, ...]:
    """Return the target where it holds categories: as in the stored model of `known`, or words alone where `is_open`.

    Raises DataError for numbers where the model was trained on words.
    """
    kinds = {one.name: one for one in profiles}
    if known is not None:
        words = tuple(name for name in target if name in known)
        odd = [name for name in words if kinds[name].is_numeric and kinds[name].kind != "empty"]
        if odd:
            message = f"target `{odd[0]}` holds {in_words(kinds[odd[0]])}, where the model was trained on words"
            fix = f"write `{odd[0]}` as it was written for the training, or train again on these rows"
            raise data_error([Finding("E_TARGET_TYPE", message, path, column=odd[0], fix=fix)])
        return words
    if not is_open or len(target) != 1 or kinds[target[0]].kind != "text":
        return ()
    cells = sample[target[0]].dropna().astype(str).str.strip().to_numpy(dtype=object)
    return () if looks_numeric(cells).any() else (target[0],)


def categorical_of(
    sample: pd.DataFrame,
    profiles: Sequence[Profile],
    covariates: Sequence[str],
    *,
    path: str,
    known: Mapping[str, Sequence[str]] | None,
) -> tuple[str, ...]:
    """Return the covariates that hold words; `known` are the categories of a stored model, None in a training.

    Raises DataError for a covariate of dates or lists, and for one that held another kind when the model was trained.
    """
    kinds = {one.name: one for one in profiles}
    problems, words = [], []
    for name in covariates:
        profile = kinds[name]
        if known is not None and name in known:
            words.append(name)
            cells = {str(cell) for cell in sample[name].dropna()} - {""}
            if profile.kind != "text" and cells and not cells & set(known[name]):
                problems.append(_other_kind(name, profile, "words", path))
        elif profile.is_numeric:
            continue
        elif known is not None:
            problems.append(_other_kind(name, profile, "numbers", path))
        elif profile.kind == "text":
            words.append(name)
        else:
            message = f"covariate `{name}` holds {in_words(profile)}, neither numbers nor words"
            fix = "write it as numbers, or as words"
            problems.append(Finding("E_COVARIATE_TEXT", message, path, column=name, fix=fix))
    if problems:
        raise data_error(problems)
    return tuple(words)


def _other_kind(name: str, profile: Profile, trained: str, path: str) -> Finding:
    message = f"covariate `{name}` holds {in_words(profile)}, where the model was trained on {trained}"
    fix = f"write `{name}` as it was written for the training, or train again on these rows"
    return Finding("E_COVARIATE_TYPE", message, path, column=name, fix=fix)


def _in_two_roles(name: str, roles: Roles, path: str) -> Finding:
    taken = " and ".join(role for role in _ROLES for one in getattr(roles, role) if one == name)
    message = f"{listed([name])} is named as {taken}, but a column can have only one of these roles"
    fix = "name each column in one flag only"
    return Finding("E_COLUMN_TWICE", message, path, column=name, fix=fix)


def _twice(name: str, names: Sequence[str], path: str) -> Finding:
    positions = ", ".join(str(place + 1) for place, one in enumerate(names) if one == name)
    message = f"column `{name}` occurs {names.count(name)} times, at positions {positions}"
    fix = "give each column a unique name"
    return Finding("E_COLUMN_TWICE", message, path, column=name, count=names.count(name), fix=fix)


def _unnamed(name: str, names: Sequence[str], path: str) -> Finding:
    message = f"column {names.index(name) + 1}, the likely target, has no name"
    fix = f"write its name into the header, or choose it: --target '{name}'"
    return Finding("E_COLUMN_UNNAMED", message, path, column=name, fix=fix)


def _counts(column: pd.Series) -> str:
    """Return how many cells of a sample are numbers and how many are not, where there are both."""
    cells = [cell.strip() for cell in column if isinstance(cell, str) and cell.strip()]
    num_numbers = int(looks_numeric(np.array(cells, dtype=object)).sum()) if cells else 0
    num_texts = len(cells) - num_numbers
    if not num_numbers or not num_texts:
        return ""
    return f" ({plural(num_numbers, 'number')} and {plural(num_texts, 'text')} in its first rows)"
