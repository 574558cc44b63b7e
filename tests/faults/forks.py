"""The client of the zygote: start runs, trace them, kill them, wait for them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house import ROOT

_SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """A finished run: its exit code (negative: killed by that signal) and its output."""

    code: int
    output: str


class Zygote:
    """A warm process that runs commands in forks of itself."""

    def __init__(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RNNFORECAST_", "COV_"))}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._folder = Path(tempfile.mkdtemp(prefix="rig-"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**environment, **threads, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
            text=True,
        )

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, words: Sequence[str], folder: Path, **options: Any) -> Child:
        """Fork a run that waits for its start; options are those of the zygote."""
        request = {"do": "fork", "words": list(words), "folder": str(folder), **options}
        return Child(self, int(self.ask(request)["pid"]))

    def run(self, words: Sequence[str], folder: Path, **options: Any) -> Ended:
        """Run a command to its end."""
        child = self.begin(words, folder, **options)
        child.go()
        return child.wait()

    def warm_up(self, words: Sequence[str], folder: Path) -> Ended:
        """Run a command, and import its modules for all later runs."""
        modules = self._folder / "modules.json"
        ended = self.run(words, folder, modules=str(modules))
        if modules.exists():
            names = [name for name in json.loads(modules.read_text()) if not name.startswith("tests.")]
            self.ask({"do": "import", "names": names})
            modules.unlink()
        return ended

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the reply."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the zygote has no pipes")
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        reply: dict[str, Any] = json.loads(stdout.readline())
        return reply


@dataclass(frozen=True)
class Child:
    """A forked run."""

    zygote: Zygote
    pid: int

    def go(self) -> None:
        """Start it."""
        self.zygote.ask({"do": "go", "pid": self.pid})

    def kill(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        """Wait until it has finished."""
        reply = self.zygote.ask({"do": "wait", "pid": self.pid})
        return Ended(int(reply["code"]), str(reply["output"]))


@contextmanager
def zygote() -> Iterator[Zygote]:
    """Keep a zygote for the length of a `with` block."""
    process = Zygote()
    try:
        yield process
    finally:
        process.close()


def trace(child: Child, *arguments: str) -> Ended:
    """Let a child run under strace with these arguments. Raises RuntimeError if it cannot be attached."""
    command = ["strace", *arguments, "-p", str(child.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        first = "" if tracer.stderr is None else tracer.stderr.readline()
        if "attached" not in first:
            child.kill()
            child.wait()
            raise RuntimeError(f"strace could not be attached: {first.strip()}")
        child.go()
        ended = child.wait()
        tracer.wait(timeout=_SECONDS)
    return ended


def why_no_strace() -> str:
    """Return why nothing can be traced here, empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"strace may not trace here: {probe.stderr.strip()[:200]}"
