"""Headers of wide tables: columns that are named after days, months, quarters, years, hours of a day, or steps."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from rnnforecast.data.timestamps.formats import format_of, interval_start, is_time_of_day
from rnnforecast.data.timestamps.month_names import ENGLISH_MONTH
from rnnforecast.data.timestamps.split_columns import part_of
from rnnforecast.data.values.number_formats import is_numeric
from rnnforecast.frozen import dataclass

#: Columns named after timestamps from which on a table is wide; of steps, which other columns may be numbered like too.
_MIN_WIDE = 4
_MIN_STEPS = 12
_HOURS_OF_DAY = (list(range(24)), list(range(1, 25)))
_YEAR = re.compile(r"(?:[A-Za-z]{1,5}[ _]?)?((?:1[5-9]|20)\d\d)(?: \[YR\d{4}\])?")
_YEAR_MONTH = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[012])")
_SHORT_YEAR = re.compile(rf"(?:\d\d?[-/ ])?{ENGLISH_MONTH}[-/ '\u2019]+\d\d", re.IGNORECASE)
_QUARTER = re.compile(r"(?:q|qtr|quarter)[ _.]?[1-4]|[1-4](?:st|nd|rd|th) (?:quarter|qtr)", re.IGNORECASE)
_HOUR = re.compile(r"(?:he|hr?|hour(?:[ _]end(?:ing)?)?|stunde|heure|hora)?[ _.]?0?(\d{1,2})h?", re.IGNORECASE)
_BY_END = re.compile(r"he|hour[ _]end", re.IGNORECASE)
_STEP = re.compile(r"(\D*?)(\d+)")
_SAMPLE = 20


@dataclass(frozen=True)
class WideHeader:
    """The columns of a wide table that hold one timestamp each: where they stand, and what they are called as rows."""

    places: tuple[int, ...]
    texts: tuple[str, ...]  # the timestamps that their names are
    kind: str  # day, month, quarter, year, hour, clock, step
    names: tuple[str, str]  # of the columns of timestamps and of values that they become

    @property
    def noun(self) -> str:
        """What the columns are named after."""
        nouns = {"hour": "hours of a day", "clock": "times of day", "step": "steps", "month": "months"}
        return nouns.get(self.kind, "timestamps")


def wide_header(names: Sequence[str], sample: pd.DataFrame) -> WideHeader | None:
    """Return the columns that are named after timestamps of one kind; None where the table has a row for each.

    Months, quarters and hours need the column of years or dates that they belong to; steps a column of words that
    names each row, and no timestamps in another column.
    """
    found = [(place, *named) for place, name in enumerate(names) if (named := _kind_of(name.strip())) is not None]
    for kind in ("day", "month", "quarter", "year", "clock"):
        chosen = [(place, text) for place, one, text in found if one == kind]
        fewest = _MIN_STEPS if kind == "clock" else _MIN_WIDE
        if len(chosen) >= fewest and (kind != "day" or 2 * len(chosen) >= len(names)):
            return _header(names, sample, chosen, kind)
    return _hours(names, sample) or _steps(names, sample)


def _kind_of(name: str) -> tuple[str, str] | None:
    """Return the kind of timestamp that a column is named after with its text; None for hours and any other name."""
    if (year := _YEAR.fullmatch(name)) is not None and format_of(name) in (None, "YYYY"):
        return "year", year[1]
    if re.fullmatch(ENGLISH_MONTH, name, re.IGNORECASE):
        return "month", name
    if _QUARTER.fullmatch(name):
        return "quarter", name
    start = interval_start(name) or name
    if ":" in start and is_time_of_day(start):
        return "clock", start
    if _YEAR_MONTH.fullmatch(name):
        return "day", f"{name[:4]}-{name[4:]}"
    is_day = format_of(name) not in (None, "HH:MM", "YYYY") or _SHORT_YEAR.fullmatch(name)
    return ("day", name) if is_day else None


def _hours(names: Sequence[str], sample: pd.DataFrame) -> WideHeader | None:
    """Return the columns of the hours of a day: `HE01` to `HE24`, `h0` to `h23`, `1` to `24`."""
    found = [(place, text, int(hour[1])) for place, text in enumerate(names) if (hour := _HOUR.fullmatch(text.strip()))]
    if [hour for _, _, hour in found] not in _HOURS_OF_DAY:
        return None
    return _header(names, sample, [(place, str(hour)) for place, _, hour in found], "hour")


def _steps(names: Sequence[str], sample: pd.DataFrame) -> WideHeader | None:
    """Return numbered columns of numbers, such as `d_1` to `d_1913`, of a table whose rows have names and no timestamps."""
    found = [(place, step[1], step[2]) for place, name in enumerate(names) if (step := _STEP.fullmatch(name.strip()))]
    found = [one for one in found if _is_number(sample, one[0])]
    prefix = found[-1][1] if found else ""
    chosen = [(place, number) for place, text, number in found if text == prefix]
    numbers = [int(number) for _, number in chosen]
    if len(chosen) < _MIN_STEPS or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    others = [place for place in range(len(names)) if place not in {place for place, _ in chosen}]
    if any(_is_dated(sample, place) or _is_number(sample, place) for place in others):
        return None
    has_names = any(sample.iloc[:, place].nunique() == len(sample) > 1 for place in others)
    return _header(names, sample, chosen, "step") if has_names else None


def _header(
    names: Sequence[str], sample: pd.DataFrame, chosen: Sequence[tuple[int, str]], kind: str
) -> WideHeader | None:
    """Return the header, None where a name is there twice or what the columns belong to is missing."""
    places = [place for place, _ in chosen]
    others = [place for place in range(len(names)) if place not in set(places)]
    if len({names[place] for place in places}) < len(places):
        return None
    if kind in ("month", "quarter") and not any(_is_year(names[place], sample, place) for place in others):
        return None
    if kind in ("clock", "hour") and not any(_is_dated(sample, place) for place in others):
        return None
    is_by_end = kind == "hour" and (chosen[-1][1] == "24" or _BY_END.match(names[places[0]]) is not None)
    time = "hour_end" if is_by_end else {"day": "date", "clock": "time"}.get(kind, kind)
    taken = {names[place] for place in others}
    free = tuple(name if name not in taken else f"{name}_of_column" for name in (time, "value"))
    return WideHeader(tuple(places), tuple(text for _, text in chosen), kind, (free[0], free[1]))


def _cells(sample: pd.DataFrame, place: int) -> list[str]:
    return [str(cell).strip() for cell in sample.iloc[:_SAMPLE, place] if str(cell).strip()]


def _is_number(sample: pd.DataFrame, place: int) -> bool:
    """Whether a column holds numbers; an empty one may."""
    if sample.dtypes.iloc[place].kind in "iufb":
        return True
    return sample.dtypes.iloc[place].kind == "O" and all(map(is_numeric, _cells(sample, place)))


def _is_dated(sample: pd.DataFrame, place: int) -> bool:
    kinds = [format_of(cell) for cell in _cells(sample, place)]
    return sample.dtypes.iloc[place].kind == "M" or (bool(kinds) and kinds.count(None) < 0.5 * len(kinds))


def _is_year(name: str, sample: pd.DataFrame, place: int) -> bool:
    if part_of(name) != "year" and "year" not in name.lower():
        return False
    return all(re.fullmatch(r"\d{4}(?:\.0)?", cell) for cell in _cells(sample, place))
