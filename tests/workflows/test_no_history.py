"""Forecasts of series that have no history: one-to-many networks start from static values alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"target": "sales", "horizon": 4, "num_steps": 60, "num_members": 1, "hidden_size": 16}


@pytest.fixture(scope="module")
def launches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write launches whose sales start at 100 times their price and halve in eight months, and two new ones."""
    folder = tmp_path_factory.mktemp("launches")
    months = pd.date_range("2024-01-01", periods=18, freq="MS")
    prices = np.linspace(1, 5, 12)
    frames = [
        pd.DataFrame({"item": f"p{n}", "month": months, "price": price, "sales": 100 * price * 0.917 ** np.arange(18)})
        for n, price in enumerate(prices)
    ]
    pd.concat(frames).to_csv(folder / "launches.csv", index=False)
    new = pd.DataFrame({"item": ["low", "high"], "month": "2025-12-01", "price": [1.5, 4.5], "sales": [None, None]})
    new.to_csv(folder / "new.csv", index=False)
    return folder


def train(folder: Path, **settings: object) -> str:
    chosen = rnnforecast.Settings.from_flat({**SETTINGS, **settings})
    return rnnforecast.train([folder / "launches.csv"], chosen, store=folder / "store").model


def test_a_series_without_history_is_forecast_from_its_static_values(launches: Path) -> None:
    model = train(launches, mapping="one-to-many", static="price")
    result = rnnforecast.predict(model, data=[launches / "new.csv"], store=launches / "store")
    forecast = result.frame.pivot_table(index="item", values="forecast", aggfunc="first").forecast
    assert len(result.frame) == 8
    assert forecast["high"] > 1.5 * forecast["low"]


def test_the_forecast_of_a_series_without_history_starts_after_its_row(launches: Path) -> None:
    model = train(launches, mapping="one-to-many", static="price")
    frame = rnnforecast.predict(model, data=[launches / "new.csv"], store=launches / "store").frame
    assert frame.month.min() == pd.Timestamp("2026-01-01")


def test_series_without_history_are_kept_with_a_note_when_asked_for(launches: Path) -> None:
    settings = rnnforecast.Settings.from_flat({"target": "sales", "id": "item", "freq": "MS"}).data
    read = rnnforecast.read_series([launches / "new.csv"], settings, keep_unobserved=True)
    assert read.series.num_series == 2
    assert "N_TARGET_NO_HISTORY" in {finding.code for finding in read.findings}


def test_networks_that_read_a_window_reject_rows_without_history(launches: Path) -> None:
    model = train(launches)
    with pytest.raises(DataError, match="every target value is missing"):
        rnnforecast.predict(model, data=[launches / "new.csv"], store=launches / "store")
