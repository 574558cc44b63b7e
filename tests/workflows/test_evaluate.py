from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, UsageError
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.training import refit as refitting
from rnnforecast.training.refit import refitting_forecaster
from rnnforecast.workflows.results import EvaluateResult
from tests.workflows.toy import days, fit, store_of, wave, write_csv, write_days


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    path = write_days(tmp_path)
    fit(path)
    return path


def _evaluate(path: Path, **arguments: object) -> EvaluateResult:
    return rnnforecast.evaluate(store=store_of(path), **arguments)  # type: ignore[arg-type]


def _timestamps(result: EvaluateResult) -> list[str]:
    return [str(cutoff)[:10] for cutoff in result.cutoffs]


def test_cutoffs_lie_a_horizon_apart_and_the_newest_ends_with_the_last_row(trained: Path) -> None:
    assert _timestamps(_evaluate(trained, num_windows=3)) == ["2024-03-09", "2024-03-16", "2024-03-23"]


def test_a_step_and_a_gap_move_the_cutoffs(trained: Path) -> None:
    assert _timestamps(_evaluate(trained, num_windows=2, window_step=2, gap=3)) == ["2024-03-18", "2024-03-20"]


def test_a_gap_moves_the_scored_steps(trained: Path) -> None:
    result = _evaluate(trained, num_windows=1, gap=3)
    assert {row["lead"] for row in result.per_lead} == set(range(4, 11))


def test_the_network_is_scored_next_to_every_baseline(trained: Path) -> None:
    methods = {"ensemble", *BASELINES, "theta"}
    assert set(_evaluate(trained).metrics) == methods


def test_theta_is_scored_too_and_left_out_of_the_verdict(trained: Path) -> None:
    result = _evaluate(trained)
    assert result.verdict is not None
    assert "theta" in result.metrics
    assert "theta" not in {comparison["against"] for comparison in result.verdict["comparisons"]}  # type: ignore[attr-defined]


def test_step_and_number_of_windows_are_those_of_the_training(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    trained = fit(path, num_windows=3, window_step=2)
    found = _evaluate(path)
    assert (found.num_windows, found.window_step) == (3, 2)
    assert {name: scores["mase"] for name, scores in found.metrics.items() if name == "naive"} == {
        "naive": trained.metrics["naive"]["mase"]
    }
    other = _evaluate(path, num_windows=2, window_step=7)
    assert (other.num_windows, other.window_step) == (2, 7)


def test_windows_that_the_intervals_were_calibrated_on_are_counted(trained: Path) -> None:
    assert _evaluate(trained, num_windows=2).num_calibrated == 2
    assert _evaluate(trained, num_windows=1, refit=True).num_calibrated == 0
    write_days(trained.parent, 97)
    assert _evaluate(trained, num_windows=1).num_calibrated == 0


def test_too_few_windows_say_how_many_rows_are_missing(trained: Path) -> None:
    verdict = _evaluate(trained, num_windows=2).verdict
    assert verdict is not None
    assert (verdict["test"], verdict["skill"]) == ("none", None)
    assert str(verdict["reason"]).endswith("(`--num-windows 5`)")


def test_cutoffs_within_the_fitted_rows_are_reported_to_flatter(trained: Path) -> None:
    notes = _evaluate(trained, num_windows=2).notes
    assert any("2 of 2 windows are within the rows the model was fitted on" in note for note in notes)


def test_cutoffs_after_the_fitted_rows_are_not(trained: Path) -> None:
    write_days(trained.parent, 97)
    notes = _evaluate(trained, num_windows=1).notes
    assert not any("fitted on" in note for note in notes)


def test_a_refit_trains_once_for_each_cutoff_on_the_rows_before_it_alone(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    fit_before = refitting.fit_before

    def watched(past: object, *arguments: object, **keywords: object) -> object:
        lengths.append(int(past.lengths[0]))  # type: ignore[attr-defined]
        return fit_before(past, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(refitting, "fit_before", watched)
    result = _evaluate(trained, num_windows=3, refit=True)
    assert lengths == [83, 76, 69]
    assert result.refit
    assert not any("fitted on" in note for note in result.notes)


def test_a_refit_is_the_same_whatever_the_rows_after_the_cutoff_say(tmp_path: Path) -> None:
    from rnnforecast.config import DataSettings, Settings
    from rnnforecast.data.read import read_series
    from rnnforecast.data.windows import Windows
    from rnnforecast.progress import NoProgress
    from tests.workflows.toy import TINY

    values = wave(90)
    forecasts = []
    for name, end in (("a.csv", values[83:]), ("b.csv", [1e6] * 7)):
        path = write_csv(tmp_path / name, date=days(90), value=values[:83] + end)
        series = read_series([path], DataSettings(season_length=7)).series
        forecaster = refitting_forecaster(series, Settings.from_flat(TINY), horizon=7, progress=NoProgress())
        forecasts.append(forecaster(Windows(series=np.array([0]), cutoffs=np.array([83])), 7))
    np.testing.assert_array_equal(forecasts[0], forecasts[1])


def test_series_of_a_panel_are_scored_by_name(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "panel.csv", shop=["b"] * 60 + ["a"] * 60, date=days(60) * 2, value=wave(60) + wave(60, seed=3)
    )
    fit(path)
    rows = [row for row in _evaluate(path).per_series if row["method"] == "ensemble"]
    assert [row["item_id"] for row in rows] == ["a", "b"]


def test_rows_too_short_for_one_cutoff_are_rejected_with_the_numbers(trained: Path) -> None:
    with pytest.raises(DataError, match="the longest has 90 rows, needs 115"):
        _evaluate(trained, gap=100)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"num_windows": 0}, "`num_windows` = 0"), ({"gap": -1}, "`gap` = -1"), ({"window_step": 0}, "`window_step` = 0")],
)
def test_counts_out_of_bounds_are_rejected(trained: Path, arguments: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        _evaluate(trained, **arguments)
    assert words in caught.value.message


def test_a_horizon_that_was_asked_for_takes_the_place_of_that_of_the_training(trained: Path) -> None:
    found = _evaluate(trained, data=rnnforecast.Files(reading=DataSettings(horizon=9)), num_windows=2)
    assert {row["lead"] for row in found.per_lead} == set(range(1, 10))
    assert _timestamps(found) == ["2024-03-12", "2024-03-21"]
    assert any(note.startswith("trained for 7 steps, forecast for 9") for note in found.notes)
