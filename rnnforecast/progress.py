"""How a long piece of work tells how far it is, without knowing who is watching."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A watcher of stages, each a known number of steps; a bar on a terminal, silence elsewhere."""

    def start(self, stage: str, total: int) -> None:
        """Open a stage of `total` steps; a stage still open is closed first."""

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Say that `step` steps of the stage are done; `score` is the latest validation score (smaller is better)."""

    def finish(self) -> None:
        """Close the stage; harmless when none is open."""


class NoProgress:
    """A watcher that says nothing: the default of the Python API."""

    def start(self, stage: str, total: int) -> None:
        """Ignore a new stage."""

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Ignore a step."""

    def finish(self) -> None:
        """Ignore the end of a stage."""
