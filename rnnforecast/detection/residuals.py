"""Residuals of a network as statistics: where each value lies in the forecast that was made before it was seen.

Forecasts are issued every few rows and cover the rows up to the next ones, so that a long file costs a bounded number
of windows. A value becomes its normal score in the forecast quantiles of its lead, which makes leads comparable.

Axis legend: N rows, W windows, H horizon, Q quantile levels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.detection.members import Statistic
from rnnforecast.forecasting import Ensemble, normal_scores
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import in_threads

#: Windows that a file is forecast from, about: the distance between them follows from its rows.
NUM_WINDOWS = 5_000
WINDOWS_A_BATCH = 128
#: Rows before the first forecast.
FIRST_CUTOFF = 8
#: An interval narrower than this fraction of the usual one counts as so wide: nothing is known to be that exact.
NARROWEST, FIRST_WIDTHS = 1e-3, 100
#: The largest normal score.
MAX_SCORE = 1e4
#: A value so close to its forecast, relative to it, differs by rounding alone.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Plan:
    """When forecasts are issued, and the leads that are used."""

    stride: int
    horizon: int

    @classmethod
    def of(cls, num_rows: int, horizon: int) -> Plan:
        """Return a plan for so many rows in a file, with a network that forecasts `horizon` steps."""
        return cls(int(np.clip(-(-num_rows // NUM_WINDOWS), 1, horizon)), horizon)

    @property
    def uses_late_leads(self) -> bool:
        """Whether late leads are other leads than the early ones."""
        return self.horizon >= 2 * self.stride and self.horizon > 1


@dataclass(frozen=True)
class Residuals:
    """Early forecasts of each row (NaN where none was made), and what the rows say about them."""

    quantiles: Float64Array  # [N, Q] of leads 1 to stride
    levels: tuple[float, ...]
    statistics: tuple[Statistic, ...]

    @property
    def median(self) -> Float64Array:
        """The expected value of each row: [N]."""
        return self.quantiles[:, self.levels.index(0.5)]

    def values_at(self, scores: Float64Array) -> Float64Array:
        """Return the value of each row that has a normal score [2, N] in its forecast, low and high: [2, N]."""
        middle = self.levels.index(0.5)
        spread, outermost = _spread(self.quantiles), normal_scores(self.levels)[-1]
        up = np.maximum(self.quantiles[:, -1] - self.median, spread) / outermost
        down = np.maximum(self.quantiles[:, middle] - self.quantiles[:, 0], spread) / outermost
        return np.asarray(self.median + np.where(scores > 0, up, down) * scores)

    def padded(self, before: int, num_rows: int) -> Residuals:
        """Return them on a grid of `num_rows` rows, on which the series starts after `before` rows."""
        length = len(self.quantiles)
        if (before, length) == (0, num_rows):
            return self
        quantiles = np.full((num_rows, len(self.levels)), np.nan)
        quantiles[before : before + length] = self.quantiles
        statistics = []
        for each in self.statistics:
            values = np.full(num_rows, np.nan)
            values[before : before + length] = each.values
            statistics.append(replace(each, values=values))
        return Residuals(quantiles, self.levels, tuple(statistics))


def residuals(ensemble: Ensemble, flat: FlatSeries, series: int, plan: Plan) -> Residuals:
    """Forecast all rows of one series and return what its values say. Raises DivergedError."""
    start, length = int(flat.offsets[series]), int(flat.lengths[series])
    values = np.where(flat.observed[start : start + length], flat.filled[start : start + length], np.nan)
    cutoffs = np.arange(min(FIRST_CUTOFF, length), length, plan.stride, dtype=np.int64)
    levels = ensemble.quantile_levels
    early = np.full((length, len(levels)), np.nan)
    late = np.full((length, len(levels)), np.nan)
    kept = plan.horizon if plan.uses_late_leads else plan.stride

    def work(chosen: np.ndarray) -> None:
        windows = Windows(np.full(len(chosen), series, dtype=np.int64), chosen)
        forecast = ensemble.forecast(flat, windows, horizon=kept)  # [W, H, Q]
        for lead in range(plan.stride):
            for first, target in ((lead, early), (plan.horizon - plan.stride + lead, late)):
                if first < kept:
                    inside = chosen + first < length
                    target[(chosen + first)[inside]] = forecast[inside, first]

    batches = [cutoffs[at : at + WINDOWS_A_BATCH] for at in range(0, len(cutoffs), WINDOWS_A_BATCH)]
    list(in_threads(work, batches))
    statistics = [Statistic("network", _normal_score(values, early, levels), two_sided=True)]
    if plan.uses_late_leads:
        ahead = _normal_score(values, late, levels)
        statistics.append(Statistic("network-leads", _trailing_mean(ahead, plan.horizon), two_sided=True))
    return Residuals(early, levels, tuple(statistics))


def _normal_score(values: Float64Array, quantiles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Return the normal scores of values [N] in their forecasts [N, Q]: linear between levels and beyond them."""
    known = normal_scores(levels)
    middle = levels.index(0.5)
    median = quantiles[:, middle]
    upper = np.clip((quantiles <= values[:, None]).sum(axis=1), 1, len(levels) - 1)
    rows = np.arange(len(values))
    low, high = quantiles[rows, upper - 1], quantiles[rows, upper]
    spread = _spread(quantiles)
    inside = known[upper - 1] + (values - low) / np.maximum(high - low, spread) * (known[upper] - known[upper - 1])
    above = known[-1] * (values - median) / np.maximum(quantiles[:, -1] - median, spread)
    below = known[-1] * (values - median) / np.maximum(median - quantiles[:, 0], spread)
    score = np.where(values > quantiles[:, -1], above, np.where(values < quantiles[:, 0], below, inside))
    is_rounding = np.abs(values - median) <= ROUNDING * np.abs(median)  # a constant series has no other difference
    return np.asarray(np.where(is_rounding, 0.0, np.clip(score, -MAX_SCORE, MAX_SCORE)))


def _spread(quantiles: Float64Array) -> float:
    """Return the smallest distance from the median that counts, from forecasts [N, Q]."""
    width = quantiles[:, -1] - quantiles[:, 0]
    known = width[np.isfinite(width)][:FIRST_WIDTHS]  # later rows must not matter
    return max(NARROWEST * float(np.median(known)) if len(known) else 0.0, 1e-300)


def _trailing_mean(values: Float64Array, count: int) -> Float64Array:
    """Return the mean of the newest `count` values, times the root of their number: [N]; NaN without any."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, np.clip(values, -10.0, 10.0), 0.0))])
    number = np.concatenate([[0], np.cumsum(known)])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - count, 0)
    seen = number[ends] - number[begins]
    return np.where(seen > 0, (total[ends] - total[begins]) / np.sqrt(np.maximum(seen, 1)), np.nan)
