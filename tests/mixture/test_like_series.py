"""Series with like static covariates: what short ones borrow, and that nothing is borrowed where nothing is shared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.arrays import Float64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.mixture.zero_shot import ZeroShot
from rnnforecast.model_io.base import base_ensemble

HORIZON, LONG = 6, 60
#: Rows of the shops of one region.
LENGTHS = (LONG, LONG, LONG, 8, 9)


def shops(*, has_price: bool = False, offset: float = 0.0) -> pd.DataFrame:
    """Return shops of two regions whose seasons, or effects of the price, are opposite; they end together."""
    generator, parts = np.random.default_rng(3), []
    for region, sign in (("north", 1), ("south", -1)):
        for shop, rows in enumerate(LENGTHS):
            step = np.arange(LONG - rows, LONG + HORIZON)
            price = 10 + generator.choice([-2.0, 0, 0, 1, 3], len(step))
            effect = (
                -2 * np.log(price / 10) * (1 + 0.8 * sign) if has_price else 0.3 * sign * np.sin(2 * np.pi * step / 12)
            )
            sales = np.exp(4 + shop / 4 + effect + generator.normal(0, 0.05, len(step))) - offset
            dates = pd.date_range("2019-01-01", periods=LONG + HORIZON, freq="MS")[step]
            name = f"{region}{shop}"
            columns = {"shop": name, "month": dates, "sales": sales.round(2), "price": price.round(2)}
            parts.append(pd.DataFrame({**columns, "region": region, "own": name, "size": float(shop)}))
    return pd.concat(parts)


def read(folder: Path, frame: pd.DataFrame, *, static: str, future: tuple[str, ...] = ()) -> SeriesSet:
    path = folder / "shops.csv"
    frame.to_csv(path, index=False)
    settings = DataSettings(id=("shop",), target=("sales",), static=(static,), future=future, horizon=HORIZON)
    return read_series([str(path)], settings).series


def forecast(series: SeriesSet, *, has_statics: bool = True) -> Float64Array:
    """Return quantiles after the row before the last horizon of each series."""
    series = series if has_statics else replace(series, static_names=())
    windows = Windows(np.arange(series.num_series, dtype=np.int64), series.lengths - HORIZON)
    return ZeroShot(series, base_ensemble, 12)(windows, HORIZON)


def short_error(series: SeriesSet, quantiles: Float64Array) -> float:
    rows = (series.offsets[1:] - HORIZON)[:, None] + np.arange(HORIZON)
    middle = base_ensemble(12).quantile_levels.index(0.5)
    errors = np.abs(quantiles[..., middle] - series.values[rows]).mean(axis=1)
    return float(errors[series.lengths < LONG].mean())


@pytest.mark.parametrize("offset", [0.0, 60.0])  # all above zero, and on both sides of it
def test_a_short_series_borrows_the_season_of_its_region(tmp_path: Path, offset: float) -> None:
    series = read(tmp_path, shops(offset=offset), static="region")
    with_statics, without = (forecast(series, has_statics=used) for used in (True, False))
    assert short_error(series, with_statics) < 0.75 * short_error(series, without)


def test_a_short_series_borrows_the_effect_of_the_price(tmp_path: Path) -> None:
    series = read(tmp_path, shops(has_price=True), static="region", future=("price",))
    with_statics, without = (forecast(series, has_statics=used) for used in (True, False))
    assert short_error(series, with_statics) < 0.8 * short_error(series, without)


def test_a_static_covariate_that_no_two_series_share_changes_nothing(tmp_path: Path) -> None:
    series = read(tmp_path, shops(), static="own")
    np.testing.assert_array_equal(forecast(series), forecast(series, has_statics=False))


def test_rows_after_the_cutoffs_have_no_effect(tmp_path: Path) -> None:
    series = read(tmp_path, shops(has_price=True), static="size", future=("price",))
    rows = (series.offsets[1:] - HORIZON)[:, None] + np.arange(HORIZON)
    values = series.values.copy()
    values[rows] = 1e6
    np.testing.assert_array_equal(forecast(series), forecast(replace(series, values=values)))


def test_missing_and_constant_rows_are_forecast(tmp_path: Path) -> None:
    frame = shops(has_price=True)
    is_first = frame["shop"] == "north0"
    frame.loc[is_first, "sales"] = 5.0
    frame["sales"] = frame["sales"].mask(np.random.default_rng(1).random(len(frame)) < 0.2)
    frame["price"] = frame["price"].mask(np.arange(len(frame)) % 66 == 7)
    frame.loc[is_first, "price"] = 9.0
    assert np.isfinite(forecast(read(tmp_path, frame, static="region", future=("price",)))).all()


@pytest.mark.parametrize(
    ("static", "note"),
    [("region", None), ("own", "regressions do not read `own`: they need series with the same value")],
)
def test_a_static_covariate_that_is_not_read_is_said(tmp_path: Path, static: str, note: str | None) -> None:
    frame = shops(has_price=True)
    frame.to_csv(tmp_path / "shops.csv", index=False)
    reading = DataSettings(id=("shop",), target=("sales",), static=(static,), horizon=HORIZON)
    result = rnnforecast.predict("base", data=[tmp_path / "shops.csv"], reading=reading, store=tmp_path)
    said = [one for one in result.notes if "regressions do not read" in one or "`region` not used" in one]
    is_used = any("like-series" in one for one in result.notes)
    assert [one[: len(note)] for one in said] == [note] if note else bool(said) != is_used
