from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pretraining.any_clock.validation import (
    geometric_mean,
    long_tasks,
    make_task,
    panel_tasks,
    read_series,
    score,
    score_all,
    seasonal_naive,
    simulated_tasks,
    summary,
)
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.errors import UsageError

RNG = np.random.default_rng(2)


def _panel(path: Path, *, length: int, num_series: int = 2, start: str | None = None) -> None:
    frames = []
    for number in range(num_series):
        stamps = range(length) if start is None else pd.date_range(start, periods=length, freq="h")
        frames.append(pd.DataFrame({"unique_id": f"s{number}", "ds": stamps, "y": np.arange(length, dtype=float)}))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(frames).to_parquet(path)


def test_the_last_steps_are_cut_off_and_kept_as_the_truth() -> None:
    task = make_task("t", [np.arange(30.0)], 4, 6)
    assert task.pasts[0].tolist() == list(range(24))
    assert task.actual[0].tolist() == list(range(24, 30))
    assert task.scale.tolist() == [4.0]


def test_panels_are_cut_from_their_training_part(tmp_path: Path) -> None:
    _panel(tmp_path / "m3_monthly" / "train.parquet", length=60)
    (task,) = panel_tasks(tmp_path)
    assert (task.name, task.horizon, len(task.pasts[0])) == ("m3_monthly", 18, 42)


def test_long_sets_end_before_the_first_test_window_of_any_term(tmp_path: Path) -> None:
    _panel(tmp_path / "gift" / "one.parquet", length=500, start="2020-01-01")
    terms = "set,term,freq,horizon,num_windows,season_length\none,short,h,10,5,24\none,long,h,60,3,24\n"
    (tmp_path / "gift" / "terms.csv").write_text(terms)
    for task in long_tasks(tmp_path):
        assert task.actual.max() < 500 - 180


def test_the_seasonal_naive_forecast_repeats_the_last_season() -> None:
    task = make_task("t", [np.tile([1.0, 2, 3], 10)], 3, 6)
    np.testing.assert_array_equal(seasonal_naive(task), task.actual)


def test_a_right_forecast_scores_nothing_and_covers_all() -> None:
    task = make_task("t", [RNG.normal(size=60)], 1, 12)
    quantiles = np.repeat(task.actual[..., None], 13, axis=-1)
    found = score(task, quantiles, TRAINED_QUANTILE_LEVELS)
    assert (found["mase"], found["wql"], found["in80"]) == (0, 0, 1)


def test_scores_of_all_tasks_are_put_into_lines() -> None:
    tasks = [task for task in simulated_tasks(num_series=3) if task.name in ("walk", "noise")]
    scores = score_all(lambda pasts, _, horizon: np.zeros((len(pasts), horizon, 13)), tasks, TRAINED_QUANTILE_LEVELS)
    lines = summary("simulated", scores)
    assert len(lines) == 4
    assert "walk" in lines[1]


def test_a_geometric_mean_is_that_of_ratios() -> None:
    assert geometric_mean([2, 0.5]) == pytest.approx(1)


def test_a_file_that_is_not_a_panel_is_named(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(UsageError, match=r"x\.parquet"):
        read_series(tmp_path / "x.parquet")
