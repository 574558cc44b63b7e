"""Seasonal shapes, their evolutions, weeks of days and the calendar."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pretraining.synthesis.calendars import easter, moving_feast, payday
from pretraining.synthesis.corpus import synthesise
from pretraining.synthesis.frames import Frame, Paths
from pretraining.synthesis.priors import PRIORS
from pretraining.synthesis.seasons import EVOLUTIONS, SHAPES, along, draw_season, draw_shape
from pretraining.synthesis.weeks import draw_week


def frame(num_series: int = 300, *, length: int = 240, season_length: int = 12) -> Frame:
    return Frame(np.random.default_rng(9), length, season_length, 1, np.full(num_series, length))


def correlation(paths: Paths, lag: int) -> float:
    centred = paths - paths.mean(axis=1, keepdims=True)
    return float((centred[:, lag:] * centred[:, :-lag]).mean() / np.square(centred).mean())


@pytest.mark.parametrize("period", [2, 4, 5, 7, 12, 24, 52, 168, 365])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_has_mean_zero_and_unit_spread_at_every_period(name: str, period: int) -> None:
    cells = draw_shape(frame(), period, {name: 1.0})
    moving = np.ptp(cells, axis=1) > 0
    assert cells.shape == (300, period)
    assert moving.mean() > 0.5
    assert cells.mean(axis=1) == pytest.approx(0, abs=1e-2)
    assert cells[moving].std(axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", EVOLUTIONS)
@pytest.mark.parametrize("period", [4, 7, 12, 24])
def test_every_evolution_repeats_after_the_period(name: str, period: int) -> None:
    paths = draw_season(frame(), {name: 1.0}, lambda part: draw_shape(part, period, {"free": 1.0}))
    assert paths.shape == (300, 240)
    assert correlation(paths, period) > 0.55
    assert correlation(paths, period) > correlation(paths, period - 1) + 0.3


def test_a_fixed_season_repeats_exactly() -> None:
    paths = draw_season(frame(), {"fixed": 1.0}, lambda part: draw_shape(part, 12, {"waves": 1.0}))
    assert np.array_equal(paths[:, 12:], paths[:, :-12])


def test_a_template_is_laid_end_to_end() -> None:
    assert along(np.asarray([[1.0, 2.0, 3.0]]), 7).tolist() == [[1, 2, 3, 1, 2, 3, 1]]


def test_a_week_of_days_repeats_by_day_and_differs_between_days() -> None:
    cells = draw_week(frame(season_length=24), PRIORS["sub-daily"].shapes)
    assert cells.shape == (300, 168)
    days = cells.reshape(300, 7, 24)
    assert np.corrcoef(days[:, 2].ravel(), days[:, 3].ravel())[0, 1] > 0.4
    assert (np.abs(days - days.mean(axis=1, keepdims=True)).max(axis=(1, 2)) > 0.3).mean() > 0.3


@pytest.mark.parametrize(("domain", "season_length"), [("monthly", 12), ("daily", 7), ("quarterly", 4)])
def test_most_series_of_a_batch_have_the_season_asked_for_and_some_have_none(domain: str, season_length: int) -> None:
    drawn = synthesise(2000, 240, season_length=season_length, domain=domain, seed=5)
    values = drawn.values[drawn.observed.all(axis=1)].astype(np.float64)
    change = np.diff(values, axis=1)
    change = change - change.mean(axis=1, keepdims=True)
    variance = np.square(change).mean(axis=1) + 1e-12
    echo = (change[:, season_length:] * change[:, :-season_length]).mean(axis=1) / variance
    assert (echo > 0.3).mean() > 0.35
    assert (echo < 0.1).mean() > 0.15


@pytest.mark.parametrize(
    ("year", "month", "day"), [(1961, 4, 2), (1991, 3, 31), (2000, 4, 23), (2008, 3, 23), (2024, 3, 31), (2038, 4, 25)]
)
def test_easter_falls_on_its_known_dates(year: int, month: int, day: int) -> None:
    assert easter(year) == (month, day)
    assert date(year, *easter(year)).weekday() == 6


def test_a_moving_feast_moves_between_two_months_of_the_year() -> None:
    paths = moving_feast(frame(50))
    touched = (paths != 0).sum(axis=1)
    assert touched.max() == 40
    assert touched.min() > 30
    pairs = paths[:, 1:] + paths[:, :-1]
    assert (np.isclose(pairs, 0) | np.isclose(paths[:, 1:], 0) | np.isclose(paths[:, :-1], 0)).all()


def test_payday_returns_every_month() -> None:
    paths = payday(frame(50, length=365))
    peaks = (paths[:, 1:-1] > paths[:, :-2]) & (paths[:, 1:-1] >= paths[:, 2:])
    assert 10 <= np.median(peaks.sum(axis=1)) <= 13
