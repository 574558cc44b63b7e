"""Which column is the time, which the target, which tell the series apart: what the user said, else what is there.

Every choice comes with its reason and the flag that overrides it.
"""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rnnforecast.data.dialect import folded
from rnnforecast.data.epochs import holds_stamps
from rnnforecast.data.ids import FILE_ID, named_like_id
from rnnforecast.data.joined_stamps import part_of
from rnnforecast.data.profiles import Profile, profile_columns
from rnnforecast.data.refusals import listed, refusal
from rnnforecast.data.role_checks import categorical_of, check_roles, in_words
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from rnnforecast.config import DataSettings

#: Names of targets, the likeliest first; the last word of a longer name counts too (`Weekly_Sales`).
TARGET_NAMES = (
    "target", "y", "close", "value", "values", "sales", "demand", "load", "consumption", "count", "price", "passengers",
    "turnover", "revenue", "quantity", "qty", "volume", "amount", "calls", "arrivals", "visits", "views", "orders",
    "units", "usage", "production", "total",
)  # fmt: skip
#: How the reason of a target starts that nothing but its place speaks for.
GUESS = "the last of"
#: Names under which whole numbers are steps of time.
STEP_NAMES = frozenset(
    {"step", "t", "ds", "index", "time", "period", "timestamp", "datetime", "epoch", "unix"}
    | {"year", "date", "day", "week", "month"}
)
_CALENDAR_PARTS = (
    ("year", "month", "day", "hour", "minute", "second"),
    ("year", "quarter"),
    ("year", "day of year", "hour", "minute"),
)


@dataclass(frozen=True)
class Roles:
    """The part each column plays; `time` has several names where the parts of a date stand in several columns."""

    time: tuple[str, ...]  # () where rows are steps in file order
    target: tuple[str, ...]
    id: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()  # covariates among them that hold words
    id_candidates: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def time_column(self) -> str | None:
        """The name of the time column; parts joined by `+`, as `--time` takes them."""
        return "+".join(self.time) or None

    @property
    def covariates(self) -> tuple[str, ...]:
        """All covariates, those known up to the cutoff first."""
        return self.past + self.future + self.static


def choose_columns(
    sample: pd.DataFrame,
    settings: DataSettings,
    *,
    path: str,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Roles:
    """Choose time, target and covariates from a sample of rows; ids that nobody named are candidates only.

    `categories` are those of a stored model: each covariate must then hold words where it did in the training.
    Raises DataError for a name that is no column, a column in two roles, and where nothing can be a target.
    """
    profiles = profile_columns(sample)
    _check_names(sample, settings, path=path)
    reasons: dict[str, str] = {}
    time = _choose_time(profiles, settings, reasons, sample)
    taken = {*time, *settings.id, *settings.past, *settings.future, *settings.static}
    target = _choose_target(profiles, settings, taken, reasons, path=path)
    roles = Roles(time, target, settings.id, settings.past, settings.future, settings.static, reasons=reasons)
    check_roles(sample, profiles, roles, settings, path=path)
    roles = replace(roles, categorical=categorical_of(sample, profiles, roles.covariates, path=path, known=categories))
    if settings.id:
        reasons["id"] = "named by --id"
        return roles
    used = {*time, *target, *roles.covariates}
    candidates = [one for one in profiles if one.name not in used and _may_be_id(one)]
    # columns named like ids first, in order of the file
    ordered = sorted(candidates, key=lambda one: not named_like_id(one.name))
    return replace(roles, id_candidates=tuple(one.name for one in ordered))


def _check_names(sample: pd.DataFrame, settings: DataSettings, *, path: str) -> None:
    """Raise DataError for every named column that is not there, or there twice."""
    names = [str(name) for name in sample.columns]
    time = [] if settings.time in (None, "none") else time_parts(str(settings.time), names)
    problems: list[Finding] = []
    fix = f"the columns are {listed(names)}"
    wanted = [*time, *settings.target, *settings.id, *settings.past, *settings.future, *settings.static]
    for name in dict.fromkeys(wanted):
        if name == FILE_ID and name in settings.id and name not in names:
            continue
        if name not in names:
            near = _nearest(name, names)
            message = f"there is no column `{name}`" + (f", did you mean `{near}`?" if near else "")
            problems.append(Finding("E_COLUMN_UNKNOWN", "refusal", message, path, column=name, fix=fix))
    if problems:
        raise refusal(problems)


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the column that a misspelt name means most likely."""
    alike = {folded(one): one for one in reversed(names)}
    if folded(name) in alike:
        return alike[folded(name)]
    near = difflib.get_close_matches(folded(name), alike, n=1)
    return alike[near[0]] if near else None


def time_parts(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the time columns that a user names: one, or several such as `date,hour` or `date+hour`."""
    if text in names:
        return (text,)
    mark = "," if "," in text else "+"
    return tuple(part.strip() for part in text.split(mark) if part.strip()) or (text,)


def split_names(settings: DataSettings, names: Collection[str]) -> DataSettings:
    """Return the settings with every role as single columns: `a,b` are two, unless a column is called so."""
    single = {}
    for role in ("target", "id", "past", "future", "static"):
        words: tuple[str, ...] = getattr(settings, role)
        if any("," in word for word in words):
            parts = [part for word in words for part in ([word] if word in names else word.split(","))]
            single[role] = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return settings.model_copy(update=single) if single else settings


def _choose_time(
    profiles: Sequence[Profile], settings: DataSettings, reasons: dict[str, str], sample: pd.DataFrame
) -> tuple[str, ...]:
    if settings.time == "none":
        reasons["time"] = "--time none: rows are steps in file order"
        return ()
    if settings.time is not None:
        reasons["time"] = "named by --time"
        return time_parts(settings.time, [one.name for one in profiles])
    free = [
        one for one in profiles if one.name not in (*settings.target, *settings.id, *settings.past, *settings.future)
    ]
    stamps = [one for one in free if one.kind == "stamp"]
    if stamps:
        named = [one for one in stamps if one.named_like_time]
        best = max(named or stamps, key=lambda one: one.num_distinct)  # the first of equals
        clock = next((one for one in free if _adds_to_dates(one)), None)
        if clock is not None and best.num_distinct < 0.75 * len(sample):
            reasons["time"] = "a column of dates and one of times of day; --time names another, or `none`"
            return (best.name, clock.name)
        words = "named like a time and holds dates" if named else "the first column that holds dates"
        reasons["time"] = f"{words}; --time names another, or `none`"
        return (best.name,)
    parts = _calendar_parts(free)
    if parts:
        reasons["time"] = "the parts of a date stand in several columns; --time names another, or `none`"
        return parts
    for one in (*(one for one in free if one.kind == "clock"), *(one for one in free if one.kind == "integer")):
        is_named = one.name.lower() in STEP_NAMES or one.words[:1] == ("year",)
        if one.kind == "clock" or is_named or (one.named_like_time and holds_stamps(sample[one.name])):
            reasons["time"] = "named like a time and holds times or whole steps; --time names another, or `none`"
            return (one.name,)
    for one in free:
        if one.kind == "number" and one.name.lower() in STEP_NAMES and holds_stamps(sample[one.name]):
            reasons["time"] = "named like a time and holds numbers of its size; --time names another, or `none`"
            return (one.name,)
    told = settings.date_format or settings.epoch_unit or settings.excel_dates
    named_so = next((one.name for one in free if told and one.named_like_time), None)
    if named_so is not None:
        reasons["time"] = "named like a time, and a flag says how its stamps are written; --time names another"
        return (named_so,)
    reasons["time"] = "no column holds stamps, so rows are steps in file order; --time names a column"
    return ()


def _adds_to_dates(profile: Profile) -> bool:
    """Whether a column holds changing times of day or hours, which dates that repeat lack."""
    is_hour = profile.kind == "integer" and part_of(profile.name) == "hour"
    return profile.num_distinct > 1 and (is_hour or (profile.kind == "clock" and profile.named_like_time))


def _calendar_parts(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """Return the columns named year and month (, day, hour, minute) or quarter; () where year or the second lacks."""
    by_part = {part_of(one.name): one.name for one in reversed(profiles) if one.kind == "integer"}
    for order in _CALENDAR_PARTS:
        parts = list(itertools.takewhile(by_part.__contains__, order))
        if len(parts) >= 2:
            return tuple(by_part[part] for part in parts)
    return ()


def _choose_target(
    profiles: Sequence[Profile], settings: DataSettings, taken: set[str], reasons: dict[str, str], *, path: str
) -> tuple[str, ...]:
    if settings.target:
        reasons["target"] = "named by --target"
        return settings.target
    numeric = [one for one in profiles if one.is_numeric and one.name not in taken]
    likely = [one for one in numeric if one.kind in ("integer", "number") and not _is_label(one)]
    likely = likely or [one for one in numeric if not _is_label(one)] or [one for one in numeric if one.kind != "empty"]
    likely = likely or numeric
    if not likely:
        shown = "; ".join(
            f"`{one.name}` is taken by another flag"
            if one.is_numeric and one.name in taken
            else f"`{one.name}` holds {in_words(one)}"
            for one in profiles[:5]
        )
        raise DataError(
            f"{path} has no numeric column to forecast: {shown}",
            hint="name a file with a column of numbers, or correct the column and name it with --target",
            code="E_TARGET_NONE",
        )
    if len(likely) == 1:
        reasons["target"] = "the one numeric column"
        return (likely[0].name,)
    for name in TARGET_NAMES:
        for one in likely:
            if one.name.lower() == name:
                reasons["target"] = f"one of {len(likely)} numeric columns, named like a target; --target names another"
                return (one.name,)
    for name in TARGET_NAMES:
        for one in likely:
            if len(one.words) > 1 and one.words[-1] == name and one.words[0] not in ("adj", "adjusted"):
                reasons["target"] = f"one of {len(likely)} numeric columns, named like a target; --target names another"
                return (one.name,)
    reasons["target"] = f"{GUESS} {len(likely)} numeric columns; --target names another"
    return (likely[-1].name,)


def note_guess(roles: Roles, *, path: str) -> list[Finding]:
    """Note a target that was guessed: several columns of numbers, and none of them named like a target."""
    reason = roles.reasons.get("target", "")
    if not reason.startswith(GUESS):
        return []
    name = roles.target[0]
    message = f"the target `{name}` is a guess: {reason.partition(';')[0]}, none of them named like a target"
    fix = "name the column you mean: --target COLUMN"
    return [Finding("N_TARGET_GUESSED", "note", message, path, column=name, value=name, count=1, fix=fix)]


def _is_label(profile: Profile) -> bool:
    """Whether whole numbers name things rather than measure them: ids and the row numbers of an exported index."""
    return profile.kind == "integer" and (named_like_id(profile.name) or profile.name.startswith("Unnamed: "))


def _may_be_id(profile: Profile) -> bool:
    return profile.kind == "text" or (profile.kind in ("integer", "stamp", "clock") and named_like_id(profile.name))
