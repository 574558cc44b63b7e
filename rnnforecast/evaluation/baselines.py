"""Baselines by name: naive forecasts, the Theta method, and statistical models from an optional package."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.data.ragged import last_true_before
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.errors import UsageError, missing_extra
from rnnforecast.evaluation.intermittent import INTERMITTENT_METHODS, forecast_intermittent
from rnnforecast.evaluation.naive import METHODS, forecast_naive, observed_past
from rnnforecast.evaluation.theta import forecast_theta_windows

#: The naive forecasts that a verdict tests against, in the order they are shown.
BASELINES = tuple(METHODS)
#: Shown with them, but not tested against: fitted to every window, quickly and without another package.
STATISTICAL_BASELINES = ("theta",)
#: Fitted per window by statsforecast, where the extra `baselines` is installed.
EXTRA_BASELINES = ("auto-ets", "auto-theta", "auto-arima")
#: Shown where demand is intermittent: forecasts of the mean demand of a step.
INTERMITTENT_BASELINES = tuple(INTERMITTENT_METHODS)


def available_baselines(longest_season: int) -> tuple[str, ...]:
    """Return the naive forecasts that differ from each other: without a season the seasonal ones are left out."""
    return tuple(name for name in BASELINES if longest_season > 1 or not name.startswith("seasonal"))


def forecast_baseline(
    name: str, series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast every window with one baseline, in the season of its series: [W, H, Q], ascending along Q.

    Raises UsageError for an unknown name, DataError for a window without an observed row before its cutoff, and
    ResourceError where a statistical baseline is asked for and its package is missing.
    """
    if series.own_seasons is not None:
        seasons = series.own_seasons[windows.series]
        quantiles = np.empty((len(windows), horizon, len(quantile_levels)))
        for length in np.unique(seasons):
            chosen = np.flatnonzero(seasons == length)
            alike = replace(series, season_length=int(length), own_seasons=None)
            quantiles[chosen] = forecast_baseline(
                name, alike, windows.select(chosen), horizon=horizon, quantile_levels=quantile_levels
            )
        return quantiles
    if name in BASELINES:
        return forecast_naive(name, series, windows, horizon=horizon, quantile_levels=quantile_levels)
    if name in STATISTICAL_BASELINES:
        observed_past(series, windows)
        return forecast_theta_windows(series, windows, horizon=horizon, quantile_levels=quantile_levels)
    if name in INTERMITTENT_BASELINES:
        return forecast_intermittent(name, series, windows, horizon=horizon, quantile_levels=quantile_levels)
    if name in EXTRA_BASELINES:
        observed_past(series, windows)
        return forecast_statistical(name, series, windows, horizon=horizon, quantile_levels=quantile_levels)
    known = ", ".join((*BASELINES, *STATISTICAL_BASELINES, *INTERMITTENT_BASELINES, *EXTRA_BASELINES))
    raise UsageError(f"unknown baseline `{name}`", hint=f"use one of {known}", code="E_BASELINE")


def forecast_statistical(
    name: str, series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast every window with AutoETS, AutoTheta or AutoARIMA: [W, H, Q]; a missing value repeats the last observed one.

    Windows that a model cannot be fitted to (too few rows, no variation) get the seasonal naive forecast, and a
    RuntimeWarning counts them. Raises ResourceError when statsforecast is not installed.
    """
    model = _model(name, series.season_length)
    intervals = sorted({_interval(level) for level in quantile_levels if level != 0.5})
    quantiles = np.empty((len(windows), horizon, len(quantile_levels)))
    failed: list[int] = []
    for window, (number, cutoff) in enumerate(zip(windows.series, windows.cutoffs, strict=True)):
        past = _filled(series, int(number), int(cutoff))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                forecast = model.forecast(y=past, h=horizon, level=intervals)
        except Exception:  # any error of the other package
            failed.append(window)
            continue
        quantiles[window] = np.stack([forecast[_key(level)] for level in quantile_levels], axis=-1)
    broken = np.asarray(~np.isfinite(quantiles).all(axis=(1, 2)))
    broken[failed] = True
    if broken.any():
        _fall_back(name, quantiles, broken, series, windows, quantile_levels)
    return np.sort(quantiles, axis=-1)


def _fall_back(
    name: str,
    quantiles: Float64Array,
    broken: BoolArray,
    series: SeriesSet,
    windows: Windows,
    quantile_levels: Sequence[float],
) -> None:
    warnings.warn(
        f"`{name}` could not be fitted to {int(broken.sum())} of {len(broken)} windows, which get the seasonal naive forecast",
        RuntimeWarning,
        stacklevel=4,
    )
    quantiles[broken] = forecast_naive(
        "seasonal-naive",
        series,
        windows.select(np.flatnonzero(broken)),
        horizon=quantiles.shape[1],
        quantile_levels=quantile_levels,
    )


def _model(name: str, season_length: int) -> Any:
    try:
        from statsforecast.models import AutoARIMA, AutoETS, AutoTheta
    except ImportError as error:
        raise missing_extra(f"`{name}` needs", "statsforecast", "baselines") from error
    return dict(zip(EXTRA_BASELINES, (AutoETS, AutoTheta, AutoARIMA), strict=True))[name](season_length=season_length)


def _interval(level: float) -> float:
    """Return the central interval, in per cent, that ends at a quantile level."""
    return round(100 * abs(2 * level - 1), 6)


def _key(level: float) -> str:
    if level == 0.5:
        return "mean"
    return f"{'lo' if level < 0.5 else 'hi'}-{_interval(level)}"


def _filled(series: SeriesSet, number: int, cutoff: int) -> Float64Array:
    """Return the past from its first observed row on, missing rows filled with the value before them."""
    rows = slice(int(series.offsets[number]), int(series.offsets[number]) + cutoff)
    observed = series.observed[rows]
    newest = last_true_before(observed, np.zeros(cutoff, dtype=np.int64))
    return np.ascontiguousarray(series.values[rows][newest[newest >= 0]])
