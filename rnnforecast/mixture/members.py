"""Members of the zero-shot ensemble, and their forecasts for many tasks at once.

Regressions complement `base`: the seasonal part, or the effect of covariates, is taken off the history, `base`
forecasts the rest, and the part of the horizon is added to every quantile. The trend is fitted but stays in the rest.

Axis legend: T tasks, N rows of one history, H horizon, P columns, Q quantiles.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.errors import DivergedError
from rnnforecast.mixture.covariates import Covariate, covariate_columns
from rnnforecast.mixture.histories import Task, flat_series, right_aligned
from rnnforecast.mixture.regression import Design, fit_before, fourier, trend_pieces
from rnnforecast.mixture.seasons import SeasonPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rnnforecast.forecasting import Ensemble

BASE = "base"
BASE_NO_SEASON = "base-no-season"
FOURIER = "fourier"
FOURIER_LOG = "fourier-log"
FOURIER_RECENT = "fourier-recent"
FOURIER_LONG = "fourier-long"
COVARIATES_LEVEL = "covariates-level"
COVARIATES_SEASON = "covariates-season"
COVARIATES_WEEK = "covariates-week"
THETA = "theta"
SEASONAL_MEAN = "seasonal-mean"
SEASONAL_NAIVE = "seasonal-naive"

#: Prior weight of each member without and with covariates; the first is the reference of all losses.
PRIORS = {
    BASE: 0.40,
    BASE_NO_SEASON: 0.10,
    FOURIER_LONG: 0.10,
    FOURIER: 0.10,
    FOURIER_LOG: 0.10,
    FOURIER_RECENT: 0.05,
    THETA: 0.10,
    SEASONAL_MEAN: 0.05,
    SEASONAL_NAIVE: 0.02,
}
COVARIATE_PRIORS = {
    BASE: 0.20,
    COVARIATES_SEASON: 0.20,
    COVARIATES_WEEK: 0.20,
    COVARIATES_LEVEL: 0.10,
    BASE_NO_SEASON: 0.03,
    FOURIER_LONG: 0.05,
    FOURIER: 0.05,
    FOURIER_LOG: 0.05,
    FOURIER_RECENT: 0.05,
    THETA: 0.05,
    SEASONAL_MEAN: 0.02,
    SEASONAL_NAIVE: 0.02,
}
#: Logarithms are taken where the largest value is so many times the smallest.
LOG_RANGE = 1.3
THETA_CONTEXTS = 2
MEAN_SEASONS = 5


@dataclass(frozen=True)
class Question:
    """What is to be forecast: histories (NaN where missing), one plan of seasons, covariates over history and horizon."""

    histories: Sequence[Float64Array]
    plans: Sequence[SeasonPlan]  # of each history; all with the same season length
    horizon: int
    base: Callable[[int], Ensemble]  # `base` for a season length
    covariates: Sequence[Sequence[Covariate]] = ()  # of each history

    @property
    def season_length(self) -> int:
        """Steps of the season that `base` is told."""
        return self.plans[0].season_length

    @property
    def priors(self) -> dict[str, float]:
        """Members in order, with their prior weights."""
        return COVARIATE_PRIORS if self.covariates else PRIORS


@dataclass
class _Remainders:
    """Histories without their regression part, the part over the horizon, and how to put both together."""

    names: list[str] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    pasts: list[Float64Array] = field(default_factory=list)
    parts: list[Float64Array] = field(default_factory=list)

    def add(self, name: str, task: int, past: Float64Array, part: Float64Array) -> None:
        """Note one forecast to make; `part` covers the past and the horizon."""
        self.names.append(name)
        self.tasks.append(task)
        self.pasts.append(past - part[: len(past)])
        self.parts.append(part[len(past) :])


def forecast_members(question: Question, tasks: Sequence[Task], names: Collection[str]) -> dict[str, Float64Array]:
    """Return the forecasts of the named members: [T, H, Q] each, NaN where a member has none for a task."""
    season, horizon = question.season_length, question.horizon
    ensemble = question.base(season)
    levels = ensemble.quantile_levels
    pasts = [question.histories[task.series][: task.cutoff] for task in tasks]
    shape = (len(tasks), horizon, len(levels))
    found: dict[str, Float64Array] = {}
    remainders = _Remainders()
    if BASE in names:
        for number, past in enumerate(pasts):
            recent = past[-ensemble.context_length :]
            remainders.add(BASE, number, recent, np.zeros(len(recent) + horizon))
    if season > 1 and any(name.startswith(("fourier", "covariates")) for name in names):
        _regress(question, tasks, names, ensemble.context_length, remainders)
    if remainders.pasts:
        quantiles = _by_network(ensemble, remainders.pasts, horizon) + np.stack(remainders.parts)[:, :, None]
        for row, (name, number) in enumerate(zip(remainders.names, remainders.tasks, strict=True)):
            forecast = found.setdefault(name, np.full(shape, np.nan))
            forecast[number] = np.exp(np.minimum(quantiles[row], 700.0)) if name == FOURIER_LOG else quantiles[row]
    if season > 1 and BASE_NO_SEASON in names:
        without = question.base(1)
        found[BASE_NO_SEASON] = _by_network(without, [past[-without.context_length :] for past in pasts], horizon)
    if THETA in names:
        found[THETA] = _theta(pasts, question, levels, THETA_CONTEXTS * ensemble.context_length)
    if season > 1 and SEASONAL_MEAN in names:
        found[SEASONAL_MEAN] = _seasonal_mean(pasts, question, levels, num_seasons=MEAN_SEASONS)
    if SEASONAL_NAIVE in names:
        found[SEASONAL_NAIVE] = _seasonal_naive(pasts, question, levels)
    _keep_non_negative(found, pasts)
    return found


def _by_network(ensemble: Ensemble, pasts: Sequence[Float64Array], horizon: int) -> Float64Array:
    """Forecast after each past; one that overflows has NaN."""
    flat, windows = flat_series(pasts)
    try:
        return ensemble.forecast(flat, windows, horizon=horizon)
    except DivergedError:
        if len(pasts) == 1:
            return np.full((1, horizon, len(ensemble.quantile_levels)), np.nan)
        return np.concatenate([_by_network(ensemble, [past], horizon) for past in pasts])


def _keep_non_negative(found: dict[str, Float64Array], pasts: Sequence[Float64Array]) -> None:
    """Cut quantiles below zero off where the history never was."""
    rows = [number for number, past in enumerate(pasts) if np.nanmin(past, initial=np.inf) >= 0]
    for quantiles in found.values():
        quantiles[rows] = np.maximum(quantiles[rows], 0.0)


def _theta(pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...], length: int) -> Float64Array:
    from rnnforecast.evaluation.theta import forecast_theta

    target, observed = right_aligned(pasts, min(length, max(len(past) for past in pasts)))
    return np.asarray(
        forecast_theta(
            target,
            observed,
            horizon=question.horizon,
            season_length=question.season_length,
            quantile_levels=levels,
        )
    )


def _seasonal_mean(
    pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...], *, num_seasons: int
) -> Float64Array:
    """Forecast the mean of each phase over the newest seasons, with the spread around it."""
    season, phase = question.season_length, np.arange(question.horizon) % question.season_length
    scores = _normal_scores(levels)
    result = np.full((len(pasts), question.horizon, len(levels)), np.nan)
    for number, past in enumerate(pasts):
        count = min(num_seasons, len(past) // season)
        folded = past[len(past) - count * season :].reshape(count, season)
        seen = np.isfinite(folded)
        if count < 2 or not seen.any(axis=0).all():
            continue
        mean = np.nanmean(folded, axis=0)
        spread = float(np.sqrt(np.nanmean(np.square(folded - mean))))
        result[number] = mean[phase][:, None] + spread * scores
    return result


def _seasonal_naive(pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...]) -> Float64Array:
    """Repeat the last season; its spread grows with the square root of the seasons ahead."""
    season, lead = question.season_length, np.arange(question.horizon)
    scores = _normal_scores(levels)
    result = np.full((len(pasts), question.horizon, len(levels)), np.nan)
    for number, past in enumerate(pasts):
        last = past[-season:]
        if len(past) < season + 1 or not np.isfinite(last).all():
            continue
        changes = past[season:] - past[:-season]
        if not np.isfinite(changes).any():
            continue
        spread = float(np.sqrt(np.nanmean(np.square(changes)))) * np.sqrt(lead // season + 1)
        result[number] = last[lead % season][:, None] + spread[:, None] * scores
    return result


def _normal_scores(levels: tuple[float, ...]) -> Float64Array:
    return np.array([NormalDist().inv_cdf(level) for level in levels])


def _regress(
    question: Question, tasks: Sequence[Task], names: Collection[str], context: int, remainders: _Remainders
) -> None:
    """Fit the regressions of every series before each of its cutoffs, and note what `base` is to forecast."""
    by_series: dict[int, list[int]] = defaultdict(list)
    for number, task in enumerate(tasks):
        if task.cutoff > question.season_length:
            by_series[task.series].append(number)
    designs: dict[tuple[int, SeasonPlan], Design] = {}
    for series, numbers in by_series.items():
        numbers.sort(key=lambda number: tasks[number].cutoff)
        plan, whole = question.plans[series], question.histories[series]
        start = max(0, len(whole) - plan.max_rows)
        values = whole[start:]
        key = (len(values), plan)
        if key not in designs:
            designs[key] = season_design(plan, num_rows=len(values), horizon=question.horizon)
        fits = _Fits(
            values=values,
            cutoffs=[tasks[number].cutoff - start for number in numbers],
            numbers=numbers,
            horizon=question.horizon,
            context=context,
            remainders=remainders,
        )
        fits.seasonal(designs[key], plan, names)
        if question.covariates:
            effects = _effects(question.covariates[series], start=start, history=len(values), horizon=question.horizon)
            fits.covariates(designs[key], effects, plan, names)


def season_design(plan: SeasonPlan, *, num_rows: int, horizon: int) -> Design:
    """Return pieces of trend and the seasons of a plan over history and horizon."""
    pieces = int(np.clip(num_rows / plan.longest_period, 1, 8))
    design = trend_pieces(num_rows + horizon, history=num_rows, num_pieces=pieces)
    for season, kind in ((plan.short, "short"), (plan.long, "long")):
        if season is not None:
            design = design.with_columns(fourier(num_rows + horizon, season.period, season.harmonics, kind=kind))
    return design


def _effects(covariates: Sequence[Covariate], *, start: int, history: int, horizon: int) -> Design:
    effects = Design(np.zeros((history + horizon, 0)), ())
    for covariate in covariates:
        recent = Covariate(covariate.name, covariate.values[start : start + history + horizon], covariate.is_category)
        effects = effects.with_columns(covariate_columns(recent, history=history))
    return effects


@dataclass
class _Fits:
    """The regressions of one series before its cutoffs."""

    values: Float64Array  # [N]
    cutoffs: list[int]
    numbers: list[int]  # of the task of each cutoff
    horizon: int
    context: int
    remainders: _Remainders

    def __post_init__(self) -> None:
        self.observed = np.isfinite(self.values)
        first = self.values[: self.cutoffs[0]]
        self.centre = float(np.nanmean(first)) if np.isfinite(first).any() else 0.0
        self.level = np.where(self.observed, self.values - self.centre, 0.0)

    def seasonal(self, design: Design, plan: SeasonPlan, names: Collection[str]) -> None:
        """Take seasons off the history: all, the long one alone, by recent rows, in logarithms."""
        seasons, long = design.of_kind("short", "long"), design.of_kind("long")
        if FOURIER in names or FOURIER_LONG in names:
            fitted = fit_before(design, self.level[:, None], self.observed, self.cutoffs)[..., 0]
            if FOURIER in names:
                self._note(FOURIER, design, fitted, seasons)
            if FOURIER_LONG in names and long.any():
                self._note(FOURIER_LONG, design, fitted, long)
        if FOURIER_RECENT in names:
            half_life = max(2 * plan.longest_period, 30.0)
            fitted = fit_before(design, self.level[:, None], self.observed, self.cutoffs, half_life=half_life)[..., 0]
            self._note(FOURIER_RECENT, design, fitted, seasons)
        lowest = np.nanmin(self.values, initial=np.inf)
        if FOURIER_LOG in names and lowest > 0 and np.nanmax(self.values, initial=0.0) > LOG_RANGE * lowest:
            logs = np.where(self.observed, np.log(np.where(self.observed, self.values, 1.0)), 0.0)
            centred = np.where(self.observed, logs - logs[self.observed].mean(), 0.0)
            fitted = fit_before(design, centred[:, None], self.observed, self.cutoffs)[..., 0]
            self._note(FOURIER_LOG, design, fitted, seasons, values=np.where(self.observed, logs, np.nan))

    def covariates(self, design: Design, effects: Design, plan: SeasonPlan, names: Collection[str]) -> None:
        """Take the effect of covariates off the history, fitted on levels or on seasonal differences."""
        if not effects.kinds:
            return
        lags = {COVARIATES_SEASON: plan.season_length}
        if plan.season_length < 52:
            lags[COVARIATES_WEEK] = 7 * plan.season_length
        every = np.ones(len(effects.kinds), dtype=np.bool_)
        for name, lag in lags.items():
            if name not in names or self.cutoffs[0] < 2 * lag + 2:
                continue
            both = self.observed[lag:] & self.observed[:-lag]
            changes = np.where(both, self.level[lag:] - self.level[:-lag], 0.0)
            columns = Design(effects.columns[lag:] - effects.columns[:-lag], effects.kinds)
            fitted = fit_before(columns, changes[:, None], both, [cutoff - lag for cutoff in self.cutoffs])[..., 0]
            self._note(name, effects, fitted, every)
        if COVARIATES_LEVEL in names:
            together = design.with_columns(effects)
            fitted = fit_before(together, self.level[:, None], self.observed, self.cutoffs)[..., 0]
            self._note(COVARIATES_LEVEL, together, fitted, ~together.of_kind("trend"))

    def _note(
        self, name: str, design: Design, fitted: Float64Array, chosen: np.ndarray, *, values: Float64Array | None = None
    ) -> None:
        values = self.values if values is None else values
        for coefficients, cutoff, number in zip(fitted, self.cutoffs, self.numbers, strict=True):
            first = max(0, cutoff - self.context)
            part = design.columns[first : cutoff + self.horizon, chosen] @ coefficients[chosen]
            self.remainders.add(name, number, values[first:cutoff], part)
