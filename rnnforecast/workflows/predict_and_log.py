"""Forecast, and log the forecasts in the ledger, so that they can be scored when actuals arrive.

Axis legend: S series, H horizon, L levels of the ledger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rnnforecast.config import DataSettings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.errors import LockedError, ModelFileError, OutputError, UsageError
from rnnforecast.findings import Finding, JSONValue
from rnnforecast.json_values import plain
from rnnforecast.progress import Progress
from rnnforecast.store.ledger import LEDGER_LEVELS, Issued, Ledger
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.registry import default_store
from rnnforecast.workflows.forecasts.panel import Forecast, point_baseline
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast, PredictResult
from rnnforecast.workflows.model_rows import SOURCE_SETTINGS, Files, LoadedModel
from rnnforecast.workflows.monitoring.choose_ledger import ledger_name
from rnnforecast.workflows.predict import ForecastRequest, Observer, forecast_request

#: The baseline of live scores, and the forecast that is served in place of a model that drifted.
SEASONAL_NAIVE = "seasonal-naive"


def predict_and_log(
    request: ForecastRequest,
    model: str | None = None,
    *,
    data: Data | Files | None = None,
    store: str | Path | None = None,
    ledger: bool | None = None,
    progress: Progress | None = None,
    observer: Observer | None = None,
) -> PredictResult:
    """Forecast, and log the forecasts in the ledger for `score`; `observer` is called with model, rows and forecast.

    `ledger` false logs nothing; true raises an error where the ledger cannot be written, None reports a finding
    instead. Raises the errors of `predict`.
    """
    seen: list[tuple[LoadedModel, Forecast]] = []

    def observe(loaded: LoadedModel, forecast: Forecast) -> None:
        seen.append((loaded, forecast.at(LEDGER_LEVELS)))
        if observer is not None:
            observer(loaded, forecast)

    result = forecast_request(request, model, data=data, store=store, observer=observe, progress=progress)
    if ledger is False or (isinstance(result, CategoricalForecast) and ledger is None):
        return result
    if not seen:
        raise UsageError("forecasts of categories are not logged", hint="leave --ledger out", code="E_RUN_CATEGORIES")
    loaded, forecast = seen[0]
    issued = issued_of(
        loaded, median=forecast.median, quantiles=forecast.quantiles, method=forecast.method, reading=request.reading
    )
    path, findings = keep(issued, store=store, required=ledger is True)
    return replace(result, ledger=path, findings=(*result.findings, *findings))


def baseline_name(longest_season: int) -> str:
    """Return the name of the seasonal naive forecast, `naive` where no series has a season."""
    return SEASONAL_NAIVE if longest_season > 1 else "naive"


def issued_of(
    loaded: LoadedModel, *, median: np.ndarray, quantiles: np.ndarray, method: str, reading: DataSettings | None = None
) -> Issued:
    """Return the forecasts of each series in the form of the ledger.

    `median` is [S, H], `quantiles` [S, H, L] at `LEDGER_LEVELS`; the seasonal naive forecast from the same rows and
    the scale of the training rows are added. `reading` is how the rows of `base` were read.
    """
    series = loaded.series
    num_series, horizon = median.shape
    naive = point_baseline(baseline_name(series.longest_season), series, horizon=horizon)
    rows = np.maximum(series.offsets[1:] - 1, 0)
    last_value = np.where(series.observed[rows], series.values[rows], np.nan)
    cutoffs = series.freq.to_timestamps(series.first_ordinals + series.lengths - 1)
    ids, item = distinct_ids(series)
    count = num_series * horizon
    return Issued(
        ids=ids,
        targets=series.target_names,
        item=np.repeat(item, horizon),
        target=np.repeat(series.target_index.astype(np.int32), horizon),
        version=np.full(count, loaded.manifest.version, np.int32),
        cutoff=np.repeat(cutoffs, horizon),
        timestamp=series.future_timestamps(horizon).ravel(),
        lead=np.tile(np.arange(1, horizon + 1, dtype=np.int32), num_series),
        forecast=np.asarray(median.ravel(), np.float64),
        quantiles=np.asarray(np.moveaxis(quantiles, -1, 0).reshape(len(LEDGER_LEVELS), count).T, np.float64),
        baseline=naive.ravel(),
        scale=np.repeat(loaded.memory.scales(series), horizon),
        last_value=np.repeat(last_value, horizon),
        method=(method,),
        served=np.zeros(count, np.int32),
        issued_at=np.full(count, np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")),
        facts=_facts(loaded.manifest, series, horizon, reading),
    )


def distinct_ids(series: SeriesSet) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the distinct ids as JSON lists and which one each series has: [S]; `[]` where there is no id column."""
    texts = [json.dumps([str(part) for part in ids], ensure_ascii=False) for ids in series.id_values.tolist()]
    places: dict[str, int] = {}
    item = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int32)
    return tuple(places), item


def keep(issued: Issued, *, store: str | Path | None, required: bool) -> tuple[str | None, list[Finding]]:
    """Write forecasts to the ledger of their name; returns the file, or None and a finding on failure.

    With `required` a failure raises the error.
    """
    place = Path(store or default_store())
    try:
        return str(Ledger(place, str(issued.facts["name"])).append(issued)), []
    except (OutputError, LockedError, ModelFileError) as error:
        if required:
            raise
        message = f"the forecasts were not logged in the ledger: {error.message}"
        fix = f"{error.hint}; `--no-ledger` logs nothing" if error.hint else "`--no-ledger` logs nothing"
        return None, [Finding("W_LEDGER", message, fix=fix)]


def _facts(manifest: Manifest, series: SeriesSet, horizon: int, reading: DataSettings | None) -> dict[str, JSONValue]:
    """Return the facts that scoring needs, even after the model is removed."""
    settings = manifest.settings
    if not settings and reading is not None:  # of `base`
        settings = reading.model_dump(mode="json", exclude_unset=True, exclude=set(SOURCE_SETTINGS))
    return {
        "name": ledger_name(manifest, query=None if reading is None else reading.query),
        "model": manifest.label,
        "roles": manifest.roles.model_dump(mode="json"),
        "freq": series.freq.to_dict(),
        "season_length": series.season_length,
        "baseline": baseline_name(series.longest_season),
        "horizon": horizon,
        "settings": plain(settings),
        "paths": list(manifest.input.paths),
    }
