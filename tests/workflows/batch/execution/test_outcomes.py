from __future__ import annotations

import json
import signal

import pytest

from rnnforecast.workflows.batch.execution.outcomes import FailedError, read_document
from rnnforecast.workflows.batch.execution.process import Completed

ERROR = json.dumps({"error": {"code": "E_X", "exit_code": 13, "message": "row 3 is odd", "hint": "fix it"}})


def _failure(ended: Completed) -> tuple[int, str, str]:
    with pytest.raises(FailedError) as caught:
        read_document(ended, command="predict")
    return caught.value.exit_code, caught.value.error.code, caught.value.error.message


def test_the_document_of_a_successful_command_is_returned() -> None:
    assert read_document(Completed(0, b'{"model": "a@1"}', b"note: x\n"), command="predict") == {"model": "a@1"}


def test_an_error_keeps_its_code_and_message() -> None:
    ended = Completed(13, b"", f"note: something\n{ERROR}\n".encode())
    assert _failure(ended) == (13, "E_X", "row 3 is odd")


@pytest.mark.parametrize("stderr", [b"", b"Killed\n", b"{}", b'{"error": 3}', b"\xff"])
def test_a_failure_without_an_error_document_is_described_by_the_last_line(stderr: bytes) -> None:
    code, name, message = _failure(Completed(77, b"", stderr))
    assert (code, name) == (77, "E_RUN_CRASHED")
    assert message.startswith("the process of `predict` exited with code 77")


def test_a_killed_process_is_a_resource_error() -> None:
    code, name, message = _failure(Completed(-signal.SIGKILL, b"", b""))
    assert (code, name) == (15, "E_RUN_KILLED")
    assert message == "the process of `predict` was killed by SIGKILL"


def test_a_crash_of_the_interpreter_names_its_signal() -> None:
    assert _failure(Completed(-signal.SIGSEGV, b"", b""))[:2] == (139, "E_RUN_CRASHED")


def test_a_timeout_is_reported_whatever_the_exit_code() -> None:
    assert _failure(Completed(143, b"", b"", timed_out=True))[:2] == (15, "E_RUN_TIMEOUT")


@pytest.mark.parametrize("stdout", [b"", b"hello", b"[1]", b'{"a": 1'])
def test_success_without_a_document_is_an_error(stdout: bytes) -> None:
    assert _failure(Completed(0, stdout, b""))[:2] == (1, "E_INTERNAL")
