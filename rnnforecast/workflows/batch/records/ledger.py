"""The ledger of the runs of a jobs file: one JSON line an event, on the disk before the next job starts.

A line that a crash cut short is skipped by readers and followed by a fresh line by the next writer; nothing else is
ever changed. When the file has grown large it is kept once as `ledger.1.jsonl`, and what the next run has to know goes
on in a new one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rnnforecast.errors import OutputError
from rnnforecast.store.files import flush_folder, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rnnforecast.findings import JSONValue

Event = dict[str, "JSONValue"]

LEDGER = "ledger.jsonl"
OLD_LEDGER = "ledger.1.jsonl"
MAX_BYTES = 16 * 2**20


class Ledger:
    """An open ledger; the caller holds the lock of its folder."""

    def __init__(self, path: Path) -> None:
        """Open for appending, closing a line that was cut short. Raises OutputError."""
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._descriptor = os.open(path, flags, 0o600)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        except OSError as error:
            raise _refusal(path, error) from error
        flush_folder(path.parent)

    def append(self, event: Mapping[str, JSONValue]) -> None:
        """Add one line and wait until the disk has it. Raises OutputError; then nothing of the line stays."""
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
            raise _refusal(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def to_line(event: Mapping[str, JSONValue]) -> bytes:
    """Return an event as one line of ASCII: no name of a file or a job can begin another line."""
    return (json.dumps(event, allow_nan=False, separators=(",", ":")) + "\n").encode("ascii")


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a ledger in order; lines that are no whole event are passed over.

    Raises OutputError for a ledger that is there and cannot be read.
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
        raise _refusal(path, error) from error


def rotate(path: Path, *, keep: Iterable[Event]) -> None:
    """Set a large ledger aside and begin a new one with the events in `keep`; a small one is left alone."""
    try:
        if path.stat().st_size < MAX_BYTES:
            return
    except FileNotFoundError:
        return
    before = path.read_bytes()
    # the copy first: no moment at which what was recorded stands nowhere
    replace_file(path.with_name(OLD_LEDGER), lambda stream: _write(stream, before))
    replace_file(path, lambda stream: _write(stream, b"".join(to_line(event) for event in keep)))


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)


def _refusal(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the ledger `{path}` was not written: {(error.strerror or str(error)).lower()}",
        hint=f"free space and allow writing in `{path.parent}`, or name another store with `--store`",
        code="E_OUT_LEDGER",
    )
