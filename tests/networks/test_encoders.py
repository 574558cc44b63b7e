from __future__ import annotations

from typing import get_args

import pytest
import torch

from rnnforecast.networks.encoders import Encoder
from rnnforecast.options import Cell

CELLS: tuple[Cell, ...] = get_args(Cell)


def _encoder(cell: Cell, *, input_size: int = 2, num_layers: int = 2, bidirectional: bool = False) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Encoder(
            cell=cell,
            input_size=input_size,
            hidden_size=4,
            num_layers=num_layers,
            residual=True,
            bidirectional=bidirectional,
            dropout=0.0,
        ).double()


def _inputs(input_size: int = 2) -> torch.Tensor:
    return torch.randn(3, 5, input_size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_final_state_alone_is_the_final_state_of_all(cell: Cell, bidirectional: bool, num_layers: int) -> None:
    encoder = _encoder(cell, num_layers=num_layers, bidirectional=bidirectional)
    states, final = encoder(_inputs())
    alone, same = encoder(_inputs(), last_only=True)
    assert states.shape == (3, 5, 4)
    torch.testing.assert_close(same, final)
    torch.testing.assert_close(alone, final[:, None])


@pytest.mark.parametrize("cell", CELLS)
def test_the_final_state_alone_has_the_gradients_of_the_final_state_of_all(cell: Cell) -> None:
    encoder = _encoder(cell)
    wanted, found = (
        torch.autograd.grad(encoder(_inputs(), last_only=last_only)[1].square().sum(), list(encoder.parameters()))
        for last_only in (False, True)
    )
    torch.testing.assert_close(found, wanted)


# the linear layer before the cells is folded into their weights where it widens the inputs, and not where it does not
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("input_size", [1, 3, 4, 9])
def test_cells_read_what_the_linear_layer_before_them_gives(cell: Cell, input_size: int) -> None:
    encoder = _encoder(cell, input_size=input_size, num_layers=1)
    inputs = _inputs(input_size)
    embedded = encoder.input(inputs)
    parts = encoder(inputs)[0], embedded + encoder.forward_layers[0](embedded)[0]
    torch.testing.assert_close(*parts)
    found, wanted = (torch.autograd.grad(part.square().sum(), list(encoder.parameters())) for part in parts)
    torch.testing.assert_close(found, wanted)
