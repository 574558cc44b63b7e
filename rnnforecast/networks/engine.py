"""Forecast windows with torch: the twin of `inference.engine.forecast_windows` for a GPU or very many series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import torch

from rnnforecast.data.windows import WindowBatch
from rnnforecast.members import Member, PretrainedSettings
from rnnforecast.networks.categorical import CategoricalForecaster
from rnnforecast.networks.forecaster import RecurrentForecaster, build_network
from rnnforecast.networks.pretrained import PretrainedForecaster

Network = RecurrentForecaster | PretrainedForecaster
#: A network of any kind that a training loop fits.
Trainable = Network | CategoricalForecaster


def forecast_windows(member: Member, tensors: Mapping[str, np.ndarray], batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window: [B, H, Q] float64 in original units, ascending along Q.

    Takes and gives NumPy arrays; computes on a GPU where there is one.
    """
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = make_network(member)
    network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()})
    network.to(place).eval()
    forecast: np.ndarray = network.forecast(to_tensors(batch, place)).cpu().numpy()
    return forecast


def make_network(member: Member, *, seed: int = 0) -> Network:
    """Build a network of either kind with weights drawn from `seed`."""
    if isinstance(member, PretrainedSettings):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return PretrainedForecaster(member)
    return build_network(member, seed=seed)


def to_tensors(batch: WindowBatch, place: torch.device) -> WindowBatch:
    """Copy a batch of NumPy arrays into tensors on one device."""
    arrays = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return WindowBatch(**{name: torch.from_numpy(np.array(array)).to(place) for name, array in arrays.items()})
