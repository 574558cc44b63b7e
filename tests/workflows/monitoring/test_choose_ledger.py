"""Specification of the choice of a ledger: forecasts of `base` are found again by the file they were made for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import ModelFileError
from rnnforecast.store.ledger import Ledger, ledger_names
from rnnforecast.workflows.monitoring.choose_ledger import is_of_base
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.predict_and_log import predict_and_log
from tests.workflows.ledgers import keep_forecasts, write_walk
from tests.workflows.toy import days, fit, store_of, wave, write_csv, write_days


def forecast_base(path: Path, store: Path, **reading: object) -> None:
    """Log a forecast of `base` for a file, and let the actuals of a week arrive."""
    request = ForecastRequest(horizon=7, reading=DataSettings(**reading))
    predict_and_log(request, "base", data=[path], store=store, ledger=True)


def write_column(path: Path, column: str, num_rows: int) -> Path:
    return write_csv(path, date=days(num_rows), **{column: wave(num_rows)})


def test_each_file_that_base_forecast_is_scored_by_its_own_forecasts(tmp_path: Path) -> None:
    store, files = tmp_path / "store", {name: tmp_path / f"{name}.csv" for name in ("price", "load")}
    for column, path in files.items():
        forecast_base(write_column(path, column, 60), store)
    for column, path in files.items():
        write_column(path, column, 67)
        for model in ("base", None):
            result = rnnforecast.score(model, data=[path], store=store)
            assert (result.num_scored, result.num_pending) == (7, 0)
            assert result.name.startswith(f"base@{column}-")
            assert not any("not compared" in note for note in result.notes)
    assert rnnforecast.score("base", store=store).name.startswith("base@load-")  # the newest, read again


def test_each_target_of_a_file_has_its_own_ledger(tmp_path: Path) -> None:
    path, store = write_csv(tmp_path / "two.csv", date=days(60), price=wave(60), load=wave(60, seed=5)), tmp_path / "s"
    for target in ("price", "load"):
        forecast_base(path, store, target=(target,))
    assert len(ledger_names(store)) == 2
    write_csv(path, date=days(67), price=wave(67), load=wave(67, seed=5))
    assert {rnnforecast.score(name, store=store).num_scored for name in ledger_names(store)} == {7}


def test_a_copy_elsewhere_is_scored_where_there_is_one_ledger_and_asked_about_where_there_are_more(
    tmp_path: Path,
) -> None:
    store, path = tmp_path / "store", write_days(tmp_path, 60)
    forecast_base(path, store)
    copy = write_csv(tmp_path / "actuals.csv", date=days(67), value=wave(67))
    assert rnnforecast.score("base", data=[copy], store=store).num_scored == 7
    forecast_base(write_column(tmp_path / "load.csv", "load", 60), store)
    with pytest.raises(
        ModelFileError, match=r"no logged forecast of `base` for .*actuals\.csv; there are forecasts for"
    ):
        rnnforecast.score("base", data=[copy], store=store)
    named = next(name for name in ledger_names(store) if name.startswith("base@days-"))
    assert rnnforecast.score(named, data=[copy], store=store).num_scored == 7


def test_the_ledger_of_all_files_of_an_older_version_is_still_read(tmp_path: Path) -> None:
    path, values = write_walk(tmp_path, 40)
    store = tmp_path / ".rnnforecast"
    keep_forecasts(path, values, cutoffs=range(10, 14), version=0, model="base", store=store)
    assert rnnforecast.score("base", data=[path], store=store).num_scored == 12


def test_how_base_read_a_file_is_how_it_is_scored(tmp_path: Path) -> None:
    path, store = tmp_path / "days.csv", tmp_path / "store"
    dated = [f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in days(60)]
    write_csv(path, date=dated, value=wave(60), other=wave(60, seed=9))
    forecast_base(path, store, target=("value",), date_format="%d.%m.%Y", missing_values=("-9",))
    assert Ledger(store, ledger_names(store)[0]).facts()["settings"] == {
        "target": ["value"],
        "date_format": "%d.%m.%Y",
        "missing_values": ["-9"],
    }
    assert rnnforecast.score("base", store=store).num_pending == 7


def test_a_model_trained_on_a_file_of_the_same_name_shares_no_ledger_with_base(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    store = store_of(path)
    fit(path)
    predict_and_log(ForecastRequest(), store=store, ledger=True)
    forecast_base(path, store)
    assert [is_of_base(name) for name in ledger_names(store)] == [True, False]
    assert rnnforecast.score("days", store=store).versions == (1,)


def test_a_damaged_ledger_of_base_is_named_only_where_it_is_scored(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for column in ("price", "load"):
        forecast_base(write_column(tmp_path / f"{column}.csv", column, 60), store)
    part = next(each for each in Ledger(store, ledger_names(store)[0]).parts())  # of `load`
    shutil.copy(tmp_path / "load.csv", part)
    assert rnnforecast.score("base", data=[tmp_path / "price.csv"], store=store).num_pending == 7
    with pytest.raises(ModelFileError, match="damaged"):
        rnnforecast.score(ledger_names(store)[0], data=[tmp_path / "load.csv"], store=store)
