"""Small networks of the pretrained kind, and windows for them, for the tests of both engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.members import PretrainedSettings
from rnnforecast.networks.pretrained import PretrainedForecaster

#: One season length of each class as data usually have it, and those that data seldom have.
USUAL = (1, 4, 7, 12, 24, 52, 168)
UNUSUAL = (2, 5, 6, 9, 13, 36, 60, 288, 1000)
LEVELS = (0.1, 0.5, 0.9)


def make_pretrained(season_length: int, **changes: object) -> PretrainedSettings:
    """A network of eight units and one layer for a season length."""
    member = pretrained_settings(season_length, hidden_size=8, num_layers=1, quantile_levels=LEVELS)
    return PretrainedSettings.model_validate({**member.model_dump(), **changes})


def make_pretrained_network(member: PretrainedSettings, *, seed: int = 0) -> PretrainedForecaster:
    """A network whose weights and width factors are all drawn, so that no part is at its zero start."""
    network = PretrainedForecaster(member)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(0.3 * torch.randn(weights.shape, generator=generator))
        network.head.width.copy_(0.5 + torch.rand(network.head.width.shape, generator=generator))
    return network.eval()


def arrays_of(network: PretrainedForecaster) -> dict[str, np.ndarray]:
    """The tensors of a network as a model file holds them."""
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def seasonal(length: int, season_length: int, *, num_windows: int = 3, seed: int = 0) -> np.ndarray:
    """Windows with a season, a slope and noise, around ten: [B, N] float64."""
    draw = np.random.default_rng(seed)
    steps = np.arange(length)
    season = np.sin(2 * np.pi * steps / max(season_length, 2))
    slope = draw.normal(size=(num_windows, 1)) * steps / length
    return np.asarray(10 + season + slope + 0.3 * draw.normal(size=(num_windows, length)))


def make_pretrained_batch(
    member: PretrainedSettings, values: np.ndarray | None = None, *, missing: float = 0.0, seed: int = 0
) -> WindowBatch:
    """Windows of past and future from `values` [B, context_length + horizon], drawn where none are given."""
    context, length = member.context_length, member.context_length + member.horizon
    draw = np.random.default_rng(seed)
    values = seasonal(length, member.season_length, seed=seed) if values is None else values
    observed = draw.random(values.shape) >= missing
    num_windows = len(values)
    return WindowBatch(
        past_target=values[:, :context],
        past_observed=observed[:, :context],
        future_target=values[:, context:],
        future_observed=observed[:, context:],
        past_covariates=np.zeros((num_windows, context, 0), dtype=np.float32),
        future_covariates=np.zeros((num_windows, length, 0), dtype=np.float32),
        static_covariates=np.zeros((num_windows, 0), dtype=np.float32),
        loss_scale=np.ones(num_windows),
    )


def unobserved_before(batch: WindowBatch, step: int) -> WindowBatch:
    """The same windows of series that begin only `step` steps into their past."""
    observed = batch.past_observed.copy()
    observed[:, :step] = False
    return replace(batch, past_observed=observed)
