from __future__ import annotations

import pytest
import torch

from rnnforecast.training.optimiser import BETAS, EPSILON, AdamW


def _parameters() -> list[torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(3)
    return [torch.nn.Parameter(torch.randn(size, generator=draw)) for size in ((4, 3), (3,))]


def _loss(parameters: list[torch.nn.Parameter], step: int) -> torch.Tensor:
    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
    return ((inputs @ parameters[0] + parameters[1]) ** 2).mean()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_the_adamw_of_torch(weight_decay: float) -> None:
    ours, theirs = _parameters(), _parameters()
    optimiser = AdamW(ours, weight_decay=weight_decay)
    reference = torch.optim.AdamW(theirs, lr=1.0, betas=BETAS, eps=EPSILON, weight_decay=weight_decay)
    for step in range(20):
        rate = 0.05 * (step + 1) / 20
        reference.param_groups[0]["lr"] = rate
        for parameters, chosen in ((ours, optimiser), (theirs, reference)):
            chosen.zero_grad()
            _loss(parameters, step).backward()  # type: ignore[no-untyped-call]
        optimiser.step(rate)
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-7)


def test_a_parameter_without_gradient_stays_where_it_is() -> None:
    used, unused = _parameters()
    before = unused.detach().clone()
    optimiser = AdamW([used, unused], weight_decay=0.5)
    (used**2).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step(0.1)
    assert torch.equal(unused, before)


def test_forgetting_gradients_leaves_none() -> None:
    parameters = _parameters()
    optimiser = AdamW(parameters, weight_decay=0.0)
    _loss(parameters, 0).backward()  # type: ignore[no-untyped-call]
    optimiser.zero_grad()
    assert [parameter.grad for parameter in parameters] == [None, None]


@pytest.mark.parametrize("largest", [1e-3, 1e3])
def test_clipped_gradients_are_those_of_torch(largest: float) -> None:
    ours, theirs = _parameters(), _parameters()
    for parameters in (ours, theirs):
        _loss(parameters, 0).backward()  # type: ignore[no-untyped-call]
    wanted = torch.nn.utils.clip_grad_norm_(theirs, largest)
    assert AdamW(ours, weight_decay=0.0).clip(largest) == pytest.approx(float(wanted), rel=1e-6)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
