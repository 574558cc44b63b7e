from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import DivergedError, ExitCode
from rnnforecast.networks.forecaster import RecurrentForecaster
from rnnforecast.progress import NoProgress
from rnnforecast.training import loop
from rnnforecast.training import state as standing
from rnnforecast.training.ensemble_weights import Rival
from rnnforecast.training.fit_result import Fit, curve_of
from rnnforecast.training.loop import TrainWindows, fit_network
from rnnforecast.training.optimiser import AdamW
from rnnforecast.training.recipe import FitSettings
from rnnforecast.training.sampling import make_sampler
from rnnforecast.training.state import BestWeights, ValidationWindows, validation_score
from tests.training.toy import SMALL, Faults, as_windows, fit_settings, make_flat, make_series, small_network, wave

VALIDATION = as_windows([0, 0], [46, 53])
NAN = math.nan


def _fit(
    network: RecurrentForecaster,
    settings: FitSettings | None = None,
    *,
    validation: Windows | None = VALIDATION,
    seed: int = 0,
    budget_seconds: float | None = None,
    flat: FlatSeries | None = None,
    rival: Rival | None = None,
) -> Fit:
    flat = flat or make_flat(make_series(wave()))
    return fit_network(
        network,
        TrainWindows(flat, make_sampler(np.array([46]), SMALL)),
        settings or fit_settings(),
        validation_windows=None if validation is None else ValidationWindows(flat, validation, rival),
        seed=seed,
        budget_seconds=budget_seconds,
        progress=NoProgress(),
    )


def _faulty(monkeypatch: pytest.MonkeyPatch, spoil: dict[int, float]) -> RecurrentForecaster:
    network = small_network()
    monkeypatch.setattr(network, "loss", Faults(network, spoil))
    return network


def _hook_first_gradient(network: RecurrentForecaster, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    next(network.parameters()).register_hook(change)  # type: ignore[no-untyped-call]


def _assert_same_weights(first: Fit, second: Fit) -> None:
    assert first.weights.keys() == second.weights.keys()
    for name, array in first.weights.items():
        np.testing.assert_array_equal(array, second.weights[name], err_msg=name)


def _rival(*, error: float) -> Rival:
    """Return forecasts of the validation windows that are so far off in every quantile."""
    series, windows = make_series(wave()), Windows(np.array([0, 0]), np.array([46, 53]))
    actual = np.stack([series.values[cutoff : cutoff + SMALL.horizon] for cutoff in windows.cutoffs])
    quantiles = np.repeat((actual + error)[..., None], len(SMALL.quantile_levels), axis=-1)
    return Rival.of(quantiles, series, windows, SMALL.quantile_levels)


@pytest.mark.parametrize(
    ("error", "limits", "patience", "num_steps"),
    [
        (1e-3, ((1, 1.5),), 3, 2),
        (1e-3, ((3, 1.5),), 3, 6),
        (1e3, ((1, 1.5),), 30, 20),
        (1e-3, (), 30, 20),
        (1e-3, ((1, 1.5),), None, 20),
    ],
)
def test_a_fit_far_behind_forecasts_without_training_stops_at_the_validation_that_decides_it(
    error: float, limits: tuple[tuple[int, float], ...], patience: int | None, num_steps: int
) -> None:
    settings = replace(fit_settings(num_steps=20), patience=patience, far_behind=limits)
    fit = _fit(small_network(), settings, rival=_rival(error=error))
    assert fit.num_steps == num_steps
    assert fit.is_stopped == (num_steps < 20)
    assert (fit.ratio is not None) == bool(limits)
    if fit.is_stopped:
        assert fit.is_behind


def test_weights_that_were_fitted_before_and_became_worse_are_left_as_they_were() -> None:
    settings = replace(fit_settings(num_steps=20, learning_rate=0.5), patience=5, starts_fitted=True)
    fit = _fit(small_network(), settings)
    assert (fit.num_steps, fit.best_step, fit.is_stopped, fit.is_behind) == (2, 0, True, False)


def test_the_same_seed_gives_the_same_losses_and_weights() -> None:
    first, second = (_fit(small_network()) for _ in range(2))
    assert first.losses == second.losses
    _assert_same_weights(first, second)


def test_another_seed_draws_other_windows() -> None:
    assert _fit(small_network(), seed=1).losses != _fit(small_network(), seed=2).losses


def test_the_loss_falls() -> None:
    losses = _fit(small_network(), fit_settings(num_steps=40, learning_rate=1e-2)).losses
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_large_gradient_moves_no_further_than_the_clip_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = AdamW.step

    def validation_windows(self: AdamW, learning_rate: float) -> None:
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
        step(self, learning_rate)

    monkeypatch.setattr(AdamW, "step", validation_windows)
    fit = _fit(_faulty(monkeypatch, {2: 1e6}), fit_settings(gradient_clip=0.25))
    assert max(norms) <= 0.25 * (1 + 1e-4)
    assert fit.clipped_fraction > 0


def test_one_loss_that_is_not_finite_is_survived_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = _fit(_faulty(monkeypatch, {3: NAN}))
    assert (fit.num_rollbacks, fit.num_steps, len(fit.losses)) == (1, 6, 6)
    assert all(np.isfinite(array).all() for array in fit.weights.values())


def test_a_gradient_that_is_not_finite_is_survived_too() -> None:
    network = small_network()
    calls = iter(range(100))

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * (math.inf if next(calls) == 2 else 1.0)

    _hook_first_gradient(network, spoil)
    fit = _fit(network)
    assert fit.num_rollbacks == 1
    assert all(math.isfinite(loss) for loss in fit.losses)


def test_after_a_fault_the_run_resumes_from_the_last_good_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network()
    faults = Faults(network, {3: NAN})
    seen: list[dict[str, np.ndarray]] = []

    def validation_windows(*arguments: object, **keywords: object) -> torch.Tensor:
        if torch.is_grad_enabled():
            seen.append({name: tensor.numpy().copy() for name, tensor in network.state_dict().items()})
        return faults(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(network, "loss", validation_windows)
    _fit(network)
    # every step of a run of six is validated, so the weights before the third step are the last good ones
    for name, array in seen[2].items():
        np.testing.assert_array_equal(array, seen[3][name])


@pytest.mark.parametrize("factor", [NAN, math.inf])
def test_the_third_fault_ends_the_run_with_its_cause(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    network = _faulty(monkeypatch, {2: factor, 3: factor, 4: factor})
    with pytest.raises(DivergedError, match=f"diverged at step 2: the loss was {factor}") as caught:
        _fit(network)
    assert caught.value.exit_code == ExitCode.DIVERGED
    assert "--learning-rate" in str(caught.value.hint)


def test_a_gradient_that_stays_infinite_is_named_as_the_cause() -> None:
    network = small_network()
    _hook_first_gradient(network, lambda gradient: gradient * math.nan)
    with pytest.raises(DivergedError, match="diverged at step 1: the gradient norm was nan"):
        _fit(network)


def _halved_smallest() -> float:
    return float(torch.tensor(torch.finfo(torch.float32).tiny) / 2)


def test_numbers_too_small_for_full_precision_count_as_0_in_a_fit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    loss = RecurrentForecaster.loss

    def watched(network: RecurrentForecaster, *arguments: Any, **more: Any) -> torch.Tensor:
        seen.append(_halved_smallest())
        return loss(network, *arguments, **more)

    monkeypatch.setattr(RecurrentForecaster, "loss", watched)

    _fit(small_network(), fit_settings(num_steps=3))

    assert seen
    assert set(seen) == {0.0}
    assert _halved_smallest() > 0


def test_each_fault_halves_the_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = AdamW.step

    def validation_windows(self: AdamW, learning_rate: float) -> None:
        rates.append(learning_rate)
        step(self, learning_rate)

    monkeypatch.setattr(AdamW, "step", validation_windows)
    _fit(small_network())
    whole, rates[:] = list(rates), []
    _fit(_faulty(monkeypatch, {1: NAN}))
    assert rates == pytest.approx([rate / 2 for rate in whole])


def test_the_weights_that_were_best_on_validation_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([5.0, 3.0, 1.0, 4.0, math.nan, 2.0])
    kept: list[dict[str, np.ndarray]] = []

    def scored(network: RecurrentForecaster, *_: object) -> float:
        kept.append({name: tensor.numpy().copy() for name, tensor in network.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(standing, "validation_score", scored)
    network = small_network()
    fit = _fit(network)
    assert (fit.best_step, fit.best_score) == (3, 1.0)
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(fit.weights[name], kept[2][name])
        np.testing.assert_array_equal(tensor.numpy(), kept[2][name])


def test_without_validation_the_last_weights_are_kept() -> None:
    fit = _fit(small_network(), validation=None)
    assert (fit.best_step, fit.best_score) == (6, None)


def test_validation_that_is_never_finite_is_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "validation_score", lambda *_: NAN)
    with pytest.raises(DivergedError):
        _fit(small_network())


def test_weights_that_score_no_finite_number_are_not_gone_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, NAN, 2.0, 2.0, 2.0, 2.0])
    network = small_network()
    seen: list[np.ndarray] = []
    parameter = next(network.parameters())

    def scored(*_: object) -> float:
        seen.append(parameter.detach().numpy().copy())
        return next(scores)

    monkeypatch.setattr(standing, "validation_score", scored)
    monkeypatch.setattr(BestWeights, "roll_back", _watch_rollback(parameter, seen))
    monkeypatch.setattr(network, "loss", Faults(network, {3: NAN}))
    _fit(network)
    np.testing.assert_array_equal(seen[2], seen[0])


def _watch_rollback(parameter: torch.nn.Parameter, seen: list[np.ndarray]) -> object:
    roll_back = BestWeights.roll_back

    def validation_windows(best: BestWeights) -> None:
        roll_back(best)
        seen.append(parameter.detach().numpy().copy())

    return validation_windows


def test_a_time_budget_that_is_spent_ends_the_fit_after_its_first_step() -> None:
    fit = _fit(small_network(), fit_settings(num_steps=5_000), budget_seconds=0.0)
    assert fit.num_steps == len(fit.losses) == 1


def test_a_time_budget_holds_where_the_machine_slows_down_midway(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, taken = [0.0], [0]

    def later() -> float:
        taken[0] += 1
        clock[0] += 0.01 if taken[0] < 200 else 1.0
        return clock[0]

    monkeypatch.setattr("rnnforecast.training.loop.time.monotonic", later)
    fit = _fit(small_network(), fit_settings(num_steps=5_000), budget_seconds=60.0)
    assert fit.num_steps < 300
    assert clock[0] < 75


def test_a_time_budget_with_space_leaves_the_steps_alone() -> None:
    assert _fit(small_network(), fit_settings(num_steps=12), budget_seconds=1e6).num_steps == 12


def test_steps_in_budget_keep_a_tenth_for_validation() -> None:
    assert loop._steps_in_budget(1_000, 8, pace=0.1, left=20.0) == 188


def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero() -> None:
    factors = [loop._schedule(step, 100) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert factors[10] == 1.0
    assert all(later < sooner for sooner, later in pairwise(factors[10:]))
    assert factors[-1] < 0.001


def test_teacher_forcing_falls_from_its_start_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network()
    shares: list[float] = []
    loss = network.loss

    def validation_windows(batch: object, *, teacher_forcing: float, generator: torch.Generator | None) -> torch.Tensor:
        if torch.is_grad_enabled():
            shares.append(teacher_forcing)
        return loss(batch, teacher_forcing=teacher_forcing, generator=generator)  # type: ignore[arg-type]

    monkeypatch.setattr(network, "loss", validation_windows)
    _fit(network, fit_settings(num_steps=4, teacher_forcing=0.8))
    assert shares == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_validation_leaves_the_network_in_training_mode() -> None:
    network = small_network()
    validation_score(network, make_flat(make_series(wave())), VALIDATION)
    assert network.training


def test_a_long_curve_is_stored_as_the_means_of_its_parts() -> None:
    fit = Fit({}, 80, 100, 0.5, tuple(range(100)), 0.0, 0, 1.0, norms=(2.0,) * 100, scores=((10, 0.9), (80, 0.5)))
    curve = curve_of(fit, name="gru", is_used=True)
    assert (len(curve.steps), curve.steps[-1], set(curve.norms)) == (64, 100, {2.0})
    widths = np.diff([0, *curve.steps])
    assert float(np.dot(curve.losses, widths)) == pytest.approx(sum(range(100)), rel=1e-4)
    assert (curve.score_steps, curve.scores) == ((10, 80), (0.9, 0.5))
    assert curve_of(replace(fit, losses=(), norms=(), scores=()), name="", is_used=True).steps == ()
