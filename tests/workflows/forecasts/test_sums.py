from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.evaluation.distributions import log_variance_ratio, std_of, sum_quantiles
from rnnforecast.workflows.predict import ForecastRequest, forecast_request

NORMAL = np.array([-1.959964, -1.281552, -0.841621, -0.524401, -0.253347, 0.0])
QUANTILES = np.concatenate([NORMAL, -NORMAL[-2::-1]])
WANTED = (0.1, 0.5, 0.9)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=120), "sales": random.poisson(0.5, 120)})
    path = tmp_path / "days.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("correlation", "spread"), [(0.0, 3.0), (1.0, 9.0), (0.25, np.sqrt(9 + 0.25 * 72))])
def test_the_spread_of_a_sum_is_that_of_correlated_steps(correlation: float, spread: float) -> None:
    levels = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
    steps = np.broadcast_to(QUANTILES, (1, 9, len(levels)))
    np.testing.assert_allclose(std_of(steps, levels), 1.0, atol=0.01)
    found = sum_quantiles(steps, levels, correlation=correlation, wanted=WANTED)[0]
    np.testing.assert_allclose(found, spread * np.array([-1.281552, 0.0, 1.281552]), atol=0.04 * spread)


def test_the_variance_ratio_is_the_number_of_steps_where_they_err_alike_and_less_than_1_where_they_cancel() -> None:
    alike = np.repeat(np.array([[1.0], [-1.0], [0.5]]), 6, axis=1)
    ratio, blocks = log_variance_ratio(alike, np.ones((3, 6)), num_steps=3)
    assert ratio == pytest.approx(np.log(3) + 1 / 6)
    assert blocks == 6
    opposite = np.tile([1.0, -0.9], (3, 3))
    assert log_variance_ratio(opposite, np.ones((3, 6)), num_steps=2)[0] < -3
    assert log_variance_ratio(np.full((3, 6), np.nan), np.ones((3, 6)), num_steps=3) == (0.0, 0)


@pytest.mark.parametrize(("over", "steps"), [("horizon", [40]), ("week", [6, 7, 7, 7, 7, 6]), ("month", [1, 31, 8])])
def test_sums_are_whole_joint_and_have_the_mean_of_their_steps(days: Path, over: str, steps: list[int]) -> None:
    store = days.parent / "store"
    asked = ForecastRequest(40, (0.1, 0.5, 0.9), sum=over)  # type: ignore[arg-type]
    result = forecast_request(asked, "base", data=[days], store=store)
    frame = result.frame
    assert frame.columns.tolist()[:5] == ["day", "cutoff", "num_steps", "forecast", "mean"]
    assert frame["num_steps"].tolist() == steps
    each = forecast_request(ForecastRequest(40, (0.1, 0.5, 0.9)), "base", data=[days], store=store).frame
    np.testing.assert_allclose(frame["mean"].sum(), each["mean"].sum())
    assert (frame["forecast"] == frame["q0.5"]).all()
    assert (frame["q0.9"] == frame["q0.9"].round()).all()
    if over == "horizon":
        assert frame["q0.9"][0] - frame["q0.1"][0] < 0.8 * (each["q0.9"].sum() - each["q0.1"].sum())
    assert result.to_dict()["sum"] == over


def test_steps_as_long_as_a_sum_and_steps_without_a_calendar_are_rejected(tmp_path: Path) -> None:
    months = pd.DataFrame({"t": pd.date_range("2020-01-01", periods=40, freq="MS"), "y": np.arange(40.0)})
    months.to_csv(tmp_path / "months.csv", index=False)
    with pytest.raises(UsageError, match="--sum month: a step of MS is not shorter than a month"):
        forecast_request(ForecastRequest(sum="month"), "base", data=[tmp_path / "months.csv"], store=tmp_path)
    months["t"] = np.arange(40)
    months.to_csv(tmp_path / "steps.csv", index=False)
    with pytest.raises(UsageError, match="--sum week needs timestamps"):
        forecast_request(ForecastRequest(sum="week"), "base", data=[tmp_path / "steps.csv"], store=tmp_path)
