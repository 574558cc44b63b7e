"""The pretrained network in NumPy alone: the equations of `networks/pretrained.py`, forecasting from the last segment.

Axis legend: B batch, T segments, K seasons looked back, H steps of one pass, Q quantiles, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import FloatArray, Int64Array
from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.equations import Tensors, linear, softmax
from rnnforecast.inference.normalisation import Array
from rnnforecast.inference.pretrained_inputs import Reading, SeasonBlocks, input_size, read_series
from rnnforecast.inference.shapes import Shape
from rnnforecast.inference.trunk import FixedTensors, Packing, run_trunk
from rnnforecast.members import PretrainedSettings

#: Width of the layers between recurrences, in units of the hidden size.
EXPANSION = 2
SMALLEST_WEIGHT = 1e-6


def forecast_pretrained(member: PretrainedSettings, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window: [B, H, Q] float64 in original units, ascending along Q."""
    return forecast_together([(member, tensors, batch)])[0]


def forecast_together(asked: Sequence[tuple[PretrainedSettings, Tensors, WindowBatch]]) -> list[np.ndarray]:
    """Forecast by networks with one trunk in one pass, each its own windows: [B, H, Q] each.

    Segments before a series began look the same to the network, whatever comes after: they are read once. Quantiles that
    cross are sorted (monotone rearrangement, Chernozhukov et al. 2010).
    """
    readings, lengths, segments, starts = [], [], [], []
    for member, tensors, batch in asked:
        empty = _empty_segments(member, batch.past_observed)
        lengths.append(member.num_segments - empty)
        begun = member.model_copy(update={"num_segments": int(lengths[-1].max(initial=1))})
        reading = read_series(np, batch.past_target, batch.past_observed, begun)
        readings.append(reading)
        segments.append(linear(reading.inputs, tensors["input.weight"], tensors["input.bias"]))
        starts.append([after[empty] for after in _after_nothing(member, tensors)])
    states = _last_states(asked[0][1], segments, np.concatenate(lengths), starts)
    forecasts, end = [], 0
    for (member, tensors, batch), reading in zip(asked, readings, strict=True):
        begin, end = end, end + len(batch.past_target)
        outputs = widen(_head(member, tensors, states[begin:end], reading), tensors["head.width"], member)
        forecast = reading.level[:, :, None] + reading.scale[:, :, None] * outputs
        forecasts.append(np.sort(forecast, axis=-1))
    return forecasts


def _last_states(
    tensors: Tensors, segments: Sequence[FloatArray], lengths: Int64Array, starts: Sequence[Sequence[FloatArray]]
) -> FloatArray:
    """Return the state after the last segment of every series [B, d]; `segments` are [B, T, d] of each network."""
    if not len(lengths):
        return np.concatenate(segments)[:, 0]
    longest = max(each.shape[1] for each in segments)
    padded = np.concatenate([np.pad(each, ((0, 0), (longest - each.shape[1], 0), (0, 0))) for each in segments])
    packing = Packing.of(lengths)
    start = [np.concatenate(layer)[packing.order] for layer in zip(*starts, strict=True)]
    packed, _ = run_trunk(tensors, packing.pack(padded), packing.sizes, start)
    states = np.empty_like(packed)
    states[packing.order] = packed
    return states


def _empty_segments(member: PretrainedSettings, observed: np.ndarray) -> Int64Array:
    """Return how many segments end before the first observed step: [B], never all of them."""
    length = observed.shape[1]
    first = np.where(observed.any(axis=1), observed.argmax(axis=1), length)
    before = first - (length - member.num_segments * member.segment_length)
    return np.asarray(np.clip(before // member.segment_length, 0, member.num_segments - 1))


def _after_nothing(member: PretrainedSettings, tensors: Tensors) -> list[FloatArray]:
    """Return the states of each layer after 0, 1, 2 ... segments without a value: [T, d] each."""
    fixed = tensors if isinstance(tensors, FixedTensors) else FixedTensors(tensors)
    if fixed.after_nothing is None:
        nothing = np.zeros((1, member.num_segments * member.segment_length))
        reading = read_series(np, nothing, nothing > 0, member)
        segments = linear(reading.inputs[0], tensors["input.weight"], tensors["input.bias"])
        zero = np.zeros_like(segments[:1])
        _, ends = run_trunk(tensors, segments, [1] * len(segments), [zero] * member.num_layers)
        fixed.after_nothing = [np.concatenate([zero, end[:-1]]) for end in ends]
    return fixed.after_nothing


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
