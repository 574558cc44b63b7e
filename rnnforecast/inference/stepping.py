"""Read rows as they come: a state of constant size that stands where reading the whole past would have led.

Possible where neither the normalisation nor the encoder looks at rows that come later: normalisation `causal` or
`global`, one direction.

Axis legend: B series, p segment_length, F features, d hidden_size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.errors import UsageError
from rnnforecast.inference.equations import (
    STEPS,
    CellWeights,
    State,
    Tensors,
    initial_state,
    linear,
)
from rnnforecast.inference.inputs import encode_covariates, segment_inputs
from rnnforecast.inference.normalisation import (
    CAUSAL_DECAY,
    CausalTrack,
    Normalised,
    WindowNormaliser,
    causal_features,
    causal_track,
    lift,
)
from rnnforecast.inference.shapes import covariate_layouts

if TYPE_CHECKING:
    from rnnforecast.arrays import FloatArray
    from rnnforecast.config import MemberSettings
    from rnnforecast.data.windows import WindowBatch


@dataclass(frozen=True)
class StepState:
    """Everything a network remembers of the rows it has read, for B series at once."""

    layers: tuple[State, ...]  # one state a layer, each [B, d]
    output: FloatArray  # [B, d] what the last layer gave, that is what a head reads
    level: np.ndarray  # [B] level after the newest segment (normalisation `causal`)
    scale: np.ndarray  # [B]
    known: np.ndarray  # [B] bool: anything was observed so far
    spread_total: np.ndarray  # [B] decayed sum of spreads
    spread_weight: np.ndarray  # [B] decayed count of them


def start_state(member: MemberSettings, num_series: int) -> StepState:
    """Return the state before the first row. Raises UsageError for networks that must see whole windows."""
    if member.normalisation not in ("causal", "global") or member.bidirectional:
        what = "`bidirectional`" if member.bidirectional else f"normalisation `{member.normalisation}`"
        raise UsageError(
            f"this network cannot be fed row by row: {what} reads the whole window",
            hint="train one with `--normalisation causal` and without `--bidirectional`",
        )
    hidden = np.zeros((num_series, member.hidden_size), dtype=np.float32)
    zeros = np.zeros(num_series)
    return StepState(
        layers=tuple(initial_state(member.cell, hidden) for _ in range(member.num_layers)),
        output=hidden,
        level=zeros,
        scale=zeros + 1.0,
        known=np.zeros(num_series, dtype=bool),
        spread_total=zeros,
        spread_weight=zeros,
    )


def step_segment(member: MemberSettings, tensors: Tensors, state: StepState, segment: WindowBatch) -> StepState:
    """Read the next p rows of each series; `segment` is a batch whose context is these rows alone [B, p].

    Its future part is not read. With segment_length 1 this is one row.
    """
    segment = encode_covariates(np, segment, tensors, covariate_layouts(member))
    if member.normalisation == "causal":
        state, normalised = _normalise_next(member, state, segment)
    else:
        normalised = replace(WindowNormaliser.of(member), num_segments=1, base="none", recent_length=0).normalise(
            np,
            segment.past_target,
            segment.past_observed,
            global_scaling=(tensors["global_level"], tensors["global_scale"]),
        )
    inputs = segment_inputs(np, normalised, segment, member.segment_length)[:, 0]  # [B, features]
    hidden = linear(inputs, tensors["encoder.input.weight"], tensors["encoder.input.bias"])
    layers: list[State] = []
    for layer, before in enumerate(state.layers):
        weights = CellWeights.read(tensors, f"encoder.forward_layers.{layer}.", "_l0")
        layers.append(STEPS[member.cell](weights.input_gates(hidden), before, weights))
        hidden = hidden + layers[-1][0] if member.residual else layers[-1][0]
    return replace(state, layers=tuple(layers), output=hidden)


def _normalise_next(member: MemberSettings, state: StepState, segment: WindowBatch) -> tuple[StepState, Normalised]:
    """Carry level and scale one segment on, by the recursion of which `causal_track` is the closed form.

    total_t = decay * total_{t-1} + spread_t + |level_t - level_{t-1}| / 2, scale_t = total_t / weight_t.
    """
    normaliser = WindowNormaliser.of(member)
    target, observed = normaliser.transform(np, segment.past_target, segment.past_observed)
    alone = causal_track(np, target[:, None], observed[:, None], seasonal=member.season_length > 1)
    filled = alone.known[:, 0]
    level = np.where(filled, alone.level[:, 0], state.level)
    spread = np.where(filled, alone.scale[:, 0], 0.0)  # of one segment alone: its spread
    step = np.abs(level - state.level) * state.known * filled
    total = CAUSAL_DECAY * state.spread_total + spread + 0.5 * step
    weight = CAUSAL_DECAY * state.spread_weight + filled
    scale = lift(np, total / np.where(weight > 0, weight, 1.0), level)
    known = state.known | filled
    pair = CausalTrack(
        level=np.stack([state.level, level], axis=1),
        scale=np.stack([state.scale, scale], axis=1),
        known=np.stack([state.known, known], axis=1),
    )
    share = np.repeat(observed.mean(-1)[:, None], 2, axis=1)
    features = causal_features(np, pair, share, log=member.log)[:, 1:]
    limit = normaliser.input_limit
    values = np.clip((target - level[:, None]) / scale[:, None], -limit, limit) * observed
    carried = replace(state, level=level, scale=scale, known=known, spread_total=total, spread_weight=weight)
    return carried, Normalised(
        values=values.astype(np.float32),
        observed=observed.astype(np.float32),
        features=features.astype(np.float32),
        recent=None,
        base=None,
        level=level[:, None],
        scale=scale[:, None],
        known=known[:, None],
    )
