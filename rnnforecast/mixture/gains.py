"""What each covariate gains: the error of the zero-shot ensemble on windows at the end of the rows, with and without it.

Regressions are fitted before each window, and the weights for a window come from the losses of the others, so nothing
has seen the rows that it is scored on.

Axis legend: S series, K windows, M members, H horizon, Q quantiles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.data.ragged import spread_sample
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.mixture.histories import Task, causal_windows
from rnnforecast.mixture.members import forecast_members
from rnnforecast.mixture.question import PRIORS, READERS, Question
from rnnforecast.mixture.weights import log_ratios, member_weights, pinball

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.mixture.like_series import LikeSeries
    from rnnforecast.mixture.zero_shot import ZeroShot

#: Windows of a series, series of a panel, and covariates that are measured.
NUM_WINDOWS, MAX_SERIES, MAX_COVARIATES = 8, 10, 12


@dataclass(frozen=True)
class CovariateGain(Document):
    """How much smaller the error is with a covariate than without it, all others kept."""

    name: str
    error_change: float  # per cent; negative: smaller with the covariate
    num_windows: int
    num_better: int  # windows with a smaller error
    num_series: int


def gains_note(gains: Sequence[CovariateGain], *, num_covariates: int) -> list[str]:
    """Say in one sentence what each of so many covariates gains; nothing where nothing was measured."""
    if not gains:
        return []
    windows = {gain.num_windows for gain in gains}
    count = f"{min(windows)} to {max(windows)}" if len(windows) > 1 else f"{max(windows)}"
    each = ", ".join(f"{gain.name} {gain.error_change:+.0f} %" for gain in gains)
    of = f" of {gains[0].num_series} series" if gains[0].num_series > 1 else ""
    compared = f"with each covariate, compared with leaving it out, on {count} past windows{of}"
    some = f" ({len(gains)} of {num_covariates} covariates)" if len(gains) < num_covariates else ""
    return [f"error of a forecast without training {compared}{some}: {each}"]


@dataclass(frozen=True)
class _Windows:
    tasks: list[Task]
    place: list[tuple[int, int]]  # of each task: series, rank
    actual: Float64Array  # [S, K, H], NaN beyond what is scored


def covariate_gains(zero_shot: ZeroShot, horizon: int) -> tuple[CovariateGain, ...]:
    """Measure the first covariates of a panel on its last windows; nothing where no window fits."""
    from rnnforecast.forecasting import last_windows

    series = zero_shot.series
    if not series.covariate_names or not series.num_series:
        return ()
    numbers = spread_sample(series.num_series, MAX_SERIES)
    last = last_windows(series)
    question = zero_shot.with_like_series(last, horizon).question(last.select(numbers), horizon)
    windows = _windows(question)
    read = [*question.covariates[:1], *(question.known_ahead[:1] if question.like_series is not None else ())]
    names = tuple(dict.fromkeys(one.name for covariates in read for one in covariates))
    if not windows.tasks:
        return ()
    shared = _forecasts(replace(question, covariates=()), windows, PRIORS)
    having = _errors(question, windows, shared | _forecasts(question, windows, READERS))
    gains = []
    for name in names[:MAX_COVARIATES]:
        without = _without(question, name, zero_shot.with_like_series(last, horizon, left_out=name).like_series)
        others = _forecasts(without, windows, [one for one in without.priors if one in READERS])
        gains.append(_gain(name, having, _errors(without, windows, shared | others)))
    return tuple(gains)


def _without(question: Question, name: str, like: LikeSeries | None) -> Question:
    kept = [[one for one in covariates if one.name != name] for covariates in question.covariates]
    return replace(question, covariates=kept if any(kept) else (), like_series=like)


def _windows(question: Question) -> _Windows:
    tasks, place = [], []
    actual = np.full((len(question.histories), NUM_WINDOWS, question.horizon), np.nan)
    for series, history in enumerate(question.histories):
        found = causal_windows(len(history), question.season_length, question.horizon, num_windows=NUM_WINDOWS)
        for rank, cutoff in enumerate(reversed(found.cutoffs)):
            tasks.append(Task(series, cutoff))
            place.append((series, rank))
            actual[series, rank, : found.num_leads] = history[cutoff : cutoff + found.num_leads]
    return _Windows(tasks, place, actual)


def _forecasts(
    question: Question, windows: _Windows, names: Sequence[str] | Mapping[str, float]
) -> dict[str, Float64Array]:
    everyone = np.ones(len(question.histories), dtype=np.bool_)
    return forecast_members(question, windows.tasks, dict.fromkeys(names, everyone))


def _errors(question: Question, windows: _Windows, forecasts: Mapping[str, Float64Array]) -> Float64Array:
    """Return the mean absolute error of the weighted median in each window: [S, K], NaN where there is none."""
    levels = np.array(question.base(question.season_length).quantile_levels)
    inner, middle = np.flatnonzero((levels > 0.09) & (levels < 0.91)), int(np.argmin(np.abs(levels - 0.5)))
    names, prior = tuple(question.priors), np.array(list(question.priors.values()))
    shape = (*windows.actual.shape[:2], len(names))
    losses, medians = np.full(shape, np.nan), np.full((*shape, question.horizon), np.nan)
    for member, name in enumerate(names):
        for task, (series, rank) in enumerate(windows.place):
            if name in forecasts and np.isfinite(forecasts[name][task]).all():
                quantiles = forecasts[name][task]
                losses[series, rank, member] = pinball(windows.actual[series, rank], quantiles[:, inner], levels[inner])
                medians[series, rank, member] = quantiles[:, middle]
    errors = np.full(shape[:2], np.nan)
    for rank in range(shape[1]):
        others = np.delete(losses, rank, axis=1)
        counts = np.isfinite(others[..., 0]).sum(axis=1)
        weights = (
            member_weights(log_ratios(others), counts, prior)[0] if counts.any() else np.tile(prior, (shape[0], 1))
        )
        there: BoolArray = np.asarray(np.isfinite(medians[:, rank]).all(axis=-1))
        weights = np.where(there, weights, 0.0)
        total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        blended = (weights[..., None] * np.where(there[..., None], medians[:, rank], 0.0)).sum(axis=1) / total
        away: Float64Array = np.abs(blended - windows.actual[:, rank])
        seen: BoolArray = np.isfinite(away)
        scored = seen.any(axis=1) & there.any(axis=1)
        mean = np.where(seen, away, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        errors[:, rank] = np.where(scored, mean, np.nan)
    return errors


def _gain(name: str, having: Float64Array, without: Float64Array) -> CovariateGain:
    both = np.isfinite(having) & np.isfinite(without)
    ours, theirs = (np.where(both, errors, 0.0).sum(axis=1) for errors in (having, without))
    known = (theirs > 0) & (ours > 0)
    change = float(np.exp(np.mean(np.log(ours[known] / theirs[known]))) - 1) if known.any() else 0.0
    return CovariateGain(
        name,
        100 * change,
        num_windows=int(both.sum(axis=1).max(initial=0)),
        num_better=int((having < without)[both].sum()),
        num_series=int(both.any(axis=1).sum()),
    )
