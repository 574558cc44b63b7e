"""The recurrent cells: one table of their equations, which both engines compute, on NumPy arrays and torch tensors.

To add a cell, name it in `options.Cell`, write its step here and enter it in `CELLS`. Notation: `x_t` is the input of
step t, `h_t` the hidden state, `c_t` the cell state of the LSTM, `*` the product element by element.

Axis legend: d hidden_size, g gates of a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TypeAlias

import numpy as np

from rnnforecast.arrays import Array
from rnnforecast.frozen import dataclass
from rnnforecast.options import Cell

#: (h,) or, for the LSTM, (h, c); each [..., d].
State: TypeAlias = tuple[Array, ...]
#: One step: numpy or torch, gates of the input W_x x_t + b_x [..., g * d], gates of the state W_h h_{t-1} + b_h
#: [..., g * d] (None for input-gated cells), state before; returns the state after.
Step: TypeAlias = Callable[[ModuleType, Array, Array, State], State]
#: Of an input-gated cell: numpy or torch and the gates of the input; returns the logit of z_t and the candidate.
InputGates: TypeAlias = Callable[[ModuleType, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class CellSpec:
    """One kind of cell: how many gates it has, and its equations.

    `input_gates` is set for cells whose gates see the input alone: they have no recurrent weights. `sigmoid_gates` are
    the gates between 0 and 1, which `diagnose` looks at.
    """

    num_gates: int
    step: Step
    input_gates: InputGates | None = None
    num_states: int = 1
    sigmoid_gates: tuple[int, ...] = ()

    @property
    def is_input_gated(self) -> bool:
        """Whether the gates see the input alone."""
        return self.input_gates is not None

    def initial_state(self, hidden: Array) -> State:
        """Return the state that starts from `hidden` [..., d]; the memory of an LSTM starts from it as well."""
        return (hidden,) * self.num_states


def rnn_step(xp: ModuleType, gates: Array, recurrent: Array, _: State) -> State:
    """Vanilla RNN (Elman 1990): h_t = tanh(W_x x_t + W_h h_{t-1} + b)."""
    return (xp.tanh(gates + recurrent),)


def rnn_relu_step(xp: ModuleType, gates: Array, recurrent: Array, _: State) -> State:
    """Vanilla RNN with rectifier: h_t = max(0, W_x x_t + W_h h_{t-1} + b)."""
    total = gates + recurrent
    return (np.maximum(total, 0) if xp is np else xp.relu(total),)


def lstm_step(xp: ModuleType, gates: Array, recurrent: Array, state: State) -> State:
    """LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i_t, f_t, o_t = sigmoid(W_x x_t + W_h h_{t-1} + b); g_t = tanh(the same with separate weights);
    c_t = f_t * c_{t-1} + i_t * g_t; h_t = o_t * tanh(c_t). Gates in the order i, f, g, o.
    """
    write, forget, candidate, read = _split(xp, gates + recurrent, 4)
    memory = sigmoid(xp, forget) * state[1] + sigmoid(xp, write) * xp.tanh(candidate)
    return sigmoid(xp, read) * xp.tanh(memory), memory


def gru_step(xp: ModuleType, gates: Array, recurrent: Array, state: State) -> State:
    """GRU (Cho et al. 2014, reset applied after the product).

    r_t, z_t = sigmoid(W_x x_t + W_h h_{t-1} + b); n_t = tanh(W_xn x_t + b_xn + r_t * (W_hn h_{t-1} + b_hn));
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}. Gates in the order r, z, n.
    """
    (hidden,) = state
    two = 2 * hidden.shape[-1]
    reset, keep = _split(xp, sigmoid(xp, gates[..., :two] + recurrent[..., :two]), 2)
    candidate = xp.tanh(_add_product(xp, gates[..., two:], reset, recurrent[..., two:]))
    return (candidate + keep * (hidden - candidate),)


def mingru_gates(xp: ModuleType, gates: Array) -> tuple[Array, Array]:
    """minGRU (Feng et al. 2024): z_t = sigmoid(W_z x_t + b_z); h_t = (1 - z_t) * h_{t-1} + z_t * (W_h x_t + b_h)."""
    take, candidate = _split(xp, gates, 2)
    return take, candidate


def minlstm_gates(xp: ModuleType, gates: Array) -> tuple[Array, Array]:
    """minLSTM (Feng et al. 2024), gates normalised to sum to 1.

    f_t = sigmoid(W_f x_t + b_f); i_t = sigmoid(W_i x_t + b_i); z_t = i_t / (f_t + i_t);
    h_t = (1 - z_t) * h_{t-1} + z_t * (W_h x_t + b_h). Gates in the order f, i, h.
    The logit of z_t is log i_t - log f_t, so that two closed gates are not 0 / 0.
    """
    forget, write, candidate = _split(xp, gates, 3)
    return log_sigmoid(xp, write) - log_sigmoid(xp, forget), candidate


def _input_gated_step(input_gates: InputGates, xp: ModuleType, gates: Array, _: Array, state: State) -> State:
    """h_t = (1 - z_t) * h_{t-1} + z_t * candidate."""
    take, candidate = input_gates(xp, gates)
    return (state[0] + sigmoid(xp, take) * (candidate - state[0]),)


def _input_gated(num_gates: int, input_gates: InputGates) -> CellSpec:
    return CellSpec(num_gates, partial(_input_gated_step, input_gates), input_gates)


CELLS: dict[Cell, CellSpec] = {
    "rnn": CellSpec(1, rnn_step),
    "rnn-relu": CellSpec(1, rnn_relu_step),
    "lstm": CellSpec(4, lstm_step, num_states=2, sigmoid_gates=(0, 1, 3)),
    "gru": CellSpec(3, gru_step, sigmoid_gates=(0, 1)),
    "mingru": _input_gated(2, mingru_gates),
    "minlstm": _input_gated(3, minlstm_gates),
}


def sigmoid(xp: ModuleType, x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); in NumPy as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5 if xp is np else xp.sigmoid(x)


def log_sigmoid(xp: ModuleType, x: Array) -> Array:
    """Return log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))) if xp is np else xp.nn.functional.logsigmoid(x)


def _split(xp: ModuleType, array: Array, count: int) -> tuple[Array, ...]:
    """Cut the last axis into `count` equal parts."""
    if xp is not np:
        return tuple(xp.chunk(array, count, -1))
    width = array.shape[-1] // count  # views: `np.split` takes longer than the product of a small step
    return tuple(array[..., place * width : (place + 1) * width] for place in range(count))


def _add_product(xp: ModuleType, offset: Array, left: Array, right: Array) -> Array:
    """Return offset + left * right."""
    return offset + left * right if xp is np else xp.addcmul(offset, left, right)
