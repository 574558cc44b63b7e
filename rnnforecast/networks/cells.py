"""Recurrent cells: over a whole window (`make_recurrence`, `run_layer`) and one step at a time (`StepCell`).

Vanilla RNN, LSTM and GRU over a window are torch's own modules; on a CPU `run_layer` runs them its own way. minGRU and
minLSTM (Feng et al. 2024, arXiv:2410.01201) have gates that see the input alone, so one product serves all steps and
only h_t = a_t * h_{t-1} + b_t is left in the loop.

Axis legend: B batch, T steps, d hidden_size, g gates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.inference.shapes import INPUT_GATED_CELLS, NUM_GATES
from rnnforecast.networks.gru_scan import scan_gru

if TYPE_CHECKING:
    from rnnforecast.config import Cell

#: (h,) or, for the LSTM, (h, c); each [..., d].
State = tuple[Tensor, ...]


class LinearRecurrence(torch.autograd.Function):
    """h_t = a_t * h_{t-1} + b_t from h_0 = 0, time first: [T, B, d], with the gradient written out.

    With g_t the gradient that reaches h_t: g_t = out_t + a_{t+1} * g_{t+1}, grad b_t = g_t, grad a_t = g_t * h_{t-1}.
    A plain loop: on a CPU it beats the parallel scans by far, as the steps are light.
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor) -> Tensor:
        """Run the recurrence."""
        hidden = torch.empty_like(drive)
        hidden[0] = drive[0]
        for time in range(1, len(drive)):
            torch.addcmul(drive[time], decay[time], hidden[time - 1], out=hidden[time])
        ctx.save_for_backward(decay, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run it backwards."""
        decay, hidden = ctx.saved_tensors
        grad_drive = grad_outputs[0].clone()
        for time in range(len(hidden) - 2, -1, -1):
            grad_drive[time].addcmul_(decay[time + 1], grad_drive[time + 1])
        grad_decay = torch.zeros_like(decay)
        torch.mul(grad_drive[1:], hidden[:-1], out=grad_decay[1:])
        return grad_decay, grad_drive


class InputGatedRecurrence(nn.Module):
    """minGRU or minLSTM over a sequence; the equations stand beside `inference.equations.mingru_step`."""

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        super().__init__()
        self.cell = cell
        gates = NUM_GATES[cell] * hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = nn.Parameter(torch.empty(gates, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(gates).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, reader: nn.Linear | None = None) -> tuple[Tensor, Tensor]:
        """Map [B, T, d] to hidden states [B, T, d] and the last of them [B, d]; `reader` as in `run_layer`."""
        weight, bias = _input_weights(self, reader)
        gates = functional.linear(inputs.transpose(0, 1), weight, bias)  # [T, B, g * d]
        decay, candidate = _input_gates(self.cell, gates)
        # the loop wants each step contiguous
        hidden = LinearRecurrence.apply(decay.contiguous(), (1 - decay) * candidate)  # type: ignore[no-untyped-call]
        return hidden.transpose(0, 1), hidden[-1]


def _input_gates(cell: Cell, gates: Tensor) -> tuple[Tensor, Tensor]:
    """Return what is kept of the state, a_t, and the candidate that fills the rest."""
    if cell == "mingru":
        take, candidate = gates.chunk(2, dim=-1)
        return torch.sigmoid(-take), candidate
    forget, write, candidate = gates.chunk(3, dim=-1)
    # f / (f + i) by logarithms: two closed gates would be 0 / 0
    return torch.sigmoid(functional.logsigmoid(forget) - functional.logsigmoid(write)), candidate


def make_recurrence(cell: Cell, hidden_size: int) -> nn.Module:
    """Return one layer that maps [B, T, d] to (hidden states [B, T, d], last state)."""
    if cell in INPUT_GATED_CELLS:
        return InputGatedRecurrence(cell, hidden_size)
    if cell == "lstm":
        return nn.LSTM(hidden_size, hidden_size, batch_first=True)
    if cell == "gru":
        return nn.GRU(hidden_size, hidden_size, batch_first=True)
    return nn.RNN(hidden_size, hidden_size, batch_first=True, nonlinearity="relu" if cell == "rnn-relu" else "tanh")


def run_layer(layer: nn.Module, inputs: Tensor, reader: nn.Linear | None = None) -> tuple[Tensor, Tensor]:
    """Run what `make_recurrence` made over [B, T, d]: hidden states [B, T, d] and the last of them [B, d].

    With a `reader`, inputs are [B, T, k] and the layer sees reader(inputs). Two linear maps in a row are one: where
    k is the smaller, the product with all windows shrinks from d to k columns.
    """
    if reader is not None and reader.in_features >= reader.out_features:
        inputs, reader = reader(inputs), None
    if isinstance(layer, InputGatedRecurrence):
        folded: tuple[Tensor, Tensor] = layer(inputs, reader)
        return folded
    if not isinstance(layer, nn.RNNBase):
        raise TypeError(f"no recurrent layer: {type(layer).__name__}")
    if inputs.device.type != "cpu":
        # kernels of a GPU want the weights as the module laid them out
        states = layer(inputs if reader is None else reader(inputs))[0]
        return states, states[:, -1]
    weight, bias = _input_weights(layer, reader)
    weight_hh, bias_hh = layer.get_parameter("weight_hh_l0"), layer.get_parameter("bias_hh_l0")
    if isinstance(layer, nn.GRU):
        return scan_gru(inputs, weight_ih=weight, weight_hh=weight_hh, bias_ih=bias, bias_hh=bias_hh)
    weights = [weight, weight_hh, bias, bias_hh]
    start = inputs.new_zeros(1, len(inputs), layer.hidden_size)
    # biases, one layer, no dropout, training, one direction, batch first
    how = (True, 1, 0.0, layer.training, False, True)
    if isinstance(layer, nn.LSTM):
        states, last, _ = torch.lstm(inputs, (start, start), weights, *how)
    else:
        run = torch.rnn_relu if layer.nonlinearity == "relu" else torch.rnn_tanh
        states, last = run(inputs, start, weights, *how)
    return states, last[0]


def _input_weights(layer: nn.Module, reader: nn.Linear | None) -> tuple[Tensor, Tensor]:
    """Return the weights and bias a layer reads inputs by, those of the reader before it included."""
    weight, bias = layer.get_parameter("weight_ih_l0"), layer.get_parameter("bias_ih_l0")
    if reader is None:
        return weight, bias
    return weight @ reader.weight, torch.addmv(bias, weight, reader.bias)


class StepCell(nn.Module):
    """One step of a cell on inputs and states whose leading axes broadcast.

    Where many inputs start from one state (or many states meet one input), each product is computed once.
    """

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        super().__init__()
        self.cell = cell
        gates = NUM_GATES[cell] * hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(gates, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(gates).uniform_(-bound, bound))
        if cell not in INPUT_GATED_CELLS:
            self.weight_hh = nn.Parameter(torch.empty(gates, hidden_size).uniform_(-bound, bound))
            self.bias_hh = nn.Parameter(torch.empty(gates).uniform_(-bound, bound))

    def initial_state(self, hidden: Tensor) -> State:
        """Return the state that starts from `hidden`; the memory of an LSTM starts from it as well."""
        return (hidden, hidden) if self.cell == "lstm" else (hidden,)

    def forward(self, inputs: Tensor, state: State) -> State:
        """Map inputs [..., d] and a state to the next state [..., d]."""
        gates = functional.linear(inputs, self.weight_ih, self.bias_ih)
        hidden = state[0]
        if self.cell in INPUT_GATED_CELLS:
            decay, candidate = _input_gates(self.cell, gates)
            return (candidate + decay * (hidden - candidate),)
        recurrent = functional.linear(hidden, self.weight_hh, self.bias_hh)
        if self.cell == "lstm":
            write, forget, new, read = (gates + recurrent).chunk(4, dim=-1)
            memory = torch.sigmoid(forget) * state[1] + torch.sigmoid(write) * torch.tanh(new)
            return torch.sigmoid(read) * torch.tanh(memory), memory
        if self.cell == "gru":
            width = hidden.shape[-1]
            both = torch.sigmoid(gates[..., : 2 * width] + recurrent[..., : 2 * width])
            reset, keep = both.chunk(2, dim=-1)
            new = torch.tanh(torch.addcmul(gates[..., 2 * width :], reset, recurrent[..., 2 * width :]))
            return (new + keep * (hidden - new),)
        total = gates + recurrent
        return (torch.relu(total) if self.cell == "rnn-relu" else torch.tanh(total),)
