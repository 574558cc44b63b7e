"""A calm progress bar on stderr: stage, steps, loss, validation score, time left."""

from __future__ import annotations

import math
import time
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rnnforecast.cli.text import supports_unicode

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
        self._curve = LossCurve()
        self._has_blocks = supports_unicode(stream.encoding)

    def start(self, stage: str, total: int) -> None:
        """Open the bar of a stage."""
        self.finish()
        self._loss = self._score = None
        self._curve = LossCurve()
        self._task = self._progress.add_task(stage, total=max(total, 1), figures="")
        self._progress.start()

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Move the bar; the latest loss and score stay until newer ones come."""
        self._loss = self._loss if loss is None else loss
        self._score = self._score if score is None else score
        if loss is not None and math.isfinite(loss):
            self._curve.add(loss)
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
        shown = [f"{name} {value:.4g}" for name, value in named if value is not None and math.isfinite(value)]
        return "  ".join([*([self._curve.drawn()] if self._has_blocks else []), *shown]).strip()


class LossCurve:
    """The losses of a stage in a few characters: means of equal parts, so that it takes no memory."""

    def __init__(self, *, width: int = 12) -> None:
        self._width = width
        self._every = 1
        self._means: list[float] = []
        self._part: list[float] = []

    def add(self, loss: float) -> None:
        """Add the loss of one step."""
        self._part.append(loss)
        if len(self._part) < self._every:
            return
        self._means.append(sum(self._part) / len(self._part))
        self._part = []
        if len(self._means) == 2 * self._width:
            self._means = [(left + right) / 2 for left, right in zip(self._means[::2], self._means[1::2], strict=True)]
            self._every *= 2

    def drawn(self) -> str:
        """Return the curve as blocks, from the first step to the last; empty with fewer than three parts."""
        from rnnforecast.cli.render.plot import sparkline

        return sparkline(np.array(self._means), width=self._width) if len(self._means) > 2 else ""
