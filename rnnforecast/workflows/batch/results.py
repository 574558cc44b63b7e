"""What `batch` returns: one entry a job, and how the run ended; frozen, plain, one JSON document each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rnnforecast.errors import ExitCode, RnnForecastError
from rnnforecast.json_values import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.findings import JSONValue

#: done: run, and all it promises is there; partial: all but series that were left out by name; unchanged: it was there
#: already; stopped: the run ended before the job did.
Status = Literal["done", "partial", "unchanged", "failed", "stopped"]

STATUSES: tuple[Status, ...] = ("done", "partial", "unchanged", "failed", "stopped")


@dataclass(frozen=True)
class JobError:
    """Why a job failed: the refusal of the command it ran, or what became of its process."""

    code: str
    message: str
    hint: str | None = None

    @classmethod
    def from_error(cls, error: RnnForecastError) -> JobError:
        """Return a refusal of our own as the error of a job."""
        return cls(error.code, error.message, error.hint)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the error as JSON values."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


@dataclass(frozen=True)
class JobResult:
    """How one job ended; digests are those of `workflows.batch.digests`, empty where the job did not get so far."""

    job: str
    status: Status
    exit_code: int
    seconds: float = 0.0
    reason: str = ""  # why it trained, or why it was not run
    trained: bool = False
    model: str | None = None  # the model that forecast: `shops@3`
    verdict: str | None = None  # of the training: win, tie or loss
    output: str | None = None
    num_rows: int = 0
    num_warnings: int = 0  # warnings about the data
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    error: JobError | None = None
    alarm: str | None = None  # what became of the alarm command, None where none was run
    log: str | None = None

    @property
    def ok(self) -> bool:
        """True when all that the job promises is there."""
        return self.status in ("done", "unchanged")

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the entry of the JSON document, which is also what the ledger keeps."""
        return {
            "job": self.job,
            "status": self.status,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
            "trained": self.trained,
            "model": self.model,
            "verdict": self.verdict,
            "output": self.output,
            "num_rows": self.num_rows,
            "num_warnings": self.num_warnings,
            "notes": list(self.notes),
            "digests": dict(self.digests),
            "error": None if self.error is None else self.error.to_dict(),
            "alarm": self.alarm,
            "log": self.log,
        }


@dataclass(frozen=True)
class BatchResult:
    """A run of a jobs file; `jobs` stand in the order of the file."""

    jobs_file: str
    store: str
    run: str  # its id, the same in every event
    ledger: str
    exit_code: int
    jobs: tuple[JobResult, ...]
    num_workers: int
    seconds: float
    warnings: tuple[str, ...] = ()  # of the run itself: an alarm that failed, a log that could not be written
    signal: int | None = None  # the signal that ended the run

    @property
    def ok(self) -> bool:
        """True when every job is done or unchanged and everything could be recorded."""
        return self.exit_code == ExitCode.OK

    def count(self, status: Status) -> int:
        """Return how many jobs ended so."""
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

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast batch`."""
        return {
            "jobs_file": self.jobs_file,
            "store": self.store,
            "run": self.run,
            "ledger": self.ledger,
            "workers": self.num_workers,
            "signal": self.signal,
            **self.counts(),
            "jobs": [job.to_dict() for job in self.jobs],
        }


@dataclass(frozen=True)
class BatchPlan:
    """A jobs file without a fault, as `batch --check` found it.

    Keys of a job: job, data, n_files, model, output, retrain, settings.
    """

    jobs_file: str
    store: str
    jobs: tuple[Mapping[str, object], ...]

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast batch --check`."""
        return {"jobs_file": self.jobs_file, "store": self.store, "jobs": plain(self.jobs)}


@dataclass(frozen=True)
class UnitsResult:
    """Lines for cron or unit files for systemd, ready to be put in place: (where, text) each."""

    jobs_file: str
    units: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of them, each unit file under a comment that says where it belongs."""
        return "\n".join(text for _, text in self.units)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast batch --print-cron` and `--print-systemd`."""
        units: list[JSONValue] = [{"path": path, "text": text} for path, text in self.units]
        return {"jobs_file": self.jobs_file, "units": units}


#: Failures that may pass by themselves count less than those that need a person; alarms least.
_SEVERITY = (
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
    """Return 0 when all jobs are well, 3 when some are, else the code of the first of the most severe failures."""
    failed = [job.exit_code for job in jobs if not job.ok]
    if not failed:
        return int(ExitCode.OK)
    if len(failed) < len(jobs):
        return int(ExitCode.PARTIAL)
    return min(failed, key=_severity)  # the first of equals


def _severity(code: int) -> int:
    """Return the group of a code; unknown ones (128+N among them) need a person."""
    return next((rank for rank, group in enumerate(_SEVERITY) if code in group), 1)
