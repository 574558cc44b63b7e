"""Jacobians of the cells, written out, against automatic differentiation."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from rnnforecast.inference.cells import CELLS
from rnnforecast.networks.cells import CellWeights, Recurrence
from rnnforecast.networks.jacobians import differentiated_jacobian, gate_activations, measure_memory, step_jacobian
from rnnforecast.options import Cell

jacobian: Any = torch.autograd.functional.jacobian
BATCH, STEPS, WIDTH = 3, 7, 5


def _weights(cell: Cell, *, scale: float = 1.0) -> CellWeights:
    torch.manual_seed(1)
    layer = Recurrence(cell, WIDTH).double()
    found = (layer.weight_ih_l0, layer.bias_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0)
    return CellWeights(*(None if each is None else each.detach() * scale for each in found))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", get_args(Cell))
def test_the_product_of_jacobians_equals_automatic_differentiation(cell: Cell) -> None:
    weights, spec = _weights(cell, scale=1.5), CELLS[cell]
    inputs = torch.randn(BATCH, STEPS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gates = weights.input_gates(inputs)

    def run(flat: torch.Tensor, *, first: int) -> torch.Tensor:
        state = tuple(flat.chunk(spec.num_states, -1))
        for step in range(first, STEPS):
            state = weights.step(spec, gates[:1, step], state)
        return torch.cat(state, dim=-1)

    states = [torch.cat(spec.initial_state(torch.zeros(1, WIDTH, dtype=torch.float64)), dim=-1)]
    for step in range(STEPS):
        states.append(
            torch.cat(weights.step(spec, gates[:1, step], tuple(states[-1].chunk(spec.num_states, -1))), dim=-1)
        )
    norms = measure_memory(cell, inputs, weights).norms
    assert norms.shape == (BATCH, STEPS)
    for lag in range(1, STEPS + 1):
        first = STEPS - lag
        exact = jacobian(lambda flat, first=first: run(flat, first=first), states[first])[0, :, 0]
        assert float(norms[0, lag - 1]) == pytest.approx(float(torch.linalg.matrix_norm(exact, ord=2)), rel=1e-4)


@pytest.mark.parametrize("cell", get_args(Cell))
def test_one_step_equals_automatic_differentiation(cell: Cell) -> None:
    weights, spec = _weights(cell), CELLS[cell]
    generator = torch.Generator().manual_seed(2)
    gates = weights.input_gates(torch.randn(1, WIDTH, dtype=torch.float64, generator=generator))
    flat = torch.randn(1, WIDTH * spec.num_states, dtype=torch.float64, generator=generator)

    def run(flat: torch.Tensor) -> torch.Tensor:
        return torch.cat(weights.step(spec, gates, tuple(flat.chunk(spec.num_states, -1))), dim=-1)

    state = tuple(flat.chunk(spec.num_states, -1))
    recurrent = torch.zeros(())
    if weights.weight_hh is not None and weights.bias_hh is not None:
        recurrent = torch.nn.functional.linear(state[0], weights.weight_hh, weights.bias_hh)
    exact = jacobian(run, flat)[0, :, 0]
    torch.testing.assert_close(step_jacobian(cell, gates, recurrent, weights, state)[0], exact, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("cell", ["rnn", "rnn-relu", "gru", "lstm"])
def test_a_cell_that_is_not_written_out_is_differentiated(cell: Cell) -> None:
    weights, spec = _weights(cell), CELLS[cell]
    generator = torch.Generator().manual_seed(2)
    gates = weights.input_gates(torch.randn(BATCH, WIDTH, dtype=torch.float64, generator=generator))
    flat = torch.randn(BATCH, WIDTH * spec.num_states, dtype=torch.float64, generator=generator)
    state = tuple(flat.chunk(spec.num_states, -1))
    assert weights.weight_hh is not None
    recurrent = torch.nn.functional.linear(state[0], weights.weight_hh, weights.bias_hh)
    written = step_jacobian(cell, gates, recurrent, weights, state)
    torch.testing.assert_close(differentiated_jacobian(cell, gates, weights, state), written)


def test_small_weights_make_gradients_vanish_and_large_ones_of_a_rectifier_explode() -> None:
    inputs = torch.ones(1, 20, WIDTH, dtype=torch.float64)
    small = measure_memory("rnn", inputs, _weights("rnn", scale=0.1)).norms[0]
    assert float(small[19]) < 1e-10
    large = _weights("rnn-relu")._replace(weight_hh=torch.eye(WIDTH, dtype=torch.float64) * 1.5)
    large = large._replace(bias_ih=torch.full((WIDTH,), 50.0, dtype=torch.float64))
    norms = measure_memory("rnn-relu", inputs * 10, large).norms
    assert float(norms[0, 19]) == pytest.approx(1.5**20)


def test_saturation_counts_gates_near_their_ends() -> None:
    weights = _weights("gru")._replace(bias_ih=torch.full((3 * WIDTH,), 20.0, dtype=torch.float64))
    found = measure_memory("gru", torch.zeros(2, 4, WIDTH, dtype=torch.float64), weights)
    assert found.saturated_gates == 1.0
    assert measure_memory("rnn", torch.zeros(2, 4, WIDTH, dtype=torch.float64), _weights("rnn")).saturated_gates is None
    assert gate_activations("rnn", torch.zeros(1, WIDTH), torch.zeros(1, WIDTH)) is None
