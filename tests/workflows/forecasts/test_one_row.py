from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.workflows.forecasts.panel import ALONE, spread_out, spreads_of_one_row
from rnnforecast.workflows.predict import ForecastRequest, forecast_request


def _file(folder: Path, rows: str) -> Path:
    path = folder / "tiny.csv"
    path.write_text(f"item,date,demand\n{rows}", encoding="utf-8")
    return path


def test_the_spread_of_one_row_is_that_of_the_other_series_relative_to_their_size(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,2024-01-01,30\nb,2024-01-01,10\nb,2024-01-02,12\nb,2024-01-03,8\n")
    found = spreads_of_one_row(read_series(path).series)
    assert found is not None
    np.testing.assert_allclose(found, [30 * 2 / 10, 0])


def test_one_row_alone_has_half_its_size_as_spread(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("date,demand\n2024-01-01,40\n", encoding="utf-8")
    found = spreads_of_one_row(read_series(path, DataSettings(freq="D")).series)
    assert found is not None
    np.testing.assert_allclose(found, [40 * ALONE])


def test_series_of_several_rows_keep_their_quantiles() -> None:
    forecast = np.arange(12.0).reshape(2, 2, 3)
    spread = spread_out(forecast, np.array([0.0, 1.0]), (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(spread[0], forecast[0])
    np.testing.assert_allclose(spread[1, :, 1], forecast[1, :, 1])
    np.testing.assert_allclose(spread[1, :, 2] - spread[1, :, 1], 1.2815515655)


@pytest.mark.parametrize("rows", ["a,2024-01-01,30.5\nb,2024-01-01,12\nb,2024-01-02,15\nb,2024-01-03,11\n"])
def test_the_interval_of_a_series_of_one_row_has_a_width(tmp_path: Path, rows: str) -> None:
    request = ForecastRequest(horizon=2, reading=DataSettings())
    frame = forecast_request(request, "base", data=[_file(tmp_path, rows)], store=tmp_path / "store").frame
    assert (frame["q0.975"] - frame["q0.025"]).min() > 5
