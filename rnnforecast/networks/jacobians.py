"""How far back a recurrent layer remembers: d s_t / d s_(t-k), the product of the Jacobians of its steps.

Back-propagation through time multiplies a gradient by the Jacobian of each step that it passes. Where the product shrinks
with k, gradients vanish, and the weights cannot be fitted to what lies further back; where it grows, they explode
(Bengio et al. 1994; Pascanu et al. 2013). The state s is h, for the LSTM h and c together. Jacobians are written out here
from the equations of `inference.cells`; tests compare them with automatic differentiation, which gives those of a cell
that is not written out.

Axis legend: B batch, T steps, d hidden_size, n size of the state (2 d for the LSTM), g gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from rnnforecast.frozen import dataclass
from rnnforecast.inference.cells import CELLS, State
from rnnforecast.networks.cells import CellWeights
from rnnforecast.options import Cell

#: An activation of a gate beyond these counts as saturated, as does a hidden unit whose size is above the other limit.
CLOSED_GATE, OPEN_GATE, FULL_UNIT = 0.05, 0.95, 0.95
#: Gates of the input, gates of the state, weights of the state, state before: each [B, ...]; returns d s' / d s [B, n, n].
StepJacobian: TypeAlias = Callable[[Tensor, Tensor, Tensor, State], Tensor]


@dataclass(frozen=True)
class LayerMemory:
    """What was found over a batch of windows; `norms` [B, T] are the spectral norms of d s_T / d s_(T-k), k = 1 ... T."""

    norms: Tensor
    saturated_gates: float | None  # fraction of gate activations; None for a cell without gates
    saturated_units: float


def measure_memory(cell: Cell, inputs: Tensor, weights: CellWeights) -> LayerMemory:
    """Run one layer over inputs [B, T, k] and multiply the Jacobians of its steps, from the last one back."""
    spec = CELLS[cell]
    gates = weights.input_gates(inputs)
    state = spec.initial_state(gates.new_zeros(len(gates), gates.shape[-1] // spec.num_gates))
    jacobians, activations, hidden = [], [], []
    for gate in gates.unbind(1):
        recurrent = _recurrent(weights, state)
        jacobians.append(step_jacobian(cell, gate, recurrent, weights, state))
        opened = gate_activations(cell, gate, recurrent)
        if opened is not None:
            activations.append(opened)
        state = weights.step(spec, gate, state)
        hidden.append(state[0])
    product, norms = jacobians[-1], []
    for jacobian in reversed(jacobians[:-1]):
        norms.append(torch.linalg.matrix_norm(product, ord=2))
        product = product @ jacobian
    norms.append(torch.linalg.matrix_norm(product, ord=2))
    units = torch.stack(hidden)
    opened_all = torch.stack(activations) if activations else None
    return LayerMemory(
        norms=torch.stack(norms, dim=1),
        saturated_gates=None
        if opened_all is None
        else float(((opened_all < CLOSED_GATE) | (opened_all > OPEN_GATE)).double().mean()),
        saturated_units=float((units.abs() > FULL_UNIT).double().mean()),
    )


def step_jacobian(cell: Cell, gates: Tensor, recurrent: Tensor, weights: CellWeights, state: State) -> Tensor:
    """Return d s_t / d s_(t-1) of one step: [B, n, n]."""
    if weights.weight_hh is None:  # h_t = (1 - z_t) * h_(t-1) + z_t * candidate_t, and z_t sees the input alone
        input_gates = CELLS[cell].input_gates
        if input_gates is None:
            raise ValueError(f"`{cell}` has no recurrent weights")
        decay: Tensor = torch.diag_embed(torch.sigmoid(-input_gates(torch, gates)[0]))
        return decay
    written = _JACOBIANS.get(cell)
    if written is None:
        return differentiated_jacobian(cell, gates, weights, state)
    return written(gates, recurrent, weights.weight_hh, state)


def differentiated_jacobian(cell: Cell, gates: Tensor, weights: CellWeights, state: State) -> Tensor:
    """Return d s_t / d s_(t-1) of one step [B, n, n] by automatic differentiation, for any cell."""
    spec = CELLS[cell]

    def after(gate: Tensor, flat: Tensor) -> Tensor:
        return torch.cat(weights.step(spec, gate, flat.chunk(spec.num_states, -1)), dim=-1)

    found: Tensor = torch.func.vmap(torch.func.jacrev(after, argnums=1))(gates, torch.cat(state, dim=-1))
    return found


def gate_activations(cell: Cell, gates: Tensor, recurrent: Tensor) -> Tensor | None:
    """Return the activations of the gates of one step between 0 and 1: [B, gates * d]; None for a cell without."""
    spec = CELLS[cell]
    if spec.input_gates is not None:
        taken: Tensor = torch.sigmoid(spec.input_gates(torch, gates)[0])
        return taken
    if not spec.sigmoid_gates:
        return None
    total = torch.chunk(gates + recurrent, spec.num_gates, -1)
    return torch.sigmoid(torch.cat([total[gate] for gate in spec.sigmoid_gates], dim=-1))


def _recurrent(weights: CellWeights, state: State) -> Tensor:
    if weights.weight_hh is None or weights.bias_hh is None:
        return torch.zeros(())
    return torch.nn.functional.linear(state[0], weights.weight_hh, weights.bias_hh)


def _rnn(gates: Tensor, recurrent: Tensor, weight: Tensor, _: State) -> Tensor:
    """d h'/d h = diag(1 - h'^2) W."""
    return (1 - torch.tanh(gates + recurrent) ** 2)[:, :, None] * weight


def _rnn_relu(gates: Tensor, recurrent: Tensor, weight: Tensor, _: State) -> Tensor:
    """d h'/d h = diag(a > 0) W."""
    return (gates + recurrent > 0).to(weight.dtype)[:, :, None] * weight


def _gru(gates: Tensor, recurrent: Tensor, weight: Tensor, state: State) -> Tensor:
    """h' = (1 - z) n + z h, with n = tanh(x_n + r q) and q = W_n h + b_n.

    d h'/d h = diag(z) + diag((h - n) z (1 - z)) W_z + diag((1 - z)(1 - n^2)) (diag(r) W_n + diag(q r (1 - r)) W_r)
    """
    (hidden,) = state
    weight_reset, weight_keep, weight_new = torch.chunk(weight, 3)
    input_reset, input_keep, input_new = torch.chunk(gates, 3, -1)
    state_reset, state_keep, state_new = torch.chunk(recurrent, 3, -1)
    reset, keep = torch.sigmoid(input_reset + state_reset), torch.sigmoid(input_keep + state_keep)
    new = torch.tanh(input_new + reset * state_new)
    inner = reset[:, :, None] * weight_new + (state_new * reset * (1 - reset))[:, :, None] * weight_reset
    found: Tensor = (
        torch.diag_embed(keep)
        + ((hidden - new) * keep * (1 - keep))[:, :, None] * weight_keep
        + ((1 - keep) * (1 - new**2))[:, :, None] * inner
    )
    return found


def _lstm(gates: Tensor, recurrent: Tensor, weight: Tensor, state: State) -> Tensor:
    """c' = f c + i g, h' = o tanh(c'); the four blocks d h'/d h, d h'/d c, d c'/d h, d c'/d c."""
    memory = state[1]
    total = torch.chunk(gates + recurrent, 4, -1)
    write, forget, read = (torch.sigmoid(total[place]) for place in (0, 1, 3))
    candidate = torch.tanh(total[2])
    weight_write, weight_forget, weight_candidate, weight_read = torch.chunk(weight, 4)
    squashed = torch.tanh(forget * memory + write * candidate)
    through = read * (1 - squashed**2)  # d h'/d c'
    memory_by_hidden = (
        (memory * forget * (1 - forget))[:, :, None] * weight_forget
        + (candidate * write * (1 - write))[:, :, None] * weight_write
        + (write * (1 - candidate**2))[:, :, None] * weight_candidate
    )
    hidden_by_hidden = (squashed * read * (1 - read))[:, :, None] * weight_read + through[:, :, None] * memory_by_hidden
    top = torch.cat([hidden_by_hidden, torch.diag_embed(through * forget)], dim=-1)
    return torch.cat([top, torch.cat([memory_by_hidden, torch.diag_embed(forget)], dim=-1)], dim=-2)


_JACOBIANS: dict[Cell, StepJacobian] = {"rnn": _rnn, "rnn-relu": _rnn_relu, "gru": _gru, "lstm": _lstm}
