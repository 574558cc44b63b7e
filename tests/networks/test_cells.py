"""Every torch cell against the textbook equations, written out here one number at a time, and gradients of our own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, assert_never, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from rnnforecast.inference.cells import CELLS
from rnnforecast.networks.cells import CellWeights, LinearRecurrence, Recurrence, StepCell, run_steps
from rnnforecast.options import Cell
from tests.inference.samples import make_member

WIDTH, STEPS = 3, 5
Row = list[float]
NAMES: tuple[Cell, ...] = get_args(Cell)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _affine(weight: np.ndarray, bias: np.ndarray, x: Row) -> Row:
    return [
        sum(float(w) * value for w, value in zip(row, x, strict=True)) + float(b)
        for row, b in zip(weight, bias, strict=True)
    ]


def _textbook_step(cell: Cell, weights: dict[str, np.ndarray], x: Row, h: Row, c: Row) -> tuple[Row, Row]:
    """One step by the definitions, element by element."""
    gate = _affine(weights["weight_ih"], weights["bias_ih"], x)
    back = _affine(weights["weight_hh"], weights["bias_hh"], h) if "weight_hh" in weights else []

    def part(values: Row, number: int) -> Row:
        return values[number * WIDTH : (number + 1) * WIDTH]

    new_h, new_c = [0.0] * WIDTH, c
    for j in range(WIDTH):
        if cell == "rnn":
            new_h[j] = math.tanh(gate[j] + back[j])
        elif cell == "rnn-relu":
            new_h[j] = max(0.0, gate[j] + back[j])
        elif cell == "gru":
            r = _sigmoid(part(gate, 0)[j] + part(back, 0)[j])
            z = _sigmoid(part(gate, 1)[j] + part(back, 1)[j])
            n = math.tanh(part(gate, 2)[j] + r * part(back, 2)[j])
            new_h[j] = (1 - z) * n + z * h[j]
        elif cell == "lstm":
            i, f, g, o = (part(gate, k)[j] + part(back, k)[j] for k in range(4))
            new_c = [*new_c[:j], _sigmoid(f) * c[j] + _sigmoid(i) * math.tanh(g), *new_c[j + 1 :]]
            new_h[j] = _sigmoid(o) * math.tanh(new_c[j])
        elif cell == "mingru":
            z = _sigmoid(part(gate, 0)[j])
            new_h[j] = (1 - z) * h[j] + z * part(gate, 1)[j]
        elif cell == "minlstm":
            f, i = _sigmoid(part(gate, 0)[j]), _sigmoid(part(gate, 1)[j])
            new_h[j] = f / (f + i) * h[j] + i / (f + i) * part(gate, 2)[j]
        else:
            assert_never(cell)
    return new_h, new_c


def _weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name.removesuffix("_l0"): weight.detach().numpy() for name, weight in module.named_parameters()}


def _draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def test_the_table_holds_every_cell_and_no_other() -> None:
    assert CELLS.keys() == set(NAMES)


@pytest.mark.parametrize("build", [Recurrence, StepCell, lambda cell, _: make_member(cell=cell)])
def test_an_unknown_cell_is_rejected(build: Callable[[str, int], object]) -> None:
    with pytest.raises((KeyError, ValidationError), match="rnn-elu"):
        build("rnn-elu", WIDTH)


@pytest.mark.parametrize("cell", NAMES)
def test_the_fast_run_of_a_cell_equals_its_steps(cell: Cell) -> None:
    layer, inputs = Recurrence(cell, WIDTH).double(), _draw(2, STEPS, WIDTH)
    weights = CellWeights(layer.weight_ih_l0, layer.bias_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0)
    hidden, last = run_steps(CELLS[cell], inputs, weights)
    torch.testing.assert_close(layer(inputs), (hidden, last))
    torch.testing.assert_close(hidden[:, -1], last)


@pytest.mark.parametrize("cell", NAMES)
def test_a_layer_equals_the_equations_step_by_step(cell: Cell) -> None:
    layer = Recurrence(cell, WIDTH).double()
    inputs = _draw(2, STEPS, WIDTH)
    hidden = layer(inputs)[0].detach().numpy()
    for window in range(2):
        h, c = [0.0] * WIDTH, [0.0] * WIDTH
        for step in range(STEPS):
            h, c = _textbook_step(cell, _weights(layer), inputs[window, step].tolist(), h, c)
            np.testing.assert_allclose(hidden[window, step], h, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cell", NAMES)
def test_a_step_cell_equals_the_equations(cell: Cell) -> None:
    step_cell = StepCell(cell, WIDTH).double()
    inputs, hidden, memory = _draw(1, WIDTH), _draw(2, WIDTH)[:1], _draw(3, WIDTH)[:1]
    state = (hidden, memory) if cell == "lstm" else (hidden,)
    result = step_cell(inputs, state)
    h, c = _textbook_step(cell, _weights(step_cell), inputs[0].tolist(), hidden[0].tolist(), memory[0].tolist())
    np.testing.assert_allclose(result[0][0].detach(), h, rtol=1e-12)
    if cell == "lstm":
        np.testing.assert_allclose(result[1][0].detach(), c, rtol=1e-12)


@pytest.mark.parametrize("cell", NAMES)
def test_a_step_cell_spreads_inputs_over_states(cell: Cell) -> None:
    step_cell = StepCell(cell, WIDTH).double()
    inputs, hidden = _draw(1, 4, WIDTH), _draw(2, 1, WIDTH)
    together = step_cell(inputs, step_cell.initial_state(hidden))[0]
    assert together.shape == (2, 4, WIDTH)
    alone = step_cell(inputs[:, 3], step_cell.initial_state(hidden[1]))[0]
    torch.testing.assert_close(together[1, 3], alone[0])


def test_the_gradient_of_the_linear_recurrence_equals_finite_differences() -> None:
    decay, drive = torch.sigmoid(_draw(4, 2, WIDTH)).requires_grad_(), _draw(4, 2, WIDTH + 0).requires_grad_()
    recurrence: Callable[..., Any] = LinearRecurrence.apply
    assert torch.autograd.gradcheck(recurrence, (decay, drive))


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
@pytest.mark.parametrize("steps", [1, 4])
def test_gradients_of_our_own_cells_equal_finite_differences(cell: Cell, steps: int) -> None:
    layer = Recurrence(cell, WIDTH).double()
    inputs = _draw(2, steps, WIDTH).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def run(values: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        outputs = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (values,))
        return outputs[0]  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(run, (inputs, *layer.parameters()))


# the rectifier has a kink, where finite differences mean nothing
@pytest.mark.parametrize("cell", [cell for cell in NAMES if cell != "rnn-relu"])
def test_gradients_of_step_cells_equal_finite_differences(cell: Cell) -> None:
    step_cell = StepCell(cell, WIDTH).double()
    hidden = _draw(2, WIDTH).requires_grad_()
    inputs = _draw(2, WIDTH).requires_grad_()

    def run(values: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        return torch.cat(step_cell(values, step_cell.initial_state(start)), dim=-1)

    assert torch.autograd.gradcheck(run, (inputs, hidden))


def test_closed_gates_of_minlstm_stay_finite() -> None:
    layer = Recurrence("minlstm", WIDTH)
    assert torch.isfinite(layer(torch.full((1, 3, WIDTH), -1e6))[0]).all()
