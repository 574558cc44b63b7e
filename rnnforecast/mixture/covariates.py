"""Covariates as columns of a regression: numbers as hinges, categories and events as dummies with lead and lag.

Axis legend: N rows, H horizon, P columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.frozen import dataclass
from rnnforecast.mixture.regression import Design

if TYPE_CHECKING:
    from collections.abc import Sequence

HINGES = (0.2, 0.4, 0.6, 0.8)
#: A number with so few distinct values is a label or a count of events.
MAX_EVENT_VALUES = 3
MAX_LEVELS = 24
#: A regression has one column of covariates for so many rows at most, and may have the fewest in any case.
ROWS_A_COLUMN, FEWEST_COLUMNS = 4, 5
#: A covariate is left out if a larger part of the shifts of a series is explained as well; rows and shifts of that test.
LARGEST_CHANCE, TESTED_ROWS, FEWEST_TESTED, NUM_SHIFTS = 0.05, 2_000, 30, 39


@dataclass(frozen=True)
class Covariate:
    """One covariate over the history and the horizon; a categorical one holds codes, 0 where unknown."""

    name: str
    values: Float64Array  # [N + H], NaN where missing
    is_category: bool = False
    delay: int | None = None  # of a past covariate: its values are known so many steps ahead


def covariate_columns(covariate: Covariate, *, history: int) -> Design:
    """Return the columns of one covariate; a missing value has no effect, an unchanging covariate no column."""
    values = covariate.values
    seen = values[:history][np.isfinite(values[:history])]
    if not len(seen):
        return Design(np.zeros((len(values), 0)), ())
    levels, counts = np.unique(seen, return_counts=True)
    if covariate.is_category or len(levels) <= MAX_EVENT_VALUES:
        # the commonest value is the reference
        rarer = np.delete(levels, int(np.argmax(counts)))
        order = np.argsort(-np.delete(counts, int(np.argmax(counts))), kind="stable")
        columns = dummies(values, rarer[order][:MAX_LEVELS])
    else:
        columns = _hinges(values, seen)
    missing = ~np.isfinite(values)
    if missing.any():
        # the mean of each column: a missing value moves no forecast and no coefficient
        columns[missing] = columns[:history][~missing[:history]].mean(axis=0)
    delays = () if covariate.delay is None else (covariate.delay,) * columns.shape[1]
    return Design(columns, (covariate.name,) * columns.shape[1], delays)


def dummies(values: Float64Array, levels: Float64Array) -> Float64Array:
    """Return one column a level, one step earlier and one step later too: [N + H, 3 x levels]."""
    hit = (values[:, None] == levels).astype(np.float64)
    lead, lag = np.zeros_like(hit), np.zeros_like(hit)
    lead[:-1], lag[1:] = hit[1:], hit[:-1]
    return np.concatenate([hit, lead, lag], axis=1)


def _hinges(values: Float64Array, seen: Float64Array) -> Float64Array:
    """Return the number and what it exceeds four quantiles of its history by: [N + H, 5]."""
    middle = float(np.median(seen))
    # relative to the largest value, so that squares of huge numbers stay finite
    size = max(float(np.abs(seen - middle).max()), 1e-300)
    spread = size * float(((seen - middle) / size).std()) or 1.0
    # a value far outside the history must not steer the forecast by extrapolation
    low, high = float(seen.min()), float(seen.max())
    reach = 0.5 * (high - low)
    number = (np.clip(np.where(np.isfinite(values), values, middle), low - reach, high + reach) - middle) / spread
    knots = np.unique((np.quantile(seen, HINGES) - middle) / spread)
    return np.concatenate([number[:, None], np.maximum(number[:, None] - knots, 0.0)], axis=1)


def screened(covariates: Sequence[Covariate], history: Float64Array, *, before: int, lag: int) -> list[Covariate]:
    """Return the covariates that a regression on a history may use: few columns for few rows, the best first.

    Where all fit, all are returned. Else they are ranked by what each explains of the changes over `lag` rows, on the rows
    `before` the windows that members are scored on.
    """
    sizes = [covariate_columns(one, history=len(history)).columns.shape[1] for one in covariates]
    most = max(len(history) // ROWS_A_COLUMN, FEWEST_COLUMNS)
    if sum(sizes) <= most:
        return list(covariates)
    target = history[:before]
    changes = target[lag:] - target[:-lag]
    ranks = []
    for one in covariates:
        columns = covariate_columns(Covariate(one.name, one.values[:before], one.is_category), history=before).columns
        ranks.append(_explained(changes, columns[lag:] - columns[:-lag]))
    kept: set[int] = set()
    total = 0
    for place in np.argsort(-np.array(ranks), kind="stable").tolist():
        if ranks[place] > 0 and total + sizes[place] <= most:
            kept.add(place)
            total += sizes[place]
    return [one for place, one in enumerate(covariates) if place in kept]


def explains_changes(covariate: Covariate, history: Float64Array, *, lag: int) -> bool:
    """Return whether a numeric covariate explains the changes of a history better than those of circularly shifted rows.

    Events and categories always may. Changes are those from row to row, of the changes over a season of `lag` rows if
    there is one: levels of two random walks are alike for long by chance.
    """
    start = max(0, len(history) - TESTED_ROWS)
    recent = Covariate(covariate.name, covariate.values[start : len(history)], covariate.is_category)
    columns = covariate_columns(recent, history=len(history) - start).columns
    changes = history[start:]
    for step in {lag, 1}:
        changes, columns = changes[step:] - changes[:-step], columns[step:] - columns[:-step]
    count, seen = len(changes), np.isfinite(changes)
    is_number = not covariate.is_category and len(np.unique(recent.values)) > MAX_EVENT_VALUES
    if not is_number or count < FEWEST_TESTED or not seen.any() or not columns.shape[1]:
        return True
    changes = np.where(seen, changes - changes[seen].mean(), 0.0)
    basis, triangle = np.linalg.qr(columns - columns.mean(axis=0))
    size = np.abs(np.diag(triangle))
    shifts = np.linspace(0.1 * count, 0.9 * count, NUM_SHIFTS).astype(np.int64)
    shifted = np.stack([np.roll(changes, shift) for shift in (0, *shifts)])
    explained = np.square(shifted @ basis[:, size > 1e-8 * size.max()]).sum(axis=1)
    return bool((explained[1:] >= explained[0]).mean() <= LARGEST_CHANCE)


def _explained(changes: Float64Array, columns: Float64Array) -> float:
    """Return the explained part of the variance, less what as many columns of noise explain; 0 with too few rows."""
    seen = np.isfinite(changes)
    count, size = int(seen.sum()), columns.shape[1]
    if count <= size + 2 or size == 0:
        return 0.0
    ours, theirs = changes[seen] - changes[seen].mean(), columns[seen] - columns[seen].mean(axis=0)
    spread = float(ours @ ours)
    if spread <= 0:
        return 0.0
    fitted, *_ = np.linalg.lstsq(theirs, ours, rcond=1e-8)
    rest = ours - theirs @ fitted
    return float(1.0 - float(rest @ rest) / spread * (count - 1) / (count - 1 - size))
