"""Specification of the tests at work: silent over sound models, loud over those that changed, whenever that was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.drift import (
    ALARM_UNITS,
    BET_LIMIT,
    FALSE_ALARM_RATE,
    MIN_UNITS,
    Watch,
    cusum,
    foreign_range,
    foreign_scale,
    freshest,
    sequential_scores,
    unit_means,
    watch_coverage,
    watch_losses,
    watch_naive,
    wealth,
)

Maker = Callable[[np.random.Generator], Float64Array]
Test = Callable[[Float64Array], Watch]
NUM_MODELS = 60


def _alarms(test: Test, make: Maker) -> int:
    """Return how many of sixty models give an alarm."""
    states = [test(make(np.random.default_rng(seed))).state for seed in range(NUM_MODELS)]
    return states.count("alarm")


def _hits(share: float, count: int) -> Maker:
    return lambda generator: (generator.random(count) < share).astype(float)


def _chain(generator: np.random.Generator) -> Float64Array:
    steps = generator.normal(size=ALARM_UNITS + 20)
    for place in range(1, len(steps)):
        steps[place] += 0.3 * steps[place - 1]
    return steps[20:]


@pytest.mark.parametrize(
    ("test", "make", "most"),
    [
        (watch_losses, lambda generator: generator.normal(size=ALARM_UNITS), 4),
        (watch_losses, lambda generator: generator.standard_t(2, size=ALARM_UNITS), 4),
        (watch_losses, _chain, 10),
        (watch_naive, lambda generator: generator.normal(size=ALARM_UNITS), 2),
        (lambda shares: watch_coverage(shares, level=80), _hits(0.8, ALARM_UNITS), 1),
        (lambda shares: watch_coverage(shares, level=95), _hits(0.95, ALARM_UNITS), 1),
        (lambda shares: watch_coverage(shares, level=80), _hits(0.75, ALARM_UNITS), 2),
    ],
    ids=["losses", "heavy tails", "losses that follow each other", "naive", "80 %", "95 %", "edge of the tolerance"],
)
def test_a_year_of_sound_forecasts_rarely_gives_an_alarm(test: Test, make: Maker, most: int) -> None:
    assert _alarms(test, make) <= most


@pytest.mark.parametrize(
    ("test", "make"),
    [
        (watch_losses, lambda generator: np.r_[generator.normal(size=60), generator.normal(2.0, size=60)]),
        (watch_naive, lambda generator: np.r_[-np.ones(80), generator.normal(1.5, size=60)]),
        (
            lambda shares: watch_coverage(shares, level=80),
            lambda generator: np.r_[_hits(0.85, 100)(generator), _hits(0.3, 60)(generator)],
        ),
        (
            lambda shares: watch_coverage(shares, level=95),
            lambda generator: np.r_[_hits(0.97, 100)(generator), _hits(0.5, 60)(generator)],
        ),
    ],
    ids=["losses", "naive", "80 %", "95 %"],
)
def test_a_change_is_found_however_long_all_was_well_before(test: Test, make: Maker) -> None:
    assert _alarms(test, make) >= 0.95 * NUM_MODELS


def test_smaller_losses_are_not_alarm() -> None:
    generator = np.random.default_rng(0)
    assert watch_losses(np.r_[generator.normal(size=60), generator.normal(-3.0, size=60)]).state == "ok"


def test_an_interval_that_covers_more_than_it_guarantees_is_not_an_alarm() -> None:
    assert watch_coverage(np.ones(300), level=80).state == "ok"


@pytest.mark.parametrize("test", [watch_losses, watch_naive, lambda shares: watch_coverage(shares, level=80)])
def test_too_few_units_are_never_tested(test: Test) -> None:
    watch = test(np.arange(MIN_UNITS - 1, dtype=float) / MIN_UNITS)
    assert (watch.state, watch.since, watch.num_units) == ("too few", None, MIN_UNITS - 1)
    assert test(np.zeros(0)).num_units == 0


def test_an_alarm_names_the_unit_that_reached_the_limit_and_stays_with_more_units() -> None:
    shares = np.r_[np.ones(20), np.zeros(20)]
    watch = watch_coverage(shares, level=80)
    assert watch.since is not None
    assert 20 <= watch.since < 40
    assert watch_coverage(np.r_[shares, np.ones(200)], level=80).since == watch.since
    assert watch_coverage(shares[: watch.since], level=80).state == "ok"


def test_the_path_of_losses_does_not_change_with_later_units() -> None:
    generator = np.random.default_rng(1)
    values = np.r_[generator.normal(size=40), generator.normal(3.0, size=40)]
    found = watch_losses(values).since
    assert found is not None
    assert watch_losses(values[: found + 1]).since == found


def test_equal_losses_are_half_a_win_each() -> None:
    assert watch_naive(np.zeros(200)).state == "ok"


def test_the_wealth_of_a_fair_game_is_that_of_all_who_joined() -> None:
    assert wealth(np.full(5, 0.5), mean=0.5).tolist() == [1, 2, 3, 4, 5]


def test_wealth_stays_finite() -> None:
    assert np.isfinite(wealth(np.ones(10_000), mean=0.05)).all()


def test_the_limit_of_a_bet_is_the_proven_bound() -> None:
    assert pytest.approx(ALARM_UNITS / FALSE_ALARM_RATE) == 10**BET_LIMIT


def test_sequential_scores_rank_each_value_among_those_up_to_it() -> None:
    scores = sequential_scores(np.array([5.0, 9.0, 1.0, 9.0]))
    assert scores[0] == 0
    assert scores[1] > 0 > scores[2]
    assert scores[3] == pytest.approx(0.674, abs=1e-3)  # shares the third and the fourth place of four


def test_a_cumulative_sum_is_never_below_zero_and_forgets_good_times() -> None:
    assert cusum(np.array([-5.0, -5.0, 2.0, 1.0]), slack=0.5).tolist() == [0.0, 0.0, 1.5, 2.0]


def test_each_actual_counts_once_with_the_newest_forecast_made_for_it() -> None:
    cutoffs = np.array([10, 10, 10, 12, 12, 12])
    leads = np.array([1, 2, 3, 1, 2, 3])
    assert freshest(cutoffs, leads).tolist() == [True, True, False, True, True, True]


def test_units_are_means_of_cutoffs_in_order_of_time() -> None:
    assert unit_means(np.array([1.0, 3.0, 5.0]), np.array([7, 7, 2])) == {2: 5.0, 7: 2.0}


@pytest.mark.parametrize(
    ("values", "share"),
    [([5.0, 10.0], 0.0), ([5.0, 19.0], 0.0), ([5.0, 21.0], 0.5), ([-11.0, -12.0], 1.0), ([], 0.0)],
)
def test_values_are_foreign_a_whole_range_beyond_that_of_training(values: list[float], share: float) -> None:
    assert foreign_range(0.0, 10.0, np.array(values)) == share


def test_a_series_that_never_moved_has_a_range_too() -> None:
    assert foreign_range(100.0, 100.0, np.array([105.0])) == 0
    assert foreign_range(100.0, 100.0, np.array([120.0])) == 1


@pytest.mark.parametrize(("now", "is_foreign"), [(1.0, False), (9.0, False), (11.0, True), (0.05, True)])
def test_a_scale_is_foreign_at_ten_times_more_or_less(now: float, is_foreign: bool) -> None:
    assert foreign_scale(1.0, now) is is_foreign
    assert foreign_scale(float("nan"), now) is False
