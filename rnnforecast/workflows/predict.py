"""`predict`: forecast the steps after the last rows with a stored model; nothing is fitted, torch is not imported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.files.overwrite import Owned, check_outputs
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import stem_of
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.data.write import DEFAULT_WAIT, check_output, output_kind, shown_output, write_forecasts
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.json_values import timestamp_to_json
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.question import READERS, SEASONAL_NAIVE
from rnnforecast.model_io.base import BASE
from rnnforecast.options import Engine, StaleRows, SumOver
from rnnforecast.progress import Progress
from rnnforecast.store.ledger import LEDGER_LEVELS
from rnnforecast.store.registry import default_store
from rnnforecast.workflows.forecasts.explain import Asked, Explanation, check_asked, explain, write_attention
from rnnforecast.workflows.forecasts.panel import Forecast, forecast_series
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast, PredictResult, Preview
from rnnforecast.workflows.forecasts.sums import check_sum, sum_forecasts, sums_frame, sums_preview
from rnnforecast.workflows.forecasts.table import (
    check_shape,
    forecast_frame,
    make_overview,
    make_previews,
    numbers_of,
    shaped,
)
from rnnforecast.workflows.forecasts.totals import (
    check_totals,
    total_forecasts,
    total_previews,
    totals_frame,
    with_levels,
)
from rnnforecast.workflows.model_rows import Files, LoadedModel, load
from rnnforecast.workflows.monitoring.freshness import check_age, parse_age, reject_stale

Observer: TypeAlias = Callable[[LoadedModel, Forecast], None]

#: Members of a zero-shot forecast with a smaller weight are not named.
SHOWN_WEIGHT = 0.1


@dataclass(frozen=True)
class ForecastRequest:
    """All options of a forecast; `predict` has the common ones.

    `sum` asks for sums over calendar weeks, months or the horizon, `totals` for sums of series by columns; `reading` chooses
    columns and frequency for `base`; `max_age` rejects older rows, `refuse_stale` rows that differ from those of the
    training (default: reject a training file that became shorter). `series` are the ids that are shown and drawn.
    `components` adds the parts of the forecast, `changes` (`price=1.1x`) and `what_if`, a file of `future` covariates, a
    second forecast; without `gains` what each covariate gains is not measured, which takes longer than the forecast.
    `decimals` and `columns` shape the table that is written to `output`.
    """

    horizon: int | None = None
    quantiles: Sequence[float] | None = None
    engine: Engine = "numpy"
    output: str | Path | None = None
    decimals: int | None = None
    columns: tuple[str, ...] = ()
    attention_output: str | Path | None = None
    reading: DataSettings | None = None
    max_age: str | None = None
    refuse_stale: StaleRows | None = None
    sum: SumOver | None = None
    totals: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    components: bool = False
    changes: tuple[str, ...] = ()
    what_if: str | Path | None = None
    gains: bool = True

    @property
    def asked(self) -> Asked:
        """What is to be explained."""
        return Asked(self.components, self.changes, self.what_if, self.engine, self.reading, self.gains)

    @property
    def needs_overview(self) -> bool:
        """Whether a screen begins with an overview of the panel: of steps, where no series was chosen."""
        return self.sum is None and self.output is None and not (self.series or self.totals)

    @property
    def wait(self) -> float:
        """Seconds to wait for a busy database."""
        return self.reading.wait.seconds if self.reading is not None else DEFAULT_WAIT


@one_blas_thread()
def predict(
    model: str | None = None,
    *,
    data: Data | Files | None = None,
    horizon: int | None = None,
    quantiles: Sequence[float] | None = None,
    store: str | Path | None = None,
    engine: Engine = "numpy",
    output: str | Path | None = None,
    reading: DataSettings | None = None,
) -> PredictResult:
    """Forecast `horizon` steps after the last row of every series.

    `quantiles` are the levels chosen in training unless given.
    `model` is `NAME`, `NAME@VERSION` or a path; not named, it is the newest, or with `data` the newest trained on
    data of that name and columns. `data` defaults to the files of the training, read again; `Files` adds those of
    `future` covariates. For the name `base`, and if no stored model fits the data, the pretrained model forecasts
    zero-shot; columns and frequency are then found in the file, or taken from `reading`.

    Raises ModelFileError, InputError, DataError, OutputError, UsageError, and StaleError where the file of the
    training, read again, ends before rows the model has seen; never returns NaN or too few rows.
    """
    request = ForecastRequest(horizon, quantiles, engine, output, reading=reading)
    return forecast_request(request, model, data=data, store=store)


def forecast_request(
    request: ForecastRequest,
    model: str | None = None,
    *,
    data: Data | Files | None = None,
    store: str | Path | None = None,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> PredictResult:
    """Forecast as `predict` does, with all options; `observer` is called with model, rows and forecast.

    Raises what `predict` raises, and StaleError for rows older than the request allows.
    """
    started, wanted = time.monotonic(), _check_arguments(request.horizon, request.quantiles)
    age = parse_age(request.max_age) if request.max_age is not None else None
    _check_writable(request)
    steps, files = wanted.data.horizon, Files.of(data)
    loaded = load(model, data=data, store=store, reading=request.reading, horizon=steps, allow_categories=True)
    _check_outputs(request, files, loaded, model=model, store=store)
    stale = check_age(loaded.series, age)
    reject_stale((*loaded.findings, *stale), request.refuse_stale or ("none" if files.rows else "shrunk"))
    if loaded.categorical is not None:
        return _predict_categories(request, loaded, stale, files, started=started)
    steps, levels = steps or loaded.manifest.horizon, wanted.evaluation.quantiles or trained_quantiles(loaded)
    loaded = _checked(loaded, request, steps, files)
    forecast = forecast_series(
        loaded,
        loaded.series,
        horizon=steps,
        quantile_levels=(*levels, *LEDGER_LEVELS),
        engine=request.engine,
        progress=progress,
        keep_distribution=request.sum is not None or request.components or bool(request.totals),
    )
    explanation = explain(request.asked, loaded, forecast)
    frame, previews = _tables(loaded, forecast.at(levels), request, explanation)
    _write(request, loaded, frame, rows=files.rows)
    if observer is not None:
        observer(loaded, forecast)
    series = loaded.series
    return PredictResult(
        model=loaded.manifest.label,
        frame=frame,
        freq=series.freq.alias,
        horizon=steps,
        quantile_levels=levels,
        cutoffs=tuple(series.freq.to_timestamps(np.unique(series.first_ordinals + series.lengths - 1))),
        num_series=series.num_series,
        previews=previews,
        overview=make_overview(series, forecast.at(levels)) if request.needs_overview else (),
        sum=request.sum,
        totals=request.totals,
        gains=explanation.gains,
        what_if=explanation.label,
        output=None if request.output is None else shown_output(request.output),
        attention_output=None if request.attention_output is None else str(request.attention_output),
        findings=(*loaded.findings, *stale, *explanation.findings, *_cut_off(loaded, forecast)),
        notes=(*loaded.notes, *_notes(loaded, forecast, totals=bool(request.totals)), *explanation.notes),
        seconds=time.monotonic() - started,
    )


def _checked(loaded: LoadedModel, request: ForecastRequest, horizon: int, files: Files) -> LoadedModel:
    """Return the model and its rows, with what totals need. Raises UsageError and DataError for what cannot be asked."""
    if loaded.manifest.name == BASE:
        loaded = with_levels(loaded, request.totals, files, request.reading)
    check_known_future(loaded.series, horizon)
    check_sum(loaded.series, request.sum)
    check_totals(loaded.series, request.totals, {"--sum": request.sum, "--series": request.series})
    numbers_of(loaded.series, request.series)
    return loaded


def _predict_categories(
    request: ForecastRequest, loaded: LoadedModel, stale: Sequence[Finding], files: Files, *, started: float
) -> CategoricalForecast:
    from rnnforecast.workflows.categorical import predict_categories

    unused = {
        "--quantiles": request.quantiles, "--sum": request.sum, "--components": request.components,
        "--set": request.changes, "--what-if": request.what_if, "--attention-output": request.attention_output,
        "--total": request.totals, "--engine torch": request.engine != "numpy",
    }  # fmt: skip
    result = predict_categories(
        loaded, horizon=request.horizon, shown=request.series, output=request.output, unused=unused, findings=stale
    )
    _write(request, loaded, result.frame, rows=files.rows)
    return replace(result, seconds=time.monotonic() - started)


def _check_writable(request: ForecastRequest) -> None:
    check_asked(request.asked, sums=request.sum is not None or bool(request.totals))
    check_shape(request.output, decimals=request.decimals, columns=request.columns)
    if request.output is not None:
        check_output(request.output, wait=request.wait)
    if request.attention_output is not None:
        output_kind(request.attention_output)  # weights are written to files only
        check_output(request.attention_output)


def _tables(
    loaded: LoadedModel, shown: Forecast, request: ForecastRequest, explanation: Explanation
) -> tuple[pd.DataFrame, tuple[Preview, ...]]:
    series = loaded.series
    numbers = numbers_of(series, request.series) or None
    previews = make_previews(series, shown, numbers)
    if request.totals:
        totals = total_forecasts(loaded, shown, request.totals, levels=shown.quantile_levels)
        return totals_frame(series, totals, shown), total_previews(series, totals, shown)
    if request.sum is None:
        frame = explanation.in_frame(forecast_frame(series, shown), shown)
        return frame, explanation.in_previews(previews, numbers)
    sums = sum_forecasts(loaded, shown, request.sum, levels=shown.quantile_levels)
    pairs = zip(numbers or range(len(previews)), previews, strict=True)
    summed = (sums_preview(series, sums, preview, number) for number, preview in pairs)
    return sums_frame(series, sums, shown), tuple(summed)


def _write(request: ForecastRequest, loaded: LoadedModel, frame: pd.DataFrame, *, rows: Sequence[str | Path]) -> None:
    """Write forecasts and attention where the request names outputs. Raises OutputError."""
    if request.output is not None:
        model = written_model(loaded, rows)
        frame = shaped(frame, decimals=request.decimals, columns=request.columns)
        key = key_columns(loaded, frame, is_total=bool(request.totals))
        write_forecasts(frame, request.output, model=model, key=key, wait=request.wait)
    if request.attention_output is not None:
        write_attention(loaded, request.attention_output)


def _cut_off(loaded: LoadedModel, forecast: Forecast) -> list[Finding]:
    """Count the steps with a forecast or an interval limit beyond a bound that the user set."""
    if not forecast.num_cut_off or (loaded.bounds.floor is None and loaded.bounds.cap is None):
        return []
    message = f"{_counted_cuts(forecast)} beyond --floor or --cap and set to it"
    fix = "leave out --floor and --cap to see what was forecast"
    return [Finding("W_FORECAST_BOUND", message, count=forecast.num_cut_off, fix=fix)]


def _bounds_note(loaded: LoadedModel, forecast: Forecast) -> list[str]:
    """Say what the forecasts keep to, where that changed any of them."""
    counted = bool(_cut_off(loaded, forecast))
    if not loaded.bounds.is_inferred or not ((forecast.num_cut_off and not counted) or "whole" in forecast.bounds):
        return []
    cut = f"; {_counted_cuts(forecast)} beyond that" if forecast.num_cut_off and not counted else ""
    return [f"forecasts keep to what the history was: {forecast.bounds}{cut} (--no-bounds)"]


def _counted_cuts(forecast: Forecast) -> str:
    verb = "was" if forecast.num_cut_off == 1 else "were"
    return f"{forecast.num_cut_off:,} of {plural(forecast.median.size, 'forecast')} or interval limits {verb}"


def key_columns(loaded: LoadedModel, frame: pd.DataFrame, *, is_total: bool = False) -> list[str]:
    """Return the columns that identify a forecast of a model: ids, target (of several), timestamp and cutoff."""
    count = (2 if is_total else len(loaded.series.id_columns)) + (len(loaded.series.target_names) > 1) + 2
    return [str(name) for name in frame.columns[:count]]


def written_model(loaded: LoadedModel, rows: Sequence[str | Path]) -> str:
    """Return the model's name in a table of forecasts; `base` is identified by the rows it forecasts."""
    if loaded.manifest.name != BASE or not rows:
        return loaded.manifest.label
    return f"{BASE}:{stem_of(str(rows[0]))}"


def trained_quantiles(loaded: LoadedModel) -> tuple[float, ...]:
    """Return the levels that were chosen when the model was trained."""
    stored = loaded.manifest.settings.get("quantiles")
    chosen = {} if stored is None else {"quantiles": stored}
    return Settings.from_flat(chosen, source=f"the settings of {loaded.manifest.label}").evaluation.quantiles


def _check_arguments(horizon: int | None, quantiles: Sequence[float] | None) -> Settings:
    levels = () if quantiles is None else tuple(quantiles)
    return Settings.from_flat({"horizon": horizon, "quantiles": levels}, source="the arguments of predict")


def check_known_future(series: SeriesSet, horizon: int) -> None:
    """Raise DataError where `future` covariates do not cover the horizon; it names columns, ids and timestamp."""
    if not series.future_names:
        return
    ahead = np.diff(series.future_offsets) - series.lengths
    short = np.flatnonzero(ahead < horizon)
    if not len(short):
        return
    first = int(short[0])
    ordinal = series.first_ordinals[first] + series.lengths[first] + ahead[first]
    timestamp = timestamp_to_json(series.freq.to_timestamps(np.array([ordinal]))[0], series.freq.alias)
    ids = ", ".join(f"`{series.item_ids[index]}`" for index in short[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    columns = ", ".join(f"`{name}`" for name in series.future_names if not is_generated(name))
    shorter = f", or use `--horizon {int(ahead.min())}`" if ahead.min() > 0 else ""
    raise DataError(
        f"`future` covariates ({columns}) end before the horizon of {horizon} steps"
        f"{f': {ids}{more}' if series.num_series > 1 else ''}; the first missing timestamp is {timestamp}",
        hint=f"add rows with these columns and an empty target, or name their file with --future-data{shorter}",
        code="E_COV_MISSING_FUTURE",
    )


def _notes(loaded: LoadedModel, forecast: Forecast, *, totals: bool) -> list[str]:
    notes, method = _bounds_note(loaded, forecast), forecast.method
    if forecast.weights:
        notes.append(_weights_note(forecast.weights))
        if loaded.series.covariate_names and not any(forecast.weights.get(name) for name in READERS):
            notes.append("the covariates are not used: they explain no more than chance, or improve no past windows")
        if forecast.weights.get(SEASONAL_NAIVE, 0.0) > 1 - SHOWN_WEIGHT:
            notes.append(
                "on past windows the seasonal naive forecast was clearly better than every other member: it is served"
            )
    if totals:
        notes.append(
            "the mean of a total is the sum of the means of its series; its median and intervals are its own, and do not add up"
        )
    notes += loaded.horizon_notes()
    if method not in (ENSEMBLE, BASE) and not any(
        note.startswith(f"`{method}` is served in place of") for note in loaded.notes
    ):
        notes.append(f"the ensemble lost to `{method}` on the test windows, so `{method}` is served")
    return notes


def _check_outputs(
    request: ForecastRequest, files: Files, loaded: LoadedModel, *, model: str | None, store: str | Path | None
) -> None:
    stored = loaded.manifest.input
    owned: list[Owned] = [("the data", path) for path in files.rows or stored.paths]
    owned += [("the covariates known ahead", path) for path in files.known_ahead or stored.future_paths]
    owned += [("the covariates of --what-if", request.what_if or ""), ("the store", store or default_store())]
    if model is not None and Path(model).is_file():
        owned.append(("the model", model))
    check_outputs({"--output": request.output, "--attention-output": request.attention_output}, owned)


def _weights_note(weights: Mapping[str, float]) -> str:
    """Name the members that carry a zero-shot forecast, heaviest first."""
    shown = {name: weight for name, weight in weights.items() if weight >= SHOWN_WEIGHT}
    parts = [f"{name} {100 * weight:.0f} %" for name, weight in shown.items()]
    rest = 1.0 - sum(shown.values())
    return f"weights: {', '.join([*parts, *([f'others {100 * rest:.0f} %'] if rest >= 0.005 else [])])}"
