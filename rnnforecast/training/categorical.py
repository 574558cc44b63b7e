"""Fit a network over sequences of categories: transitions first, then what a recurrent network adds to them.

Axis legend: S series, H horizon, K categories.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import ValidationError

from rnnforecast.arrays import Float64Array
from rnnforecast.config import Settings
from rnnforecast.data.ragged import spread_sample
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.members import CategoricalSettings
from rnnforecast.networks.categorical import CategoricalForecaster
from rnnforecast.progress import Progress
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.judge import rows_before_windows
from rnnforecast.training.loop import TrainWindows, fit_network, one_thread
from rnnforecast.training.recipe import PATIENCE, STEPS_OF_EFFORT, FitSettings
from rnnforecast.training.sampling import WindowSampler
from rnnforecast.training.state import ValidationWindows

#: Steps that a network reads at most unless the user sets more, gradient steps of a normal training, and their rate.
CONTEXT_LENGTH, NUM_STEPS, LEARNING_RATE = 64, 300, 1e-2
#: Fraction of the rows before the last validation window that choose the weights at least, and windows at most: a few windows
#: without overlap hold too few changes of category to tell one step from another.
VALIDATION_FRACTION, MAX_VALIDATION = 0.1, 512
#: Observations that the frequencies of all categories count for, after each of them.
PRIOR_STEPS = 1.0


@dataclass(frozen=True)
class CategoricalFit:
    """A fitted network: its settings and tensors, and how it was fitted (None where it was not)."""

    settings: CategoricalSettings
    tensors: Mapping[str, np.ndarray]
    fit: Fit | None


@one_thread()
def fit_categories(
    series: SeriesSet,
    settings: Settings,
    network: CategoricalSettings,
    *,
    validation: Windows | None,
    progress: Progress,
    budget_seconds: float | None = None,
    num_steps: int | None = None,
) -> CategoricalFit:
    """Fit on the rows before the `validation` windows, on which the best weights are chosen, those before any step included.

    `num_steps` replaces the gradient steps of the settings; without any the transitions alone are the forecast.
    """
    asked = settings.training
    validation = None if validation is None else _overlapping(validation)
    rows = series.lengths if validation is None else rows_before_windows(series, validation)
    transitions = log_transitions(series.head(rows), num_categories=network.num_categories, horizon=network.horizon)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(asked.seed)
        module = CategoricalForecaster(
            network, torch.from_numpy(transitions.astype(np.float32)), dropout=settings.network.dropout
        )
    steps = num_steps if num_steps is not None else asked.num_steps
    if steps is None:
        steps = round(STEPS_OF_EFFORT[asked.effort] * NUM_STEPS)
    last = rows - network.horizon
    chosen = np.flatnonzero(last >= 1)
    fit = None
    if steps and len(chosen):
        flat = FlatSeries(**{name: torch.from_numpy(a) for name, a in FlatSeries.from_series(series).arrays().items()})
        sampler = WindowSampler(
            series=torch.from_numpy(chosen.astype(np.int64)),
            first=torch.ones(len(chosen), dtype=torch.int64),
            last=torch.from_numpy(last[chosen]),
        )
        how = FitSettings(
            num_steps=steps,
            batch_size=asked.batch_size or 32,
            learning_rate=asked.learning_rate or LEARNING_RATE,
            weight_decay=asked.weight_decay,
            gradient_clip=asked.gradient_clip,
            teacher_forcing=0.0,
            patience=None if asked.num_steps or asked.effort == "best" else PATIENCE,
            starts_fitted=True,
        )
        progress.start("train", steps)
        fit = fit_network(
            module,
            TrainWindows(flat, sampler),
            how,
            validation_windows=None if validation is None else ValidationWindows(flat, _as_tensors(validation)),
            seed=asked.seed,
            budget_seconds=budget_seconds,
            progress=progress,
        )
        progress.finish()
    tensors = fit.weights if fit is not None else {name: one.numpy() for name, one in module.state_dict().items()}
    return CategoricalFit(network, tensors, fit)


def choose_network(series: SeriesSet, settings: Settings, *, num_categories: int, horizon: int) -> CategoricalSettings:
    """Return the settings of the network that the user asks for. Raises UsageError for one that is too large."""
    asked = settings.network
    longest = max(int(series.lengths.max(initial=0)) - horizon, 1)
    try:
        return CategoricalSettings(
            num_categories=num_categories,
            cell=asked.cell or "gru",
            hidden_size=asked.hidden_size or 64,
            num_layers=asked.num_layers or 1,
            residual=asked.residual,
            context_length=asked.context_length or min(max(CONTEXT_LENGTH, 2 * horizon), longest),
            horizon=horizon,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"`{part}`: " for part in first["loc"])
        message = f"a network over categories cannot be that large: {where}{first['msg'].removeprefix('Value error, ')}"
        hint = "lower `--horizon`, `--hidden-size`, `--num-layers` or `--context-length`"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG") from error


def log_transitions(series: SeriesSet, *, num_categories: int, horizon: int) -> Float64Array:
    """Return the log probability of each category 1 to H steps after each one, and where none is known: [H, K + 1, K].

    A Markov chain of first order: its transitions are counted over neighbouring observed steps, and the frequencies of
    all categories count as `PRIOR_STEPS` more steps after each.
    """
    owner = np.repeat(np.arange(series.num_series), series.lengths)
    codes = np.where(series.observed, series.values - 1, num_categories).astype(np.int64)
    counts = np.bincount(codes, minlength=num_categories + 1)[:num_categories] + 0.5
    frequencies = counts / counts.sum()
    pairs = (owner[1:] == owner[:-1]) & series.observed[1:] & series.observed[:-1]
    moves = np.zeros((num_categories, num_categories))
    np.add.at(moves, (codes[:-1][pairs], codes[1:][pairs]), 1.0)
    moves = (moves + PRIOR_STEPS * frequencies) / (moves.sum(axis=1, keepdims=True) + PRIOR_STEPS)
    ahead, power = np.empty((horizon, num_categories + 1, num_categories)), np.eye(num_categories)
    for lead in range(horizon):
        power = power @ moves
        ahead[lead, :-1], ahead[lead, -1] = power, frequencies
    return np.asarray(np.log(ahead))


def _overlapping(windows: Windows) -> Windows:
    """Return a window for each row of the span that these windows cover, or of the newest tenth of the rows before them."""
    parts = []
    for one in np.unique(windows.series).tolist():
        cutoffs = windows.cutoffs[windows.series == one]
        last = int(cutoffs.max())
        parts.append(
            (one, np.arange(min(int(cutoffs.min()), max(round((1 - VALIDATION_FRACTION) * last), 1)), last + 1))
        )
    owner = np.concatenate([np.full(len(cutoffs), one, dtype=np.int64) for one, cutoffs in parts])
    found = np.concatenate([cutoffs for _, cutoffs in parts]).astype(np.int64)
    kept = spread_sample(len(found), MAX_VALIDATION)
    return type(windows)(owner[kept], found[kept])


def _as_tensors(windows: Windows) -> Windows:
    return type(windows)(torch.from_numpy(windows.series), torch.from_numpy(windows.cutoffs))
