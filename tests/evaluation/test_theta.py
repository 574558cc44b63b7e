from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation import theta
from rnnforecast.evaluation.baselines import (
    BASELINES,
    STATISTICAL_BASELINES,
    available_baselines,
    forecast_baseline,
)
from rnnforecast.evaluation.theta import context_length, forecast_theta
from tests.evaluation.plain_theta import plain_theta
from tests.evaluation.toy import LEVELS, MEDIAN, make_series, windows_of

NAN = float("nan")
ONE_SIGMA = (0.5, NormalDist().cdf(1.0))


def padded(*runs: Sequence[float] | Float64Array) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
    """Lay runs of any length out as windows that end together; NaN is missing."""
    longest = max(len(run) for run in runs)
    values = np.full((len(runs), longest), NAN)
    for row, run in zip(values, runs, strict=True):
        row[longest - len(run) :] = run
    return values, ~np.isnan(values)


def points(*runs: Sequence[float] | Float64Array, horizon: int, season_length: int = 1) -> Float64Array:
    """Return the point forecasts behind runs of values: [W, H]."""
    values, observed = padded(*runs)
    found = forecast_theta(
        values, observed, horizon=horizon, season_length=season_length, quantile_levels=(0.1, 0.5, 0.9)
    )
    return np.asarray(found[..., 1])


def spreads(run: Sequence[float] | Float64Array, *, horizon: int, season_length: int = 1) -> Float64Array:
    """Return the standard deviations behind one run of values: [H]."""
    values, observed = padded(run)
    found = forecast_theta(values, observed, horizon=horizon, season_length=season_length, quantile_levels=ONE_SIGMA)
    return np.asarray(found[0, :, 1] - found[0, :, 0])


def seasonal_run(length: int, *, season_length: int, seed: int, level: float = 100.0) -> Float64Array:
    """Return a trend times a season times noise, all positive."""
    draw = np.random.default_rng(seed)
    place = np.arange(length)
    season = 1 + 0.3 * np.sin(2 * np.pi * place / season_length) + 0.1 * np.cos(4 * np.pi * place / season_length)
    walk = np.exp(np.cumsum(0.02 * draw.normal(size=length)) + 0.002 * place)
    return np.asarray(level * walk * season * np.exp(0.03 * draw.normal(size=length)))


def walk_run(length: int, *, seed: int, level: float = 500.0) -> Float64Array:
    """Return a local level with noise around it, all positive."""
    draw = np.random.default_rng(seed)
    return np.asarray(level + np.cumsum(2 * draw.normal(size=length)) + 4 * draw.normal(size=length))


CASES = {
    "no season": (walk_run(60, seed=1), 1),
    "a season of four that multiplies": (seasonal_run(53, season_length=4, seed=2), 4),
    "a season of twelve that multiplies": (seasonal_run(110, season_length=12, seed=3), 12),
    "an odd season": (seasonal_run(90, season_length=7, seed=4), 7),
    "a season that adds, around zero": (seasonal_run(90, season_length=7, seed=5) - 100, 7),
    "a season that fails the test": (np.random.default_rng(6).normal(50, 5, size=70), 12),
    "longer than the start level is remembered": (walk_run(430, seed=7), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_point_forecasts_are_those_of_the_papers_step_by_step(name: str) -> None:
    run, season_length = CASES[name]
    wanted, _ = plain_theta(run.tolist(), horizon=15, season_length=season_length)
    found = points(run, horizon=15, season_length=season_length)[0]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-3 * np.std(run))


@pytest.mark.parametrize("name", CASES)
def test_spreads_are_those_of_exponential_smoothing_put_back_in_the_season(name: str) -> None:
    run, season_length = CASES[name]
    _, wanted = plain_theta(run.tolist(), horizon=15, season_length=season_length)
    np.testing.assert_allclose(spreads(run, horizon=15, season_length=season_length), wanted, rtol=5e-3)


@pytest.mark.parametrize("season_length", [1, 4, 12])
def test_positive_series_are_forecast_as_by_statsforecast(season_length: int) -> None:
    models = pytest.importorskip("statsforecast.models")
    runs = [
        walk_run(120, seed=seed) if season_length == 1 else seasonal_run(120, season_length=season_length, seed=seed)
        for seed in range(12)
    ]
    found = points(*runs, horizon=season_length + 3, season_length=season_length)
    for run, ours in zip(runs, found, strict=True):
        theirs = models.Theta(season_length=season_length).forecast(y=run, h=season_length + 3)["mean"]
        # they leave the first three errors out of what they minimise, and minimise to a tolerance
        assert np.abs(ours - theirs).max() < 0.15 * np.abs(np.diff(run)).mean()


def test_windows_of_any_length_are_forecast_together_as_alone() -> None:
    runs = [seasonal_run(length, season_length=4, seed=length) for length in (90, 1, 2, 3, 7, 8, 9, 12, 41)]
    runs[0][[20, 21, 22, 50, 89]] = NAN
    together = points(*runs, horizon=6, season_length=4)
    for run, found in zip(runs, together, strict=True):
        np.testing.assert_allclose(found, points(run, horizon=6, season_length=4)[0], rtol=1e-9)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, observed = padded(*(seasonal_run(20 + 3 * seed, season_length=4, seed=seed) for seed in range(25)))
    observed &= np.random.default_rng(0).random(observed.shape) > 0.1
    found = []
    for size in (1_024, 3):
        monkeypatch.setattr(theta, "_BATCH_WINDOWS", size)
        found.append(forecast_theta(values, observed, horizon=9, season_length=4, quantile_levels=LEVELS))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)  # sums of another shape add in another order


def test_windows_of_series_are_gathered_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    series = make_series(*(seasonal_run(30 + seed, season_length=4, seed=seed) for seed in range(9)), season_length=4)
    windows = windows_of(*((number, cutoff) for number in range(9) for cutoff in (5, 17, 30)))
    found = []
    for size in (4_000_000, 50):
        monkeypatch.setattr(theta, "_GATHERED_VALUES", size)
        found.append(forecast_baseline("theta", series, windows, horizon=5, quantile_levels=LEVELS))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_what_stands_where_nothing_was_observed_is_not_read() -> None:
    run = seasonal_run(60, season_length=4, seed=1)
    values, observed = padded(run, run[10:])
    observed[:, [25, 26, 40]] = False
    found = []
    for other in (0.0, 1e9, NAN):
        changed = np.where(observed, values, other)
        found.append(forecast_theta(changed, observed, horizon=5, season_length=4, quantile_levels=LEVELS))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_missing_values_of_a_season_change_a_forecast_little() -> None:
    run = seasonal_run(96, season_length=12, seed=8)
    complete = points(run, horizon=12, season_length=12)[0]
    holes = run.copy()
    holes[np.random.default_rng(1).choice(90, size=12, replace=False)] = NAN
    found = points(holes, horizon=12, season_length=12)[0]
    np.testing.assert_allclose(found, complete, rtol=0.06)


def test_missing_rows_before_the_cutoff_shift_line_and_season_and_widen_the_spread() -> None:
    run = seasonal_run(80, season_length=4, seed=9)
    late = np.r_[run, NAN, NAN]
    np.testing.assert_allclose(
        points(late, horizon=4, season_length=4)[0], points(run, horizon=6, season_length=4)[0, 2:], rtol=1e-9
    )
    np.testing.assert_allclose(
        spreads(late, horizon=4, season_length=4), spreads(run, horizon=6, season_length=4)[2:], rtol=1e-9
    )


def test_a_single_value_is_repeated_with_a_spread_of_its_size() -> None:
    assert points([7.0], horizon=3, season_length=12)[0].tolist() == [7, 7, 7]
    assert spreads([7.0], horizon=1, season_length=12)[0] == pytest.approx(7)


def test_two_values_continue_with_half_their_slope() -> None:
    assert points([4.0, 6.0], horizon=3)[0] == pytest.approx([7, 8, 9])


def test_a_straight_line_continues_with_half_its_slope() -> None:
    # the curve of a line is the line, of which smoothing keeps the last value
    assert points(np.arange(30.0), horizon=2)[0] == pytest.approx([29.5, 30])


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e12])
def test_a_constant_is_repeated_exactly_without_spread(value: float) -> None:
    for length in (2, 5, 37):
        assert set(points([value] * length, horizon=4, season_length=2)[0].tolist()) == {value}
        np.testing.assert_array_equal(spreads([value] * length, horizon=4, season_length=2), 0)


def test_zeros_and_negative_values_get_a_season_that_adds() -> None:
    season = np.tile([0.0, -5.0, 10.0, 3.0], 12)
    noise = 0.1 * np.random.default_rng(2).normal(size=48)
    np.testing.assert_allclose(points(season + noise, horizon=4, season_length=4)[0], season[:4], atol=0.5)
    spread = spreads(season + noise, horizon=4, season_length=4)
    assert spread.max() < 1.5 * spread.min()


def test_a_season_that_multiplies_scales_the_spread() -> None:
    noise = np.exp(0.02 * np.random.default_rng(2).normal(size=48))
    spread = spreads(np.tile([1.0, 10.0, 5.0, 1.0], 12) * noise, horizon=4, season_length=4)
    assert spread[1] / spread[0] == pytest.approx(10, rel=0.3)


def test_values_near_zero_among_positive_ones_do_not_blow_up() -> None:
    run = np.tile([1e-9, 40.0, 50.0, 60.0], 12) + np.arange(48) * 1e-9
    found = points(run, horizon=8, season_length=4)[0]
    assert np.abs(found).max() < 100


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 3.7, 1e200])
def test_a_forecast_scales_with_its_series(scale: float) -> None:
    values, observed = padded(
        seasonal_run(70, season_length=4, seed=3), seasonal_run(70, season_length=4, seed=4) - 100, walk_run(9, seed=5)
    )
    first, second = (
        forecast_theta(factor * values, observed, horizon=6, season_length=4, quantile_levels=LEVELS)
        for factor in (1.0, scale)
    )
    np.testing.assert_allclose(second / scale, first, rtol=1e-6)


def test_quantiles_ascend_around_a_median_that_does_not_depend_on_the_levels() -> None:
    values, observed = padded(*(seasonal_run(20 + 9 * seed, season_length=4, seed=seed) for seed in range(6)))
    many, one = (
        forecast_theta(values, observed, horizon=6, season_length=4, quantile_levels=levels)
        for levels in (LEVELS, (0.5,))
    )
    assert (np.diff(many, axis=-1) > 0).all()
    np.testing.assert_array_equal(many[..., MEDIAN], one[..., 0])
    assert many.shape == (6, 6, len(LEVELS))
    assert many.dtype == np.float64


def test_intervals_on_local_levels_cover_about_what_they_guarantee() -> None:
    runs = np.stack([walk_run(106, seed=seed) for seed in range(300)])
    values, observed = padded(*runs[:, :100])
    found = forecast_theta(values, observed, horizon=6, season_length=1, quantile_levels=(0.1, 0.5, 0.9))
    inside = (runs[:, 100:] >= found[..., 0]) & (runs[:, 100:] <= found[..., 2])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)


def test_windows_without_a_value_are_not_a_number_and_disturb_no_other() -> None:
    values, observed = padded([NAN] * 5, [1.0, 2.0, 4.0], [NAN] * 3)
    found = forecast_theta(values, observed, horizon=2, season_length=1, quantile_levels=(0.5,))
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_array_equal(found[1, :, 0], points([1.0, 2.0, 4.0], horizon=2)[0])


def test_no_windows_have_no_forecasts() -> None:
    nothing = np.zeros((0, 4))
    found = forecast_theta(nothing, nothing > 0, horizon=3, season_length=2, quantile_levels=LEVELS)
    assert found.shape == (0, 3, len(LEVELS))


def test_rows_before_the_context_do_not_matter() -> None:
    kept = context_length(7)
    run = walk_run(kept + 50, seed=1)
    changed = np.r_[np.full(50, 1e6), run[50:]]
    np.testing.assert_array_equal(points(run, horizon=3, season_length=7), points(changed, horizon=3, season_length=7))


def test_six_long_seasons_are_looked_back_at_but_never_more_than_twenty_thousand_rows() -> None:
    assert (context_length(1), context_length(1_440), context_length(100_000)) == (2_000, 8_640, 20_000)


def test_the_baseline_sees_no_row_at_or_after_a_cutoff() -> None:
    values = seasonal_run(60, season_length=4, seed=4)
    changed = np.r_[values[:40], 1e9, np.full(18, NAN), -1e9]
    windows = windows_of((0, 40), (0, 13), (1, 20))
    first, second = (
        forecast_baseline("theta", make_series(run, values[:30], season_length=4), windows, horizon=7,
                          quantile_levels=LEVELS)
        for run in (values, changed)
    )  # fmt: skip
    np.testing.assert_array_equal(first, second)


def test_the_baseline_is_the_forecast_of_the_rows_before_each_cutoff() -> None:
    runs = [seasonal_run(length, season_length=4, seed=length) for length in (33, 60, 5)]
    runs[1][[7, 59]] = NAN
    pairs = [(1, 60), (0, 12), (2, 1), (1, 30)]
    found = forecast_baseline(
        "theta", make_series(*runs, season_length=4), windows_of(*pairs), horizon=5, quantile_levels=LEVELS
    )
    for (number, cutoff), quantiles in zip(pairs, found, strict=True):
        alone = points(runs[number][:cutoff], horizon=5, season_length=4)[0]
        np.testing.assert_allclose(quantiles[:, MEDIAN], alone, rtol=1e-9)


def test_a_series_that_ended_before_the_context_is_forecast_naively() -> None:
    run = np.r_[3.0, 5.0, np.full(context_length(1), NAN)]
    windows = windows_of((0, len(run)))
    theirs, naive = (
        forecast_baseline(name, make_series(run), windows, horizon=2, quantile_levels=LEVELS)
        for name in ("theta", "naive")
    )
    np.testing.assert_array_equal(theirs, naive)


def test_no_windows_of_series_have_no_forecasts() -> None:
    found = forecast_baseline("theta", make_series([1.0, 2.0]), windows_of(), horizon=2, quantile_levels=LEVELS)
    assert found.shape == (0, 2, len(LEVELS))


def test_theta_is_shown_but_is_not_a_naive_forecast() -> None:
    assert STATISTICAL_BASELINES == ("theta",)
    assert set(BASELINES).isdisjoint(STATISTICAL_BASELINES)
    assert "theta" not in available_baselines(12)


def test_trend_and_season_are_forecast_better_than_by_any_naive_forecast() -> None:
    horizon, runs = 12, [seasonal_run(108, season_length=12, seed=seed) for seed in range(40)]
    series = make_series(*runs, season_length=12)
    windows = Windows(series=np.arange(40), cutoffs=np.full(40, 96))
    actual = np.stack([run[96:] for run in runs])
    scale = np.array([np.abs(run[12:96] - run[:84]).mean() for run in runs])
    mase, smape = {}, {}
    for name in (*BASELINES, "theta"):
        point = forecast_baseline(name, series, windows, horizon=horizon, quantile_levels=(0.5,))[..., 0]
        mase[name] = float((np.abs(point - actual).mean(axis=1) / scale).mean())
        smape[name] = float((200 * np.abs(point - actual) / (np.abs(point) + np.abs(actual))).mean())
    assert min(mase, key=lambda name: mase[name]) == "theta"
    assert min(smape, key=lambda name: smape[name]) == "theta"
