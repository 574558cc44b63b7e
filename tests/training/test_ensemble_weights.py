"""How much each member counts: more where it erred less on held-out rows, the more surely the more rows there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.training.ensemble_weights import (
    MAX_WINDOWS,
    EnsembleWeights,
    ValidationActuals,
    choose_weights,
    subsample,
)
from rnnforecast.training.initial_weights import FINE_TUNED, SCRATCH, THETA, ZERO_SHOT
from tests.training.toy import make_series

HORIZON = 4
LEVELS = np.array(TRAINED_QUANTILE_LEVELS)
#: What comes true, with noise of one.
LEVEL = 50.0
USUAL = {SCRATCH: 0.2, FINE_TUNED: 0.3, ZERO_SHOT: 0.4, THETA: 0.1}
TWO = {SCRATCH: 0.5, FINE_TUNED: 0.5}


def _series(num_rows: int = 400) -> SeriesSet:
    return make_series(LEVEL + np.random.default_rng(0).normal(size=num_rows))


def _origins(count: int, *, num_rows: int = 400) -> Windows:
    cutoffs = num_rows - HORIZON * np.arange(count, 0, -1)
    return Windows(series=np.zeros(count, dtype=np.int64), cutoffs=cutoffs.astype(np.int64))


def _constant(num_windows: int, *, error: float) -> np.ndarray:
    return np.full((num_windows, HORIZON, len(LEVELS)), LEVEL + error)


def _held_out(num_windows: int, *, actual: float = LEVEL) -> ValidationActuals:
    """Return windows where the same value comes true, in units of one."""
    shape = (num_windows, HORIZON)
    return ValidationActuals(np.full(shape, actual), np.ones(shape, dtype=bool), np.ones(num_windows), num_series=20)


def _choose(
    errors: dict[str, float],
    *,
    usual: dict[str, float] = USUAL,
    num_windows: int = 20,
    held_out: ValidationActuals | None = None,
    theta_weight: float | None = None,
) -> EnsembleWeights:
    return choose_weights(
        {name: _constant(num_windows, error=error) for name, error in errors.items()},
        _held_out(num_windows) if held_out is None else held_out,
        usual=usual,
        levels=TRAINED_QUANTILE_LEVELS,
        theta_weight=theta_weight,
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("theta_weight", [None, 0.25])
def test_weights_sum_to_one_whatever_the_losses(seed: int, theta_weight: float | None) -> None:
    draw = np.random.default_rng(seed).lognormal(sigma=2, size=4)
    found = _choose(dict(zip(USUAL, draw, strict=True)), theta_weight=theta_weight)
    assert list(found.weights) == list(USUAL)
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert min(found.weights.values()) >= 0


def test_members_of_one_loss_keep_their_usual_weights() -> None:
    assert _choose(dict.fromkeys(USUAL, 2.0)).weights == pytest.approx(USUAL)


def test_a_member_with_half_the_loss_gets_more() -> None:
    weights = _choose({SCRATCH: 2.0, FINE_TUNED: 1.0}, usual=TWO).weights
    assert weights[FINE_TUNED] > 0.7
    assert weights[SCRATCH] > 0


def test_few_windows_move_weights_less_than_many() -> None:
    moved = [
        _choose({SCRATCH: 2.0, FINE_TUNED: 1.5}, usual=TWO, num_windows=n).weights[FINE_TUNED] for n in (1, 5, 30, 500)
    ]
    assert moved == sorted(moved)
    assert 0.5 < moved[0] < 0.52
    assert moved[-1] > 0.7


def test_with_thirty_windows_the_inverse_loss_counts_squared() -> None:
    weights = _choose({SCRATCH: 2.0, FINE_TUNED: 1.0}, usual=TWO, num_windows=30).weights
    assert weights[FINE_TUNED] / weights[SCRATCH] == pytest.approx(4.0)


def test_four_windows_of_one_series_count_the_inverse_loss_to_the_third() -> None:
    alone = replace(_held_out(4), num_series=1)
    weights = _choose({SCRATCH: 2.0, FINE_TUNED: 1.0}, usual=TWO, num_windows=4, held_out=alone).weights
    assert weights[FINE_TUNED] / weights[SCRATCH] == pytest.approx(8.0)


def test_the_series_of_held_out_windows_are_counted() -> None:
    series = make_series(*(np.arange(1.0, 41.0) for _ in range(3)))
    windows = Windows(np.array([0, 0, 2]), np.array([20, 25, 20]))
    assert ValidationActuals.of(series, windows, horizon=HORIZON).num_series == 2


@pytest.mark.parametrize("given", [0.0, 0.02, 0.5, 0.9])
def test_a_given_share_of_the_theta_method_stands_whatever_its_loss(given: float) -> None:
    for error in (0.01, 1.0, 90.0):
        weights = _choose({SCRATCH: 1.0, FINE_TUNED: 1.0, ZERO_SHOT: 2.0, THETA: error}, theta_weight=given).weights
        assert weights[THETA] == given
        assert sum(weights.values()) == pytest.approx(1.0)


def test_a_given_share_leaves_the_networks_the_ratio_that_their_losses_give_them() -> None:
    errors = {SCRATCH: 1.0, FINE_TUNED: 1.2, ZERO_SHOT: 2.0, THETA: 1.7}
    free, given = _choose(errors).weights, _choose(errors, theta_weight=0.6).weights
    assert given[SCRATCH] / given[FINE_TUNED] == pytest.approx(free[SCRATCH] / free[FINE_TUNED])


@pytest.mark.parametrize(("name", "limit"), [(SCRATCH, 1.1), (FINE_TUNED, 1.25)])
def test_networks_too_far_behind_the_best_group_have_no_weight(name: str, limit: float) -> None:
    errors = {SCRATCH: 1.0, FINE_TUNED: 1.0, ZERO_SHOT: 1.0}
    near, far = (_choose({**errors, name: limit * factor}).weights for factor in (0.99, 1.01))
    assert near[name] > 0.0
    assert far[name] == 0.0
    assert far[ZERO_SHOT] > 0.0


def test_a_member_next_to_nothing_is_dropped_and_the_others_speak_for_it() -> None:
    weights = _choose({SCRATCH: 50.0, FINE_TUNED: 1.0, ZERO_SHOT: 1.0, THETA: 1.0}).weights
    assert weights[SCRATCH] == 0.0
    assert weights[FINE_TUNED] == pytest.approx(0.3 / 0.8)


@pytest.mark.parametrize("num_windows", [1, 900])
@pytest.mark.parametrize("errors", [(1.0, 1.0), (1e-4, 1.0), (1e6, 1e9)])
def test_a_theta_method_without_any_error_leaves_the_networks_a_share(
    errors: tuple[float, float], num_windows: int
) -> None:
    usual = {FINE_TUNED: 0.5, ZERO_SHOT: 0.4, THETA: 0.1}
    weights = _choose(
        {FINE_TUNED: errors[0], ZERO_SHOT: errors[1], THETA: 0.0}, usual=usual, num_windows=num_windows
    ).weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert 0.1 < weights[THETA] <= 0.9


def test_members_without_any_error_keep_their_usual_weights() -> None:
    found = _choose(dict.fromkeys(USUAL, 0.0))
    assert found.weights == pytest.approx(USUAL)
    assert found.combined_loss == 0.0


def test_no_held_out_value_leaves_the_usual_weights_and_says_so() -> None:
    nothing = ValidationActuals(np.zeros((3, HORIZON)), np.zeros((3, HORIZON), dtype=bool), np.ones(3), num_series=20)
    found = _choose({SCRATCH: 1.0, FINE_TUNED: 5.0}, usual=TWO, num_windows=3, held_out=nothing)
    assert (found.weights, found.losses, found.combined_loss) == (TWO, {}, None)
    words = "from scratch 50 %, fine-tuned 50 %; usual weights, as no validation row has a value (--theta-weight)"
    assert found.sentence() == words


def test_no_cutoff_at_all_leaves_the_usual_weights() -> None:
    assert _choose({SCRATCH: 1.0, FINE_TUNED: 5.0}, usual=TWO, num_windows=0).weights == TWO
    assert len(subsample(_origins(0))) == 0


def test_missing_values_count_nothing() -> None:
    whole = _held_out(6)
    actual, observed = whole.actual.copy(), whole.observed.copy()
    actual[2], observed[2] = 1e9, False
    actual[4, 1:], observed[4, 1:] = np.nan, False
    holes = ValidationActuals(actual, observed, whole.scale, num_series=20)
    errors = {SCRATCH: 1.0, FINE_TUNED: 2.0}
    found = _choose(errors, usual=TWO, num_windows=6, held_out=holes)
    assert found == _choose(errors, usual=TWO, num_windows=5)


def test_windows_that_one_member_has_no_forecast_for_count_for_none() -> None:
    voices = {SCRATCH: _constant(6, error=1.0), FINE_TUNED: _constant(6, error=2.0)}
    voices[SCRATCH][3] = np.nan
    voices[FINE_TUNED][3] = LEVEL + 1e6
    found = choose_weights(voices, _held_out(6), usual=TWO, levels=TRAINED_QUANTILE_LEVELS)
    assert found == _choose({SCRATCH: 1.0, FINE_TUNED: 2.0}, usual=TWO, num_windows=5)


def test_the_loss_combined_loss_is_that_of_the_weighed_mean() -> None:
    found = _choose({SCRATCH: 3.0, FINE_TUNED: -3.0}, usual=TWO)
    assert found.losses[SCRATCH] == pytest.approx(found.losses[FINE_TUNED])
    assert found.combined_loss == pytest.approx(0.0)


def test_a_loss_is_the_mean_pinball_loss_in_seasonal_naive_errors() -> None:
    actual = np.random.default_rng(3).normal(size=(5, HORIZON))
    quantiles = np.sort(np.random.default_rng(4).normal(size=(5, HORIZON, len(LEVELS))), axis=-1)
    scale = np.arange(1.0, 6.0)
    error = actual[..., None] - quantiles
    pinball = np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(axis=(1, 2))
    held_out = ValidationActuals(actual, np.ones((5, HORIZON), dtype=bool), scale, num_series=20)
    np.testing.assert_allclose(held_out.losses(quantiles, LEVELS), pinball / scale)


def test_what_actuals_is_read_off_the_rows_after_each_cutoff() -> None:
    series, windows = _series(), _origins(3)
    held_out = ValidationActuals.of(series, windows, horizon=HORIZON)
    np.testing.assert_allclose(held_out.actual, series.values[-3 * HORIZON :].reshape(3, HORIZON))
    assert held_out.observed.all()
    assert (held_out.scale > 0).all()


def test_the_sentence_names_every_share_and_every_loss() -> None:
    weights = EnsembleWeights(
        weights={SCRATCH: 0.0, FINE_TUNED: 0.6, THETA: 0.4},
        losses={SCRATCH: 9.0, FINE_TUNED: 0.51234, THETA: 0.6},
        combined_loss=0.5,
    )
    assert weights.sentence() == (
        "fine-tuned 60 %, theta 40 % (validation loss 0.5); alone: from scratch 9, fine-tuned 0.512, theta 0.6 "
        "(--theta-weight)"
    )


def test_very_many_windows_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(subsample(_origins(20))) == 20
    monkeypatch.setattr("rnnforecast.training.ensemble_weights.MAX_WINDOWS", 7)
    assert MAX_WINDOWS > 7
    kept = subsample(_origins(20)).cutoffs
    assert len(kept) == 7
    assert set(np.diff(kept)) == {3 * HORIZON}
