"""Whole columns of dates such as 01/02/2024 10:30 as timestamps, from their digits by place: no text is made of any row.

Only columns without a doubt are read here; whatever is odd in one is left to `timestamps`, which names its rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.timestamps.text import Timestamps
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from rnnforecast.arrays import TimestampArray
    from rnnforecast.config import DataSettings

    Digits = npt.NDArray[np.uint8]

#: Dates of four-digit years, with or without the time of day.
PLAIN_SLASHED = re.compile(r"\d\d?([/.-])\d\d?\1\d{4}(?:[ T]\d\d?:\d\d(?::\d\d)?)?")
#: Lengths of padded texts: a date, with hours and minutes, with seconds.
_LENGTHS = (10, 16, 19)
_SIGNS = b"/.-"
#: Where no digits stand: after day, month, year, hour and minute.
_MARKS = (2, 5, 10, 13, 16)
#: What pads the digits that stand alone: day, month, hour.
_PADDINGS = (
    (r"^(\d)([/.-])", r"0\1\2"),
    (r"^(\d\d[/.-])(\d)([/.-])", r"\10\2\3"),  # groups have one digit: this is \1, then 0
    (r"([ T])(\d):", r"\10\2:"),
)


def parse_slashed(column: pa.ChunkedArray, *, name: str, path: str, how: DataSettings | None) -> Timestamps | None:
    """Return a column of dates as timestamps, None where it holds any other text or may be read in two orders."""
    texts = [_characters(chunk) for chunk in column.chunks if len(chunk)]
    layouts = {None if signs is None else _layout(signs) for signs in texts}
    parts = [_parts(signs) for signs in texts if signs is not None]
    if len(layouts) != 1 or None in layouts or any(part is None for part in parts):
        return None
    firsts, seconds, years, times = (np.concatenate(one) for one in zip(*filter(None, parts), strict=True))
    is_asked = how is not None and how.dayfirst is not None
    day_first = how.dayfirst if how is not None and is_asked else _order(firsts, seconds)
    if day_first is None:
        return None
    timestamps = _compose(years, seconds, firsts) if day_first else _compose(years, firsts, seconds)
    if timestamps is None:
        return None
    timestamps += times.astype("timedelta64[s]")
    if is_asked:
        return Timestamps(timestamps)
    order = "day/month/year" if day_first else "month/day/year"
    message = f"time column `{name}` is read as {order}: no other order fits all rows"
    return Timestamps(timestamps, findings=(Finding("N_TIME_ORDER", message, path, column=name),))


def _layout(signs: Digits) -> bytes | None:
    """Return what stands between the numbers, the same in all rows; None where that is no date with a time of day."""
    marks = [place for place in _MARKS if place < signs.shape[1]]
    between = bytes(signs[0, marks])
    if between[0] not in _SIGNS or between[0] != between[1] or between[2:] not in (b"", b" :", b"T:", b" ::", b"T::"):
        return None
    return between if all(bool((signs[:, mark] == signs[0, mark]).all()) for mark in marks) else None


def _parts(signs: Digits) -> tuple[Digits, Digits, npt.NDArray[np.int16], npt.NDArray[np.int32]] | None:
    """Return the first and the second number, the year and the seconds since midnight of each text, None for others."""
    digits = signs - np.uint8(ord("0"))  # below zero runs over: no digit is above 9
    numbers = [place for place in range(signs.shape[1]) if place not in _MARKS]
    if any((digits[:, place] > 9).any() for place in numbers):
        return None

    def number(place: int) -> Digits:
        return np.asarray(digits[:, place] * np.uint8(10) + digits[:, place + 1], dtype=np.uint8)

    years = number(6).astype(np.int16) * np.int16(100) + number(8)
    times = np.zeros(len(signs), dtype=np.int32)
    for place, unit, limit in ((11, 3_600, 24), (14, 60, 60), (17, 1, 60)):
        if place < signs.shape[1]:
            part = number(place)
            if (part >= limit).any():
                return None
            times += part.astype(np.int32) * np.int32(unit)
    return number(0), number(3), years, times


def _characters(chunk: pa.StringArray) -> Digits | None:
    """Return the characters of texts of one length, padded where they are not: [n, length]; None for others."""
    import pyarrow.compute as pc

    if chunk.null_count:
        return None
    signs = _of_one_length(chunk)
    if signs is not None:
        return signs
    for pattern, padded in _PADDINGS:
        chunk = pc.replace_substring_regex(chunk, pattern, padded)
    return _of_one_length(chunk)


def _of_one_length(chunk: pa.StringArray) -> Digits | None:
    _, bounds, text = chunk.buffers()
    ends = np.frombuffer(bounds, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    length = int(ends[1] - ends[0])
    if length not in _LENGTHS or (np.diff(ends) != length).any():
        return None
    return np.frombuffer(text, dtype=np.uint8)[ends[0] : ends[-1]].reshape(len(chunk), length)


def _order(firsts: Digits, seconds: Digits) -> bool | None:
    """Return whether the day stands first, None where both orders fit or neither does."""
    not_month, not_day = bool(firsts.max() > 12), bool(seconds.max() > 12)
    if not_month != not_day:
        return not_month
    return True if not not_month and bool((firsts == seconds).all()) else None


def _compose(years: npt.NDArray[np.int16], months: Digits, days: Digits) -> TimestampArray | None:
    """Return dates, None where one does not exist."""
    if months.min() < 1 or months.max() > 12 or days.min() < 1:
        return None
    low = int(years.min())
    places = (years.astype(np.int32) - low) * 12 + months - 1
    count = (int(years.max()) - low + 1) * 12
    begins = np.arange((low - 1970) * 12, (low - 1970) * 12 + count + 1).astype("datetime64[M]").astype("datetime64[D]")
    if (days > np.diff(begins).astype(np.int64)[places]).any():
        return None
    return np.asarray(begins.astype("datetime64[us]")[places] + (days.astype(np.int64) - 1).astype("timedelta64[D]"))
