"""Forecast windows with stored tensors, in NumPy alone: the same equations that torch trained.

Axis legend: B batch, C context_length, H steps of one pass, p segment_length, T segments of the context, K segments
of the horizon, F features, Q quantiles, d hidden_size.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import FloatArray
from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.frozen import dataclass
from rnnforecast.inference.cells import CELLS
from rnnforecast.inference.equations import (
    CellWeights,
    Tensors,
    additive_scores,
    attend,
    dot_scores,
    linear,
    scan,
    step,
)
from rnnforecast.inference.inputs import encode_covariates, future_inputs, in_blocks, one_step_window, segment_inputs
from rnnforecast.inference.normalisation import Normalised, WindowNormaliser
from rnnforecast.inference.shapes import (
    covariate_layouts,
    expected_shapes,
    head_cell,
    median_index,
    uses_decoder,
    uses_segment_head,
)
from rnnforecast.members import CategoricalSettings

__all__ = [
    "Encoded",
    "attention_weights",
    "encode",
    "expected_shapes",
    "forecast_windows",
    "head_outputs",
    "simple_forecast",
]


@dataclass(frozen=True)
class Encoded:
    """What the encoder leaves: a state for every segment, and one for the whole window."""

    states: FloatArray  # [B, T, d]
    final: FloatArray  # [B, d]
    normalised: Normalised


def forecast_windows(member: MemberSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window: [B, H, Q] float64 in original units, ascending along Q.

    Quantiles that cross are sorted (monotone rearrangement, Chernozhukov et al. 2010).
    """
    normaliser = WindowNormaliser.of(member)
    if member.mapping == "many-to-one":
        learned = _forecast_recursively(member, tensors, batch)
    else:
        learned = _forecast_block(member, tensors, batch)
    return np.sort(normaliser.restore(np, learned), axis=-1)


def encode(member: MemberSettings, tensors: Tensors, batch: WindowBatch) -> Encoded:
    """Normalise windows and read them with the encoder."""
    batch = encode_covariates(np, batch, tensors, covariate_layouts(member))
    scaling = (tensors["global_level"], tensors["global_scale"]) if member.normalisation == "global" else None
    normalised = WindowNormaliser.of(member).normalise(
        np, batch.past_target, batch.past_observed, global_scaling=scaling
    )
    inputs = segment_inputs(np, normalised, batch, member.segment_length)
    states, final = read_segments(member, tensors, inputs)
    return Encoded(states=states, final=final, normalised=normalised)


def read_segments(
    member: MemberSettings | CategoricalSettings, tensors: Tensors, inputs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run the stacked cells over segments [B, T, features]: states [B, T, d] and final state [B, d].

    h^0_t = W_in x_t + b; h^l = cell^l(h^{l-1}), plus h^{l-1} where layers are residual. Bidirectional: a second
    stack reads from the end, and a linear layer merges both; the final state merges what each read last.
    """
    embedded = linear(inputs, tensors["encoder.input.weight"], tensors["encoder.input.bias"])
    forward = _stack(member, tensors, embedded, direction="forward")
    if not member.bidirectional:
        return forward, forward[:, -1]
    backward = _stack(member, tensors, embedded[:, ::-1], direction="backward")[:, ::-1]
    weight, bias = tensors["encoder.merge.weight"], tensors["encoder.merge.bias"]
    states = linear(np.concatenate([forward, backward], axis=-1), weight, bias)
    final = linear(np.concatenate([forward[:, -1], backward[:, 0]], axis=-1), weight, bias)
    return states, final


def attention_weights(member: MemberSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Return how much each segment of the horizon looked at each segment of the window: [B, K, T], rows sum to 1."""
    if member.attention is None:
        raise ValueError("a network without attention has no attention weights")
    return _decode(member, tensors, batch, encode(member, tensors, batch))[1]


def _stack(
    member: MemberSettings | CategoricalSettings, tensors: Tensors, inputs: FloatArray, *, direction: str
) -> FloatArray:
    for layer in range(member.num_layers):
        weights = CellWeights.read(tensors, f"encoder.{direction}_layers.{layer}.", "_l0")
        outputs = scan(member.cell, weights, inputs)
        inputs = inputs + outputs if member.residual else outputs
    return inputs


def _forecast_block(member: MemberSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Return one pass of the network: [B, H, Q] as learned, that is before leaving logarithms."""
    encoded = encode(member, tensors, batch)
    if uses_decoder(member):
        outputs = _decode(member, tensors, batch, encoded)[0]
    else:
        outputs = head_outputs(member, tensors, batch, encoded.final)
        outputs = outputs + simple_forecast(member, tensors, encoded.normalised)[..., None]
    normalised = encoded.normalised
    learned: np.ndarray = normalised.level[:, :, None] + normalised.scale[:, :, None] * outputs
    return learned


def _forecast_recursively(member: MemberSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Forecast one step, take its median for the truth, slide the window on: [B, H, Q] as learned.

    Around the medians the spread grows with the square root of the lead time, as it does for a random walk.
    """
    normaliser = WindowNormaliser.of(member)
    median = median_index(member.quantile_levels)
    past, observed = batch.past_target, batch.past_observed
    seen = np.ones_like(observed[:, :1])
    path = []
    for lead in range(member.horizon):
        window = one_step_window(np, batch, past, observed, lead=lead)
        learned = np.sort(_forecast_block(member, tensors, window)[:, 0], axis=-1)  # [B, Q]
        centre = learned[:, median : median + 1]
        path.append(centre + (learned - centre) * np.sqrt(lead + 1.0))
        past = np.concatenate([past[:, 1:], normaliser.restore(np, centre)], axis=1)
        observed = np.concatenate([observed[:, 1:], seen], axis=1)
    return np.stack(path, axis=1)


def simple_forecast(member: MemberSettings, tensors: Tensors, normalised: Normalised) -> FloatArray:
    """Return what the cells correct: base plus linear path over the window, [B, H]; 0 without either."""
    simple = np.zeros((1, 1), dtype=normalised.values.dtype)
    if normalised.base is not None:
        simple = simple + normalised.base[:, 0]
    if member.skip and normalised.recent is not None:
        simple = simple + linear(normalised.recent[:, 0], tensors["skip.weight"])
    return simple


def _future(member: MemberSettings, tensors: Tensors, batch: WindowBatch, *, horizon: int) -> FloatArray | None:
    layouts = {kind: layout for kind, layout in covariate_layouts(member).items() if kind == "future"}
    batch = encode_covariates(np, batch, tensors, layouts)
    return future_inputs(np, batch, horizon, segment_length=member.segment_length)


def head_outputs(member: MemberSettings, tensors: Tensors, batch: WindowBatch, state: FloatArray) -> FloatArray:
    """Read the horizon off one state: [B, d] to [B, H, Q] in normalised units.

    Linear head: o = W (h + W_f f) + b with all covariates f of the horizon. Segment head: every segment k of the
    horizon starts one step of a cell from h, with its position and its covariates as input: o_k = W s_k + b.
    """
    horizon = 1 if member.mapping == "many-to-one" else member.horizon
    num_quantiles = len(member.quantile_levels)
    weight, bias = tensors["head.output.weight"], tensors["head.output.bias"]
    future = _future(member, tensors, batch, horizon=horizon)
    if not uses_segment_head(member):
        if future is not None:
            state = state + linear(future.reshape(len(state), -1), tensors["head.future.weight"])
        return linear(state, weight, bias).reshape(len(state), horizon, num_quantiles)
    inputs = tensors["head.position"][None]  # [1, K, d]
    if future is not None:
        blocks = in_blocks(np, future, member.segment_length)[:, 0]
        inputs = inputs + linear(blocks, tensors["head.future.weight"])  # [B, K, d]
    cell, weights = head_cell(member.cell), CellWeights.read(tensors, "head.cell.")
    start = CELLS[cell].initial_state(state[:, None, :])  # [B, 1, d]
    hidden = step(cell, weights, weights.input_gates(inputs), start)[0]  # [B, K, d]
    return linear(hidden, weight, bias).reshape(len(state), -1, num_quantiles)[:, :horizon]


def _decode(
    member: MemberSettings, tensors: Tensors, batch: WindowBatch, encoded: Encoded
) -> tuple[FloatArray, FloatArray]:
    """Unroll the decoder, each segment reading the median of the one before: [B, H, Q] and attention [B, K, T].

    Additive attention looks before the step, from s_{k-1}, and its context is an input of the cell; dot attention
    looks after it, from s_k, and o_k = W tanh(W_c [context; s_k]) + b.
    """
    segment, horizon, num_quantiles = member.segment_length, member.horizon, len(member.quantile_levels)
    median = median_index(member.quantile_levels)
    normalised = encoded.normalised
    num_windows, num_segments = encoded.states.shape[:2]
    seen = normalised.observed.reshape(num_windows, num_segments, segment).any(axis=2)
    future = _future(member, tensors, batch, horizon=horizon)
    blocks = None if future is None else in_blocks(np, future, segment)[:, 0]  # [B, K, p * Ff]
    num_blocks = -(-horizon // segment)
    simple = np.zeros((num_windows, num_blocks * segment), dtype=normalised.values.dtype)
    simple[:, :horizon] = simple_forecast(member, tensors, normalised)
    weights = CellWeights.read(tensors, "decoder.cell.")
    keys = linear(encoded.states, tensors["decoder.attention.key.weight"]) if member.attention == "additive" else None
    state = CELLS[member.cell].initial_state(encoded.final)
    previous = normalised.values[:, -segment:]
    outputs, looks = [], []
    for block in range(num_blocks):
        inputs = [previous] if blocks is None else [previous, blocks[:, block]]
        if keys is not None:
            query = linear(state[0], tensors["decoder.attention.query.weight"])
            scores = additive_scores(query, keys, tensors["decoder.attention.energy.weight"])
            context, look = attend(scores, seen, encoded.states)
            inputs.append(context)
            looks.append(look)
        read = linear(np.concatenate(inputs, axis=-1), tensors["decoder.input.weight"], tensors["decoder.input.bias"])
        state = step(member.cell, weights, weights.input_gates(read), state)
        hidden = state[0]
        if member.attention == "dot":
            context, look = attend(dot_scores(hidden, encoded.states), seen, encoded.states)
            both = np.concatenate([context, hidden], axis=-1)
            hidden = np.tanh(linear(both, tensors["decoder.attention.combine.weight"]))
            looks.append(look)
        output = linear(hidden, tensors["decoder.output.weight"], tensors["decoder.output.bias"])
        output = output.reshape(num_windows, segment, num_quantiles)
        output = output + simple[:, block * segment : (block + 1) * segment, None]
        outputs.append(output)
        previous = output[..., median]
    attention = np.stack(looks, axis=1) if looks else np.zeros((num_windows, 0, num_segments))
    return np.concatenate(outputs, axis=1)[:, :horizon], attention
