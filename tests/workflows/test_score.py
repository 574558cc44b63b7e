"""Specification of `score`: issued forecasts against the actuals that have arrived, and what is still to come."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.errors import CoverageError, DataError, DriftError, ModelFileError, StaleError, UsageError
from rnnforecast.store.promotion import promote
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.predict_and_log import predict_and_log
from tests.workflows.ledgers import keep_forecasts, write_walk
from tests.workflows.toy import fit, store_of, write_csv, write_days


def scored(path: Path, model: str | None = None, **words: object) -> ScoreResult:
    return rnnforecast.score(model, store=store_of(path), **words)  # type: ignore[arg-type]


def watch(result: ScoreResult, name: str) -> dict[str, object]:
    return dict(next(watch for watch in result.watches if watch["name"] == name))


def test_steps_are_scored_pending_or_past_without_a_value(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    lines = path.read_text().splitlines()
    lines[31] = lines[31].partition(",")[0] + ","  # the value of row 30 (the header is line 0) is missing
    path.write_text("\n".join(lines) + "\n")
    keep_forecasts(path, values, cutoffs=range(28, 40, 2))
    result = scored(path)
    assert (result.num_issued, result.num_scored, result.num_pending, result.num_missing) == (18, 15, 2, 1)
    assert result.num_scored + result.num_pending + result.num_missing + result.num_unknown == result.num_issued
    assert "not scored: 1 past step without an actual" in result.notes


def test_live_errors_are_scaled_by_the_training_rows(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(10, 30, 3), errors=0.5, naive_error=1.0)
    result = scored(path)
    assert result.metrics["forecast"]["mase"] == pytest.approx(0.25)
    assert result.metrics["seasonal-naive"]["mase"] == pytest.approx(0.5)
    assert result.metrics["forecast"]["mae"] == pytest.approx(0.5)
    assert result.verdict is not None
    assert result.verdict["skill"] == pytest.approx(50)
    assert result.verdict["outcome"] == "win"


def test_coverage_comes_with_its_uncertainty(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 80)
    errors = np.where(np.arange(20) % 4 == 0, 2.5, 0.0)
    keep_forecasts(path, values, cutoffs=range(10, 70, 3), errors=errors, half_width=2.0)
    live = scored(path).metrics["forecast"]
    assert live["coverage"] == {"80": pytest.approx(0.75), "95": 1.0}
    halves = live["coverage_uncertainty"]
    assert isinstance(halves, dict)
    assert 0.1 < halves["80"] < 0.25


def test_scores_by_lead_time_stand_next_to_those_of_the_naive_forecast(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(10, 20))
    rows = scored(path).per_lead
    assert [row["lead"] for row in rows] == [1, 2, 3]
    assert [row["num_scored"] for row in rows] == [10, 10, 10]
    assert rows[0]["mase"] == pytest.approx(0.25)
    assert rows[0]["baseline_mase"] == pytest.approx(0.5)


def test_without_any_actual_nothing_is_scored_and_nothing_fails(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(39, 40))
    result = scored(path)
    assert (result.num_scored, result.num_pending, result.metrics, result.verdict) == (0, 3, {}, None)
    assert "no actual has arrived yet: nothing can be scored" in result.notes
    assert result.alarms == ()


def test_the_newest_cutoffs_alone_are_scored_where_that_was_asked(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    errors = np.r_[np.full(5, 4.0), np.full(5, 0.5)]
    keep_forecasts(path, values, cutoffs=range(10, 20), errors=errors)
    result = scored(path, last=5)
    assert result.metrics["forecast"]["mase"] == pytest.approx(0.25)
    assert len(result.cutoffs) == 5
    with pytest.raises(UsageError, match="`--last 0` leaves nothing to score"):
        scored(path, last=0)


def test_actuals_may_lie_in_a_file_without_the_history(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 60)
    keep_forecasts(path, values, cutoffs=range(30, 40))
    lines = path.read_text().splitlines()
    fresh = tmp_path / "fresh.csv"
    fresh.write_text("\n".join([lines[0], *lines[31:]]) + "\n")
    assert scored(path, data=[fresh]).num_scored == 30


def test_errors_that_grow_are_drift(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 160)
    generator = np.random.default_rng(0)
    errors = np.r_[generator.uniform(0.2, 0.8, size=60), generator.uniform(1.2, 1.8, size=80)]
    keep_forecasts(path, values, cutoffs=range(10, 150), errors=errors, naive_error=3.0, half_width=5.0)
    result = scored(path)
    assert result.alarms == ("loss",)
    assert watch(result, "loss")["state"] == "alarm"
    assert str(watch(result, "loss")["since"])[:10] > "2024-03-10"
    with pytest.raises(DriftError, match="the forecast errors have grown") as caught:
        result.raise_alarm()
    assert caught.value.exit_code == 21


def test_a_naive_forecast_that_is_better_most_of_the_time_is_drift(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 120)
    keep_forecasts(path, values, cutoffs=range(10, 110), errors=0.9, naive_error=0.3)
    assert scored(path).alarms == ("naive",)


def test_intervals_that_miss_too_often_are_broken_coverage(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 120)
    errors = np.where(np.arange(100) % 2 == 0, 0.1, 0.9)
    keep_forecasts(path, values, cutoffs=range(10, 110), errors=errors, naive_error=2.0, half_width=0.3)
    result = scored(path)
    assert result.alarms == ("coverage_80", "coverage_95")
    with pytest.raises(CoverageError, match="the 80 % interval covers too little") as caught:
        result.raise_alarm()
    assert caught.value.exit_code == 23


def test_drift_is_reported_before_coverage_and_decides_the_exit_code(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 120)
    keep_forecasts(path, values, cutoffs=range(10, 110), errors=0.9, naive_error=0.3, half_width=0.1)
    result = scored(path)
    assert result.alarms == ("naive", "coverage_80", "coverage_95")
    with pytest.raises(DriftError):
        result.raise_alarm()


def test_a_sound_model_gives_no_alarm(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 120)
    errors = np.abs(np.random.default_rng(1).normal(size=100)) * 0.5
    keep_forecasts(path, values, cutoffs=range(10, 110), errors=errors, naive_error=1.0, half_width=1.0)
    result = scored(path)
    assert result.alarms == ()
    result.raise_alarm()


def test_forecasts_of_every_version_are_scored_and_those_of_the_newest_tested(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 120)
    keep_forecasts(path, values, cutoffs=range(10, 60), errors=0.9, naive_error=0.3, version=1)
    keep_forecasts(path, values, cutoffs=range(60, 80), errors=0.1, naive_error=0.3, version=2)
    result = scored(path)
    assert (result.versions, result.tested_versions) == ((1, 2), (2,))
    assert watch(result, "naive")["num_units"] == 20
    assert result.alarms == ()
    assert scored(path, "days@1").alarms == ("naive",)
    every = scored(path, all_versions=True)
    assert every.tested_versions == (1, 2)
    assert watch(every, "naive")["num_units"] == 70


def test_the_tests_begin_anew_with_a_new_active_version(tmp_path: Path) -> None:
    path = write_days(tmp_path, 120)
    fit(path)
    fit(path)
    values = np.array([float(line.partition(",")[2]) for line in path.read_text().splitlines()[1:]])
    keep_forecasts(path, values, cutoffs=range(10, 110), errors=9.0, naive_error=0.3)
    promote(Registry(store_of(path)), "days@1")
    assert "naive" in scored(path).alarms
    promote(Registry(store_of(path)), "days@2")
    assert scored(path).alarms == ()
    promote(Registry(store_of(path)), "days@1", stand_in="seasonal-naive")
    assert scored(path).alarms == ()


def test_issued_forecasts_are_scored_with_the_rows_that_came_after(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    assert predict_and_log(ForecastRequest(), store=store_of(path)).ledger is not None
    write_days(tmp_path, 100)
    result = scored(path)
    assert (result.name, result.num_issued, result.num_scored, result.num_pending) == ("days", 7, 7, 0)
    assert result.metrics["forecast"]["mase"] is not None
    assert watch(result, "inputs")["state"] == "ok"


def test_forecasts_outlive_their_model(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    predict_and_log(ForecastRequest(), store=store_of(path))
    shutil.rmtree(store_of(path) / "models")
    write_days(tmp_path, 100)
    result = scored(path)
    assert result.num_scored == 7
    assert watch(result, "inputs")["state"] == "too few"
    assert any("the inputs are not compared" in note for note in result.notes)


def test_inputs_of_another_unit_are_drift(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    predict_and_log(ForecastRequest(), store=store_of(path))
    lines = path.read_text().splitlines()
    rows = [f"{line.partition(',')[0]},{100 * float(line.partition(',')[2])}" for line in lines[1:]]
    path.write_text("\n".join([lines[0], *rows]) + "\n")
    result = scored(path)
    assert result.alarms == ("inputs",)
    assert any("lie far outside" in note for note in result.notes)


def test_a_value_that_stands_still_is_foreign(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    predict_and_log(ForecastRequest(), store=store_of(path))
    lines = path.read_text().splitlines()
    stuck = [f"{line.partition(',')[0]},105.5" for line in lines[31:]]
    path.write_text("\n".join([*lines[:31], *stuck]) + "\n")
    result = scored(path)
    assert result.alarms == ("inputs",)
    assert any("it is constant at 105.5" in note for note in result.notes)


def test_history_that_was_revised_since_is_reported(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values + 1.0, cutoffs=range(10, 12))
    assert any("6 of 6 scored steps were forecast from a last value that has changed" in n for n in scored(path).notes)


def test_series_that_are_not_in_the_data_are_counted(tmp_path: Path) -> None:
    rows = [(day, item, value) for item in "ab" for day, value in zip(*_panel(), strict=True)]
    path = write_csv(
        tmp_path / "panel.csv",
        date=[row[0] for row in rows],
        item=[row[1] for row in rows],
        value=[row[2] for row in rows],
    )
    fit(path)
    predict_and_log(ForecastRequest(), store=store_of(path))
    path.write_text("\n".join(line for line in path.read_text().splitlines() if ",b," not in line) + "\n")
    result = scored(path)
    assert (result.num_unknown, result.num_pending) == (7, 7)
    assert any('not scored: 7 steps of series that are not in the data, such as ["b"]' in note for note in result.notes)


def _panel() -> tuple[list[str], list[str]]:
    lines = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    return lines, [str(100 + number % 7) for number in range(len(lines))]


def test_the_name_with_the_newest_forecasts_is_scored_and_said(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(10, 12), model="old")
    keep_forecasts(path, values, cutoffs=range(10, 12), model="new")
    result = scored(path)
    assert result.name == "new"
    assert "forecasts of `new`, the newest of 2 names" in result.notes


def test_a_store_without_forecasts_says_how_they_come_about(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    with pytest.raises(ModelFileError, match="no logged forecast in") as caught:
        scored(path)
    assert "`rnnforecast predict` logs its forecasts" in str(caught.value.hint)
    keep_forecasts(path, values, cutoffs=range(10, 12))
    with pytest.raises(ModelFileError, match=r"no logged forecast of `dys` in .*there are forecasts of: `days`"):
        scored(path, "dys")


def test_data_of_another_frequency_are_rejected(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(10, 12))
    hours = write_csv(tmp_path / "hours.csv", date=[f"2024-01-01 {hour:02}:00:00" for hour in range(9)], value=range(9))
    with pytest.raises(DataError):
        scored(path, data=[hours])


def test_stale_actuals_are_rejected_before_anything_is_scored(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    keep_forecasts(path, values, cutoffs=range(10, 12))
    with pytest.raises(StaleError, match="the newest value is from 2024-02-09"):
        scored(path, max_age="2d")


def test_a_ledger_of_standard_input_needs_a_file_to_be_named(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    ledger = keep_forecasts(path, values, cutoffs=range(10, 11))
    issued = ledger.read()
    assert issued is not None
    ledger.append(replace(issued, forecast=issued.forecast + 1, facts={**issued.facts, "paths": ["-"]}))
    with pytest.raises(UsageError, match="come from standard input"):
        scored(path)
    assert scored(path, data=[path]).num_scored == 3


def test_a_ledger_of_base_is_tied_to_no_file_and_says_so(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    ledger = keep_forecasts(path, values, cutoffs=range(10, 11))
    issued = ledger.read()
    assert issued is not None
    ledger.append(replace(issued, forecast=issued.forecast + 1, facts={**issued.facts, "paths": []}))
    with pytest.raises(UsageError, match="are tied to no file"):
        scored(path)
