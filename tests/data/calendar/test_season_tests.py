from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from rnnforecast.data.calendar.season_tests import (
    SIGNIFICANCE,
    clearest_seasons,
    f_survival,
    find_season_length,
    seasonal_f_test,
)


def seasonal(num_rows: int, season: int, *, amplitude: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    step = np.arange(num_rows)
    shape = np.sin(2 * np.pi * step / season) + 0.5 * np.sin(4 * np.pi * step / season + 1.0)
    return np.asarray(amplitude * shape / shape.std() + generator.normal(size=num_rows))


@pytest.mark.parametrize(
    ("statistic", "numerator", "denominator"), [(1.5, 3, 20), (0.3, 12, 100), (30.0, 12, 500), (2.0, 1, 5), (0.0, 2, 9)]
)
def test_tail_probabilities_are_those_of_scipy(statistic: float, numerator: int, denominator: int) -> None:
    expected = f_distribution.sf(statistic, numerator, denominator)

    assert f_survival(statistic, numerator, denominator) == pytest.approx(expected, rel=1e-9)


def test_a_season_of_three_years_of_months_is_found() -> None:
    step = np.arange(36)
    values = 200 + 40 * np.sin(2 * np.pi * step / 12) + np.random.default_rng(0).normal(0, 8, 36)

    found = seasonal_f_test(values, 12)

    assert found.num_seasons == 3
    assert found.p_value < 1e-5


@pytest.mark.parametrize(("num_rows", "season"), [(20, 12), (5, 1), (3, 2)])
def test_a_season_seen_less_than_twice_is_not_claimed(num_rows: int, season: int) -> None:
    assert seasonal_f_test(seasonal(num_rows, max(season, 2), amplitude=3, seed=1), season).p_value == 1.0


def test_noise_and_random_walks_rarely_show_a_season() -> None:
    generator = np.random.default_rng(3)
    tests = [
        seasonal_f_test(values, season).p_value < 0.01
        for season, num_rows in ((4, 20), (7, 49), (12, 60), (24, 120), (52, 160))
        for _ in range(40)
        for values in (generator.normal(size=num_rows), generator.normal(size=num_rows).cumsum())
    ]

    assert np.mean(tests) <= 0.05


@pytest.mark.parametrize("season", [5, 10, 17, 36, 60])
def test_the_season_of_plain_steps_is_found(season: int) -> None:
    found = [find_season_length(seasonal(20 * season, season, amplitude=1.5, seed=seed)) for seed in range(8)]

    assert np.mean(np.array(found) == season) >= 0.85


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("season", [91, 98, 107])
def test_a_long_season_of_plain_steps_is_found_to_the_step(season: int, noise: float) -> None:
    step = np.arange(500)
    values = np.sin(2 * np.pi * step / season) + noise * np.random.default_rng(season).normal(size=500)

    assert find_season_length(values) == season


def test_a_multiple_that_explains_a_little_more_by_chance_is_not_the_season() -> None:
    found = [find_season_length(seasonal(340, 17, amplitude=1.0, seed=seed)) for seed in range(60)]

    assert found.count(17) >= 59


def test_plain_steps_without_a_season_rarely_show_one() -> None:
    generator = np.random.default_rng(5)
    found = [
        find_season_length(values) > 1
        for num_rows in (60, 120, 360)
        for _ in range(15)
        for values in (generator.normal(size=num_rows), generator.normal(size=num_rows).cumsum())
    ]

    assert np.mean(found) <= 0.05


@pytest.mark.parametrize("values", [np.zeros(50), np.full(50, 7.0), np.arange(50.0), np.full(50, np.nan)])
def test_constants_and_lines_have_no_season(values: np.ndarray) -> None:
    assert find_season_length(values) == 1


def test_many_histories_are_tested_for_given_seasons_as_each_alone() -> None:
    generator, step = np.random.default_rng(7), np.arange(140)
    true = np.array([7, 12, 20, 1] * 10)
    season = np.where(true > 1, np.sin(2 * np.pi * step[:, None] / np.maximum(true, 2)), 0.0)
    values = 3 * season + generator.normal(size=(140, 40))

    found = clearest_seasons(values, [7, 12, 20])

    assert (found == true).mean() > 0.95
    alone = [seasonal_f_test(column, 7).p_value < SIGNIFICANCE / 70 for column in values.T]
    np.testing.assert_array_equal(clearest_seasons(values, [7]) == 7, alone)


def test_constants_and_short_histories_have_no_season() -> None:
    assert clearest_seasons(np.ones((40, 3)), [7]).tolist() == [1, 1, 1]
    assert clearest_seasons(np.ones((8, 2)), [7, 12]).tolist() == [1, 1]
