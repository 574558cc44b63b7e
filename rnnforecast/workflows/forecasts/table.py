"""Forecasts as the user's own table: ids and time under their own names, then cutoff, forecast, quantiles, method.

`--columns` and `--round` change the shape of the table that is written.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.data.columns.choose_roles import nearest
from rnnforecast.data.columns.roles import single_names
from rnnforecast.data.databases.address import is_database
from rnnforecast.data.errors import listed
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import UsageError
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.profile import common_end, last_rows_total

if TYPE_CHECKING:
    import pandas as pd

MAX_PREVIEWS = 3
PREVIEW_HORIZONS = 4
NUM_LARGEST = 5


def forecast_frame(series: SeriesSet, forecast: Forecast) -> pd.DataFrame:
    """Lay forecasts out in long form: one row a series and step, in the order of the series, then of time.

    A column `target` names the target where there are several. Data without a time column get a column `step`.
    """
    columns = step_columns(series, forecast.median.shape[1])
    levels, quantiles = forecast.quantile_levels, forecast.quantiles
    return with_forecasts(columns, forecast.median, forecast.mean, quantiles, levels=levels, method=forecast.method)


def step_columns(series: SeriesSet, horizon: int) -> dict[str, object]:
    """Return the columns that say what is forecast, one row a series and step."""
    owner = np.repeat(np.arange(series.num_series), horizon)
    return start_columns(series, owner, series.future_timestamps(horizon).ravel())


def start_columns(
    series: SeriesSet, owner: Int64Array, timestamps: TimestampArray, cutoffs: TimestampArray | None = None
) -> dict[str, object]:
    """Return ids, target (of several), time and cutoff of rows [N] of the series `owner` [N], whose ends are the cutoffs."""
    columns: dict[str, object] = {name: series.id_values[owner, place] for place, name in enumerate(series.id_columns)}
    if len(series.target_names) > 1:
        columns[free_name("target", columns)] = np.array(series.target_names, dtype=object)[series.target_index[owner]]
    columns[series.time_column or free_name("step", columns)] = zoned(series, timestamps)
    last = series.freq.to_timestamps(series.first_ordinals + series.lengths - 1)
    columns[free_name("cutoff", columns)] = zoned(series, last[owner] if cutoffs is None else cutoffs)
    return columns


def with_forecasts(
    columns: Mapping[str, object],
    median: Float64Array,
    mean: Float64Array,
    quantiles: Float64Array,
    *,
    levels: Sequence[float],
    method: str,
) -> pd.DataFrame:
    """Return a table of columns [N], then median, mean, quantiles [N, L] at their levels, and method."""
    named = {"forecast": median.ravel(), "mean": mean.ravel()}
    named |= {f"q{level:g}": quantiles[..., place].ravel() for place, level in enumerate(levels)}
    columns = dict(columns)
    for name, values in (*named.items(), ("method", np.full(median.size, method, dtype=object))):
        columns[free_name(name, columns)] = values
    return pd.DataFrame(columns, copy=False)


def make_overview(series: SeriesSet, forecast: Forecast) -> tuple[tuple[str, Preview], ...]:
    """Return what a first look at a panel needs, each with its kind: the total, the largest series, extreme changes.

    A change compares the mean of the forecast with the mean of as many rows before it.
    """
    if series.num_series < 2:
        return ()
    horizon = forecast.median.shape[1]
    total = [("total", _total(series, forecast))] if len(series.target_names) == 1 else []
    if series.num_series <= MAX_PREVIEWS:
        return (*total, *(("", preview) for preview in make_previews(series, forecast)))
    recent = _recent_means(series, horizon)
    sizes = np.nan_to_num(np.abs(recent))
    change = np.nan_to_num(
        (forecast.median.mean(axis=1) - recent) / np.maximum(np.abs(recent), 0.1 * sizes.mean() + 1e-300)
    )
    chosen: dict[int, str] = dict.fromkeys(np.argsort(-sizes, kind="stable")[:NUM_LARGEST].tolist(), "largest")
    for index, words in ((int(change.argmax()), "rises most"), (int(change.argmin()), "falls most")):
        chosen[index] = words
    previews = make_previews(series, forecast, list(chosen))
    return (*total, *zip(chosen.values(), previews, strict=True))


def _recent_means(series: SeriesSet, num_rows: int) -> Float64Array:
    """Return the mean of the observed values among the last rows of each series: [S], NaN without one."""
    back = np.arange(num_rows, dtype=np.int64)
    inside = back < series.lengths[:, None]
    rows = np.maximum(series.offsets[1:, None] - 1 - back, 0)
    known = inside & series.observed[rows]
    counts = known.sum(axis=1)
    sums = np.where(known, series.values[rows], 0.0).sum(axis=1)
    found: Float64Array = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found


def _total(series: SeriesSet, forecast: Forecast) -> Preview:
    """Return the sum of the series that end where most do, with the sum of the means: quantiles of a sum are not known."""
    _, chosen = common_end(series)
    horizon = forecast.median.shape[1]
    length = min(PREVIEW_HORIZONS * max(horizon, 12), int(series.lengths[chosen].max()))
    mean = forecast.mean[chosen].sum(axis=0)
    nothing = np.empty(0, dtype=np.int64)
    past = last_rows_total(series, chosen, num_rows=length)
    return Preview(
        label=f"all {int(chosen.sum()):,}", target=series.target_names[0], past_timestamps=nothing, past_target=past,
        timestamps=nothing, median=mean, mean=mean, quantiles=np.empty((horizon, 0)), method=forecast.method,
    )  # fmt: skip


def make_previews(series: SeriesSet, forecast: Forecast, numbers: Sequence[int] | None = None) -> tuple[Preview, ...]:
    """Return series with the rows before their forecasts, for a plot; the first few unless `numbers` names others."""
    horizon = forecast.median.shape[1]
    previews = []
    numbers = list(range(min(series.num_series, MAX_PREVIEWS))) if numbers is None else numbers
    future = series.select(np.array(numbers, dtype=np.int64)).future_timestamps(horizon)
    for place, index in enumerate(numbers):
        end = int(series.offsets[index + 1])
        start = max(int(series.offsets[index]), end - PREVIEW_HORIZONS * max(horizon, 12))
        previews.append(
            Preview(
                label="/".join(series.id_values[index]) if series.id_columns else "",
                target=series.target_names[series.target_index[index]],
                past_timestamps=on_the_wall(series, series.timestamps(index)[start - int(series.offsets[index]) :]),
                past_target=series.values[start:end].copy(),  # a view would keep all rows of the panel
                timestamps=on_the_wall(series, future[place]),
                median=forecast.median[index].copy(),
                mean=forecast.mean[index].copy(),
                quantiles=forecast.quantiles[index].copy(),
                method=forecast.method,
            )
        )
    return tuple(previews)


def numbers_of(series: SeriesSet, chosen: Sequence[str]) -> list[int]:
    """Return the numbers of series by their ids, `north/bread` for two id columns. Raises UsageError for an unknown one."""
    labels = list(series.item_ids)
    found: list[int] = []
    for name in chosen:
        numbers = [number for number, label in enumerate(labels) if label == name]
        if not numbers:
            near = difflib.get_close_matches(name, labels, n=1)
            shown = f"did you mean `{near[0]}`?" if near else f"they are {listed(labels, limit=5)}"
            message = f"--series: there is no series `{name}`; {shown}"
            hint = f"name one: --series {shlex.quote(near[0] if near else labels[0])}"
            raise UsageError(message, hint=hint, code="E_RUN_SERIES")
        found += numbers
    return list(dict.fromkeys(found))


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


def free_name(name: str, taken: Container[str]) -> str:
    """Return the name, with underscores before it when the user's own columns use it already."""
    while name in taken:
        name = f"_{name}"
    return name


#: Decimals that the smallest numbers have; a power of ten with more is infinite.
_MOST_DECIMALS = 308


def check_shape(output: str | Path | None, *, decimals: int | None, columns: Sequence[str]) -> None:
    """Raise UsageError where no file is written whose shape is named; tables of databases keep their keys."""
    named = [flag for flag, is_named in (("--round", decimals is not None), ("--columns", bool(columns))) if is_named]
    if named and output is None:
        message = f"{' and '.join(named)} without effect: no file is written"
        raise UsageError(message, hint="name it: `--output forecasts.csv`", code="E_RUN_OUTPUT")
    if columns and is_database(str(output)):
        message = "--columns without effect: a table of a database has all columns of a forecast"
        raise UsageError(message, hint="write a file, or choose the columns by a view", code="E_RUN_OUTPUT")


def shaped(frame: pd.DataFrame, *, decimals: int | None, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns in their order, numbers rounded. Raises UsageError for a column that is not there."""
    names = [str(name) for name in frame.columns]
    columns = single_names(columns, names)
    unknown = [name for name in columns if name not in names]
    if unknown:
        near = nearest(unknown[0], names)
        message = f"a forecast has no column {listed(unknown)}" + (f", did you mean `{near}`?" if near else "")
        raise UsageError(message, hint=f"its columns are {listed(names, limit=30)}", code="E_RUN_OUTPUT")
    chosen = frame[list(columns)] if columns else frame
    if decimals is None:
        return chosen
    numbers = {name: chosen[name].to_numpy() for name in chosen.columns if chosen[name].dtype.kind == "f"}
    return chosen.assign(**{name: _rounded(values, decimals) for name, values in numbers.items()})


def _rounded(values: Float64Array, decimals: int) -> Float64Array:
    """Round numbers; those that have no decimals left to round, where rounding would overflow, stay."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.round(values, min(decimals, _MOST_DECIMALS))
    return np.where(np.isfinite(rounded), rounded, values)
