from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS as LEVELS
from rnnforecast.mixture.widths import LARGEST, SMALLEST, error_ratios, widened, width_factor

SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def ratios_of(spread: float, *, series: int = 1, windows: int = 6, horizon: int = 12, seed: int = 0) -> np.ndarray:
    """Return the ratios of normal errors of a spread, where the forecast has a spread of 1: [S, K]."""
    errors = spread * np.random.default_rng(seed).normal(size=(series * windows, horizon))
    quantiles = np.broadcast_to(50 + SCORES, (*errors.shape, len(LEVELS)))
    return error_ratios(50 + errors, quantiles, LEVELS).reshape(series, windows)


def test_errors_as_large_as_the_forecast_says_have_a_ratio_of_one() -> None:
    assert ratios_of(1.0, windows=400).mean() == pytest.approx(1.0, abs=0.03)
    assert ratios_of(0.5, windows=400).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_right_widths_of_one_series_stay_nearly_as_they_are(seed: int) -> None:
    assert width_factor(ratios_of(1.0, seed=seed)) == pytest.approx(1.0, abs=0.06)


def test_clearly_wrong_widths_are_corrected_in_part_by_few_windows_and_wholly_by_a_panel() -> None:
    wide, narrow = (width_factor(ratios_of(spread)) for spread in (0.6, 1.5))
    assert 0.6 < wide < 0.85
    assert 1.15 < narrow < 1.5
    assert width_factor(ratios_of(0.7, series=40)) == pytest.approx(0.75, abs=0.03)


def test_a_factor_grows_with_the_errors_and_stays_within_its_limits() -> None:
    factors = [width_factor(ratios_of(spread, series=20)) for spread in (0.01, 0.5, 0.8, 1.0, 1.3, 2.0, 100.0)]
    assert factors == sorted(factors)
    assert (factors[0], factors[-1]) == (SMALLEST, LARGEST)


def test_without_windows_nothing_changes() -> None:
    assert width_factor(np.full((3, 6), np.nan)) == 1.0
    assert np.isnan(error_ratios(np.full((1, 4), np.nan), np.zeros((1, 4, len(LEVELS))), LEVELS)).all()
    assert np.isnan(error_ratios(np.ones((1, 4)), np.ones((1, 4, len(LEVELS))), LEVELS)).all()


def test_the_median_stays_where_it_is() -> None:
    quantiles = np.sort(np.random.default_rng(1).normal(size=(3, 5, len(LEVELS))), axis=-1)
    moved = widened(quantiles, 0.7, LEVELS)
    middle = LEVELS.index(0.5)
    np.testing.assert_array_equal(moved[..., middle], quantiles[..., middle])
    assert (np.diff(moved, axis=-1) >= 0).all()
    np.testing.assert_allclose(np.ptp(moved, axis=-1), 0.7 * np.ptp(quantiles, axis=-1))
