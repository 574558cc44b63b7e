"""Processes of their own, measured from start to end: wall time and peak memory, one thread each."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
LINES_OF_A_FAILURE = 12


@dataclass(frozen=True)
class Run:
    """One process: wall time, peak memory, and the JSON document on the last line it printed."""

    seconds: float
    megabytes: float
    figures: dict[str, float]


class FailedError(Exception):
    """A process ended with an error; its last lines are the message."""


def environment(num_threads: int | None) -> dict[str, str]:
    """Return the variables a process is started with; an installed package has its bytecode, so it may be written."""
    found = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if num_threads is not None:
        found.update(dict.fromkeys(THREADS, str(num_threads)))
    return found


def measure(command: Sequence[str], folder: Path, *, num_threads: int | None = 1, timeout: float | None = None) -> Run:
    """Run a process to its end. Raises FailedError when it ends with an error, or not in time."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=environment(num_threads))
        status, usage = _wait(process, timeout)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = out.read().splitlines()
        if process.returncode:
            tail = [*lines[-3:], *err.read().splitlines()[-LINES_OF_A_FAILURE:]]
            raise FailedError(f"ended with {process.returncode}: {' / '.join(tail)[-300:]}")
    return Run(seconds=seconds, megabytes=usage / 1024, figures=_figures(lines))


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> tuple[int, int]:
    """Wait for the end of a process: its status and the kilobytes of its peak."""
    until = None if timeout is None else time.monotonic() + timeout
    while until is not None:
        found, status, usage = os.wait4(process.pid, os.WNOHANG)
        if found:
            return status, usage.ru_maxrss
        if time.monotonic() > until:
            process.kill()
            break
        time.sleep(0.05)
    _, status, usage = os.wait4(process.pid, 0)
    return status, usage.ru_maxrss


def _figures(lines: Sequence[str]) -> dict[str, float]:
    if not lines or not lines[-1].startswith("{"):
        return {}
    found: dict[str, float] = json.loads(lines[-1])
    return found
