"""Every component of the corpus: its size, its law, and that each prior can reach it."""

from __future__ import annotations

import numpy as np
import pytest

from pretraining.synthesis.combining import COMBINATIONS, combine
from pretraining.synthesis.counts import counts, intermittent
from pretraining.synthesis.disturbances import DISTURBANCES, disturb
from pretraining.synthesis.frames import Frame, Paths, to_unit
from pretraining.synthesis.kernels import KERNELS, coloured, kernel_mixture, squared_exponential
from pretraining.synthesis.kinds import CALENDARS, KINDS
from pretraining.synthesis.noise import NOISES
from pretraining.synthesis.priors import PRIORS, Prior
from pretraining.synthesis.recursions import autoregress, stationary, stochastic_cycle
from pretraining.synthesis.seasons import EVOLUTIONS, SHAPES
from pretraining.synthesis.trends import DIRECTED, TRENDS, draw_trend


def frame(num_series: int = 200, *, length: int = 144, season_length: int = 12, long: int = 1) -> Frame:
    return Frame(np.random.default_rng(5), length, season_length, long, np.full(num_series, length))


def column(value: float, num_series: int = 200) -> Paths:
    return np.full((num_series, 1), value, dtype=np.float32)


def correlation(paths: Paths, lag: int) -> float:
    left, right = paths[:, lag:], paths[:, :-lag]
    return float((left * right).mean() / (paths * paths).mean())


@pytest.mark.parametrize("name", TRENDS)
def test_every_trend_is_finite_and_of_the_right_size(name: str) -> None:
    paths = TRENDS[name](frame())
    assert paths.shape == (200, 144)
    assert np.isfinite(paths).all()


@pytest.mark.parametrize("name", sorted(set(TRENDS) - {"none"}))
def test_every_trend_but_none_moves(name: str) -> None:
    assert (np.ptp(to_unit(TRENDS[name](frame()), frame()), axis=1) > 0).mean() > 0.6


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_has_about_unit_spread(name: str) -> None:
    spread = NOISES[name](frame(400)).std(axis=1)
    assert 0.5 < np.median(spread) < 2


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_is_finite(name: str) -> None:
    assert np.isfinite(KERNELS[name](frame())).all()


@pytest.mark.parametrize("name", DISTURBANCES)
def test_every_disturbance_disturbs_some_rows_and_leaves_their_past_or_rest_alone(name: str) -> None:
    paths = DISTURBANCES[name](frame())
    assert np.isfinite(paths).all()
    assert (paths != 0).any(axis=1).mean() > 0.5
    assert (paths == 0).any(axis=1).mean() > 0.5


@pytest.mark.parametrize("name", CALENDARS)
def test_every_calendar_effect_is_finite_and_changes(name: str) -> None:
    paths = CALENDARS[name](frame(length=800))
    assert np.isfinite(paths).all()
    assert (np.ptp(paths, axis=1) > 0).mean() > 0.95


@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_combination_of_nothing_is_flat(name: str) -> None:
    nothing = np.zeros((200, 144), dtype=np.float32)
    assert np.allclose(np.ptp(combine(frame(), {name: 1.0}, nothing, nothing, nothing), axis=1), 0)


@pytest.mark.parametrize("domain", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_finite_under_every_prior(domain: str, kind: str) -> None:
    paths = KINDS[kind](frame(season_length=24, long=168), PRIORS[domain])
    assert paths.shape == (200, 144)
    assert np.isfinite(paths).all()


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())
def test_a_prior_names_known_components_only(prior: Prior) -> None:
    assert set(prior.kinds) <= set(KINDS)
    assert set(prior.trends) <= set(TRENDS)
    assert set(prior.noises) <= set(NOISES)
    assert set(prior.calendars) <= set(CALENDARS)
    assert set(prior.breaks) <= set(DISTURBANCES)
    assert set(prior.combinations) <= set(COMBINATIONS)
    assert set(prior.shapes) <= set(SHAPES)
    assert set(prior.evolutions) <= set(EVOLUTIONS)


def test_every_component_occurs_in_some_domain() -> None:
    priors = PRIORS.values()
    assert {name for prior in priors for name in prior.kinds} == set(KINDS)
    assert {name for prior in priors for name in prior.trends} == set(TRENDS)
    assert {name for prior in priors for name in prior.noises} == set(NOISES)
    assert {name for prior in priors for name in prior.calendars} == set(CALENDARS)
    assert {name for prior in priors for name in prior.breaks} == set(DISTURBANCES)
    assert {name for prior in priors for name in prior.shapes} == set(SHAPES)
    assert {name for prior in priors for name in prior.evolutions} == set(EVOLUTIONS)
    assert set(TRENDS) >= DIRECTED


def test_growth_is_commoner_than_decline_where_the_prior_says_so() -> None:
    paths = draw_trend(frame(2000), {"line": 1.0}, 0.8)
    assert 0.7 < (paths[:, -1] > paths[:, 0]).mean() < 0.9


def test_counts_are_whole_numbers_around_their_intensity() -> None:
    drawn = counts(frame(), np.full((200, 144), 20, dtype=np.float32))
    assert np.array_equal(drawn, np.round(drawn))
    assert drawn.min() >= 0
    assert drawn.mean() == pytest.approx(20, rel=0.05)


def test_half_of_the_counts_spread_wider_than_poisson() -> None:
    drawn = counts(frame(), np.full((200, 144), 50, dtype=np.float32))
    wide = drawn.var(axis=1) / drawn.mean(axis=1) > 1.6
    assert 0.2 < wide.mean() < 0.6


def test_intermittent_demand_is_mostly_zero_and_never_negative() -> None:
    drawn = intermittent(frame(500), np.zeros((500, 144), dtype=np.float32))
    occupancy = (drawn > 0).mean(axis=1)
    assert drawn.min() == 0
    assert np.median(occupancy) < 0.5
    assert np.quantile(occupancy, 0.1) < 0.1


def test_disturbances_touch_about_the_share_of_rows_asked_for() -> None:
    paths = np.zeros((2000, 144), dtype=np.float32)
    disturb(frame(2000), paths, column(1.0, 2000), {"level shift": 0.25})
    assert 0.2 < (paths != 0).any(axis=1).mean() < 0.3


@pytest.mark.parametrize("num_series", [1, 400])
def test_an_autoregression_follows_its_recursion(num_series: int) -> None:
    shocks = np.repeat(np.asarray([[1.0, 0.0, 0.0, 2.0, -1.0]], dtype=np.float32), num_series, axis=0)
    expected = [1.0, 0.5, 0.25, 2.125, 0.0625]
    assert (autoregress(shocks, column(0.5, num_series)) == expected).all()


def test_few_and_many_series_run_through_the_same_recursion() -> None:
    shocks = frame(300).normals()
    persistence = frame(300).uniform(-0.9, 0.999)
    many = autoregress(shocks, persistence)
    few = np.concatenate([autoregress(shocks[k : k + 1], persistence[k : k + 1]) for k in range(300)])
    assert few == pytest.approx(many, abs=1e-3)


def test_a_stationary_autoregression_has_unit_variance_and_its_correlation() -> None:
    paths = stationary(frame(2000), column(0.8, 2000))
    assert paths.var() == pytest.approx(1, rel=0.05)
    assert paths[:, 0].var() == pytest.approx(1, rel=0.15)
    assert correlation(paths, 1) == pytest.approx(0.8, abs=0.03)


def test_a_stochastic_cycle_returns_after_its_period() -> None:
    paths = stochastic_cycle(frame(1000), column(20.0, 1000), column(0.995, 1000))
    assert correlation(paths, 20) > 0.7
    assert correlation(paths, 10) < -0.7


def test_a_gaussian_process_forgets_as_its_kernel_says() -> None:
    paths = squared_exponential(frame(3000, length=300), column(5.0, 3000))
    assert correlation(paths, 5) == pytest.approx(np.exp(-0.5), abs=0.06)
    assert correlation(paths, 10) == pytest.approx(np.exp(-2.0), abs=0.06)


def test_coloured_noise_of_exponent_zero_is_white() -> None:
    assert abs(correlation(coloured(frame(1000), column(0.0, 1000)), 1)) < 0.03


def test_a_kernel_mixture_has_unit_spread() -> None:
    assert kernel_mixture(frame()).std(axis=1) == pytest.approx(1, abs=0.01)


def test_unit_spread_is_that_of_the_visible_span_alone() -> None:
    short = Frame(np.random.default_rng(1), 100, 12, 1, np.full(3, 40))
    scaled = to_unit(short.normals() * 5 + 7, short)[:, 60:]
    assert scaled.mean(axis=1) == pytest.approx(0, abs=1e-5)
    assert scaled.std(axis=1) == pytest.approx(1, abs=1e-5)


def test_no_disturbance_exceeds_what_real_series_reach() -> None:
    paths = np.zeros((500, 144), dtype=np.float32)
    disturb(frame(500), paths, column(5.0, 500), {"outliers": 1.0})
    assert np.abs(paths).max() == 2.5


def test_intermittent_demand_stays_finite_where_the_trend_it_follows_is_beyond_all_bounds() -> None:
    drawn = intermittent(frame(500), np.full((500, 144), 1e6, dtype=np.float32))
    assert np.isfinite(drawn).all()
