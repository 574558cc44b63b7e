from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rnnforecast.cli.command import deadline
from rnnforecast.data.sources import open_source
from rnnforecast.errors import ExitCode, ResourceError, UsageError
from tests.cli.conftest import RunCommand


def test_a_pipe_without_a_writer_is_given_up_when_the_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ResourceError) as caught, deadline("0.3s"):
        open_source(str(path))
    assert caught.value.message == f"the command took longer than `--timeout 0.3s`: {path} was being read"


def test_a_command_whose_time_is_over_ends_with_the_code_of_resources(run: RunCommand, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    ended = run("inspect", str(path), "--timeout", "0.3s")
    assert (ended.code, ended.out) == (ExitCode.RESOURCES, "")
    assert ended.err.startswith("error: the command took longer than `--timeout 0.3s`")


def test_an_alarm_is_taken_back_when_the_command_is_done() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline("1h"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3_000
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_without_a_span_there_is_no_alarm() -> None:
    with deadline(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_work_of_any_kind_is_ended_when_the_time_is_over() -> None:
    with pytest.raises(ResourceError, match=r"took longer than `--timeout 0\.1s`\n"), deadline("0.1s"):
        time.sleep(60)


@pytest.mark.parametrize("span", ["", "10", "soon", "0s", "-5m"])
def test_an_invalid_duration_is_rejected(span: str) -> None:
    with pytest.raises(UsageError, match=f"invalid duration `{span}` for `--timeout`"), deadline(span):
        pass
