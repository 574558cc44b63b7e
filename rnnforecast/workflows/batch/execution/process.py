"""One process of a job: started without a shell in its own group, read while it runs, stopped when necessary."""

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
from pathlib import Path
from typing import IO

from rnnforecast.frozen import dataclass
from rnnforecast.masking import masked

#: Output after which a process is killed: documents of our commands are far smaller.
MAX_OUTPUT_BYTES = 64 * 2**20
_CHUNK = 2**16
_KEPT_ERROR_BYTES = 2**20
_PR_SET_PDEATHSIG = 1
#: If memory runs out, the kernel first kills processes with a high score: a job rather than the run.
_OOM_SCORE = 300

#: One thread per process, so that results do not depend on how many jobs run at once.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Command:
    """A command line, and its standard input."""

    arguments: tuple[str, ...]
    stdin: bytes = b""
    environment: Mapping[str, str] | None = None  # added to that of the run
    time_limit: float | None = None  # seconds for this command, within those of the job


@dataclass(frozen=True)
class Completed:
    """A finished process: its exit code (negative: killed by that signal) and its output."""

    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False


class JobProcess:
    """A running process and its pipes; `read` is called when one of them is readable."""

    def __init__(self, command: Command, *, folder: Path, log: Callable[[bytes], None]) -> None:
        self.popen = subprocess.Popen(
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=child_environment(command.environment or {}),
            start_new_session=True,  # its own group: Ctrl-C only reaches the run, and the run can kill all of it
            preexec_fn=_die_with_parent(),
        )
        self._log = log
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._kill_at: float | None = None
        self.timed_out = False
        self.started = time.monotonic()
        self.time_limit = command.time_limit
        _prefer_to_kill(self.popen.pid)
        self._feed(command.stdin)
        self.pipes: list[IO[bytes]] = [pipe for pipe in (self.popen.stdout, self.popen.stderr) if pipe is not None]
        self.num_open_pipes = len(self.pipes)  # decremented by the reader
        for pipe in self.pipes:
            os.set_blocking(pipe.fileno(), False)

    def read(self, pipe: IO[bytes]) -> int | None:
        """Read from a pipe and return the number of bytes: 0 at its end, None if there are none yet."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        if chunk:
            self._log(chunk)
        if pipe is self.popen.stdout:
            self._stdout += chunk
            if len(self._stdout) > MAX_OUTPUT_BYTES:
                self.signal(signal.SIGKILL)
        else:
            self._stderr += chunk
            del self._stderr[:-_KEPT_ERROR_BYTES]
        return len(chunk)

    def has_exited(self) -> bool:
        """Return whether the process has exited; then kill what it started, and read the rest of its pipes."""
        if self.popen.returncode is not None:
            return True
        if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self.signal(signal.SIGKILL)  # before `wait`, while the process id cannot be reused
        self.popen.wait()
        for pipe in self.pipes:
            while not pipe.closed and self.read(pipe):
                pass
        return True

    def completed(self) -> Completed:
        """Return the result and close the pipes."""
        for pipe in self.pipes:
            pipe.close()
        return Completed(self.popen.returncode, bytes(self._stdout), bytes(self._stderr), timed_out=self.timed_out)

    def stop(self, *, grace: float) -> None:
        """Ask it to stop, and set the time after which it is killed."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a suspended process gets no signal

    def kill_if_overdue(self) -> None:
        """Kill it if it did not stop in time."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the process and everything it started, unless it has exited."""
        if self.popen.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, number)

    def _feed(self, content: bytes) -> None:
        if self.popen.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write(content)  # within the size of a pipe: never blocks
            self.popen.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()


def rnnforecast_command(*words: str) -> tuple[str, ...]:
    """Return the command line of our own program, by this very interpreter.

    `-P` keeps the working folder off the import path, so that a `torch.py` in it is not run.
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
    """Return a function for a new process to run first: the kernel then kills it when this process exits."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it exited before the call
            os._exit(128 + signal.SIGKILL)

    return ask


def _prefer_to_kill(pid: int) -> None:
    with contextlib.suppress(OSError):  # no such file outside Linux
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def describe_exit(returncode: int) -> str:
    """Return how a process exited, in words."""
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def as_shell_line(arguments: Sequence[str]) -> str:
    """Return a command as a person would type it, for the log; secrets are masked."""
    own = list(rnnforecast_command())
    words = ["rnnforecast", *arguments[len(own) :]] if list(arguments[: len(own)]) == own else list(arguments)
    return masked(shlex.join(map(masked, words)))  # the second time for `--token VALUE`, which is two words
