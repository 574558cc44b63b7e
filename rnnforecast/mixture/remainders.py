"""Regressions of the zero-shot ensemble: what they take off each history, and the part they add over the horizon.

Series with the same rows have one design and one factorisation, whatever their number.

Axis legend: N rows of one history, H horizon, P columns, G series of a group, K cutoffs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.mixture.covariates import Covariate, covariate_columns
from rnnforecast.mixture.histories import Task
from rnnforecast.mixture.question import (
    AUTOREGRESSION,
    AUTOREGRESSION_LOG,
    COVARIATES_AUTOREGRESSION,
    COVARIATES_LEVEL,
    COVARIATES_LOG,
    COVARIATES_SEASON,
    COVARIATES_WEEK,
    FOURIER,
    FOURIER_LOG,
    Question,
)
from rnnforecast.mixture.regression import (
    Design,
    fit_before,
    fit_each_before,
    fourier,
    spread_of_unknown,
    trend_pieces,
)
from rnnforecast.mixture.seasons import SeasonPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Logarithms are taken where the largest value is so many times the smallest.
LOG_RANGE = 1.3
#: Terms that a column of a penalised regression counts for.
TERMS_A_COLUMN = 0.5
#: Designs of up to so many rows are kept from one call to the next, which has the same for the other windows.
MOST_KEPT_ROWS, NUM_KEPT = 10_000, 4


@dataclass
class Remainders:
    """Histories without their regression part, the part over the horizon, and how to put both together."""

    names: list[str] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    pasts: list[Float64Array] = field(default_factory=list)
    parts: list[Float64Array] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    spreads: list[Float64Array] = field(default_factory=list)

    def add(
        self,
        name: str,
        task: int,
        past: Float64Array,
        part: Float64Array,
        *,
        width: float = 1.0,
        spread: Float64Array | None = None,
    ) -> None:
        """Note one forecast to make; `part` covers the past and the horizon.

        Intervals are multiplied by `width`; `spread` [H] is that of unknown covariates.
        """
        self.names.append(name)
        self.widths.append(width)
        self.spreads.append(np.zeros(len(part) - len(past)) if spread is None else spread)
        self.tasks.append(task)
        self.pasts.append(past - part[: len(past)])
        self.parts.append(part[len(past) :])


def has_logarithms(past: Float64Array) -> bool:
    """Return whether a history is positive, and varies enough for logarithms to make a difference."""
    lowest = float(np.nanmin(past, initial=np.inf))
    return lowest > 0 and float(np.nanmax(past, initial=0.0)) > LOG_RANGE * lowest


def _width_of_fit(num_rows: float, num_columns: float) -> float:
    """Return how much wider errors ahead are than what a fit leaves of the rows it saw; a penalty halves its columns."""
    used = min(TERMS_A_COLUMN * num_columns, 0.6 * num_rows)
    return float(np.sqrt((num_rows + used) / (num_rows - used))) if num_rows > 0 else 1.0


def regress(
    question: Question, tasks: Sequence[Task], wanted: Mapping[str, BoolArray], context: int, remainders: Remainders
) -> None:
    """Fit the regressions of every series before each of its cutoffs, and note what `base` is to forecast.

    `wanted` says of each history [S] which members it needs; `context` is how much of the remainder `base` reads.
    """
    numbers_of: dict[int, list[int]] = defaultdict(list)
    for number, task in enumerate(tasks):
        if task.cutoff > question.season_length:
            numbers_of[task.series].append(number)
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for series, numbers in numbers_of.items():
        numbers.sort(key=lambda number: tasks[number].cutoff)
        cutoffs = tuple(tasks[number].cutoff for number in numbers)
        history, plan = question.histories[series], question.plans[series]
        own = series if question.covariates else -1
        groups[own, plan, len(history), cutoffs, np.isfinite(history).tobytes()].append(series)
    designs: dict[tuple[int, SeasonPlan], Design] = {}
    for members in groups.values():
        first = members[0]
        plan, length = question.plans[first], len(question.histories[first])
        # windows of a long horizon begin far back: the first fit still has half the rows of a plan
        earliest = tasks[numbers_of[first][0]].cutoff
        start = max(0, min(length - plan.max_rows, earliest - plan.max_rows // 2))
        key = (length - start, plan)
        if key not in designs:
            design = _kept_design if length - start <= MOST_KEPT_ROWS else season_design
            designs[key] = design(plan, num_rows=length - start, horizon=question.horizon)
        fits = _Fits(
            values=np.stack([question.histories[series][start:] for series in members], axis=1),
            cutoffs=[tasks[number].cutoff - start for number in numbers_of[first]],
            numbers=[numbers_of[series] for series in members],
            wanted={name: mask[members] for name, mask in wanted.items()},
            horizon=question.horizon,
            context=context,
            remainders=remainders,
        )
        if plan.short is not None:
            fits.seasonal(designs[key])
        if question.covariates:
            effects = _effects(
                question.covariates[first], start=start, history=length - start, horizon=question.horizon
            )
            fits.covariates(designs[key], effects, plan)


def regress_like_series(
    question: Question, tasks: Sequence[Task], wanted: Mapping[str, BoolArray], context: int, remainders: Remainders
) -> None:
    """Note what `base` is to forecast after the regression on series with like static covariates."""
    like = question.like_series
    if like is None or like.member not in wanted:
        return
    for number, task in enumerate(tasks):
        history, known = question.histories[task.series], question.known_ahead[task.series]
        past = history[: task.cutoff]
        if wanted[like.member][task.series] and like.reads(past):
            values, scale = like.scaled(past)
            is_last = task.cutoff == len(history)
            owner = question.numbers[task.series]
            part = like.part(owner, known, cutoff=task.cutoff, horizon=question.horizon, is_last=is_last)
            first = max(0, task.cutoff - context)
            remainders.add(like.member, number, scale * values[first:], scale * part[first:])


def season_design(plan: SeasonPlan, *, num_rows: int, horizon: int) -> Design:
    """Return pieces of trend and the seasons of a plan over history and horizon."""
    pieces = int(np.clip(num_rows / plan.longest_period, 1, 8))
    design = trend_pieces(num_rows + horizon, history=num_rows, num_pieces=pieces)
    seasons = [] if plan.short is None else [(plan.short, "short")]
    for season, kind in (*seasons, *((season, "long") for season in plan.longer)):
        design = design.with_columns(fourier(num_rows + horizon, season.period, season.harmonics, kind=kind))
    return design


def seasonal_part(question: Question, series: int) -> tuple[Float64Array, Float64Array]:
    """Return the short and the long season of a regression on one history, with its covariates, over the horizon: [H]."""
    history, plan = question.histories[series], question.plans[series]
    start = max(0, len(history) - plan.max_rows)
    observed = np.isfinite(history[start:])
    count = len(observed)
    if plan.short is None or count <= plan.season_length or not observed.any():
        return np.zeros(question.horizon), np.zeros(question.horizon)
    design = season_design(plan, num_rows=count, horizon=question.horizon)
    if question.covariates:
        effects = _effects(question.covariates[series], start=start, history=count, horizon=question.horizon)
        design = design.with_columns(effects)
    level = np.where(observed, history[start:] - np.nanmean(history[start:]), 0.0)
    fitted = fit_before(design, level[:, None], observed, [count])[0, :, 0]
    ahead = design.columns[count:]
    short, long = (design.of_kind(kind) for kind in ("short", "long"))
    return ahead[:, short] @ fitted[short], ahead[:, long] @ fitted[long]


_kept_design = lru_cache(maxsize=NUM_KEPT)(season_design)


def _effects(covariates: Sequence[Covariate], *, start: int, history: int, horizon: int) -> Design:
    effects = Design(np.zeros((history + horizon, 0)), ())
    for covariate in covariates:
        recent = replace(covariate, values=covariate.values[start : start + history + horizon])
        effects = effects.with_columns(covariate_columns(recent, history=history))
    return effects


@dataclass
class _Fits:
    """The regressions of a group of series that are observed at the same rows, before their common cutoffs."""

    values: Float64Array  # [N, G]
    cutoffs: list[int]  # [K]
    numbers: list[list[int]]  # of the task of each series and cutoff: G lists of K
    wanted: Mapping[str, BoolArray]  # of each member which series need it: [G]
    horizon: int
    context: int
    remainders: Remainders

    def __post_init__(self) -> None:
        self.observed = np.isfinite(self.values[:, 0])
        seen = self.observed[: self.cutoffs[0]]
        first = np.where(seen[:, None], self.values[: self.cutoffs[0]], 0.0)
        centre = first.sum(axis=0) / max(int(seen.sum()), 1)
        self.level = np.where(self.observed[:, None], self.values - centre, 0.0)

    def _of(self, *names: str) -> BoolArray:
        """Return which series need any of these members: [G]."""
        none: BoolArray = np.zeros(self.values.shape[1], dtype=np.bool_)
        return np.asarray(np.logical_or.reduce([self.wanted.get(name, none) for name in names]), dtype=np.bool_)

    def seasonal(self, design: Design) -> None:
        """Take the seasons off the history, in levels and in logarithms."""
        seasons = design.of_kind("short", "long")
        rows = np.flatnonzero(self._of(FOURIER, AUTOREGRESSION))
        log_rows, logs = self._logs(FOURIER_LOG, AUTOREGRESSION_LOG)
        if not len(rows) and not len(log_rows):
            return
        # levels and logarithms have the same design: one factorisation for both
        centred = np.where(self.observed[:, None], logs - np.nanmean(logs, axis=0), 0.0)
        levels, of_logs = fit_each_before(design, [self.level[:, rows], centred], self.observed, self.cutoffs)
        self._note(FOURIER, design, levels, seasons, rows)
        self._note(AUTOREGRESSION, design, levels, seasons, rows)
        if len(log_rows):
            self._note(FOURIER_LOG, design, of_logs, seasons, log_rows, values=logs)
            self._note(AUTOREGRESSION_LOG, design, of_logs, seasons, log_rows, values=logs)

    def _logs(self, *members: str) -> tuple[np.ndarray, Float64Array]:
        """Return which series are fitted in logarithms [R], and these, NaN where missing: [N, R]."""
        needed = np.flatnonzero(self._of(*members))
        rows = needed[[has_logarithms(self.values[:, row]) for row in needed.tolist()]]
        seen = self.observed[:, None]
        return rows, np.where(seen, np.log(np.where(seen, self.values[:, rows], 1.0)), np.nan)

    def covariates(self, design: Design, effects: Design, plan: SeasonPlan) -> None:
        """Take the effect of covariates off the history, fitted on levels or on seasonal differences."""
        if not effects.kinds:
            return
        rows = np.arange(self.values.shape[1])
        lags = {COVARIATES_SEASON: plan.season_length}
        if 1 < plan.season_length < 52:
            lags[COVARIATES_WEEK] = 7 * plan.season_length
        every = np.ones(len(effects.kinds), dtype=np.bool_)
        for name, lag in lags.items():
            if not self._of(name).any() or self.cutoffs[0] < 2 * lag + 2:
                continue
            both = self.observed[lag:] & self.observed[:-lag]
            changes = np.where(both[:, None], self.level[lag:] - self.level[:-lag], 0.0)
            columns = Design(effects.columns[lag:] - effects.columns[:-lag], effects.kinds)
            fitted = fit_before(columns, changes, both, [cutoff - lag for cutoff in self.cutoffs])
            self._note(name, effects, fitted, every, rows)
        if self._of(COVARIATES_LEVEL, COVARIATES_AUTOREGRESSION).any():
            together = design.with_columns(effects)
            fitted = fit_before(together, self.level, self.observed, self.cutoffs)
            for name in (COVARIATES_LEVEL, COVARIATES_AUTOREGRESSION):
                self._note(name, together, fitted, ~together.of_kind("trend"), rows)
        log_rows, logs = self._logs(COVARIATES_LOG)
        if len(log_rows):
            together = design.with_columns(effects)
            centred = np.where(self.observed[:, None], logs - np.nanmean(logs, axis=0), 0.0)
            fitted = fit_before(together, centred, self.observed, self.cutoffs)
            self._note(COVARIATES_LOG, together, fitted, ~together.of_kind("trend"), log_rows, values=logs)

    def _note(
        self,
        name: str,
        design: Design,
        fitted: Float64Array,
        chosen: BoolArray,
        rows: np.ndarray,
        *,
        values: Float64Array | None = None,
    ) -> None:
        """Note the remainders of the series `rows` that need the member; `fitted` is [K, P, len(rows)]."""
        values = self.values[:, rows] if values is None else values
        needed = self._of(name)
        for place, (coefficients, cutoff) in enumerate(zip(fitted, self.cutoffs, strict=True)):
            first = max(0, cutoff - self.context)
            columns = design.known_at(cutoff, self.horizon)
            parts = columns[first:, chosen] @ coefficients[chosen]
            width = _width_of_fit(float(self.observed[:cutoff].sum()), float(chosen.sum()))
            spread = spread_of_unknown(design, coefficients, cutoff, self.horizon)
            for column, row in enumerate(rows):
                if needed[row]:
                    number, past = self.numbers[row][place], values[first:cutoff, column]
                    self.remainders.add(name, number, past, parts[:, column], width=width, spread=spread[:, column])
