"""Values as plain JSON: no NaN, no NumPy types, timestamps as ISO text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from rnnforecast.findings import Finding, JSONValue

_SUB_DAILY = re.compile(r"\d*(s|min|h)(\[.*\])?")


def plain(value: object) -> JSONValue:
    """Return a value as plain JSON: NaN and infinities become null, timestamps ISO strings, integers stay integers."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[s]"))
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, Finding):
        return value.to_dict()
    return str(value)


def timestamp_to_json(timestamp: object, freq: object) -> JSONValue:
    """Return a timestamp as ISO text, a bare date on calendars of days and longer; an integer step stays an integer."""
    if timestamp is None or isinstance(timestamp, int | np.integer):
        return plain(timestamp)
    if isinstance(timestamp, np.datetime64):
        text = plain(timestamp)
    else:
        text = timestamp.isoformat() if hasattr(timestamp, "isoformat") else str(timestamp)
    if text is None or text == "NaT":
        return None
    return text if _SUB_DAILY.fullmatch(str(freq)) else str(text).removesuffix("T00:00:00")
