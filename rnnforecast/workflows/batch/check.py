"""`batch --check`: find every error of a jobs file, and of the data, models and outputs that it names."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from rnnforecast.config import Settings
from rnnforecast.data.databases.address import is_database, parse_address
from rnnforecast.data.databases.reading import query_of
from rnnforecast.data.files.remote import is_url
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import expand, remembered
from rnnforecast.data.write import check_output
from rnnforecast.errors import InputError, RnnForecastError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.masking import masked, masked_values
from rnnforecast.model_io.base import BASE
from rnnforecast.workflows.batch.execution.steps import UNATTENDED, find_model
from rnnforecast.workflows.batch.jobs_file.errors import FileErrors
from rnnforecast.workflows.batch.jobs_file.job import Job
from rnnforecast.workflows.batch.jobs_file.read import JobFile, parse_jobs
from rnnforecast.workflows.batch.results import BatchPlan

_Read = tuple[SeriesSet, tuple[Finding, ...]]

#: Seconds to wait for a busy database while a person watches.
CHECK_WAIT = 5.0


def check_jobs(path: str | Path, *, store: str | Path | None = None, read: bool = True) -> BatchPlan:
    """Check a jobs file and everything it names; nothing is run and nothing is written.

    With `read`, the files of each job are read as `inspect` does, or as its model does; addresses are not asked.
    Raises UsageError with one finding for every error, of the file, of the disk, and of the data.
    """
    job_file, errors = parse_jobs(path, store=store)
    files = [_check_job(number, job_file, errors) for number in range(len(job_file.jobs))]
    series: list[SeriesSet | None] = [None] * len(files)
    findings: list[Finding] = []
    if read:
        known: dict[str, _Read] = {}
        series = [_check_rows(number, job_file, errors, known, findings) for number in range(len(files))]
    errors.raise_all()
    rows = [_row(job, len(found), rows) for job, found, rows in zip(job_file.jobs, files, series, strict=True)]
    return BatchPlan(str(job_file.path), str(job_file.store), tuple(rows), tuple(findings))


def _check_rows(
    number: int, job_file: JobFile, errors: FileErrors, known: dict[str, _Read], findings: list[Finding]
) -> SeriesSet | None:
    """Read the rows of a job, and add its error, or its warnings; None where nothing is read."""
    job = job_file.jobs[number]
    trained_here = next((other for other in job_file.jobs if other.model is None and other.name == job.waits_for), job)
    is_valid = all(errors.is_valid(number, key) for key in ("data", "model", *job.settings))
    is_stored = job.model not in (None, BASE) and trained_here is job
    if not (job.data or is_stored) or not is_valid or any(map(is_url, job.data)):
        return None
    unattended = {} if is_stored else {**UNATTENDED, **trained_here.settings}
    settings = Settings.from_flat({**unattended, **job.settings})
    key = repr((job.data, job.model if is_stored else None, settings.data))
    try:
        if key not in known:
            known[key] = _read(job, job_file, settings) if is_stored else _inspect(job, settings)
    except RnnForecastError as error:
        errors.add(("job", number, "data"), f"job `{job.name}`: {error.message}", fix=error.hint)
        return None
    series, found = known[key]
    findings += [
        replace(each, message=f"job `{job.name}`: {each.message}") for each in found if each.severity != "note"
    ]
    return series


def _inspect(job: Job, settings: Settings) -> _Read:
    from rnnforecast.data.read import read_series
    from rnnforecast.training.split import fit_horizon

    read = read_series(job.data, settings.data)
    if job.kind == "forecast" and job.model is None:
        fit_horizon(read, settings.data)
    return read.series, read.findings


def _read(job: Job, job_file: JobFile, settings: Settings) -> _Read:
    from rnnforecast.workflows.model_rows import load

    loaded = load(job.model, data=job.data, store=job_file.store, reading=settings.data)
    return loaded.series, loaded.findings


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
        raise InputError(f"{file} is a folder", hint=f"name the files in it: {shlex.quote(f'{file}/*.csv')}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{file} may not be read by this user", hint=f"chmod u+r {shlex.quote(file)}")


def _row(job: Job, num_files: int, series: SeriesSet | None) -> dict[str, object]:
    return {
        "job": job.name,
        "data": [masked(item) if is_url(item) else item for item in job.data],
        "num_files": num_files,
        "num_series": None if series is None else series.num_series,
        "num_rows": None if series is None else series.num_rows,
        "model": job.model,
        "output": job.shown_output,
        "retrain": job.retrain.text if job.model is None else None,
        "settings": masked_values(job.settings),
    }
