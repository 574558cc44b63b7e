"""Digests of everything a job depends on: data, settings, model and output. Equal digests mean an unchanged job."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from rnnforecast.config import Settings
from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.data.files.remote import is_url
from rnnforecast.data.sources import expand, remembered
from rnnforecast.errors import InputError
from rnnforecast.store.versions import StoredModel
from rnnforecast.workflows.batch.jobs_file.job import Job

_CHUNK = 2**22


def digest_settings(job: Job) -> str:
    """Return the digest of all keys of a job that its outputs depend on, and of the version of the program."""
    keys = job.model_dump(mode="json", exclude={"name", "line", "on_alarm", "timeout"}) | {"program": _program()}
    return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()


def digest_data(job: Job, stored: StoredModel | None) -> str | None:
    """Return one digest of the names and bytes of the files a job reads: its own, or the training files of its model.

    None for data that cannot be compared without reading it: behind a URL or in a pipe. Raises InputError for a file
    that cannot be read, and UsageError for an address that only the model names, and if the forecast of the job would
    overwrite its data, or be part of it.
    """
    named = job.data
    if not named and stored is not None and stored.manifest is not None:
        read = stored.manifest.input
        named = tuple(remembered((*read.paths, *read.future_paths), label=stored.label))
    named += Settings.from_flat(job.settings).data.future_data
    named += () if job.what_if is None else (job.what_if,)
    check_outputs({f"the `output` of job `{job.name}`": job.output}, [("its data", item) for item in named])
    if any(is_url(item) for item in named):
        return None
    files = [file for path in (expand(named)[0] if named else []) for file in _files_below(Path(path))]
    if any(file.exists() and not file.is_file() for file in files):
        return None
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file}\0".encode("utf-8", "surrogateescape"))
        total.update(bytes.fromhex(digest_file(file)))
    return total.hexdigest()


def digest_file(path: str | Path) -> str:
    """Return the sha256 of a file. Raises InputError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            has_end = os.fstat(file.fileno()).st_size > 0  # some files of the kernel never end, and have no size
            while has_end and (chunk := file.read(_CHUNK)):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint="check the path", code="E_INPUT_MISSING") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be read: {reason}", hint="check the path", code="E_INPUT_READ") from error
    return digest.hexdigest()


def _files_below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _program() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rnnforecast")
    except PackageNotFoundError:  # run from its sources
        return "sources"
