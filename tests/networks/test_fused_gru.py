from __future__ import annotations

import pytest
import torch
from torch import nn

from rnnforecast.networks.fused_gru import FusedGRU

BATCH, STEPS, INPUTS, HIDDEN = 5, 9, 4, 6


def _pair() -> tuple[FusedGRU, nn.GRU]:
    """Return our layer and torch's with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        ours = FusedGRU(INPUTS, HIDDEN)
        theirs = nn.GRU(INPUTS, HIDDEN, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def _inputs(*, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(BATCH, STEPS, INPUTS, generator=torch.Generator().manual_seed(1))


def _gradients(layer: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradient of a loss that looks at every state, by name; `inputs` among them."""
    read = inputs.clone().requires_grad_()
    found = layer(read)
    states = found[0] if isinstance(found, tuple) else found
    weights = torch.linspace(-1, 1, states.numel()).view(states.shape)
    (states * weights).sum().backward()
    gradients = {name: value.grad for name, value in layer.named_parameters()} | {"inputs": read.grad}
    return {name: gradient for name, gradient in gradients.items() if gradient is not None}


def test_weights_have_the_names_and_shapes_of_torch() -> None:
    ours, theirs = _pair()
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_states_are_those_of_torch(scale: float) -> None:
    ours, theirs = _pair()
    torch.testing.assert_close(ours(_inputs(scale=scale)), theirs(_inputs(scale=scale))[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_gradients_of_weights_and_inputs_are_those_of_torch(scale: float) -> None:
    ours, theirs = _pair()
    found, wanted = _gradients(ours, _inputs(scale=scale)), _gradients(theirs, _inputs(scale=scale))
    assert set(found) == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "inputs"}
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_a_loss_on_the_last_state_alone_reaches_the_first_step() -> None:
    gradients = []
    for layer in _pair():
        inputs = _inputs().requires_grad_()
        found = layer(inputs)
        (found[0] if isinstance(found, tuple) else found)[:, -1].sum().backward()
        assert inputs.grad is not None
        gradients.append(inputs.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
    assert (gradients[0][:, 0] != 0).any()


def test_a_single_step_is_read() -> None:
    ours, theirs = _pair()
    torch.testing.assert_close(ours(_inputs()[:, :1]), theirs(_inputs()[:, :1])[0], rtol=1e-5, atol=1e-6)


def test_products_in_half_precision_keep_a_state_of_single_precision() -> None:
    ours, _ = _pair()
    whole = ours(_inputs())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = ours(_inputs())
    assert halved.dtype == torch.float32
    # states that were rounded to bfloat16 would have no digits behind the eighth
    assert not torch.equal(halved, halved.to(torch.bfloat16).float())
    torch.testing.assert_close(halved, whole, rtol=0, atol=0.03)


def test_gradients_of_half_precision_products_come_back_in_single_precision() -> None:
    ours, _ = _pair()
    wanted = _gradients(ours, _inputs())
    ours.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _gradients(ours, _inputs())
    for name, gradient in found.items():
        assert gradient.dtype == torch.float32
        error = (gradient - wanted[name]).norm() / wanted[name].norm()
        assert float(error) < 0.05, name
