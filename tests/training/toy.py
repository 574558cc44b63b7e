"""Flat tensors, samplers and networks small enough for a few gradient steps in a test."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rnnforecast.config import MemberSettings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, WindowBatch, Windows
from rnnforecast.networks.forecaster import RecurrentForecaster, build_network
from rnnforecast.training.ensemble import move_to_device
from rnnforecast.training.recipe import FitSettings
from tests.inference.samples import make_member

CPU = torch.device("cpu")
SMALL = make_member(hidden_size=4)


def make_series(*columns: np.ndarray, season_length: int = 4) -> SeriesSet:
    """Return one series a column; NaN is a missing value."""
    values = np.concatenate(columns).astype(np.float64)
    offsets = np.concatenate([[0], np.cumsum([len(column) for column in columns])]).astype(np.int64)
    num_series = len(columns)
    return SeriesSet(
        id_columns=("id",),
        id_values=np.array([[f"s{number}"] for number in range(num_series)], dtype=object),
        target_names=("y",),
        target_index=np.zeros(num_series, dtype=np.int64),
        time_column=None,
        values=values,
        observed=np.isfinite(values),
        offsets=offsets,
        first_ordinals=np.zeros(num_series, dtype=np.int64),
        freq=Frequency("step"),
        season_length=season_length,
        past_covariates=np.zeros((len(values), 0), dtype=np.float32),
        past_names=(),
        future_covariates=np.zeros((len(values), 0), dtype=np.float32),
        future_names=(),
        future_offsets=offsets,
        static_covariates=np.zeros((num_series, 0), dtype=np.float32),
        static_names=(),
    )


def wave(num_rows: int = 60, *, seed: int = 0) -> np.ndarray:
    """Return a positive season of four steps with noise."""
    noise = np.random.default_rng(seed).normal(size=num_rows)
    return np.asarray(50 + 5 * np.sin(np.arange(num_rows) * np.pi / 2) + noise)


def make_flat(series: SeriesSet) -> FlatSeries:
    """Return the series as tensors."""
    return move_to_device(FlatSeries.from_series(series), CPU)


def as_windows(series: list[int], cutoffs: list[int]) -> Windows:
    """Return windows as tensors."""
    return Windows(series=torch.tensor(series), cutoffs=torch.tensor(cutoffs))


def fit_settings(**changes: float) -> FitSettings:
    """Return a short fit."""
    values: dict[str, float] = {
        "num_steps": 6,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "weight_decay": 1e-4,
        "gradient_clip": 1.0,
        "teacher_forcing": 1.0,
        **changes,
    }
    return FitSettings(
        num_steps=int(values["num_steps"]),
        batch_size=int(values["batch_size"]),
        learning_rate=values["learning_rate"],
        weight_decay=values["weight_decay"],
        gradient_clip=values["gradient_clip"],
        teacher_forcing=values["teacher_forcing"],
    )


def small_network(member: MemberSettings = SMALL, *, seed: int = 0) -> RecurrentForecaster:
    """Return a fresh network."""
    return build_network(member, seed=seed)


class Faults:
    """The loss of a network with faults put in: `spoil` maps the number of a call while training to a factor.

    NaN spoils loss and gradient; a call of validation (no gradients) is not counted.
    """

    def __init__(self, network: RecurrentForecaster, spoil: dict[int, float]) -> None:
        self._loss = network.loss
        self._spoil = spoil
        self.calls = 0

    def __call__(
        self, batch: WindowBatch, *, teacher_forcing: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        loss = self._loss(batch, teacher_forcing=teacher_forcing, generator=generator)
        if not torch.is_grad_enabled():
            return loss
        self.calls += 1
        return loss * self._spoil.get(self.calls, 1.0)
