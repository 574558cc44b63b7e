"""One process of a job: started without a shell in a group of its own, read while it runs, ended when it must."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import site
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rnnforecast.masking import masked

#: What a process may print before it is ended: documents of our commands are far smaller.
MAX_OUTPUT_BYTES = 64 * 2**20
_CHUNK = 2**16
_KEPT_ERROR_BYTES = 2**20
_PR_SET_PDEATHSIG = 1
#: The kernel prefers processes with a higher score when memory runs out: a job goes before the run does.
_OOM_SCORE = 300

#: Threads of a process; one each, so that results do not depend on how many jobs run side by side.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Command:
    """What to run, and what it gets on standard input."""

    arguments: tuple[str, ...]
    stdin: bytes = b""
    environment: Mapping[str, str] | None = None  # beside that of the run
    time_limit: float | None = None  # seconds of its own, within those of the job


@dataclass(frozen=True)
class Ended:
    """How a process ended: its code (negative: by that signal), and what it printed."""

    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False


class Child:
    """A running process with its pipes; `read` is called when one of them has something to say."""

    def __init__(self, command: Command, *, folder: Path, log: Callable[[bytes], None]) -> None:
        self.process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=child_environment(command.environment or {}),
            start_new_session=True,  # a group of its own: Ctrl-C reaches the run alone, and the run can end it whole
            preexec_fn=_die_with_parent(),
        )
        self._log = log
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._kill_at: float | None = None
        self.timed_out = False
        self.started = time.monotonic()
        self.time_limit = command.time_limit
        _prefer_when_memory_runs_out(self.process.pid)
        self._feed(command.stdin)
        self.pipes: list[IO[bytes]] = [pipe for pipe in (self.process.stdout, self.process.stderr) if pipe is not None]
        self.num_open_pipes = len(self.pipes)  # counted down by whoever reads them
        for pipe in self.pipes:
            os.set_blocking(pipe.fileno(), False)

    def read(self, pipe: IO[bytes]) -> int | None:
        """Take what a pipe holds and return how many bytes it was: 0 at its end, None for nothing yet."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        if chunk:
            self._log(chunk)
        if pipe is self.process.stdout:
            self._stdout += chunk
            if len(self._stdout) > MAX_OUTPUT_BYTES:
                self.signal(signal.SIGKILL)
        else:
            self._stderr += chunk
            del self._stderr[:-_KEPT_ERROR_BYTES]
        return len(chunk)

    def has_ended(self) -> bool:
        """Return whether the process is gone, and with it whatever it started; takes what its pipes still hold."""
        if self.process.returncode is not None:
            return True
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self.signal(signal.SIGKILL)  # not yet waited for: its number is still its own
        self.process.wait()
        for pipe in self.pipes:
            while not pipe.closed and self.read(pipe):
                pass
        return True

    def ended(self) -> Ended:
        """Return how it ended and close its pipes."""
        for pipe in self.pipes:
            pipe.close()
        return Ended(self.process.returncode, bytes(self._stdout), bytes(self._stderr), timed_out=self.timed_out)

    def stop(self, *, grace: float) -> None:
        """Ask it to end, and note when asking is over."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a stopped process cannot hear

    def kill_when_over(self) -> None:
        """End it for good when it did not listen."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the process and all it started, while it is there."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _feed(self, content: bytes) -> None:
        if self.process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(content)  # within the size of a pipe: never blocks
            self.process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def rnnforecast_command(*words: str) -> tuple[str, ...]:
    """Return the command line of our own program, by this very interpreter.

    `-P` keeps the working folder off the import path: a `torch.py` among the data is not run.
    """
    return (sys.executable, "-P", "-m", "rnnforecast", *words)


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: one thread unless the user set more, UTF-8, no colours, this package."""
    environment = {key: value for key, value in os.environ.items() if key != "RNNFORECAST_STORE"}
    for name in THREAD_VARIABLES:
        environment.setdefault(name, os.environ.get("OMP_NUM_THREADS") or "1")
    environment.update({"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "COLUMNS": "100"})
    root = str(Path(__file__).resolve().parents[3])
    if root not in {str(Path(folder).resolve()) for folder in [*site.getsitepackages(), site.getusersitepackages()]}:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    environment.update(additions)
    return environment


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a new process does first: ask the kernel to end it when this one is gone, however it went."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # gone before the kernel was asked
            os._exit(128 + signal.SIGKILL)

    return ask


def _prefer_when_memory_runs_out(pid: int) -> None:
    with contextlib.suppress(OSError):  # no such file outside Linux
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def describe_end(returncode: int) -> str:
    """Return how a process ended, in words."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def as_shell_line(arguments: Sequence[str]) -> str:
    """Return a command as a person would type it, for the log; secrets are masked."""
    own = list(rnnforecast_command())
    words = ["rnnforecast", *arguments[len(own) :]] if list(arguments[: len(own)]) == own else list(arguments)
    return masked(shlex.join(map(masked, words)))  # the second time for `--token VALUE`, which is two words
