"""Find the checkpoints of a training by digests of its rows, its settings and the program that computes it."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.config import Settings
from rnnforecast.store.checkpoint import CheckpointFolder, RunDigests
from rnnforecast.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet

_PACKAGES = ("rnnforecast", "numpy", "torch")


def open_checkpoints(store: Path, name: str, series: SeriesSet, settings: Settings, *, horizon: int) -> Checkpoints:
    """Return the checkpoints of the training of `name` on these rows with these settings, on this machine."""
    return Checkpoints(CheckpointFolder(store, name, digest_run(series, settings, horizon=horizon)))


def digest_run(series: SeriesSet, settings: Settings, *, horizon: int) -> RunDigests:
    """Return the digests of everything that the results of a training depend on."""
    flat = json.dumps({**settings.to_flat(), "horizon": horizon}, sort_keys=True, default=str)
    return RunDigests(data=digest_series(series), settings=_digest(flat), program=_digest(_program()))


def digest_series(series: SeriesSet) -> str:
    """Return the digest of everything in a set of series: values, masks, timestamps, ids, covariates and their names."""
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
    """Return a line that is the same wherever the same data and settings give the same bytes."""
    versions = [f"{package} {metadata.version(package)}" for package in _PACKAGES]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {device}"
    return " ".join([*versions, platform.python_version(), f"{machine} {torch.get_num_threads()} threads"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
