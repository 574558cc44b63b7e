"""Values as plain JSON: no NaN, no NumPy types, timestamps as ISO text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import ClassVar

import numpy as np

from rnnforecast.findings import Finding, JSONValue

_SUB_DAILY = re.compile(r"\d*(s|min|h)(\[.*\])?")


class Document:
    """Base of dataclasses with a JSON form: their fields, without `HIDDEN`, and what `_computed` adds."""

    HIDDEN: ClassVar[tuple[str, ...]] = ()
    SHOWS_FINDINGS: ClassVar[bool] = False  # its screen does, so that they are not written before it

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document; its schema is in `docs/json.md`."""
        names = [field.name for field in fields(self) if field.name not in self.HIDDEN]  # type: ignore[arg-type]
        shown = {name: getattr(self, name) for name in names} | self._computed()
        return {name: plain(value, freq=self._frequency()) for name, value in shown.items()}

    def _computed(self) -> dict[str, object]:
        """Return further entries, or entries in place of fields."""
        return {}

    def _frequency(self) -> object:
        """Return the frequency that says whether timestamps are dates or times: of the result or its assumptions."""
        assumptions = getattr(self, "assumptions", None)
        return assumptions.get("freq") if isinstance(assumptions, Mapping) else getattr(self, "freq", None)


def plain(value: object, *, freq: object = None) -> JSONValue:
    """Return a value as plain JSON: NaN and infinities become null, integers stay integers.

    Timestamps become ISO text: bare dates if `freq` is a frequency of days or longer.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.datetime64) or hasattr(value, "isoformat"):
        return timestamp_to_json(value, freq)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item, freq=freq) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item, freq=freq) for item in value]
    if isinstance(value, Finding | Document):
        return value.to_dict()
    return str(value)


def finite(number: float) -> float | None:
    """Return a number, None where it is not finite."""
    return float(number) if math.isfinite(number) else None


def timestamp_to_json(timestamp: object, freq: object) -> JSONValue:
    """Return a timestamp as ISO text, a bare date on calendars of days and longer; an integer step stays an integer."""
    if timestamp is None or isinstance(timestamp, int | np.integer):
        return None if timestamp is None else int(timestamp)
    if isinstance(timestamp, np.datetime64):
        text = str(timestamp.astype("datetime64[s]"))
    else:
        text = timestamp.isoformat() if hasattr(timestamp, "isoformat") else str(timestamp)
    if text == "NaT":
        return None
    return text if freq is None or _SUB_DAILY.fullmatch(str(freq)) else text.removesuffix("T00:00:00")
