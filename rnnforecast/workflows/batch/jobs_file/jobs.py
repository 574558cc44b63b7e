"""From a TOML file to jobs: every key checked, every fault named with its line, all of them at once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import UsageError
from rnnforecast.store.registry import DEFAULT_STORE, STORE_VARIABLE, default_store
from rnnforecast.workflows.batch.jobs_file.errors import Faults
from rnnforecast.workflows.batch.jobs_file.keys import KeyReader
from rnnforecast.workflows.batch.jobs_file.toml_lines import locate_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.findings import Finding, JSONValue
    from rnnforecast.options import RefuseStale
    from rnnforecast.workflows.batch.jobs_file.retrain_rules import RetrainRule

MAX_JOBS = 10_000


@dataclass(frozen=True)
class Job:
    """One job, complete: defaults are in it, paths are absolute, values are checked."""

    name: str  # also the name of the model that the job trains
    data: tuple[str, ...]  # files and globs; empty: the files the model was trained on
    model: str | None  # a stored model that is not trained here
    output: Path | str | None  # a file, the URL of a table; None: the job trains and writes no forecast
    settings: Mapping[str, JSONValue]  # those that were given
    retrain: RetrainRule
    keep: int | None  # versions of the model beside the active one; None: all
    max_age: str | None  # of the newest value; older data are refused
    refuse_stale: RefuseStale  # which other rows than those that are meant are refused
    on_alarm: tuple[str, ...]  # command and arguments, run when the job fails
    timeout: float | None  # seconds
    line: int  # of its table

    @property
    def waits_for(self) -> str:
        """The job that may train the model of this one."""
        return (self.model or "").partition("@")[0]

    @property
    def alarm_is_missing(self) -> str:
        """What is wrong with the program of `on_alarm`, empty where it is there; cron looks in fewer places for it."""
        if not self.on_alarm or shutil.which(self.on_alarm[0]) is not None:
            return ""
        return f"the program `{self.on_alarm[0]}` of `on_alarm` is not there or may not be run"


@dataclass(frozen=True)
class JobFile:
    """All jobs of a file, as they stood there when the run began."""

    path: Path  # absolute
    digest: str
    store: Path
    num_workers: int | None
    jobs: tuple[Job, ...]


def read_jobs(path: str | Path, *, store: str | Path | None = None) -> JobFile:
    """Read a file of jobs; whether data and outputs are there is looked at by `find_faults_on_disk`, not here.

    Relative paths start at the folder of the file, also the store, unless it is given. Raises UsageError with one
    finding for each fault: line in `rows`, key in `column`.
    """
    found, faults = parse_jobs(path, store=store)
    faults.raise_all()
    return found


def parse_jobs(path: str | Path, *, store: str | Path | None = None) -> tuple[JobFile, Faults]:
    """Read a file of jobs and all its faults; what a faulty key holds is left out. Raises UsageError for no TOML."""
    path = Path(path)
    text = _read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: {str(error)[:1].lower()}{str(error)[1:]}",
            hint='write `key = value` lines under `[defaults]` and `[[job]]`, texts in quotes: `name = "shops"`',
            code="E_RUN_CONFIG",
        ) from error
    faults = Faults(str(path), locate_keys(text))
    jobs = _read_tables(document, KeyReader(path.absolute().parent, faults), faults)
    found = JobFile(
        path=path.absolute(),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        store=_store_of(document, path.absolute().parent, store),
        num_workers=document.get("workers"),
        jobs=jobs,
    )
    return found, faults


def refuse(path: Path, findings: list[Finding]) -> None:
    """Raise UsageError for faults found after the reading; nothing where there are none."""
    Faults(str(path), {}, findings).raise_all()


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else (error.strerror or str(error)).lower()
        raise UsageError(
            f"the jobs file {path} cannot be read: {reason}",
            hint="name a TOML file with `[[job]]` tables",
            code="E_RUN_CONFIG",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the jobs file {path} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}",
            hint="save it as UTF-8, as TOML files are",
            code="E_RUN_CONFIG",
        ) from error


def _read_tables(document: Mapping[str, object], reader: KeyReader, faults: Faults) -> tuple[Job, ...]:
    reader.check_top(document)
    defaults = document.get("defaults", {})
    if not isinstance(defaults, dict):
        faults.add(("defaults",), "`defaults` is a table: write `[defaults]` and the keys below it")
        defaults = {}
    reader.check_defaults(defaults)
    tables = document.get("job", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        faults.add(("job",), "each job is a table of its own: write `[[job]]` with two brackets on each side")
        return ()
    if not 0 < len(tables) <= MAX_JOBS:
        faults.add((), f"the file has {len(tables):,} jobs, it needs 1 to {MAX_JOBS:,} tables `[[job]]`")
        return ()
    jobs = [_read_job(reader, number, table, defaults) for number, table in enumerate(tables)]
    _check_together(jobs, faults)
    return tuple(job for job in jobs if job is not None)


def _read_job(
    reader: KeyReader, number: int, table: Mapping[str, object], defaults: Mapping[str, object]
) -> Job | None:
    keys = reader.job(number, table, defaults)
    job = Job(
        name=keys.name(),
        data=keys.data(),
        model=keys.model(),
        output=keys.output(),
        settings=keys.settings(),
        retrain=keys.retrain(),
        keep=keys.keep(),
        max_age=keys.age("max_age"),
        refuse_stale=keys.refuse_stale(),
        on_alarm=keys.command("on_alarm"),
        timeout=keys.span("timeout"),
        line=keys.line,
    )
    keys.check_needs(job.model, job.data, job.output)
    return job


def _check_together(jobs: list[Job | None], faults: Faults) -> None:
    """Two jobs must not share a name or an output: names are folders of the store, and one file would win."""
    names: dict[str, int] = {}
    outputs: dict[str, tuple[int, str]] = {}
    for number, job in enumerate(jobs):
        if job is None:
            continue
        first = names.setdefault(job.name.casefold(), number)
        if job.name and first != number:
            faults.add(
                ("job", number, "name"),
                f"two jobs have the `name` `{job.name}`, the other in line {faults.line(('job', first, 'name'))}",
                fix="give each job a name of its own",
            )
        if job.output is None or isinstance(job.output, str):  # a table holds the forecasts of many models
            continue
        place = str(job.output.parent.resolve() / job.output.name).casefold()
        other, owner = outputs.setdefault(place, (number, job.name))
        if other != number:
            line = faults.line(("job", other, "output"))
            faults.add(
                ("job", number, "output"),
                f"job `{job.name}`: its `output` is that of job `{owner}` (line {line}): {job.output}",
                fix="give each job an output of its own",
            )


def _store_of(document: Mapping[str, object], folder: Path, given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).absolute()
    named = document.get("store")
    if isinstance(named, str):
        return folder / named
    return default_store().absolute() if os.environ.get(STORE_VARIABLE) else folder / DEFAULT_STORE
