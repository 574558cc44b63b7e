from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.inference.far_horizons import extend_forecast
from rnnforecast.model_io.base import read_base
from tests.training.toy import make_series

LEVELS = np.array(TRAINED_QUANTILE_LEVELS)
MEDIAN = TRAINED_QUANTILE_LEVELS.index(0.5)
NUM_SERIES = 40
RNG = np.random.default_rng(4)


def _first(path: np.ndarray, *, spread: float = 1.0) -> np.ndarray:
    """Return a first pass [1, H, 3] around a path [H]."""
    return path[None, :, None] + spread * np.array([-1.0, 0.0, 1.0])


def _extend(
    first: np.ndarray, past: np.ndarray, *, horizon: int, season_length: int = 1, observed: np.ndarray | None = None
) -> np.ndarray:
    seen = np.ones(past.shape, dtype=bool) if observed is None else observed
    return extend_forecast(first, past, seen, horizon=horizon, season_length=season_length, median=1)


def _forecast_base(values: np.ndarray, *, horizon: int, season_length: int = 1) -> np.ndarray:
    """Forecast rows [S, N] by the shipped network: [S, H, Q]."""
    series = make_series(*values, season_length=season_length)
    windows = Windows(np.arange(len(values)), np.full(len(values), values.shape[1]))
    return read_base().ensemble(season_length).forecast(FlatSeries.from_series(series), windows, horizon=horizon)


def _coverage(forecast: np.ndarray, actual: np.ndarray) -> float:
    low, high = TRAINED_QUANTILE_LEVELS.index(0.1), TRAINED_QUANTILE_LEVELS.index(0.9)
    return float(((actual >= forecast[..., low]) & (actual <= forecast[..., high])).mean())


def test_a_horizon_of_one_pass_is_that_pass() -> None:
    first = _first(np.arange(8.0))
    np.testing.assert_array_equal(_extend(first, np.zeros((1, 30)), horizon=5), first[:, :5])


def test_a_season_continues_in_step() -> None:
    wave = np.tile([1.0, 5.0, 3.0, 7.0], 20)
    extended = _extend(_first(wave[:6]), wave[None, :40], horizon=30, season_length=4)
    np.testing.assert_allclose(extended[0, :, 1], wave[:30], atol=1e-9)


def test_a_season_longer_than_one_pass_is_read_from_the_history() -> None:
    wave = np.tile(np.arange(12.0), 10)
    extended = _extend(_first(wave[:5]), wave[None, :60], horizon=40, season_length=12)
    np.testing.assert_allclose(extended[0, :, 1], wave[:40], atol=1e-9)


def test_a_line_continues_to_a_thousand_steps() -> None:
    line = np.arange(1100.0)
    extended = _extend(_first(line[100:110]), line[None, :100], horizon=1000)
    np.testing.assert_allclose(extended[0, :, 1], line[100:], atol=1e-6)


def test_the_level_of_noise_stays_where_it_is() -> None:
    extended = _extend(_first(np.zeros(10)), RNG.normal(size=(1, 200)), horizon=500)
    np.testing.assert_allclose(extended[0, :, 1], 0, atol=1e-9)


def test_intervals_of_a_walk_widen_by_the_root_of_the_lead() -> None:
    walks = np.cumsum(RNG.normal(size=(200, 400)), axis=1)
    firsts = np.repeat(_first(np.zeros(10)), 200, axis=0)
    widths = np.diff(_extend(firsts, walks, horizon=1000)[:, :, [0, 2]], axis=2)[..., 0]
    assert np.median(widths[:, -1] / widths[:, 9]) == pytest.approx(10, rel=0.2)


def test_missing_steps_are_not_read() -> None:
    line = np.arange(100.0)[None]
    observed = RNG.random((1, 100)) > 0.2
    first = _first(np.arange(100.0, 110))
    filled = np.where(observed, line, 1e9)
    one = _extend(first, filled, horizon=90, observed=observed)
    other = _extend(first, np.where(observed, line, -1e9), horizon=90, observed=observed)
    np.testing.assert_array_equal(one, other)
    assert np.abs(one[0, -1, 1] - 189) < 5


@pytest.mark.parametrize("season_length", [1, 7])
def test_scale_and_offset_change_nothing_else(season_length: int) -> None:
    past = np.cumsum(RNG.normal(size=(3, 120)), axis=1)
    first = np.sort(past[:, -10:, None] + RNG.normal(size=(3, 10, 3)), axis=-1)
    plain = _extend(first, past, horizon=60, season_length=season_length)
    moved = _extend(first * 3 + 1e6, past * 3 + 1e6, horizon=60, season_length=season_length)
    np.testing.assert_allclose((moved - 1e6) / 3, plain, atol=1e-5)


def test_a_short_history_is_continued_without_a_word_of_drift() -> None:
    extended = _extend(_first(np.arange(4.0)), np.arange(5.0)[None], horizon=50)
    assert np.isfinite(extended).all()
    np.testing.assert_allclose(extended[0, 4:, 1], 3.0)


def test_base_follows_lines_to_a_thousand_steps() -> None:
    line = 10 + 0.25 * np.arange(600)
    forecast = _forecast_base(line[None], horizon=1000)
    assert forecast[0, -1, MEDIAN] == pytest.approx(line[-1] + 250, rel=0.05)


def test_intervals_of_base_hold_walks_at_every_third_of_a_far_horizon() -> None:
    walks = np.cumsum(RNG.normal(size=(NUM_SERIES, 500)), axis=1)
    forecast = _forecast_base(walks[:, :260], horizon=240)
    for third in np.split(np.arange(240), 3):
        assert 0.65 < _coverage(forecast[:, third], walks[:, 260 + third]) < 0.95


@pytest.mark.parametrize(("season_length", "length"), [(1, 60), (4, 60), (7, 150), (12, 120), (24, 300), (96, 500)])
def test_no_far_forecast_leaves_the_range_by_more_than_trends_allow(season_length: int, length: int) -> None:
    # a walk, a line and a growing series among noise and seasons: 1,000 rows over all clocks
    from pretraining.synthesis.corpus import synthesise

    batch = synthesise(167, length, season_length=season_length, domain="any", seed=season_length)
    values = batch.values.astype(np.float64)
    forecast = _forecast_base(values, horizon=1000, season_length=season_length)
    low, high = values.min(axis=1), values.max(axis=1)
    size = np.maximum(high - low, 1e-6 * np.abs(high) + 1e-12)
    # at most the history's own rise once more for each of its lengths that is looked ahead, and as much for the start
    allowed = size * (2 + 2 * 1000 / min(length, 60 if season_length == 1 else length))
    median = forecast[..., MEDIAN]
    assert np.isfinite(forecast).all()
    assert (median.max(axis=1) <= high + allowed).all()
    assert (median.min(axis=1) >= low - allowed).all()
