from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.calibration import FACTOR_BOUNDS, Calibration, apply_calibration, fit_calibration
from tests.evaluation.toy import LEVELS, MEDIAN

SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def forecasts(
    num_windows: int, *, width: float, seed: int, horizon: int = 6, shift: float = 0.0
) -> tuple[Float64Array, Float64Array, np.ndarray]:
    """Return quantiles `width` times as wide as they should be, values of growing spread, and a full mask."""
    rng = np.random.default_rng(seed)
    spread = np.sqrt(np.arange(1, horizon + 1))
    level = rng.normal(0, 50, size=(num_windows, 1))
    actual = level + spread * (shift + rng.normal(size=(num_windows, horizon)))
    quantiles = level[..., None] + (width * spread)[:, None] * SCORES
    return quantiles, actual, np.ones(actual.shape, dtype=bool)


def coverage(quantiles: Float64Array, actual: Float64Array, low: float, high: float) -> Float64Array:
    """Return the coverage of each lead time."""
    inside = (actual >= quantiles[..., LEVELS.index(low)]) & (actual <= quantiles[..., LEVELS.index(high)])
    return np.asarray(inside.mean(axis=0))


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.9), (0.025, 0.975)])
def test_calibrated_intervals_cover_fresh_data_within_two_points(width: float, low: float, high: float) -> None:
    calibration = fit_calibration(*forecasts(1500, width=width, seed=0), quantile_levels=LEVELS)
    quantiles, actual, _ = forecasts(4000, width=width, seed=1)
    found = coverage(calibration.apply(quantiles), actual, low, high)
    assert found.mean() == pytest.approx(high - low, abs=0.02)


def test_every_lead_time_has_its_own_factors() -> None:
    quantiles, actual, observed = forecasts(800, width=1, seed=0, horizon=2)
    quantiles[:, 1] = quantiles[:, 1, MEDIAN, None] + 0.5 * (quantiles[:, 1] - quantiles[:, 1, MEDIAN, None])
    factors = fit_calibration(quantiles, actual, observed, quantile_levels=LEVELS).factors
    assert factors[0, -1] == pytest.approx(1, abs=0.2)
    assert factors[1, -1] == pytest.approx(2, abs=0.4)


def test_one_sided_errors_widen_one_side() -> None:
    fitted = fit_calibration(*forecasts(800, width=1, seed=0, shift=1), quantile_levels=LEVELS)
    below, above = fitted.factors[:, 1].mean(), fitted.factors[:, -2].mean()
    assert below < 0.6
    assert above > 1.5


def test_three_windows_leave_right_intervals_nearly_as_they_are() -> None:
    for seed in range(8):
        fitted = fit_calibration(*forecasts(3, width=1, seed=seed), quantile_levels=LEVELS)
        assert np.abs(np.log(fitted.factors)).max() < np.log(1.6)
        assert abs(np.log(fitted.factors).mean()) < np.log(1.35)


def test_three_windows_move_wrong_intervals_part_of_the_way() -> None:
    narrow = fit_calibration(*forecasts(3, width=0.5, seed=0), quantile_levels=LEVELS).factors[:, -1]
    assert (narrow > 1.1).all()
    assert (narrow < 2).all()


def test_intervals_are_narrowed_with_more_caution_than_widened() -> None:
    def mean_move(width: float) -> float:
        samples = [forecasts(5, width=width, seed=seed) for seed in range(20)]
        return float(np.mean([np.log(fit_calibration(*s, quantile_levels=LEVELS).factors[:, 1]) for s in samples]))

    assert 0 < -mean_move(2.0) < mean_move(0.5)


def test_one_factor_for_all_lets_few_windows_correct_all_levels() -> None:
    narrow = [forecasts(12, width=0.5, seed=seed) for seed in range(20)]
    fresh, actual, _ = forecasts(2000, width=0.5, seed=99)
    found = [
        coverage(fit_calibration(*sample, quantile_levels=LEVELS).apply(fresh), actual, 0.1, 0.9).mean()
        for sample in narrow
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_more_windows_move_the_factors_further() -> None:
    few, many = (
        fit_calibration(*forecasts(number, width=0.5, seed=3), quantile_levels=LEVELS).factors[:, -1].mean()
        for number in (5, 200)
    )
    assert 1 < few < many


def test_few_windows_pool_neighbouring_lead_times() -> None:
    few = fit_calibration(*forecasts(10, width=1, seed=0), quantile_levels=LEVELS)
    many = fit_calibration(*forecasts(100, width=1, seed=0), quantile_levels=LEVELS)
    assert (few.pooled, many.pooled) == (3, 0)


def test_a_factor_is_the_conformal_quantile_when_windows_are_many() -> None:
    scores = np.linspace(-2, 2, 9999)
    quantiles = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (9999, 1, 3))
    fitted = fit_calibration(
        quantiles, scores[:, None], np.ones((9999, 1), dtype=bool), quantile_levels=(0.1, 0.5, 0.9)
    )
    ninth_decile = np.sort(scores)[int(np.ceil(10000 * 0.9)) - 1]
    assert fitted.factors[0] == pytest.approx([ninth_decile, 1, ninth_decile], rel=2e-3)


def test_factors_stay_within_bounds() -> None:
    wild = fit_calibration(*forecasts(2000, width=1e-3, seed=0), quantile_levels=LEVELS)
    tame = fit_calibration(*forecasts(2000, width=1e3, seed=0), quantile_levels=LEVELS)
    assert wild.factors.max() <= FACTOR_BOUNDS[1]
    assert tame.factors.min() >= FACTOR_BOUNDS[0]


def test_the_median_never_moves() -> None:
    quantiles, actual, observed = forecasts(200, width=0.5, seed=0, shift=2)
    calibrated = fit_calibration(quantiles, actual, observed, quantile_levels=LEVELS).apply(quantiles)
    np.testing.assert_allclose(calibrated[..., MEDIAN], quantiles[..., MEDIAN], rtol=1e-12)


def test_calibrated_quantiles_never_cross() -> None:
    quantiles, actual, observed = forecasts(4, width=0.3, seed=0, shift=1)
    calibrated = fit_calibration(quantiles, actual, observed, quantile_levels=LEVELS).apply(quantiles)
    assert (np.diff(calibrated, axis=-1) >= 0).all()


def test_unobserved_steps_train_nothing() -> None:
    quantiles, actual, observed = forecasts(100, width=1, seed=0)
    plain = fit_calibration(quantiles[:80], actual[:80], observed[:80], quantile_levels=LEVELS)
    actual[80:], observed[80:] = np.nan, False
    assert fit_calibration(quantiles, actual, observed, quantile_levels=LEVELS).factors == pytest.approx(plain.factors)


def test_without_windows_or_without_spread_the_factors_are_one() -> None:
    quantiles, actual, observed = forecasts(5, width=0.0, seed=0)
    assert (fit_calibration(quantiles, actual, observed, quantile_levels=LEVELS).factors == 1).all()
    none = fit_calibration(quantiles[:0], actual[:0], observed[:0], quantile_levels=LEVELS)
    assert (none.factors == 1).all()
    np.testing.assert_array_equal(none.apply(quantiles), quantiles)


def test_lead_times_beyond_the_fitted_ones_take_the_last_factors() -> None:
    factors = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 3.0]])
    quantiles = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (4, 3))
    expected = [[-1, 0, 1], [-2, 0, 3], [-2, 0, 3], [-2, 0, 3]]
    assert apply_calibration(quantiles, factors).tolist() == expected
    assert Calibration(factors=factors, quantile_levels=(0.1, 0.5, 0.9)).apply(quantiles).tolist() == expected


def test_levels_need_not_be_symmetric() -> None:
    factors = np.array([[1.0, 2.0, 2.0]])
    quantiles = np.array([[0.0, 1.0, 2.0]])
    assert apply_calibration(quantiles, factors, quantile_levels=(0.5, 0.8, 0.9)).tolist() == [[0, 2, 4]]


def test_many_series_at_one_cutoff_are_trusted_less_than_as_many_cutoffs() -> None:
    sample = forecasts(500, width=0.5, seed=0)
    as_windows = fit_calibration(*sample, quantile_levels=LEVELS).factors
    at_one_origin = fit_calibration(*sample, quantile_levels=LEVELS, num_cutoffs=1).factors
    at_many = fit_calibration(*sample, quantile_levels=LEVELS, num_cutoffs=50).factors
    assert 0 < np.log(at_one_origin).mean() < 0.95 * np.log(as_windows).mean()
    np.testing.assert_array_equal(at_many, as_windows)


def test_intervals_that_are_expected_to_be_honest_are_moved_less() -> None:
    sample = forecasts(20, width=0.5, seed=0)
    loose = fit_calibration(*sample, quantile_levels=LEVELS, prior_spread=0.5).factors
    tight = fit_calibration(*sample, quantile_levels=LEVELS, prior_spread=0.1).factors
    assert 0 < np.log(tight).mean() < 0.7 * np.log(loose).mean()
