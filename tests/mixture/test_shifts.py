"""Level shifts: found when they are there, sized rightly, and never found in noise, walks, growth or a turned trend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnforecast.mixture.shifts import at_one_constant, at_one_level, at_one_slope

WEEK = np.array([0.0, 3, 5, 4, 8, 14, 9])


def with_shift(*, age: int, size: float = 40.0, rows: int = 180, level: float = 100.0) -> np.ndarray:
    noise = np.random.default_rng(age).normal(0, 4, rows)
    step = np.arange(rows)
    return np.asarray(level + WEEK[step % 7] + noise + size * (step >= rows - age))


@pytest.mark.parametrize("age", [4, 7, 10, 21, 40])
@pytest.mark.parametrize("size", [40.0, -40.0])
def test_rows_before_a_shift_move_to_the_level_after_it(age: int, size: float) -> None:
    history = with_shift(age=age, size=size)

    moved = at_one_level(history, 7)

    np.testing.assert_array_equal(moved[-age:], history[-age:])
    offsets = moved[:-age] - history[:-age]
    assert np.ptp(offsets) < 1e-9
    np.testing.assert_allclose(offsets[0], size, atol=8)


@pytest.mark.parametrize("place", [-1, -2, -3])
def test_one_bad_row_near_the_end_is_no_level(place: int) -> None:
    """All rows before a last value of 1,000 were moved to it."""
    history = with_shift(age=0)
    history[place] = 1_000.0

    np.testing.assert_array_equal(at_one_level(history, 7), history)


def test_missing_rows_stay_missing() -> None:
    history = with_shift(age=10)
    history[[5, 100, 175]] = np.nan

    moved = at_one_level(history, 7)

    np.testing.assert_array_equal(np.isnan(moved), np.isnan(history))
    np.testing.assert_allclose(np.nanmean(moved[:150] - history[:150]), 40, atol=8)


def test_a_level_that_came_back_is_not_a_shift() -> None:
    history = with_shift(age=20)
    history[-10:] -= 40

    assert at_one_level(history, 7) is history


def test_a_second_shift_as_large_as_the_first_is_not_unusual() -> None:
    history = with_shift(age=100)
    history[-10:] += 40

    assert at_one_level(history, 7) is history


def test_nothing_is_moved_below_zero() -> None:
    history = with_shift(age=10, size=-60.0, level=70.0)
    history = np.maximum(history, 0.0)

    assert at_one_level(history, 7) is history


@pytest.mark.parametrize(
    "law",
    [
        lambda noise: noise,
        lambda noise: np.cumsum(noise),
        lambda noise: np.exp(0.03 * np.arange(len(noise)) + 0.05 * noise),
        lambda noise: noise + 2.0 * np.minimum(np.arange(len(noise)), 2 * (len(noise) - 20) - np.arange(len(noise))),
        lambda noise: noise + 30 * (np.abs(noise) > 2.3),
        lambda noise: np.zeros(len(noise)),
        lambda noise: np.full(len(noise), np.nan),
        lambda noise: np.append(np.zeros(len(noise) - 5), np.ones(5)),
    ],
    ids=["noise", "walk", "growth", "turned trend", "outliers", "zeros", "missing", "the first events"],
)
def test_other_laws_have_no_shift(law: Callable[[np.ndarray], np.ndarray]) -> None:
    for seed in range(20):
        history = law(np.random.default_rng(seed).normal(size=200))
        for season in (1, 7, 12):
            assert at_one_level(history, season) is history


def test_short_histories_are_left_alone() -> None:
    history = with_shift(age=7, rows=60)

    assert at_one_level(history, 7) is history


def turned(seed: int, *, age: int = 20, season: float = 0.0) -> np.ndarray:
    step = np.arange(120, dtype=float)
    line = np.where(step < 120 - age, step, 2 * (120 - age) - step)
    return 200 + line + season * np.sin(2 * np.pi * step / 7) + 3 * np.random.default_rng(seed).normal(size=120)


@pytest.mark.parametrize(("age", "season"), [(15, 0.0), (20, 0.0), (40, 0.0), (20, 8.0)])
def test_rows_before_a_turn_are_moved_to_the_newer_line(age: int, season: float) -> None:
    values = turned(1, age=age, season=season)
    moved = at_one_slope(values, 7)
    assert np.polyfit(np.arange(120), moved, 1)[0] == pytest.approx(-1.0, abs=0.3)
    np.testing.assert_array_equal(moved[-age + 4 :], values[-age + 4 :])


@pytest.mark.parametrize("law", ["walk", "memory", "wave", "line", "constant", "short", "gap", "below zero"])
def test_a_history_without_a_clear_turn_is_unchanged(law: str) -> None:
    generator = np.random.default_rng(2)
    step = np.arange(200.0)
    histories = {
        "walk": generator.normal(size=200).cumsum(),
        "memory": np.convolve(generator.normal(size=260), 0.9 ** np.arange(60), "valid")[:200],
        "wave": 10 * np.sin(2 * np.pi * step / 60) + generator.normal(size=200),
        "line": step + 3 * generator.normal(size=200),
        "constant": np.full(200, 3.0),
        "short": turned(3)[-50:],
        "gap": np.where(np.arange(120) == 100, np.nan, turned(3)),
        "below zero": np.maximum(turned(4) - 200 - 60, 0),
    }
    assert at_one_slope(histories[law], 7) is histories[law]


STEPS = np.arange(90)
CONSTANT_ENDS = {
    "one step": np.where(STEPS < 60, 10.0, 20.0),
    "a late step": np.where(STEPS < 80, 10.0, 20.0),
    "up and back": np.where((STEPS >= 40) & (STEPS < 60), 30.0, 10.0),
    "a ramp": np.minimum(STEPS, 60.0),
    "growth": np.minimum(1.1**STEPS, 1.1**60),
    "noise": np.where(STEPS < 60, np.random.default_rng(0).normal(size=90), 0.25),
    "counts": np.where(STEPS < 50, np.random.default_rng(1).poisson(3.0, size=90), 0.0),
}


@pytest.mark.parametrize("law", CONSTANT_ENDS)
@pytest.mark.parametrize("season", [1, 7, 12])
def test_a_constant_end_is_all_that_counts(law: str, season: int) -> None:
    """60 rows of 10 and 30 of 20 were forecast with waves from 19 to 21."""
    history = CONSTANT_ENDS[law].copy()
    history[[3, 85]] = np.nan

    moved = at_one_constant(history, season, 10)

    np.testing.assert_array_equal(np.isnan(moved), np.isnan(history))
    assert set(moved[np.isfinite(moved)]) == {history[-1]}


CHANGING_ENDS = {
    "rare demand": np.where(np.random.default_rng(2).random(90) < 0.1, 5.0, 0.0),
    "prices": np.repeat([9.0, 7.0, 8.0, 9.0, 6.0], 18),
    "nights": np.where(STEPS % 24 < 12, 0.0, 5.0 + STEPS % 24),
    "a plateau of four rows": np.minimum(STEPS, 86.0),
    "a constant": np.full(90, 3.0),
    "nothing": np.full(90, np.nan),
}


@pytest.mark.parametrize("law", CHANGING_ENDS)
def test_equal_rows_that_are_usual_are_no_constant_end(law: str) -> None:
    assert at_one_constant(CHANGING_ENDS[law], 24, 10) is CHANGING_ENDS[law]


def test_new_equal_rows_say_nothing_of_more_steps_than_they_have_lasted() -> None:
    """After 200 busy days and 8 without a sale the upper limit of two weeks ahead was 0."""
    history = np.append(np.random.default_rng(1).poisson(80, 200).astype(float), np.zeros(8))

    assert set(at_one_constant(history, 7, 8)) == {0.0}
    assert at_one_constant(history, 7, 14) is history


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_constant_that_changes_every_season_is_no_constant_end(horizon: int) -> None:
    """A tariff of eight cheap hours, and a boiler off at weekends, were forecast as if the next change did not come."""
    hour = np.arange(24 * 7 * 5)
    tariff = np.where(hour % 24 < 8, 0.1, 0.2)
    weekend = np.where((hour % 24 < 8) | (hour // 24 % 7 >= 5), 15.0, 21.0)
    first = 6 + np.array([0, -1, 1, 0, -1, 1, 1])[hour // 24 % 7]  # people open the shop at five, six or seven
    shop = np.where((hour % 24 >= first) & (hour % 24 < 18), 5.0, 0.0)

    for history, longest in (
        (tariff[: 24 * 20 + 8], 24.0),
        (tariff[: 24 * 20], 24.0),
        (weekend[: 24 * 28 + 8], 168.0),
        (shop[: 24 * 21 + 5], 24.0),
        (shop[: 24 * 22 + 5], 24.0),
    ):
        assert at_one_constant(history, 24, horizon, longest_season=longest) is history


@pytest.mark.parametrize("num_equal", [8, 10, 20, 30])
def test_one_step_is_a_constant_end_whatever_the_season(num_equal: int) -> None:
    history = np.where(np.arange(400) < 400 - num_equal, 10.0, 20.0)

    assert set(at_one_constant(history, 12, 18, longest_season=24.0)) == {20.0}
