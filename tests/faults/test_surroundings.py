"""The environment, the temporary folder and the network of a run do not change a byte of a forecast."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import rnnforecast
from tests.house import ROOT

#: A bare environment, as cron gives it: no HOME, no LANG, a short PATH.
BARE = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
PREDICT = [sys.executable, "-P", "-m", "rnnforecast", "predict", "good", "--output", "out.csv", "--quiet"]


def _why_no_empty_network() -> str:
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip()[:200] if done.returncode else ""


def _forecast(command: list[str], environment: dict[str, str], folder: Path) -> bytes:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "out.csv").read_bytes()


@pytest.fixture
def wanted(workplace: Path) -> bytes:
    """Return the forecast of this very process."""
    rnnforecast.predict("good", output="wanted.csv")
    return (workplace / "wanted.csv").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as cron gives it"),
        pytest.param({"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}, id="elsewhere"),
        pytest.param({"TMPDIR": "/nowhere/at/all", "HOME": "/nowhere"}, id="no temporary folder"),
        pytest.param({"PYTHONHASHSEED": "7"}, id="another hash seed"),
    ],
)
def test_a_forecast_has_the_same_bytes_in_any_environment(
    workplace: Path, wanted: bytes, changes: dict[str, str]
) -> None:
    assert _forecast(PREDICT, {**BARE, **changes}, workplace) == wanted


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_forecast_is_complete_if_nobody_reads_stdout_or_stderr(workplace: Path, wanted: bytes, stream: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [word for word in PREDICT if word != "--quiet"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    done = subprocess.run(command, cwd=workplace, env=BARE, check=False, **streams)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == 128 + signal.SIGPIPE
    assert b"Traceback" not in (done.stdout or b"") + (done.stderr or b"")
    assert (workplace / "out.csv").read_bytes() == wanted


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o027, 0o640)])
def test_an_output_has_the_mode_of_the_umask_and_none_wider(
    workplace: Path, wanted: bytes, umask: int, mode: int
) -> None:
    command = ["/bin/sh", "-c", f'umask {umask:03o} && exec "$@"', "sh", *PREDICT]
    assert _forecast(command, BARE, workplace) == wanted
    assert os.stat(workplace / "out.csv").st_mode & 0o777 == mode


@pytest.mark.skipif(bool(_why_no_empty_network()), reason=_why_no_empty_network() or "the network can be taken away")
def test_a_forecast_needs_no_network(workplace: Path, wanted: bytes) -> None:
    assert _forecast(["unshare", "-n", *PREDICT], BARE, workplace) == wanted
