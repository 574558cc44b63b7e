"""The equations of every cell, of attention and of linear layers, as the textbooks write them.

`x_t` is the input of step t, `h_t` the hidden state, `c_t` the cell state of the LSTM, `*` element by element.
The part of every gate that sees the input alone, W_x x_t + b, is computed for all steps in one product.

Axis legend: B batch, T steps, d hidden_size, g gates of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rnnforecast.arrays import FloatArray
from rnnforecast.config import Cell

Tensors = Mapping[str, np.ndarray]
#: (h,) or, for the LSTM, (h, c); each [..., d].
State = tuple[FloatArray, ...]


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
        return cls(
            weight_ih=tensors[f"{prefix}weight_ih{suffix}"],
            bias_ih=tensors[f"{prefix}bias_ih{suffix}"],
            weight_hh=tensors.get(f"{prefix}weight_hh{suffix}"),
            bias_hh=tensors.get(f"{prefix}bias_hh{suffix}"),
        )

    def input_gates(self, inputs: FloatArray) -> FloatArray:
        """Return W_x x + b_x: [..., d] to [..., g * d]."""
        return linear(inputs, self.weight_ih, self.bias_ih)

    def recurrent_gates(self, hidden: FloatArray) -> FloatArray:
        """Return W_h h + b_h: [..., d] to [..., g * d]."""
        if self.weight_hh is None:
            raise ValueError("the gates of this cell do not see its state")
        return linear(hidden, self.weight_hh, self.bias_hh)


def linear(inputs: FloatArray, weight: FloatArray, bias: FloatArray | None = None) -> FloatArray:
    """Return W x + b over the last axis, as one matrix product for all other axes together."""
    flat: FloatArray = inputs.reshape(-1, inputs.shape[-1]) @ weight.T
    if bias is not None:
        flat += bias
    return flat.reshape(*inputs.shape[:-1], weight.shape[0])


def sigmoid(x: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-x)), written so that it cannot overflow: (1 + tanh(x / 2)) / 2."""
    result: FloatArray = 0.5 * np.tanh(0.5 * x) + 0.5
    return result


def log_sigmoid(x: FloatArray) -> FloatArray:
    """Return log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))."""
    result: FloatArray = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
    return result


def softmax(scores: FloatArray) -> FloatArray:
    """Return exp(x) / sum(exp(x)) over the last axis, shifted so that it cannot overflow."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return weights


def rnn_step(gates: FloatArray, state: State, weights: CellWeights) -> State:
    """Vanilla RNN (Elman 1990): h_t = tanh(W_x x_t + W_h h_{t-1} + b)."""
    (hidden,) = state
    return (np.tanh(gates + weights.recurrent_gates(hidden)),)


def rnn_relu_step(gates: FloatArray, state: State, weights: CellWeights) -> State:
    """Vanilla RNN with rectifier: h_t = max(0, W_x x_t + W_h h_{t-1} + b)."""
    (hidden,) = state
    return (np.maximum(gates + weights.recurrent_gates(hidden), 0),)


def lstm_step(gates: FloatArray, state: State, weights: CellWeights) -> State:
    """LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i_t, f_t, o_t = sigmoid(W_x x_t + W_h h_{t-1} + b); g_t = tanh(the same with weights of its own);
    c_t = f_t * c_{t-1} + i_t * g_t; h_t = o_t * tanh(c_t). Gates lie in the order i, f, g, o.
    """
    hidden, memory = state
    write, forget, candidate, read = np.split(gates + weights.recurrent_gates(hidden), 4, axis=-1)
    memory = sigmoid(forget) * memory + sigmoid(write) * np.tanh(candidate)
    return sigmoid(read) * np.tanh(memory), memory


def gru_step(gates: FloatArray, state: State, weights: CellWeights) -> State:
    """GRU (Cho et al. 2014, reset applied after the product).

    r_t, z_t = sigmoid(W_x x_t + W_h h_{t-1} + b); n_t = tanh(W_xn x_t + b_xn + r_t * (W_hn h_{t-1} + b_hn));
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}. Gates lie in the order r, z, n.
    """
    (hidden,) = state
    width = hidden.shape[-1]
    recurrent = weights.recurrent_gates(hidden)
    both = sigmoid(gates[..., : 2 * width] + recurrent[..., : 2 * width])
    reset, keep = both[..., :width], both[..., width:]
    candidate = np.tanh(gates[..., 2 * width :] + reset * recurrent[..., 2 * width :])
    return (candidate + keep * (hidden - candidate),)


def mingru_step(gates: FloatArray, state: State, weights: CellWeights) -> State:  # noqa: ARG001
    """Return minGRU (Feng et al. 2024): z_t = sigmoid(W_z x_t + b); h_t = (1 - z_t) * h_{t-1} + z_t * (W_h x_t + b)."""
    (hidden,) = state
    take, candidate = np.split(gates, 2, axis=-1)
    return (hidden + sigmoid(take) * (candidate - hidden),)


def minlstm_step(gates: FloatArray, state: State, weights: CellWeights) -> State:  # noqa: ARG001
    """minLSTM (Feng et al. 2024), gates normalised to sum to 1.

    f_t = sigmoid(W_f x_t + b); i_t = sigmoid(W_i x_t + b);
    h_t = f_t / (f_t + i_t) * h_{t-1} + i_t / (f_t + i_t) * (W_h x_t + b). Gates lie in the order f, i, h.
    The share i / (f + i) is computed as sigmoid(log i - log f), so that two closed gates are not 0 / 0.
    """
    (hidden,) = state
    forget, write, candidate = np.split(gates, 3, axis=-1)
    share = sigmoid(log_sigmoid(write) - log_sigmoid(forget))
    return (hidden + share * (candidate - hidden),)


Step = Callable[[FloatArray, State, CellWeights], State]
STEPS: Mapping[Cell, Step] = {
    "rnn": rnn_step,
    "rnn-relu": rnn_relu_step,
    "lstm": lstm_step,
    "gru": gru_step,
    "mingru": mingru_step,
    "minlstm": minlstm_step,
}


def initial_state(cell: Cell, hidden: FloatArray) -> State:
    """Return the state of a cell that starts from `hidden`; the memory of an LSTM starts from it as well."""
    return (hidden, hidden) if cell == "lstm" else (hidden,)


def scan(cell: Cell, weights: CellWeights, inputs: FloatArray, *, start: FloatArray | None = None) -> FloatArray:
    """Run a cell over a sequence: [B, T, d] to hidden states [B, T, d], from `start` [1 or B, d] or zero."""
    step = STEPS[cell]
    gates = weights.input_gates(inputs)  # [B, T, g * d]
    zero = np.zeros_like(inputs[:, 0])
    state = initial_state(cell, zero if start is None else zero + start)
    outputs = np.empty_like(inputs)
    for time in range(inputs.shape[1]):
        state = step(gates[:, time], state, weights)
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
