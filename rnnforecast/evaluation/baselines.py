"""Baselines by name: naive forecasts, the Theta method, and statistical models from an optional package."""

from __future__ import annotations

from collections.abc import Sequence

from rnnforecast.arrays import Float64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.intermittent import INTERMITTENT_METHODS, forecast_intermittent
from rnnforecast.evaluation.naive import METHODS, forecast_naive, observed_past
from rnnforecast.evaluation.statistical import MODELS, forecast_statistical
from rnnforecast.evaluation.theta import forecast_theta_windows

#: The naive forecasts that a verdict tests against, in the order they are shown.
BASELINES = tuple(METHODS)
#: Shown with them, but not tested against: fitted to every window, quickly and without another package.
STATISTICAL_BASELINES = ("theta",)
#: Fitted per window by statsforecast, where the extra `baselines` is installed.
EXTRA_BASELINES = MODELS
#: Shown where demand is intermittent: forecasts of the mean demand of a step.
INTERMITTENT_BASELINES = tuple(INTERMITTENT_METHODS)


def available_baselines(season_length: int) -> tuple[str, ...]:
    """Return the naive forecasts that differ from each other: without a season the seasonal ones are left out."""
    return tuple(name for name in BASELINES if season_length > 1 or not name.startswith("seasonal"))


def forecast_baseline(
    name: str, series: SeriesSet, windows: Windows, *, horizon: int, quantile_levels: Sequence[float]
) -> Float64Array:
    """Forecast every window with one baseline, in the season of the series: [W, H, Q], ascending along Q.

    Raises UsageError for an unknown name, DataError for a window without an observed row before its cutoff, and
    ResourceError where a statistical baseline is asked for and its package is missing.
    """
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
