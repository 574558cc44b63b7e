"""Means of whole seasons forecast by the network, with the profile within a season."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.inference.season_classes import Means, day_means, hour_means, network_seasons
from rnnforecast.mixture.aggregation import block_means, is_long_enough, with_profile

LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize(
    ("season_length", "seasons"),
    [
        (1, (1,)),
        (7, (7, 1)),
        (12, (12, 1)),
        (24, (24, 7, 1)),
        (36, (36, 1)),
        (96, (96, 7, 24, 1)),
        (8_640, (8_640, 7, 24, 1)),
    ],
)
def test_a_day_is_also_read_as_days_of_a_week_and_as_hours(season_length: int, seasons: tuple[int, ...]) -> None:
    assert network_seasons(season_length) == seasons


def test_blocks_are_seasons_and_hours() -> None:
    assert (day_means(96), hour_means(96)) == (Means(96, 7), Means(4, 24))
    assert (day_means(7), hour_means(24)) == (None, None)


def test_means_are_of_whole_blocks_from_the_end() -> None:
    history = np.array([9.0, 1, 2, 3, 4, np.nan, 6, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(block_means(history, 3), [2.0, 5.0, np.nan])


@pytest.mark.parametrize(("num_rows", "season_length", "expected"), [(383, 24, False), (384, 24, True)])
def test_a_history_needs_two_seasons_of_means(num_rows: int, season_length: int, expected: bool) -> None:
    means = day_means(season_length)
    assert means is not None
    assert is_long_enough(np.zeros(num_rows), means) is expected


def test_hours_of_a_day_have_a_profile_each() -> None:
    day = np.array([1.0, 2.0, 5.0, 9.0])  # blocks of two steps
    found = with_profile(
        np.array([[[0.5, 1.5, 2.5], [6.0, 7.0, 8.0]]]),
        [np.tile(day, 3)],
        block=2,
        season_length=4,
        horizon=4,
        levels=LEVELS,
    )
    np.testing.assert_allclose(found[0, :, 1], day)


def test_the_profile_is_added_to_the_means_of_each_season() -> None:
    profile = np.array([-1.0, 0.0, 1.0])
    history = np.concatenate([level + profile for level in (10.0, 12.0, 14.0)])
    means = np.array([[[15.0, 16.0, 17.0], [17.0, 18.0, 19.0]]])
    found = with_profile(means, [history], block=3, season_length=3, horizon=5, levels=LEVELS)[0]
    np.testing.assert_allclose(found[:, 1], [15.0, 16.0, 17.0, 17.0, 18.0])
    np.testing.assert_allclose(found[:, 2] - found[:, 1], 1.0)


def test_spreads_of_the_means_and_within_the_season_add_in_squares() -> None:
    rng = np.random.default_rng(3)
    history = np.repeat(rng.normal(0, 5, 20), 12) + np.tile(np.where(np.arange(12) < 6, 0.1, 3.0), 20) * rng.normal(
        0, 1, 240
    )
    means = np.array([[[-2.0, 0.0, 2.0]]])
    found = with_profile(means, [history], block=12, season_length=12, horizon=12, levels=LEVELS)[0]
    quiet, loud = (found[part, 2] - found[part, 1] for part in (slice(6), slice(6, 12)))
    assert quiet.mean() == pytest.approx(np.hypot(2.0, 1.28 * 0.1), rel=0.3)
    assert loud.mean() == pytest.approx(np.hypot(2.0, 1.28 * 3.0), rel=0.3)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], found[:, 2] - found[:, 1])
