"""What the columns of a file look like, from a sample of rows: numbers, truth values, timestamps, text or nothing."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnforecast.arrays import BoolArray, TextArray
from rnnforecast.data.timestamps.formats import format_of
from rnnforecast.data.values.numbers import MISSING_TOKENS, has_unit, looks_numeric
from rnnforecast.frozen import dataclass

Kind = Literal["integer", "number", "boolean", "timestamp", "clock", "text", "empty", "nested"]

#: Texts looked at in each column; distinct ones, so that long runs of one value cost nothing.
MAX_TEXTS = 400
#: The same over all columns of a very wide file.
_MAX_ALL_TEXTS = 200_000
_TIME_WORDS = frozenset((
    "time", "times", "date", "dates", "ds", "timestamp", "datetime", "stamp", "yearmonth", "moment", "when", "year",
    "quarter", "month", "week", "day", "period", "hour", "minute", "ts", "epoch", "unix", "unixtime", "utc", "datum",
    "fecha", "zeit", "zeitstempel", "heure", "hora", "uhrzeit", "stunde", "tid", "ora", "godzina", "klokkeslett",
    "mtu", "interval", "payday", "mois", "mes", "monat", "mese", "maand", "jahr", "semaine", "woche", "kw", "jour",
    "giorno", "quartal", "periode", "yearweek", "yyyymm", "yyyyww", "isoweek", "ym", "von", "start", "begin",
    "beginn", "from", "fy",
))  # fmt: skip
#: Words in the names of columns that identify series, also when they hold whole numbers.
ID_WORDS = frozenset(
    {"id", "ids", "key", "name", "series", "store", "shop", "item", "sku", "symbol", "ticker", "product", "category"}
    | {"dept", "department", "branch", "station", "customer", "meter", "household", "device", "asset", "machine"}
    | {"country", "state", "region", "city", "location", "site", "zone", "unit", "patient", "origin", "destination"}
)
#: Names of columns that number the rows.
_ROW_NUMBERS = frozenset({"", "#", "no", "no.", "nr", "nr.", "row", "record", "rn", "idx", "index", "lfd. nr.", "seq"})
_CODE = re.compile(r"[A-Za-z0-9][\w.:/-]{0,39}", re.ASCII)
#: Digits of a whole number from which on it names something rather than measures it.
_MANY_DIGITS = 19


@dataclass(frozen=True)
class Profile:
    """One column: its name, kind, and how many distinct values the sample shows."""

    name: str
    kind: Kind
    num_distinct: int

    @property
    def words(self) -> tuple[str, ...]:
        """The lower-case words of the name: `Weekly_Sales` and `weeklySales` are weekly, sales."""
        return words_of(self.name)

    @property
    def named_like_time(self) -> bool:
        """Whether the name says that the column holds timestamps."""
        return named_like_time(self.name)

    @property
    def is_numeric(self) -> bool:
        """Whether the column could be a target or a covariate."""
        return self.kind in ("integer", "number", "boolean", "empty")


def named_like_time(name: str) -> bool:
    """Whether a name says that what is called so is a time."""
    return any(word in _TIME_WORDS for word in words_of(name))


def named_like_id(name: str) -> bool:
    """Whether the name of a column has a word of `ID_WORDS`."""
    return any(word in ID_WORDS for word in words_of(name))


def numbers_rows(name: str, column: pd.Series[Any]) -> bool:
    """Whether a column counts the rows one by one, by its name and by its cells."""
    if name.strip().lower() not in _ROW_NUMBERS and not name.startswith("Unnamed: "):
        return False
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    return len(numbers) > 1 and bool((np.diff(numbers) == 1).all())


def words_of(name: str) -> tuple[str, ...]:
    """Return the lower-case words of a column name."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word)


def profile_columns(sample: pd.DataFrame) -> tuple[Profile, ...]:
    """Return the profile of every column of a sample, in order."""
    max_texts = max(min(MAX_TEXTS, _MAX_ALL_TEXTS // max(sample.shape[1], 1)), 10)
    return tuple(
        _profile(str(name), sample.iloc[:, place], max_texts=max_texts) for place, name in enumerate(sample.columns)
    )


def _profile(name: str, column: pd.Series[Any], *, max_texts: int) -> Profile:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return Profile(name, "timestamp", column.nunique())
    if column.dtype.kind == "b":
        return Profile(name, "boolean", column.nunique())
    if column.dtype.kind in "iu":
        return Profile(name, "integer", column.nunique())
    if column.dtype.kind == "f":
        return Profile(name, "number" if column.notna().any() else "empty", column.nunique())
    cells = column[column.notna()].to_numpy(dtype=object)
    if len(cells) and isinstance(cells[0], list | dict | np.ndarray | tuple):
        return Profile(name, "nested", 0)
    if len(cells) and not isinstance(cells[0], str):  # dates, decimals and truth values of Parquet
        timestamps = hasattr(cells[0], "year")
        return Profile(
            name, "timestamp" if timestamps else "boolean" if isinstance(cells[0], bool) else "number", len(set(cells))
        )
    return _profile_texts(name, cells, max_texts=max_texts)


def _profile_texts(name: str, cells: TextArray, *, max_texts: int) -> Profile:
    """Return the kind that most of the distinct texts have; a few damaged cells do not hide it."""
    distinct = pd.unique(cells)
    texts = np.array([text.strip() for text in distinct[:max_texts]], dtype=object)
    texts = texts[~np.isin(texts, list(MISSING_TOKENS))]
    if not len(texts):
        return Profile(name, "empty", len(distinct))
    if all(text.lower() in ("true", "false") for text in texts):
        return Profile(name, "boolean", len(distinct))
    numeric = looks_numeric(texts)
    if 2 * len(distinct) <= len(cells) and _are_labels(name, texts, numeric):
        return Profile(name, "text", len(distinct))
    if numeric.mean() >= 0.5:
        whole = all(re.fullmatch(r"[-+]?\d{1,18}", text) for text in texts[numeric])
        return Profile(name, "integer" if whole and numeric.all() else "number", len(distinct))
    formats = [format_of(text) for text in texts]
    known = [one for one in formats if one is not None]
    if not known and sum(map(has_unit, texts)) >= 0.5 * len(texts):
        return Profile(name, "number", len(distinct))  # its rows are rejected by name when it is parsed
    if 2 * len(known) < len(formats):
        return Profile(name, "text", len(distinct))
    return Profile(name, "clock" if known.count("HH:MM") > len(known) / 2 else "timestamp", len(distinct))


def _are_labels(name: str, texts: TextArray, numeric: BoolArray) -> bool:
    """Whether distinct texts that repeat are codes of things, though most are digits: `01`, `US`; `1001`, `A17`.

    Texts among digits may be damaged numbers: they count as codes only in a column named like an id, or where each of
    them has a digit and the digits of all others are equally many.
    """
    digits = [text for text in texts[numeric] if text.isascii() and text.isdigit()]
    others = [str(text) for text in texts[~numeric]]
    if not digits or len(digits) < int(numeric.sum()) or named_like_time(name):
        return False
    if not all(_CODE.fullmatch(text) for text in others):
        return False
    is_padded = any(text[0] == "0" and len(text) > 1 for text in digits)
    if not others:
        return is_padded or any(len(text) >= _MANY_DIGITS for text in digits)
    if named_like_id(name) or is_padded:
        return True
    return len({len(text) for text in digits}) == 1 and all(any(sign.isdigit() for sign in text) for text in others)
