"""The record of one run: ledger, events file, and one log per job. A full disk stops none of the jobs."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rnnforecast.errors import OutputError
from rnnforecast.escaping import visible
from rnnforecast.findings import JSONValue
from rnnforecast.masking import masked
from rnnforecast.store.files import make_folder
from rnnforecast.store.names import encode_name
from rnnforecast.workflows.batch.records.ledger import Event, Ledger, to_line

#: Runs whose logs are kept.
KEPT_RUNS = 20
MAX_LOG_BYTES = 10 * 2**20

_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def new_run_id() -> str:
    """Return an id that sorts by time and is unique even if the clock is set back."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class Recorder:
    """Writes the record of one run. If a part of it is lost, there is a warning and the exit code is not 0."""

    def __init__(self, run: str, *, ledger: Ledger, logs: Path, events: str | Path | None) -> None:
        self.run = run
        self.warnings: list[str] = []
        self.is_complete = True
        self._ledger = ledger
        self._logs = logs
        self._events = None if events is None else _open_events(Path(events))

    def emit(self, event: str, **fields: JSONValue) -> Event:
        """Write one event to the ledger and the events file, and return it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record: Event = {"event": event, "time": now, "run": self.run, **fields}
        try:
            self._ledger.append(record)
        except OutputError as error:
            self.lose(error.message)
        if self._events is not None:
            try:
                _write_all(self._events, to_line(record))
            except OSError as error:
                self.lose(f"the events file was not written: {(error.strerror or str(error)).lower()}")
                os.close(self._events)
                self._events = None
        return record

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def lose(self, message: str) -> None:
        """Add a warning about a part of the record that could not be written."""
        self.is_complete = False
        self.warn(message)

    def log_path(self, job: str) -> Path:
        """Return the path of the log of a job, whether it exists or not."""
        return self._logs / self.run / f"{encode_name(job)}.log"

    def logger(self, job: str) -> Callable[[bytes], None]:
        """Return the function that appends to the log of a job; the first line creates the file."""
        path = self.log_path(job)
        left = MAX_LOG_BYTES

        def write(content: bytes) -> None:
            nonlocal left
            if left <= 0:
                return
            left -= len(content)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "ab", opener=_private) as file:
                    text = visible(masked(content.decode("utf-8", "replace")), keep="\n\t")
                    file.write(text.encode())
            except OSError as error:
                left = 0
                self.warn(f"the log {path} was not written: {(error.strerror or str(error)).lower()}")

        return write

    def close(self) -> None:
        """Close the files."""
        self._ledger.close()
        if self._events is not None:
            os.close(self._events)
            self._events = None


def remove_old_logs(logs: Path) -> None:
    """Remove the logs of all but the last runs; other files in the folder stay."""
    make_folder(logs)
    runs = sorted(entry.name for entry in logs.iterdir() if _RUN.fullmatch(entry.name) and entry.is_dir())
    for name in runs[: -KEPT_RUNS + 1]:
        with contextlib.suppress(OSError):
            shutil.rmtree(logs / name)


def _open_events(path: Path) -> int:
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        return os.open(path, flags, 0o666)
    except OSError as error:
        message = f"the events file `{path}` cannot be written: {(error.strerror or str(error)).lower()}"
        hint = "name a file in a folder that exists and may be written"
        raise OutputError(message, hint=hint, code="E_OUT_EVENTS") from error


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
