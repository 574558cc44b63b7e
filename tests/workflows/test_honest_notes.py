"""What a run says about itself: notes and rejections that must not mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rnnforecast
from rnnforecast.errors import DataError, InputError, ModelFileError, UsageError
from tests.workflows.toy import days, fit, forecast, store_of, wave, write_csv, write_days

if TYPE_CHECKING:
    from pathlib import Path


def test_held_out_cutoffs_of_a_model_without_refit_are_not_reported_to_flatter(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path, refit=False, num_windows=2)
    result = rnnforecast.evaluate(num_windows=2, store=store_of(path))
    assert not [note for note in result.notes if "flatter" in note]


def test_cutoffs_of_a_model_that_fitted_no_network_are_reported_to_have_set_shares_and_intervals(
    tmp_path: Path,
) -> None:
    path = write_days(tmp_path)
    settings = rnnforecast.Settings.from_flat({"horizon": 7, "effort": "quick"})
    rnnforecast.train([path], settings, store=store_of(path))
    notes = rnnforecast.evaluate(num_windows=2, store=store_of(path)).notes
    assert [note for note in notes if note.startswith("2 of 2 windows")] == [
        "2 of 2 windows are within the rows of the training, which fitted no network: "
        "only weights and intervals were chosen on them"
    ]


def test_earlier_cutoffs_of_a_model_without_refit_are_reported_to_flatter(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path, refit=False, num_windows=2)
    result = rnnforecast.evaluate(num_windows=5, store=store_of(path))
    assert [note for note in result.notes if note.startswith("3 of 5 windows")]


def test_weeks_given_to_a_model_of_days_are_named_as_weeks(tmp_path: Path) -> None:
    fit(write_days(tmp_path))
    weekly = write_csv(tmp_path / "weekly.csv", date=days(60, step=7), value=wave(60))
    with pytest.raises(DataError, match="the rows are W-MON, not D"):
        forecast(tmp_path / "days.csv", model="days", data=[weekly])


def test_values_that_have_no_logarithm_are_counted_in_a_note(tmp_path: Path) -> None:
    values = [*wave(85), 3.0, 2.0, 0.0, -1.0, 2.0]
    result = fit(write_csv(tmp_path / "falling.csv", date=days(90), value=values))
    assert [note for note in result.notes if note.startswith("2 values at or below zero count as missing")]


def test_a_file_name_no_model_may_have_still_names_its_model(tmp_path: Path) -> None:
    assert fit(write_days(tmp_path, name="sales@home.csv")).model == "sales-home@1"


def test_a_window_longer_than_the_rows_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`context_length` 5000 is longer than the longest series to train on"):
        fit(write_days(tmp_path), context_length=5_000)


def test_a_season_longer_than_the_rows_is_named_in_the_hint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lower `--season-length` \\(500\\)"):
        fit(write_days(tmp_path), season_length=500)


def test_a_larger_error_that_cannot_be_tested_serves_the_baseline_where_a_loss_must_not_be_served(
    tmp_path: Path,
) -> None:
    path = write_days(tmp_path)
    result = fit(path, learning_rate=1.0, num_steps=1, num_windows=2, on_loss="serve-baseline")
    assert result.verdict is not None
    assert result.verdict["test"] == "none"
    assert result.served == result.verdict["against"]


def test_rows_needed_ahead_are_named_when_the_file_has_none(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "ahead.csv", date=days(90), value=wave(90), plan=wave(90, seed=2))
    notes = fit(path, target="value", future="plan").notes
    assert [note for note in notes if "rows after the last target with `plan`" in note and "the file has 0" in note]


def test_a_window_of_gaps_is_reported_as_little_to_go_by(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path)
    write_csv(path, date=[*days(90), "2025-03-01"], value=[*wave(90), 100.0])
    assert [note for note in forecast(path).notes if "do not trust their intervals" in note]


def test_a_training_file_that_is_gone_is_rejected_with_the_flag_that_names_another(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path)
    path.unlink()
    with pytest.raises(InputError, match="--data FILE"):
        forecast(path)


def test_a_store_that_is_a_file_is_named_as_one(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("no folder", encoding="utf-8")
    with pytest.raises(ModelFileError, match="is a file, not a folder"):
        rnnforecast.predict(store=store)


def test_a_name_that_would_be_read_as_a_flag_is_rejected(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    with pytest.raises(UsageError, match="it marks a flag"):
        rnnforecast.train([path], name="-x", store=store_of(path))
