"""The tails: probabilities of large values, beyond what was seen, and clusters that are counted once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rnnforecast.detection.tails import ParetoTail, Tail, TwoTails, blocks, first_of_runs


@pytest.mark.parametrize("shape", [0.0, 0.3])
def test_a_pareto_tail_is_found_again(shape: float) -> None:
    uniform = np.random.default_rng(1).uniform(size=20_000)
    excesses = 2.0 * (uniform**-shape - 1) / shape if shape else -2.0 * np.log(uniform)
    tail = ParetoTail.fit(excesses, threshold=5.0, rate=0.1)
    assert tail.shape == pytest.approx(shape, abs=0.05)
    assert tail.scale == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_value_and_rate_are_inverse(shape: float) -> None:
    tail = ParetoTail(threshold=1.0, rate=0.05, scale=0.7, shape=shape)
    value = float(tail.value_at(np.array(-4.0)))
    assert float(tail.log_rate(np.array([value]))[0]) == pytest.approx(-4.0)
    assert float(tail.value_at(np.array(-1.0))) == 1.0


def test_surprises_are_those_of_the_distribution_beyond_what_was_seen() -> None:
    generator = np.random.default_rng(2)
    tail = Tail.fit(generator.normal(size=20_000))
    assert tail is not None
    found = tail.surprise(np.array([0.0, 1.645, 3.09, 4.265]))
    np.testing.assert_allclose(found, [0.301, 1.301, 3.0, 5.0], rtol=0.12)
    assert np.isnan(tail.surprise(np.array([np.nan]))[0])


def test_two_tails_see_small_values_and_say_which_side() -> None:
    tails = TwoTails.fit(np.random.default_rng(3).normal(size=5_000), two_sided=True)
    assert tails is not None
    surprise, side = tails.surprise(np.array([-5.0, 5.0]))
    assert (surprise > 3.5).all()
    assert side.tolist() == [-1.0, 1.0]
    (low,), (high,) = tails.values_at(np.array([3.0]))
    assert -4.2 < low < -2.8 < 2.8 < high < 4.2


def test_nothing_is_fitted_to_a_handful_of_values() -> None:
    assert Tail.fit(np.arange(5.0)) is None
    assert TwoTails.fit(np.full(100, np.nan), two_sided=True) is None


def test_a_constant_past_makes_any_larger_value_surprising() -> None:
    tail = Tail.fit(np.zeros(500))
    assert tail is not None
    assert tail.surprise(np.array([0.0]))[0] == 0.0
    assert tail.surprise(np.array([1.0]))[0] > 5


def test_blocks_cover_every_row_once() -> None:
    found = list(blocks(50_000, 100))
    assert found[0][0] == 100
    assert found[-1][1] == 50_000
    assert all(end == start for (_, end), (start, _) in pairwise(found))


def test_rows_closer_than_the_gap_are_one_run() -> None:
    positions = np.array([3, 4, 9, 30, 31])
    assert first_of_runs(positions, 5).tolist() == [0, 3]
    assert first_of_runs(np.array([], dtype=np.int64), 5).tolist() == []
