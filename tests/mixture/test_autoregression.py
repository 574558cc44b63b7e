"""Autoregressions: the paths of known laws, honest widths, and nothing that explodes."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.mixture.autoregression import forecast_autoregression

LEVELS = (0.1, 0.5, 0.9)


def draw(memory: float, *, rows: int, count: int, noise: str = "normal") -> np.ndarray:
    generator = np.random.default_rng(3)
    errors = getattr(generator, noise)(size=(count, rows + 50))
    values = np.zeros_like(errors)
    for step in range(1, rows + 50):
        values[:, step] = memory * values[:, step - 1] + errors[:, step]
    return np.asarray(values[:, 50:])


def forecast(values: np.ndarray, *, horizon: int = 12) -> np.ndarray:
    observed = np.isfinite(values)
    return forecast_autoregression(np.where(observed, values, 0.0), observed, horizon=horizon, levels=LEVELS)


@pytest.mark.parametrize("noise", ["normal", "standard_exponential"])
def test_intervals_hold_what_they_say_at_every_lead(noise: str) -> None:
    values = draw(0.7, rows=212, count=400, noise=noise)

    found = forecast(values[:, :200])

    actual = values[:, 200:]
    for place in (0, 2):
        below = (actual <= found[..., place]).mean(axis=0)
        assert np.abs(below - LEVELS[place]).max() < 0.06
    # 1.2816 standard deviations to both sides, of one error and of the law
    if noise == "normal":
        width = (found[..., 2] - found[..., 0]).mean(axis=0)
        np.testing.assert_allclose(width[[0, -1]], 2.563 * np.array([1.0, 1 / np.sqrt(1 - 0.49)]), rtol=0.08)


def test_a_forecast_returns_to_the_mean_and_does_not_change_with_an_offset() -> None:
    values = draw(0.8, rows=300, count=5)

    found, moved = forecast(values, horizon=60), forecast(values + 1e6, horizon=60)

    np.testing.assert_allclose(found[:, -1, 1], values.mean(axis=1), atol=0.8)
    np.testing.assert_allclose(moved - 1e6, found, atol=1e-5)


def test_growth_does_not_explode() -> None:
    values = 1.5 ** np.arange(40)[None] * np.array([[1.0], [-1.0]])

    found = forecast(values, horizon=500)

    assert np.abs(found).max() < 50 * np.abs(values).max()


def test_missing_rows_are_left_out_and_too_few_rows_have_no_forecast() -> None:
    values = draw(0.5, rows=80, count=2)
    values[0, 20:30] = np.nan
    values[1, :77] = np.nan

    found = forecast(values)

    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_a_constant_is_repeated() -> None:
    np.testing.assert_allclose(forecast(np.full((1, 30), 5.0)), 5.0)


def test_a_line_is_continued_with_the_width_of_its_noise() -> None:
    """An autoregression around a level returned to it: at 48 steps the loss was 25 % above that of a line."""
    rng = np.random.default_rng(5)
    steps = np.arange(248.0)
    values = 100 + 0.5 * steps + 5 * rng.normal(size=(100, 248))

    found = forecast(values[:, :200], horizon=48)

    assert np.abs(found[:, -1, 1] - (100 + 0.5 * 247)).mean() < 2.5
    width = (found[..., 2] - found[..., 0]).mean(axis=0) / (2.563 * 5)
    assert 0.95 < width.min() <= width.max() < 1.12
    inside = (values[:, 200:] >= found[..., 0]) & (values[:, 200:] <= found[..., 2])
    assert 0.76 < inside.mean() < 0.84


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_a_walk_keeps_its_drift_and_spreads_with_the_root_of_the_lead(drift: float) -> None:
    rng = np.random.default_rng(6)
    values = 500 + np.cumsum(drift + rng.normal(size=(200, 340)), axis=1)

    found = forecast(values[:, :300], horizon=40)

    moved = found[:, -1, 1] - values[:, 299]
    assert moved.mean() == pytest.approx(40 * drift, abs=1.0)
    width = (found[..., 2] - found[..., 0]).mean(axis=0)
    assert width[-1] / width[0] == pytest.approx(np.sqrt(40), rel=0.12)


@pytest.mark.parametrize("law", ["noise", "walk", "around a level"])
def test_no_line_is_seen_where_there_is_none(law: str) -> None:
    """A walk looks like a line: 40 steps ahead none may run away by more than walks do."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(300, 200))
    values = {"noise": noise, "walk": np.cumsum(noise, axis=1), "around a level": draw(0.8, rows=200, count=300)}[law]

    found = forecast(values, horizon=40)

    moved = np.abs(found[:, -1, 1] - found[:, 0, 1]) / np.diff(values, axis=1).std(axis=1)
    assert (moved > 8).mean() <= 0.1  # 40 steps of a walk have a spread of 6.3 changes


def test_after_missing_rows_a_walk_goes_on_from_its_last_value_and_a_line_from_itself() -> None:
    rng = np.random.default_rng(8)
    walk, line = np.cumsum(rng.normal(size=200)), 2.0 * np.arange(200) + rng.normal(size=200)
    values = np.stack([walk, line])
    values[:, -3:] = np.nan

    found = forecast(values)[:, 0, 1]

    assert found[0] == pytest.approx(walk[-4], abs=1.0)
    assert found[1] == pytest.approx(400.0, abs=8.0)


def test_a_spike_among_the_newest_rows_is_no_movement() -> None:
    """The forecast of a line went 884, 148, 842, 170."""
    line = 3.0 * np.arange(60) + np.random.default_rng(9).normal(size=60)
    line[-2] = 1_000.0

    found = forecast(line[None])[0, :, 1]

    np.testing.assert_allclose(found[:6], 3.0 * np.arange(60, 66), atol=12)
