"""Progress of long work, reported to an observer."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """An observer of stages, each with a known number of steps; e.g. a progress bar."""

    def start(self, stage: str, total: int) -> None:
        """Open a stage of `total` steps; a stage still open is closed first."""

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Report that `step` steps of the stage are done; `score` is the latest validation score (smaller is better)."""

    def finish(self) -> None:
        """Close the stage; harmless when none is open."""


class NoProgress:
    """Ignores everything: the default of the Python API."""

    def start(self, stage: str, total: int) -> None:
        """Ignore a new stage."""

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Ignore a step."""

    def finish(self) -> None:
        """Ignore the end of a stage."""
