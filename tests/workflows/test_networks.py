"""Every network a flag can ask for, from a file to a forecast."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.options import Cell, Mapping_, Normalisation
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from tests.workflows.toy import days, fit, forecast, store_of, wave, write_csv, write_days

NETWORKS: dict[str, dict[str, object]] = {
    **{
        f"{mapping} {cell}": {"mapping": mapping, "cell": cell}
        for mapping in get_args(Mapping_)
        for cell in get_args(Cell)
    },
    "additive attention": {"attention": "additive"},
    "dot attention": {"attention": "dot", "bidirectional": True},
    "synchronous": {"synchronous": True},
    "bidirectional": {"bidirectional": True, "num_layers": 2, "dropout": 0.1},
    **{f"normalisation {kind}": {"normalisation": kind} for kind in get_args(Normalisation)},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_trained_stored_and_forecasts_a_positive_wave(name: str, tmp_path: Path) -> None:
    horizon = 1 if name.startswith("one-to-one") else 5
    path = write_days(tmp_path, 60)
    fit(path, **{"num_steps": 3, "horizon": horizon, "num_windows": 1, "segment_length": None, **NETWORKS[name]})
    frame = forecast(path).frame
    assert len(frame) == horizon
    assert np.isfinite(frame["forecast"]).all()
    assert frame["forecast"].between(50, 150).all()


@pytest.mark.parametrize("name", ["many-to-one gru", "additive attention", "synchronous", "one-to-many lstm"])
def test_both_engines_forecast_the_same(name: str, tmp_path: Path) -> None:
    path = write_days(tmp_path, 60)
    fit(path, **{"num_members": 2, **NETWORKS[name]})
    ours, theirs = (forecast(path, engine=engine, horizon=10).frame for engine in ("numpy", "torch"))
    numbers = [name for name in ours.columns if name.startswith(("q", "forecast"))]
    np.testing.assert_allclose(ours[numbers], theirs[numbers], rtol=1e-5)


def test_one_to_many_forecasts_a_panel_from_its_static_values(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "panel.csv",
        id=["a"] * 50 + ["b"] * 50,
        date=days(50) * 2,
        size=[1] * 50 + [2] * 50,
        value=wave(50) + [2 * value for value in wave(50)],
    )
    fit(path, mapping="one-to-many", static="size", num_windows=1)
    frame = forecast(path).frame
    assert (len(frame), sorted(set(frame["id"]))) == (14, ["a", "b"])


def test_attention_is_written_with_weights_that_sum_to_one(tmp_path: Path) -> None:
    import pandas as pd

    path = write_days(tmp_path)
    fit(path, attention="additive", segment_length=3, context_length=12)
    forecast_request(ForecastRequest(attention_output=tmp_path / "attention.csv"), store=store_of(path))
    weights = pd.read_csv(tmp_path / "attention.csv")
    assert list(weights.columns) == ["horizon_step", "lag", "weight"]
    assert sorted(set(weights["horizon_step"])) == [1, 4, 7]
    assert sorted(set(weights["lag"])) == [0, 3, 6, 9]
    np.testing.assert_allclose(weights.groupby("horizon_step")["weight"].sum(), 1.0, rtol=1e-5)


def test_attention_of_a_model_without_any_is_rejected(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path)
    with pytest.raises(UsageError, match="this model has no attention to export") as caught:
        forecast_request(ForecastRequest(attention_output=tmp_path / "attention.csv"), store=store_of(path))
    assert "--attention additive" in str(caught.value.hint)
