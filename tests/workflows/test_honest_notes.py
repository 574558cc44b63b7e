"""What a run says about itself: notes and refusals that must not mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rnnforecast
from rnnforecast.errors import DataError
from tests.workflows.toy import days, fit, forecast, store_of, wave, write_csv, write_days

if TYPE_CHECKING:
    from pathlib import Path


def test_held_out_origins_of_a_model_without_refit_are_not_said_to_flatter(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path, refit=False, num_windows=2)
    result = rnnforecast.evaluate(num_windows=2, store=store_of(path))
    assert not [note for note in result.notes if "flatter" in note]


def test_earlier_origins_of_a_model_without_refit_are_said_to_flatter(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path, refit=False, num_windows=2)
    result = rnnforecast.evaluate(num_windows=5, store=store_of(path))
    assert [note for note in result.notes if note.startswith("3 of 5 origins")]


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
