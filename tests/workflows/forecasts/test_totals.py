from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError, UsageError
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.predict import ForecastRequest, forecast_request

HORIZON, LEVELS = 5, (0.1, 0.5, 0.9)


def _panel(folder: Path, *, correlation: float, num_rows: int = 80, cut: int = 0) -> Path:
    """Write four shops in two regions whose values move together, or not; the last one may end earlier."""
    random = np.random.default_rng(3)
    common, parts = random.normal(size=num_rows), []
    for place, (region, shop) in enumerate([("north", "a"), ("north", "b"), ("south", "c"), ("south", "d")]):
        noise = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * random.normal(size=num_rows)
        frame = pd.DataFrame({"region": region, "shop": shop, "day": pd.date_range("2024-01-01", periods=num_rows)})
        parts.append(frame.assign(sales=(100 + 10 * place + 4 * noise).round(2)))
    parts[-1] = parts[-1].iloc[: num_rows - cut]
    path = folder / "shops.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def _forecast(path: Path, *totals: str) -> PredictResult:
    request = ForecastRequest(HORIZON, LEVELS, totals=totals)
    return forecast_request(request, "base", data=[path], store=path.parent / "store")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _panel(tmp_path_factory.mktemp("shops"), correlation=0.0)


def test_means_of_every_level_add_up_and_medians_are_of_the_total(shops: Path) -> None:
    each, result = _forecast(shops).frame, _forecast(shops, "region", "all")
    frame = result.frame
    assert list(frame.columns[:7]) == ["level", "total", "day", "cutoff", "num_series", "forecast", "mean"]
    assert frame.groupby(["level", "total"])["num_series"].first().to_dict() == {
        ("all", ""): 4, ("region", "north"): 2, ("region", "south"): 2
    }  # fmt: skip
    means = frame.pivot_table(index="day", columns="total", values="mean")
    np.testing.assert_allclose(means["north"] + means["south"], means[""])
    np.testing.assert_allclose(means[""], each.groupby("day")["mean"].sum())
    assert (frame["forecast"] == frame["q0.5"]).all()
    assert result.to_dict()["totals"] == ["region", "all"]
    assert any("do not add up" in note for note in result.notes)
    assert [preview.label for preview in result.previews] == ["region north", "region south", "all"]


def test_a_total_is_the_same_whatever_other_totals_are_asked_for_and_in_each_run(shops: Path) -> None:
    both = _forecast(shops, "region", "all").frame
    again = _forecast(shops, "region").frame
    pd.testing.assert_frame_equal(both[both["level"] == "region"], again)


def test_series_that_err_alike_have_a_wider_total(tmp_path: Path, shops: Path) -> None:
    def width(path: Path) -> float:
        total, each = _forecast(path, "all").frame, _forecast(path).frame
        return float((total["q0.9"] - total["q0.1"]).sum() / (each["q0.9"] - each["q0.1"]).sum())

    apart, alike = width(shops), width(_panel(tmp_path, correlation=0.95))
    assert 0.45 < apart < 0.7  # 0.5 where errors cancel
    assert 0.75 < alike < 1.01  # 1 where they add up


def test_a_column_that_groups_nothing_and_series_that_end_apart_are_rejected(tmp_path: Path, shops: Path) -> None:
    with pytest.raises(DataError, match="there is no column `town`"):
        _forecast(shops, "town")
    with pytest.raises(UsageError, match="--total and --sum exclude each other"):
        forecast_request(ForecastRequest(HORIZON, totals=("all",), sum="week"), "base", data=[shops], store=tmp_path)
    path = _panel(tmp_path, correlation=0.0, cut=3)
    with pytest.raises(DataError, match="1 of 4 do not end at 2024-03-20, such as `d`"):
        _forecast(path, "region")
    from rnnforecast.config import Settings

    aligned = ForecastRequest(HORIZON, totals=("region",), reading=Settings.from_flat({"align": True}).data)
    frame = forecast_request(aligned, "base", data=[path], store=tmp_path / "store").frame
    assert len(frame) == 2 * HORIZON


def test_one_series_has_no_total(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    pd.DataFrame({"day": pd.date_range("2024-01-01", periods=40), "sales": np.arange(40.0)}).to_csv(path, index=False)
    with pytest.raises(UsageError, match="--total adds up series, and there is one"):
        _forecast(path, "all")
