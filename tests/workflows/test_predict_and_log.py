"""Specification of issuing: what the ledger keeps of a forecast, and that a forecast never fails because of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.data.read import read_series
from rnnforecast.errors import OutputError
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.store.ledger import Issued, Ledger
from rnnforecast.store.manifest import InputRecord, Manifest, Roles
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.monitoring.choose_ledger import ledger_name
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.predict_and_log import baseline_name, predict_and_log
from tests.workflows.toy import days, fit, store_of, wave, write_csv, write_days


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = write_days(tmp_path, 90)
    fit(file)
    return file


def issued(path: Path, **words: object) -> PredictResult:
    return predict_and_log(ForecastRequest(**words), store=store_of(path))  # type: ignore[arg-type]


def kept(path: Path, name: str = "days") -> Issued:
    found = Ledger(store_of(path), name).read()
    assert found is not None
    return found


def test_the_ledger_keeps_what_was_shown(path: Path) -> None:
    result = issued(path, quantiles=(0.1, 0.9))
    rows = kept(path)
    np.testing.assert_array_equal(rows.forecast, result.frame["forecast"])
    np.testing.assert_array_equal(rows.quantiles[:, 1], result.frame["q0.1"])
    np.testing.assert_array_equal(rows.quantiles[:, 2], result.frame["q0.9"])
    assert (rows.quantiles[:, 0] <= rows.quantiles[:, 1]).all()
    assert rows.lead.tolist() == list(range(1, 8))
    np.testing.assert_array_equal(rows.timestamp, result.frame["date"].to_numpy().astype("datetime64[us]"))
    assert result.ledger == str(Ledger(store_of(path), "days").parts()[0])


def test_the_naive_forecast_and_the_scale_are_kept_next_to_it(path: Path) -> None:
    issued(path)
    rows, series = kept(path), read_series([path]).series
    np.testing.assert_allclose(rows.baseline, series.values[-7:])
    assert set(rows.scale.tolist()) == {float(seasonal_scales(series).mase[0])}
    assert set(rows.last_value.tolist()) == {float(series.values[-1])}


def test_the_scale_stays_that_of_the_training_rows(path: Path) -> None:
    issued(path)
    before = kept(path).scale[0]
    write_csv(path, date=days(120), value=[*wave(90), *(1000.0 * value for value in wave(30))])
    issued(path)
    assert set(kept(path).scale.tolist()) == {before}


def test_the_intervals_are_kept_whatever_was_asked_for(path: Path) -> None:
    assert list(issued(path, quantiles=(0.5,)).frame.columns)[2:] == ["forecast", "mean", "q0.5", "method"]
    assert kept(path).quantiles.shape == (7, 4)


def test_forecasting_the_same_rows_again_keeps_them_once(path: Path) -> None:
    issued(path)
    before = [part.read_bytes() for part in Ledger(store_of(path), "days").parts()]
    issued(path)
    assert [part.read_bytes() for part in Ledger(store_of(path), "days").parts()] == before


def test_nothing_is_kept_where_that_was_asked(path: Path) -> None:
    result = predict_and_log(ForecastRequest(), store=store_of(path), ledger=False)
    assert result.ledger is None
    assert not (store_of(path) / "ledger").exists()


def test_python_forecasts_are_not_issued(path: Path) -> None:
    assert rnnforecast.predict(store=store_of(path)).ledger is None
    assert not (store_of(path) / "ledger").exists()


def test_a_ledger_that_cannot_be_written_is_reported_and_the_forecast_stands(path: Path) -> None:
    (store_of(path) / "ledger").write_text("a file where a folder should be")
    result = issued(path, output=path.parent / "out.csv")
    assert result.ledger is None
    assert result.findings[-1].code == "W_LEDGER"
    assert "the forecasts were not logged in the ledger" in result.findings[-1].message
    assert "`--no-ledger` logs nothing" in str(result.findings[-1].fix)
    assert (path.parent / "out.csv").exists()


def test_a_ledger_that_is_required_and_cannot_be_written_is_an_error(path: Path) -> None:
    (store_of(path) / "ledger").write_text("a file where a folder should be")
    with pytest.raises(OutputError):
        predict_and_log(ForecastRequest(), store=store_of(path), ledger=True)


def test_every_series_of_a_panel_is_kept_under_its_id(tmp_path: Path) -> None:
    names = ["a/b", 'c"d']
    file = write_csv(
        tmp_path / "panel.csv",
        date=days(90) * 2,
        item=[f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names for _ in range(90)],
        value=[*wave(90), *wave(90, seed=2)],
    )
    fit(file)
    issued(file)
    rows = kept(file, "panel")
    assert [json.loads(text) for text in rows.ids] == [["a/b"], ['c"d']]
    assert np.bincount(rows.item).tolist() == [7, 7]


def test_without_a_season_the_naive_forecast_is_the_last_value() -> None:
    assert (baseline_name(1), baseline_name(7)) == ("naive", "seasonal-naive")


def test_forecasts_of_base_are_kept_by_file_query_and_roles() -> None:
    base = Manifest(name="base", horizon=3, quantile_levels=(0.5,), input=InputRecord(paths=("/data/sales.csv.gz",)))
    other_file = base.model_copy(update={"input": InputRecord(paths=("/new/sales.csv.gz",))})
    other_target = base.model_copy(update={"roles": Roles(target=("load",))})
    names = [ledger_name(base), ledger_name(base, query="select 1"), *map(ledger_name, (other_file, other_target))]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"base@sales-[0-9a-f]{8}", name) for name in names)
    assert ledger_name(base.model_copy(update={"version": 2})) == "base"
