from __future__ import annotations

import json
import signal

import pytest

from rnnforecast.workflows.batch.execution.outcomes import FailedError, read_document
from rnnforecast.workflows.batch.execution.process import Ended

REFUSAL = json.dumps({"error": {"code": "E_X", "exit_code": 13, "message": "row 3 is odd", "hint": "mend it"}})


def _failure(ended: Ended) -> tuple[int, str, str]:
    with pytest.raises(FailedError) as caught:
        read_document(ended, what="predict")
    return caught.value.exit_code, caught.value.error.code, caught.value.error.message


def test_the_document_of_a_command_that_ended_well_is_returned() -> None:
    assert read_document(Ended(0, b'{"model": "a@1"}', b"note: x\n"), what="predict") == {"model": "a@1"}


def test_a_refusal_keeps_its_code_and_its_words() -> None:
    ended = Ended(13, b"", f"note: something\n{REFUSAL}\n".encode())
    assert _failure(ended) == (13, "E_X", "row 3 is odd")


@pytest.mark.parametrize("stderr", [b"", b"Killed\n", b"{}", b'{"error": 3}', b"\xff"])
def test_a_command_without_a_refusal_is_told_by_its_last_words(stderr: bytes) -> None:
    code, name, message = _failure(Ended(77, b"", stderr))
    assert (code, name) == (77, "E_RUN_CRASHED")
    assert message.startswith("the process of `predict` ended with code 77")


def test_a_killed_process_is_a_lack_of_resources() -> None:
    code, name, message = _failure(Ended(-signal.SIGKILL, b"", b""))
    assert (code, name) == (15, "E_RUN_KILLED")
    assert message == "the process of `predict` was ended by SIGKILL"


def test_a_crash_of_the_interpreter_is_told_by_its_signal() -> None:
    assert _failure(Ended(-signal.SIGSEGV, b"", b""))[:2] == (139, "E_RUN_CRASHED")


def test_a_timeout_is_told_whatever_code_it_left() -> None:
    assert _failure(Ended(143, b"", b"", timed_out=True))[:2] == (15, "E_RUN_TIMEOUT")


@pytest.mark.parametrize("stdout", [b"", b"hello", b"[1]", b'{"a": 1'])
def test_success_without_a_document_is_no_success(stdout: bytes) -> None:
    assert _failure(Ended(0, stdout, b""))[:2] == (1, "E_INTERNAL")
