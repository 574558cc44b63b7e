from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.training.sampling import make_sampler, min_past
from tests.inference.samples import make_member

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=6)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, horizon=st.integers(1, 12), season_length=st.integers(1, 8), seed=st.integers(0, 99))
def test_no_window_has_a_target_past_the_rows_it_may_learn_from(
    lengths: list[int], horizon: int, season_length: int, seed: int
) -> None:
    member = make_member(horizon=horizon, season_length=season_length, context_length=8)
    sampler = make_sampler(np.array(lengths, dtype=np.int64), member)
    if not len(sampler.series):
        return
    windows = sampler.draw(64, _generator(seed))
    rows = torch.tensor(lengths)[windows.series]
    need = min(8, min_past(season_length))
    steps = torch.where(rows >= need + horizon, horizon, 1)  # a short series trains the steps it has
    assert bool((windows.cutoffs >= need).all())
    assert bool((windows.cutoffs + steps <= rows).all())


def test_a_series_too_short_for_a_horizon_trains_the_steps_it_has() -> None:
    sampler = make_sampler(np.array([8]), make_member(horizon=7, season_length=4))
    assert (sampler.first.tolist(), sampler.last.tolist()) == ([5], [7])


def test_a_series_long_enough_for_a_horizon_is_drawn_with_whole_horizons() -> None:
    sampler = make_sampler(np.array([20]), make_member(horizon=7, season_length=4))
    assert (sampler.first.tolist(), sampler.last.tolist()) == ([5], [13])


def test_a_series_too_short_for_a_season_and_a_step_is_left_out() -> None:
    sampler = make_sampler(np.array([5, 20, 0]), make_member(horizon=7, season_length=4))
    assert sampler.series.tolist() == [1]


def test_the_newest_cutoffs_alone_are_drawn() -> None:
    sampler = make_sampler(np.array([1_000]), make_member(horizon=7), recent=10)
    assert (sampler.first.tolist(), sampler.last.tolist(), sampler.num_windows) == ([984], [993], 10)


def test_every_series_is_drawn_as_often_as_any_other() -> None:
    sampler = make_sampler(np.array([20, 400]), make_member())
    picked = sampler.draw(4_000, _generator()).series
    assert picked.double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_every_cutoff_is_drawn_both_ends_included() -> None:
    sampler = make_sampler(np.array([20]), make_member())
    assert sorted(set(sampler.draw(500, _generator()).cutoffs.tolist())) == list(range(5, 14))


def test_one_to_many_starts_half_of_its_paths_before_the_first_row() -> None:
    member = make_member(mapping="one-to-many", num_static_covariates=1)
    cutoffs = make_sampler(np.array([40]), member).draw(2_000, _generator()).cutoffs
    assert (cutoffs == 0).double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_many_to_one_needs_room_for_one_step_alone() -> None:
    sampler = make_sampler(np.array([20]), make_member(mapping="many-to-one"))
    assert sampler.last.tolist() == [19]


def test_the_same_generator_draws_the_same_windows() -> None:
    sampler = make_sampler(np.array([20, 30]), make_member())
    first, second = (sampler.draw(16, _generator(5)) for _ in range(2))
    assert torch.equal(first.series, second.series)
    assert torch.equal(first.cutoffs, second.cutoffs)


def test_windows_lie_on_the_device_they_are_gathered_on() -> None:
    sampler = make_sampler(np.array([20, 30]), make_member(), device=torch.device("meta"))
    windows = sampler.draw(16, _generator(5))
    assert (windows.series.device.type, windows.cutoffs.device.type) == ("meta", "meta")


@pytest.mark.parametrize(("season_length", "rows"), [(1, 2), (2, 3), (12, 13)])
def test_history_is_a_season_and_a_step_and_two_rows_at_least(season_length: int, rows: int) -> None:
    assert min_past(season_length) == rows
