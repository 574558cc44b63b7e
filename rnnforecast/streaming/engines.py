"""Forecasts after each new row of many streams: with a kept hidden state where the networks can, else from kept rows.

Axis legend: S series, B series of a call, T new rows of each, C rows kept, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.detection.members import fill_previous
from rnnforecast.forecasting import Ensemble, combine_members
from rnnforecast.members import PretrainedSettings
from rnnforecast.streaming.stepper import Stepper, StepState, can_step


class StreamEngine(Protocol):
    """What a stream needs of its networks; the state of S series is a dictionary of arrays [S, ...]."""

    keeps_hidden_state: bool

    def start(self, num_series: int) -> dict[str, np.ndarray]:
        """Return the state before the first row of so many series."""
        ...

    def advance(self, state: dict[str, np.ndarray], chosen: Int64Array, values: Float64Array) -> Float64Array:
        """Read T new rows [B, T] of the chosen series, NaN where missing; return forecasts [B, T, H, Q] after each."""
        ...


def engine_of(ensemble: Ensemble, horizon: int) -> StreamEngine:
    """Return the engine for an ensemble: hidden states if every network can step.

    The Theta method is left out, and so are the regressions of a zero-shot group: its networks forecast like any others.
    """
    if all(can_step(member) for member in ensemble.members):
        return HiddenStates(ensemble, horizon)
    return KeptRows(replace(ensemble, theta_weight=0.0, zero_shot_group=None), horizon)


class HiddenStates:
    """Networks that keep their hidden state."""

    keeps_hidden_state = True

    def __init__(self, ensemble: Ensemble, horizon: int) -> None:
        self._ensemble = ensemble
        self._steppers = [
            Stepper(member, tensors, horizon=horizon)
            for member, tensors in zip(ensemble.members, ensemble.weights, strict=True)
            if not isinstance(member, PretrainedSettings)
        ]

    def start(self, num_series: int) -> dict[str, np.ndarray]:
        """Return the state before the first row of so many series."""
        started = [stepper.start(num_series).arrays() for stepper in self._steppers]
        return {f"{number}.{name}": array for number, arrays in enumerate(started) for name, array in arrays.items()}

    def advance(self, state: dict[str, np.ndarray], chosen: Int64Array, values: Float64Array) -> Float64Array:
        """Read new rows, one step a row."""
        found = []
        for number, stepper in enumerate(self._steppers):
            prefix = f"{number}."
            own: Mapping[str, np.ndarray] = {
                name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
            }
            found.append(stepper.advance(StepState.of(own), chosen, values))
        batch, steps, horizon, levels = found[0].shape
        together = np.stack([each.reshape(batch * steps, horizon, levels) for each in found])
        if len(found) > 1:
            combined = combine_members(together, self._ensemble.groups, self._ensemble.group_weights)
        else:
            combined = together[0]
        if self._ensemble.calibration is not None:
            combined = self._ensemble.calibration.apply(combined)
        return combined.reshape(batch, steps, horizon, levels)


class KeptRows:
    """Networks that read whole windows: the newest rows of each series are kept, and read again after each row."""

    keeps_hidden_state = False

    def __init__(self, ensemble: Ensemble, horizon: int) -> None:
        self._ensemble, self._horizon = ensemble, horizon

    def start(self, num_series: int) -> dict[str, np.ndarray]:
        """Return rows without a value."""
        return {"rows": np.full((num_series, self._ensemble.context_length), np.nan)}

    def advance(self, state: dict[str, np.ndarray], chosen: Int64Array, values: Float64Array) -> Float64Array:
        """Read new rows, a window for each."""
        batch, steps = values.shape
        rows = np.concatenate([state["rows"][chosen], values], axis=1)  # [B, C + T]
        state["rows"][chosen] = rows[:, steps:]
        length = rows.shape[1]
        nothing, ends = np.zeros((batch * length, 0), np.float32), np.arange(batch + 1) * length
        observed = np.isfinite(rows)
        flat = FlatSeries(
            filled=np.concatenate([fill_previous(each) for each in rows]),
            observed=observed.ravel(),
            offsets=ends,
            lengths=np.full(batch, length),
            first_observed=np.where(observed.any(axis=1), observed.argmax(axis=1), length),
            past_covariates=nothing,
            future_covariates=nothing,
            future_offsets=ends,
            static_covariates=nothing[:batch],
            loss_scale=np.ones(batch),
        )
        cutoffs = np.tile(length - steps + 1 + np.arange(steps), batch)
        windows = Windows(np.repeat(np.arange(batch), steps), cutoffs)
        quantiles = self._ensemble.forecast(flat, windows, horizon=self._horizon)
        return quantiles.reshape(batch, steps, *quantiles.shape[1:])
