"""The counts and failures of one part of the rig."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one part; `problems` are failed checks."""

    name: str
    num_runs: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    skipped: str = ""
    _started: float = field(default_factory=time.monotonic)

    def note(self, where: str, problems: list[str]) -> None:
        """Add failed checks of one run."""
        self.problems += [f"{where}: {problem}" for problem in problems]

    def to_dict(self) -> dict[str, object]:
        """Return the row of the report."""
        return {
            "part": self.name,
            "runs": self.num_runs,
            "problems": len(self.problems),
            "examples": self.problems[:10],
            "exit_codes": {str(code): count for code, count in sorted(self.codes.items())},
            "skipped": self.skipped,
            "seconds": round(time.monotonic() - self._started, 1),
            **self.figures,
        }
