"""How long training may take: the seconds of `--time-budget` shared by networks and steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


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
