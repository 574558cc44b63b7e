"""A network that keeps its hidden state: each row is one step, and nothing is read twice.

It computes what `inference.forecaster` computes for a window that begins where the stream began, for networks that read
step by step and normalise causally (`--synchronous --segment-length 1`); `tests/streaming` compares both for every cell.

Axis legend: S series, B series of a call, T new rows of each, d hidden_size, L layers, R steps the linear path reads,
P steps of a season, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, FloatArray, Int64Array
from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.cells import CELLS
from rnnforecast.inference.equations import CellWeights, linear, step
from rnnforecast.inference.forecaster import head_outputs, simple_forecast
from rnnforecast.inference.normalisation import (
    BASE_LIMIT,
    CAUSAL_DECAY,
    CAUSAL_INPUT_LIMIT,
    CausalTrack,
    Normalised,
    WindowNormaliser,
    causal_features,
    clamp_scale,
)
from rnnforecast.inference.shapes import Sizes, uses_segment_head
from rnnforecast.members import Member, PretrainedSettings


def can_step(member: Member) -> bool:
    """Tell whether a network can be run a row at a time with its hidden state."""
    return (
        not isinstance(member, PretrainedSettings)
        and member.synchronous
        and member.segment_length == 1
        and member.normalisation == "causal"
        and not member.bidirectional
        and member.num_past_covariates + member.num_future_covariates + member.num_static_covariates == 0
    )


@dataclass
class StepState:
    """What a network remembers of S series; arrays grow with them."""

    hidden: FloatArray  # [S, L, states of the cell, d]
    track: Float64Array  # [S, 5]: level, scale, sums of decayed steps and of their weights, 1 if anything was seen
    recent: Float64Array  # [S, R] newest values as learned, NaN where missing
    season: Float64Array  # [S, P] newest known value of each step of the season, oldest first, NaN where unknown

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, for a file."""
        return {"hidden": self.hidden, "track": self.track, "recent": self.recent, "season": self.season}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> StepState:
        """Return the state from its arrays."""
        return cls(arrays["hidden"], arrays["track"], arrays["recent"], arrays["season"])


class Stepper:
    """One network over streams."""

    def __init__(
        self, member: MemberSettings, tensors: Mapping[str, np.ndarray], *, horizon: int | None = None
    ) -> None:
        """Take over a network; the steps after `horizon` are not computed."""
        member, tensors = _cut(member, tensors, member.horizon if horizon is None else horizon)
        self.member, self._tensors = member, tensors
        self._spec, self._normaliser = CELLS[member.cell], WindowNormaliser.of(member)
        self._sizes = Sizes.of(member)
        prefix = "encoder.forward_layers."
        self._cells = [CellWeights.read(tensors, f"{prefix}{layer}.", "_l0") for layer in range(member.num_layers)]
        self._period = member.season_length if member.base == "season" else 1

    def start(self, num_series: int) -> StepState:
        """Return the state before the first row of so many series."""
        member = self.member
        return StepState(
            np.zeros((num_series, member.num_layers, self._spec.num_states, member.hidden_size), np.float32),
            np.zeros((num_series, 5)),
            np.full((num_series, self._sizes.recent_length), np.nan),
            np.full((num_series, self._period), np.nan),
        )

    def advance(self, state: StepState, chosen: Int64Array, values: Float64Array) -> Float64Array:
        """Read T new rows [B, T] of the chosen series [B], NaN where missing; return forecasts [B, T, H, Q] after each."""
        target, observed = self._normaliser.transform(np, values, np.isfinite(values))
        track, features = self._follow(state, chosen, target, observed)
        inputs = np.concatenate([np.zeros((*target.shape, 1)), observed[..., None], features], axis=-1)
        final = self._read(state, chosen, inputs.astype(np.float32))
        return self._forecast(state, chosen, np.where(observed, target, np.nan), track, final)

    def _follow(
        self, state: StepState, chosen: Int64Array, target: Float64Array, observed: BoolArray
    ) -> tuple[CausalTrack, Float64Array]:
        """Carry level and scale on, as `causal_track` follows segments of one step: [B, T], and the features [B, T, 4]."""
        before = state.track[chosen]
        num_steps = target.shape[1]
        newest = np.maximum.accumulate(np.where(observed, np.arange(1, num_steps + 1), 0), axis=1)
        padded = np.concatenate([before[:, :1], target], axis=1)
        level = np.take_along_axis(padded, newest, axis=1)
        known = (newest > 0) | (before[:, 4:] > 0)
        levels = np.concatenate([before[:, :1], level], axis=1)
        all_known = np.concatenate([before[:, 4:] > 0, known], axis=1)
        steps = np.abs(np.diff(levels, axis=1)) * all_known[:, :-1]
        total = _decay(0.5 * steps * observed, before[:, 2])
        weight = _decay(observed.astype(np.float64), before[:, 3])
        scale = clamp_scale(np, total / np.where(weight > 0, weight, 1.0), level)
        scales = np.concatenate([before[:, 1:2], scale], axis=1)
        whole = CausalTrack(levels, np.where(all_known, np.maximum(scales, 1e-300), 1.0), all_known)
        fraction = np.concatenate([np.ones_like(target[:, :1]), observed], axis=1)
        features = causal_features(np, whole, fraction, log=self._normaliser.log)[:, 1:]
        state.track[chosen] = np.stack([level[:, -1], scale[:, -1], total[:, -1], weight[:, -1], known[:, -1]], axis=1)
        return CausalTrack(level, scale, known), features

    def _read(self, state: StepState, chosen: Int64Array, inputs: FloatArray) -> FloatArray:
        """Run the layers over new steps [B, T, features] and keep their states; return the last layer's [B, T, d]."""
        tensors = self._tensors
        layer_inputs = linear(inputs, tensors["encoder.input.weight"], tensors["encoder.input.bias"])
        for layer, weights in enumerate(self._cells):
            gates = weights.input_gates(layer_inputs)
            kept = state.hidden[chosen, layer]  # [B, states, d]
            current = tuple(kept[:, number] for number in range(self._spec.num_states))
            outputs = np.empty_like(layer_inputs)
            for time in range(layer_inputs.shape[1]):
                current = step(self.member.cell, weights, gates[:, time], current)
                outputs[:, time] = current[0]
            state.hidden[chosen, layer] = np.stack(current, axis=1)
            layer_inputs = layer_inputs + outputs if self.member.residual else outputs
        return layer_inputs

    def _forecast(
        self, state: StepState, chosen: Int64Array, values: Float64Array, track: CausalTrack, final: FloatArray
    ) -> Float64Array:
        """Map states [B, T, d] to quantiles [B, T, H, Q] in the user's units, ascending."""
        batch, num_steps = values.shape
        level, scale = (each.reshape(-1, 1) for each in (track.level, track.scale))
        rows = WindowBatch(*(np.empty((batch * num_steps, 0)),) * 4, *(np.empty((batch * num_steps, 0, 0)),) * 3, level)
        member = self.member
        outputs = head_outputs(member, self._tensors, rows, final.reshape(batch * num_steps, -1))
        normalised = Normalised(
            values=np.empty((0, 0), np.float32),
            observed=np.empty((0, 0)),
            features=None,
            recent=self._recent(state, chosen, values, level, scale),
            base=self._base(state, chosen, values, level, scale),
            level=level,
            scale=scale,
            known=track.known.reshape(-1, 1),
        )
        outputs = outputs + simple_forecast(member, self._tensors, normalised)[..., None]
        learned = level[:, :, None] + scale[:, :, None] * outputs
        quantiles = np.sort(self._normaliser.restore(np, learned), axis=-1)
        return np.asarray(quantiles.reshape(batch, num_steps, *quantiles.shape[1:]), dtype=np.float64)

    def _recent(
        self, state: StepState, chosen: Int64Array, values: Float64Array, level: Float64Array, scale: Float64Array
    ) -> FloatArray | None:
        """Return the newest R values up to each row in its level and scale: [B * T, 1, R]."""
        length = self._sizes.recent_length
        extended = np.concatenate([state.recent[chosen], values], axis=1)
        state.recent[chosen] = extended[:, -length:]
        if not self.member.skip:
            return None
        windows = np.lib.stride_tricks.sliding_window_view(extended[:, 1:], length, axis=1).reshape(-1, length)
        return np.clip(np.nan_to_num((windows - level) / scale), -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT)[
            :, None
        ].astype(np.float32)

    def _base(
        self, state: StepState, chosen: Int64Array, values: Float64Array, level: Float64Array, scale: Float64Array
    ) -> FloatArray | None:
        """Return the last season before each row, repeated over the horizon: [B * T, 1, H]."""
        if self.member.base == "none":
            return None
        period, num_steps = self._period, values.shape[1]
        filled = np.concatenate([state.season[chosen], values], axis=1)
        for time in np.flatnonzero(np.isnan(values).any(axis=0)):
            missing = np.isnan(filled[:, period + time])
            filled[missing, period + time] = filled[missing, time]
        state.season[chosen] = filled[:, -period:]
        windows = np.lib.stride_tricks.sliding_window_view(filled[:, 1:], period, axis=1)[:, :num_steps]
        repeated = windows[..., np.arange(self._normaliser.horizon) % period].reshape(-1, self._normaliser.horizon)
        return np.clip(np.nan_to_num((repeated - level) / scale), -BASE_LIMIT, BASE_LIMIT)[:, None].astype(np.float32)


def _cut(
    member: MemberSettings, tensors: Mapping[str, np.ndarray], horizon: int
) -> tuple[MemberSettings, dict[str, np.ndarray]]:
    """Return the network that forecasts the first steps of its horizon alone."""
    kept = dict(tensors)
    if uses_segment_head(member):
        kept["head.position"] = tensors["head.position"][:horizon]
    else:
        outputs = horizon * len(member.quantile_levels)
        kept |= {f"head.output.{name}": tensors[f"head.output.{name}"][:outputs] for name in ("weight", "bias")}
    if member.skip:
        kept["skip.weight"] = tensors["skip.weight"][:horizon]
    return member.model_copy(update={"horizon": horizon}), kept


def _decay(values: Float64Array, before: Float64Array) -> Float64Array:
    """Return s_t = values_t + CAUSAL_DECAY * s_(t-1) along the second axis, from `before` [B]."""
    result = np.empty_like(values)
    if len(values) == 1:  # one long series: plain numbers are quicker than arrays of one
        current, sums = float(before[0]), []
        for value in values[0].tolist():
            current = value + CAUSAL_DECAY * current
            sums.append(current)
        result[0] = sums
        return result
    running = before
    for time in range(values.shape[1]):
        running = values[:, time] + CAUSAL_DECAY * running
        result[:, time] = running
    return result
