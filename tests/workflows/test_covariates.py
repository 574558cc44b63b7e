from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError
from tests.workflows.toy import days, fit, forecast, wave, write_csv

NUM_ROWS = 80
AHEAD = 7


def _write(folder: Path, *, ahead: int = AHEAD, load: float = 1.0, holiday: float = 1.0, name: str = "c.csv") -> Path:
    """Write a panel of two shops with all three kinds of covariates; `ahead` rows of each have no target."""
    rows = NUM_ROWS + ahead
    draw = np.random.default_rng(4)
    known = [round(float(value), 3) for value in draw.normal(size=NUM_ROWS)]
    flags = [float(number % 7 == 6) for number in range(NUM_ROWS)] + [holiday] * ahead
    target = [*wave(NUM_ROWS), *[""] * ahead]
    loads = [*known[:-1], load, *[""] * ahead]
    return write_csv(
        folder / name,
        shop=["a"] * rows + ["b"] * rows,
        date=days(rows) * 2,
        value=[*target, *target],
        load=loads * 2,
        holiday=flags * 2,
        size=[1] * rows + [2] * rows,
    )


def _fit(path: Path, **changes: object) -> None:
    fit(path, **{"past": "load", "future": "holiday", "static": "size", "num_steps": 10, "num_windows": 1, **changes})


@pytest.mark.parametrize("mapping", ["many-to-many", "many-to-one", "encoder-decoder", "one-to-many"])
def test_all_kinds_of_covariates_go_from_file_to_forecast(mapping: str, tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path, mapping=mapping)
    frame = forecast(path).frame
    assert frame["shop"].tolist() == ["a"] * 7 + ["b"] * 7
    assert np.isfinite(frame["forecast"]).all()


@pytest.mark.parametrize("change", [{"load": 40.0}, {"holiday": 0.0}])
def test_a_covariate_moves_the_forecast(change: dict[str, float], tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path)
    before = forecast(path).frame["forecast"]
    after = forecast(path, model="c", data=[_write(tmp_path, name="d.csv", **change)]).frame["forecast"]  # type: ignore[arg-type]
    assert not np.allclose(before, after, rtol=1e-9)


def test_a_series_without_its_static_value_is_forecast_by_train_and_predict(tmp_path: Path) -> None:
    rows = {shop: (days(60), wave(60, seed=number)) for number, shop in enumerate("abcd")}
    cells = [
        (shop, day, value, {"d": ""}.get(shop, place), {"d": ""}.get(shop, "5"))
        for shop, (dates, values) in rows.items()
        for place in ("north" if shop < "c" else "south",)
        for day, value in zip(dates, values, strict=True)
    ]
    columns = dict(zip(("shop", "date", "value", "place", "size"), zip(*cells, strict=True), strict=True))
    path = write_csv(tmp_path / "shops.csv", **columns)
    trained = fit(path, id="shop", target="value", static="place,size", num_steps=10, num_windows=1)
    stored = forecast(path)
    based = forecast(
        path, model="base", data=[path], reading=DataSettings(id=("shop",), target=("value",), static=("place", "size"))
    )
    for found in (trained, stored, based):
        said = [one for one in found.findings if one.code == "W_COVARIATE_UNKNOWN"]
        assert [(one.column, one.count) for one in said] == [("place", 1), ("size", 1)]
    assert np.isfinite(stored.frame["forecast"]).all()


def test_a_static_value_tells_two_equal_series_apart(tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path)
    frame = forecast(path).frame
    assert not np.allclose(frame["forecast"].head(7), frame["forecast"].tail(7), rtol=1e-9)


def test_a_row_known_ahead_that_is_missing_is_rejected_by_column_series_and_timestamp(tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path)
    short = _write(tmp_path, ahead=4, name="short.csv")
    with pytest.raises(DataError) as caught:
        forecast(path, model="c", data=[short])
    for words in ("(`holiday`)", "horizon of 7 steps", "`a`, `b`", "the first missing timestamp is 2024-03-25"):
        assert words in caught.value.message
    assert "--horizon 4" in str(caught.value.hint)
    assert len(forecast(path, model="c", data=[short], horizon=4).frame) == 8


def test_a_horizon_beyond_the_rows_known_ahead_is_rejected(tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path)
    with pytest.raises(DataError, match="end before the horizon of 8 steps"):
        forecast(path, horizon=8)


def test_no_horizon_is_advised_where_nothing_is_known_ahead(tmp_path: Path) -> None:
    path = _write(tmp_path)
    _fit(path)
    bare = _write(tmp_path, ahead=0, name="bare.csv")
    with pytest.raises(DataError, match="the first missing timestamp is 2024-03-21") as caught:
        forecast(path, model="c", data=[bare])
    assert "--horizon" not in str(caught.value.hint)
