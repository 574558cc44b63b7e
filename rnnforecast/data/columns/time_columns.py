"""Choose the time column, or the columns of its parts; one that is named like a time and cannot be read is rejected.

Otherwise rows with timestamps would be read as steps in file order, silently wrong.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.check_roles import check_not_wide
from rnnforecast.data.columns.profiles import Profile
from rnnforecast.data.columns.roles import single_names
from rnnforecast.data.errors import data_error, quoted
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH, languages_of, to_english
from rnnforecast.data.timestamps.numeric import holds_timestamps, holds_year_months, holds_years, rises_like_epochs
from rnnforecast.data.timestamps.split_columns import holds_part, part_of
from rnnforecast.findings import Finding

#: Names under which whole numbers are steps of time.
STEP_NAMES = frozenset(
    {"step", "t", "ds", "index", "time", "period", "timestamp", "datetime", "epoch", "unix"}
    | {"year", "date", "day", "week", "month"}
)
_CALENDAR_PARTS = (
    ("year", "month", "day", "hour", "minute", "second"),
    ("year", "quarter"),
    ("year", "day of year", "hour", "minute"),
    ("year", "week"),
    ("year", "period"),
)
#: A date of some kind in a text, whether or not it can be read.
_DATED = re.compile(
    r"(?<!\d)(?:\d{4}\s*[-/.]\s*\d{1,2}\s*[-/.]\s*\d{1,2}|\d{1,2}\s*[-/.]\s*\d{1,2}\s*[-/.]\s*(?:\d{4}|\d\d))(?!\d)"
    rf"|\b\d{{1,2}}[-/ .]+{ENGLISH_MONTH}[-/ ,.]+\d{{2,4}}|\b{ENGLISH_MONTH}[-/ ,.]+\d{{2,4}}\b"
    r"|(?<!\d)(?:19|20)\d\d[- /]?[A-Za-z]{1,7}[- ]?\d{1,2}(?!\d)"
    rf"|(?<!\d)(?:\d{{1,2}}_)?(?:\d{{4}}|{ENGLISH_MONTH})_(?:\d{{1,2}}|{ENGLISH_MONTH})(?:_\d{{1,4}})?(?![A-Za-z\d])"
    r"|\b[A-Za-z]{1,7}[- ]?\d{1,2}[- /]+(?:FY ?)?(?:19|20)?\d\d(?!\d)",
    re.IGNORECASE,
)
#: Formats that are tried on a column before a hint names one, those with fewer readings first.
_TRIED = (
    "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %Y", "%H:%M %d/%m/%Y", "%b-%y", "%b %y", "%b'%y",
    "%b/%y", "%y-%b", "%d-%b-%y", "%d %b %y", "%d%b%y", "%d%b%Y:%H:%M:%S", "%d-%b-%y %H:%M", "%Y_%m_%d", "%d_%m_%Y",
    "%m_%d_%Y", "%Y_%b_%d", "%Y_%d_%b", "%d_%b_%Y", "%Y_%m_%d_%H_%M", "%Y_%m_%d_%H_%M_%S", "%Y-%j", "%Y/%j", "%Y %j",
    "%Y%j", "%Y-%m-%d_%H:%M:%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%d-%H", "%Y-%m-%d %H", "%Y-%m-%d-%H.%M.%S",
    "%Y%m%d %H:%M", "%Y%m%d %H:%M:%S", "%Y%m%d-%H%M", "%Y%m%d_%H%M%S", "%Y:%m:%d %H:%M:%S", "%d.%m.%Y-%H:%M",
    "%d.%m.%Y, %H.%M", "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y", "%d-%m-%Y_%H:%M", "%m/%d/%Y-%H:%M",
)  # fmt: skip
_MAX_TRIED = 400
#: Fraction of the cells with a digit above which a text column with the name of a time holds timestamps of some kind.
_MOSTLY = 0.5


def time_parts(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the time columns that a user names: one, or several such as `date,hour` or `date+hour`."""
    if text in names:
        return (text,)
    return single_names([text], names, mark="," if "," in text else "+") or (text,)


def choose_time(
    profiles: Sequence[Profile], settings: DataSettings, reasons: dict[str, str], sample: pd.DataFrame, *, path: str
) -> tuple[str, ...]:
    """Return the time column, or the columns of its parts; () where rows are steps in file order.

    Writes into `reasons` why. Raises DataError for a column that is named like a time and cannot be read.
    """
    if settings.time == "none":
        reasons["time"] = "--time none: rows are steps in file order"
        return ()
    if settings.time is not None:
        reasons["time"] = "named by --time"
        return time_parts(settings.time, [one.name for one in profiles])
    named = (*settings.target, *settings.id, *settings.past, *settings.future, *settings.static)
    free = [one for one in profiles if one.name not in named]
    chosen, reason = _of_timestamps(free, sample) or _of_parts(free, sample) or _of_numbers(free, settings, sample)
    if not chosen and len(profiles) > 1:  # a single column of text is rejected for its lack of a target
        _check_unread(free, sample, path=path, is_named=bool(settings.target))
    reasons["time"] = reason
    return chosen


_Choice = tuple[tuple[str, ...], str]


def _of_timestamps(free: Sequence[Profile], sample: pd.DataFrame) -> _Choice | None:
    """Return the column of dates, and the column of times of day where the dates repeat."""
    timestamps = [one for one in free if one.kind == "timestamp"]
    if not timestamps:
        return None
    named = [one for one in timestamps if one.named_like_time]
    best = max(named or timestamps, key=lambda one: one.num_distinct)  # the first of equals
    clock = next((one for one in free if _adds_to_dates(one, sample[one.name])), None)
    if clock is not None and best.num_distinct < 0.75 * len(sample):
        reason = "a column of dates and one of times of day; --time names another, or `none`"
        return (best.name, clock.name), reason
    words = "named like a time and holds dates" if named else "the first column that holds dates"
    return (best.name,), f"{words}; --time names another, or `none`"


def _adds_to_dates(profile: Profile, column: pd.Series[Any]) -> bool:
    """Whether a column holds changing times of day or hours, which dates that repeat lack."""
    part = part_of(profile.name)
    is_hour = part in ("hour", "part of a day") and (profile.kind == "integer" or holds_part(column, part))
    return profile.num_distinct > 1 and (is_hour or (profile.kind == "clock" and profile.named_like_time))


def _of_parts(free: Sequence[Profile], sample: pd.DataFrame) -> _Choice | None:
    """Return the columns named year and month (, day, hour, minute), quarter or week; None where one of two lacks."""
    by_part = {
        part_of(one.name): one.name
        for one in reversed(free)
        if one.kind == "integer" or holds_part(sample[one.name], part_of(one.name))
    }
    for order in _CALENDAR_PARTS:
        parts = list(itertools.takewhile(by_part.__contains__, order))
        if len(parts) >= 2:
            reason = "the parts of a date are in several columns; --time names another, or `none`"
            return tuple(by_part[part] for part in parts), reason
    return None


def _of_numbers(free: Sequence[Profile], settings: DataSettings, sample: pd.DataFrame) -> _Choice:
    """Return a column of times of day, steps or numbers of the size of timestamps; () where there is none."""
    told = settings.date_format or settings.epoch_unit or settings.excel_dates
    unread = [one for one in free if _is_unread(one, sample)]
    named_so = next((one.name for one in (*unread, *free) if told and (one in unread or one.named_like_time)), None)
    numbers = () if unread else _numbers_of_time(free, sample)
    if numbers:
        return numbers
    if named_so is not None:
        reason = "named like a time, and a flag says how its timestamps are written; --time names another"
        return (named_so,), reason
    return (), "no column holds timestamps, so rows are steps in file order; --time names a column"


def _numbers_of_time(free: Sequence[Profile], sample: pd.DataFrame) -> _Choice | tuple[()]:
    for one in (*(one for one in free if one.kind == "clock"), *(one for one in free if one.kind == "integer")):
        is_named = one.name.lower() in STEP_NAMES or one.words[:1] == ("year",)
        is_sized = holds_timestamps(sample[one.name]) or holds_year_months(sample[one.name])
        if one.kind == "clock" or is_named or (one.named_like_time and is_sized):
            return (one.name,), "named like a time and holds times or whole steps; --time names another, or `none`"
    for one in free:
        is_number = one.kind == "number" and (one.name.lower() in STEP_NAMES or one.named_like_time)
        if is_number and (holds_timestamps(sample[one.name]) or holds_years(sample[one.name])):
            return (one.name,), "named like a time and holds numbers of its size; --time names another, or `none`"
    first = free[0] if free else None
    if first is not None and first.kind == "integer" and rises_like_epochs(sample[first.name]):
        return (first.name,), "the first column rises as time since 1970 does; --time names another, or `none`"
    return ()


def _is_unread(profile: Profile, sample: pd.DataFrame) -> bool:
    """Whether a column of text holds dates in no known format.

    By their look; or, under the name of a time, by digits in them or because no two rows have the same text.
    """
    if profile.kind != "text":
        return False
    if profile.named_like_time and len(sample) > 1 and profile.num_distinct == len(sample):
        return True
    cells: pd.Series[Any] = sample[profile.name].astype(str)
    sign = re.compile(r"\d") if profile.named_like_time else _DATED
    return float(cells.iloc[:200].str.contains(sign, regex=True).mean()) > _MOSTLY


def _check_unread(free: Sequence[Profile], sample: pd.DataFrame, *, path: str, is_named: bool) -> None:
    """Raise DataError for a column of dates in no known format; `is_named` tells whether the user names the target."""
    unread = next((one for one in free if _is_unread(one, sample)), None)
    if unread is None:
        return
    if not is_named:
        check_not_wide(sample, path=path)  # its rows have names, its columns timestamps
    cells = sample[unread.name].astype(str)
    value = str(next((text for text in cells if re.search(r"\d", text)), cells.iloc[0]))
    looks = "is named like a time" if unread.named_like_time else "holds dates"
    words = f"column `{unread.name}` {looks}, but the format of {quoted(value)} is unknown"
    form = _likely_format(value)
    flags = _tried(cells) or (f"--date-format '{form}'" if form else None)
    how = f", such as `{flags}`" if flags else " with `--date-format`"
    if re.fullmatch(r".*\d:\d\d(:\d\d)? ?[A-Z]{3,5}", value):
        how = "; zones by their offset, as +01:00, not by letters"
    fix = (
        f"name the format of its timestamps{how}, write them as YYYY-MM-DD, or read the rows as steps in file order with "
        "`--time none`"
    )
    raise data_error([Finding("E_TIME_TEXT", words, path, column=unread.name, value=value, fix=fix)])


def _tried(cells: pd.Series[Any]) -> str | None:
    """Return the flags that read every cell of a sample: a format, and a language where months are not English."""
    texts = np.array(pd.unique(cells[cells != ""])[:_MAX_TRIED], dtype=object)
    common = set.intersection(*(set(languages_of(str(text))) for text in texts))
    for locale in (None, *sorted(common)):
        known = pd.Series(texts if locale is None else to_english(texts, locale), dtype=object)
        is_day_of_year = all(re.search(r"\d{3}$", str(text)) for text in known)
        for form in (one for one in _TRIED if is_day_of_year or "%j" not in one):
            if pd.to_datetime(known, format=form, errors="coerce", utc=True).notna().all():
                flag = f"--date-format '{form}'" if "'" not in form else f'--date-format "{form}"'
                return flag if locale is None else f"--locale {locale} {flag}"
    return None


def _likely_format(text: str) -> str | None:
    """Return the format that a text may have, None for an odd one; the user sees this guess in the fix."""
    likely = {
        r"[a-z]{3}[-/ ']\d\d": "%b-%y",
        r"\d\d[-/ ][a-z]{3}": "%y-%b",
        r"\d\d?[-/ ][a-z]{3}[-/ ]\d\d": "%d-%b-%y",
        r"\d{4}[-/ ]?\d{3}": "%Y-%j",
        r"\D*\d{4}": re.sub(r"\d{4}", "%Y", text),
    }
    found = next((form for pattern, form in likely.items() if re.fullmatch(pattern, text, re.IGNORECASE)), None)
    if found is None or re.search("[\"'`]", found):
        return None
    mark = re.search(r"(?<=[A-Za-z\d])[-/ ](?=[A-Za-z\d])", text)
    return found if mark is None or "," in found else found.replace("-", mark.group())
