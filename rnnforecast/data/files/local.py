"""Read a file, pipe or standard input fully into memory, up to a size limit."""

from __future__ import annotations

import difflib
import io
import os
import re
import select
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnnforecast.data.errors import quoted_path
from rnnforecast.errors import DataError, InputError

STDIN = "-"
#: Larger inputs are rejected unless `--max-bytes` allows more.
MAX_BYTES = 8 * 2**30
#: A named pipe without a writer is rejected after this time.
PIPE_WAIT_SECONDS = 60.0
_CHUNK = 2**22
_BLANK_BYTES = 2**16


def cap_of(max_bytes: int | None) -> int:
    """Return the cap: the one asked for, else `MAX_BYTES` and at most half of the free memory."""
    if max_bytes is not None:
        return max_bytes
    free = free_memory()
    return MAX_BYTES if free is None else max(min(MAX_BYTES, free // 2), 2**28)


def free_memory() -> int | None:
    """Return the bytes of memory that a process may still use, None where the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024


def too_large(path: str, size: int, cap: int) -> DataError:
    """Return the error of an input above the cap."""
    message = f"{quoted_path(path)} contains more than {in_words(cap)} ({in_words(size)} so far or announced)"
    hint = f"if that is right, allow it: --max-bytes {in_words(2 * max(size, cap))}; or split the file"
    return DataError(message, hint=hint, code="E_DATA_SIZE")


def in_words(size: int) -> str:
    """Return a number of bytes as people write it, in a form that `--max-bytes` takes."""
    for unit, base in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= base:
            return f"{-(-size // base)}{unit}"
    return f"{size}B"


def check_not_blank(path: str, first: bytes) -> None:
    """Raise DataError for an input whose first block holds zeros alone: what follows need not be read."""
    if len(first) >= _BLANK_BYTES and not first.strip(b"\0"):
        message = f"{quoted_path(path)} begins with {in_words(len(first))} of NUL bytes: it is binary or damaged"
        raise DataError(message, hint="export the table again as CSV in UTF-8", code="E_DATA_BINARY")


@contextmanager
def note_input(path: str) -> Iterator[None]:
    """Note the input on whatever interrupts the program from outside (an alarm, Ctrl-C)."""
    try:
        yield
    except Exception:
        raise
    except BaseException as interrupt:
        interrupt.add_note(f"{'standard input' if path == STDIN else quoted_path(path)} was being read")
        raise


def read_bytes(path: str, *, cap: int) -> bytes:
    """Return the bytes of a file, a pipe or `-`; raises InputError where there are none, DataError above the cap."""
    if path == STDIN:
        return _read_stdin(cap)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISFIFO(mode):
            return _read_pipe(path, cap)
        _check_kind(path, mode)
        return _read_unchanged(path, cap)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except PermissionError as error:
        hint = f"allow reading it: chmod u+r {shlex.quote(path)}"
        message = f"{quoted_path(path)} may not be read: permission denied"
        raise InputError(message, hint=hint, code="E_INPUT_DENIED") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        hint = "check the name, the disk and whatever serves it, then try again"
        raise InputError(f"{quoted_path(path)} cannot be read: {reason}", hint=hint, code="E_INPUT_READ") from error


def _check_kind(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        if not any(Path(path).iterdir()):
            raise InputError(f"{quoted_path(path)} is an empty folder", hint="name a file", code="E_INPUT_FOLDER")
        message = f"{quoted_path(path)} is a folder"
        hint = f"--dataset reads its files as one table; for a series each: {shlex.quote(f'{path}/*.csv')}"
        raise InputError(message, hint=hint, code="E_INPUT_FOLDER")
    if not stat.S_ISREG(mode):
        kind = "a socket" if stat.S_ISSOCK(mode) else "a device"
        message = f"{quoted_path(path)} is {kind}, not a file: a device or a socket has no end to read to"
        raise InputError(message, hint="name a file, or pipe the rows in and name `-`", code="E_INPUT_KIND")


def _missing(path: str) -> InputError:
    if os.path.islink(path):
        message = f"{quoted_path(path)} is a symbolic link to {quoted_path(os.readlink(path))}, which does not exist"
        return InputError(message, hint="correct the link, or name the file itself", code="E_INPUT_MISSING")
    return InputError(f"{quoted_path(path)} does not exist", hint=_similar(Path(path)), code="E_INPUT_MISSING")


def _similar(path: Path) -> str:
    """Return the fix for a missing path: a file of nearly that name, or where it was looked for."""
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either; working folder: {Path.cwd()}"
    stems = {entry.name.partition(".")[0]: entry.name for entry in folder.iterdir()}  # extensions make all names alike
    near = difflib.get_close_matches(path.name.partition(".")[0], stems, n=1)
    return f"did you mean {folder / stems[near[0]]}?" if near else f"looked in {folder.resolve()}"


def _read_unchanged(path: str, cap: int) -> bytes:
    """Return a file that did not change while it was read, in at most two attempts."""
    for _ in range(2):
        with open(path, "rb") as file:
            before = fingerprint(file.fileno())
            if before[0] > cap:
                raise too_large(path, before[0], cap)
            content = file.read(before[0] + 1) if before[0] else b""  # a file of the kernel has no size, maybe no end
        if before == fingerprint(path) and len(content) == before[0]:
            return content
    message = f"{quoted_path(path)} changed while it was read, twice"
    hint = "wait until its producer is done, or let it write to another name and rename the file at the end"
    raise InputError(message, hint=hint, code="E_INPUT_CHANGED")


def fingerprint(file: int | str) -> tuple[int, int, int]:
    """Return size, time of the last change and inode: a file with other numbers is another file."""
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _read_stdin(cap: int) -> bytes:
    if sys.stdin.isatty():
        message = "standard input is a terminal: there are no rows to read"
        raise InputError(message, hint="pipe the rows in: `rnnforecast ... - < rows.csv`", code="E_INPUT_KIND")
    return _read_all(sys.stdin.buffer, STDIN, cap)


def _read_all(stream: BinaryIO, path: str, cap: int) -> bytes:
    spool = io.BytesIO()
    while chunk := stream.read(_CHUNK):
        if not spool.tell():
            check_not_blank("standard input" if path == STDIN else path, chunk)
        spool.write(chunk)
        if spool.tell() > cap:
            raise too_large("standard input" if path == STDIN else path, spool.tell(), cap)
    return spool.getvalue()


def _read_pipe(path: str, cap: int) -> bytes:
    """Return the content of a named pipe; a pipe without a writer is rejected after a while."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(number, select.POLLIN)
        if not poll.poll(PIPE_WAIT_SECONDS * 1000):
            message = f"{quoted_path(path)} is a named pipe that nobody wrote to for {PIPE_WAIT_SECONDS:g} seconds"
            hint = "start the program that writes to it first, or name a file"
            raise InputError(message, hint=hint, code="E_INPUT_PIPE")
        os.set_blocking(number, True)
        with os.fdopen(os.dup(number), "rb") as stream:
            return _read_all(stream, path, cap)
    finally:
        os.close(number)
