"""Sums of forecasts over weeks, months or the horizon, with intervals of the sum itself.

The quantiles of a sum are not the sums of quantiles: they depend on how the errors of its steps hang together. That is
measured on windows at the end of each history, drawn towards the mean over all series and towards a usual value, and
the distributions of the steps are joined by it (`evaluation.distributions.sum_quantiles`).

Axis legend: S series, W windows, H horizon, Q quantiles, L requested levels, B sums of a series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.ragged import spread_sample
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.backtest import Forecaster
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.evaluation.distributions import log_variance_ratio, mean_of, std_of, sum_quantiles
from rnnforecast.forecasting import last_windows
from rnnforecast.frozen import dataclass
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.histories import causal_windows
from rnnforecast.options import SumOver
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.forecasts.table import free_name, on_the_wall, start_columns, with_forecasts
from rnnforecast.workflows.model_rows import LoadedModel

#: Windows of a series, and series of a panel, that correlations are measured on.
NUM_WINDOWS, MAX_SAMPLED = 8, 100
#: Variances of log ratios around their mean: between data sets, between the series of a panel, and of one block.
VARIANCE_OF_SETS, VARIANCE_OF_SERIES, VARIANCE_OF_BLOCK = 0.9, 0.15, 2.0
#: Blocks of a panel that count as independent: series err together.
MAX_PANEL_BLOCKS = 200
MAX_CORRELATION, GRID = 0.98, 0.01
#: Units of a frequency whose steps are not shorter than a week, than a month.
_LONG_STEPS = {"week": ("week", "month", "quarter", "year"), "month": ("month", "quarter", "year"), "horizon": ()}


@dataclass(frozen=True)
class Sums:
    """Sums of all series, one after the other: N sums."""

    series: Int64Array  # [N] number of the series
    first: Int64Array  # [N] first step of the horizon
    num_steps: Int64Array  # [N]
    median: Float64Array  # [N]
    mean: Float64Array  # [N]
    quantiles: Float64Array  # [N, L]


def check_sum(series: SeriesSet, over: SumOver | None) -> None:
    """Raise UsageError where steps are as long as the sums, or have no calendar."""
    if over is None:
        return
    if over != "horizon" and not series.freq.is_calendar:
        raise UsageError(f"--sum {over} needs timestamps, the rows are steps", hint="use `--sum horizon`")
    if series.freq.unit in _LONG_STEPS[over]:
        raise UsageError(
            f"--sum {over}: a step of {series.freq.alias} is not shorter than a {over}", hint="use `--sum horizon`"
        )


def sum_forecasts(loaded: LoadedModel, forecast: Forecast, over: SumOver, *, levels: Sequence[float]) -> Sums:
    """Return the sums over calendar weeks or months, or over the horizon, of each series; the first may be partial."""
    series, trained = loaded.series, loaded.manifest.quantile_levels
    horizon = forecast.median.shape[1]
    starts = _starts(series, horizon, over)  # [S, H] whether a sum starts at the step
    owner, first = np.nonzero(starts)
    ends = np.where(np.append(owner[1:], -1) == owner, np.append(first[1:], horizon), horizon)
    steps = ends - first
    correlations = _correlations(loaded, horizon, np.unique(steps))
    bounds = loaded.bounds.at(last_windows(series))
    quantiles = np.empty((len(owner), len(levels) + 1))
    wanted = (*levels, 0.5)
    keys = np.stack([first, steps, np.rint(_of_sums(correlations, owner, steps) / GRID).astype(np.int64)], axis=1)
    for key in np.unique(keys, axis=0):
        chosen = np.flatnonzero((keys == key).all(axis=1))
        part = forecast.distribution[owner[chosen], key[0] : key[0] + key[1]]
        quantiles[chosen] = sum_quantiles(part, trained, correlation=float(key[2]) * GRID, wanted=wanted)
    mean = np.array([forecast.mean[one, start:end].sum() for one, start, end in zip(owner, first, ends, strict=True)])
    kept = bounds.select(owner)
    low, high = kept.floor * steps, kept.cap * steps
    quantiles = np.clip(quantiles, low[:, None], high[:, None])
    quantiles[kept.whole] = np.floor(quantiles[kept.whole] + 0.5)
    return Sums(owner, first, steps, quantiles[:, -1], mean, quantiles[:, :-1])


def sums_frame(series: SeriesSet, sums: Sums, forecast: Forecast) -> pd.DataFrame:
    """Lay sums out in long form: ids, first timestamp, cutoff, number of steps, median, mean, quantiles, method."""
    timestamps = series.future_timestamps(forecast.median.shape[1])[sums.series, sums.first]
    columns = start_columns(series, sums.series, timestamps)
    columns[free_name("num_steps", columns)] = sums.num_steps
    levels = forecast.quantile_levels
    return with_forecasts(columns, sums.median, sums.mean, sums.quantiles, levels=levels, method=forecast.method)


def sums_preview(series: SeriesSet, sums: Sums, preview: Preview, number: int) -> Preview:
    """Return the preview of a series with its sums in place of its steps."""
    mine = np.flatnonzero(sums.series == number)
    horizon = int(sums.first[mine[-1]] + sums.num_steps[mine[-1]])
    timestamps = series.select(np.array([number])).future_timestamps(horizon)[0]
    return replace(
        preview,
        timestamps=on_the_wall(series, timestamps[sums.first[mine]]),
        median=sums.median[mine],
        quantiles=sums.quantiles[mine],
        mean=sums.mean[mine],
        num_steps=sums.num_steps[mine],
    )


def _starts(series: SeriesSet, horizon: int, over: SumOver) -> np.ndarray:
    """Return where a sum starts: at the first step, and where a calendar week (from Monday) or month begins: [S, H]."""
    starts = np.zeros((series.num_series, horizon), dtype=np.bool_)
    if over != "horizon":
        wall = on_the_wall(series, series.future_timestamps(horizon).ravel()).reshape(starts.shape)
        days = wall.astype("datetime64[D]").astype(np.int64)
        number = (days + 3) // 7 if over == "week" else wall.astype("datetime64[M]").astype(np.int64)
        starts[:, 1:] = number[:, 1:] != number[:, :-1]
    starts[:, :1] = True
    return starts


def _of_sums(correlations: dict[int, Float64Array], owner: Int64Array, steps: Int64Array) -> Float64Array:
    found = np.zeros(len(owner))
    for count, of_series in correlations.items():
        found[steps == count] = of_series[owner[steps == count]]
    return found


def _correlations(loaded: LoadedModel, horizon: int, lengths: Int64Array) -> dict[int, Float64Array]:
    """Return the correlation of errors within sums of each length, of every series: length -> [S]."""
    series = loaded.series
    count = series.num_series
    sampled = spread_sample(count, MAX_SAMPLED)
    errors = window_errors(loaded, sampled, horizon)
    result = {}
    for length in lengths.tolist():
        found = [_ratio_of(*each, length) for each in errors.values()]
        of_series = _shrunk(found, 0.5 * np.log(length))
        ratios = np.full(count, of_series[-1])
        ratios[list(errors)] = of_series[:-1]
        correlation = np.expm1(ratios) / max(length - 1, 1)
        result[length] = np.clip(correlation, 0.0, MAX_CORRELATION)
    return result


def _ratio_of(errors: Float64Array, spreads: Float64Array, length: int) -> tuple[float, int]:
    """Return the log variance ratio of sums of a length, from shorter ones where windows are shorter."""
    measured = min(length, errors.shape[1])
    ratio, num_blocks = log_variance_ratio(errors, spreads, num_steps=measured)
    if measured == length or measured < 2:
        return ratio, num_blocks
    longer = 1.0 + (length - 1) * np.expm1(ratio) / (measured - 1)
    return float(np.log(max(longer, 0.1))), num_blocks


def _shrunk(found: Sequence[tuple[float, int]], usual: float) -> Float64Array:
    """Return the log ratio of each measured series, and last that of the others, each by its evidence.

    The mean over the panel is drawn towards the usual ratio, halfway between steps that err apart and alike, and each
    series towards the mean.
    """
    ratios = np.array([ratio for ratio, _ in found], dtype=np.float64)
    blocks = np.array([count for _, count in found], dtype=np.float64)
    num_blocks = min(float(blocks.sum()), MAX_PANEL_BLOCKS)
    # series whose steps err alike make the mean ratio, so it is the ratios that are averaged
    plain = np.exp(ratios - 1.0 / np.maximum(blocks, 1.0))
    mean = float(np.log(max(float(blocks @ plain) / max(float(blocks.sum()), 1.0), 0.1)))
    weight = VARIANCE_OF_SETS * num_blocks / (VARIANCE_OF_SETS * num_blocks + VARIANCE_OF_BLOCK)
    pooled = weight * mean + (1 - weight) * usual
    own = VARIANCE_OF_SERIES * blocks / (VARIANCE_OF_SERIES * blocks + VARIANCE_OF_BLOCK) * (len(found) > 1)
    return np.append(own * ratios + (1 - own) * pooled, pooled)


def window_errors(
    loaded: LoadedModel, sampled: Int64Array, horizon: int
) -> dict[int, tuple[Float64Array, Float64Array]]:
    """Return errors of the mean and spreads of the forecasts of each sampled series: [K, leads] each."""
    series, levels = loaded.series, loaded.manifest.quantile_levels
    plans = {
        int(one): causal_windows(int(series.lengths[one]), series.season_length, horizon, num_windows=NUM_WINDOWS)
        for one in sampled
    }
    pairs = [(one, cutoff) for one, plan in plans.items() for cutoff in plan.cutoffs]
    if not pairs:
        return {}
    windows = Windows(np.array([one for one, _ in pairs]), np.array([cutoff for _, cutoff in pairs]))
    quantiles = loaded.bounds.at(windows).clip(_forecaster(loaded)(windows, horizon))
    mean, spread = mean_of(quantiles, levels), std_of(quantiles, levels)
    found: dict[int, tuple[Float64Array, Float64Array]] = {}
    for one, plan in plans.items():
        rows = np.flatnonzero(windows.series == one)
        if len(rows):
            place = series.offsets[one] + windows.cutoffs[rows, None] + np.arange(plan.num_leads)
            actual = np.where(series.observed[place], series.values[place], np.nan)
            found[one] = (actual - mean[rows, : plan.num_leads], spread[rows, : plan.num_leads])
    return found


def _forecaster(loaded: LoadedModel) -> Forecaster:
    series, served = loaded.series, loaded.manifest.served
    if loaded.zero_shot is not None:
        return loaded.zero_shot
    if served == ENSEMBLE:
        flat = FlatSeries.from_series(series)
        return lambda windows, horizon: loaded.ensemble.forecast(flat, windows, horizon=horizon, series=series)
    levels = loaded.manifest.quantile_levels
    return lambda windows, horizon: forecast_baseline(served, series, windows, horizon=horizon, quantile_levels=levels)
