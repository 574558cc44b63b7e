"""Read a jobs file: check every key, and report all errors together, each with its line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rnnforecast.config import Settings, current_keys
from rnnforecast.data.files.overwrite import Owned, overwritten
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import read_toml
from rnnforecast.masking import holds_secret, masked
from rnnforecast.model_io.base import BASE
from rnnforecast.store.registry import DEFAULT_STORE, STORE_VARIABLE, default_store, is_path
from rnnforecast.workflows.batch.jobs_file.errors import FileErrors, locate_keys, suggest
from rnnforecast.workflows.batch.jobs_file.job import (
    DETECT_KEYS,
    EXPLAINED,
    HEAD_KEYS,
    JOB_KEYS,
    KEYS_OF_KIND,
    PASSWORD,
    PASSWORD_FIX,
    TRAINING_KEYS,
    UNIQUE_KEYS,
    Head,
    Job,
    absolute_input,
    forecast_keys,
)

Report = Callable[[str, str, object, str | None], None]  # key, message, value, fix

Table = TypeVar("Table", bound=BaseModel)

MAX_JOBS = 10_000


@dataclass(frozen=True)
class JobFile:
    """All jobs of a file, as it was when the run began."""

    path: Path  # absolute
    digest: str
    store: Path
    num_workers: int | None
    jobs: tuple[Job, ...]


def read_jobs(path: str | Path, *, store: str | Path | None = None) -> JobFile:
    """Read a jobs file; `check_jobs` also checks that data, models and outputs exist.

    Relative paths, that of the store too unless `store` is given, start at the folder of the file. Raises UsageError
    with one finding for each error: the line in `rows`, the key in `column`.
    """
    job_file, errors = parse_jobs(path, store=store)
    errors.raise_all()
    return job_file


def parse_jobs(path: str | Path, *, store: str | Path | None = None) -> tuple[JobFile, FileErrors]:
    """Read a jobs file and all its errors; an invalid key has its default. Raises UsageError unless it is TOML."""
    path = Path(path)
    hint = 'write `key = value` lines under `[defaults]` and `[[job]]`, texts in quotes: `name = "shops"`'
    document, text = read_toml(path, what="the jobs file", hint=hint)
    errors = FileErrors(str(path), locate_keys(text))
    folder = path.absolute().parent
    for key in document.keys() - set(HEAD_KEYS):
        known = suggest(key, HEAD_KEYS) or "; keys before the first table are `store` and `workers`"
        errors.add((key,), f"unknown key `{key}`{known}")
    head = _validated(
        Head,
        {key: document[key] for key in Head.model_fields if key in document},
        folder,
        lambda key, message, value, fix: errors.add((key,), message, value=value, fix=fix),
    )
    job_file = JobFile(
        path=path.absolute(),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        store=_store(head.store, folder, store),
        num_workers=head.workers,
        jobs=_read_tables(document, folder, errors),
    )
    _check_outputs(job_file, errors)
    return job_file, errors


def owned_files(job_file: JobFile) -> list[Owned]:
    """Return all that a run of a jobs file reads or keeps, with its name in words."""
    owned: list[Owned] = [("the jobs file", job_file.path), ("the store", job_file.store)]
    for job in job_file.jobs:
        owned += [(f"the data of job `{job.name}`", item) for item in job.data]
        future_data = Settings.from_flat(job.settings).data.future_data
        owned += [(f"the covariates known ahead of job `{job.name}`", item) for item in future_data]
        owned.append((f"the `what_if` of job `{job.name}`", job.what_if or ""))
    return owned


def _check_outputs(job_file: JobFile, errors: FileErrors) -> None:
    """Collect an error for every output that is read or owned: else the result would depend on the order of the jobs."""
    owned = owned_files(job_file) if not errors.findings else []
    for number, job in enumerate(job_file.jobs):
        message = overwritten({f"the `output` of job `{job.name}`": job.output}, owned)
        if message is not None:
            errors.add(("job", number, "output"), message, fix="write forecasts where no job reads")


def _store(named: str | None, folder: Path, given: str | Path | None) -> Path:
    if given:
        return Path(given).absolute()
    if named is not None:
        return folder / named
    return default_store().absolute() if os.environ.get(STORE_VARIABLE) else folder / DEFAULT_STORE


def _read_tables(document: Mapping[str, object], folder: Path, errors: FileErrors) -> tuple[Job, ...]:
    known = {*JOB_KEYS, *Settings().to_flat()}
    defaults = document.get("defaults", {})
    if not isinstance(defaults, dict):
        errors.add(("defaults",), "`defaults` must be a table: write `[defaults]` and the keys below it")
        defaults = {}
    defaults = current_keys(defaults)
    for key in defaults:
        if key in UNIQUE_KEYS:
            errors.add(("defaults", key), f"`{key}` belongs to one job and cannot be a default")
        elif key not in known:
            errors.add(("defaults", key), f"unknown key `{key}`{suggest(key, known)}")
    defaults = {key: value for key, value in defaults.items() if key in known and key not in UNIQUE_KEYS}
    tables = document.get("job", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        errors.add(("job",), "`job` must be a list of tables: write `[[job]]` with two brackets on each side")
        return ()
    if not 0 < len(tables) <= MAX_JOBS:
        errors.add((), f"the file has {len(tables):,} jobs, it needs 1 to {MAX_JOBS:,} tables `[[job]]`")
        return ()
    jobs = tuple(_JobReader(number, table, defaults, folder, errors).read(known) for number, table in enumerate(tables))
    _check_together(jobs, errors)
    return jobs


class _JobReader:
    """One table `[[job]]`, over the keys of `[defaults]`."""

    def __init__(
        self, number: int, table: Mapping[str, object], defaults: Mapping[str, object], folder: Path, errors: FileErrors
    ) -> None:
        self._kind = table.get("kind", defaults.get("kind", "forecast"))
        if self._kind == "detect":
            defaults = {key: value for key, value in defaults.items() if key not in KEYS_OF_KIND["forecast"]}
            table = {"model": BASE, **table}
        self._model = table.get("model", defaults.get("model"))
        if "model" in table:  # nothing is trained: defaults that concern training do not apply
            kept = {*JOB_KEYS, *self._model_keys()} - {*TRAINING_KEYS, "data"}
            defaults = {key: value for key, value in defaults.items() if key in kept}
        self._number = number
        self._table = table = current_keys(table)
        self._values = {**defaults, **table}
        self._folder = folder
        self._errors = errors

    def read(self, known: set[str]) -> Job:
        """Return the job; every error is reported, and an invalid key has its default."""
        for key in self._table.keys() - known:
            self._report(key, f"unknown key `{key}`{suggest(key, known)}")
        keys = {key: value for key, value in self._values.items() if key in JOB_KEYS}
        if "model" in keys and "data" in keys:
            keys.setdefault("refuse_stale", "none")  # other data than that of the model
        settings = self._settings(known)
        keys |= {"settings": settings, "line": self._errors.line(("job", self._number))}
        job = _validated(Job, keys, self._folder, self._report)
        self._check_needs(job)
        return job

    def _settings(self, known: set[str]) -> dict[str, object]:
        given = {key: value for key, value in self._values.items() if key in known and key not in JOB_KEYS}
        if "model" in self._values:
            self._reject_training_keys(sorted(given.keys() - set(self._model_keys())))
            given = {key: value for key, value in given.items() if key in self._model_keys()}
        if holds_secret(str(given.get("query"))):
            message = PASSWORD.format(key="query", shown=masked(str(given["query"])))
            self._report("query", message, fix=PASSWORD_FIX)
        problems = Settings.problems(given)
        for key, problem in problems:
            self._report(key, problem)
        settings = {key: value for key, value in given.items() if key not in dict(problems)}
        if "future_data" in settings:
            files = Settings.from_flat({"future_data": settings["future_data"]}).data.future_data
            settings["future_data"] = [absolute_input(item, self._folder) for item in files]
        return settings

    def _check_needs(self, job: Job) -> None:
        given = self._values
        if "name" not in given:
            self._report("name", "the job has no `name`", fix='add `name = "..."`, different from every other job')
        if "model" not in given and "data" not in given:
            self._report(
                "data", "the job has neither `data` to train on nor a stored `model`", fix='add `data = "..."`'
            )
        for kind, keys in KEYS_OF_KIND.items():
            for key in [key for key in keys if key in self._table and kind != job.kind]:
                self._report(key, f"`{key}` has no effect in a job of kind `{job.kind}`")
        if job.model is not None and "output" not in given and job.kind != "detect":
            self._report("output", "the job trains nothing and has no `output`", fix='add `output = "....csv"`')
        if job.model == BASE and not job.data and self._errors.is_valid(self._number, "data"):
            message = f"`{BASE}` has no training file, so the job needs `data`"
            self._report("data", message, fix='add `data = "..."`')
        if (
            job.model is not None
            and is_path(job.model)
            and not job.data
            and self._errors.is_valid(self._number, "data")
        ):
            message = (
                f"`{given['model']}` is a model outside the store, whose paths are not opened, so the job needs `data`"
            )
            self._report("data", message, fix='add `data = "..."`')
        if "model" not in given and job.name == BASE:
            message = f"`{BASE}` is the pretrained model in the package"
            self._report("name", message, fix="give the job another name")
        if "model" in given and job.kind != "detect":
            self._reject_training_keys([key for key in TRAINING_KEYS if key in self._table])

    def _model_keys(self) -> tuple[str, ...]:
        return DETECT_KEYS if self._kind == "detect" else forecast_keys(self._model)

    def _reject_training_keys(self, keys: list[str]) -> None:
        for key in keys:
            if self._kind == "detect":
                self._report(key, f"`{key}` has no effect in a job of kind `detect`")
                continue
            model = self._values["model"]
            self._report(key, f"`{key}` is only for training, but this job uses the stored model `{model}`")

    def _report(self, key: str, message: str, value: object = None, fix: str | None = None) -> None:
        """Add an error at the line of the key; one of a default is added once, not for every job."""
        inherited = key in self._values and key not in self._table
        message = message if f"`{key}`" in message else f"`{key}`: {message}"
        name = self._table.get("name")
        title = "" if inherited or not isinstance(name, str) else f"job `{name}`: "
        path = ("defaults", key) if inherited else ("job", self._number, key)
        self._errors.add(path, f"{title}{message}", value=value, fix=fix)


def _validated(model: type[Table], values: Mapping[str, object], folder: Path, report: Report) -> Table:
    """Return a table as its model; every invalid key is reported, and has its default."""
    try:
        return model.model_validate(values, context=folder)
    except ValidationError as error:
        problems = {str(detail["loc"][0]): detail for detail in reversed(error.errors())}
    for key, detail in problems.items():
        if detail["type"] == EXPLAINED:
            report(key, detail["ctx"]["message"], values[key], detail["ctx"]["fix"])
        else:
            wanted = model.model_fields[key].description
            report(key, f"`{key}` must be {wanted}, not {_shown(values[key])}", values[key], None)
    return model.model_validate({key: values[key] for key in values.keys() - problems.keys()}, context=folder)


def _shown(value: object) -> str:
    text = f"`{value}`" if isinstance(value, str) else f"`{value!r}`"
    return text if len(text) <= 60 else f"{text[:57]}...`"


def _check_together(jobs: tuple[Job, ...], errors: FileErrors) -> None:
    """Two jobs must not have the same name, which is a folder of the store, or the same output file."""
    names: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for number, job in enumerate(jobs):
        first = names.setdefault(job.name.casefold(), number)
        if job.name and first != number:
            line = errors.line(("job", first, "name"))
            message = f"two jobs have the `name` `{job.name}`, the other in line {line}"
            errors.add(("job", number, "name"), message, fix="give each job its own name")
        if not isinstance(job.output, Path):  # a table holds the forecasts of many models
            continue
        first = outputs.setdefault(str(job.output.parent.resolve() / job.output.name).casefold(), number)
        if first != number:
            line = errors.line(("job", first, "output"))
            errors.add(
                ("job", number, "output"),
                f"job `{job.name}`: its `output` is also that of job `{jobs[first].name}` (line {line}): {job.output}",
                fix="give each job its own output",
            )
