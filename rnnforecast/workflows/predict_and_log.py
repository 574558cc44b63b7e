"""Issuing forecasts: what the ledger keeps of them, so that they can be scored when the actuals are there.

Axis legend: S series, H horizon, L levels of the ledger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.errors import LockedError, ModelFileError, OutputError
from rnnforecast.findings import Finding
from rnnforecast.json_values import plain
from rnnforecast.store.ledger import LEDGER_LEVELS, Issued, Ledger
from rnnforecast.store.names import name_from_stem
from rnnforecast.store.registry import default_store
from rnnforecast.workflows.forecasts.panel import point_baseline
from rnnforecast.workflows.predict import answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.data.series import SeriesSet
    from rnnforecast.findings import JSONValue
    from rnnforecast.progress import Progress
    from rnnforecast.store.manifest import Manifest
    from rnnforecast.workflows.forecasts.panel import Forecast
    from rnnforecast.workflows.loading import Files, LoadedModel
    from rnnforecast.workflows.predict import Request
    from rnnforecast.workflows.results import PredictResult

#: What live forecasts are held against, and what stands in for a model that drifted.
SEASONAL_NAIVE = "seasonal-naive"


def issue(
    request: Request,
    model: str | None = None,
    *,
    data: Sequence[str | Path] | Files | None = None,
    store: str | Path | None = None,
    ledger: bool | None = None,
    progress: Progress | None = None,
) -> PredictResult:
    """Forecast, and keep the forecasts in the ledger, from where `score` takes them up.

    With `ledger` false nothing is kept; left open, forecasts that cannot be kept become a finding, for they are not
    lost; true raises the error. Raises what `answer` raises.
    """
    seen: list[tuple[LoadedModel, Forecast]] = []
    result = answer(
        request,
        model,
        data=data,
        store=store,
        watcher=lambda loaded, forecast: seen.append((loaded, forecast.at(LEDGER_LEVELS))),
        progress=progress,
    )
    if ledger is False:
        return result
    loaded, forecast = seen[0]
    issued = issued_of(loaded, median=forecast.median, quantiles=forecast.quantiles, method=forecast.method)
    path, findings = keep(issued, store=store, required=ledger is True)
    return replace(result, ledger=path, findings=(*result.findings, *findings))


def baseline_name(season_length: int) -> str:
    """Return the naive forecast of a season: the value a season ago, or the last one where there is no season."""
    return SEASONAL_NAIVE if season_length > 1 else "naive"


def ledger_name(manifest: Manifest) -> str:
    """Return the name forecasts are kept under: the model's, or for the shipped network that of the rows."""
    if manifest.version or not manifest.input.paths:
        return manifest.name
    stem = Path(manifest.input.paths[0]).name.removesuffix(".gz").rsplit(".", 1)[0]
    return name_from_stem(stem)


def issued_of(loaded: LoadedModel, *, median: np.ndarray, quantiles: np.ndarray, method: str) -> Issued:
    """Return forecasts after the last row of each series as the ledger keeps them.

    `median` is [S, H], `quantiles` [S, H, L] at `LEDGER_LEVELS`; the seasonal naive forecast from the same rows and
    the scale of the training rows are put beside them.
    """
    series = loaded.series
    num_series, horizon = median.shape
    naive = point_baseline(baseline_name(series.season_length), series, horizon=horizon)
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
        facts=_facts(loaded.manifest, series, horizon),
    )


def distinct_ids(series: SeriesSet) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the distinct ids as JSON lists and which one each series has: [S]; `[]` where there is no id column."""
    texts = [json.dumps([str(part) for part in ids], ensure_ascii=False) for ids in series.id_values.tolist()]
    places: dict[str, int] = {}
    item = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int32)
    return tuple(places), item


def keep(issued: Issued, *, store: str | Path | None, required: bool) -> tuple[str | None, list[Finding]]:
    """Keep forecasts in the ledger of their name; returns the file, or None and a finding where that failed.

    A forecast is not lost because the ledger cannot be written, unless it is `required`: then the error is raised.
    """
    place = Path(store) if store is not None else default_store()
    try:
        return str(Ledger(place, str(issued.facts["name"])).append(issued)), []
    except (OutputError, LockedError, ModelFileError) as error:
        if required:
            raise
        message = f"the forecasts are not kept in the ledger: {error.message}"
        fix = f"{error.hint}; `--no-ledger` keeps none" if error.hint else "`--no-ledger` keeps none"
        return None, [Finding("W_LEDGER", message, fix=fix)]


def _facts(manifest: Manifest, series: SeriesSet, horizon: int) -> dict[str, JSONValue]:
    """Return what reading and scoring the actuals needs when the model is long gone."""
    return {
        "name": ledger_name(manifest),
        "model": manifest.label,
        "roles": manifest.roles.model_dump(mode="json"),
        "freq": series.freq.to_dict(),
        "season_length": series.season_length,
        "horizon": horizon,
        "settings": plain(manifest.settings),
        "paths": list(manifest.input.paths),
    }
