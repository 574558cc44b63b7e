"""Totals of a panel (`--total region`): sums over series at each step, with intervals from joint samples.

How much series err together is measured on windows at the end of their histories. A Gaussian copula joins the forecasts
of the series by that, and the samples are added up: the same samples for every level, so that totals of regions and the
total of all agree. Means add up exactly; medians and other quantiles of a sum are not sums of quantiles.

Axis legend: S series, G totals, H horizon, L requested levels, K factors, D draws.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.columns.id_columns import FILE_ID
from rnnforecast.data.errors import listed
from rnnforecast.data.ragged import spread_sample
from rnnforecast.data.read import read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import DataError, UsageError
from rnnforecast.evaluation.distributions import NUM_DRAWS, values_at
from rnnforecast.forecasting import last_windows
from rnnforecast.frozen import dataclass
from rnnforecast.mixture.histories import causal_windows
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.forecasts.sums import NUM_WINDOWS, window_errors
from rnnforecast.workflows.forecasts.table import PREVIEW_HORIZONS, free_name, on_the_wall, with_forecasts, zoned
from rnnforecast.workflows.model_rows import Files, LoadedModel
from rnnforecast.workflows.profile import common_end, last_rows_total

#: The level of all series together.
ALL = "all"
#: Series of a panel whose errors are compared; the others are taken to err like those of their total.
MAX_SAMPLED = 300
#: Variances of correlations: between data sets, between the pairs of one; the usual correlation; leads of a window that
#: count as independent.
VARIANCE_OF_SETS, VARIANCE_OF_PAIRS, USUAL, MAX_LEADS = 0.1, 0.04, 0.1, 4
_SEED = 20_232


@dataclass(frozen=True)
class Total:
    """The sum of some series: of which column and value, and what is forecast of it."""

    level: str
    name: str
    target: str
    members: Int64Array  # numbers of the series
    median: Float64Array  # [H]
    mean: Float64Array  # [H]
    quantiles: Float64Array  # [H, L]


def with_levels(loaded: LoadedModel, levels: Sequence[str], files: Files, reading: DataSettings | None) -> LoadedModel:
    """Return `base` with other columns of totals as static covariates; its forecasts are made already.

    Raises what `read_series` raises.
    """
    other = _unknown(loaded.series, levels)
    if not other or loaded.series.num_series < 2:
        return loaded
    ids = loaded.series.id_columns
    changes = {"static": (*loaded.series.static_names, *other), **({} if ids == (FILE_ID,) else {"id": ids})}
    settings = (reading or DataSettings()).model_copy(update=changes)
    return replace(loaded, series=read_series(files.rows, settings).series)


def _unknown(series: SeriesSet, levels: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in levels if name not in (*series.id_columns, *series.static_names, ALL))


def check_totals(series: SeriesSet, levels: Sequence[str], others: Mapping[str, object]) -> None:
    """Raise UsageError for a column that groups no series and for `others`, flags by name; DataError for ends apart."""
    if not levels:
        return
    other = next((flag for flag, value in others.items() if value), None)
    if other is not None:
        raise UsageError(f"--total and {other} exclude each other", hint="leave one of them out", code="E_RUN_CONFIG")
    if series.num_series < 2:
        raise UsageError("--total adds up series, and there is one", hint="leave it out", code="E_RUN_SERIES")
    unknown = _unknown(series, levels)
    if unknown:
        known = listed([ALL, *series.id_columns, *series.static_names])
        hint = f"name one of {known}, or `--static {shlex.quote(unknown[0])}` too"
        raise UsageError(
            f"--total: no series has an id or static column {listed(unknown)}", hint=hint, code="E_RUN_SERIES"
        )
    end, there = common_end(series)
    if not there.all():
        early = int(np.flatnonzero(~there)[0])
        when = in_words(series.freq.to_timestamps(np.array([end]))[0])
        raise DataError(
            f"--total needs series that end together: {int((~there).sum())} of {series.num_series} do not end at {when}, "
            f"such as `{series.item_ids[early]}`",
            hint="`--align` leads all series to the newest timestamp",
            code="E_TIME_ENDS",
        )


def total_forecasts(
    loaded: LoadedModel, forecast: Forecast, columns: Sequence[str], *, levels: Sequence[float]
) -> tuple[Total, ...]:
    """Return the totals of each column in turn, in the order of their names."""
    series, trained = loaded.series, loaded.manifest.quantile_levels
    bounds = loaded.bounds.at(last_windows(series))
    groups = [(column, *found) for column in dict.fromkeys(columns) for found in _groups(series, column)]
    loadings = _loadings(loaded, [members for column, *_, members in groups if column == columns[0]],
                         horizon=forecast.median.shape[1])  # fmt: skip
    factors = np.random.default_rng(_SEED).standard_normal((loadings.shape[1], NUM_DRAWS // 2))
    totals = []
    for column, name, target, members in groups:
        drawn = np.zeros((forecast.median.shape[1], NUM_DRAWS))
        for number in members.tolist():
            own = np.sqrt(max(1.0 - float(np.square(loadings[number]).sum()), 0.0))
            # the same draws of a series in every total
            score = loadings[number] @ factors + own * np.random.default_rng((_SEED, number)).standard_normal(
                NUM_DRAWS // 2
            )
            drawn += values_at(forecast.distribution[number], trained, np.concatenate([score, -score]))
        kept = bounds.select(members)
        found = np.quantile(drawn, (*levels, 0.5), axis=1).clip(kept.floor.sum(), kept.cap.sum()).T  # [H, L + 1]
        if kept.whole.all():
            found = np.floor(found + 0.5)
        mean = forecast.mean[members].sum(axis=0)
        totals.append(Total(column, name, target, members, found[:, -1], mean, found[:, :-1]))
    return tuple(totals)


def totals_frame(series: SeriesSet, totals: Sequence[Total], forecast: Forecast) -> pd.DataFrame:
    """Lay totals out in long form: level, total, timestamp, cutoff, num_series, median, mean, quantiles, method."""
    horizon = forecast.median.shape[1]
    columns: dict[str, object] = {
        "level": np.repeat(np.array([one.level for one in totals], dtype=object), horizon),
        "total": np.repeat(np.array([one.name for one in totals], dtype=object), horizon),
    }
    if len(series.target_names) > 1:
        columns["target"] = np.repeat(np.array([one.target for one in totals], dtype=object), horizon)
    timestamps = series.future_timestamps(horizon)[0]
    columns[free_name(series.time_column or "step", columns)] = zoned(series, np.tile(timestamps, len(totals)))
    last = series.freq.to_timestamps(series.first_ordinals[:1] + series.lengths[:1] - 1)
    columns[free_name("cutoff", columns)] = zoned(series, np.repeat(last, horizon * len(totals)))
    columns["num_series"] = np.repeat([len(one.members) for one in totals], horizon)
    median, mean, quantiles = (
        np.concatenate([getattr(one, name) for one in totals]) for name in ("median", "mean", "quantiles")
    )
    return with_forecasts(columns, median, mean, quantiles, levels=forecast.quantile_levels, method=forecast.method)


def total_previews(series: SeriesSet, totals: Sequence[Total], forecast: Forecast) -> tuple[Preview, ...]:
    """Return each total as a screen shows it: the sum of the last rows, and the forecast after them."""
    horizon = forecast.median.shape[1]
    future = on_the_wall(series, series.future_timestamps(horizon)[0])
    end = int(series.first_ordinals[0] + series.lengths[0])
    previews = []
    for one in totals:
        chosen = np.isin(np.arange(series.num_series), one.members)
        length = min(PREVIEW_HORIZONS * max(horizon, 12), int(series.lengths[chosen].max()))
        ordinals = np.arange(end - length, end, dtype=np.int64)
        previews.append(
            Preview(
                label=ALL if one.level == ALL else f"{one.level} {one.name}",
                target=one.target,
                past_timestamps=on_the_wall(series, series.freq.to_timestamps(ordinals)),
                past_target=last_rows_total(series, chosen, num_rows=length),
                timestamps=future,
                median=one.median,
                mean=one.mean,
                quantiles=one.quantiles,
                method=forecast.method,
            )
        )
    return tuple(previews)


def _groups(series: SeriesSet, column: str) -> list[tuple[str, str, Int64Array]]:
    if column == ALL:
        labels = np.full(series.num_series, "", dtype=object)
    elif column in series.id_columns:
        labels = series.id_values[:, series.id_columns.index(column)]
    else:
        codes = series.static_covariates[:, series.static_names.index(column)]
        words = ("unknown", *series.categories.get(column, ()))
        labels = np.array([words[int(code)] if len(words) > 1 else f"{code:g}" for code in codes], dtype=object)
    found = []
    for name in sorted(set(labels.tolist())):
        for place, target in enumerate(series.target_names):
            members = np.flatnonzero((labels == name) & (series.target_index == place))
            if len(members):
                found.append((str(name), target, members))
    return found


def _loadings(loaded: LoadedModel, groups: Sequence[Int64Array], *, horizon: int) -> Float64Array:
    """Return what the normal score of each series takes from common factors: [S, K], rows of at most length 1.

    The scaled errors of windows, each row of length 1, have the measured correlations as their products. They are drawn
    towards the mean correlation, and that towards a usual one, by the number of windows.
    """
    series = loaded.series
    count = series.num_series
    sampled = spread_sample(count, MAX_SAMPLED)
    places: dict[int, int] = {}
    rows: dict[int, list[tuple[int, Float64Array]]] = {}
    for one, (errors, spreads) in window_errors(loaded, sampled, horizon).items():
        length = int(series.lengths[one])
        cutoffs = causal_windows(length, series.season_length, horizon, num_windows=NUM_WINDOWS).cutoffs
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = np.nan_to_num(np.where(spreads > 0, np.clip(errors / spreads, -4.0, 4.0), 0.0))
        rows[one] = [
            (places.setdefault(cutoff - length, len(places)), row) for cutoff, row in zip(cutoffs, scaled, strict=True)
        ]
    by_place = np.zeros((count, len(places), horizon))
    for one, found in rows.items():
        for place, row in found:
            by_place[one, place, : len(row)] = row
    measured = by_place.reshape(count, -1)
    lengths = np.linalg.norm(measured, axis=1)
    known = lengths > 0
    measured[known] /= lengths[known, None]
    evidence = float(max(min(horizon, MAX_LEADS) * len(places), 1))
    pooled = _pooled(measured[known], evidence)
    weight = VARIANCE_OF_PAIRS / (VARIANCE_OF_PAIRS + 1.0 / evidence) if known.sum() > 1 else 0.0
    for members in groups:
        if known[members].any():
            measured[members[~known[members]]] = measured[members[known[members]]].mean(axis=0)
    common = np.full((count, 1), np.sqrt((1.0 - weight) * pooled))
    return np.concatenate([np.sqrt(weight) * measured, common], axis=1)


def _pooled(measured: Float64Array, evidence: float) -> float:
    """Return the mean correlation of all pairs of rows [S, K], drawn towards the usual one; 0 where they cancel."""
    count = len(measured)
    if count < 2:
        return USUAL
    mean = (float(np.square(measured.sum(axis=0)).sum()) - count) / (count * (count - 1))
    weight = VARIANCE_OF_SETS / (VARIANCE_OF_SETS + 1.0 / evidence)
    return float(np.clip(weight * mean + (1.0 - weight) * USUAL, 0.0, 0.98))
