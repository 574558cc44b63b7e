from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.data.calendar.seasonality import choose_season_length


def detect(values: Float64Array, *, default: int, search: bool = False, num_series: int = 1) -> int:
    length = len(values) // num_series
    offsets = np.arange(num_series + 1, dtype=np.int64) * length
    return choose_season_length(values, ~np.isnan(values), offsets, default=default, search=search).length


def seasonal(length: int, season: int, *, noise: float = 0.2) -> Float64Array:
    rows = np.arange(length)
    wave = np.sin(2 * np.pi * rows / season) + 0.01 * rows
    return np.asarray(wave + noise * np.random.default_rng(0).normal(size=length))


@pytest.mark.parametrize("season", [4, 7, 12, 24, 52])
def test_a_season_is_found_under_trend_and_noise(season: int) -> None:
    assert detect(seasonal(12 * season, season), default=season) == season


@pytest.mark.parametrize("season", [4, 5, 7, 12, 24])
def test_random_walks_rarely_show_a_season(season: int) -> None:
    rng = np.random.default_rng(1)
    found = [detect(np.cumsum(rng.normal(size=300)), default=season) for _ in range(20)]
    assert found.count(1) >= 19


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_white_noise_rarely_shows_a_season(season: int) -> None:
    rng = np.random.default_rng(2)
    assert [detect(rng.normal(size=400), default=season) for _ in range(20)].count(1) >= 19


def test_a_season_drowned_in_noise_shows_over_many_seasons() -> None:
    assert detect(seasonal(60 * 24, 24, noise=1.0), default=24) == 24


def test_missing_values_do_not_hide_a_season() -> None:
    values = seasonal(240, 12)
    values[np.random.default_rng(3).random(240) < 0.3] = np.nan
    assert detect(values, default=12) == 12


def test_one_spike_does_not_hide_a_season() -> None:
    values = seasonal(240, 12)
    values[100] = 1e6
    assert detect(values, default=12) == 12


def test_too_few_rows_for_two_seasons_have_none() -> None:
    assert detect(seasonal(20, 12), default=12) == 1


def test_constant_series_have_no_season() -> None:
    assert detect(np.ones(100), default=12) == 1


def test_a_panel_shows_a_season_that_each_series_hides() -> None:
    rng = np.random.default_rng(4)
    series = [0.6 * np.sin(2 * np.pi * np.arange(96) / 12) + rng.normal(size=96) for _ in range(60)]
    assert detect(np.concatenate(series), default=12, num_series=60) == 12


def test_integer_steps_are_searched_for_the_shortest_clear_season() -> None:
    assert detect(seasonal(300, 9), default=1, search=True) == 9


def test_a_search_finds_no_season_in_a_random_walk() -> None:
    rng = np.random.default_rng(5)
    assert [detect(np.cumsum(rng.normal(size=300)), default=1, search=True) for _ in range(20)] == [1] * 20


def test_nothing_observed_means_no_season() -> None:
    assert detect(np.full(50, np.nan), default=7) == 1
    assert detect(np.full(50, np.nan), default=1, search=True) == 1


@pytest.mark.parametrize(("num_rows", "season"), [(36, 12), (25, 12), (150, 52), (130, 52)])
def test_a_season_seen_little_more_than_twice_is_found(num_rows: int, season: int) -> None:
    assert detect(seasonal(num_rows, season), default=season) == season


def test_the_evidence_says_what_was_tested() -> None:
    values = seasonal(150, 52)
    choice = choose_season_length(values, ~np.isnan(values), np.array([0, 150]), default=52)
    assert choice.evidence == "2.9 periods of 52 steps, F-test p < 0.001"


@pytest.mark.parametrize(
    ("values", "default", "evidence"),
    [
        (
            np.random.default_rng(6).normal(size=40),
            12,
            "no season of 12 steps shows: 3.3 periods of 12 steps, F-test p",
        ),
        (np.arange(20.0), 12, "fewer than 2 periods of 12 steps"),
        (np.arange(20.0), 1, "this frequency has no usual season"),
    ],
)
def test_the_evidence_against_a_season_is_reported(values: np.ndarray, default: int, evidence: str) -> None:
    offsets = np.array([0, len(values)])
    choice = choose_season_length(values, ~np.isnan(values), offsets, default=default)
    assert choice.length == 1
    assert choice.evidence.startswith(evidence)


def test_seasons_that_alternate_in_a_large_panel_are_both_found() -> None:
    rng = np.random.default_rng(7)
    rows, steps = 399, np.arange(60)
    values = [3 * np.sin(2 * np.pi * steps / (12, 10)[row % 2]) + rng.normal(size=60) for row in range(rows)]
    flat, offsets = np.concatenate(values), np.arange(rows + 1) * 60
    choice = choose_season_length(flat, np.ones(len(flat), dtype=np.bool_), offsets, default=1, search=True)
    [other] = {12, 10} - {choice.length}
    own = np.array(list(choice.differing.values()))
    assert (own % other == 0).sum() >= 190
    assert len(own) <= 210
