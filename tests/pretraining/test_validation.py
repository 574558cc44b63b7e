"""Scores on real panels, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pretraining.loop import build_networks
from pretraining.validation import (
    Panel,
    PanelScore,
    forecast_panel,
    panel_from_text,
    read_panel,
    score_panel,
    seasonal_naive,
)
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.errors import UsageError
from tests.pretraining.toy import tiny_settings

LEVELS = TRAINED_QUANTILE_LEVELS
#: Two series with a season of two; seasonal differences of 1 and of 10.
PANEL = Panel(
    name="toy",
    season_length=2,
    past=(np.array([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), np.array([10.0, 40.0, 20.0, 50.0])),
    actual=np.array([[4.0, 7.0, 5.0], [30.0, 60.0, 40.0]]),
    scale=np.array([1.0, 10.0]),
)


def _around(median: np.ndarray, *, half_width: float = 0.0) -> np.ndarray:
    """Return quantiles [S, H, Q] with the 80 % interval `half_width` on both sides of the median."""
    steps = (np.array(LEVELS) - 0.5) / 0.4
    return np.asarray(median[..., None] + half_width * steps)


def _score(median: np.ndarray, *, panel: Panel = PANEL, half_width: float = 0.0) -> PanelScore:
    return score_panel(panel, _around(median, half_width=half_width), LEVELS)


def _write(path: Path, **series: list[float]) -> Path:
    """Write a panel whose rows are out of order."""
    rows = [(name, step, value) for name, values in series.items() for step, value in enumerate(values)]
    pd.DataFrame(rows[::-1], columns=["unique_id", "ds", "y"]).to_parquet(path)
    return path


def test_a_perfect_forecast_has_no_error_and_covers_all() -> None:
    assert _score(PANEL.actual) == PanelScore(mase=0.0, relative=0.0, smape=0.0, wql=0.0, coverage_80=1.0)


def test_seasonal_naive_repeats_the_last_season() -> None:
    np.testing.assert_array_equal(seasonal_naive(PANEL), [[3, 6, 3], [20, 50, 20]])


def test_seasonal_naive_against_itself_is_one_and_its_error_is_the_one_worked_out() -> None:
    score = _score(seasonal_naive(PANEL))
    # errors 1, 1, 2 over a scale of 1, and 10, 10, 20 over a scale of 10
    assert score.mase == pytest.approx(4 / 3)
    assert score.relative == 1.0
    # a point forecast: pinball is half the error at the median and as much on the mean of deciles
    assert score.wql == pytest.approx((1 + 1 + 2 + 10 + 10 + 20) / (4 + 7 + 5 + 30 + 60 + 40))
    wanted = [200 * abs(a - f) / (a + f) for a, f in ((4, 3), (7, 6), (5, 3), (30, 20), (60, 50), (40, 20))]
    assert score.smape == pytest.approx(np.mean(wanted))
    assert score.coverage_80 == 0.0


def test_coverage_counts_the_steps_within_the_middle_interval() -> None:
    # half a width of 1 holds the two errors of 1 and no other
    assert _score(seasonal_naive(PANEL), half_width=1.0).coverage_80 == pytest.approx(2 / 6)


def test_steps_that_are_missing_count_nothing() -> None:
    actual = PANEL.actual.copy()
    actual[0, 2] = np.nan
    score = _score(seasonal_naive(PANEL), panel=replace(PANEL, actual=actual), half_width=1.0)
    assert score.mase == pytest.approx((1 + 4 / 3) / 2)
    assert score.coverage_80 == pytest.approx(2 / 5)
    assert np.isfinite([score.wql, score.smape, score.relative]).all()


def test_a_series_without_a_scale_is_left_out_of_the_scaled_error() -> None:
    score = _score(seasonal_naive(PANEL), panel=replace(PANEL, scale=np.array([np.nan, 20.0])))
    assert score.mase == pytest.approx((10 + 10 + 20) / 3 / 20)


def test_a_missing_value_of_the_last_season_stands_one_season_earlier() -> None:
    panel = replace(PANEL, past=(np.array([1.0, 4.0, 2.0, 5.0, np.nan, 6.0]), np.array([np.nan, 40.0, np.nan, 50.0])))
    np.testing.assert_array_equal(seasonal_naive(panel), [[2, 6, 2], [45, 50, 45]])


def test_a_panel_is_read_in_order_and_cut_before_its_last_horizon(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", b=[9.0, 8, 7, 6, 5, 4, 3, 2], a=[1.0, 3, 2, 4, 3, 5, 4])
    panel = read_panel(path, season_length=2, horizon=3, name="two")
    assert (panel.name, panel.season_length) == ("two", 2)
    np.testing.assert_array_equal(panel.actual, [[3, 5, 4], [4, 3, 2]])
    np.testing.assert_array_equal(panel.past[0], [1, 3, 2, 4])
    np.testing.assert_array_equal(panel.past[1], [9, 8, 7, 6, 5])
    np.testing.assert_array_equal(panel.scale, [1, 2])


def test_series_too_short_for_the_horizon_are_left_out(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", a=[1.0, 3, 2, 4, 3, 5, 4], short=[1.0, 2, 3, 4, 5])
    assert len(read_panel(path, season_length=2, horizon=3).past) == 1


def test_a_panel_is_read_as_its_text_says(tmp_path: Path) -> None:
    path = _write(tmp_path / "a:b.parquet", a=[float(step**2) for step in range(20)])
    panel = panel_from_text(f"{path}:2:3:3")
    assert panel.season_length == 2
    assert panel.actual.shape == (3, 3)
    assert panel_from_text(f"{path}:2:4").actual.shape == (1, 4)


@pytest.mark.parametrize("text", ["", "a.parquet", "a.parquet:12", "a.parquet:12:x", "a.parquet:0:3", "a.parquet:1:-2"])
def test_a_text_of_another_form_names_no_panel(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form PATH:SEASON_LENGTH:HORIZON") as caught:
        panel_from_text(text)
    assert caught.value.hint == "for example `--panel m3_monthly/train.parquet:12:18`"


def test_a_file_that_is_not_a_panel_is_rejected_with_what_a_panel_is(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("unique_id,ds,y\n")
    pd.DataFrame({"unique_id": ["a"], "ds": [1]}).to_parquet(tmp_path / "no_target.parquet")
    pd.DataFrame({"unique_id": ["a"], "ds": [1], "y": ["high"]}).to_parquet(tmp_path / "words.parquet")
    for name, reason in (
        ("none.parquet", "No such file"),
        ("text.parquet", "Parquet magic bytes not found"),
        ("no_target.parquet", "No match for FieldRef.Name\\(y\\)"),
        ("words.parquet", "could not convert string to float"),
    ):
        with pytest.raises(UsageError, match=rf"panel .*{name}: .*{reason}") as caught:
            read_panel(tmp_path / name, season_length=2, horizon=3)
        assert caught.value.hint == "a panel is a Parquet file with the columns unique_id, ds and y"


def test_a_panel_of_short_series_alone_is_rejected(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", a=[1.0, 2, 3, 4])
    with pytest.raises(UsageError, match="no series is long enough for a season of 2 and a horizon of 3"):
        read_panel(path, season_length=2, horizon=3)


def test_several_cutoffs_lie_a_horizon_apart(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", a=[float(step**2) for step in range(20)])
    panel = read_panel(path, season_length=2, horizon=3, num_origins=3)
    assert [len(past) for past in panel.past] == [17, 14, 11]
    np.testing.assert_array_equal(panel.actual[:, 0], [17**2, 14**2, 11**2])


def test_the_truth_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", a=[1.0, 3, 2, 4])
    actual = _write(tmp_path / "test.parquet", a=[3.0, 5, 4, 6])
    panel = read_panel(path, season_length=2, horizon=3, actual=actual)
    np.testing.assert_array_equal(panel.past[0], [1, 3, 2, 4])
    np.testing.assert_array_equal(panel.actual, [[3, 5, 4]])


def test_a_constant_series_has_no_scale(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.parquet", a=[5.0] * 9, b=[1.0, 3, 2, 4, 3, 5, 4, 6, 5])
    assert np.isnan(read_panel(path, season_length=2, horizon=3).scale).tolist() == [True, False]


@pytest.mark.parametrize("horizon", [3, 30])
def test_forecasts_reach_any_horizon_in_order_of_level(horizon: int) -> None:
    settings = tiny_settings()
    panel = replace(PANEL, actual=np.zeros((2, horizon)))
    forecast = forecast_panel(build_networks(settings), panel, settings)
    assert forecast.shape == (2, horizon, len(LEVELS))
    assert np.isfinite(forecast).all()
    assert (np.diff(forecast, axis=-1) >= 0).all()
    first = forecast_panel(build_networks(settings), PANEL, settings)
    np.testing.assert_array_equal(forecast[:, :3], first)


def test_a_missing_value_of_the_past_is_not_a_forecast_of_nan() -> None:
    settings = tiny_settings()
    past = (np.array([1.0, np.nan, 2.0, 5.0, 3.0, 6.0]), PANEL.past[1])
    assert np.isfinite(forecast_panel(build_networks(settings), replace(PANEL, past=past), settings)).all()
