from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.config import DataSettings, EvaluationSettings, Settings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from rnnforecast.training import split as splitting
from rnnforecast.training.split import fit_horizon, split_for, split_rows
from tests.training.toy import make_series
from tests.workflows.toy import write_days


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=5),
    horizon=st.integers(1, 12),
    gap=st.integers(0, 5),
    num_windows=st.integers(1, 4),
    window_step=st.integers(1, 12),
)
def test_rows_to_learn_to_choose_and_to_be_judged_on_never_overlap(
    lengths: list[int], horizon: int, gap: int, num_windows: int, window_step: int
) -> None:
    series = make_series(*(np.arange(1.0, length + 1) for length in lengths))
    evaluation = EvaluationSettings(gap=gap, num_windows=num_windows, window_step=window_step)
    try:
        split = split_rows(series, horizon=horizon, evaluation=evaluation)
    except DataError:
        return
    assert (len(split.test) > 0) == (split.num_windows > 0)
    for number, cutoff in zip(split.test.series, split.test.cutoffs, strict=True):
        assert split.num_past_rows[number] <= cutoff
        assert cutoff + gap + horizon <= lengths[number]
    for number, cutoff in zip(split.validation.series, split.validation.cutoffs, strict=True):
        assert cutoff + horizon <= split.num_past_rows[number]
    for number in set(range(len(lengths))) - set(split.test.series.tolist()):
        assert split.num_past_rows[number] == lengths[number]


def test_held_out_windows_lie_at_the_end_and_validation_right_before_them() -> None:
    split = split_rows(make_series(np.arange(1.0, 61.0)), horizon=5, evaluation=EvaluationSettings(num_windows=2))
    assert split.num_past_rows.tolist() == [50]
    assert split.test.cutoffs.tolist() == [50, 55]
    assert split.validation.cutoffs.tolist() == [40, 45]


def test_a_gap_moves_the_held_out_cutoffs_away_from_their_scored_steps() -> None:
    evaluation = EvaluationSettings(num_windows=1, gap=3)
    split = split_rows(make_series(np.arange(1.0, 61.0)), horizon=5, evaluation=evaluation)
    assert (split.test.cutoffs.tolist(), split.num_past_rows.tolist()) == ([52], [52])


@pytest.mark.parametrize(
    ("rows", "test", "validation"), [(60, 1, 1), (49, 1, 1), (42, 1, 1), (38, 1, 1), (30, 0, 1), (20, 0, 0), (4, 0, 0)]
)
def test_few_rows_train_with_the_windows_that_fit(rows: int, test: int, validation: int) -> None:
    series = make_series(np.arange(1.0, rows + 1), season_length=12)
    split = split_rows(series, horizon=12, evaluation=EvaluationSettings())
    assert (len(split.test), len(split.validation)) == (test, validation)
    assert split.num_past_rows.tolist() == [rows - 12 * test]
    asked = split_rows(series, horizon=12, evaluation=EvaluationSettings(num_windows=9))
    assert asked.num_windows == len(asked.test) <= 2


def test_where_nothing_is_fitted_there_are_more_windows() -> None:
    series = make_series(np.arange(1.0, 145.0), season_length=12)
    assert len(split_rows(series, horizon=12, evaluation=EvaluationSettings()).test) == 3
    split = split_for(series, Settings(), horizon=12)
    assert (len(split.test), len(split.validation), split.num_past_rows.tolist()) == (8, 1, [48])
    trained = split_for(series, Settings.from_flat({"from": "scratch"}), horizon=12)
    assert len(trained.test) == 3


def test_whether_anything_is_fitted_does_not_depend_on_values() -> None:
    walk = 100 + np.cumsum(np.random.default_rng(0).normal(size=900))
    flat = np.ones(900)
    splits = [split_for(make_series(values, season_length=1), Settings(), horizon=30) for values in (walk, flat)]
    assert [len(split.test) for split in splits] == [9, 9]


def test_fewer_than_four_rows_and_no_test_rows_where_they_are_needed_are_errors() -> None:
    with pytest.raises(DataError, match="series `s1`, the longest, has 3, a training needs 4"):
        split_rows(make_series(np.ones(2), np.ones(3)), horizon=5, evaluation=EvaluationSettings())
    with pytest.raises(DataError, match="the longest series has 12, needs 17") as caught:
        split_rows(make_series(np.ones(12)), horizon=5, evaluation=EvaluationSettings(), must_test=True)
    assert "`--horizon 3` fits" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("rows", "season", "horizon"), [(60, 12, 12), (48, 12, 6), (38, 12, 6), (30, 12, 4), (16, 12, 1)]
)
def test_a_default_horizon_is_a_season_or_a_round_part_of_one(rows: int, season: int, horizon: int) -> None:
    assert splitting._fitting(12, rows - season - 1, season_length=season) == horizon


def test_a_default_horizon_is_cut_to_what_the_rows_have_room_for_and_says_so(tmp_path: Path) -> None:
    read = read_series([write_days(tmp_path, 60)], DataSettings())
    assumptions = fit_horizon(replace(read, assumptions=replace(read.assumptions, horizon=30)), DataSettings())
    assert assumptions.horizon == 7
    assert "30 would suit the frequency, the rows allow 7" in assumptions.reasons["horizon"]


def test_a_horizon_the_user_gave_is_never_touched(tmp_path: Path) -> None:
    chosen = DataSettings(horizon=50)
    assert fit_horizon(read_series([write_days(tmp_path, 60)], chosen), chosen).horizon == 50


def test_of_very_many_series_some_are_judged_and_all_have_rows_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_TESTED_SERIES", 3)
    series = make_series(*(np.arange(1.0, 61.0) for _ in range(7)), np.arange(1.0, 9.0))
    split = split_rows(series, horizon=5, evaluation=EvaluationSettings(num_windows=2))
    assert split.num_past_rows.tolist() == [50] * 7 + [8]
    assert split.num_tested_series == 7
    for windows in (split.test, split.validation):
        assert sorted(set(windows.series.tolist())) == [1, 3, 5]
