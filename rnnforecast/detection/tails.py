"""Upper tails of statistics that change slowly: from a value to the probability that clean rows exceed it.

Rows are scored in blocks, each by the rows before it alone, so that a score never depends on later rows. Below a high
threshold the probability is that of the empirical distribution (probability integral transform); above it a generalised
Pareto distribution is fitted to the excesses (Pickands 1975), by probability-weighted moments (Hosking and Wallis 1987).

Axis legend: N rows, n rows of the memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.frozen import dataclass

#: Rows that a tail remembers: older ones are forgotten, so that the tail follows slow change.
MEMORY_ROWS = 20_000
#: Blocks grow with the rows before them, between these bounds.
SMALLEST_BLOCK, LARGEST_BLOCK, BLOCKS_A_HISTORY = 32, 1_024, 16
#: Fraction of the rows above the threshold of a tail, and the fewest excesses that are fitted.
TAIL_FRACTION, FEWEST_EXCESSES = 0.05, 20
#: Shape of a tail before any excess was seen, the excesses it counts as, and the bounds of a fitted shape.
PRIOR_SHAPE, PRIOR_EXCESSES = 0.1, 20
SHAPE_BOUNDS = (-0.4, 0.6)
#: The largest surprise of a row, and the smallest rate (decimal logarithm): no history supports smaller ones.
MAX_SURPRISE, SMALLEST_LOG_RATE = 15.0, -30.0


@dataclass(frozen=True)
class ParetoTail:
    """P(X > x) = rate * (1 + shape * (x - threshold) / scale) ** (-1 / shape) above the threshold."""

    threshold: float
    rate: float  # of values above the threshold
    scale: float  # above 0
    shape: float

    @classmethod
    def fit(cls, excesses: Float64Array, *, threshold: float, rate: float) -> ParetoTail:
        """Fit scale and shape to excesses over the threshold [k], k above 0."""
        ordered = np.sort(excesses)
        count, mean = len(ordered), float(excesses.mean())
        weights = (count - 0.65 - np.arange(count)) / count  # plotting positions of the largest order statistics
        second = float((weights * ordered).mean())
        shape = 2.0 - mean / max(mean - 2.0 * second, 1e-12 * mean + 1e-300) if mean > 0 else 0.0
        shape = float(np.clip(shape, *SHAPE_BOUNDS))
        shape = (count * shape + PRIOR_EXCESSES * PRIOR_SHAPE) / (count + PRIOR_EXCESSES)
        scale = max(mean * (1.0 - shape), 1e-12 * abs(threshold), 1e-300)
        return cls(threshold, rate, scale, shape)

    def log_rate(self, values: Float64Array) -> Float64Array:
        """Return the decimal logarithm of the rate at which values above the threshold are exceeded."""
        excess = np.maximum(values - self.threshold, 0.0) / self.scale
        if abs(self.shape) < 1e-6:
            return np.asarray(np.log10(self.rate) - excess / np.log(10.0))
        inside = np.maximum(1.0 + self.shape * excess, 1e-300)
        return np.asarray(np.maximum(np.log10(self.rate) - np.log10(inside) / self.shape, SMALLEST_LOG_RATE))

    def value_at(self, log_rate: Float64Array) -> Float64Array:
        """Return the values that are exceeded at these rates (decimal logarithms), at least the threshold."""
        steps = np.maximum(np.log(self.rate) - log_rate * np.log(10.0), 0.0)
        if abs(self.shape) < 1e-6:
            return np.asarray(self.threshold + self.scale * steps)
        return np.asarray(self.threshold + self.scale * np.expm1(np.minimum(self.shape * steps, 700.0)) / self.shape)


@dataclass(frozen=True)
class Tail:
    """The distribution of a statistic over its memory: its ordered values, and a Pareto tail."""

    ordered: Float64Array  # [n]
    pareto: ParetoTail

    @classmethod
    def fit(cls, values: Float64Array) -> Tail | None:
        """Fit the memory [n]; None where nothing is known."""
        ordered = np.sort(values[np.isfinite(values)])
        if len(ordered) < FEWEST_EXCESSES:
            return None
        count = max(FEWEST_EXCESSES, int(TAIL_FRACTION * len(ordered)))
        threshold = float(ordered[max(len(ordered) - count - 1, 0)])
        above = ordered[ordered > threshold]
        if not len(above):  # all large values are equal: the next larger one is as rare as none so far
            spread = max(float(np.abs(ordered).max()), 1e-300) * 1e-3
            return cls(ordered, ParetoTail(threshold, 1.0 / (len(ordered) + 1), spread, PRIOR_SHAPE))
        rate = len(above) / len(ordered)
        return cls(ordered, ParetoTail.fit(above - threshold, threshold=threshold, rate=rate))

    def surprise(self, values: Float64Array) -> Float64Array:
        """Return -log10 of the probability of a value at least as large: [N], NaN where the value is."""
        count = len(self.ordered)
        larger = count - np.searchsorted(self.ordered, values, side="left")
        below = np.log10((larger + 1.0) / (count + 1.0))
        log_rate = np.where(values > self.pareto.threshold, self.pareto.log_rate(values), below)
        return np.where(np.isfinite(values), np.clip(-log_rate, 0.0, MAX_SURPRISE), np.nan)

    def value_at(self, surprise: Float64Array) -> Float64Array:
        """Return the values whose surprise this is: [N]."""
        inside = np.quantile(self.ordered, 1.0 - 10.0**-surprise)
        return np.where(-surprise < np.log10(self.pareto.rate), self.pareto.value_at(-surprise), inside)


def blocks(num_rows: int, warm_up: int) -> Iterator[tuple[int, int]]:
    """Yield first and end of the blocks after the warm-up."""
    start = warm_up
    while start < num_rows:
        size = int(np.clip(start // BLOCKS_A_HISTORY, SMALLEST_BLOCK, LARGEST_BLOCK))
        yield start, min(start + size, num_rows)
        start += size


@dataclass(frozen=True)
class TwoTails:
    """The upper tail of a statistic, and the lower one where small values are abnormal as well."""

    upper: Tail
    lower: Tail | None  # of the negated statistic

    @classmethod
    def fit(cls, past: Float64Array, *, two_sided: bool) -> TwoTails | None:
        """Fit the memory [n]; None where too little is known."""
        upper = Tail.fit(past)
        return None if upper is None else cls(upper, Tail.fit(-past) if two_sided else None)

    def surprise(self, rows: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the surprise of rows [N] and its side, 1 or -1 [N]; the smaller of two probabilities counts twice."""
        found = self.upper.surprise(rows)
        if self.lower is None:
            return found, np.ones(len(rows))
        low = self.lower.surprise(-rows)
        return np.maximum(np.maximum(found, low) - np.log10(2.0), 0.0), np.where(found >= low, 1.0, -1.0)

    def values_at(self, surprise: Float64Array) -> Float64Array:
        """Return the low and the high values of surprises [N]: [2, N]; low ones are -infinity for a single tail."""
        if self.lower is None:
            return np.stack([np.full(len(surprise), -np.inf), self.upper.value_at(surprise)])
        both = surprise + np.log10(2.0)
        return np.stack([-self.lower.value_at(both), self.upper.value_at(both)])


def first_of_runs(positions: Int64Array, gap: int) -> Int64Array:
    """Return the places in ascending `positions` at which a run starts: more than `gap` after the one before."""
    if not len(positions):
        return np.empty(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(positions) > gap) + 1])
