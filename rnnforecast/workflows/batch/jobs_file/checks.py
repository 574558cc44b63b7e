"""Look before a run whether all it needs is there: data that can be read, outputs that can be written, models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import is_database, parse_address
from rnnforecast.data.databases.reading import query_of
from rnnforecast.data.sources import expand
from rnnforecast.data.write import check_output
from rnnforecast.errors import InputError, RnnForecastError, UsageError
from rnnforecast.workflows.batch.jobs_file.jobs import Job, JobFile, parse_jobs
from rnnforecast.workflows.batch.records.digests import find_model, is_url
from rnnforecast.workflows.batch.results import BatchPlan

if TYPE_CHECKING:
    from rnnforecast.workflows.batch.jobs_file.errors import Faults
    from rnnforecast.workflows.batch.jobs_file.toml_lines import KeyPath

#: Seconds to wait for a busy database where somebody looks on.
CHECK_WAIT = 5.0


def check_jobs(path: str | Path, *, store: str | Path | None = None) -> BatchPlan:
    """Check a jobs file and everything it names; nothing is run and nothing is written.

    Raises UsageError with one finding for every fault, of the file and of the disk.
    """
    job_file, faults = parse_jobs(path, store=store)
    files = [_check_job(job, number, job_file, faults) for number, job in enumerate(job_file.jobs)]
    _check_loops(job_file.jobs, files, faults)
    faults.raise_all()
    rows = [_row(job, len(found)) for job, found in zip(job_file.jobs, files, strict=True)]
    return BatchPlan(str(job_file.path), str(job_file.store), tuple(rows))


def _check_job(job: Job, number: int, job_file: JobFile, faults: Faults) -> list[str]:
    """Check what one job names and return the files it reads; a key with a fault of its own is not looked at again."""
    files: list[str] = []
    try:
        local = [item for item in job.data if not is_url(item)]
        files = expand(local)[0] if local else []
        for file in files:
            _check_readable(file, is_dataset=bool(job.settings.get("dataset")))
        for item in filter(is_database, job.data):
            _check_query(item, job)
    except (InputError, UsageError) as error:
        _add(faults, ("job", number, "data"), job, error)
    if job.output is not None and not faults.blames(number, "output"):
        try:
            check_output(job.output, wait=CHECK_WAIT)
        except RnnForecastError as error:
            _add(faults, ("job", number, "output"), job, error)
    names = {other.name for other in job_file.jobs if other.model is None}
    try:
        # else it has none, or another job trains it first
        if job.name and job.waits_for not in names and not faults.blames(number, "model"):
            find_model(job, job_file.store)
    except RnnForecastError as error:
        _add(faults, ("job", number, "model"), job, error)
    if job.alarm_is_missing:
        faults.add(("job", number, "on_alarm"), f"job `{job.name}`: {job.alarm_is_missing}")
    return files


def _check_query(url: str, job: Job) -> None:
    """Check that a database is asked for rows, by a statement that reads; it is not connected to."""
    query = job.settings.get("query")
    query_of(parse_address(url), None if query is None else str(query))


def _check_readable(file: str, *, is_dataset: bool) -> None:
    path = Path(file)
    if not path.exists():
        raise InputError(f"{file} does not exist", hint="check the path; relative ones start at the jobs file")
    if path.is_dir() and not is_dataset:
        raise InputError(f"{file} is a folder", hint=f"name the files in it: '{file}/*.csv'")
    if not os.access(path, os.R_OK):
        raise InputError(f"{file} may not be read by this user", hint=f"chmod u+r {file}")


def _check_loops(jobs: tuple[Job, ...], files: list[list[str]], faults: Faults) -> None:
    """A forecast that is also the data of a job would make the result depend on which job comes first."""
    readers: dict[str, str] = {}
    for job, found in zip(jobs, files, strict=True):
        for file in found:
            readers.setdefault(os.path.realpath(file), job.name)
    for number, job in enumerate(jobs):
        reader = readers.get(os.path.realpath(job.output)) if isinstance(job.output, Path) else None
        if reader is not None:
            message = f"job `{job.name}`: its `output` is data of job `{reader}`: {job.output}"
            faults.add(("job", number, "output"), message, fix="write forecasts where no job reads")


def _add(faults: Faults, path: KeyPath, job: Job, error: RnnForecastError) -> None:
    faults.add(path, f"job `{job.name}`: `{path[-1]}`: {error.message}", fix=error.hint)


def _row(job: Job, num_files: int) -> dict[str, object]:
    return {
        "job": job.name,
        "data": list(job.data),
        "n_files": num_files,
        "model": job.model,
        "output": None if job.output is None else str(job.output),
        "retrain": job.retrain.text if job.model is None else None,
        "settings": dict(job.settings),
    }
