"""The pretrained network in NumPy alone: the equations of `networks/pretrained.py`, forecasting from the last segment.

Axis legend: B batch, T segments, K seasons looked back, H steps of one pass, Q quantiles, d hidden_size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.inference.equations import CellWeights, FixedTensors, Tensors, linear, scan, softmax
from rnnforecast.inference.normalisation import Array
from rnnforecast.inference.pretrained_inputs import Reading, SeasonBlocks, input_size, read_series

if TYPE_CHECKING:
    from rnnforecast.arrays import FloatArray
    from rnnforecast.data.windows import WindowBatch
    from rnnforecast.inference.shapes import Shape
    from rnnforecast.members import PretrainedSettings

NORM_EPSILON = 1e-5
#: Width of the layers between recurrences, in units of the hidden size.
EXPANSION = 2
SMALLEST_WEIGHT = 1e-6
#: Series that are read together though some begin later: a step of few rows costs nearly what a step of one does.
FEW_ROWS = 32


def forecast_pretrained(member: PretrainedSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window: [B, H, Q] float64 in original units, ascending along Q.

    Segments before a series began look the same to the network, whatever comes after: they are read once for all
    series that have as many; a few series are read together. Quantiles that cross are sorted (monotone rearrangement,
    Chernozhukov et al. 2010).
    """
    past, observed = batch.past_target, batch.past_observed
    empty = _empty_segments(member, observed)
    forecast = np.empty((len(past), member.horizon, len(member.quantile_levels)))
    for rows in _alike(empty):
        count = int(empty[rows].min())
        begun = member.model_copy(update={"num_segments": member.num_segments - count})
        reading = read_series(np, past[rows], observed[rows], begun)
        state = _trunk(member, tensors, reading.inputs, start=_after_nothing(member, tensors, count))[0]
        outputs = widen(_head(member, tensors, state, reading), tensors["head.width"], member)
        forecast[rows] = reading.level[:, :, None] + reading.scale[:, :, None] * outputs
    return np.sort(forecast, axis=-1)


def _alike(empty: np.ndarray) -> list[np.ndarray]:
    """Return the rows that are read together: all of a few, else those with as many empty segments."""
    if len(empty) <= FEW_ROWS:
        return [np.arange(len(empty))] if len(empty) else []
    return [np.flatnonzero(empty == count) for count in np.unique(empty)]


def _empty_segments(member: PretrainedSettings, observed: np.ndarray) -> np.ndarray:
    """Return how many segments end before the first observed step: [B], never all of them."""
    length = observed.shape[1]
    first = np.where(observed.any(axis=1), observed.argmax(axis=1), length)
    before = first - (length - member.num_segments * member.segment_length)
    return np.asarray(np.clip(before // member.segment_length, 0, member.num_segments - 1))


def _after_nothing(member: PretrainedSettings, tensors: Tensors, count: int) -> list[FloatArray] | None:
    """Return the state of each layer after `count` segments without a value: [1, d] each; None after none."""
    if count == 0:
        return None
    known = tensors.after_nothing if isinstance(tensors, FixedTensors) else {}
    if count not in known:
        known[count] = _read_nothing(member, tensors, count)
    return known[count]


def _read_nothing(member: PretrainedSettings, tensors: Tensors, count: int) -> list[FloatArray]:
    begun = member.model_copy(update={"num_segments": count})
    nothing = np.zeros((1, count * member.segment_length))
    reading = read_series(np, nothing, nothing > 0, begun)
    return _trunk(member, tensors, reading.inputs, start=None)[1]


def widen(quantiles: Array, width: Array, member: PretrainedSettings) -> Array:
    """Multiply distances from the median [..., H, Q] by factors [H, Q], which make intervals as wide as they say."""
    median = member.quantile_levels.index(0.5)
    centre = quantiles[..., median : median + 1]
    return centre + width * (quantiles - centre)


def pretrained_shapes(member: PretrainedSettings) -> dict[str, Shape]:
    """Return the shape of every tensor of one season class by name: what a model file must hold."""
    width, outputs = member.hidden_size, member.horizon * len(member.quantile_levels)
    shapes: dict[str, Shape] = _linear_shapes("input", width, input_size(member))
    for layer in range(member.num_layers):
        prefix = f"trunk.layers.{layer}."
        shapes |= _norm_shapes(f"{prefix}recurrent_norm", width) | _norm_shapes(f"{prefix}forward_norm", width)
        for gates in ("ih", "hh"):
            shapes[f"{prefix}recurrent.weight_{gates}_l0"] = (3 * width, width)
            shapes[f"{prefix}recurrent.bias_{gates}_l0"] = (3 * width,)
        shapes |= _linear_shapes(f"{prefix}widen", EXPANSION * width, width)
        shapes |= _linear_shapes(f"{prefix}narrow", width, EXPANSION * width)
    shapes |= _norm_shapes("trunk.norm", width) | _linear_shapes("head.output", outputs, width)
    shapes["head.width"] = (member.horizon, len(member.quantile_levels))
    shapes["head.skip.weight"] = (member.horizon, member.recent_length)
    for name, count in (("season", member.num_seasons), ("long_season", member.num_long_seasons)):
        if count:
            shapes |= _linear_shapes(f"head.{name}.weigh", count + 1, width)
    return shapes


def _linear_shapes(name: str, outputs: int, inputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm_shapes(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _trunk(
    member: PretrainedSettings, tensors: Tensors, inputs: FloatArray, *, start: list[FloatArray] | None
) -> tuple[FloatArray, list[FloatArray]]:
    """Read segments [B, T, input_size]: return the last state [B, d] and the recurrent state of each layer.

    Per layer h + GRU(norm(h)), then h + W_2 relu(W_1 norm(h)).
    """
    states = linear(inputs, tensors["input.weight"], tensors["input.bias"])
    ends = []
    for layer in range(member.num_layers):
        prefix = f"trunk.layers.{layer}."
        weights = CellWeights.read(tensors, f"{prefix}recurrent.", "_l0")
        before = None if start is None else start[layer]
        hidden = scan("gru", weights, _norm(tensors, f"{prefix}recurrent_norm", states), start=before)
        ends.append(hidden[:, -1])
        states = states + hidden
        if layer == member.num_layers - 1:
            states = states[:, -1:]  # no later layer reads the others
        normed = _norm(tensors, f"{prefix}forward_norm", states)
        wide = np.maximum(linear(normed, tensors[f"{prefix}widen.weight"], tensors[f"{prefix}widen.bias"]), 0)
        states = states + linear(wide, tensors[f"{prefix}narrow.weight"], tensors[f"{prefix}narrow.bias"])
    return _norm(tensors, "trunk.norm", states[:, -1]), ends


def _norm(tensors: Tensors, name: str, values: FloatArray) -> FloatArray:
    """Layer normalisation (Ba et al. 2016) over the last axis."""
    normed: FloatArray = values - values.mean(axis=-1, keepdims=True)
    variance = np.einsum("...d,...d->...", normed, normed)[..., None] / values.shape[-1]
    normed *= 1 / np.sqrt(variance + NORM_EPSILON)
    normed *= tensors[f"{name}.weight"]
    normed += tensors[f"{name}.bias"]
    return normed


def _head(member: PretrainedSettings, tensors: Tensors, state: FloatArray, reading: Reading) -> FloatArray:
    """Map states [B, d] to quantiles [B, H, Q] in scales around the level."""
    outputs = linear(state, tensors["head.output.weight"], tensors["head.output.bias"])
    simple = linear(reading.recent[:, 0], tensors["head.skip.weight"])  # [B, H]
    for name, blocks in (("season", reading.season), ("long_season", reading.long_season)):
        if blocks is not None:
            weighed = linear(state, tensors[f"head.{name}.weigh.weight"], tensors[f"head.{name}.weigh.bias"])
            simple = simple + _mixture(weighed, blocks)
    quantiles: FloatArray = outputs.reshape(len(state), member.horizon, -1) + simple[..., None]
    return quantiles


def _mixture(weighed: FloatArray, blocks: SeasonBlocks) -> FloatArray:
    """Return amplitude times the weighted mean of known seasons: [B, H]; `weighed` is [B, K + 1]."""
    weights = softmax(weighed[:, :-1])[..., None] * blocks.known[:, 0]  # [B, K, H]
    mean = (weights * blocks.values[:, 0]).sum(axis=1) / (weights.sum(axis=1) + SMALLEST_WEIGHT)
    mixture: FloatArray = weighed[:, -1:] * mean
    return mixture
