"""Forecasts as the user's own table: ids and time under their own names, then cutoff, forecast, quantiles, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.workflows.results import Preview

if TYPE_CHECKING:
    from rnnforecast.arrays import TimestampArray
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.workflows.forecasts.panel import Forecast

MAX_PREVIEWS = 3
PREVIEW_HORIZONS = 4


def forecast_frame(series: SeriesSet, forecast: Forecast) -> pd.DataFrame:
    """Lay forecasts out in long form: one row a series and step, in the order of the series, then of time.

    A column `target` names the target where there are several. Data without a time column get a column `step`.
    """
    num_series, horizon = forecast.median.shape
    columns: dict[str, object] = {
        name: np.repeat(series.id_values[:, place], horizon) for place, name in enumerate(series.id_columns)
    }
    if len(series.target_names) > 1:
        names = np.array(series.target_names, dtype=object)[series.target_index]
        columns[free_name("target", columns)] = np.repeat(names, horizon)
    time_name = series.time_column or free_name("step", columns)
    columns[time_name] = zoned(series, series.future_timestamps(horizon).ravel())
    last = series.freq.to_timestamps(series.first_ordinals + series.lengths - 1)
    columns[free_name("cutoff", columns)] = zoned(series, np.repeat(last, horizon))
    columns[free_name("forecast", columns)] = forecast.median.ravel()
    columns[free_name("mean", columns)] = forecast.mean.ravel()
    for place, level in enumerate(forecast.quantile_levels):
        columns[f"q{level:g}"] = forecast.quantiles[..., place].ravel()
    columns[free_name("method", columns)] = np.full(num_series * horizon, forecast.method, dtype=object)
    return pd.DataFrame(columns, copy=False)


def make_previews(series: SeriesSet, forecast: Forecast) -> tuple[Preview, ...]:
    """Return the first few series with the rows before their forecasts, for a plot."""
    horizon = forecast.median.shape[1]
    previews = []
    future = series.select(np.arange(min(series.num_series, MAX_PREVIEWS))).future_timestamps(horizon)
    for index in range(len(future)):
        end = int(series.offsets[index + 1])
        start = max(int(series.offsets[index]), end - PREVIEW_HORIZONS * max(horizon, 12))
        previews.append(
            Preview(
                label="/".join(series.id_values[index]) if series.id_columns else "",
                target=series.target_names[series.target_index[index]],
                past_timestamps=on_the_wall(series, series.timestamps(index)[start - int(series.offsets[index]) :]),
                past_target=series.values[start:end].copy(),  # a view would keep all rows of the panel
                timestamps=on_the_wall(series, future[index]),
                median=forecast.median[index].copy(),
                mean=forecast.mean[index].copy(),
                quantiles=forecast.quantiles[index].copy(),
                method=forecast.method,
            )
        )
    return tuple(previews)


def zoned(series: SeriesSet, timestamps: TimestampArray) -> object:
    """Return timestamps as pandas keeps them: zoned where the file was zoned, integers where steps were counted."""
    zone = series.freq.timezone
    if zone is None or timestamps.dtype.kind != "M":
        return timestamps
    return pd.DatetimeIndex(timestamps).tz_localize("UTC").tz_convert(zone)


def on_the_wall(series: SeriesSet, timestamps: TimestampArray) -> TimestampArray:
    """Return timestamps as the clocks of the zone show them, for people."""
    if series.freq.timezone in (None, "UTC") or timestamps.dtype.kind != "M":
        return timestamps
    local = pd.DatetimeIndex(timestamps).tz_localize("UTC").tz_convert(series.freq.timezone).tz_localize(None)
    return np.asarray(local.to_numpy().astype("datetime64[us]"))


def free_name(name: str, taken: dict[str, object]) -> str:
    """Return the name, with underscores before it when the user's own columns use it already."""
    while name in taken:
        name = f"_{name}"
    return name
