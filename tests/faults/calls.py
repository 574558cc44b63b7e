"""Kills and errors at the Nth call of the file system, by strace."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnforecast.errors import ExitCode
from tests.faults.forks import Ended, trace
from tests.faults.scenes import Scene, Stage
from tests.faults.tally import Tally

#: Calls that change what is on the disk.
CHANGING = (
    *("open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "rename", "renameat"),
    *("renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "ftruncate", "chmod", "fchmod"),
    *("fchmodat", "chown", "fchown", "fchownat", "link", "linkat", "symlink", "symlinkat", "flock", "utimensat"),
)
#: Other calls of the file system: a kill there has the effect of one at the next call that changes something.
LOOKING = (
    *("read", "pread64", "readv", "preadv", "close", "lseek", "stat", "lstat", "fstat", "newfstatat", "statx"),
    *("access", "faccessat", "faccessat2", "getdents64", "readlink", "readlinkat", "getcwd", "statfs", "fstatfs"),
)
CALLS = (*CHANGING, *LOOKING)
#: The errors a disk may give, by the calls that give them.
ERRORS = (
    *(("ENOSPC", call) for call in ("write", "pwrite64", "writev")),
    *(("EIO", call) for call in ("fsync", "fdatasync", "rename", "renameat", "renameat2")),
)

Point = tuple[str, int]


def count_calls(stage: Stage, scene: Scene, calls: Sequence[str] = CALLS) -> Counter[str]:
    """Count the calls of an undisturbed run by name."""
    stage.wanted(scene)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        ended = _traced(stage, scene, stage.copy(Path(folder)), "-o", str(log), "-e", f"trace={','.join(calls)}")
        if ended.code != 0:
            raise RuntimeError(f"{scene.name} ended with {ended.code} although nothing was injected: {ended.output}")
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return Counter(line.partition("(")[0] for line in lines if "(" in line and not line.startswith(("---", "+++")))


def points_of(counts: Counter[str]) -> list[Point]:
    """Return every call of a run: its name, and which one of that name it is."""
    return [(call, number) for call, count in sorted(counts.items()) for number in range(1, count + 1)]


def kill_at(stage: Stage, scene: Scene, points: Iterable[Point]) -> Tally:
    """Kill a run before each of these calls, check what is left, and run it again."""
    tally = Tally(f"kill {scene.name}")
    for call, number in points:
        place = stage.copy()
        inject = f"inject={call}:signal=KILL:when={number}"
        ended = _traced(stage, scene, place, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        tally.num_runs += 1
        tally.codes[ended.code] += 1
        where = f"{scene.name}, killed at {call} {number}"
        if ended.code not in (-signal.SIGKILL, 0):
            tally.note(where, [f"ended with {ended.code}: {ended.output[-200:]}"])
        tally.note(where, stage.problems(scene, place))
        tally.note(f"{where}, then run again", stage.recover(scene, place))
        shutil.rmtree(place)
    return tally


def error_points(counts: Counter[str]) -> list[tuple[str, Point]]:
    """Return every call that may fail, with the error that it gives."""
    return [(error, (call, number)) for error, call in ERRORS for number in range(1, counts[call] + 1)]


def fail_at(stage: Stage, scene: Scene, points: Iterable[tuple[str, Point]]) -> Tally:
    """Let each of these calls fail once, each in a separate run."""
    tally = Tally(f"errors {scene.name}")
    for error, (call, number) in points:
        place = stage.copy()
        inject = f"inject={call}:error={error}:when={number}"
        ended = _traced(stage, scene, place, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        tally.num_runs += 1
        tally.codes[ended.code] += 1
        judge(tally, stage, scene, place, ended, f"{scene.name}, {error} at {call} {number}")
        shutil.rmtree(place)
    return tally


def interrupt_at(stage: Stage, scene: Scene, points: Iterable[Point]) -> Tally:
    """Let each of these calls be interrupted by a signal once: the run succeeds as if undisturbed."""
    tally = Tally(f"interrupted {scene.name}")
    for call, number in points:
        place = stage.copy()
        inject = f"inject={call}:error=EINTR:when={number}"
        ended = _traced(stage, scene, place, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        tally.num_runs += 1
        tally.codes[ended.code] += 1
        where = f"{scene.name}, {call} {number} interrupted"
        tally.note(where, [] if ended.code == 0 else [f"ended with {ended.code}: {ended.output[-200:]}"])
        tally.note(where, stage.problems(scene, place) + stage.unfinished(scene, place) + stage.leftovers(place))
        shutil.rmtree(place)
    return tally


def judge(tally: Tally, stage: Stage, scene: Scene, place: Path, ended: Ended, where: str) -> None:
    """Add the failed checks after a disturbed run: outputs, exit code, and another run."""
    tally.note(where, stage.problems(scene, place))
    if ended.code == 0:
        tally.note(where, stage.unfinished(scene, place))
    elif ended.code not in (ExitCode.OUTPUT, ExitCode.PARTIAL):
        tally.note(where, [f"exit code {ended.code}, not 14: {ended.output[-200:]}"])
    if "Traceback" in ended.output:
        tally.note(where, [f"a traceback: {ended.output[-300:]}"])
    tally.note(f"{where}, then run again", stage.recover(scene, place))


def _traced(stage: Stage, scene: Scene, place: Path, *arguments: str) -> Ended:
    child = stage.zygote.begin(scene.words, place, every_step=scene.every_step)
    return trace(child, *arguments)
