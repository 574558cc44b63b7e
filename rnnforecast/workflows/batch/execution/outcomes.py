"""How the process of a command ended, as an error of its job: its own refusal, its time, its memory, or a crash."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rnnforecast.errors import ExitCode
from rnnforecast.workflows.batch.execution.process import describe_end
from rnnforecast.workflows.batch.results import JobError

if TYPE_CHECKING:
    from rnnforecast.findings import JSONValue
    from rnnforecast.workflows.batch.execution.process import Ended

Document = Mapping[str, "JSONValue"]

_SEE_LOG = "its log holds what it printed"
_RESUME = "go on where this run ended: `--resume`"
_MAX_LINE = 300


class FailedError(Exception):
    """A step of a job failed; carries the exit code and the error that the job reports."""

    def __init__(self, exit_code: int, error: JobError) -> None:
        super().__init__(error.message)
        self.exit_code = exit_code
        self.error = error


class StoppedError(Exception):
    """The run was ended by a signal; carries its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def read_document(ended: Ended, *, what: str) -> Document:
    """Return the one JSON document a command printed, also of one that left series out (exit code 3).

    Raises FailedError for a command that did not end well.
    """
    if ended.timed_out:
        raise FailedError(
            int(ExitCode.RESOURCES),
            JobError("E_RUN_TIMEOUT", f"`{what}` was ended: the job took longer than its timeout", "raise `timeout`"),
        )
    if ended.returncode < 0:
        raise _killed(ended.returncode, what)
    if ended.returncode > 0 and ended.returncode != ExitCode.PARTIAL:
        raise FailedError(ended.returncode, _own_words(ended) or _last_words(ended, what))
    try:
        document = json.loads(ended.stdout)
    except ValueError:
        document = None
    if not isinstance(document, dict) and ended.returncode:
        raise FailedError(ended.returncode, _own_words(ended) or _last_words(ended, what))
    if not isinstance(document, dict):
        reason = JobError("E_INTERNAL", f"`{what}` ended well but printed no document", _SEE_LOG)
        raise FailedError(int(ExitCode.INTERNAL), reason)
    return document


def _killed(returncode: int, what: str) -> FailedError:
    how = f"the process of `{what}` {describe_end(returncode)}"
    if returncode == -signal.SIGKILL:
        hint = "most often memory ran out: use fewer `--workers`, or a smaller `batch_size` and `hidden_size`"
        return FailedError(int(ExitCode.RESOURCES), JobError("E_RUN_KILLED", how, hint))
    return FailedError(128 - returncode, JobError("E_RUN_CRASHED", how, _SEE_LOG))


def stopped_before(number: int) -> JobError:
    """Return why a job did not begin."""
    return JobError("E_RUN_STOPPED", f"the run was ended by {signal_name(number)} before the job began", _RESUME)


def stopped_within(number: int) -> JobError:
    """Return why a job did not end by itself."""
    return JobError("E_RUN_STOPPED", f"the run was ended by {signal_name(number)} while the job ran", _RESUME)


def signal_name(number: int) -> str:
    """Return SIGTERM for 15, and so on."""
    return signal.Signals(number).name


def _own_words(ended: Ended) -> JobError | None:
    """Return the refusal that our commands print as the last line of stderr when they are asked for JSON."""
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    try:
        error = json.loads(lines[-1])["error"]
        hint = error["hint"]
        return JobError(str(error["code"]), str(error["message"]), None if hint is None else str(hint))
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _last_words(ended: Ended, what: str) -> JobError:
    lines = [line for line in ended.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    said = f": {lines[-1].strip()[:_MAX_LINE]}" if lines else ""
    return JobError("E_RUN_CRASHED", f"the process of `{what}` {describe_end(ended.returncode)}{said}", _SEE_LOG)
