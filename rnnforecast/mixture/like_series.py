"""What series of a panel with like static covariates have in common: seasons and effects of covariates, fitted together.

A short series borrows what it is too short to show. Every column of the regression has a coefficient common to all series
and one for each static value, shrunk by one penalty; each series keeps its own level and slope (Frisch and Waugh 1933).

Axis legend: S series, N rows, H horizon, P columns, K static terms with the constant first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.frozen import dataclass
from rnnforecast.mixture.covariates import HINGES, MAX_EVENT_VALUES, MAX_LEVELS, dummies
from rnnforecast.mixture.histories import causal_windows
from rnnforecast.mixture.regression import Ridge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.data.series import SeriesSet
    from rnnforecast.mixture.covariates import Covariate
    from rnnforecast.mixture.seasons import Season, SeasonPlan

LIKE_SERIES = "like-series"
LIKE_SERIES_LOG = "like-series-log"
#: Terms of the regression, and rows of a series that it needs.
MAX_TERMS, FEWEST_ROWS = 400, 4
_SMALLEST = 1e-12


@dataclass(frozen=True)
class _Encoding:
    """How a covariate becomes columns: one for each level, or a number about the middle of its series as hinges."""

    levels: Float64Array | None = None
    is_ratio: bool = False
    spread: float = 1.0
    knots: tuple[float, ...] = ()

    @classmethod
    def of(cls, pasts: Sequence[Float64Array], *, is_category: bool) -> _Encoding:
        """Choose it from the rows before the cutoffs."""
        pasts = [past[np.isfinite(past)] for past in pasts]
        levels, counts = np.unique(np.concatenate(pasts), return_counts=True)
        if is_category or len(levels) <= MAX_EVENT_VALUES:
            rarer = np.delete(levels, np.argmax(counts)) if len(levels) else levels
            return cls(rarer[:MAX_LEVELS])
        plain = cls(is_ratio=bool(levels[0] > 0))
        away = np.concatenate([plain._away(past, past) for past in pasts if len(past)])
        spread = float(away.std()) or 1.0
        return replace(plain, spread=spread, knots=tuple(np.unique(np.quantile(away / spread, HINGES)).tolist()))

    def columns(self, values: Float64Array, num_known: int) -> Float64Array:
        """Return the columns of values [N] of which the first are known; a missing value has their mean: [N, ...]."""
        seen = np.isfinite(values)
        past = values[:num_known][seen[:num_known]]
        if self.levels is not None or not len(past):
            found = dummies(values, np.zeros(0) if self.levels is None else self.levels)
        else:
            number = self._away(np.where(seen, values, past[0]), past)[:, None] / self.spread
            found = np.concatenate([number, np.maximum(number - np.array(self.knots), 0.0)], axis=1)
        if not len(past):
            return np.zeros((len(values), self.size))
        found[~seen] = found[:num_known][seen[:num_known]].mean(axis=0)
        return found

    @property
    def size(self) -> int:
        """Number of columns."""
        return 3 * len(self.levels) if self.levels is not None else 1 + len(self.knots)

    def _away(self, values: Float64Array, past: Float64Array) -> Float64Array:
        low, high, middle = float(past.min()), float(past.max()), float(np.median(past))
        reach = 0.5 * (high - low)  # a value far outside the history must not steer the forecast by extrapolation
        if self.is_ratio:
            low = max(low, _SMALLEST)
            return np.asarray(np.log(np.clip(values, max(low - reach, 0.5 * low), high + reach) / max(middle, low)))
        return np.clip(values, low - reach, high + reach) - middle


@dataclass(frozen=True)
class LikeSeries:
    """A regression fitted to a panel: before the windows of its series, and on all their rows."""

    first_ordinals: Float64Array  # [S]
    statics: Float64Array  # [S, K]
    names: tuple[str, ...]  # of the static covariates that are read
    seasons: tuple[Season, ...]
    encodings: Mapping[str, _Encoding]
    is_log: bool
    coefficients: tuple[Float64Array, ...] = ()  # [K, P] each

    @property
    def member(self) -> str:
        """The name of the member that forecasts by this regression."""
        return LIKE_SERIES_LOG if self.is_log else LIKE_SERIES

    @property
    def num_columns(self) -> int:
        """Number of columns, P."""
        sizes = (one.size for one in self.encodings.values())
        return 2 * sum(len(season.harmonics) for season in self.seasons) + sum(sizes)

    def reads(self, past: Float64Array) -> bool:
        """Return whether a history can be regressed: enough rows, and all above zero for logarithms."""
        return bool(np.isfinite(past).sum() >= FEWEST_ROWS and (not self.is_log or np.nanmin(past) > 0))

    def scaled(self, past: Float64Array) -> tuple[Float64Array, float]:
        """Return logarithms, or parts of the mean size, and that size."""
        if self.is_log:
            return np.log(past), 1.0
        seen = past[np.isfinite(past)]
        scale = (float(np.abs(seen).mean()) if len(seen) else 0.0) or 1.0
        return past / scale, scale

    def part(
        self, number: int, known: Sequence[Covariate], *, cutoff: int, horizon: int, is_last: bool
    ) -> Float64Array:
        """Return what the regression explains of a series up to the horizon of a cutoff, in units of `scaled`."""
        columns = self.columns(number, known, num_known=cutoff, num_rows=cutoff + horizon)
        return np.asarray(columns @ (self.statics[number] @ self.coefficients[int(is_last)]))

    def columns(self, number: int, known: Sequence[Covariate], *, num_known: int, num_rows: int) -> Float64Array:
        """Return the first rows of the columns of one series, whose covariates are `known` [N + H]: [num_rows, P]."""
        steps = self.first_ordinals[number] + np.arange(num_rows)[:, None]
        angles = [2 * np.pi * steps * np.array(season.harmonics) / season.period for season in self.seasons]
        parts = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        values = {one.name: one.values[:num_rows] for one in known}
        parts += [encoding.columns(values[name], num_known) for name, encoding in self.encodings.items()]
        return np.concatenate(parts, axis=1)


def fit_like_series(
    series: SeriesSet,
    numbers: Sequence[int],
    histories: Sequence[Float64Array],
    known_ahead: Sequence[Sequence[Covariate]],
    plan: SeasonPlan,
    *,
    horizon: int,
    num_windows: int,
) -> LikeSeries | None:
    """Fit histories of series, by number, together, with covariates [N + H] of each and the seasons of a plan.

    None where no static covariate is shared, or there is nothing to fit.
    """
    encodings = {}
    for place, one in enumerate(known_ahead[0]):
        pairs = zip(known_ahead, histories, strict=True)
        pasts = [known[place].values[: len(history)] for known, history in pairs]
        encodings[one.name] = _Encoding.of(pasts, is_category=one.is_category)
    unfitted = LikeSeries(
        first_ordinals=series.first_ordinals.astype(np.float64),
        statics=np.ones((series.num_series, 1)),
        names=(),
        seasons=() if plan.short is None else (plan.short, *plan.longer),
        encodings=encodings,
        is_log=all(np.nanmin(history, initial=np.inf) > 0 for history in histories),
    )
    statics, names = _static_terms(series, most=MAX_TERMS // max(unfitted.num_columns, 1))
    if not names or not unfitted.num_columns:
        return None
    size = statics.shape[1] * unfitted.num_columns
    moments = [(np.zeros((size + 1, size + 1)), np.zeros((size + 1, 1)), np.zeros(1)) for _ in range(2)]
    for number, history, known in zip(numbers, histories, known_ahead, strict=True):
        values, _ = unfitted.scaled(history)
        columns = unfitted.columns(number, known, num_known=len(history), num_rows=len(history))
        windows = causal_windows(
            len(history), plan.season_length, horizon, num_windows=num_windows, without_season=True
        )
        before = windows.cutoffs[0] if windows.cutoffs else len(history)
        terms = statics[number]
        for (gram, cross, square), stop in zip(moments, (before, len(history)), strict=True):
            rows = np.flatnonzero(np.isfinite(values[:stop]))[-plan.max_rows :]
            if len(rows) < FEWEST_ROWS:
                continue
            line = np.linalg.qr(np.column_stack([np.ones(len(rows)), rows / len(history)]))[0]
            ours, theirs = (each[rows] - line @ (line.T @ each[rows]) for each in (values, columns))
            gram[0, 0] += len(rows)
            gram[1:, 1:] += np.kron(np.outer(terms, terms), theirs.T @ theirs)
            cross[1:, 0] += np.kron(terms, theirs.T @ ours)
            square += ours @ ours
    early, late = (
        Ridge.of(gram).solve(cross, square)[:, 0].reshape(statics.shape[1], -1) for gram, cross, square in moments
    )
    return replace(unfitted, statics=statics, names=names, coefficients=(early, late))


def _static_terms(series: SeriesSet, *, most: int) -> tuple[Float64Array, tuple[str, ...]]:
    """Return the constant, and numbers and shared levels of static covariates about their means: [S, K]; and their names.

    Of more terms than `most` the commonest levels are taken.
    """
    found: list[tuple[int, str, Float64Array]] = []
    for name, values in zip(series.static_names, series.static_covariates.T.astype(np.float64), strict=True):
        levels, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(levels) < 2:
            continue
        if name in series.categories or len(levels) <= MAX_EVENT_VALUES:
            shared = zip(levels[counts > 1], counts[counts > 1], strict=True)
            found += [(int(count), name, (values == level).astype(np.float64)) for level, count in shared]
        else:
            away = values - np.nanmean(values)
            found.append((series.num_series, name, np.nan_to_num(away / (np.nanstd(values) or 1.0))))
    found = sorted(found, key=lambda one: -one[0])[: max(most - 1, 0)]
    columns = [np.ones(series.num_series), *(column - column.mean() for _, _, column in found)]
    return np.stack(columns, axis=1), tuple(dict.fromkeys(name for _, name, _ in found))
