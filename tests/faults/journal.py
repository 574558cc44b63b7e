"""The changes that a run makes below a folder, in order, read from the output of strace."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.faults.forks import Ended, trace
from tests.faults.scenes import Scene, Stage

_CALLS = (
    *("open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "lseek", "fsync", "fdatasync", "mkdir"),
    *("mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "truncate", "ftruncate"),
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) = (-?\d+)")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:\\x..)*)>, )?"((?:\\x..)*)"')
_OPEN_FILE = re.compile(r"(\d+)<((?:\\x..)*)>")
_TEXT = re.compile(r'"((?:\\x..)*)"')


@dataclass(frozen=True)
class Change:
    """One change: paths are relative to the folder, `.` is the folder itself."""

    kind: Literal["make", "create", "rename", "remove", "write", "cut", "flush"]
    path: str
    to: str = ""  # of a rename
    offset: int = 0  # of a write, -1 for the end; the new length of a cut
    content: bytes = b""


def traced_calls(stage: Stage, scene: Scene, place: Path) -> tuple[Ended, list[str]]:
    """Run a scene under strace, and return its result and a line for each call of interest."""
    child = stage.zygote.begin(scene.words, place, every_step=scene.every_step)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        words = ("-f", "-y", "-xx", "-s", str(2**26), "-o", str(log), "-e", f"trace={','.join(_CALLS)}")
        ended = trace(child, *words)
        return ended, log.read_text(encoding="ascii", errors="replace").splitlines()


def read_journal(lines: Iterable[str], folder: Path) -> list[Change]:
    """Return the changes below a folder; calls that failed change nothing."""
    reader = _Reader(os.path.realpath(folder))
    changes: list[Change] = []
    for line in _joined(lines):
        match = _LINE.match(line)
        if match is not None and int(match[4]) >= 0:
            changes += reader.read(match[2], match[3], int(match[4]))
    return changes


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Join calls that strace shows in two halves because of another thread."""
    halves: dict[str, str] = {}
    for line in lines:
        pid, _, call = line.partition(" ")
        if line.endswith("<unfinished ...>"):
            halves[pid] = line.removesuffix("<unfinished ...>").rstrip()
        elif call.lstrip().startswith("<... "):
            yield halves.pop(pid, "") + call.partition("resumed>")[2]
        else:
            yield line


class _Reader:
    """Tracks the position of each descriptor in its file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._positions: dict[tuple[str, str], int] = {}

    def read(self, call: str, arguments: str, result: int) -> list[Change]:
        """Return what a call has changed."""
        if call in ("open", "openat", "creat"):
            return self._open(call, arguments, result)
        match = _OPEN_FILE.match(arguments)
        if match is not None and call not in ("mkdirat", "renameat", "renameat2", "unlinkat"):
            path = self._relative(_plain(match[2]))
            return [] if path is None else self._file(call, arguments, result, match[1], path)
        paths = self._paths(arguments)
        if not paths or paths[0] is None:
            return []
        if call.startswith("rename"):
            return [Change("rename", paths[0], to=str(paths[1]))]
        if call == "truncate":
            return [Change("cut", paths[0], offset=int(arguments.rpartition(", ")[2]))]
        return [Change("make" if call.startswith("mkdir") else "remove", paths[0])]

    def _open(self, call: str, arguments: str, result: int) -> list[Change]:
        path = self._paths(arguments)[0]
        if path is None:
            return []
        self._positions[(str(result), path)] = -1 if "O_APPEND" in arguments else 0
        changes = [Change("create", path)] if call == "creat" or "O_CREAT" in arguments else []
        return [*changes, Change("cut", path)] if call == "creat" or "O_TRUNC" in arguments else changes

    def _file(self, call: str, arguments: str, result: int, descriptor: str, path: str) -> list[Change]:
        """Return what a call on an open file has changed."""
        key = (descriptor, path)
        if call == "lseek":
            if self._positions.get(key, 0) >= 0:
                self._positions[key] = result
            return []
        if call in ("fsync", "fdatasync"):
            return [Change("flush", path)]
        last = arguments.rpartition(", ")[2]
        if call == "ftruncate":
            return [Change("cut", path, offset=int(last))]
        content = b"".join(bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments))[:result]
        if call.startswith("pwrite"):
            return [Change("write", path, offset=int(last), content=content)]
        offset = self._positions.get(key, 0)
        self._positions[key] = -1 if offset < 0 else offset + result
        return [Change("write", path, offset=offset, content=content)]

    def _paths(self, arguments: str) -> list[str | None]:
        found = _PATH.findall(arguments)
        return [self._relative(os.path.join(_plain(at) or self._folder, _plain(name))) for at, name in found]

    def _relative(self, path: str) -> str | None:
        """Return a path relative to the folder, None if it is elsewhere."""
        path = os.path.normpath(os.path.join(self._folder, path))
        if path == self._folder:
            return "."
        return path.removeprefix(f"{self._folder}/") if path.startswith(f"{self._folder}/") else None


def _plain(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text.replace("\\x", "")))
