"""A calm progress bar on stderr: stage, steps, loss, validation score, time left."""

from __future__ import annotations

import math
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_UPDATES = 0.1


class BarProgress:
    """One bar a stage; it disappears when the stage ends, so that only results stay on the screen."""

    def __init__(self, stream: TextIO) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[figures]}", style="dim"),
            TimeRemainingColumn(compact=True),
            console=Console(file=stream, markup=False, highlight=False),
            transient=True,
            auto_refresh=False,  # `update` draws: no extra thread during training
        )
        self._task: TaskID | None = None
        self._updated = 0.0
        self._loss: float | None = None
        self._score: float | None = None

    def start(self, stage: str, total: int) -> None:
        """Open the bar of a stage."""
        self.finish()
        self._loss = self._score = None
        self._task = self._progress.add_task(stage, total=max(total, 1), figures="")
        self._progress.start()

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Move the bar; the latest loss and score stay until newer ones come."""
        self._loss = self._loss if loss is None else loss
        self._score = self._score if score is None else score
        now = time.monotonic()
        if self._task is None or now - self._updated < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated = now
        self._progress.update(self._task, completed=step, figures=self._figures(), refresh=True)

    def finish(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.stop()
            self._task = None

    def _figures(self) -> str:
        named = (("loss", self._loss), ("score", self._score))
        return "  ".join(f"{name} {value:.4g}" for name, value in named if value is not None and math.isfinite(value))
