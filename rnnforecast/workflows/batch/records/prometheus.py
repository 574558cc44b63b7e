"""The state after a run as metrics in the text format of Prometheus, for a collector that reads files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rnnforecast.store.files import replace_file
from rnnforecast.workflows.batch.results import STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rnnforecast.workflows.batch.records.history import History
    from rnnforecast.workflows.batch.results import BatchResult

#: name -> what it says; all are gauges.
_RUN = {
    "rnnforecast_batch_end_timestamp_seconds": "When the last run ended.",
    "rnnforecast_batch_duration_seconds": "How long the last run took.",
    "rnnforecast_batch_exit_code": "Exit code of the last run; 0 means that all is well.",
    "rnnforecast_batch_jobs": "Jobs of the last run by how they ended.",
}
_JOB = {
    "rnnforecast_job_success_timestamp_seconds": "When the job was last done or found unchanged.",
    "rnnforecast_job_exit_code": "Exit code of the job in the last run.",
    "rnnforecast_job_duration_seconds": "How long the job took in the last run.",
    "rnnforecast_job_rows": "Rows of the forecast of the job.",
    "rnnforecast_job_warnings": "Warnings about the data of the job in the last run.",
}


def write_metrics(path: str | Path, result: BatchResult, history: History, *, now: float) -> None:
    """Replace a file of metrics as a whole; `history` knows this run already. Raises OutputError."""
    content = "".join(metrics_text(result, history, now=now)).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    replace_file(path, write)


def metrics_text(result: BatchResult, history: History, *, now: float) -> Iterator[str]:
    """Yield the lines of the metrics."""
    file = {"jobs_file": result.jobs_file}
    yield from _gauge(_RUN, "rnnforecast_batch_end_timestamp_seconds", [(file, now)])
    yield from _gauge(_RUN, "rnnforecast_batch_duration_seconds", [(file, result.seconds)])
    yield from _gauge(_RUN, "rnnforecast_batch_exit_code", [(file, result.exit_code)])
    counts = [({**file, "status": status}, result.count(status)) for status in STATUSES]
    yield from _gauge(_RUN, "rnnforecast_batch_jobs", counts)
    jobs = [({**file, "job": job.job}, job) for job in result.jobs]
    successes = [
        (labels, datetime.fromisoformat(str(history.last_successes[job.job]["time"])).timestamp())
        for labels, job in jobs
        if job.job in history.last_successes
    ]
    yield from _gauge(_JOB, "rnnforecast_job_success_timestamp_seconds", successes)
    yield from _gauge(_JOB, "rnnforecast_job_exit_code", [(labels, job.exit_code) for labels, job in jobs])
    yield from _gauge(_JOB, "rnnforecast_job_duration_seconds", [(labels, job.seconds) for labels, job in jobs])
    yield from _gauge(_JOB, "rnnforecast_job_rows", [(labels, job.num_rows) for labels, job in jobs])
    yield from _gauge(_JOB, "rnnforecast_job_warnings", [(labels, job.num_warnings) for labels, job in jobs])


def _gauge(
    words: Mapping[str, str], name: str, samples: list[tuple[dict[str, str], float]] | list[tuple[dict[str, str], int]]
) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {words[name]}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{inner}}} {value:.3f}\n" if isinstance(value, float) else f"{name}{{{inner}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
