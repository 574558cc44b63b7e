"""Widths of intervals: clear evidence changes them, chance does not, and leads may differ."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS as LEVELS
from rnnforecast.mixture.widths import LARGEST, SMALLEST, relative_errors, widened, width_factors

SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def errors_of(
    spread: float | np.ndarray, *, series: int = 1, windows: int = 6, horizon: int = 12, seed: int = 0
) -> np.ndarray:
    """Return normal errors of a spread, by lead, where the forecast has a spread of 1: [S, K, H]."""
    errors = spread * np.random.default_rng(seed).normal(size=(series * windows, horizon))
    quantiles = np.broadcast_to(50 + SCORES, (*errors.shape, len(LEVELS)))
    return relative_errors(50 + errors, quantiles, LEVELS).reshape(series, windows, horizon)


def test_errors_as_large_as_the_forecast_says_have_a_mean_size_of_one() -> None:
    assert np.abs(errors_of(1.0, windows=400)).mean() == pytest.approx(1.0, abs=0.03)
    assert np.abs(errors_of(0.5, windows=400)).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_right_widths_of_one_series_stay_nearly_as_they_are(seed: int) -> None:
    np.testing.assert_allclose(width_factors(errors_of(1.0, seed=seed)), 1.0, atol=0.12)


def test_clearly_wrong_widths_are_corrected_in_part_by_few_windows_and_wholly_by_a_panel() -> None:
    wide, narrow = (width_factors(errors_of(spread)) for spread in (0.6, 1.5))
    assert 0.6 < wide.min() <= wide.max() < 0.85
    assert 1.15 < narrow.min() <= narrow.max() < 1.55
    np.testing.assert_allclose(width_factors(errors_of(0.7, series=40)), 0.72, atol=0.03)


def test_a_window_of_independent_errors_tells_more_than_one_of_errors_that_go_together() -> None:
    """Twelve errors to one side are one, as in a random walk."""
    sizes = np.full((1, 6, 12), 0.7)
    signs = np.where(np.random.default_rng(0).random(sizes.shape) < 0.5, -1.0, 1.0)

    apart, together = width_factors(sizes * signs), width_factors(sizes)

    assert apart.max() < 0.78 < 0.84 < together.min()


def test_leads_whose_widths_are_wrong_in_other_ways_have_factors_of_their_own() -> None:
    spread = np.repeat([0.6, 1.0, 1.6], 8)

    found = width_factors(errors_of(spread, series=20, horizon=24))

    assert found[0] < 0.75 < 0.9 < found[12] < 1.1 < 1.35 < found[-1]
    assert (np.diff(found) >= 0).all()  # no jump from one third to the next
    assert np.diff(found).max() < 0.1


def test_a_factor_grows_with_the_errors_and_stays_within_its_limits() -> None:
    factors = [width_factors(errors_of(spread, series=20))[0] for spread in (0.01, 0.5, 0.8, 1.0, 1.3, 2.0, 100.0)]
    assert factors == sorted(factors)
    assert (factors[0], factors[-1]) == (SMALLEST, LARGEST)


def test_without_windows_nothing_changes() -> None:
    np.testing.assert_array_equal(width_factors(np.full((3, 6, 4), np.nan)), 1.0)
    assert np.isnan(relative_errors(np.full((1, 4), np.nan), np.zeros((1, 4, len(LEVELS))), LEVELS)).all()
    assert np.isnan(relative_errors(np.ones((1, 4)), np.ones((1, 4, len(LEVELS))), LEVELS)).all()


def test_the_median_stays_where_it_is() -> None:
    quantiles = np.sort(np.random.default_rng(1).normal(size=(3, 5, len(LEVELS))), axis=-1)
    factors = np.linspace(0.7, 1.3, 5)

    moved = widened(quantiles, factors, LEVELS)

    middle = LEVELS.index(0.5)
    np.testing.assert_array_equal(moved[..., middle], quantiles[..., middle])
    assert (np.diff(moved, axis=-1) >= 0).all()
    np.testing.assert_allclose(np.ptp(moved, axis=-1), factors * np.ptp(quantiles, axis=-1))
