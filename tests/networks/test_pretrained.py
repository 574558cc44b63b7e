"""The pretrained network in torch: its loss at many positions, and the gradient of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.pretrained_inputs import Reading
from rnnforecast.networks.engine import make_network, to_tensors
from rnnforecast.networks.pretrained import NUM_TRAINED_POSITIONS, PretrainedForecaster
from rnnforecast.networks.pretrained_loss import SMALLEST_FRACTION, WEIGHT_RANGE, dense_pinball
from tests.inference.pretrained_samples import (
    LEVELS,
    USUAL,
    make_pretrained,
    make_pretrained_batch,
    make_pretrained_network,
    unobserved_before,
)

CPU = torch.device("cpu")
BATCH, POSITIONS, HORIZON = 3, 2, 4


def _reading(
    *, level: float = 2.0, scale: float = 0.5, known: bool = True, dtype: torch.dtype = torch.float64
) -> Reading:
    """Return what the loss looks at: level, scale and whether anything is known."""
    shape = (BATCH, POSITIONS)
    return Reading(
        inputs=None,
        recent=None,
        season=None,
        long_season=None,
        level=torch.full(shape, level, dtype=dtype),
        scale=torch.full(shape, scale, dtype=dtype),
        known=torch.full(shape, known),
    )


def _draws(*, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return outputs [B, L, H, Q] and targets [B, L, H]."""
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(BATCH, POSITIONS, HORIZON, len(LEVELS), generator=generator)
    return outputs, 2 + torch.randn(BATCH, POSITIONS, HORIZON, generator=generator, dtype=torch.float64)


def _loss(
    outputs: Tensor,
    target: Tensor,
    *,
    observed: Tensor | None = None,
    reading: Reading | None = None,
    power: float = 0.0,
) -> Tensor:
    return dense_pinball(
        outputs,
        _reading() if reading is None else reading,
        target,
        torch.ones_like(target, dtype=torch.bool) if observed is None else observed,
        loss_scale=torch.full((BATCH,), 0.5, dtype=torch.float64),
        quantile_levels=LEVELS,
        lead_time_power=power,
    )


def _plain_pinball(outputs: Tensor, target: Tensor) -> Tensor:
    """Return the mean of max(q e, (q - 1) e) as a textbook writes it."""
    error = ((target - 2.0) / 0.5).float()[..., None] - outputs
    levels = torch.tensor(LEVELS)
    return torch.maximum(levels * error, (levels - 1) * error).mean()


def test_the_loss_is_the_mean_pinball_loss_in_scales() -> None:
    outputs, target = _draws()
    torch.testing.assert_close(_loss(outputs, target), _plain_pinball(outputs, target))


def test_the_gradient_is_that_of_a_plain_pinball_loss() -> None:
    gradients = []
    for loss in (_loss, _plain_pinball):
        outputs, target = _draws()
        outputs.requires_grad_()
        (3 * loss(outputs, target)).backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        gradients.append(outputs.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_the_gradient_equals_finite_differences() -> None:
    outputs, target = _draws()
    outputs = outputs.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda values: _loss(values, target, power=0.2), outputs)


def test_the_smallest_loss_lies_at_the_quantile() -> None:
    target = torch.linspace(0, 1, 1_001, dtype=torch.float64)[None, None]
    reading = replace(_reading(), level=torch.zeros(1, 1), scale=torch.ones(1, 1), known=torch.ones(1, 1).bool())
    for number, level in enumerate(LEVELS):
        losses = []
        for guess in np.linspace(0.05, 0.95, 19):
            outputs = torch.zeros(1, 1, 1_001, len(LEVELS))
            outputs[..., number] = guess
            losses.append(
                float(
                    dense_pinball(
                        outputs,
                        reading,
                        target,
                        torch.ones_like(target, dtype=torch.bool),
                        loss_scale=torch.ones(1),
                        quantile_levels=LEVELS,
                        lead_time_power=0,
                    )
                )
            )
        assert np.linspace(0.05, 0.95, 19)[int(np.argmin(losses))] == pytest.approx(level)


@pytest.mark.parametrize("stand_in", [0.0, 1e12])
def test_targets_that_were_not_observed_count_nothing(stand_in: float) -> None:
    outputs, target = _draws()
    observed = torch.rand(target.shape, generator=torch.Generator().manual_seed(4)) < 0.6
    found = _loss(outputs.requires_grad_(), torch.where(observed, target, stand_in), observed=observed)
    found.backward()  # type: ignore[no-untyped-call]
    error = ((target - 2) / 0.5).float()[..., None] - outputs.detach()
    levels = torch.tensor(LEVELS)
    wanted = torch.maximum(levels * error, (levels - 1) * error).mean(-1)[observed].mean()
    torch.testing.assert_close(found.detach(), wanted)
    assert outputs.grad is not None
    assert (outputs.grad[~observed] == 0).all()


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(_reading(known=False), id="nothing known yet"),
        pytest.param(
            _reading(level=1e9, scale=0.5 * SMALLEST_FRACTION[torch.float64] * 1e9), id="rounding of the level"
        ),
        pytest.param(
            _reading(level=1e9, scale=0.5 * SMALLEST_FRACTION[torch.float32] * 1e9, dtype=torch.float32),
            id="rounding of the level in single precision",
        ),
    ],
)
def test_positions_with_nothing_to_learn_from_count_nothing(reading: Reading) -> None:
    outputs, target = _draws()
    assert float(_loss(outputs, target, reading=reading)) == 0


@pytest.mark.parametrize("level", [1e6, 1e9, 1e12])
def test_a_large_total_that_moves_little_trains_as_much_as_a_small_one(level: float) -> None:
    """Values stay in double precision until the level is gone: a thousand in 1e9 is far from its rounding."""
    outputs, target = _draws()
    wanted = _loss(outputs, 1e3 * (target - 2) / 0.5, reading=_reading(level=0.0, scale=1e3))
    found = _loss(outputs, level + 1e3 * (target - 2) / 0.5, reading=_reading(level=level, scale=1e3))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("season_length", [1, 12, 24])
def test_a_fit_learns_from_a_large_total_that_moves_little(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_pretrained_network(member).train()
    generator = np.random.default_rng(0)
    values = 1e9 + 1e3 * generator.standard_normal((2, member.context_length + member.horizon))
    loss = _window_loss(network, make_pretrained_batch(member, values))
    loss.backward()  # type: ignore[no-untyped-call]
    weights = network.head.output.weight
    assert weights.grad is not None
    assert (weights.grad != 0).any()


@pytest.mark.parametrize("level", [3.0, 0.1, 1e9 / 3])
def test_a_constant_series_trains_nothing(level: float) -> None:
    member = make_pretrained(12)
    values = np.full((2, member.context_length + member.horizon), level)
    assert float(_window_loss(make_pretrained_network(member), make_pretrained_batch(member, values)).detach()) == 0


def test_nothing_observed_at_all_is_a_loss_of_zero() -> None:
    outputs, target = _draws()
    assert float(_loss(outputs, target, observed=torch.zeros_like(target, dtype=torch.bool))) == 0


@pytest.mark.parametrize(("scale", "weight"), [(0.5e-9, WEIGHT_RANGE[0]), (0.5e9, WEIGHT_RANGE[1]), (1.0, 2.0)])
def test_a_position_weighs_by_its_scale_within_bounds(scale: float, weight: float) -> None:
    outputs, _ = _draws()
    target = torch.zeros(BATCH, POSITIONS, HORIZON, dtype=torch.float64)
    reading = _reading(level=0.0, scale=scale)
    levels = torch.tensor(LEVELS)
    plain = torch.maximum(-levels * outputs, (1 - levels) * outputs).mean()
    torch.testing.assert_close(_loss(outputs, target, reading=reading), weight * plain)


def test_later_lead_times_weigh_less_and_all_together_the_same() -> None:
    outputs = torch.ones(BATCH, POSITIONS, HORIZON, len(LEVELS))
    target = torch.full((BATCH, POSITIONS, HORIZON), 2.0, dtype=torch.float64)
    losses = []
    for lead in range(HORIZON):
        moved = torch.zeros_like(outputs)
        moved[:, :, lead] = 1
        losses.append(float(_loss(moved, target, power=0.2)))
    assert losses == sorted(losses, reverse=True)
    assert losses[3] / losses[0] == pytest.approx(4**-0.2)
    assert sum(losses) == pytest.approx(float(_loss(outputs, target)))


def test_a_target_of_absurd_size_keeps_the_loss_finite() -> None:
    outputs, target = _draws()
    target[0, 0, 0] = 1e300
    assert torch.isfinite(_loss(outputs, target))


def _window_loss(network: PretrainedForecaster, batch: WindowBatch, *, seed: int = 0) -> Tensor:
    return network.loss(to_tensors(batch, CPU), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("season_length", USUAL)
def test_the_loss_and_every_gradient_are_finite(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_pretrained_network(member).train()
    batch = make_pretrained_batch(member, missing=0.2)
    loss = _window_loss(network, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) > 0
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert torch.isfinite(weights.grad).all(), name
        # the weights of a long season that no clock of this length has are all that learn nothing
        assert bool((weights.grad != 0).any()) or ("long_season" in name and member.long_season_length == 1), name


@pytest.mark.parametrize("season_length", [1, 12, 24])
def test_series_never_observed_and_constant_ones_spoil_no_gradient(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_pretrained_network(member).train()
    values = np.full((2, member.context_length + member.horizon), 3.0)
    batch = make_pretrained_batch(member, values)
    batch.past_observed[0] = False
    loss = _window_loss(network, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(torch.isfinite(weights.grad).all() for weights in network.parameters() if weights.grad is not None)


@pytest.mark.parametrize("season_length", USUAL)
def test_outside_training_the_loss_is_that_of_the_horizon_alone(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_pretrained_network(member)
    batch = make_pretrained_batch(member)
    with torch.no_grad():
        found = _window_loss(network, batch)
        outputs, reading = network(torch.from_numpy(batch.past_target), torch.from_numpy(batch.past_observed))
        wanted = dense_pinball(
            outputs,
            reading,
            torch.from_numpy(batch.future_target)[:, None],
            torch.from_numpy(batch.future_observed)[:, None],
            loss_scale=torch.ones(len(batch.past_target)),
            quantile_levels=LEVELS,
        )
    torch.testing.assert_close(found, wanted)


def test_targets_of_a_position_are_the_steps_after_its_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_pretrained(4)
    length = member.context_length + member.horizon
    batch = make_pretrained_batch(member, np.arange(float(length))[None])
    seen: list[Tensor] = []

    def watch(outputs: Tensor, reading: Reading, target: Tensor, *_: object, **__: object) -> Tensor:  # noqa: ARG001
        seen.append(target)
        return outputs.sum()

    monkeypatch.setattr("rnnforecast.networks.pretrained.dense_pinball", watch)
    network = make_pretrained_network(member).train()
    positions = network._positions(torch.Generator().manual_seed(0), CPU)
    _window_loss(network, batch)
    firsts = member.context_length - (member.num_segments - 1 - positions) * member.segment_length
    assert seen[0].shape == (1, NUM_TRAINED_POSITIONS, member.horizon)
    assert seen[0][0, :, 0].tolist() == firsts.tolist()
    assert seen[0][0, -1].tolist() == list(range(member.context_length, length))


def test_training_looks_at_drawn_positions_the_last_always_among_them() -> None:
    network = make_pretrained_network(make_pretrained(24)).train()
    drawn = [network._positions(torch.Generator().manual_seed(seed), CPU).tolist() for seed in range(5)]
    assert all(len(set(part)) == NUM_TRAINED_POSITIONS and part[-1] == 27 for part in drawn)
    assert len({tuple(part) for part in drawn}) > 1
    assert drawn[0] == network._positions(torch.Generator().manual_seed(0), CPU).tolist()


@pytest.mark.parametrize("season_length", USUAL)
def test_a_position_is_forecast_from_the_state_after_its_segment(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_pretrained_network(member)
    batch = to_tensors(make_pretrained_batch(member), CPU)
    changed = batch.past_target.clone()
    at = member.num_segments - 4
    changed[:, changed.shape[1] - 3 * member.segment_length :] += 5
    with torch.no_grad():
        before, after = (
            network(past, batch.past_observed, positions=torch.tensor([at]))[0] for past in (batch.past_target, changed)
        )
        last = network(changed, batch.past_observed)[0] - network(batch.past_target, batch.past_observed)[0]
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)
    assert (last.abs() > 1e-3).any()


def test_windows_before_the_first_value_of_a_series_train_nothing() -> None:
    member = make_pretrained(12)
    network = make_pretrained_network(member)
    batch = unobserved_before(make_pretrained_batch(member), member.context_length)
    assert float(_window_loss(network, batch).detach()) == 0


def test_building_a_network_is_fixed_by_its_seed_and_leaves_the_global_one_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (make_network(make_pretrained(12), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_width_factors_move_forecasts_and_no_loss() -> None:
    member = make_pretrained(12)
    network = make_pretrained_network(member)
    batch = make_pretrained_batch(member)
    loss, forecast = _window_loss(network, batch), network.forecast(to_tensors(batch, CPU))
    network.head.width.mul_(3)
    assert torch.equal(_window_loss(network, batch), loss)
    wider = network.forecast(to_tensors(batch, CPU))
    outputs, reading = network(*(to_tensors(batch, CPU).past_target, to_tensors(batch, CPU).past_observed))
    median = (reading.level[..., None] + reading.scale[..., None] * outputs[..., 1])[:, 0]
    assert (wider[..., -1] - wider[..., 0] > forecast[..., -1] - forecast[..., 0]).all()
    # the trained median is one of the three quantiles still
    assert ((wider - median[..., None]).abs().amin(-1) <= 1e-9 * median.abs()).all()


def test_width_factors_are_not_weights() -> None:
    names = dict(make_pretrained_network(make_pretrained(12)).named_parameters())
    assert "head.width" not in names


@pytest.mark.parametrize("season_length", [1, 12])
def test_a_few_gradient_steps_lower_the_loss(season_length: int) -> None:
    member = make_pretrained(season_length)
    network = make_network(member)
    assert isinstance(network, PretrainedForecaster)
    values = np.concatenate([make_pretrained_batch(member, seed=seed).past_target for seed in range(8)])
    future = np.concatenate([make_pretrained_batch(member, seed=seed).future_target for seed in range(8)])
    batch = make_pretrained_batch(member, np.concatenate([values, future], axis=1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.02)
    losses = []
    for step in range(15):
        loss = _window_loss(network, batch, seed=step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < losses[0]
