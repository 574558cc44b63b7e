"""Trainings whose voices have shares: short ones, and what their files hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.forecasting import Ensemble
from rnnforecast.members import PretrainedSettings
from rnnforecast.model_io.pack import unpack_ensemble
from rnnforecast.store.model_file import read_model
from rnnforecast.training import fit as fitting
from rnnforecast.training.ensemble_weights import Shares
from rnnforecast.workflows.results import TrainResult
from tests.workflows.toy import days, store_of, wave, write_csv

FAST: dict[str, object] = {"horizon": 7, "num_steps": 2, "num_members": 1, "batch_size": 4}


def train_fast(path: Path, **changes: object) -> TrainResult:
    """Train with two steps a network."""
    return rnnforecast.train([path], Settings.from_flat({**FAST, **changes}), store=store_of(path))


def write_panel(folder: Path, *, num_series: int = 8, num_rows: int = 90) -> Path:
    """Write a panel of weekly waves."""
    ids = [f"s{number}" for number in range(num_series) for _ in range(num_rows)]
    values = [value for number in range(num_series) for value in wave(num_rows, seed=number)]
    return write_csv(folder / "panel.csv", shop=ids, date=days(num_rows) * num_series, value=values)


def kinds_of(ensemble: Ensemble) -> list[str]:
    """Return of which kind each network is."""
    return ["pretrained" if isinstance(member, PretrainedSettings) else "scratch" for member in ensemble.members]


def stored_ensemble(result: TrainResult) -> Ensemble:
    """Return the ensemble in the file of a training."""
    return unpack_ensemble(read_model(result.path))


def assert_same_weights(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Compare every tensor of two networks."""
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def give_shares(monkeypatch: pytest.MonkeyPatch, **shares: float) -> None:
    """Let held-out origins always choose these shares, whatever was usual."""
    chosen = {name.replace("_", " "): share for name, share in shares.items()}

    def choose(voices: Mapping[str, np.ndarray], *_: object, **__: object) -> Shares:
        assert set(chosen) <= set(voices)
        return Shares(shares={name: chosen.get(name, 0.0) for name in voices}, losses={}, together=None)

    monkeypatch.setattr(fitting, "choose_shares", choose)
