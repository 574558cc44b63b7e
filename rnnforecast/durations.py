"""`Duration`: a span of time as users write it, such as `90s`, `30m`, `1h`, `2d` or `1w`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rnnforecast.errors import UsageError

_PATTERN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h|d|w)", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_MAX_SECONDS = 250 * 366 * 86_400.0
HINT = "use e.g. `90s`, `10m`, `1h`, `2d`"


@dataclass(frozen=True)
class Duration:
    """A span of time: the text of the user, and its length."""

    text: str
    seconds: float

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: object, *, option: str, allow_zero: bool = False) -> Duration:
        """Return a number with a unit (s, m or min, h, d, w) as a duration; `option` is what the user set.

        Raises UsageError for any other text, and for more than 250 years.
        """
        match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
        seconds = float(match[1]) * _SECONDS[match[2].lower()] if match else -1.0
        if not 0 <= seconds <= _MAX_SECONDS or (seconds == 0 and not allow_zero):
            raise UsageError(f"invalid duration `{text}` for `{option}`", hint=HINT, code="E_RUN_CONFIG")
        return cls(str(text).strip(), seconds)
