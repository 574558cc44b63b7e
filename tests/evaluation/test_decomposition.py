from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.decomposition import decompose, has_season
from tests.evaluation.plain_theta import plain_season


def decomposed(run: Float64Array, *, season_length: int) -> tuple[Float64Array, bool]:
    """Return factors by position, the first step ahead first, and whether they multiply."""
    values = run[None]
    found = decompose(np.nan_to_num(values), ~np.isnan(values), season_length=season_length)
    return found.factors[0], bool(found.multiplicative[0])


@pytest.mark.parametrize("season_length", [3, 4, 7, 12])
@pytest.mark.parametrize("lift", [0.0, 100.0])
def test_factors_are_means_of_ratios_or_differences_to_a_centred_average(season_length: int, lift: float) -> None:
    draw = np.random.default_rng(season_length)
    season = 20 * draw.random(season_length)
    run = lift + np.resize(season, 5 * season_length + 1) + draw.normal(size=5 * season_length + 1)
    wanted, multiplicative = plain_season(run.tolist(), season_length)
    found, multiplies = decomposed(run, season_length=season_length)
    assert np.ptp(wanted) > 0
    assert multiplies == multiplicative
    np.testing.assert_allclose(found, np.roll(wanted, -(len(run) % season_length)))


def test_factors_of_a_season_that_multiplies_average_one() -> None:
    run = np.tile([1.0, 2.0, 6.0, 3.0], 8)
    factors, multiplies = decomposed(run, season_length=4)
    assert multiplies
    np.testing.assert_allclose(factors, np.array([1, 2, 6, 3]) / 3)


def test_a_window_without_a_season_is_left_as_it_is() -> None:
    values = np.random.default_rng(0).normal(size=(3, 40))
    season = decompose(values, np.ones_like(values, dtype=bool), season_length=12)
    chosen = ~has_season(values, np.ones_like(values, dtype=bool), season_length=12)
    assert chosen.any()
    np.testing.assert_array_equal(season.remove(values)[chosen], values[chosen])


def test_what_was_removed_is_restored() -> None:
    run = np.tile([1.0, 2.0, 6.0, 3.0], 8)
    values = np.stack([run, run - 3])
    season = decompose(values, np.ones_like(values, dtype=bool), season_length=4)
    level, _ = season.restore(season.remove(values), np.ones_like(values))
    np.testing.assert_allclose(level, values)


def test_missing_rows_do_not_hide_a_season() -> None:
    run = np.tile([1.0, 2.0, 6.0, 3.0], 10)
    holes = run.copy()
    holes[np.random.default_rng(0).choice(40, size=14, replace=False)] = np.nan
    np.testing.assert_allclose(decomposed(holes, season_length=4)[0], decomposed(run, season_length=4)[0], rtol=1e-9)


def test_fewer_than_two_seasons_have_none() -> None:
    run = np.tile([1.0, 2.0, 6.0, 3.0], 2)
    short = run[None, 1:]
    assert not has_season(short, np.ones_like(short, dtype=bool), season_length=4).any()


@pytest.mark.parametrize("value", [0.1, -3.3, 1e15])
def test_a_constant_has_no_season(value: float) -> None:
    values = np.full((1, 100), value)
    assert not has_season(values, np.ones_like(values, dtype=bool), season_length=2).any()


def test_noise_passes_the_test_about_as_often_as_its_level_says_in_long_windows() -> None:
    values = np.random.default_rng(1).normal(size=(1000, 1500))
    found = has_season(values, np.ones_like(values, dtype=bool), season_length=12)
    assert found.mean() == pytest.approx(0.1, abs=0.03)
