"""The ledger of a jobs file: one JSON line per event, on the disk before the next job starts.

Readers skip a line that a crash cut off, and the next writer starts a new line after it; nothing else is ever changed.
A ledger that has grown large is kept once as `ledger.1.jsonl`; a new one starts with what the next run needs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rnnforecast.errors import OutputError
from rnnforecast.findings import JSONValue
from rnnforecast.store.files import flush_folder, replace_bytes

Event = dict[str, "JSONValue"]

LEDGER = "ledger.jsonl"
OLD_LEDGER = "ledger.1.jsonl"
MAX_BYTES = 16 * 2**20


class Ledger:
    """An open ledger; the caller holds the lock of its folder."""

    def __init__(self, path: Path) -> None:
        """Open for appending, and end a line that was cut off. Raises OutputError."""
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._descriptor = os.open(path, flags, 0o600)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        except OSError as error:
            raise _output_error(path, error) from error
        flush_folder(path.parent)

    def append(self, event: Mapping[str, JSONValue]) -> None:
        """Add one line and wait until it is on the disk. Raises OutputError; then nothing of the line remains."""
        line = to_line(event)
        size = 0
        try:
            size = os.fstat(self._descriptor).st_size
            written = os.write(self._descriptor, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise _output_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass
class History:
    """What a ledger says about earlier runs: the last outcome and the last success of every job."""

    last_run: str | None = None
    last_outcomes: dict[str, Event] = field(default_factory=dict)
    last_successes: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a ledger; a missing one is an empty history."""
        history = cls()
        for event in read_events(path):
            if event["event"] == "run_start":
                history.last_run = str(event.get("run"))
            elif event["event"] == "job_end":
                history.add(event)
        return history

    def add(self, event: Event) -> None:
        """Add the outcome of a job."""
        job = str(event.get("job"))
        self.last_outcomes[job] = event
        if event.get("status") in ("done", "unchanged"):
            self.last_successes[job] = event

    def succeeded_in_last_run(self, job: str) -> bool:
        """Return whether the job succeeded in the last run, whatever the outcome of that run."""
        event = self.last_successes.get(job)
        return event is not None and self.last_run is not None and event.get("run") == self.last_run

    def essential_events(self) -> Iterator[Event]:
        """Yield the events a new ledger must start with so that its history is the same."""
        if self.last_run is not None:
            yield {"event": "run_start", "run": self.last_run, "kept": True}
        for job, event in self.last_successes.items():
            if self.last_outcomes.get(job) is not event:
                yield event
        yield from self.last_outcomes.values()


def to_line(event: Mapping[str, JSONValue]) -> bytes:
    """Return an event as one line of ASCII, so that no name of a file or a job can start another line."""
    return (json.dumps(event, allow_nan=False, separators=(",", ":")) + "\n").encode("ascii")


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a ledger in order; lines that are not a complete event are skipped.

    Raises OutputError for a ledger that exists and cannot be read.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and isinstance(event.get("event"), str):
                        yield event
    except FileNotFoundError:
        return
    except OSError as error:
        raise _output_error(path, error) from error


def rotate(path: Path, *, keep: Iterable[Event]) -> None:
    """Set a large ledger aside and start a new one with the events in `keep`; a small one is not changed."""
    try:
        if path.stat().st_size < MAX_BYTES:
            return
    except FileNotFoundError:
        return
    # the copy first, so that the record is always on the disk
    replace_bytes(path.with_name(OLD_LEDGER), path.read_bytes())
    replace_bytes(path, b"".join(map(to_line, keep)))


def _output_error(path: Path, error: OSError) -> OutputError:
    message = f"the ledger `{path}` was not written: {(error.strerror or str(error)).lower()}"
    hint = f"free space and allow writing in `{path.parent}`, or name another store with `--store`"
    return OutputError(message, hint=hint, code="E_OUT_LEDGER")
