from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from pretraining.synthesis.corpus import synthesise
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.forecasting import Ensemble, last_windows
from rnnforecast.mixture.covariates import Covariate
from rnnforecast.mixture.histories import Task, causal_windows
from rnnforecast.mixture.members import forecast_members
from rnnforecast.mixture.question import (
    AUTOREGRESSION,
    AUTOREGRESSION_LOG,
    BASE,
    FOURIER,
    FOURIER_LOG,
    Question,
)
from rnnforecast.mixture.seasons import plan_seasons
from rnnforecast.mixture.zero_shot import MemberWeights, ZeroShot, choose_weights, computed_at_once, forecast_weighted
from rnnforecast.model_io.base import read_base
from tests.evaluation.toy import make_series


@cache
def base(season_length: int) -> Ensemble:
    return read_base().ensemble(season_length)


MEDIAN = base(7).quantile_levels.index(0.5)


def ask(
    histories: list[np.ndarray],
    *,
    freq: str,
    season: int,
    horizon: int,
    covariates: list[list[Covariate]] | None = None,
) -> Question:
    plans = [plan_seasons(parse_frequency(freq), season, num_rows=len(history)) for history in histories]
    return Question(histories, plans, horizon, base, covariates or ())


def answer(question: Question) -> tuple[np.ndarray, MemberWeights]:
    sampled = np.arange(len(question.histories))
    weights = choose_weights(question, num_series=len(sampled), sampled=sampled)
    return forecast_weighted(question, weights.of_sampled, weights.names), weights


def test_a_year_in_daily_rows_is_forecast_by_a_regression() -> None:
    step = np.arange(1_100)
    values = 50 + 20 * np.sin(2 * np.pi * step / 365.25) + np.random.default_rng(0).normal(0, 2, 1_100)
    question = ask([values[:1_000]], freq="D", season=7, horizon=60)

    forecast, weights = answer(question)

    alone = base(7)
    from rnnforecast.mixture.histories import flat_series

    reference = alone.forecast(*flat_series([values[:1_000]]), horizon=60)
    error = np.abs(forecast[0, :60, MEDIAN] - values[1_000:1_060]).mean()
    assert weights.mean(1)[FOURIER] > 0.1
    assert error < 0.8 * np.abs(reference[0, :, MEDIAN] - values[1_000:1_060]).mean()


def test_a_covariate_that_explains_the_series_is_used() -> None:
    generator = np.random.default_rng(1)
    temperature = generator.normal(15, 8, 414)
    values = 100 + 0.2 * np.square(temperature - 15) + generator.normal(0, 1, 414)
    covariates = [[Covariate("temperature", temperature)]]
    with_it = ask([values[:400]], freq="D", season=7, horizon=14, covariates=covariates)

    forecast, weights = answer(with_it)
    without, _ = answer(ask([values[:400]], freq="D", season=7, horizon=14))

    mean = weights.mean(1)
    assert sum(weight for name, weight in mean.items() if name.startswith("covariates")) > 0.9
    error, reference = (np.abs(found[0, :, MEDIAN] - values[400:]).mean() for found in (forecast, without))
    assert error < 0.3 * reference


def test_noise_as_a_covariate_costs_nearly_nothing() -> None:
    generator = np.random.default_rng(2)
    step = np.arange(428)
    losses = []
    for _ in range(4):
        values = 10 + 3 * np.sin(2 * np.pi * step / 7) + generator.normal(0, 1, 428)
        noise = [
            [Covariate("noise", generator.normal(size=428)), Covariate("walk", generator.normal(size=428).cumsum())]
        ]
        pair = [
            answer(ask([values[:400]], freq="D", season=7, horizon=28, covariates=given))[0] for given in (noise, None)
        ]
        losses.append([np.abs(found[0, :, MEDIAN] - values[400:]).mean() for found in pair])

    with_noise, without = np.mean(losses, axis=0)
    assert with_noise <= 1.03 * without


def test_the_future_never_changes_a_weight() -> None:
    values = np.random.default_rng(3).normal(size=300).cumsum()
    question = ask([values[:200]], freq="D", season=7, horizon=10)

    again = ask([values[:200].copy()], freq="D", season=7, horizon=10)

    np.testing.assert_array_equal(answer(question)[1].of_sampled, answer(again)[1].of_sampled)


@pytest.mark.parametrize("length", [4, 6, 11, 30])
def test_short_histories_are_forecast(length: int) -> None:
    forecast, weights = answer(ask([np.arange(length, dtype=float) + 5], freq="MS", season=12, horizon=12))

    assert np.isfinite(forecast).all()
    assert weights.of_sampled.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(80),
        np.full(80, 5.0),
        np.full(80, np.nan),
        np.where(np.arange(80) % 9 == 0, 3.0, 0.0),
        np.where(np.arange(80) < 60, np.nan, 4.0),
        np.exp(np.arange(80) / 2),
    ],
)
def test_odd_histories_are_forecast_without_a_warning(values: np.ndarray) -> None:
    forecast, _ = answer(ask([values], freq="MS", season=12, horizon=12))

    assert np.isfinite(forecast).all()
    assert (np.diff(forecast, axis=-1) >= 0).all()


def test_nothing_is_forecast_below_zero_where_nothing_was() -> None:
    counts = np.random.default_rng(4).poisson(0.4, 200).astype(float)

    forecast, _ = answer(ask([counts], freq="D", season=7, horizon=30))

    assert forecast.min() >= 0


@pytest.mark.parametrize("length", [30, 90, 400])
def test_members_computed_at_once_give_the_forecast_of_three_passes(length: int) -> None:
    values = 10 + np.sin(2 * np.pi * np.arange(length) / 7) + np.random.default_rng(6).normal(size=length)
    question = ask([values], freq="D", season=7, horizon=14)
    members = computed_at_once(question)

    weights = choose_weights(question, num_series=1, sampled=np.arange(1), members=members)
    at_once = forecast_weighted(question, weights.of_sampled, weights.names, members=members)

    np.testing.assert_allclose(at_once, answer(question)[0], rtol=1e-5)
    np.testing.assert_allclose(weights.of_sampled, answer(question)[1].of_sampled, rtol=1e-4)


def test_a_series_outside_the_sample_takes_the_weights_of_the_panel() -> None:
    generator = np.random.default_rng(5)
    histories = [10 + np.sin(2 * np.pi * np.arange(90) / 7) + generator.normal(size=90) for _ in range(4)]
    question = ask(histories, freq="D", season=7, horizon=7)
    sampled = np.array([2, 5, 7, 8])

    weights = choose_weights(question, num_series=20, sampled=sampled)

    np.testing.assert_array_equal(weights.of(np.array([5, 6])), [weights.of_sampled[1], weights.of_panel])
    assert sum(weights.mean(20).values()) == pytest.approx(1.0)
    assert BASE in weights.mean(20)


def test_growth_by_a_rate_with_a_season_is_continued() -> None:
    """The rival knows that logarithms follow a line and a season."""
    generator = np.random.default_rng(9)
    step, errors, rivals = np.arange(72), [], []
    for _ in range(30):
        season = 0.1 * np.sin(2 * np.pi * step / 12 + generator.uniform(0, 6))
        values = 50 * np.exp(generator.uniform(0.02, 0.04) * step + season + 0.03 * generator.normal(size=72))
        forecast, _ = answer(ask([values[:60]], freq="MS", season=12, horizon=12))
        columns = np.column_stack([np.eye(12)[step % 12], step])
        known = np.exp(columns @ np.linalg.lstsq(columns[:60], np.log(values[:60]), rcond=None)[0])
        errors.append(np.abs(forecast[0, :, MEDIAN] - values[60:]).mean())
        rivals.append(np.abs(known - values)[60:].mean())
    assert np.mean(errors) < 1.2 * np.mean(rivals)


@pytest.mark.parametrize("season", [1, 7, 12])
@pytest.mark.parametrize("factor", [1.28, 0.5])
def test_growth_and_decay_by_a_rate_are_followed_with_or_without_a_season(season: int, factor: float) -> None:
    """Without a season, 12 steps of growth ended at a sixth of their true value, and halving went up again."""
    law = 1e3 * factor ** np.arange(52)

    forecast, _ = answer(ask([law[:40]], freq={1: "YS", 7: "D", 12: "MS"}[season], season=season, horizon=12))

    assert (np.abs(np.log(forecast[0] / law[40:, None])) < np.log(1.1)).all()


def test_growth_that_has_slowed_is_not_continued_at_its_old_rate() -> None:
    """The forecast rose to twice what the curve levels off at, which was below the 95 % interval."""
    law = 1000 / (1 + np.exp(-(np.arange(84) - 50) / 6))

    forecast, _ = answer(ask([law[:60]], freq="YS", season=1, horizon=24))

    assert forecast[0, -1, MEDIAN] < 1.1 * law[-1]
    assert forecast[0, -1, 0] < law[-1] < forecast[0, -1, -1]


def test_waves_longer_than_the_season_go_on() -> None:
    step = np.arange(224)
    waves = 0.2 * step + 10 * np.sin(2 * np.pi * step / 50)

    forecast, _ = answer(ask([waves[:200]], freq="MS", season=12, horizon=24))

    np.testing.assert_allclose(forecast[0, :, MEDIAN], waves[200:], atol=0.1)


def test_intervals_count_what_a_regression_took_from_few_rows() -> None:
    """What a fit leaves of its own rows is smaller than its errors ahead: 80 % intervals held 62 %."""
    noise = np.random.default_rng(11).normal(100, 5, (120, 30))
    question = ask(list(noise[:, :18]), freq="MS", season=12, horizon=12)
    tasks, every = [Task(series, 18) for series in range(120)], np.ones(120, dtype=bool)

    found = forecast_members(question, tasks, {AUTOREGRESSION: every})[AUTOREGRESSION]

    low, high = (found[..., base(12).quantile_levels.index(level)] for level in (0.1, 0.9))
    assert 0.7 < ((noise[:, 18:] >= low) & (noise[:, 18:] <= high)).mean() < 0.85


def test_fast_growth_keeps_an_interval_as_far_as_it_is_continued() -> None:
    """All quantiles were cut at one value from lead 37 on."""
    growth = 100 * np.exp(0.03 * np.arange(100) + 0.05 * np.random.default_rng(12).normal(size=100))

    forecast, _ = answer(ask([growth], freq="MS", season=12, horizon=52))

    low, high = (forecast[0, :, base(12).quantile_levels.index(level)] for level in (0.1, 0.9))
    assert (high > 1.05 * low).all()
    assert forecast[0, -1, MEDIAN] > 3 * growth[-1]


def test_a_limit_that_was_cut_at_zero_stays_there_where_widths_shrink() -> None:
    question = ask([np.arange(60.0) % 3], freq="D", season=7, horizon=5)
    member = np.zeros((1, 5, len(base(7).quantile_levels)))
    member[..., MEDIAN:] = 2.0
    members = {BASE: member}

    found = forecast_weighted(
        question, np.ones((1, 1)), [BASE], widths=np.full(5, 0.7), members=lambda *_: dict(members)
    )

    assert (found[..., :MEDIAN] == 0).all()


@pytest.mark.parametrize(("freq", "season", "length"), [("QS", 4, 60), ("D", 7, 150), ("MS", 12, 120), ("h", 24, 300)])
def test_no_far_forecast_leaves_the_range_by_more_than_trends_allow(freq: str, season: int, length: int) -> None:
    """The exponential of a drift by chance was 600 times as far away as allowed, 1e37 after a walk of logarithms."""
    drawn = synthesise(25, length, season_length=season, domain="any", seed=season).values.astype(np.float64)
    walks = np.exp(np.cumsum(0.3 * np.random.default_rng(10).normal(size=(5, length)), axis=1))
    for history in (*drawn, *walks):
        forecast, _ = answer(ask([history], freq=freq, season=season, horizon=1_000))
        low, high = history.min(), history.max()
        allowed = max(high - low, 1e-6 * abs(high) + 1e-12) * (2 + 2 * 1_000 / length)
        median = forecast[0, :, MEDIAN]
        assert np.isfinite(forecast).all()
        assert low - allowed <= median.min() <= median.max() <= high + allowed


@pytest.mark.parametrize(
    ("num_rows", "season", "horizon", "cutoffs", "leads"),
    [
        (100, 7, 10, (40, 50, 60, 70, 80, 90), 10),
        (20, 12, 12, (14, 15, 16, 17), 3),
        (6, 1, 4, (5,), 1),
        (4, 1, 4, (), 1),
    ],
)
def test_windows_lie_at_the_end_and_shrink_where_rows_are_few(
    num_rows: int, season: int, horizon: int, cutoffs: tuple[int, ...], leads: int
) -> None:
    found = causal_windows(num_rows, season, horizon, num_windows=6)

    assert (found.cutoffs, found.num_leads) == (cutoffs, leads)


def test_series_of_one_length_share_a_fit_and_forecast_as_alone() -> None:
    generator = np.random.default_rng(6)
    step = np.arange(96)
    histories = [50 + 15 * np.sin(2 * np.pi * step / 12) + generator.normal(size=96) for _ in range(3)]
    histories[1][[10, 40]] = np.nan
    names = [FOURIER, FOURIER_LOG, AUTOREGRESSION, AUTOREGRESSION_LOG]
    tasks = [Task(series, cutoff) for series in range(3) for cutoff in (72, 84, 96)]
    every = dict.fromkeys(names, np.ones(3, dtype=bool))

    together = forecast_members(ask(histories, freq="MS", season=12, horizon=12), tasks, every)

    for series in range(3):
        one = {name: mask[:1] for name, mask in every.items()}
        question = ask([histories[series]], freq="MS", season=12, horizon=12)
        alone = forecast_members(question, [Task(0, cutoff) for cutoff in (72, 84, 96)], one)
        for name in names:
            np.testing.assert_allclose(together[name][3 * series : 3 * series + 3], alone[name], rtol=1e-4)


def test_a_member_is_computed_only_for_the_series_that_need_it() -> None:
    histories = [np.random.default_rng(seed).normal(10, 1, 60) for seed in range(3)]
    wanted = {BASE: np.array([True, False, True]), FOURIER: np.array([False, True, False])}

    found = forecast_members(
        ask(histories, freq="MS", season=12, horizon=4), [Task(series, 60) for series in range(3)], wanted
    )

    assert sorted(found) == [BASE, FOURIER]
    for name, mask in wanted.items():
        np.testing.assert_array_equal(np.isfinite(found[name]).all(axis=(1, 2)), mask)


def test_a_constant_that_is_added_changes_nothing_far_from_zero() -> None:
    generator = np.random.default_rng(8)
    values = np.zeros(200)
    for step in range(1, 200):
        values[step] = 0.7 * values[step - 1] + generator.normal(0, 5)

    near, far = (answer(ask([values + offset], freq="D", season=7, horizon=12))[0] for offset in (1e4, 1e6))

    np.testing.assert_allclose(far - 1e6, near - 1e4, atol=0.02)


def test_series_of_one_panel_are_forecast_with_the_season_of_each() -> None:
    generator = np.random.default_rng(5)
    seasons = [12, 20, 12, 20]
    shapes = {length: 9 * np.sin(2 * np.pi * np.arange(120) / length) for length in (12, 20)}
    histories = [50 + shapes[length] + generator.normal(0, 1, 120) for length in seasons]
    panel = make_series(*histories, season_length=12)
    both = ZeroShot(panel, base, 12, own_seasons={1: 20, 3: 20})
    forecast, weights = both.prepared(last_windows(panel), 20)

    found = forecast(np.array([3, 0, 1, 2]))

    again, _ = both.prepared(last_windows(panel), 20, weights)
    np.testing.assert_allclose(again(np.array([3, 0, 1, 2])), found, rtol=1e-6)
    for length, numbers in ((12, [0, 2]), (20, [1, 3])):
        own = panel.select(np.array(numbers))
        alone = ZeroShot(own, base, length)(last_windows(own), 20)
        np.testing.assert_allclose(found[[[3, 0, 1, 2].index(number) for number in numbers]], alone, rtol=1e-4)
        ahead = 50 + 9 * np.sin(2 * np.pi * np.arange(120, 140) / length)
        assert np.abs(alone[..., MEDIAN] - ahead).mean() < 1.5
    assert sum(weights.mean(4).values()) == pytest.approx(1.0)
    assert weights.of(np.array([1, 2])).sum(axis=1) == pytest.approx([1.0, 1.0])


def test_a_stored_model_of_plain_steps_forecasts_each_series_with_its_season(tmp_path: Path) -> None:
    generator, steps = np.random.default_rng(6), np.arange(80)
    seasons = (12, 20, 12, 20)
    rows = [
        pd.DataFrame({"id": f"s{number}", "step": steps, "value": 50 + 9 * np.sin(2 * np.pi * steps / length)})
        for number, length in enumerate(seasons)
    ]
    frame = pd.concat(rows)
    frame["value"] = (frame["value"] + generator.normal(0, 1, len(frame))).round(2)
    frame.to_csv(tmp_path / "steps.csv", index=False)
    settings, store = rnnforecast.Settings(data=DataSettings(id=("id",), horizon=10)), tmp_path / "store"
    trained = rnnforecast.train([tmp_path / "steps.csv"], settings, name="m", store=store)

    assert {*seasons, 1} == {member["season_length"] for member in trained.members}
    ahead = 50 + 9 * np.sin(2 * np.pi * np.arange(80, 90) / np.array(seasons)[:, None])
    stored = rnnforecast.predict("m", store=store).frame["forecast"].to_numpy().reshape(4, 10)
    assert np.abs(stored - ahead).mean() < 1
