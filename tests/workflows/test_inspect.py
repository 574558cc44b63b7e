from __future__ import annotations

from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.config import Settings
from tests.workflows.toy import days, fit, wave, write_csv, write_days


def test_what_is_inspected_is_what_training_assumes(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    settings = Settings.from_flat({"horizon": 7})
    assert rnnforecast.inspect([path], settings).assumptions == fit(path).assumptions


def test_the_ends_and_the_roles_of_the_columns_are_shown(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", date=days(60), value=wave(60), note=["x", "y"] * 30)
    document = rnnforecast.inspect([path], Settings.from_flat({"target": "value"})).to_dict()
    assert (document["first"], document["last"]) == ("2024-01-01", "2024-02-29")
    assert isinstance(document["columns"], dict)
    assert document["columns"]["date"] == "time"
    assert document["columns"]["value"] == "target"


def test_rows_too_few_to_train_on_can_still_be_looked_at(tmp_path: Path) -> None:
    assert rnnforecast.inspect([write_days(tmp_path, 5)]).assumptions["num_rows"] == 5


def test_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rnnforecast.inspect([write_days(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["days.csv"]
