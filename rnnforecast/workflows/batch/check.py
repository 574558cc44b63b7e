"""`batch --check`: find every error of a jobs file, and of the data, models and outputs that it names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import is_database, parse_address
from rnnforecast.data.databases.reading import query_of
from rnnforecast.data.files.remote import is_url
from rnnforecast.data.sources import expand, remembered
from rnnforecast.data.write import check_output
from rnnforecast.errors import InputError, RnnForecastError, UsageError
from rnnforecast.masking import masked, masked_values
from rnnforecast.workflows.batch.execution.steps import find_model
from rnnforecast.workflows.batch.jobs_file.read import JobFile, parse_jobs
from rnnforecast.workflows.batch.results import BatchPlan

if TYPE_CHECKING:
    from rnnforecast.workflows.batch.jobs_file.errors import FileErrors
    from rnnforecast.workflows.batch.jobs_file.job import Job

#: Seconds to wait for a busy database while a person watches.
CHECK_WAIT = 5.0


def check_jobs(path: str | Path, *, store: str | Path | None = None) -> BatchPlan:
    """Check a jobs file and everything it names; nothing is run and nothing is written.

    Raises UsageError with one finding for every error, of the file and of the disk.
    """
    job_file, errors = parse_jobs(path, store=store)
    files = [_check_job(number, job_file, errors) for number in range(len(job_file.jobs))]
    errors.raise_all()
    rows = [_row(job, len(found)) for job, found in zip(job_file.jobs, files, strict=True)]
    return BatchPlan(str(job_file.path), str(job_file.store), tuple(rows))


def _check_job(number: int, job_file: JobFile, errors: FileErrors) -> list[str]:
    """Check everything one job names, except keys that are invalid already; return the files it reads."""
    job = job_file.jobs[number]
    files: list[str] = []

    def add(key: str, error: RnnForecastError) -> None:
        errors.add(("job", number, key), f"job `{job.name}`: `{key}`: {error.message}", fix=error.hint)

    try:
        local = [item for item in job.data if not is_url(item)]
        files = expand(local)[0] if local else []
        for file in files:
            _check_readable(file, is_dataset=bool(job.settings.get("dataset")))
        for url in filter(is_database, job.data):
            query_of(parse_address(url), job.settings.get("query"))  # is it a statement that reads? nothing is sent
    except (InputError, UsageError) as error:
        add("data", error)
    if job.output is not None and errors.is_valid(number, "output"):
        try:
            check_output(job.output, wait=CHECK_WAIT)
        except RnnForecastError as error:
            add("output", error)
    trained_here = {other.name for other in job_file.jobs if other.model is None}
    if job.name and job.waits_for not in trained_here and errors.is_valid(number, "model"):
        try:
            stored = find_model(job, job_file.store)
            if not job.data and stored is not None and stored.manifest is not None:
                read = stored.manifest.input
                files = remembered((*read.paths, *read.future_paths), label=stored.label)
        except RnnForecastError as error:
            add("model", error)
    if job.alarm_is_missing:
        errors.add(("job", number, "on_alarm"), f"job `{job.name}`: {job.alarm_is_missing}")
    return files


def _check_readable(file: str, *, is_dataset: bool) -> None:
    path = Path(file)
    if not path.exists():
        raise InputError(f"{file} does not exist", hint="check the path; relative ones start at the jobs file")
    if path.is_dir() and not is_dataset:
        raise InputError(f"{file} is a folder", hint=f"name the files in it: '{file}/*.csv'")
    if not os.access(path, os.R_OK):
        raise InputError(f"{file} may not be read by this user", hint=f"chmod u+r {file}")


def _row(job: Job, num_files: int) -> dict[str, object]:
    return {
        "job": job.name,
        "data": [masked(item) if is_url(item) else item for item in job.data],
        "num_files": num_files,
        "model": job.model,
        "output": job.shown_output,
        "retrain": job.retrain.text if job.model is None else None,
        "settings": masked_values(job.settings),
    }
