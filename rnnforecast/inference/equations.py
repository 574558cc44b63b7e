"""Linear layers, recurrences over a sequence and attention in NumPy; the equations of the cells are in `cells`.

The part of every gate that sees the input alone, W_x x_t + b_x, is computed for all steps in one product.

Axis legend: B batch, T steps, d hidden_size, g gates of a cell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnforecast.arrays import FloatArray
from rnnforecast.frozen import dataclass
from rnnforecast.inference.cells import CELLS, State
from rnnforecast.options import Cell

Tensors = Mapping[str, np.ndarray]

#: Up to so many multiplications OpenBLAS has a faster way; products of a few times as many are cut to that size.
SMALL_PRODUCT, MOST_PIECES = 1_000_000, 4


@dataclass(frozen=True)
class CellWeights:
    """The weights of one cell; cells whose gates see the input alone have no recurrent ones."""

    weight_ih: FloatArray  # [g * d, d]
    bias_ih: FloatArray  # [g * d]
    weight_hh: FloatArray | None  # [g * d, d]
    bias_hh: FloatArray | None  # [g * d]

    @classmethod
    def read(cls, tensors: Tensors, prefix: str, suffix: str = "") -> CellWeights:
        """Take the weights of the cell at `prefix` out of a network's tensors."""
        recurrent = tensors.get(f"{prefix}weight_hh{suffix}")
        return cls(
            weight_ih=tensors[f"{prefix}weight_ih{suffix}"],
            bias_ih=tensors[f"{prefix}bias_ih{suffix}"],
            # multiplied once a step: laid out for it here, or every product of a small batch would do that again
            weight_hh=None if recurrent is None else np.asfortranarray(recurrent),
            bias_hh=tensors.get(f"{prefix}bias_hh{suffix}"),
        )

    def input_gates(self, inputs: FloatArray) -> FloatArray:
        """Return W_x x + b_x: [..., d] to [..., g * d]."""
        return linear(inputs, self.weight_ih, self.bias_ih)

    def recurrent_gates(self, hidden: FloatArray) -> FloatArray | None:
        """Return W_h h + b_h: [..., d] to [..., g * d]; None for cells whose gates see the input alone."""
        if self.weight_hh is None:
            return None
        rows, most = len(hidden), SMALL_PRODUCT // self.weight_hh.size
        if hidden.ndim != 2 or not most < rows <= MOST_PIECES * most:
            return linear(hidden, self.weight_hh, self.bias_hh)
        gates = np.empty((rows, len(self.weight_hh)), dtype=hidden.dtype)
        size = -(-rows // -(-rows // most))
        for start in range(0, rows, size):
            np.matmul(hidden[start : start + size], self.weight_hh.T, out=gates[start : start + size])
        if self.bias_hh is not None:
            gates += self.bias_hh
        return gates


def linear(inputs: FloatArray, weight: FloatArray, bias: FloatArray | None = None) -> FloatArray:
    """Return W x + b over the last axis, as one matrix product for all other axes together."""
    flat: FloatArray = inputs.reshape(-1, inputs.shape[-1]) @ weight.T
    if bias is not None:
        flat += bias
    return flat.reshape(*inputs.shape[:-1], weight.shape[0])


def softmax(scores: FloatArray) -> FloatArray:
    """Return exp(x) / sum(exp(x)) over the last axis, shifted so that it cannot overflow."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return weights


def step(cell: Cell, weights: CellWeights, gates: FloatArray, state: State) -> State:
    """Return the state after one step; `gates` [..., g * d] are `weights.input_gates` of its input."""
    return CELLS[cell].step(np, gates, weights.recurrent_gates(state[0]), state)


def scan(cell: Cell, weights: CellWeights, inputs: FloatArray, *, start: FloatArray | None = None) -> FloatArray:
    """Run a cell over a sequence: [B, T, d] to hidden states [B, T, d], from `start` [1 or B, d] or zero."""
    gates = weights.input_gates(inputs)  # [B, T, g * d]
    zero = np.zeros_like(inputs[:, 0])
    state = CELLS[cell].initial_state(zero if start is None else zero + start)
    outputs = np.empty_like(inputs)
    for time in range(inputs.shape[1]):
        state = step(cell, weights, gates[:, time], state)
        outputs[:, time] = state[0]
    return outputs


def attend(scores: FloatArray, seen: np.ndarray, states: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the context sum_j a_j h_j [B, d] and the weights a = softmax(scores) [B, T].

    Segments without any observation (`seen` [B, T] false) get no weight, unless no segment has one.
    """
    weights = softmax(np.where(seen, scores, np.asarray(-1e9, dtype=scores.dtype)))
    context = np.matmul(weights[:, None, :], states)[:, 0]
    return context, weights


def additive_scores(query: FloatArray, keys: FloatArray, energy: FloatArray) -> FloatArray:
    """Score by Bahdanau et al. 2015, e_j = v . tanh(W_s s + W_h h_j): query W_s s [B, d], keys W_h h [B, T, d]."""
    return linear(np.tanh(query[:, None, :] + keys), energy)[..., 0]


def dot_scores(state: FloatArray, states: FloatArray) -> FloatArray:
    """Score by Luong et al. 2015, e_j = s . h_j: state [B, d], states [B, T, d]."""
    scores: FloatArray = np.matmul(states, state[:, :, None])[..., 0]
    return scores
