"""Targets of categories: train, evaluate and forecast a network that gives each category a probability.

Axis legend: S series, W windows, H horizon, K categories.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array
from rnnforecast.config import Settings
from rnnforecast.data.errors import listed
from rnnforecast.data.read import ReadResult
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, WindowBatch, Windows, gather
from rnnforecast.data.write import shown_output
from rnnforecast.errors import DataError, UsageError
from rnnforecast.evaluation.backtest import Spacing, default_num_windows, place_windows
from rnnforecast.evaluation.categorical import CategoryScores, baseline_probabilities, score_categories
from rnnforecast.evaluation.verdict import Verdict, overlap_of, rounds_of
from rnnforecast.findings import Finding
from rnnforecast.forecasting import last_windows
from rnnforecast.inference.categorical import (
    CATEGORICAL_BASELINES,
    MOST_FREQUENT,
    continued,
    forecast_categories,
    lengthened,
)
from rnnforecast.members import ENSEMBLE, CategoricalSettings
from rnnforecast.model_io.pack import Record, num_fitted, pack_categorical
from rnnforecast.options import Activate
from rnnforecast.progress import Progress
from rnnforecast.store.manifest import TestRecord
from rnnforecast.store.record import LeadRecord
from rnnforecast.store.registry import Registry
from rnnforecast.training.judge import how_to_test, rows_before_windows
from rnnforecast.training.split import Split, split_rows
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast
from rnnforecast.workflows.forecasts.table import free_name, numbers_of, step_columns
from rnnforecast.workflows.model_rows import LoadedModel
from rnnforecast.workflows.results import CategoricalEvaluateResult, CategoricalTrainResult

if TYPE_CHECKING:
    from rnnforecast.training.categorical import CategoricalFit  # imports torch

Network: TypeAlias = tuple[CategoricalSettings, Mapping[str, np.ndarray]]

#: Settings that are about numbers, or about networks that forecast them, and have no effect on categories.
NUMERIC_SETTINGS = {
    "data": (
        *("season_length", "past", "future", "static", "future_data", "calendar_features", "country"),
        *("decimal", "thousands", "number_format", "percent", "strip_units", "inf", "fill", "floor", "cap", "bounds"),
    ),
    "network": (
        *("mapping", "synchronous", "bidirectional", "attention", "segment_length", "normalisation"),
        *("log", "base", "skip", "head"),
    ),
    "training": ("from_", "teacher_forcing", "num_members", "theta_weight", "device"),
    "evaluation": ("quantiles", "gap"),
}
#: Windows that are forecast at once.
_BATCH_WINDOWS = 1_024


def train_categories(
    read: ReadResult, settings: Settings, *, name: str, registry: Registry, progress: Progress, activate: Activate
) -> CategoricalTrainResult:
    """Fit a network over the categories of the target, test it on held-out windows, and store it.

    Raises UsageError for settings without an effect, DataError for too few rows.
    """
    from rnnforecast.training.categorical import choose_network, fit_categories, log_transitions
    from rnnforecast.training.fit_result import curve_of

    _check_settings(settings)
    started = time.monotonic()
    series, horizon = read.series, read.assumptions.horizon
    count, budget = len(series.target_categories), settings.training.time_budget
    split = split_rows(series, horizon=horizon, evaluation=settings.evaluation)
    network = choose_network(series, settings, num_categories=count, horizon=horizon)
    rounds = settings.training.num_rounds(usual=2)
    fit = partial(
        fit_categories,
        settings=settings,
        network=network,
        progress=progress,
        budget_seconds=None if budget is None else budget.seconds / rounds,
    )
    past = series.head(split.num_past_rows)
    validation = split.validation if len(split.validation) else None
    fitted = fit(past, validation=validation)
    # what is counted is counted on all rows before the test
    counted = log_transitions(past, num_categories=count, horizon=horizon)
    tensors = {**fitted.tensors, "transitions": counted.astype(np.float32)}
    scores = _score((network, tensors), series, split.test, counted)
    earlier = np.asarray(fitted.tensors["transitions"], dtype=np.float64)
    before = None if validation is None else _score((network, fitted.tensors), series, validation, earlier)
    verdict = _verdict(scores, series, Spacing(horizon, 0, split.window_step), before=before, num_kept=split.num_kept)
    if rounds == 2:
        steps = fitted.fit.best_step if fitted.fit is not None and validation is not None else None
        tensors = dict(fit(series, validation=None, num_steps=steps).tensors)
    curves = () if fitted.fit is None else (curve_of(fitted.fit, name=network.cell, is_used=True),)
    record = _record(scores, verdict, split, settings, series=series, seconds=time.monotonic() - started)
    record = replace(record, curves=curves)
    model = pack_categorical(
        read, network, tensors, assumptions=read.assumptions, settings=settings, name=name, record=record
    )
    stored = registry.add(model, activate=activate != "never")
    return CategoricalTrainResult(
        model=stored.label,
        path=str(stored.path),
        assumptions=read.assumptions.to_dict(),
        reasons=read.assumptions.reasons,
        findings=read.findings,
        settings=settings.to_flat(),
        members=(network.model_dump(mode="json"),),
        metrics={} if scores is None else scores.metrics(),
        verdict=record.verdict,
        served=record.served,
        num_windows=split.num_windows,
        seconds=record.seconds,
        notes=(*_training_notes(fitted, has_scores=scores is not None), *registry.repairs),
        categories=series.target_categories,
    )


def _record(
    scores: CategoryScores | None,
    verdict: Verdict | None,
    split: Split,
    settings: Settings,
    *,
    series: SeriesSet,
    seconds: float,
) -> Record:
    lost = verdict is not None and verdict.outcome == "loss" and settings.evaluation.on_loss == "serve-baseline"
    return Record(
        metrics={} if scores is None else scores.metrics(),
        verdict=None if verdict is None else verdict.to_dict(),
        served=verdict.against if verdict is not None and lost else ENSEMBLE,
        seconds=seconds,
        fitted_lengths=series.lengths if settings.training.num_rounds(usual=2) == 2 else split.num_past_rows,
        by_lead=LeadRecord(),
        curves=(),
        test=TestRecord(num_windows=split.num_windows, window_step=split.window_step),
    )


def evaluate_categories(
    loaded: LoadedModel, *, num_windows: int | None, window_step: int | None, gap: int, refit: bool, progress: Progress
) -> CategoricalEvaluateResult:
    """Score a network over categories on past windows, with `refit` fitted before each. Raises DataError without a window."""
    network = _network_of(loaded)
    if loaded.horizon != loaded.manifest.horizon:
        message = f"{loaded.manifest.label} forecasts categories, which are scored on the horizon of the training"
        raise UsageError(message, hint="leave `--horizon` out", code="E_RUN_CATEGORIES")
    started, series, horizon = time.monotonic(), loaded.series, loaded.manifest.horizon
    step = window_step or loaded.manifest.test.window_step or horizon
    count = num_windows or loaded.manifest.test.num_windows or default_num_windows(series.lengths, horizon=horizon)
    place = partial(place_windows, horizon=horizon, gap=gap, num_windows=count, min_past=2)
    windows = place(series.lengths, window_step=step)
    rows = rows_before_windows(series, windows)
    if refit and len(windows):
        found = refitted_probabilities(loaded, windows, gap=gap, progress=progress)
        scores = score_categories(
            found, _batch(network[0], FlatSeries.from_series(series), windows, gap=gap), windows.series
        )
    else:
        scores = _score(network, series, windows, _transitions(network, series.head(rows)), gap=gap)
    if scores is None:
        raise DataError(
            f"no window of {gap + horizon} steps with a known category: "
            f"the longest series has {int(series.lengths.max())} rows",
            hint="bring more rows",
            code="E_SERIES_SHORT",
        )
    known = np.zeros_like(series.lengths)
    tested = np.unique(windows.series)
    known[tested] = rows[tested]
    earlier = place(known)
    first = rows_before_windows(series, earlier) if len(earlier) else known
    before = _score(network, series, earlier, _transitions(network, series.head(first)), gap=gap)
    verdict = _verdict(scores, series, Spacing(horizon, gap, step), before=before, num_kept=0)
    ordinals = np.unique(series.first_ordinals[windows.series] + windows.cutoffs - 1)
    inside = 0 if refit else num_fitted(loaded.manifest, series, windows)
    within = f"{inside} of {len(windows)} windows are within the rows the model was fitted on: their scores flatter it"
    return CategoricalEvaluateResult(
        model=loaded.manifest.label,
        assumptions=loaded.manifest.assumptions,
        findings=loaded.findings,
        num_windows=int(np.bincount(windows.series).max()),
        window_step=step,
        gap=gap,
        refit=refit,
        cutoffs=tuple(series.freq.to_timestamps(ordinals)),
        metrics=scores.metrics(),
        per_lead=scores.per_lead(),
        per_series=(),
        verdict=None if verdict is None else verdict.to_dict(),
        num_calibrated=0,
        notes=(*loaded.notes, *([within] if inside else [])),
        seconds=time.monotonic() - started,
        categories=series.target_categories,
        confusion=tuple(map(tuple, scores.confusion.tolist())),
    )


def _transitions(network: Network, series: SeriesSet) -> Float64Array:
    from rnnforecast.training.categorical import log_transitions

    return log_transitions(series, num_categories=network[0].num_categories, horizon=network[0].horizon)


def refitted_probabilities(
    loaded: LoadedModel, windows: Windows, *, gap: int, progress: Progress
) -> dict[str, Float64Array]:
    """Return probabilities [W, H, K] of each method, all fitted or counted on the rows before each round of windows."""
    from rnnforecast.training.categorical import fit_categories
    from rnnforecast.training.refit import rows_before
    from rnnforecast.training.split import cut_validation_windows

    network, series, rounds = _network_of(loaded)[0], loaded.series, rounds_of(windows.series, windows.cutoffs)
    settings = Settings.from_flat(loaded.manifest.settings, source=f"the settings of {loaded.manifest.label}")
    found: dict[str, Float64Array] = {}
    for number in np.unique(rounds):
        chosen = np.flatnonzero(rounds == number)
        part = windows.select(chosen)
        past = series.head(rows_before(series, part))
        validation = cut_validation_windows(
            past.lengths, horizon=network.horizon, season_length=past.season_length, num_windows=1
        )
        fitted = fit_categories(
            past, settings, network, validation=validation if len(validation) else None, progress=progress
        )
        counted = _transitions((network, {}), past)
        tensors = {**fitted.tensors, "transitions": counted.astype(np.float32)}
        for name, each in _probabilities((network, tensors), series, part, counted, gap=gap).items():
            found.setdefault(name, np.empty((len(windows), *each.shape[1:])))[chosen] = each
    return found


def predict_categories(
    loaded: LoadedModel,
    *,
    horizon: int | None,
    shown: Sequence[str],
    output: str | Path | None,
    unused: Mapping[str, object],
    findings: Sequence[Finding],
) -> CategoricalForecast:
    """Forecast the probability of each category; `shown` are ids of series. Raises UsageError for an `unused` option."""
    network, series = _network_of(loaded), loaded.series
    _reject(unused, loaded)
    trained = network[0].horizon
    steps = horizon or trained
    served = loaded.manifest.served
    flat, windows = FlatSeries.from_series(series), last_windows(series)
    if served == ENSEMBLE:
        probabilities = _forecast(network, flat, windows, steps)
    else:
        transitions = lengthened(network[1]["transitions"], steps)
        probabilities = baseline_probabilities(served, transitions, _batch(network[0], flat, windows))
    note = [f"`{served}` is served: the network lost to it on the test windows"] if served != ENSEMBLE else []
    if steps > trained and served != MOST_FREQUENT:
        note.append(f"steps after {trained}, the horizon of the training, continue as a Markov chain")
    return CategoricalForecast(
        model=loaded.manifest.label,
        frame=_frame(series, probabilities, method=served),
        freq=series.freq.alias,
        horizon=steps,
        quantile_levels=(),
        cutoffs=tuple(series.freq.to_timestamps(np.unique(series.first_ordinals + series.lengths - 1))),
        num_series=series.num_series,
        previews=(),
        output=None if output is None else shown_output(output),
        findings=(*loaded.findings, *findings),
        notes=(*loaded.notes, *note),
        target=series.target_names[0],
        categories=series.target_categories,
        shown=tuple(numbers_of(series, shown)) or tuple(range(min(series.num_series, 3))),
    )


def _frame(series: SeriesSet, probabilities: Float64Array, *, method: str) -> pd.DataFrame:
    """Lay out probabilities [S, H, K] as one row a series and step."""
    words, horizon = np.array(series.target_categories, dtype=object), probabilities.shape[1]
    columns = step_columns(series, horizon)
    columns[free_name("forecast", columns)] = words[probabilities.argmax(axis=-1)].ravel()
    columns[free_name("probability", columns)] = probabilities.max(axis=-1).ravel()
    for place, word in enumerate(words):
        columns[free_name(f"p_{word}", columns)] = probabilities[..., place].ravel()
    columns[free_name("method", columns)] = np.full(series.num_series * horizon, method, dtype=object)
    return pd.DataFrame(columns, copy=False)


def _batch(network: CategoricalSettings, flat: FlatSeries, windows: Windows, *, gap: int = 0) -> WindowBatch:
    """Gather windows; their future begins `gap` steps after the cutoff."""
    batch = gather(flat, windows, context_length=network.context_length, horizon=gap + network.horizon)
    return replace(batch, future_target=batch.future_target[:, gap:], future_observed=batch.future_observed[:, gap:])


def _forecast(network: Network, flat: FlatSeries, windows: Windows, horizon: int) -> Float64Array:
    found = [
        forecast_categories(*network, _batch(network[0], flat, windows.select(slice(start, start + _BATCH_WINDOWS))))
        for start in range(0, len(windows), _BATCH_WINDOWS)
    ]
    return continued(np.concatenate(found), network[1]["transitions"], horizon)


def _score(
    network: Network, series: SeriesSet, windows: Windows, counted: Float64Array, *, gap: int = 0
) -> CategoryScores | None:
    """Score a network and both baselines, whose transitions were `counted` before the windows; None without a window."""
    if not len(windows):
        return None
    batch = _batch(network[0], FlatSeries.from_series(series), windows, gap=gap)
    return score_categories(_probabilities(network, series, windows, counted, gap=gap), batch, windows.series)


def _probabilities(
    network: Network, series: SeriesSet, windows: Windows, counted: Float64Array, *, gap: int
) -> dict[str, Float64Array]:
    """Return probabilities [W, H, K] of the network and of both baselines, from `gap` steps after the cutoffs on."""
    flat, steps = FlatSeries.from_series(series), gap + network[0].horizon
    batch = _batch(network[0], flat, windows, gap=gap)
    ahead = lengthened(counted, steps)[gap:]
    return {
        ENSEMBLE: _forecast(network, flat, windows, steps)[:, gap:],
        **{name: baseline_probabilities(name, ahead, batch) for name in CATEGORICAL_BASELINES},
    }


def _verdict(
    scores: CategoryScores | None, series: SeriesSet, spacing: Spacing, *, before: CategoryScores | None, num_kept: int
) -> Verdict | None:
    if scores is None:
        return None
    return scores.verdict(
        overlap=overlap_of(spacing.horizon, spacing.window_step),
        rival=None if before is None else before.best_baseline(),
        remedy=how_to_test(series, spacing, num_kept=num_kept),
    )


def _training_notes(fitted: CategoricalFit, *, has_scores: bool) -> list[str]:
    notes = [] if has_scores else ["too few rows for a test set: no scores, no verdict"]
    if fitted.fit is not None and fitted.fit.best_step == 0:
        notes.append("on the validation rows no gradient step improved on the transitions: they are the forecast")
    elif fitted.fit is not None and fitted.fit.is_stopped:
        steps = fitted.fit.num_steps
        notes.append(f"training stopped after {steps} steps: the validation loss no longer improved (`--effort best`)")
    return notes


def _network_of(loaded: LoadedModel) -> Network:
    if loaded.categorical is None:
        raise ValueError("a model without categories")
    return loaded.categorical


def _check_settings(settings: Settings) -> None:
    """Raise UsageError for settings that are about numbers, and for aggregations that words do not have."""
    data = settings.data
    unused = [
        f"--{name.removesuffix('_').replace('_', '-')}"
        for group, names in NUMERIC_SETTINGS.items()
        for name in names
        if name in getattr(settings, group).model_fields_set
    ]
    unused += [f"--aggregate {data.aggregate}"] if data.aggregate not in (None, "last") else []
    unused += [f"--duplicates {data.duplicates}"] if data.duplicates in ("sum", "mean") else []
    if unused:
        message = f"the target holds categories: {listed(unused)} would have no effect"
        hint = "leave it out" + ("; `--aggregate last` resamples words" if "--aggregate" in unused[-1] else "")
        raise UsageError(message, hint=hint, code="E_RUN_CATEGORIES")


def _reject(options: Mapping[str, object], loaded: LoadedModel) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        message = f"{loaded.manifest.label} forecasts categories: {listed(given)} is for numbers"
        raise UsageError(message, hint="leave it out", code="E_RUN_CATEGORIES")
