"""The state after a run as a metrics file in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rnnforecast.store.files import replace_bytes
from rnnforecast.workflows.batch.records.ledger import History
from rnnforecast.workflows.batch.results import STATUSES, BatchResult

Samples = list[tuple[dict[str, str], float]]  # labels and value


def write_metrics(path: str | Path, result: BatchResult, history: History, *, now: float) -> None:
    """Replace the metrics file as a whole; `history` includes this run. Raises OutputError."""
    replace_bytes(path, "".join(metrics_text(result, history, now=now)).encode())


def metrics_text(result: BatchResult, history: History, *, now: float) -> Iterator[str]:
    """Yield the lines of the metrics file."""
    for name, (description, samples) in _metrics(result, history, now).items():
        yield from metric_lines(name, description, samples)


def metric_lines(name: str, description: str, samples: Samples, *, kind: str = "gauge") -> Iterator[str]:
    """Yield the lines of one metric; none if it has no samples."""
    if samples:
        yield f"# HELP {name} {description}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = f"{{{inner}}}" if labels else ""
        yield f"{name}{shown} {f'{value:.3f}' if isinstance(value, float) else value}\n"


def _metrics(result: BatchResult, history: History, now: float) -> dict[str, tuple[str, Samples]]:
    file = {"jobs_file": result.jobs_file}
    jobs = [({**file, "job": job.job}, job) for job in result.jobs]
    successes: Samples = [
        (labels, datetime.fromisoformat(str(history.last_successes[job.job]["time"])).timestamp())
        for labels, job in jobs
        if job.job in history.last_successes
    ]
    counts: Samples = [({**file, "status": status}, result.count(status)) for status in STATUSES]
    return {
        "rnnforecast_batch_end_timestamp_seconds": ("When the last run ended.", [(file, now)]),
        "rnnforecast_batch_duration_seconds": ("Duration of the last run.", [(file, result.seconds)]),
        "rnnforecast_batch_exit_code": ("Exit code of the last run, 0 for success.", [(file, result.exit_code)]),
        "rnnforecast_batch_jobs": ("Jobs of the last run by status.", counts),
        "rnnforecast_job_success_timestamp_seconds": ("When the job was last done or unchanged.", successes),
        "rnnforecast_job_exit_code": (
            "Exit code of the job in the last run.",
            [(labels, job.exit_code) for labels, job in jobs],
        ),
        "rnnforecast_job_duration_seconds": (
            "Duration of the job in the last run.",
            [(labels, job.seconds) for labels, job in jobs],
        ),
        "rnnforecast_job_rows": ("Rows of the forecast of the job.", [(labels, job.num_rows) for labels, job in jobs]),
        "rnnforecast_job_warnings": (
            "Warnings about the data of the job in the last run.",
            [(labels, job.num_warnings) for labels, job in jobs],
        ),
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
