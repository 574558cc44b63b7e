from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.networks.gru_scan import scan_gru

BATCH, STEPS, INPUTS, HIDDEN = 5, 9, 4, 6


def _layer() -> nn.GRU:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.GRU(INPUTS, HIDDEN, batch_first=True)


def _ours(layer: nn.GRU, inputs: Tensor) -> tuple[Tensor, Tensor]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return scan_gru(inputs, **{name: layer.get_parameter(f"{name}_l0") for name in names})


def _inputs(*, scale: float = 1.0) -> Tensor:
    drawn = torch.randn(BATCH, STEPS, INPUTS, generator=torch.Generator().manual_seed(1))
    return (scale * drawn).requires_grad_()


def _gradients(layer: nn.GRU, inputs: Tensor, states: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of a loss that weighs every state it is given differently: of weights, then of inputs."""
    weights = torch.linspace(-1, 1, states.numel()).view(states.shape)
    return torch.autograd.grad((states * weights).sum(), [*layer.parameters(), inputs])


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_states_are_those_of_torch(scale: float) -> None:
    layer, inputs = _layer(), _inputs(scale=scale)
    states, last = _ours(layer, inputs)
    torch.testing.assert_close(states, layer(inputs)[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last, states[:, -1], rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("read", ["all", "last", "both"])
def test_gradients_are_those_of_torch(scale: float, read: str) -> None:
    layer, inputs = _layer(), _inputs(scale=scale)
    (states, last), theirs = _ours(layer, inputs), layer(inputs)[0]
    pick = {"all": (states, theirs), "last": (last, theirs[:, -1])}
    pick["both"] = (torch.cat([states, last[:, None]], 1), torch.cat([theirs, theirs[:, -1:]], 1))
    found, wanted = (_gradients(layer, inputs, part) for part in pick[read])
    for ours, torchs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-5)


def test_gradients_equal_finite_differences() -> None:
    layer = _layer().double()
    weights = [weight.detach().requires_grad_() for weight in layer.parameters()]
    inputs = _inputs().detach()[:2, :3].double().requires_grad_()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

    def run(values: Tensor, *parts: Tensor) -> tuple[Tensor, Tensor]:
        return partial(scan_gru, values)(**dict(zip(names, parts, strict=True)))

    assert torch.autograd.gradcheck(run, (inputs, *weights))


def test_inputs_that_need_no_gradient_get_none() -> None:
    layer, inputs = _layer(), _inputs().detach()
    _ours(layer, inputs)[1].sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is None
    assert all(weight.grad is not None for weight in layer.parameters())


def test_a_single_step_is_read() -> None:
    layer, inputs = _layer(), _inputs()
    states, last = _ours(layer, inputs[:, :1])
    torch.testing.assert_close(states, layer(inputs[:, :1])[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last, states[:, 0])


def test_the_same_inputs_give_the_same_bytes() -> None:
    layer, inputs = _layer(), _inputs()
    first, again = (_gradients(layer, inputs, _ours(layer, inputs)[0]) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
