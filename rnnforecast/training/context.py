"""How fits are carried out: how long they may take, who follows their progress, and where they are saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rnnforecast.config import Settings
from rnnforecast.errors import UsageError
from rnnforecast.grammars import Duration
from rnnforecast.progress import Progress

if TYPE_CHECKING:
    from rnnforecast.training.checkpoints import Checkpoints
    from rnnforecast.training.cluster import Cluster


@dataclass
class TimeBudget:
    """Seconds of wall-clock time for the rounds of fits still to come, from the first on; `seconds` None means no limit."""

    seconds: float | None
    num_rounds: int = 1
    _started: float | None = None

    @classmethod
    def of(cls, limit: Duration | None, num_rounds: int) -> TimeBudget:
        """Return the budget of `--time-budget` for so many rounds."""
        return cls(None if limit is None else limit.seconds, num_rounds)

    def part_of_round(self, part: float = 1.0) -> float | None:
        """Return the seconds for `part` of the next round: those left, divided evenly over the rounds left."""
        if self.seconds is None:
            return None
        now = time.monotonic()
        if self._started is None:
            self._started = now
        left = self.seconds - (now - self._started)
        return part * max(left, 0.0) / max(self.num_rounds, 1)

    def close_round(self) -> None:
        """Count one round as done."""
        self.num_rounds -= 1


@dataclass(frozen=True)
class FitContext:
    """The time budget of a training, its progress, what opens its checkpoints, and a Ray cluster for fits.

    Checkpoints are opened by the first fit, as many trainings fit nothing; without them (None) fits are not saved. With
    `transformer` networks have a Transformer encoder for their recurrent layers; such a model cannot be stored.
    """

    budget: TimeBudget
    progress: Progress
    open_checkpoints: Callable[[], Checkpoints] | None = None
    transformer: bool = False
    cluster: Cluster | None = None

    @cached_property
    def checkpoints(self) -> Checkpoints | None:
        """The checkpoints of the fits."""
        return None if self.open_checkpoints is None else self.open_checkpoints()

    @classmethod
    def of(
        cls,
        settings: Settings,
        progress: Progress,
        *,
        rounds: int = 1,
        open_checkpoints: Callable[[], Checkpoints] | None = None,
        transformer: bool = False,
        cluster: Cluster | None = None,
    ) -> FitContext:
        """Return the context of so many fits of a whole recipe, which share the time budget of the settings.

        Raises UsageError for a cluster and a device that exclude each other.
        """
        if cluster is not None and settings.training.device not in ("auto", "cpu"):
            raise UsageError(
                f"--device {settings.training.device} and --on ray exclude each other: the cluster fits on processors",
                hint="leave one of them out",
            )
        budget = TimeBudget.of(settings.training.time_budget, rounds)
        return cls(budget, progress, open_checkpoints, transformer, cluster)
