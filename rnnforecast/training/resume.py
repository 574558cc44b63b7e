"""Which training a checkpoint belongs to: digests of the rows, the settings and the program that computes."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import fields
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.store.checkpoint import CheckpointFolder, RunDigests
from rnnforecast.training.checkpoints import Checkpoints
from rnnforecast.training.machine import describe_machine

if TYPE_CHECKING:
    from pathlib import Path

    from rnnforecast.config import Settings
    from rnnforecast.data.series import SeriesSet

_PACKAGES = ("rnnforecast", "numpy", "torch")


def open_checkpoints(store: Path, name: str, series: SeriesSet, settings: Settings, *, horizon: int) -> Checkpoints:
    """Return the checkpoints of the training of `name` on these rows with these settings, on this machine."""
    told = json.dumps({**settings.to_flat(), "horizon": horizon}, sort_keys=True, default=str)
    run = RunDigests(data=digest_series(series), settings=_digest(told), program=_digest(_program()))
    return Checkpoints(CheckpointFolder(store, name, run))


def digest_series(series: SeriesSet) -> str:
    """Return the digest of everything in a set of series: values, masks, clock, ids, covariates and their names."""
    found = hashlib.sha256()
    for field in fields(series):
        value = getattr(series, field.name)
        found.update(f"{field.name}\0".encode())
        if isinstance(value, np.ndarray) and value.dtype != object:
            found.update(f"{value.dtype} {value.shape}\0".encode())
            found.update(np.ascontiguousarray(value).data)
        else:
            listed = value.tolist() if isinstance(value, np.ndarray) else value
            found.update(repr(listed).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _program() -> str:
    versions = [f"{package} {metadata.version(package)}" for package in _PACKAGES]
    return " ".join([*versions, platform.python_version(), describe_machine()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
