"""Small networks and windows for the tests of both engines."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import numpy as np
import torch

from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.networks.forecaster import RecurrentForecaster, build_network
from rnnforecast.options import Cell

CELLS: tuple[Cell, ...] = get_args(Cell)
LEVELS = (0.1, 0.5, 0.9)


def make_member(**changes: object) -> MemberSettings:
    """A small GRU network over 3 segments and a bit, seven steps ahead; `changes` are its settings."""
    mapping = str(changes.get("mapping", "many-to-many"))
    single = mapping in ("one-to-one", "one-to-many")
    defaults: dict[str, object] = {
        "hidden_size": 5,
        "num_layers": 1,
        "context_length": 1 if single else 13,
        "segment_length": 1 if single else 4,
        "horizon": 1 if mapping == "one-to-one" else 7,
        "season_length": 4,
        "normalisation": "global" if mapping == "one-to-many" else "window",
        "quantile_levels": LEVELS,
    }
    return MemberSettings.model_validate({**defaults, **changes})


def make_batch(member: MemberSettings, *, num_windows: int = 4, seed: int = 0, missing: float = 0.15) -> WindowBatch:
    """Positive seasonal windows with missing values and covariates as the network wants them."""
    draw = np.random.default_rng(seed)
    context, length = member.context_length, member.context_length + member.horizon
    season = np.sin(np.arange(length) * 2 * np.pi / member.season_length)
    target = 10 + season + 0.3 * draw.normal(size=(num_windows, length)).cumsum(axis=1)
    observed = draw.random((num_windows, length)) >= missing
    past = _covariates(draw, (num_windows, context), member.num_past_covariates, member.past_categories)
    future = _covariates(draw, (num_windows, length), member.num_future_covariates, member.future_categories)
    static = _covariates(draw, (num_windows,), member.num_static_covariates, member.static_categories)
    return WindowBatch(
        past_target=target[:, :context],
        past_observed=observed[:, :context],
        future_target=target[:, context:],
        future_observed=observed[:, context:],
        past_covariates=past,
        future_covariates=future,
        static_covariates=static,
        loss_scale=np.ones(num_windows),
    )


def _covariates(
    draw: np.random.Generator, shape: tuple[int, ...], count: int, categories: tuple[int, ...]
) -> np.ndarray:
    """Numbers, and codes from 0 (not known) to the number of categories."""
    columns = draw.normal(size=(*shape, count))
    for place, size in enumerate(categories):
        if size:
            columns[..., place] = draw.integers(0, size + 1, shape)
    return columns.astype(np.float32)


def as_tensors(batch: WindowBatch) -> WindowBatch:
    """The same batch for torch."""
    return WindowBatch(**{f.name: torch.from_numpy(np.array(getattr(batch, f.name))) for f in fields(batch)})


def cut_future(batch: WindowBatch, steps: int) -> WindowBatch:
    """The same batch with fewer steps of the future."""
    both = batch.past_target.shape[1] + steps
    return replace(
        batch,
        future_target=batch.future_target[:, :steps],
        future_observed=batch.future_observed[:, :steps],
        future_covariates=batch.future_covariates[:, :both],
    )


def make_network(member: MemberSettings, *, seed: int = 0) -> RecurrentForecaster:
    """A network whose weights are all drawn, so that no part is at its zero start."""
    network = build_network(member, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.2 * torch.randn(weights.shape, generator=generator))
    if member.normalisation == "global":
        level, scale = (2.3, 0.2) if member.log else (10.0, 2.0)
        network.set_global(level, scale)
    for kind, count in (
        ("past", member.num_past_covariates),
        ("future", member.num_future_covariates),
        ("static", member.num_static_covariates),
    ):
        if count:
            network.set_covariate_scaling(kind, torch.full((count,), 0.1), torch.full((count,), 1.5))
    return network


def tensors_of(network: RecurrentForecaster) -> dict[str, np.ndarray]:
    """The tensors of a network as a model file holds them."""
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}
