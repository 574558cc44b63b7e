"""Recurrent cells in torch: over a whole window (`Recurrence`) and one step at a time (`StepCell`).

Both compute the equations in `inference.cells.CELLS`. `FAST_RUNS` holds faster ways to run some cells over a window;
the others are unrolled step by step.

Axis legend: B batch, T steps, k input_size, d hidden_size, g gates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.inference.cells import CELLS, CellSpec, State
from rnnforecast.networks.gru_scan import scan_gru
from rnnforecast.options import Cell


class CellWeights(NamedTuple):
    """The weights that run one layer; cells whose gates see the input alone have no recurrent ones."""

    weight_ih: Tensor  # [g * d, k]
    bias_ih: Tensor  # [g * d]
    weight_hh: Tensor | None  # [g * d, d]
    bias_hh: Tensor | None  # [g * d]

    def input_gates(self, inputs: Tensor) -> Tensor:
        """Return W_x x + b_x: [..., k] to [..., g * d]."""
        return functional.linear(inputs, self.weight_ih, self.bias_ih)

    def step(self, spec: CellSpec, gates: Tensor, state: State) -> State:
        """Return the state after one step; `gates` [..., g * d] are the `input_gates` of its input."""
        recurrent = None if self.weight_hh is None else functional.linear(state[0], self.weight_hh, self.bias_hh)
        return spec.step(torch, gates, recurrent, state)


def run_steps(spec: CellSpec, inputs: Tensor, weights: CellWeights) -> tuple[Tensor, Tensor]:
    """Run any cell over inputs [B, T, k], step by step: hidden states [B, T, d] and the last of them [B, d]."""
    gates = weights.input_gates(inputs)
    state = spec.initial_state(gates.new_zeros(len(gates), gates.shape[-1] // spec.num_gates))
    hidden = []
    for gate in gates.unbind(1):
        state = weights.step(spec, gate, state)
        hidden.append(state[0])
    return torch.stack(hidden, dim=1), state[0]


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


def run_input_gated(spec: CellSpec, inputs: Tensor, weights: CellWeights) -> tuple[Tensor, Tensor]:
    """Run a cell whose gates see the input alone: one product for all steps, then a linear recurrence."""
    if spec.input_gates is None:
        raise ValueError("the gates of this cell see its state")
    take, candidate = spec.input_gates(torch, weights.input_gates(inputs.transpose(0, 1)))  # [T, B, d]
    decay = torch.sigmoid(-take)
    # the loop wants each step contiguous
    hidden = LinearRecurrence.apply(decay.contiguous(), (1 - decay) * candidate)  # type: ignore[no-untyped-call]
    return hidden.transpose(0, 1), hidden[-1]


def _run_by_torch(
    function: Callable[..., tuple[Tensor, ...]], spec: CellSpec, inputs: Tensor, weights: CellWeights
) -> tuple[Tensor, Tensor]:
    """Run one of torch's functions, such as `torch.lstm`."""
    start = spec.initial_state(inputs.new_zeros(1, len(inputs), weights.weight_ih.shape[0] // spec.num_gates))
    tensors = [weights.weight_ih, weights.weight_hh, weights.bias_ih, weights.bias_hh]
    # biases, one layer, no dropout, training, one direction, batch first
    how = (True, 1, 0.0, torch.is_grad_enabled(), False, True)
    with warnings.catch_warnings() if inputs.is_cuda else nullcontext():
        if inputs.is_cuda:
            # cuDNN copies the weights into one block at each call, which takes a few microseconds
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        hidden, last, *_ = function(inputs, start if len(start) > 1 else start[0], tensors, *how)
    return hidden, last[0]


def _run_gru(spec: CellSpec, inputs: Tensor, weights: CellWeights) -> tuple[Tensor, Tensor]:
    """Run a GRU by our own kernel on a CPU, by torch's elsewhere."""
    if inputs.device.type != "cpu":
        return _run_by_torch(torch.gru, spec, inputs, weights)
    return scan_gru(inputs, **weights._asdict())


Run: TypeAlias = Callable[[CellSpec, Tensor, CellWeights], tuple[Tensor, Tensor]]
#: Faster ways than `run_steps` and `run_input_gated` to run a cell over a window; the same results but for rounding.
FAST_RUNS: dict[Cell, Run] = {
    "rnn": partial(_run_by_torch, torch.rnn_tanh),
    "rnn-relu": partial(_run_by_torch, torch.rnn_relu),
    "lstm": partial(_run_by_torch, torch.lstm),
    "gru": _run_gru,
}


class Recurrence(nn.Module):
    """One recurrent layer over a window; weights have the names and the first values that torch's own layers give."""

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        super().__init__()
        self.spec = CELLS[cell]
        self.run = FAST_RUNS.get(cell) or (run_input_gated if self.spec.is_input_gated else run_steps)
        gates, has_recurrent = self.spec.num_gates * hidden_size, not self.spec.is_input_gated
        self.weight_ih_l0 = _draw(hidden_size, gates, hidden_size)
        self.weight_hh_l0 = _draw(hidden_size, gates, hidden_size) if has_recurrent else None
        self.bias_ih_l0 = _draw(hidden_size, gates)
        self.bias_hh_l0 = _draw(hidden_size, gates) if has_recurrent else None

    def forward(self, inputs: Tensor, reader: nn.Linear | None = None) -> tuple[Tensor, Tensor]:
        """Map [B, T, d] to hidden states [B, T, d] and the last of them [B, d].

        With a `reader`, inputs are [B, T, k] and the layer sees reader(inputs). Two linear maps in a row are one:
        where k is smaller than d, the product with all windows shrinks from d to k columns.
        """
        weight: Tensor = self.weight_ih_l0
        bias: Tensor = self.bias_ih_l0
        if reader is not None and reader.in_features >= reader.out_features:
            inputs = reader(inputs)
        elif reader is not None:
            weight, bias = weight @ reader.weight, torch.addmv(bias, weight, reader.bias)
        return self.run(self.spec, inputs, CellWeights(weight, bias, self.weight_hh_l0, self.bias_hh_l0))


class StepCell(nn.Module):
    """One step of a cell on inputs and states whose leading axes broadcast.

    Where many inputs start from one state (or many states meet one input), each product is computed once.
    """

    def __init__(self, cell: Cell, hidden_size: int) -> None:
        super().__init__()
        self.spec = CELLS[cell]
        gates, has_recurrent = self.spec.num_gates * hidden_size, not self.spec.is_input_gated
        self.weight_ih = _draw(hidden_size, gates, hidden_size)
        self.bias_ih = _draw(hidden_size, gates)
        self.weight_hh = _draw(hidden_size, gates, hidden_size) if has_recurrent else None
        self.bias_hh = _draw(hidden_size, gates) if has_recurrent else None

    def initial_state(self, hidden: Tensor) -> State:
        """Return the state that starts from `hidden` [..., d]."""
        return self.spec.initial_state(hidden)

    def forward(self, inputs: Tensor, state: State) -> State:
        """Map inputs [..., d] and a state to the next state [..., d]."""
        weights = CellWeights(self.weight_ih, self.bias_ih, self.weight_hh, self.bias_hh)
        return weights.step(self.spec, weights.input_gates(inputs), state)


def _draw(hidden_size: int, *shape: int) -> nn.Parameter:
    """Return weights drawn uniformly between -1 / sqrt(d) and 1 / sqrt(d)."""
    bound = 1 / math.sqrt(hidden_size)
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
