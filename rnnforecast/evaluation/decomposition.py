"""Classical decomposition of many windows at once: whether each has a season, and its seasonal factors.

Windows end in the last column, so position p of a season is in the columns whose distance to the first step ahead
is a multiple of the season away from p: the first step ahead has position 0.

Axis legend: W windows, N columns, K seasons, m season_length.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.frozen import dataclass

#: Full seasons between the first observed row and the end, below which no season is looked for.
MIN_SEASONS = 2
# two-sided 90 % quantile of the normal distribution: the level of the test in the M competitions
_CRITICAL = 1.6448536269514722
# a factor this close to zero would blow up what is divided by it
_SMALLEST_FACTOR = 0.01


@dataclass(frozen=True)
class SeasonalFactors:
    """What a season multiplies or adds at each position; windows without a season add 0."""

    factors: Float64Array  # [W, m], [W, 1] where no window has a season
    multiplicative: BoolArray  # [W]

    def remove(self, values: Float64Array) -> Float64Array:
        """Return values without their season: [W, N], the last column being the row before the first step ahead."""
        factors = self.factors[:, np.arange(-values.shape[1], 0) % self.factors.shape[1]]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.multiplicative[:, None], values / factors, values - factors)

    def restore(self, point: Float64Array, spread: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return forecasts and their standard deviations with the season put back: [W, H], [W, H]."""
        factors = self.factors[:, np.arange(point.shape[1]) % self.factors.shape[1]]
        multiplicative = self.multiplicative[:, None]
        return (
            np.where(multiplicative, point * factors, point + factors),
            np.where(multiplicative, spread * factors, spread),
        )


def decompose(values: Float64Array, observed: BoolArray, *, season_length: int) -> SeasonalFactors:
    """Return the seasonal factors of windows that pass the test for a season: [W, N], [W, N] to [W, m].

    `values` are 0 where not observed. Factors are means, by position, of ratios to a centred moving average (of
    differences where a value is not positive or a factor gets near 0), scaled to an average of 1 (shifted to 0).
    """
    num_windows = len(values)
    multiplicative = np.zeros(num_windows, dtype=np.bool_)
    seasonal = np.flatnonzero(has_season(values, observed, season_length=season_length))
    if not len(seasonal):
        return SeasonalFactors(np.zeros((num_windows, 1)), multiplicative)
    factors = np.zeros((num_windows, season_length))
    values, observed = values[seasonal], observed[seasonal]
    level, known = _moving_average(values, observed, season_length=season_length)
    factors[seasonal] = _factors(values - level, known, season_length=season_length, neutral=0.0)
    positive = np.flatnonzero(((values > 0) | ~observed).all(axis=1))
    # a moving average of positive values is positive where it is known
    ratios = np.divide(values[positive], level[positive], where=known[positive], out=np.zeros(level[positive].shape))
    found = _factors(ratios, known[positive], season_length=season_length, neutral=1.0)
    usable = (found >= _SMALLEST_FACTOR).all(axis=1)
    factors[seasonal[positive[usable]]] = found[usable]
    multiplicative[seasonal[positive[usable]]] = True
    return SeasonalFactors(factors, multiplicative)


def has_season(values: Float64Array, observed: BoolArray, *, season_length: int) -> BoolArray:
    """Tell which windows have a season: their autocorrelation at its lag differs from 0 with 90 % confidence.

    The test of the M competitions, with Bartlett's standard error. [W, N], [W, N] to [W]; `values` are 0 where not
    observed. Pairs with a missing row are left out; windows of fewer than `MIN_SEASONS` seasons have none.
    """
    num_windows, num_columns = values.shape
    if season_length < 2 or num_columns < MIN_SEASONS * season_length or not num_windows:
        return np.zeros(num_windows, dtype=np.bool_)
    counts = observed.sum(axis=1)
    # seen from one of its values a constant is exactly 0, and has no season
    values = np.where(observed, values - np.where(observed, values, -np.inf).max(axis=1, keepdims=True), 0.0)
    means = values.sum(axis=1) / np.maximum(counts, 1)
    products = _lagged_products(np.where(observed, values - means[:, None], 0.0), season_length)  # [W, m + 1]
    # a lag has fewer pairs than rows; missing rows must not make it look weaker than that
    first, behind = _ends(observed)
    span = behind - first
    pairs = np.rint(_lagged_products(observed.astype(np.float64), season_length))
    lags = np.arange(season_length + 1)
    complete = (span[:, None] - lags) / np.maximum(span, 1)[:, None] * counts[:, None]  # pairs, had none been missing
    weight = np.where(pairs > 0, complete / np.maximum(pairs, 1.0), 0.0)
    spread = products[:, :1]
    correlations = np.divide(products * weight, spread, where=spread > 0, out=np.zeros_like(products))[:, 1:]
    error = np.sqrt((1 + 2 * (correlations[:, :-1] ** 2).sum(axis=1)) / np.maximum(counts, 1))
    found: BoolArray = (np.abs(correlations[:, -1]) > _CRITICAL * error) & (span >= MIN_SEASONS * season_length)
    return found


def _lagged_products(rows: Float64Array, max_lag: int) -> Float64Array:
    """Return the sums of products of each row with itself, 0 to `max_lag` columns later: [W, N] to [W, max_lag + 1]."""
    size = 1 << (rows.shape[1] + max_lag - 1).bit_length()
    spectrum = np.fft.rfft(rows, size)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:, : max_lag + 1]


def _moving_average(values: Float64Array, observed: BoolArray, *, season_length: int) -> tuple[Float64Array, BoolArray]:
    """Return the centred average of one season around each column, and where it and the value are known: [W, N].

    An even season takes half of the rows at both ends.
    """
    num_columns = values.shape[1]
    filled = _filled(values, observed, season_length=season_length)
    # running sums keep more digits around the mean
    means = filled.mean(axis=1, keepdims=True)
    sums = np.cumsum(np.pad(filled - means, ((0, 0), (1, 0))), axis=1)
    blocks = (sums[:, season_length:] - sums[:, :-season_length]) / season_length
    averages = blocks if season_length % 2 else (blocks[:, 1:] + blocks[:, :-1]) / 2
    half = season_length // 2
    level = np.zeros_like(values)
    level[:, half : half + averages.shape[1]] = averages + means
    place = np.arange(num_columns)
    first, behind = _ends(observed)
    inside = (place - half >= first[:, None]) & (place + half < behind[:, None])
    return level, inside & observed


def _ends(observed: BoolArray) -> tuple[Int64Array, Int64Array]:
    """Return the first observed column, and the one behind the last: [W], [W]."""
    return np.argmax(observed, axis=1), observed.shape[1] - np.argmax(observed[:, ::-1], axis=1)


def _filled(values: Float64Array, observed: BoolArray, *, season_length: int) -> Float64Array:
    """Return values with missing ones taken from the season before, else after, else the mean: [W, N]."""
    if observed.all():
        return values
    num_windows, num_columns = values.shape
    missing = -num_columns % season_length
    shape = (num_windows, (num_columns + missing) // season_length, season_length)
    filled = np.pad(values, ((0, 0), (missing, 0))).reshape(shape)  # [W, K, m]
    known = np.pad(observed, ((0, 0), (missing, 0))).reshape(shape)
    newest = np.maximum.accumulate(np.where(known, np.arange(filled.shape[1])[:, None], -1), axis=1)
    source = np.where(newest < 0, known.argmax(axis=1)[:, None], newest)
    means = values.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    usable: BoolArray = np.logical_or.reduce(known, axis=1, keepdims=True)
    filled = np.where(usable, np.take_along_axis(filled, source, axis=1), means[:, None, None])
    return filled.reshape(num_windows, num_columns + missing)[:, missing:]


def _factors(detrended: Float64Array, known: BoolArray, *, season_length: int, neutral: float) -> Float64Array:
    """Return the mean of each position over the seasons, on average `neutral`: [W, N] to [W, m].

    A position that was never observed inside gets `neutral`.
    """
    missing = -detrended.shape[1] % season_length
    shape = (len(detrended), (detrended.shape[1] + missing) // season_length, season_length)
    inside = np.pad(known, ((0, 0), (missing, 0))).reshape(shape)  # [W, K, m]
    values = np.pad(np.where(known, detrended, 0.0), ((0, 0), (missing, 0))).reshape(shape)
    counts = inside.sum(axis=1)
    factors = np.where(counts > 0, values.sum(axis=1) / np.maximum(counts, 1), neutral)
    average = factors.mean(axis=1, keepdims=True)
    scaled: Float64Array = factors / average if neutral else factors - average
    return scaled
