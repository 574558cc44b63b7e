"""Results of `batch`: one entry per job, and the outcome of the run; each is one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal, get_args

from rnnforecast.errors import ExitCode, RnnForecastError
from rnnforecast.findings import Finding, JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.masking import masked

#: done: everything was written; partial: everything but named series that were left out; unchanged: nothing to do;
#: stopped: the run ended before the job did.
Status = Literal["done", "partial", "unchanged", "failed", "stopped"]

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class JobError(Document):
    """Why a job failed: the error of the command it ran, or the way its process ended."""

    code: str
    message: str
    hint: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", masked(self.message))

    @classmethod
    def from_error(cls, error: RnnForecastError) -> JobError:
        """Return one of our exceptions as the error of a job."""
        return cls(error.code, error.message, error.hint)


@dataclass(frozen=True)
class JobResult(Document):
    """The outcome of one job; `digests` (see `records.digests`) lacks what the job did not reach."""

    job: str
    status: Status
    exit_code: int
    seconds: float = 0.0
    reason: str = ""  # why it trained, or why it was skipped
    trained: bool = False
    model: str | None = None  # the model that forecast: `shops@3`
    verdict: str | None = None  # of the training: win, tie or loss
    output: str | None = None
    num_rows: int = 0
    num_warnings: int = 0  # warnings about the data
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    error: JobError | None = None
    alarm: str | None = None  # outcome of the alarm command, None if there was none
    log: str | None = None

    @property
    def ok(self) -> bool:
        """True if the job has written everything it should."""
        return self.status in ("done", "unchanged")

    def _computed(self) -> dict[str, object]:
        return {"seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class BatchResult(Document):
    """A run of a jobs file, with its jobs in the order of the file."""

    jobs_file: str
    store: str
    run: str  # its id, the same in every event
    ledger: str
    exit_code: int
    jobs: tuple[JobResult, ...]
    num_workers: int
    seconds: float
    warnings: tuple[str, ...] = ()  # about the run itself: an alarm that failed, a log that could not be written
    signal: int | None = None  # the signal that ended the run

    @property
    def ok(self) -> bool:
        """True if every job is done or unchanged and everything was recorded."""
        return self.exit_code == ExitCode.OK

    def count(self, status: Status) -> int:
        """Return the number of jobs with a status."""
        return sum(job.status == status for job in self.jobs)

    def counts(self) -> dict[str, JSONValue]:
        """Return the figures of the last event of a run."""
        return {
            "exit_code": self.exit_code,
            "jobs_ok": sum(job.ok for job in self.jobs),
            **{f"jobs_{status}": self.count(status) for status in STATUSES},
            "rows_out": sum(job.num_rows for job in self.jobs if job.status in ("done", "partial")),
            "num_warnings": sum(job.num_warnings for job in self.jobs),
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }

    def _computed(self) -> dict[str, object]:
        return {**self.counts()}


@dataclass(frozen=True)
class BatchPlan(Document):
    """A valid jobs file, as `batch --check` found it.

    Keys of a job: job, data, num_files, num_series, num_rows (None: not read), model, output, retrain, settings.
    """

    jobs_file: str
    store: str
    jobs: tuple[Mapping[str, object], ...]
    findings: tuple[Finding, ...] = ()  # warnings about the data, each with the name of its job


@dataclass(frozen=True)
class UnitsResult(Document):
    """Lines for cron or unit files for systemd: the path and the text of each."""

    jobs_file: str
    units: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of them; each unit file starts with a comment that names its path."""
        return "\n".join(text for _, text in self.units)

    def _computed(self) -> dict[str, object]:
        return {"units": [{"path": path, "text": text} for path, text in self.units]}


#: Exit codes from the most to the least severe: bugs, failures that need a person, temporary failures, alarms.
_BY_SEVERITY = (
    (ExitCode.INTERNAL,),
    (
        ExitCode.USAGE,
        ExitCode.INPUT,
        ExitCode.MODEL_FILE,
        ExitCode.DATA,
        ExitCode.OUTPUT,
        ExitCode.RESOURCES,
        ExitCode.DIVERGED,
    ),
    (ExitCode.LOCKED, ExitCode.TRY_LATER),
    (ExitCode.LOST, ExitCode.DRIFT, ExitCode.STALE, ExitCode.COVERAGE),
)


def exit_code_of(jobs: Sequence[JobResult]) -> int:
    """Return 0 if all jobs succeeded, 3 if some did, else the code of the first of the most severe failures."""
    failed = [job.exit_code for job in jobs if not job.ok]
    if not failed:
        return int(ExitCode.OK)
    if len(failed) < len(jobs):
        return int(ExitCode.PARTIAL)
    return min(failed, key=_severity)  # the first of equals


def _severity(code: int) -> int:
    """Return the group of a code; unknown ones, such as 128+N, need a person."""
    return next((rank for rank, group in enumerate(_BY_SEVERITY) if code in group), 1)
