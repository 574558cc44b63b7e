from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnforecast import forecasting
from rnnforecast.data.windows import Windows
from rnnforecast.errors import DivergedError
from rnnforecast.inference import threads
from rnnforecast.workflows.forecasts import panel as module
from rnnforecast.workflows.forecasts.panel import Forecast, forecast_series
from rnnforecast.workflows.model_rows import LoadedModel, load
from tests.workflows.toy import days, wave, write_csv

LEVELS = (0.1, 0.9)


class Watched:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def start(self, stage: str, total: int) -> None:
        self.told.append((stage, total))

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:  # noqa: ARG002
        self.told.append(("done", step))

    def finish(self) -> None:
        self.told.append(("finish", 0))


@pytest.fixture
def panel(tmp_path: Path) -> LoadedModel:
    """Return nine series of different length, with the shipped network to forecast them."""
    rows = [
        (f"s{n}", day, value)
        for n in range(9)
        for day, value in zip(days(60 - 3 * n), wave(60 - 3 * n, seed=n), strict=True)
    ]
    ids, timestamps, values = zip(*rows, strict=True)
    path = write_csv(tmp_path / "panel.csv", id=ids, date=timestamps, y=values)
    return load("base", data=[path], store=tmp_path)


def _forecast(panel: LoadedModel, watched: Watched | None = None) -> Forecast:
    return forecast_series(panel, panel.series, horizon=5, quantile_levels=(*LEVELS, 0.1), progress=watched)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_neither_batches_nor_cores_change_a_forecast(
    panel: LoadedModel, monkeypatch: pytest.MonkeyPatch, num_workers: int
) -> None:
    whole = _forecast(panel)
    monkeypatch.setattr(module, "SERIES_A_BATCH", 2)
    monkeypatch.setattr(threads, "num_cores", lambda: num_workers)
    parts = _forecast(panel)
    np.testing.assert_allclose(parts.median, whole.median, rtol=1e-5)
    np.testing.assert_allclose(parts.quantiles, whole.quantiles, rtol=1e-5)


def test_progress_counts_series_from_batch_to_batch(panel: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SERIES_A_BATCH", 4)
    watched = Watched()
    _forecast(panel, watched)
    assert watched.told == [("forecast", 9), ("done", 4), ("done", 8), ("done", 9), ("finish", 0)]


def test_levels_that_are_asked_for_twice_are_kept_once(panel: LoadedModel) -> None:
    forecast = _forecast(panel)
    assert forecast.quantile_levels == LEVELS
    np.testing.assert_array_equal(forecast.at((0.9, 0.1)).quantiles, forecast.quantiles[..., ::-1])


def test_a_forecast_that_is_not_finite_names_its_series(panel: LoadedModel) -> None:
    odd = np.full((2, 5, 3), np.nan)
    with pytest.raises(DivergedError, match="the forecast of `s7` is not finite"):
        module._check_finite(panel.series, np.array([7, 8]), odd)


def test_a_zero_shot_forecast_that_is_not_finite_names_the_series(
    panel: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_all(_member: object, _tensors: object, _flat: object, windows: Windows, **_more: object) -> np.ndarray:
        return np.full((len(windows), 5, 13), np.nan)

    monkeypatch.setattr(forecasting, "FEW_WINDOWS", 0)  # each network by itself
    monkeypatch.setattr(forecasting, "forecast_blocks", lose_all)
    with pytest.raises(DivergedError, match=r"the forecast of `s\d` is not finite"):
        forecast_series(panel, panel.series, horizon=5, quantile_levels=LEVELS)


def test_a_network_without_a_finite_forecast_names_the_series_by_its_id(
    panel: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_two(_member: object, _tensors: object, _flat: object, windows: Windows, **_more: object) -> np.ndarray:
        values = np.zeros((len(windows), 5, 9))
        values[np.isin(windows.series, [3, 6])] = np.nan
        return values

    monkeypatch.setattr(forecasting, "forecast_blocks", lose_two)
    with pytest.raises(DivergedError, match=r"no finite forecast for `s6` \(2 of 9 windows\)"):
        _forecast(replace(panel, zero_shot=None))
