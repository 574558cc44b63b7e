"""What a finished job stood on: digests of its data, its settings, its model and its output."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.config import Settings
from rnnforecast.data.sources import expand
from rnnforecast.errors import InputError, ModelFileError, UsageError
from rnnforecast.model_io.base import BASE
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.store.manifest import Manifest
    from rnnforecast.workflows.batch.jobs_file.jobs import Job

_CHUNK = 2**22


def digest_settings(job: Job) -> str:
    """Return the digest of all that a job is told, and of the program that does it."""
    told = {
        "data": list(job.data),
        "model": job.model,
        "output": str(job.output),
        "settings": dict(job.settings),
        "retrain": job.retrain.text,
        "keep": job.keep,
        "max_age": job.max_age,
        "refuse_stale": job.refuse_stale,
        "program": _program(),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def digest_data(job: Job, stored: StoredModel | None) -> str | None:
    """Return one digest of the names and bytes of the files a job reads: its own, or those its model was trained on.

    None where there is no telling without fetching: behind a URL, in a pipe. Raises InputError for a file that cannot
    be read, and UsageError where the forecast of the job would be written over its data, or among them.
    """
    named = job.data
    if not named and stored is not None and stored.manifest is not None:
        read = stored.manifest.input
        named = tuple(path for path in (*read.paths, *read.future_paths) if path != "-")
    named += Settings.from_flat(job.settings).data.future_data
    if any(is_url(item) for item in named):
        return None
    files = [file for path in (expand(named)[0] if named else []) for file in _files_below(Path(path))]
    if any(file.exists() and not file.is_file() for file in files):
        return None
    _refuse_own_output(job, files)
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file}\0".encode("utf-8", "surrogateescape"))
        whole.update(bytes.fromhex(digest_file(file)))
    return whole.hexdigest()


def is_url(item: str) -> bool:
    """Return whether an input lies behind a protocol, such as `s3://bucket/rows.parquet`."""
    return "://" in item


def digest_file(path: str | Path) -> str:
    """Return the sha256 of a file. Raises InputError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint="check the path", code="E_INPUT_MISSING") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be read: {reason}", hint="check the path", code="E_INPUT_READ") from error
    return found.hexdigest()


def find_model(job: Job, store: Path) -> StoredModel | None:
    """Return the model a job forecasts with, None where there is none yet. Raises ModelFileError."""
    if job.model == BASE:
        return StoredModel(BASE, 0, Path(str(resources.files("rnnforecast"))) / "weights" / "base.safetensors", None)
    try:
        return Registry(store).resolve(job.model or job.name)
    except ModelFileError as error:
        if job.model is None and error.code == "E_MODEL_UNKNOWN":
            return None
        raise


def newest_manifest(name: str, store: Path) -> Manifest | None:
    """Return the manifest of the version trained last, whether it is served or was found worse than the one before."""
    try:
        entry, versions = Registry(store).select(name)
    except ModelFileError:
        return None
    return entry.look(versions[-1]).manifest


def _refuse_own_output(job: Job, files: Sequence[Path]) -> None:
    output = os.path.realpath(job.output) if isinstance(job.output, Path) else None
    if output is not None and any(os.path.realpath(file) == output for file in files):
        raise UsageError(
            f"the output {job.output} is among the data of the job",
            hint="write forecasts where no job reads: in another folder, or under a name its patterns do not match",
            code="E_RUN_CONFIG",
        )


def _files_below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _program() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rnnforecast")
    except PackageNotFoundError:  # run from its sources
        return "sources"
