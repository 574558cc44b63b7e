"""What earlier runs of a jobs file left in its ledger: how each job ended last, and when it was well last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnforecast.workflows.batch.records.ledger import Event, read_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rnnforecast.workflows.batch.execution.outcomes import Document


@dataclass
class History:
    """The ledger, read once at the start of a run."""

    last_run: str | None = None
    last_ends: dict[str, Event] = field(default_factory=dict)
    last_successes: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a ledger; none is an empty history."""
        history = cls()
        for event in read_events(path):
            if event["event"] == "run_start":
                history.last_run = str(event.get("run"))
            elif event["event"] == "job_end":
                history.note(event)
        return history

    def note(self, event: Event) -> None:
        """Take over how a job ended."""
        job = str(event.get("job"))
        self.last_ends[job] = event
        if event.get("status") in ("done", "unchanged"):
            self.last_successes[job] = event

    def last_end(self, job: str) -> Document | None:
        """Return how a job ended the last time."""
        return self.last_ends.get(job)

    def ended_well_in_last_run(self, job: str) -> bool:
        """Return whether the last run had done the job before it ended, however it ended."""
        event = self.last_successes.get(job)
        return event is not None and self.last_run is not None and event.get("run") == self.last_run

    def essence(self) -> Iterator[Event]:
        """Yield the events that a new ledger has to begin with, so that the next run knows what this one knew."""
        if self.last_run is not None:
            yield {"event": "run_start", "run": self.last_run, "kept": True}
        for job, event in self.last_successes.items():
            if self.last_ends.get(job) is not event:
                yield event
        yield from self.last_ends.values()
