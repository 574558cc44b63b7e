from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.config import DataSettings, EvaluationSettings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from rnnforecast.training import split as splitting
from rnnforecast.training.split import fit_horizon, split_rows
from tests.training.toy import make_series
from tests.workflows.toy import fit, write_days


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
    assert len(split.test) > 0
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


@pytest.mark.parametrize("gap", [0, 4])
def test_too_few_rows_are_refused_with_a_horizon_that_works(tmp_path: Path, gap: int) -> None:
    path = write_days(tmp_path, 25)
    with pytest.raises(DataError) as caught:
        fit(path, horizon=9, gap=gap, season_length=7)
    need = 8 + 3 * 9 + gap
    assert (
        f"the series has 25 rows, needs {need} (train: history 8 + horizon 9, validation: 9, test: 9"
        in caught.value.message
    )
    suggested = (25 - 8 - gap) // 3
    assert f"`--horizon {suggested}` fits this file" in str(caught.value.hint)
    assert fit(path, horizon=suggested, gap=gap, season_length=7).verdict is not None


def test_the_longest_series_of_a_panel_is_named_when_all_are_too_short() -> None:
    series = make_series(np.ones(10), np.ones(12))
    with pytest.raises(DataError, match="series `s1`, the longest, has 12 rows, needs 20"):
        split_rows(series, horizon=5, evaluation=EvaluationSettings())


def test_rows_that_fit_no_horizon_are_told_that_the_season_takes_them() -> None:
    with pytest.raises(DataError) as caught:
        split_rows(make_series(np.ones(6)), horizon=1, evaluation=EvaluationSettings())
    assert "lower `--season-length` (4), or bring more rows" in str(caught.value.hint)


def test_a_default_horizon_is_cut_to_what_the_rows_have_room_for_and_says_so(tmp_path: Path) -> None:
    read = read_series([write_days(tmp_path, 60)], DataSettings())
    assumptions = fit_horizon(replace(read, assumptions=replace(read.assumptions, horizon=30)), DataSettings())
    assert assumptions.horizon == (60 - 8) // 4
    assert "30 would suit the frequency, the rows allow 13" in assumptions.reasons["horizon"]


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
        assert sorted(set(windows.series.tolist())) == [0, 3, 6]
