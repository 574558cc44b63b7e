"""Choose the time, target, id and covariate columns: those that the user names, else the likeliest.

Every choice comes with its reason and the flag that overrides it.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.check_roles import (
    categorical_of,
    check_not_wide,
    check_roles,
    in_words,
    separated_by,
    target_of_words,
)
from rnnforecast.data.columns.hive_partitions import partitions_of
from rnnforecast.data.columns.id_columns import FILE_ID
from rnnforecast.data.columns.profiles import Profile, named_like_id, numbers_rows, profile_columns
from rnnforecast.data.columns.roles import Roles, single_names
from rnnforecast.data.columns.target_names import GUESSES, choose_target, may_explain
from rnnforecast.data.columns.time_columns import choose_time, time_parts
from rnnforecast.data.errors import data_error, listed
from rnnforecast.data.tables.csv_dialect import folded
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.options import Guess

#: Rows that show events, each with another number.
_MIN_EVENTS = 8


def choose_columns(
    sample: pd.DataFrame,
    settings: DataSettings,
    *,
    path: str,
    categories: Mapping[str, Sequence[str]] | None = None,
    allow_words: bool = False,
) -> Roles:
    """Choose time, target and covariates from a sample of rows; ids that nobody named are candidates only.

    `categories` are those of a stored model: each covariate must then hold words where it did in the training. With
    `allow_words` a target that the user names may hold categories.
    Raises DataError for an unknown name, a column in two roles, and where no column can be a target.
    """
    profiles = profile_columns(sample)
    sample = sample.loc[:, ~sample.columns.duplicated()]  # a duplicate name is rejected where it is used
    _check_names(profiles, sample, settings, path=path)
    reasons: dict[str, str] = {}
    time = choose_time(profiles, settings, reasons, sample, path=path)
    taken = {*time, *settings.id, *settings.past, *settings.future, *settings.static}
    sign = separated_by([one.name for one in profiles], sample)
    target = _choose_target(profiles, settings, taken, reasons, sample=sample, path=path, sign=sign)
    roles = Roles(time, target, settings.id, settings.past, settings.future, settings.static, reasons=reasons)
    is_open = allow_words and bool(settings.target)
    words = target_of_words(sample, profiles, target, path=path, known=categories, is_open=is_open)
    roles = replace(roles, categorical=words)
    check_roles(sample, profiles, roles, settings, path=path)
    words += categorical_of(sample, profiles, roles.covariates, path=path, known=categories)
    roles = replace(roles, categorical=words)
    if settings.id:
        reasons["id"] = "named by --id"
        return roles
    used = {*time, *target, *roles.covariates}
    # of columns with one name none can be meant
    names = [one.name for one in profiles]
    candidates = [one for one in profiles if one.name not in used and names.count(one.name) == 1 and _may_be_id(one)]
    # columns named like ids first, in order of the file
    ordered = sorted(candidates, key=lambda one: not named_like_id(one.name))
    return replace(roles, id_candidates=tuple(one.name for one in ordered))


def _is_table(profiles: Sequence[Profile]) -> bool:
    """Tell whether a column holds numbers or timestamps: no line of a key or a password file is shown."""
    return any(one.kind not in ("text", "clock", "nested") for one in profiles)


def _check_names(profiles: Sequence[Profile], sample: pd.DataFrame, settings: DataSettings, *, path: str) -> None:
    """Raise DataError for every named column that is not there, or there twice."""
    names = [str(name) for name in sample.columns]
    time = [] if settings.time in (None, "none") else time_parts(str(settings.time), names)
    problems: list[Finding] = []
    is_table = _is_table(profiles)
    fix = f"the columns are {listed(names)}" if is_table else "the file holds neither numbers nor timestamps"
    wanted = [*time, *settings.target, *settings.id, *settings.past, *settings.future, *settings.static]
    for name in dict.fromkeys(wanted):
        if name in settings.id and (name == FILE_ID or name in partitions_of(path)):
            continue
        if name not in names:
            near = nearest(name, names) if is_table else None
            message = f"there is no column `{name}`" + (f", did you mean `{near}`?" if near else "")
            problems.append(Finding("E_COLUMN_UNKNOWN", message, path, column=name, fix=fix))
    if problems:
        raise data_error(problems)


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the column that a misspelt name means most likely."""
    alike = {folded(one): one for one in reversed(names)}
    if folded(name) in alike:
        return alike[folded(name)]
    near = difflib.get_close_matches(folded(name), alike, n=1)
    return alike[near[0]] if near else None


#: Columns at the end of a table with a column for each month.
_SUMS = ("total", "sum", "year", "annual", "average", "avg", "mean")


def split_names(settings: DataSettings, names: Collection[str]) -> DataSettings:
    """Return the settings with every role as single columns: `a,b` are two, unless a column has that name."""
    single = {}
    for role in ("target", "id", "past", "future", "static"):
        words: tuple[str, ...] = getattr(settings, role)
        if any("," in word for word in words):
            single[role] = single_names(words, names)
    return settings.model_copy(update=single) if single else settings


def _choose_target(
    profiles: Sequence[Profile],
    settings: DataSettings,
    taken: set[str],
    reasons: dict[str, str],
    *,
    sample: pd.DataFrame,
    path: str,
    sign: str | None,
) -> tuple[str, ...]:
    if settings.target:
        if settings.wide:
            message = "`--wide` forecasts every numeric column, and `--target` names one"
            raise UsageError(message, hint="leave out one of them", code="E_RUN_WIDE")
        reasons["target"] = "named by --target"
        return settings.target
    numeric = [one for one in profiles if one.is_numeric and one.name not in taken]
    numeric = [one for one in numeric if not numbers_rows(one.name, sample[one.name])] or numeric
    likely = [one for one in numeric if one.kind in ("integer", "number") and not _is_label(one)]
    likely = likely or [one for one in numeric if not _is_label(one)] or [one for one in numeric if one.kind != "empty"]
    _check_not_events(likely, sample, path=path)
    likely = likely or numeric
    if not likely:
        shown = "; ".join(
            f"`{one.name}` is taken by another flag"
            if one.is_numeric and one.name in taken
            else f"`{one.name}` holds {in_words(one)}"
            for one in profiles[:5]
        )
        hint = "name a file with a column of numbers, or correct the column and name it with --target"
        words = [one for one in profiles if one.kind == "text" and 2 <= one.num_distinct <= min(64, len(sample) // 4)]
        if len(words) == 1 and _is_table(profiles):  # states of a machine, kinds of days
            hint = f"forecast its categories: `rnnforecast train {shlex.quote(path)} --target {shlex.quote(words[0].name)}`"
        if not _is_table(profiles):
            shown = f"{'its column holds' if len(profiles) == 1 else f'its {len(profiles)} columns hold'} neither numbers nor "
            shown += "timestamps, so that it looks like a file without a table"
        if sign is not None:
            hint = f"if its fields have another delimiter, name it: {sign}"
        raise DataError(f"{path} has no numeric column to forecast: {shown}", hint=hint, code="E_TARGET_NONE")
    if settings.wide:
        return _all_columns([one.name for one in likely], reasons)
    if len(likely) == 1:
        reasons["target"] = "the one numeric column"
        return (likely[0].name,)
    found = choose_target(likely)
    if found is None or found[0].strip().lower() in _SUMS:
        check_not_wide(sample, path=path)
    if found is not None:
        reasons["target"] = found[1]
        return (found[0],)
    others = [one for one in likely if not may_explain(one.name)] or likely
    if len(others) == 1:
        reasons["target"] = "the one numeric column that is not named like a covariate; --target names another"
    else:
        reasons["target"] = f"{GUESSES[0]} {len(likely)} numeric columns; --target names another"
    return (others[-1].name,)


def _check_not_events(likely: Sequence[Profile], sample: pd.DataFrame, *, path: str) -> None:
    """Raise DataError where the one numeric column is the number of an event, another one in each row: `Ticket ID`."""
    if len(likely) != 1 or not _is_label(likely[0]) or not {"id", "number", "no", "key"} & {*likely[0].words}:
        return
    name = likely[0].name
    if len(sample) < _MIN_EVENTS or sample[name].nunique() < len(sample):
        return
    message = f"{path} has no numeric column to forecast but `{name}`, which names each row"
    hint = f"count the rows of each day: --target {shlex.quote(name)} --resample 1D --aggregate count"
    raise DataError(message, hint=hint, code="E_TARGET_NONE")


def _all_columns(names: Sequence[str], reasons: dict[str, str]) -> tuple[str, ...]:
    """Return all numeric columns of a wide table. Raises UsageError where there is one."""
    if len(names) == 1:
        message = f"`--wide` makes a series of each numeric column, but `{names[0]}` is the only one"
        raise UsageError(message, hint="leave `--wide` out", code="E_RUN_WIDE")
    reasons["target"] = f"--wide: all {len(names)} numeric columns"
    return tuple(names)


def note_guess(roles: Roles, how: Guess, *, path: str) -> list[Finding]:
    """Note a target that was guessed: several columns of numbers, and none or several of them named like a target.

    Raises DataError for it with `--guess reject`.
    """
    reason = roles.reasons.get("target", "")
    if not reason.startswith(GUESSES):
        return []
    name = roles.target[0]
    message = f"the target `{name}` is a guess: {reason.partition(';')[0]}"
    message += ", none of them named like a target" if reason.startswith(GUESSES[0]) else ""
    fix = "name the target: --target COLUMN; or forecast all of them: --wide"
    if how == "reject":
        raise data_error([Finding("E_TARGET_GUESSED", message, path, column=name, value=name, count=1, fix=fix)])
    return [Finding("N_TARGET_GUESSED", message, path, column=name, value=name, count=1, fix=fix)]


def _is_label(profile: Profile) -> bool:
    """Whether whole numbers name things rather than measure them: ids and the row numbers of an exported index."""
    return profile.kind == "integer" and (named_like_id(profile.name) or profile.name.startswith("Unnamed: "))


def _may_be_id(profile: Profile) -> bool:
    return profile.kind == "text" or (profile.kind in ("integer", "timestamp", "clock") and named_like_id(profile.name))
