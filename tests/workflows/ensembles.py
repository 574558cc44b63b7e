"""Trainings whose forecasts have weights: short ones, and what their files hold."""

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
from rnnforecast.training.ensemble_weights import EnsembleWeights
from rnnforecast.training.initial_weights import FINE_TUNED, SCRATCH, THETA, ZERO_SHOT
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


def give_weights(monkeypatch: pytest.MonkeyPatch, **weights: float) -> None:
    """Let validation windows always choose these weights, whatever was usual."""
    names = {"from_scratch": SCRATCH, "fine_tuned": FINE_TUNED, "zero_shot": ZERO_SHOT, "theta": THETA}
    chosen = {names[name]: weight for name, weight in weights.items()}

    def choose(forecasts: Mapping[str, np.ndarray], *_: object, **__: object) -> EnsembleWeights:
        assert set(chosen) <= set(forecasts)
        return EnsembleWeights(
            weights={name: chosen.get(name, 0.0) for name in forecasts}, losses={}, combined_loss=None
        )

    monkeypatch.setattr(fitting, "choose_weights", choose)
