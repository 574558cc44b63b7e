"""The errors of the tool, each with an exit code that a job can branch on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from rnnforecast.findings import Finding
from rnnforecast.masking import masked


class ExitCode(IntEnum):
    """The public exit codes; numbers never change, new ones may be added, unknown ones are failures."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    PARTIAL = 3
    INPUT = 10
    LOCKED = 11
    MODEL_FILE = 12
    DATA = 13
    OUTPUT = 14
    RESOURCES = 15
    DIVERGED = 16
    LOST = 20
    DRIFT = 21
    STALE = 22
    COVERAGE = 23
    ABNORMAL = 24
    TRY_LATER = 75


class RnnForecastError(Exception):
    """Base class of all errors: `message` names the problem and its place, `hint` the fix.

    `code` is a stable name such as `E_TIME_DUPLICATE`; `findings` lists every problem when several were found.
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, findings: Sequence[Finding] = ()
    ) -> None:
        super().__init__(masked(message))
        self.message = masked(message)  # without passwords of URLs
        self.hint = None if hint is None else masked(hint)
        self.code = code or f"E_{self.exit_code.name}"
        self.findings = tuple(findings)

    def to_dict(self) -> dict[str, object]:
        """Return the `error` object of the JSON document of an error."""
        return {
            "code": self.code,
            "exit_code": int(self.exit_code),
            "message": self.message,
            "hint": self.hint,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n\nhint: {self.hint}"


class UsageError(RnnForecastError):
    """A flag, a setting or a configuration file is wrong."""

    exit_code = ExitCode.USAGE


class InputError(RnnForecastError):
    """The input is missing or cannot be opened."""

    exit_code = ExitCode.INPUT


class LockedError(RnnForecastError):
    """Another live run holds the lock."""

    exit_code = ExitCode.LOCKED


class ModelFileError(RnnForecastError):
    """The model file is damaged, foreign, too new, or not there."""

    exit_code = ExitCode.MODEL_FILE


class DataError(RnnForecastError):
    """The data were read and rejected; `findings` names every problem."""

    exit_code = ExitCode.DATA


class OutputError(RnnForecastError):
    """An output was not written; the previous file is untouched."""

    exit_code = ExitCode.OUTPUT


class ResourceError(RnnForecastError):
    """Memory, a device, a time budget or an optional package is missing."""

    exit_code = ExitCode.RESOURCES


class DivergedError(RnnForecastError):
    """Training became non-finite, and restarts from good weights did not help."""

    exit_code = ExitCode.DIVERGED


class LostToBaselineError(RnnForecastError):
    """The network did not win against the naive forecasts and the caller required it."""

    exit_code = ExitCode.LOST


class DriftError(RnnForecastError):
    """A model is worse than at training or than the naive forecast, or its inputs have changed."""

    exit_code = ExitCode.DRIFT


class StaleError(RnnForecastError):
    """The rows are older than allowed, fewer than at training, or changed."""

    exit_code = ExitCode.STALE


class CoverageError(RnnForecastError):
    """The intervals of a model cover too little."""

    exit_code = ExitCode.COVERAGE


class AbnormalError(RnnForecastError):
    """Rows are abnormal, at the alarm budget that was asked for."""

    exit_code = ExitCode.ABNORMAL


class TryLaterError(RnnForecastError):
    """A database or a server is busy or unreachable at the moment; try the same command later."""

    exit_code = ExitCode.TRY_LATER


def missing_extra(purpose: str, package: str, extra: str, *, otherwise: str = "") -> ResourceError:
    """Return the error of a package of an extra that is not installed, with the line that installs it."""
    message = f"{purpose} the package {package}, which is not installed"
    return ResourceError(message, hint=f"pip install 'rnnforecast[{extra}]'{otherwise}", code="E_EXTRA_MISSING")


def first_line(error: BaseException) -> str:
    """Return the first line of an error of a library, at most 200 characters; without one the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
