"""Backtest with refit: networks trained anew on the rows before each cutoff, everything chosen there and then."""

from __future__ import annotations

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation.backtest import Forecaster
from rnnforecast.evaluation.verdict import rounds_of
from rnnforecast.forecasting import Ensemble
from rnnforecast.mixture.trained import TrainedForecaster
from rnnforecast.progress import Progress
from rnnforecast.training.context import FitContext
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.split import cut_validation_windows


def refitting_forecaster(series: SeriesSet, settings: Settings, *, horizon: int, progress: Progress) -> Forecaster:
    """Return a forecaster that trains once for each round of windows (the k-th from the end of every series)."""

    def forecast(windows: Windows, steps: int) -> np.ndarray:
        rounds = rounds_of(windows.series, windows.cutoffs)
        parts: list[np.ndarray] = []
        places: list[np.ndarray] = []
        for number in range(int(rounds.max(initial=-1)) + 1):
            chosen = np.flatnonzero(rounds == number)
            part = windows.select(chosen)
            past = series.head(rows_before(series, part))
            ensemble = fit_before(past, settings, horizon=horizon, progress=progress)
            parts.append(TrainedForecaster(ensemble, past)(part, steps))
            places.append(chosen)
        order = np.argsort(np.concatenate(places))
        return np.concatenate(parts)[order]

    return forecast


def fit_before(past: SeriesSet, settings: Settings, *, horizon: int, progress: Progress) -> Ensemble:
    """Choose, fit and calibrate on `past` alone, validated on its last horizon."""
    validation = cut_validation_windows(past.lengths, horizon=horizon, season_length=past.season_length, num_windows=1)
    context = FitContext.of(settings, progress)
    return fit_train_rows(past, settings, horizon=horizon, validation=validation, context=context).ensemble


def rows_before(series: SeriesSet, windows: Windows) -> np.ndarray:
    """Return the train rows of each series before these windows: up to its cutoff, else up to the latest cutoff."""
    latest = int((series.first_ordinals[windows.series] + windows.cutoffs).max())
    known = np.clip(latest - series.first_ordinals, 0, series.lengths)
    known[windows.series] = windows.cutoffs
    return known
