"""How long training may take: reading `--time-budget` and sharing it out over networks and steps."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from rnnforecast.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Return the seconds that `60s`, `5m`, `1.5h` or plain `90` mean; raises UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise UsageError(
            f"`{text}` is no duration",
            hint="write seconds, minutes or hours: `--time-budget 60s`, `5m`, `1h`",
            code="E_RUN_CONFIG",
        )
    return float(match[1]) * _UNITS[match[2]]


@dataclass
class TimeBudget:
    """Wall-clock seconds left for the rounds of fits that are still to come; `seconds` None means no limit."""

    seconds: float | None
    num_rounds: int = 1
    _started: float = field(default_factory=time.monotonic)

    def share(self, part: float = 1.0) -> float | None:
        """Seconds for `part` of the next round: what is left, divided evenly over the rounds left."""
        if self.seconds is None:
            return None
        left = self.seconds - (time.monotonic() - self._started)
        return part * max(left, 0.0) / max(self.num_rounds, 1)

    def close_round(self) -> None:
        """Count one round as done."""
        self.num_rounds -= 1
