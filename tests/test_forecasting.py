from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast import forecasting as module
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.data.windows import FlatSeries, WindowBatch, Windows
from rnnforecast.errors import DivergedError, ExitCode, UsageError
from rnnforecast.evaluation.calibration import Calibration
from rnnforecast.evaluation.theta import forecast_theta_windows
from rnnforecast.forecasting import (
    THETA_CONTEXTS,
    Ensemble,
    export_attention,
    forecast_blocks,
    forecast_theta_in_context,
    interpolate_quantiles,
    last_windows,
    split_groups,
)
from rnnforecast.members import Member
from tests.inference.samples import LEVELS, make_member, make_network, tensors_of
from tests.training.toy import make_series, wave

SERIES = make_series(wave(60), wave(40, seed=2))
FLAT = FlatSeries.from_series(SERIES)
WINDOWS = last_windows(SERIES)
MEMBER = make_member()


def _constant(level: float, *, spread: float = 1.0) -> dict[str, np.ndarray]:
    """Return the tensors of a network that always says the same; `_constant_engine` reads them."""
    return {"level": np.array(level), "spread": np.array(spread)}


def _constant_engine(member: Member, tensors: Mapping[str, np.ndarray], batch: WindowBatch) -> np.ndarray:
    spread = tensors["spread"] * np.linspace(-1, 1, len(member.quantile_levels))
    return np.broadcast_to(tensors["level"] + spread, (len(batch.past_target), member.horizon, len(spread))).copy()


def _last_value_engine(member: Member, _: Mapping[str, np.ndarray], batch: WindowBatch) -> np.ndarray:
    """Go one up from the last value of the window at every step, with a spread of one."""
    path = batch.past_target[:, -1:] + np.arange(1, member.horizon + 1)
    return np.asarray(path[..., None] + np.linspace(-1, 1, len(member.quantile_levels)))


def _ensemble(*levels: float) -> Ensemble:
    weights = tuple(_constant(level) for level in levels)
    return Ensemble(members=(MEMBER,) * len(levels), weights=weights, engine=_constant_engine)


def test_an_ensemble_forecasts_the_median_of_its_members() -> None:
    forecast = _ensemble(1.0, 5.0, 100.0).forecast(FLAT, WINDOWS, horizon=3)
    assert forecast.shape == (2, 3, 3)
    np.testing.assert_array_equal(forecast[0, 0], [4.0, 5.0, 6.0])


def test_a_member_that_is_not_finite_is_left_out() -> None:
    forecast = _ensemble(1.0, np.nan, 3.0).forecast(FLAT, WINDOWS, horizon=3)
    np.testing.assert_array_equal(forecast[..., 1], 2.0)


def test_each_group_has_one_member_however_many_members_it_has() -> None:
    ensemble = replace(_ensemble(1.0, 2.0, 9.0, 12.0), groups=(0, 0, 0, 1))
    forecast = ensemble.forecast(FLAT, WINDOWS, horizon=3)
    # the mean of the median of three and of the only one
    np.testing.assert_array_equal(forecast[0, 0], [6.0, 7.0, 8.0])


@pytest.mark.parametrize("groups", [(), (0, 0, 0), (3, 3, 3)])
def test_members_of_one_group_are_an_ensemble_without_groups(groups: tuple[int, ...]) -> None:
    ensemble = replace(_ensemble(1.0, 5.0, 100.0), groups=groups)
    np.testing.assert_array_equal(ensemble.forecast(FLAT, WINDOWS, horizon=3)[..., 1], 5.0)


def test_a_group_without_a_finite_member_leaves_the_other_its_member() -> None:
    ensemble = replace(_ensemble(np.nan, np.nan, 12.0), groups=(0, 0, 1))
    np.testing.assert_array_equal(ensemble.forecast(FLAT, WINDOWS, horizon=3)[..., 1], 12.0)


def test_members_are_weighed_by_their_shares() -> None:
    ensemble = replace(_ensemble(1.0, 2.0, 9.0, 12.0), groups=(0, 0, 0, 1), group_weights=(0.75, 0.25))
    np.testing.assert_allclose(ensemble.forecast(FLAT, WINDOWS, horizon=3)[0, 0], [3.5, 4.5, 5.5])


def test_shares_stand_in_the_order_of_the_numbers_of_the_groups() -> None:
    ensemble = replace(_ensemble(8.0, 0.0, 4.0), groups=(7, 1, 3), group_weights=(0.5, 0.25, 0.25))
    np.testing.assert_allclose(ensemble.forecast(FLAT, WINDOWS, horizon=3)[..., 1], 3.0)


def test_a_member_that_is_not_finite_leaves_its_share_to_the_others() -> None:
    ensemble = replace(_ensemble(np.nan, 4.0, 12.0), groups=(0, 1, 2), group_weights=(0.5, 0.3, 0.1))
    np.testing.assert_allclose(ensemble.forecast(FLAT, WINDOWS, horizon=3)[..., 1], 6.0)


def test_an_ensemble_is_split_into_its_members_each_alone() -> None:
    ensemble = replace(_ensemble(1.0, 2.0, 3.0), groups=(1, 0, 1), group_weights=(0.4, 0.6), theta_weight=0.2)
    voices = split_groups(ensemble)
    assert [[float(weights["level"]) for weights in voice.weights] for voice in voices] == [[2.0], [1.0, 3.0]]
    assert {(voice.groups, voice.group_weights, voice.theta_weight) for voice in voices} == {((), (), 0.0)}
    assert [len(voice.members) for voice in voices] == [1, 2]


def test_an_ensemble_without_groups_is_one_member() -> None:
    assert split_groups(_ensemble(1.0, 2.0)) == [_ensemble(1.0, 2.0)]


# the Theta method next to the networks


def test_the_theta_method_has_its_share_of_every_quantile() -> None:
    networks = _ensemble(40.0)
    mixed = replace(networks, theta_weight=0.25).forecast(FLAT, WINDOWS, horizon=5)
    theta = forecast_theta_in_context(networks, FLAT, WINDOWS, horizon=5)
    np.testing.assert_allclose(mixed, 0.75 * networks.forecast(FLAT, WINDOWS, horizon=5) + 0.25 * theta)


def test_without_a_share_the_theta_method_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "forecast_theta_in_context", None)
    assert np.isfinite(_ensemble(1.0).forecast(FLAT, WINDOWS, horizon=3)).all()


def test_next_to_networks_that_read_all_rows_the_theta_method_is_that_of_the_baselines() -> None:
    member = make_member(context_length=60, segment_length=4)
    ensemble = Ensemble(members=(member,), weights=(_constant(1.0),), engine=_constant_engine)
    expected = forecast_theta_windows(SERIES, WINDOWS, horizon=5, quantile_levels=LEVELS)
    np.testing.assert_allclose(forecast_theta_in_context(ensemble, FLAT, WINDOWS, horizon=5), expected)


def test_the_theta_method_reads_no_further_back_than_a_model_file_keeps() -> None:
    ensemble, kept = _ensemble(1.0), THETA_CONTEXTS * MEMBER.context_length
    assert kept < 40
    tails = [np.asarray(column[-kept:]) for column in (SERIES.values[:60], SERIES.values[60:])]
    series = make_series(*tails)
    tail = forecast_theta_in_context(ensemble, FlatSeries.from_series(series), last_windows(series), horizon=9)
    np.testing.assert_array_equal(forecast_theta_in_context(ensemble, FLAT, WINDOWS, horizon=9), tail)


def test_a_window_without_a_value_is_the_forecast_of_the_networks_alone() -> None:
    values = np.full(40, np.nan)
    series = make_series(wave(60), values)
    flat, ensemble = FlatSeries.from_series(series), _ensemble(40.0)
    mixed = replace(ensemble, theta_weight=0.5).forecast(flat, last_windows(series), horizon=3)
    plain = ensemble.forecast(flat, last_windows(series), horizon=3)
    np.testing.assert_array_equal(mixed[1], plain[1])
    assert not np.allclose(mixed[0], plain[0])


def test_no_windows_give_an_empty_forecast_with_the_theta_method_too() -> None:
    nothing = Windows(series=np.array([], dtype=np.int64), cutoffs=np.array([], dtype=np.int64))
    ensemble = replace(_ensemble(1.0), theta_weight=0.5)
    assert ensemble.forecast(FLAT, nothing, horizon=4).shape == (0, 4, 3)
    assert forecast_theta_in_context(ensemble, FLAT, nothing, horizon=4).shape == (0, 4, 3)


def test_no_finite_member_at_all_is_an_error_that_names_the_series() -> None:
    with pytest.raises(DivergedError, match=r"no finite forecast for series number 0 \(2 of 2 windows\)") as caught:
        _ensemble(np.inf, np.nan).forecast(FLAT, WINDOWS, horizon=3)
    assert caught.value.exit_code == ExitCode.DIVERGED


def test_quantiles_come_sorted() -> None:
    ensemble = replace(_ensemble(0.0), weights=(_constant(0.0, spread=-1.0),))
    assert ensemble.forecast(FLAT, WINDOWS, horizon=1)[0, 0].tolist() == [-1.0, 0.0, 1.0]


def test_calibration_widens_around_the_median() -> None:
    factors = np.full((7, 3), 2.0)
    ensemble = replace(_ensemble(5.0), calibration=Calibration(factors=factors, quantile_levels=LEVELS))
    assert ensemble.forecast(FLAT, WINDOWS, horizon=1)[0, 0].tolist() == [3.0, 5.0, 7.0]


def test_no_windows_give_an_empty_forecast() -> None:
    nothing = Windows(series=np.array([], dtype=np.int64), cutoffs=np.array([], dtype=np.int64))
    assert _ensemble(1.0).forecast(FLAT, nothing, horizon=4).shape == (0, 4, 3)


def test_batches_of_windows_do_not_change_the_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(members=(MEMBER,), weights=(tensors_of(make_network(MEMBER)),))
    windows = Windows(series=np.array([0, 1, 0, 1, 0]), cutoffs=np.array([60, 40, 50, 30, 20]))
    whole = ensemble.forecast(FLAT, windows, horizon=7)
    monkeypatch.setattr(module, "MOST_WINDOWS", 2)
    np.testing.assert_allclose(ensemble.forecast(FLAT, windows, horizon=7), whole, rtol=1e-6)


def test_the_window_of_a_forecast_ends_with_the_last_row() -> None:
    assert (WINDOWS.series.tolist(), WINDOWS.cutoffs.tolist()) == ([0, 1], [60, 40])


def test_what_was_forecast_is_never_fed_back() -> None:
    passes = []

    def engine(member: Member, tensors: Mapping[str, np.ndarray], batch: WindowBatch) -> np.ndarray:
        passes.append(batch.past_target.copy())
        return _last_value_engine(member, tensors, batch)

    forecast = forecast_blocks(MEMBER, {}, FLAT, WINDOWS, horizon=40, engine=engine)

    assert (len(passes), forecast.shape[1]) == (1, 40)


@pytest.mark.parametrize("horizon", [1, 3, 7])
def test_a_shorter_horizon_is_the_start_of_a_longer_one(horizon: int) -> None:
    tensors = tensors_of(make_network(MEMBER))
    long = forecast_blocks(MEMBER, tensors, FLAT, WINDOWS, horizon=30)
    np.testing.assert_array_equal(forecast_blocks(MEMBER, tensors, FLAT, WINDOWS, horizon=horizon), long[:, :horizon])


def test_levels_that_were_trained_are_read_as_they_are() -> None:
    quantiles = np.array([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(interpolate_quantiles(quantiles, (0.1, 0.5, 0.9), (0.1, 0.5, 0.9)), quantiles)


def test_a_normal_distribution_is_met_exactly_between_and_beyond_the_levels() -> None:
    normal = NormalDist(10, 3)
    trained = np.array([normal.inv_cdf(level) for level in TRAINED_QUANTILE_LEVELS])
    wanted = (0.01, 0.05, 0.25, 0.33, 0.77, 0.99)
    expected = [normal.inv_cdf(level) for level in wanted]
    np.testing.assert_allclose(interpolate_quantiles(trained, TRAINED_QUANTILE_LEVELS, wanted), expected)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.floats(0, 100), min_size=13, max_size=13),
    wanted=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=8, unique=True),
)
def test_levels_in_between_never_cross(steps: list[float], wanted: list[float]) -> None:
    read = interpolate_quantiles(np.cumsum(steps), TRAINED_QUANTILE_LEVELS, sorted(wanted))
    assert (np.diff(read) >= -1e-9).all()


def test_attention_is_that_of_the_first_member_that_has_any() -> None:
    member = make_member(mapping="encoder-decoder", attention="dot")
    ensemble = Ensemble(members=(MEMBER, member), weights=({}, tensors_of(make_network(member))))
    weights = export_attention(ensemble, FLAT, WINDOWS)
    assert weights.shape == (2, 2, 4)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-6)


def test_attention_of_an_ensemble_without_any_is_rejected_with_the_way_to_it() -> None:
    with pytest.raises(UsageError, match="this model has no attention to export") as caught:
        export_attention(_ensemble(1.0), FLAT, WINDOWS)
    assert "--mapping encoder-decoder --attention additive" in str(caught.value.hint)
