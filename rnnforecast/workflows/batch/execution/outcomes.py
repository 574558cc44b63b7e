"""From the exit of a process to the error of its job: its own error, a timeout, memory, or a crash."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping

from rnnforecast.errors import ExitCode
from rnnforecast.findings import JSONValue
from rnnforecast.workflows.batch.execution.process import Completed, describe_exit
from rnnforecast.workflows.batch.results import JobError

Document = Mapping[str, "JSONValue"]

_SEE_LOG = "the log of the job contains its output"
_MAX_LINE = 300


class FailedError(Exception):
    """A step of a job failed; carries the exit code and the error that the job reports."""

    def __init__(self, exit_code: int, error: JobError) -> None:
        super().__init__(error.message)
        self.exit_code = exit_code
        self.error = error


class StoppedError(Exception):
    """A signal stopped the run; carries its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def read_document(completed: Completed, *, command: str) -> Document:
    """Return the JSON document a command printed, also if it left series out (exit code 3).

    Raises FailedError for a command that failed.
    """
    if completed.timed_out:
        message = f"`{command}` was stopped: the job exceeded its timeout"
        raise FailedError(int(ExitCode.RESOURCES), JobError("E_RUN_TIMEOUT", message, "raise `timeout`"))
    if completed.returncode < 0:
        raise _killed(completed.returncode, command)
    if completed.returncode in (ExitCode.OK, ExitCode.PARTIAL):
        try:
            document = json.loads(completed.stdout)
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
    if completed.returncode == ExitCode.OK:
        error = JobError("E_INTERNAL", f"`{command}` succeeded but printed no document", _SEE_LOG)
        raise FailedError(int(ExitCode.INTERNAL), error)
    raise FailedError(completed.returncode, _own_error(completed) or _last_line(completed, command))


def _killed(returncode: int, command: str) -> FailedError:
    message = f"the process of `{command}` {describe_exit(returncode)}"
    if returncode == -signal.SIGKILL:
        hint = "usually memory ran out: use fewer `--workers`, or a smaller `batch_size` and `hidden_size`"
        return FailedError(int(ExitCode.RESOURCES), JobError("E_RUN_KILLED", message, hint))
    return FailedError(128 - returncode, JobError("E_RUN_CRASHED", message, _SEE_LOG))


def stopped_job(number: int, when: str) -> JobError:
    """Return why a job did not start or did not finish: a signal came before it or during it."""
    message = f"{signal.Signals(number).name} stopped the run {when}"
    return JobError("E_RUN_STOPPED", message, "continue with `--resume`")


def _own_error(completed: Completed) -> JobError | None:
    """Return the error that our commands print as the last line of stderr with `--format json`."""
    lines = completed.stderr.decode("utf-8", "replace").strip().splitlines()
    try:
        error = json.loads(lines[-1])["error"]
        hint = error["hint"]
        return JobError(str(error["code"]), str(error["message"]), None if hint is None else str(hint))
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _last_line(completed: Completed, command: str) -> JobError:
    lines = [line for line in completed.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    printed = f": {lines[-1].strip()[:_MAX_LINE]}" if lines else ""
    message = f"the process of `{command}` {describe_exit(completed.returncode)}{printed}"
    return JobError("E_RUN_CRASHED", message, _SEE_LOG)
