"""Covariates that tell nothing, or too much: no exception, hardly any harm, and each is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.results import EvaluateResult

NUM_ROWS, HORIZON = 120, 7
GENERATOR = np.random.default_rng(5)
STEP = np.arange(NUM_ROWS + HORIZON)
NOISE = GENERATOR.normal(size=NUM_ROWS + HORIZON)
SALES = 100 + 10 * np.sin(2 * np.pi * STEP / 7) + 3 * GENERATOR.normal(size=NUM_ROWS + HORIZON)
BAD = {
    "collinear": {"a": NOISE, "b": 2 * NOISE + 1, "c": -NOISE},
    "constant": {"a": np.full(len(STEP), 7.0)},
    "huge": {"a": NOISE * 1e300, "b": NOISE * 1e25},
    "missing": {"a": np.full(len(STEP), np.nan)},
    "nearly missing": {"a": np.where(STEP % 40 == 3, NOISE, np.where(STEP < NUM_ROWS, np.nan, 0.0))},
}
CODES = {
    "constant": "N_COVARIATE_CONSTANT",
    "huge": "W_COVARIATE_HUGE",
    "missing": "W_COVARIATE_EMPTY",
    "nearly missing": "W_COVARIATE_FILLED",
}


def write(folder: Path, columns: dict[str, np.ndarray], *, first: int = 0) -> Path:
    sales = pd.Series(np.round(SALES[first:], 2), dtype=object)
    sales[NUM_ROWS - first :] = ""
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=len(STEP) - first), "sales": sales})
    path = folder / "rows.csv"
    added = pd.DataFrame({name: values[first:] for name, values in columns.items()}, index=frame.index)
    pd.concat([frame, added], axis=1).to_csv(path, index=False)
    return path


def reading(columns: dict[str, np.ndarray]) -> DataSettings:
    return DataSettings(target=("sales",), future=tuple(columns), horizon=HORIZON)


def predict(path: Path, columns: dict[str, np.ndarray]) -> PredictResult:
    return rnnforecast.predict("base", data=[path], reading=reading(columns))


def scored(path: Path, columns: dict[str, np.ndarray]) -> float:
    files = rnnforecast.Files((path,), (), reading(columns))
    result: EvaluateResult = rnnforecast.evaluate("base", files, num_windows=4)
    return float(str(result.metrics["ensemble"]["mae"]))


@pytest.mark.parametrize("kind", list(BAD))
def test_covariates_that_tell_nothing_do_hardly_any_harm_and_are_named(tmp_path: Path, kind: str) -> None:
    columns = BAD[kind]
    path = write(tmp_path, columns)

    result = predict(path, columns)

    assert np.isfinite(result.frame["forecast"]).all()
    assert scored(path, columns) <= 1.05 * scored(path, {})
    if kind in CODES:
        assert any(one.code == CODES[kind] and "`a`" in one.message for one in result.findings)


def test_five_hundred_covariates_on_sixty_rows_are_screened_and_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(8).normal(size=(len(STEP), 500))
    columns = {f"x{number}": noise[:, number] for number in range(500)}
    path = write(tmp_path, columns, first=NUM_ROWS - 60)

    result = predict(path, columns)

    (note,) = [note for note in result.notes if "regressions do not read" in note]
    assert note.startswith(
        "regressions do not read 497 of 500 covariates (they explain no more than chance, or are too many for 60 rows): `x1`"
    )
    assert scored(path, columns) <= 1.05 * scored(path, {})


def test_a_covariate_helps_without_a_season_too(tmp_path: Path) -> None:
    known = np.round(NOISE, 3)
    sales = pd.Series(np.round(50 + 8 * NOISE + 0.5 * GENERATOR.normal(size=len(STEP)), 2), dtype=object)
    sales[NUM_ROWS:] = ""
    path = tmp_path / "steps.csv"
    pd.DataFrame({"sales": sales, "known": known}).to_csv(path, index=False)

    settings = DataSettings(target=("sales",), future=("known",), time="none", season_length=1, horizon=HORIZON)
    result = rnnforecast.predict("base", data=[path], reading=settings)

    np.testing.assert_allclose(result.frame["forecast"], 50 + 8 * known[NUM_ROWS:], atol=4)
    assert result.gains[0].error_change < -50
