from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.errors import DataError, ResourceError, UsageError
from rnnforecast.evaluation.baselines import (
    BASELINES,
    EXTRA_BASELINES,
    available_baselines,
    forecast_baseline,
)
from rnnforecast.evaluation.naive import normal_quantiles
from tests.evaluation.toy import LEVELS, MEDIAN, make_series, windows_of

NAN = float("nan")


def points(name: str, values: list[float], *, horizon: int, season_length: int = 1) -> list[float]:
    """Return the point forecast after the last value."""
    series = make_series(values, season_length=season_length)
    quantiles = forecast_baseline(name, series, windows_of((0, len(values))), horizon=horizon, quantile_levels=LEVELS)
    medians: list[float] = quantiles[0, :, MEDIAN].tolist()
    return medians


def spreads(name: str, values: list[float], *, horizon: int, season_length: int = 1) -> Float64Array:
    """Return the standard deviation behind the quantiles after the last value: [H]."""
    series = make_series(values, season_length=season_length)
    level = 0.8413447460685429  # one standard deviation above the median
    quantiles = forecast_baseline(
        name, series, windows_of((0, len(values))), horizon=horizon, quantile_levels=(0.5, level)
    )
    return np.asarray(quantiles[0, :, 1] - quantiles[0, :, 0])


def test_naive_repeats_the_last_value() -> None:
    assert points("naive", [3, 1, 4], horizon=3) == [4, 4, 4]


def test_naive_repeats_the_last_observed_value() -> None:
    assert points("naive", [3, 1, NAN], horizon=2) == [1, 1]


def test_seasonal_naive_repeats_the_last_season() -> None:
    assert points("seasonal-naive", [9, 9, 9, 1, 2, 3], horizon=5, season_length=3) == [1, 2, 3, 1, 2]


def test_seasonal_naive_takes_a_missing_position_from_the_season_before() -> None:
    assert points("seasonal-naive", [7, 8, 9, 1, NAN, 3], horizon=3, season_length=3) == [1, 8, 3]


def test_seasonal_naive_is_naive_where_no_season_was_seen() -> None:
    assert points("seasonal-naive", [5, 6], horizon=4, season_length=4) == [6, 6, 5, 6]


def test_each_series_of_a_panel_repeats_its_own_season() -> None:
    panel = make_series([1, 2, 1, 2, 1, 2], [3, 4, 5, 3, 4, 5], [7, 8, 7, 8, 7, 8], season_length=2)
    panel = panel.with_own_seasons({1: 3})
    windows = windows_of((1, 6), (0, 6), (2, 6), (1, 5))
    found = forecast_baseline("seasonal-naive", panel, windows, horizon=3, quantile_levels=(0.5,))[..., 0]
    assert found.tolist() == [[3, 4, 5], [1, 2, 1], [7, 8, 7], [5, 3, 4]]
    assert panel.select(np.array([1, 2])).own_seasons.tolist() == [3, 2]  # type: ignore[union-attr]


def test_seasonal_baselines_are_there_where_some_series_have_a_season() -> None:
    panel = make_series([1, 2, 1, 2], [3, 4, 5, 3])
    assert "seasonal-naive" not in available_baselines(panel.longest_season)
    assert "seasonal-naive" in available_baselines(panel.with_own_seasons({0: 2}).longest_season)


def test_drift_continues_the_line_from_first_to_last_value() -> None:
    assert points("drift", [1, 5, 7], horizon=2) == pytest.approx([10, 13])


def test_drift_counts_the_steps_over_missing_values() -> None:
    assert points("drift", [1, NAN, 7, NAN], horizon=2) == pytest.approx([13, 16])


def test_seasonal_drift_adds_the_mean_seasonal_change() -> None:
    assert points("seasonal-drift", [1, 2, 2, 4, 5, 6], horizon=4, season_length=2) == pytest.approx([7, 8, 9, 10])


def test_window_mean_is_the_mean_of_the_last_season() -> None:
    assert points("window-mean", [100, 1, 2, 3], horizon=2, season_length=3) == [2, 2]


def test_window_mean_leaves_missing_values_out() -> None:
    assert points("window-mean", [100, 1, NAN, 3], horizon=1, season_length=3) == [2]


def test_window_mean_without_a_season_looks_back_as_far_as_it_forecasts() -> None:
    values = [float(value) for value in range(20)]
    assert points("window-mean", values, horizon=6)[0] == pytest.approx(np.mean(values[-6:]))
    assert points("window-mean", values, horizon=1)[0] == pytest.approx(np.mean(values[-4:]))


def test_historic_mean_is_the_mean_of_all_observed_rows() -> None:
    assert points("historic-mean", [NAN, 1, 2, NAN, 6, NAN], horizon=2) == [3, 3]


def test_historic_mean_has_the_spread_of_hyndman_and_athanasopoulos_also_far_from_zero() -> None:
    values = [1e9 + value for value in (0, 1, 3, 0, 1)]
    sigma = np.std(values, ddof=1) * np.sqrt(1 + 1 / 5)
    np.testing.assert_allclose(spreads("historic-mean", values, horizon=3), sigma, rtol=1e-6)


def test_naive_spread_grows_with_the_root_of_the_steps() -> None:
    found = spreads("naive", [0, 1, 0, 2], horizon=4)
    sigma = np.sqrt((1 + 1 + 4) / 3)
    np.testing.assert_allclose(found, sigma * np.sqrt([1, 2, 3, 4]), rtol=1e-6)


def test_drift_spread_grows_as_in_hyndman_and_athanasopoulos() -> None:
    found = spreads("drift", [0, 1, 0, 2], horizon=3)
    slope, steps = 2 / 3, np.array([1, 2, 3])
    sigma = np.sqrt(((np.array([1, -1, 2]) - slope) ** 2).sum() / 2)
    np.testing.assert_allclose(found, sigma * np.sqrt(steps * (1 + steps / 3)), rtol=1e-6)


def test_seasonal_naive_spread_grows_with_the_root_of_the_seasons() -> None:
    found = spreads("seasonal-naive", [0, 5, 1, 7, 3, 6], horizon=5, season_length=2)
    sigma = np.sqrt((1 + 4 + 4 + 1) / 4)
    np.testing.assert_allclose(found, sigma * np.sqrt([1, 1, 2, 2, 3]), rtol=1e-6)


def test_missing_rows_before_the_cutoff_widen_the_naive_spread() -> None:
    complete, late = spreads("naive", [0, 1, 0, 2], horizon=1), spreads("naive", [0, 1, 0, 2, NAN], horizon=1)
    assert late[0] == pytest.approx(complete[0] * np.sqrt(2))


def test_a_single_value_has_a_spread_of_its_own_size() -> None:
    for name in BASELINES:
        assert spreads(name, [5], horizon=1, season_length=4)[0] >= 5


def test_a_constant_series_has_no_spread_and_no_nan() -> None:
    for name in BASELINES:
        np.testing.assert_array_equal(spreads(name, [5] * 12, horizon=3, season_length=4), 0)


@pytest.mark.parametrize("name", BASELINES)
def test_intervals_on_random_walks_or_noise_cover_about_what_they_guarantee(name: str) -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(300, 66))
    values = noise if name.endswith("-mean") else noise.cumsum(axis=1)
    horizon, season_length = 6, (1 if "seasonal" not in name else 3)
    if season_length > 1:  # a random walk of seasons
        values = noise.reshape(300, 22, 3).cumsum(axis=1).reshape(300, 66)
    series = make_series(*values, season_length=season_length)
    quantiles = forecast_baseline(
        name, series, windows_of(*((s, 60) for s in range(300))), horizon=horizon, quantile_levels=LEVELS
    )
    actual = values[:, 60:]
    inside = (actual >= quantiles[..., 1]) & (actual <= quantiles[..., -2])
    assert inside.mean() == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("name", BASELINES)
def test_quantiles_ascend(name: str) -> None:
    series = make_series(np.random.default_rng(0).normal(size=30), season_length=4)
    quantiles = forecast_baseline(name, series, windows_of((0, 30)), horizon=9, quantile_levels=LEVELS)
    assert (np.diff(quantiles, axis=-1) > 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_no_value_at_or_after_the_cutoff_matters(name: str) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=40)
    changed = values.copy()
    changed[25:] = np.where(np.arange(15) % 2, np.nan, 1e9)
    windows = windows_of((0, 18), (0, 25), (1, 12))
    first, second = (
        forecast_baseline(
            name, make_series(run, values[:20], season_length=4), windows, horizon=5, quantile_levels=LEVELS
        )
        for run in (values, changed)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", BASELINES)
def test_windows_forecast_together_as_they_do_alone(name: str) -> None:
    rng = np.random.default_rng(4)
    runs = [rng.normal(size=size) * scale for size, scale in ((50, 1e9), (9, 1e-6), (31, 1.0))]
    runs[2][5:9] = np.nan
    pairs = [(0, 50), (2, 31), (1, 9), (0, 21), (2, 7), (1, 1)]
    together = forecast_baseline(
        name, make_series(*runs, season_length=5), windows_of(*pairs), horizon=7, quantile_levels=LEVELS
    )
    for index, (number, cutoff) in enumerate(pairs):
        alone = forecast_baseline(
            name,
            make_series(runs[number][:cutoff], season_length=5),
            windows_of((0, cutoff)),
            horizon=7,
            quantile_levels=LEVELS,
        )
        np.testing.assert_allclose(together[index], alone[0], rtol=1e-9)


def test_without_a_season_the_seasonal_baselines_are_left_out() -> None:
    assert available_baselines(1) == ("naive", "drift", "window-mean", "historic-mean")
    assert available_baselines(12) == BASELINES


def test_the_median_is_exactly_the_point_forecast() -> None:
    point = np.array([[0.1, 0.2]])
    assert (normal_quantiles(point, point * np.inf, (0.5,))[..., 0] == point).all()


def test_no_windows_have_no_forecasts() -> None:
    for name in BASELINES:
        found = forecast_baseline(name, make_series([1, 2, 3]), windows_of(), horizon=2, quantile_levels=LEVELS)
        assert found.shape == (0, 2, len(LEVELS))


def test_a_past_without_any_value_is_rejected_by_name() -> None:
    series = make_series([1, 2], [NAN, NAN, 3])
    with pytest.raises(DataError, match="series `s1` has no observed value in its first 2 rows"):
        forecast_baseline("naive", series, windows_of((0, 2), (1, 2)), horizon=1, quantile_levels=LEVELS)


def test_an_unknown_baseline_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown baseline `magic`(.|\n)*one of naive, seasonal-naive"):
        forecast_baseline("magic", make_series([1, 2]), windows_of((0, 2)), horizon=1, quantile_levels=LEVELS)


def test_a_statistical_baseline_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("statsforecast"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ResourceError, match=r"needs the package statsforecast(.|\n)*rnnforecast\[baselines\]"):
        forecast_baseline("auto-ets", make_series([1, 2]), windows_of((0, 2)), horizon=1, quantile_levels=LEVELS)


@pytest.mark.parametrize("name", EXTRA_BASELINES)
def test_statistical_baselines_follow_a_season_and_ignore_the_future(name: str) -> None:
    pytest.importorskip("statsforecast")
    rng = np.random.default_rng(0)
    values = 50 + 10 * np.tile([0.0, 1.0, 2.0, 5.0], 12) + rng.normal(size=48)
    changed = np.r_[values[:40], 1e6 * np.ones(8)]
    first, second = (
        forecast_baseline(
            name, make_series(run, season_length=4), windows_of((0, 40)), horizon=4, quantile_levels=LEVELS
        )
        for run in (values, changed)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[0, :, MEDIAN] - [50, 60, 70, 100]).max() < 5
    assert (np.diff(first, axis=-1) >= 0).all()


def test_a_window_that_cannot_be_fitted_gets_seasonal_naive_and_is_counted() -> None:
    pytest.importorskip("statsforecast")
    series = make_series([4.0], season_length=4)
    with pytest.warns(RuntimeWarning, match="`auto-ets` could not be fitted to 1 of 1 windows"):
        found = forecast_baseline("auto-ets", series, windows_of((0, 1)), horizon=2, quantile_levels=LEVELS)
    assert found[0, :, MEDIAN].tolist() == [4, 4]
