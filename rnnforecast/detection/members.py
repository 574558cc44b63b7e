"""The members of a detector: statistics of a series that are large, or far from usual, where a row is abnormal.

None needs a model; each reads the rows up to its own and no later one. The residual of the network is in `residuals`.

Axis legend: N rows, w steps of a window, d numbers that a window is reduced to, n reference windows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.detection.tails import MEMORY_ROWS
from rnnforecast.frozen import dataclass

#: Windows are reduced to so many means of neighbours at most.
MOST_DIMENSIONS = 32
#: Changes that show the usual size of one.
FIRST_CHANGES = 100
#: A level is the mean of this part of a window.
LEVELS_A_WINDOW = 4
#: Reference windows of the distance to the nearest one.
MOST_REFERENCES, FEWEST_REFERENCES = 1_500, 32
#: A window flatter than this fraction of the usual spread is not scaled up further: that would be noise.
FLATTEST = 0.25
#: Smallest probability that a repeated or missing value is followed by another one.
SMALLEST_REPEAT = 0.3
SMALLEST = 1e-12


@dataclass(frozen=True)
class Statistic:
    """A statistic of every row; `two_sided` ones are abnormal where they are very small as well.

    Where `windows` are given, `compare` fills `values` block by block: it compares the windows of a block with
    reference windows from before it.
    """

    name: str
    values: Float64Array  # [N], NaN where unknown
    two_sided: bool
    windows: Float64Array | None = None  # [N, d]
    compare: Callable[[Float64Array, Float64Array], Float64Array] | None = None

    def extend(self, start: int, end: int, usable: BoolArray, *, window: int) -> None:
        """Fill the values of rows `start` to `end` from the `usable` [N] windows that ended before theirs began."""
        if self.windows is None or self.compare is None:
            return
        last = start - window
        rows = max(0, last - MEMORY_ROWS) + np.flatnonzero(usable[max(0, last - MEMORY_ROWS) : max(last, 0)])
        rows = rows[rows >= window - 1]
        if len(rows) >= FEWEST_REFERENCES:
            chosen = rows[np.linspace(0, len(rows) - 1, min(MOST_REFERENCES, len(rows))).astype(np.int64)]
            self.values[start:end] = self.compare(self.windows[start:end], self.windows[chosen])


def without_network(values: Float64Array, *, window: int, lag: int) -> list[Statistic]:
    """Return the statistics of a series [N], NaN where missing, that need no network; `lag` is a season, or 0."""
    observed = np.isfinite(values)
    filled = fill_previous(values)
    windows = reduced_windows(filled, window)
    unknown = np.full(len(values), np.nan)
    return [
        Statistic("difference", np.diff(filled, prepend=filled[:1]), two_sided=True),
        Statistic("level", level_difference(filled, window=window, lag=lag), two_sided=True),
        Statistic("variance", moving_variance(filled, window), two_sided=True),
        Statistic("sub-pca", unknown.copy(), two_sided=False, windows=windows, compare=component_distance),
        Statistic("profile", unknown.copy(), two_sided=False, windows=windows, compare=nearest_distance),
        Statistic("missing", runs(~observed), two_sided=False),
        Statistic("stuck", runs(np.diff(filled, prepend=np.nan) == 0.0), two_sided=False),
    ]


def fill_previous(values: Float64Array) -> Float64Array:
    """Fill missing values with the last observed one, those at the start with the first; 0 without any."""
    observed = np.isfinite(values)
    if not observed.any():
        return np.zeros(len(values))
    newest = np.maximum.accumulate(np.where(observed, np.arange(len(values)), -1))
    return values[np.where(newest >= 0, newest, observed.argmax())]


def level_difference(filled: Float64Array, *, window: int, lag: int) -> Float64Array:
    """Return how far the newest quarter of a window is from the same rows a season earlier, in the mean: [N].

    Without a season it is compared with the window before it. NaN where there are no such rows.
    """
    short = max(window // LEVELS_A_WINDOW, 1)
    total = np.concatenate([[0.0], np.cumsum(filled - filled[0])])
    ends = np.arange(1, len(filled) + 1)
    recent = total[ends] - total[np.maximum(ends - short, 0)]
    before, rows = (ends - lag, short) if lag else (ends - short, window)
    earlier = total[np.maximum(before, 0)] - total[np.maximum(before - rows, 0)]
    return np.where(before >= rows, recent / short - earlier / rows, np.nan)


def moving_variance(filled: Float64Array, window: int) -> Float64Array:
    """Return the logarithm of the variance of the newest `window` differences: [N]."""
    changes = np.square(np.diff(filled, prepend=filled[:1]))
    total = np.concatenate([[0.0], np.cumsum(changes)])
    count = np.minimum(np.arange(1, len(filled) + 1), window)
    ends = np.arange(1, len(filled) + 1)
    mean = np.maximum((total[ends] - total[ends - count]) / count, 0.0)
    first = changes[changes > 0][:FIRST_CHANGES]  # later rows must not matter
    floor = SMALLEST + 1e-6 * float(np.median(first)) if len(first) else SMALLEST
    return np.asarray(np.log(mean + floor))


def reduced_windows(filled: Float64Array, window: int) -> Float64Array:
    """Return the window that ends with each row, as means of neighbours: [N, d]; NaN where it is not full."""
    size = max(1, -(-window // MOST_DIMENSIONS))
    count = max(1, window // size)
    total = np.concatenate([[0.0], np.cumsum(filled - filled[0])])
    ends = np.arange(1, len(filled) + 1)[:, None] - size * np.arange(count - 1, -1, -1)
    means = (total[np.maximum(ends, 0)] - total[np.maximum(ends - size, 0)]) / size
    means[ends[:, 0] < size] = np.nan
    return np.asarray(means)


def component_distance(windows: Float64Array, reference: Float64Array) -> Float64Array:
    """Return how far windows [n, d] are from the reference windows, in units of their principal components: [n].

    Logarithm of the sum over components of the squared projection over its variance (Shyu et al. 2003).
    """
    mean = reference.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(reference, rowvar=False).reshape(len(mean), len(mean)))
    floor = SMALLEST + 1e-4 * float(variance.sum()) / len(mean)
    projected = (windows - mean) @ axes
    return np.asarray(np.log(SMALLEST + (np.square(projected) / (np.maximum(variance, 0.0) + floor)).sum(axis=1)))


def nearest_distance(windows: Float64Array, reference: Float64Array) -> Float64Array:
    """Return how far the shape of each window [n, d] is from that of the nearest reference window: [n].

    As a left matrix profile (Yeh et al. 2016): windows without their mean, in their spread.
    """
    usual = float(np.median(reference.std(axis=1)))
    ours, theirs = _shapes(windows, usual), _shapes(reference, usual)
    squared = np.square(ours).sum(axis=1)[:, None] + np.square(theirs).sum(axis=1) - 2.0 * ours @ theirs.T
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0.0)))


def _shapes(windows: Float64Array, usual: float) -> Float64Array:
    spread = np.maximum(windows.std(axis=1, keepdims=True), FLATTEST * usual + SMALLEST)
    return np.asarray((windows - windows.mean(axis=1, keepdims=True)) / spread)


def runs(event: BoolArray) -> Float64Array:
    """Return how surprising the length of the current run of an event is: [N], 0 outside of runs.

    A run of k is k times the surprise of one more: -log10 of the fraction of events that were followed by another one
    so far, never below `SMALLEST_REPEAT`.
    """
    row = np.arange(len(event))
    last_outside = np.maximum.accumulate(np.where(event, -1, row))
    length = np.where(event, row - last_outside, 0)
    again = np.concatenate([[0], np.cumsum(event[1:] & event[:-1])])
    before: Int64Array = np.cumsum(event) - event.astype(np.int64)
    # what the run itself adds is left out: the counts before it began
    began = np.maximum(last_outside, 0)
    fraction = (again[began] + SMALLEST_REPEAT) / (before[began] + event[began] + 1.0)
    each = -np.log10(np.clip(fraction, SMALLEST_REPEAT, 1.0 - 1e-3))
    # a run that began with the first rows is all that is known of the series: no surprise
    return np.asarray(np.where(last_outside > 0, length * each, 0.0), dtype=np.float64)
