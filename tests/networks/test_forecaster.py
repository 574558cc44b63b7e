"""What a network promises whatever its weights are."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from rnnforecast.config import MemberSettings
from rnnforecast.networks.encoders import drop
from rnnforecast.networks.forecaster import MAX_TRAINED_POSITIONS, RecurrentForecaster, build_network
from rnnforecast.options import Cell
from tests.inference.samples import as_tensors, cut_future, make_batch, make_member, make_network

CELLS: tuple[Cell, ...] = get_args(Cell)
MAPPINGS = ("one-to-many", "many-to-one", "many-to-many", "encoder-decoder")
VIEWS: tuple[dict[str, object], ...] = (
    {"normalisation": "window", "base": "season"},
    {"normalisation": "last", "base": "last", "skip": True},
    {"normalisation": "season", "log": True, "head": "segment"},
    {"normalisation": "causal", "base": "season", "skip": True, "synchronous": True},
    {"normalisation": "global", "skip": True},
    {"mapping": "many-to-one", "base": "last", "skip": True},
    {"mapping": "encoder-decoder", "attention": "additive", "base": "season"},
    {"mapping": "one-to-many"},
)
# views whose scale comes from elsewhere than the window: constant windows are nothing special to them
FIXED_SCALES = (VIEWS[2], VIEWS[4], VIEWS[7])


def _loss(network: RecurrentForecaster, member: MemberSettings, **options: float) -> torch.Tensor:
    batch = as_tensors(cut_future(make_batch(member), network.training_horizon))
    return network.loss(batch, generator=torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize("view", VIEWS)
def test_values_behind_the_mask_change_nothing(view: dict[str, object]) -> None:
    member = make_member(**view)
    batch = make_batch(member, missing=0.4)
    garbage = replace(batch, past_target=np.where(batch.past_observed, batch.past_target, -1e30))
    network = make_network(member)
    assert not batch.past_observed.all()
    torch.testing.assert_close(
        network.forecast(as_tensors(garbage)), network.forecast(as_tensors(batch)), rtol=0, atol=0
    )


@pytest.mark.parametrize("view", VIEWS)
def test_future_values_behind_the_mask_do_not_enter_the_loss(view: dict[str, object]) -> None:
    member = make_member(**view)
    network = make_network(member)
    batch = cut_future(make_batch(member, missing=0.4), network.training_horizon)
    garbage = replace(batch, future_target=np.where(batch.future_observed, batch.future_target, np.nan))
    losses = [
        network.loss(as_tensors(one), teacher_forcing=0.5, generator=torch.Generator().manual_seed(0))
        for one in (batch, garbage)
    ]
    assert losses[0] == losses[1]
    assert torch.isfinite(losses[0])


@pytest.mark.parametrize("view", VIEWS)
def test_the_future_does_not_enter_the_forecast(view: dict[str, object]) -> None:
    member = make_member(**view)
    batch = make_batch(member)
    other = replace(batch, future_target=batch.future_target + 5, future_observed=~batch.future_observed)
    network = make_network(member)
    assert torch.equal(network.forecast(as_tensors(other)), network.forecast(as_tensors(batch)))


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in FIXED_SCALES])
@pytest.mark.parametrize("value", [0.5, 1e9])
def test_a_constant_series_has_a_flat_finite_forecast(view: dict[str, object], value: float) -> None:
    member = make_member(**view)
    batch = make_batch(member)
    batch.past_target[:] = value
    forecast = make_network(member).forecast(as_tensors(batch)).numpy()
    np.testing.assert_allclose(forecast, value, rtol=1e-6)


@pytest.mark.parametrize("view", VIEWS)
def test_a_window_without_observations_has_a_finite_forecast(view: dict[str, object]) -> None:
    member = make_member(**view)
    batch = make_batch(member)
    batch.past_observed[:] = False
    assert torch.isfinite(make_network(member).forecast(as_tensors(batch))).all()


@pytest.mark.parametrize("view", VIEWS)
def test_quantiles_never_cross(view: dict[str, object]) -> None:
    member = make_member(**view)
    forecast = make_network(member).forecast(as_tensors(make_batch(member, num_windows=50)))
    assert (forecast.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("kind", ["window", "last", "season"])
@pytest.mark.parametrize("base", ["none", "season"])
def test_forecasts_move_with_the_units_of_the_series(kind: str, base: str) -> None:
    member = make_member(normalisation=kind, base=base, skip=True)
    batch = make_batch(member)
    network = make_network(member)
    forecast = network.forecast(as_tensors(batch))
    moved = network.forecast(as_tensors(replace(batch, past_target=1000 * batch.past_target - 7)))
    torch.testing.assert_close(moved, 1000 * forecast - 7, rtol=1e-5, atol=1e-2)


def test_one_to_many_forecasts_series_without_history_from_their_static_values() -> None:
    member = make_member(mapping="one-to-many", num_static_covariates=2)
    batch = make_batch(member)
    batch.past_observed[:] = False
    forecast = make_network(member).forecast(as_tensors(batch))
    assert forecast.shape == (4, 7, 3)
    assert not torch.allclose(forecast[0], forecast[1])


def test_one_to_many_without_global_normalisation_is_rejected() -> None:
    with pytest.raises(ValueError, match="needs normalisation `global`"):
        make_member(mapping="one-to-many", normalisation="window")


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_future_covariates_of_the_horizon_move_the_forecast(mapping: str) -> None:
    member = make_member(mapping=mapping, num_future_covariates=1, segment_length=1)
    batch = make_batch(member)
    changed = replace(batch, future_covariates=batch.future_covariates.copy())
    changed.future_covariates[:, -1] += 1
    network = make_network(member)
    moved = network.forecast(as_tensors(changed)) - network.forecast(as_tensors(batch))
    assert (moved[:, -1].abs() > 1e-6).any()


@pytest.mark.parametrize("kind", ["past", "future", "static"])
def test_missing_covariates_stand_for_their_mean(kind: str) -> None:
    member = make_member(num_past_covariates=1, num_future_covariates=1, num_static_covariates=1)
    network, batch = make_network(member), make_batch(member)
    network.set_covariate_scaling(kind, torch.tensor([3.0]), torch.tensor([2.0]))
    name = f"{kind}_covariates"
    mean, missing = (replace(batch, **{name: np.full_like(getattr(batch, name), value)}) for value in (3.0, np.nan))
    assert torch.equal(network.forecast(as_tensors(missing)), network.forecast(as_tensors(mean)))


def test_covariates_that_the_network_does_not_read_have_no_scaling() -> None:
    with pytest.raises(ValueError, match="reads no `past` covariates"):
        build_network(make_member()).set_covariate_scaling("past", torch.ones(1), torch.ones(1))


def test_only_global_normalisation_has_global_numbers() -> None:
    with pytest.raises(ValueError, match="`window` has no global level"):
        build_network(make_member()).set_global(0.0, 1.0)


def test_the_spread_of_recursive_forecasts_grows_with_the_root_of_the_lead_time() -> None:
    member = make_member(mapping="many-to-one", normalisation="global", horizon=9)
    network = make_network(member)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        network.get_parameter("head.output.bias").copy_(torch.tensor([-1.0, 0.0, 1.0]))
    forecast = network.forecast(as_tensors(make_batch(member)))[0]
    torch.testing.assert_close(forecast[:, 2] - forecast[:, 1], 2.0 * torch.arange(1.0, 10, dtype=torch.float64).sqrt())


def test_building_a_network_is_fixed_by_its_seed_and_leaves_the_global_one_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build_network(make_member(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_dropout_and_teacher_forcing_are_fixed_by_the_generator() -> None:
    member = make_member(mapping="encoder-decoder", num_layers=2, dropout=0.5)
    network = make_network(member)
    assert _loss(network, member, teacher_forcing=0.5) == _loss(network, member, teacher_forcing=0.5)


def test_dropout_is_off_when_forecasting() -> None:
    member = make_member(num_layers=2, dropout=0.5)
    network, batch = make_network(member), as_tensors(make_batch(member))
    assert network.training
    assert torch.equal(network.forecast(batch), network.forecast(batch))
    assert network.training


def test_dropout_keeps_the_mean() -> None:
    dropped = drop(torch.ones(10_000), 0.25, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.sort(dropped).values[[0, -1]], torch.tensor([0.0, 4 / 3]))
    assert float(dropped.mean()) == pytest.approx(1, abs=0.03)


def test_full_teacher_forcing_feeds_the_truth_and_none_feeds_the_median() -> None:
    member = make_member(mapping="encoder-decoder", segment_length=1)
    network = make_network(member)
    batch = as_tensors(make_batch(member, missing=0))
    early = as_tensors(make_batch(member, missing=0))
    early.future_target[:, 0] += 3

    def last_output(one: object, share: float) -> torch.Tensor:
        return network(one, teacher_forcing=share, generator=torch.Generator().manual_seed(0)).outputs[:, 0, -1]  # type: ignore[no-any-return]

    assert torch.equal(last_output(batch, 0.0), last_output(early, 0.0))
    assert not torch.allclose(last_output(batch, 1.0), last_output(early, 1.0))


def test_a_synchronous_network_is_trained_at_every_segment() -> None:
    member = make_member(synchronous=True, normalisation="causal")
    network = make_network(member)
    batch = as_tensors(make_batch(member))
    positions = network._trained_positions(None, batch.past_target.device)
    assert positions is not None
    assert positions.tolist() == [0, 1, 2, 3]
    outputs = network(batch, positions=positions).outputs
    assert outputs.shape == (4, 4, 7, 3)
    # the state at the last segment is the one that forecasts
    torch.testing.assert_close(outputs[:, -1:], network(batch).outputs)


def test_a_synchronous_position_forecasts_as_if_the_window_ended_there() -> None:
    member = make_member(synchronous=True, normalisation="causal", context_length=12, base="season", skip=True)
    shorter = member.model_copy(update={"context_length": 8})
    network, other = make_network(member), build_network(shorter)
    other.load_state_dict(network.state_dict())
    batch = make_batch(member)
    early = replace(
        batch,
        past_target=batch.past_target[:, :8],
        past_observed=batch.past_observed[:, :8],
        past_covariates=batch.past_covariates[:, :8],
    )
    inside = network(as_tensors(batch), positions=torch.tensor([1])).outputs
    torch.testing.assert_close(inside, other(as_tensors(early)).outputs)


def test_synchronous_targets_are_the_steps_after_each_segment() -> None:
    member = make_member(synchronous=True, normalisation="causal", segment_length=4, context_length=8, horizon=5)
    batch = make_batch(member, num_windows=1, missing=0)
    batch.past_target[:], batch.future_target[:] = np.arange(8.0), np.arange(8.0, 13)
    target, observed = build_network(member)._targets(as_tensors(batch), torch.tensor([0, 1]))
    assert target[0].tolist() == [[4, 5, 6, 7, 8], [8, 9, 10, 11, 12]]
    assert observed.all()


def test_long_synchronous_windows_are_trained_at_a_drawn_part_of_their_segments() -> None:
    member = make_member(synchronous=True, normalisation="causal", segment_length=1, context_length=100)
    network = make_network(member)
    drawn = [network._trained_positions(torch.Generator().manual_seed(seed), torch.device("cpu")) for seed in range(8)]
    assert all(part is not None and len(part) <= MAX_TRAINED_POSITIONS + 1 and part[-1] == 99 for part in drawn)
    assert len({int(part[0]) for part in drawn if part is not None}) > 1


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_whole_networks_equal_finite_differences(cell: Cell) -> None:
    for view in VIEWS[:2] + VIEWS[6:7]:
        member = make_member(**{"hidden_size": 2, "cell": "rnn" if cell == "rnn-relu" else cell} | view)
        network = make_network(member).double()
        batch = as_tensors(make_batch(member, num_windows=2))
        names = [name for name, _ in network.named_parameters()]
        buffers = dict(network.named_buffers())

        def run(
            *weights: torch.Tensor,
            network: RecurrentForecaster = network,
            batch: object = batch,
            names: list[str] = names,
            buffers: dict[str, torch.Tensor] = buffers,
        ) -> torch.Tensor:
            values = {**dict(zip(names, weights, strict=True)), **buffers}
            return torch.func.functional_call(network, values, (batch,)).outputs  # type: ignore[no-any-return]

        assert torch.autograd.gradcheck(run, tuple(network.parameters()), fast_mode=True)


@pytest.mark.parametrize("view", VIEWS)
def test_a_few_gradient_steps_lower_the_loss(view: dict[str, object]) -> None:
    member = make_member(**view)
    network = build_network(member)
    if member.normalisation == "global":
        network.set_global(10.0, 2.0)
    batch = as_tensors(cut_future(make_batch(member, num_windows=32), network.training_horizon))
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        loss = network.loss(batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < losses[0]
