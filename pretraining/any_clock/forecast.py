"""The network `base` in NumPy alone: the equations of `network.py`, forecasting from the last segment.

Axis legend: B batch, N steps, T segments, H horizon, S season slots, K candidates, Q quantiles, d hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pretraining.any_clock.clock import Clock, choose_clock
from pretraining.any_clock.inputs import NUM_SLOTS, Reading, read_past, read_segments
from pretraining.any_clock.leads import (
    LOG_CYCLES,
    NUM_AGAINST,
    NUM_BENDS,
    NUM_CANDIDATES,
    NUM_COURSES,
    NUM_NEWEST,
    NUM_REPEATED,
    LeadReading,
    num_cycles,
    read_leads,
)
from rnnforecast.inference.cells import sigmoid
from rnnforecast.inference.equations import Tensors, linear, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.arrays import Float64Array, FloatArray

NORM_EPSILON = 1e-5
#: Most numbers of leads computed together, so that far horizons of many series stay in memory.
MOST_LEADS = 60_000


@dataclass(frozen=True)
class _Group:
    """Series that are cut alike: rows of the batch, and their pasts [B, N]."""

    rows: list[int]
    clock: Clock
    length: int


def forecast_series(
    tensors: Tensors, pasts: Sequence[np.ndarray], seasons: tuple[float, ...], horizon: int
) -> Float64Array:
    """Forecast each series after its last step: [S, H, Q] float64, original units, ascending along Q.

    `pasts` are arrays [N_s] with NaN where a value is missing, each with at least one value; steps before the first
    value count for nothing.
    """
    trimmed = [past[int(np.argmax(np.isfinite(past))) :] for past in pasts]
    levels = len(tensors["head.width"])
    forecast = np.empty((len(pasts), horizon, levels))
    for group in _groups(trimmed, seasons, horizon):
        values = np.full((len(group.rows), group.length), np.nan)
        for row, number in zip(values, group.rows, strict=True):
            tail = trimmed[number][-group.length :]
            row[group.length - len(tail) :] = tail
        forecast[group.rows] = forecast_batch(tensors, values, np.isfinite(values), group.clock, horizon)
    return forecast


def _groups(pasts: Sequence[np.ndarray], seasons: tuple[float, ...], horizon: int) -> list[_Group]:
    """Return series that can be read in one array, in parts of bounded memory."""
    found: dict[tuple[int, int], list[int]] = {}
    for number, past in enumerate(pasts):
        clock = choose_clock(seasons, len(past))
        found.setdefault((clock.segment_length, clock.num_segments), []).append(number)
    groups = []
    most = max(1, min(512, MOST_LEADS // horizon))
    for (segment_length, num_segments), rows in found.items():
        clock = Clock(seasons, segment_length, num_segments)
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            longest = max(len(pasts[number]) for number in part)
            groups.append(_Group(part, clock, max(clock.read_steps, min(longest, _reach(clock)))))
    return groups


def _reach(clock: Clock) -> int:
    """Return how many steps of the past can matter: the segments, and the cycles that are looked up."""
    cycles = [season * (num_cycles(season, slot) + 1) for slot, season in enumerate(clock.seasons)]
    return max(clock.read_steps, int(max(cycles, default=0)) + 1, NUM_NEWEST)


def forecast_batch(
    tensors: Tensors, past: np.ndarray, observed: np.ndarray, clock: Clock, horizon: int
) -> Float64Array:
    """Forecast after the last step of `past` [B, N], N at least the steps that `clock` reads: [B, H, Q] float64."""
    read = read_past(np, past, observed)
    reading = read_segments(np, read, clock)
    last = np.array([clock.num_segments - 1])
    leads = np.arange(1, horizon + 1)[None, :]
    about = read_leads(np, read, clock, reading, last, leads)
    state = _trunk(tensors, reading)
    outputs = _head(tensors, state, about, leads[0], clock.segment_length)
    median = outputs.shape[-1] // 2
    centre = outputs[..., median : median + 1]
    outputs = centre + tensors["head.width"].astype(np.float64) * (outputs - centre)
    level, scale = reading.level[:, -1, None, None], reading.scale[:, -1, None, None]
    scaled = (level + scale * outputs) * read.spread[:, None, None] + read.centre[:, None, None]
    return np.sort(scaled, axis=-1)


def _trunk(tensors: Tensors, reading: Reading) -> FloatArray:
    """Return the state after the last segment: [B, d]; segments before a series begins leave the state at 0."""
    inputs: FloatArray = reading.inputs
    begun = reading.known[..., None]
    states = linear(inputs, tensors["input.weight"], tensors["input.bias"])
    layer = 0
    while f"layers.{layer}.weight_ih" in tensors:
        prefix = f"layers.{layer}."
        hidden = _scan(tensors, prefix, _norm(tensors, f"{prefix}recurrent_norm", states), begun)
        states = states + hidden
        layer += 1
        if f"layers.{layer}.weight_ih" not in tensors:
            states = states[:, -1:]
        normed = _norm(tensors, f"{prefix}forward_norm", states)
        wide = np.maximum(linear(normed, tensors[f"{prefix}widen.weight"], tensors[f"{prefix}widen.bias"]), 0)
        states = states + linear(wide, tensors[f"{prefix}narrow.weight"], tensors[f"{prefix}narrow.bias"])
    return _norm(tensors, "norm", states[:, -1])


def _scan(tensors: Tensors, prefix: str, inputs: FloatArray, begun: np.ndarray) -> FloatArray:
    """Run one GRU over [B, T, d] from a state of 0 that stands still until the series begins: [B, T, d]."""
    gates = linear(inputs, tensors[f"{prefix}weight_ih"], tensors[f"{prefix}bias_ih"])
    weight, bias = tensors[f"{prefix}weight_hh"], tensors[f"{prefix}bias_hh"]
    width = gates.shape[-1] // 3
    state = np.zeros((len(gates), width), dtype=gates.dtype)
    states = np.empty((*gates.shape[:2], width), dtype=gates.dtype)
    for step in range(gates.shape[1]):
        recurrent = linear(state, weight, bias)
        opened = sigmoid(np, gates[:, step, : 2 * width] + recurrent[:, : 2 * width])
        new = np.tanh(gates[:, step, 2 * width :] + opened[:, :width] * recurrent[:, 2 * width :])
        moved = new + opened[:, width:] * (state - new)
        state = np.where(begun[:, step], moved, state)
        states[:, step] = state
    return states


def _norm(tensors: Tensors, name: str, values: FloatArray) -> FloatArray:
    """Layer normalisation (Ba et al. 2016) over the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normed: FloatArray = centred / np.sqrt(variance + NORM_EPSILON)
    return normed * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def _head(
    tensors: Tensors, state: FloatArray, reading: LeadReading, leads: np.ndarray, segment_length: int
) -> FloatArray:
    """Map states [B, d] to quantiles [B, H, Q] in scales around the level; `leads` [H] are steps."""
    lead = (leads / segment_length).astype(np.float32)
    newest: FloatArray = reading.newest[:, 0]  # [B, 2 + NUM_AGAINST, NUM_NEWEST]
    moves: FloatArray = reading.moves[:, 0]
    both = np.concatenate([state, newest.reshape(len(newest), -1), moves], -1)
    own = tensors["head.own_lead"]
    place = np.minimum(leads, len(own)) - 1
    of_state = linear(both, tensors["head.of_state.weight"], tensors["head.of_state.bias"])
    of_lead = linear(reading.leads[:, 0], tensors["head.of_lead.weight"]) + own[place]
    hidden = np.maximum(of_state[:, None] + of_lead, 0)
    hidden = hidden * (1 + linear(both, tensors["head.stress.weight"], tensors["head.stress.bias"])[:, None])
    hidden = hidden + np.maximum(linear(hidden, tensors["head.inner.weight"], tensors["head.inner.bias"]), 0)
    gate = tensors["head.own_gate"][place] + linear(reading.leads[:, 0], tensors["head.gate_of_lead.weight"])
    hidden = hidden * (1 + gate)
    outputs = linear(hidden, tensors["head.output.weight"], tensors["head.output.bias"])
    count = tensors["head.width"].shape[0]
    course = linear(both, tensors["head.course.weight"], tensors["head.course.bias"])
    pace = course[:, :1] + (course[:, 3:NUM_COURSES] * moves).sum(-1, keepdims=True)
    fading, growth = course[:, 1:2], course[:, 2:3]
    rate = np.logaddexp(0, fading) + 1e-3
    drift = pace * (-np.expm1(-rate * lead)) / rate  # [B, H]
    spread = np.exp(np.log1p(lead) * sigmoid(np, growth))
    ratio: FloatArray = reading.ratio  # [B, 1]
    older = course[:, None, NUM_COURSES:, None] * np.array(LOG_CYCLES, dtype=course.dtype)  # [B, 1, S, K]
    centre = ratio * drift + _mixed(outputs[..., count:], older, reading, newest)
    quantiles: FloatArray = centre[..., None] + (ratio * spread)[..., None] * outputs[..., :count]
    return quantiles


def _mixed(weights: FloatArray, older: FloatArray, reading: LeadReading, newest: FloatArray) -> FloatArray:
    """Return the sum over seasons, and over newest steps, of amplitude times weighted mean: [B, H]."""
    split = NUM_SLOTS * (NUM_CANDIDATES + 1)
    seasons = weights[..., :split].reshape(*weights.shape[:2], NUM_SLOTS, NUM_CANDIDATES + 1)
    shares = softmax(seasons[..., :-1] + older) * reading.known[:, 0]
    mean = (shares * reading.candidates[:, 0]).sum(-1) / (shares.sum(-1) + 1e-6)
    last = weights[..., split:-NUM_BENDS].reshape(*weights.shape[:2], 1 + NUM_AGAINST, NUM_REPEATED + 1)
    steps = newest[:, None, :, -NUM_REPEATED:]
    values = np.concatenate([steps[:, :, :1], steps[:, :, 2:]], 2)
    share = softmax(last[..., :-1]) * steps[:, :, 1:2]
    repeated = (share * values).sum(-1) / (share.sum(-1) + 1e-6)
    shift = last[..., -1] * repeated  # [B, H, 1 + NUM_AGAINST]; values are in scales, differences in units
    total: FloatArray = (seasons[..., -1] * mean).sum(-1) + shift[..., 0] + reading.ratio * shift[..., 1:].sum(-1)
    bent: FloatArray = reading.ratio * (weights[..., -NUM_BENDS:] * reading.bends[:, 0]).sum(-1)
    return total + bent
