"""`evaluate`: a stored model on past windows, refitted before each window or not."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.data.windows import Windows
from rnnforecast.errors import DataError, UsageError
from rnnforecast.evaluation.backtest import Forecaster, Spacing, default_num_windows, place_windows
from rnnforecast.evaluation.verdict import MIN_CUTOFFS
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.gains import gains_note
from rnnforecast.mixture.trained import TrainedForecaster
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import is_zero_shot, last_read, num_fitted
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.manifest import TestRecord
from rnnforecast.training.initial_weights import names_model
from rnnforecast.training.judge import (
    Judgement,
    baseline_forecasters,
    choose_rival,
    how_to_test,
    judge_methods,
    rows_before_windows,
    squared_error_note,
    statistical_forecasters,
)
from rnnforecast.training.split import MAX_TESTED_SERIES
from rnnforecast.workflows.forecasts.explain import gains_of, regression_notes
from rnnforecast.workflows.model_rows import Files, LoadedModel, load
from rnnforecast.workflows.results import EvaluateResult


@one_blas_thread()
def evaluate(
    model: str | None = None,
    data: Data | Files | None = None,
    *,
    num_windows: int | None = None,
    window_step: int | None = None,
    gap: int = 0,
    refit: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> EvaluateResult:
    """Score a stored model and the baselines on the last `num_windows` windows of each series.

    With `refit` the networks are trained again before each window, on the rows before it alone; without, the stored
    weights are used, and a note counts the windows within the training rows. `data` are the files of the
    rows (default: those of the training), `Files` those of what is known ahead too.

    Raises UsageError, ModelFileError, InputError, DataError.
    """
    asked = {"num_windows": num_windows, "window_step": window_step, "gap": gap}
    Settings.from_flat(asked, source="the arguments of evaluate")
    started = time.monotonic()
    loaded = load(model, data=data, store=store, allow_categories=True)
    found = evaluate_loaded(loaded, num_windows, window_step, gap=gap, refit=refit, progress=progress)
    return replace(found, seconds=time.monotonic() - started)


def evaluate_loaded(
    loaded: LoadedModel,
    num_windows: int | None = None,
    window_step: int | None = None,
    *,
    gap: int = 0,
    refit: bool = False,
    progress: Progress | None = None,
) -> EvaluateResult:
    """Score a model and its rows as `evaluate` does. Raises UsageError, DataError."""
    if loaded.categorical is not None:
        from rnnforecast.workflows.categorical import evaluate_categories

        return evaluate_categories(
            loaded,
            num_windows=num_windows,
            window_step=window_step,
            gap=gap,
            refit=refit,
            progress=progress or NoProgress(),
        )
    if refit:
        _check_refit(loaded)
    series, horizon = loaded.series, loaded.horizon
    step, count = _windows_of(loaded, num_windows=num_windows, window_step=window_step, refit=refit)
    windows = _past_windows(series, horizon=horizon, num_windows=count, window_step=step, gap=gap)
    trained: Forecaster = loaded.zero_shot or TrainedForecaster(loaded.ensemble, series)
    network = _refitting(loaded, progress or NoProgress()) if refit else trained
    methods = {ENSEMBLE: network, **baseline_forecasters(series), **statistical_forecasters(series)}
    judgement = _judge(loaded, methods, windows, Spacing(horizon, gap, step))
    gains = gains_of(loaded, horizon)
    said = (
        *gains_note(gains, num_covariates=len(series.covariate_names)),
        *regression_notes(loaded.zero_shot, horizon),
    )
    return EvaluateResult(
        model=loaded.manifest.label,
        assumptions=loaded.manifest.assumptions,
        findings=loaded.findings,
        num_windows=int(np.bincount(windows.series).max()),
        window_step=step,
        gap=gap,
        refit=refit,
        cutoffs=cutoff_timestamps(series, windows),
        metrics=judgement.metrics(),
        per_lead=judgement.per_lead(),
        per_series=judgement.per_series(series),
        verdict=judgement.verdict_dict(),
        gains=gains,
        num_calibrated=0 if refit else _num_calibrated(loaded, windows, gap=gap),
        notes=(*loaded.notes, *squared_error_note(judgement, series), *_notes(loaded, windows, refit=refit), *said),
        series=series,
        backtest=judgement.backtest,
    )


def _check_refit(loaded: LoadedModel) -> None:
    label, start = loaded.manifest.label, _settings(loaded).training.from_
    if label == BASE:
        raise UsageError(f"`{BASE}` is fitted to nothing", hint="leave `--refit` out")
    if names_model(start):
        raise UsageError(
            f"{label} started from {start}, which was fitted on rows of the windows: trainings before each would too",
            hint=f"leave `--refit` out; `rnnforecast models show {shlex.quote(label)}` shows the test after those rows",
        )


def cutoff_timestamps(series: SeriesSet, windows: Windows) -> tuple[object, ...]:
    """Return the distinct cutoffs, in order."""
    ordinals = np.unique(series.first_ordinals[windows.series] + windows.cutoffs - 1)
    return tuple(series.freq.to_timestamps(ordinals))


def _past_windows(series: SeriesSet, *, horizon: int, num_windows: int, window_step: int, gap: int) -> Windows:
    min_past = series.season_length + 1
    windows = place_windows(
        series.lengths, horizon=horizon, num_windows=num_windows, window_step=window_step, gap=gap, min_past=min_past
    )
    if not len(windows):
        raise DataError(
            f"no series is long enough for one window: the longest has {int(series.lengths.max())} rows, "
            f"needs {min_past + gap + horizon}",
            hint="lower `--gap`, or bring more rows",
            code="E_SERIES_SHORT",
        )
    return windows


def _judge(loaded: LoadedModel, methods: dict[str, Forecaster], windows: Windows, spacing: Spacing) -> Judgement:
    """Judge the methods on the windows; the rival is chosen on those before."""
    series = loaded.series
    before = _windows_before(series, windows, horizon=spacing.horizon)
    return judge_methods(
        methods,
        series,
        windows,
        spacing=spacing,
        bounds=loaded.bounds,
        rival=choose_rival(series, before, horizon=spacing.horizon),
        remedy=how_to_test(series, spacing, num_kept=0, is_horizon_open=False),
    )


def _windows_of(
    loaded: LoadedModel, *, num_windows: int | None, window_step: int | None, refit: bool
) -> tuple[int, int]:
    """Return the step and the number of windows: those asked for, else those of the training."""
    horizon = loaded.horizon
    test = loaded.manifest.test if horizon == loaded.manifest.horizon else TestRecord()
    step = window_step or test.window_step or horizon
    is_fitted = refit or not (loaded.zero_shot is not None or is_zero_shot(loaded.ensemble))
    default = default_num_windows(loaded.series.lengths, horizon=horizon, is_fitted=is_fitted)
    return step, num_windows or test.num_windows or default


def _windows_before(series: SeriesSet, windows: Windows, *, horizon: int) -> Windows:
    """Place windows before the first of these, to choose the rival on: up to `MIN_CUTOFFS` of each series."""
    tested = np.unique(windows.series)
    known = np.zeros_like(series.lengths)
    spread = tested[:: -(-len(tested) // MAX_TESTED_SERIES)]
    known[spread] = rows_before_windows(series, windows)[spread]
    return place_windows(known, horizon=horizon, num_windows=MIN_CUTOFFS, min_past=series.season_length + 1)


def _refitting(loaded: LoadedModel, progress: Progress) -> Forecaster:
    """Return a forecaster that trains the model's recipe on the rows before each distinct cutoff."""
    from rnnforecast.training.refit import refitting_forecaster

    return refitting_forecaster(loaded.series, _settings(loaded), horizon=loaded.horizon, progress=progress)


def _settings(loaded: LoadedModel) -> Settings:
    return Settings.from_flat(loaded.manifest.settings, source=f"the settings of {loaded.manifest.label}")


def _num_calibrated(loaded: LoadedModel, windows: Windows, *, gap: int) -> int:
    """Count windows within the rows of the training: it calibrated the intervals on the newest of them."""
    last = last_read(loaded.manifest, loaded.series.freq)
    if last is None or loaded.zero_shot is not None or loaded.ensemble.calibration is None:
        return 0
    first_scored = loaded.series.first_ordinals[windows.series] + windows.cutoffs + gap
    return int((first_scored <= last).sum())


def _notes(loaded: LoadedModel, windows: Windows, *, refit: bool) -> list[str]:
    if refit:
        return []
    return [*loaded.horizon_notes(), *_flattering(loaded, windows)]


def _flattering(loaded: LoadedModel, windows: Windows) -> list[str]:
    inside = num_fitted(loaded.manifest, loaded.series, windows)
    if not inside:
        return []
    where = f"{inside} of {len(windows)} windows are within the rows"
    if is_zero_shot(loaded.ensemble):
        return [f"{where} of the training, which fitted no network: only weights and intervals were chosen on them"]
    return [f"{where} the model was fitted on: their scores flatter it; `--refit` trains again before each window"]
