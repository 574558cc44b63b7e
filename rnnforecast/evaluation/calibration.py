"""Calibrated intervals: width factors around the median, fitted on validation and test windows.

Split conformal prediction per lead time and level (Vovk et al. 2005; Romano, Patterson and Candes 2019, with scores
relative to the forecast's own spread). NumPy alone: forecasting from a stored model applies it.

Axis legend: W windows, H horizon, Q quantiles, P lead times pooled into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.frozen import dataclass

#: Limits of the factors: a few windows cannot narrow or widen an interval more than this.
FACTOR_BOUNDS = (0.25, 5.0)

# scores wanted for one factor: neighbouring lead times are pooled until there are as many
_WANTED_SCORES = 60
#: Prior spread of the factors, in logarithms: of networks trained from scratch, and of ensembles with the pretrained
#: model, whose intervals are nearly calibrated from the start.
PRIOR_SPREAD, PRETRAINED_PRIOR_SPREAD = 0.5, 0.25
# windows that one cutoff of a panel counts for, however many series it has: errors at one time are correlated
_WINDOWS_PER_CUTOFF = 10
# windows needed to narrow intervals as far as one window may widen them: too narrow is worse than too wide
_NARROWING_CAUTION = 3.0
# a spread below this fraction of the median counts as zero
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Calibration:
    """Width factors of each lead time and level: the distance of a quantile from the median is multiplied.

    `pooled` is the number of neighbouring lead times on either side with a common factor, `num_windows` the number of
    windows it was fitted on.
    """

    factors: Float64Array  # [H, Q], 1 in the column of the median
    quantile_levels: tuple[float, ...]
    num_windows: int = 0
    pooled: int = 0

    def apply(self, quantiles: Float64Array) -> Float64Array:
        """Return calibrated quantiles of any horizon: [..., H, Q], ascending; the median does not change."""
        return apply_calibration(quantiles, self.factors, quantile_levels=self.quantile_levels)


def fit_calibration(
    quantiles: Float64Array,
    actual: Float64Array,
    observed: BoolArray,
    *,
    quantile_levels: Sequence[float],
    num_cutoffs: int | None = None,
    prior_spread: float = PRIOR_SPREAD,
) -> Calibration:
    """Fit width factors to forecasts [W, H, Q] and actuals [W, H] of windows that no network was trained on.

    First one factor for all: how many times its own 80 % interval the values spread. Then the factor of each lead
    time and level: the conformal quantile, the ceil((n + 1) level)-th smallest of n scores (actual - median) /
    (quantile - median), mirrored below the median. Few windows: neighbouring lead times are pooled, the common factor
    is drawn towards 1, and the factors towards the common one, as far as the sampling error of such quantiles
    requires. The windows of a series count as independent, the lead times of one window do not; with `num_cutoffs` (of a
    series) the windows of a panel count for no more than ten each, as errors of series at one time are correlated.
    """
    levels = tuple(float(level) for level in quantile_levels)
    num_windows, horizon = actual.shape
    middle = _median(quantiles, levels)  # [W, H]
    scores: dict[int, Float64Array] = {}
    for column, level in enumerate(levels):
        if abs(level - 0.5) > 1e-9:
            sign = 1.0 if level > 0.5 else -1.0
            spread = sign * (quantiles[..., column] - middle)
            scores[column] = _scores(sign * (actual - middle), spread, observed, np.abs(middle))
    most = num_windows if num_cutoffs is None else _WINDOWS_PER_CUTOFF * num_cutoffs
    counted = min(int(observed.any(axis=1).sum()), most)
    common = _common_factor(scores, levels, num_windows=counted, prior_spread=prior_spread)
    factors = np.ones((horizon, len(levels)))
    pooled = _neighbours(num_windows, horizon)
    counts = np.minimum(observed.sum(axis=0), most)  # [H]
    for column, score in scores.items():
        tail = max(levels[column], 1 - levels[column])
        own = np.clip(_conformal_quantile(score, tail, pooled, otherwise=common), *FACTOR_BOUNDS)  # [H]
        factors[:, column] = common * (own / common) ** _trust(counts, _one_sided_error(tail), prior_spread)
    return Calibration(factors=factors, quantile_levels=levels, num_windows=num_windows, pooled=pooled)


def _common_factor(
    scores: Mapping[int, Float64Array], levels: Sequence[float], *, num_windows: int, prior_spread: float
) -> float:
    """Return the factor with which the interval nearest to 80 % has its nominal coverage over all lead times."""
    upper = min((c for c in scores if levels[c] > 0.5), key=lambda c: abs(levels[c] - 0.9), default=None)
    lower = min((c for c in scores if levels[c] < 0.5), key=lambda c: abs(levels[c] - 0.1), default=None)
    if upper is None or lower is None or num_windows == 0:
        return 1.0
    nominal = levels[upper] - levels[lower]
    both = np.fmax(scores[upper], scores[lower]).reshape(-1, 1)  # the side the value lies on
    own = float(np.clip(_conformal_quantile(both, nominal, 0, otherwise=1.0)[0], *FACTOR_BOUNDS))
    caution = _NARROWING_CAUTION if own < 1 else 1.0
    return float(own ** _trust(np.array(num_windows), caution * _two_sided_error(nominal), prior_spread))


def apply_calibration(
    quantiles: Float64Array, factors: Float64Array, *, quantile_levels: Sequence[float] | None = None
) -> Float64Array:
    """Multiply distances from the median [..., H, Q] by factors [H', Q] and sort along Q.

    Lead times beyond the fitted ones take the last factors. Without levels the median is the middle column.
    """
    horizon, num_levels = quantiles.shape[-2:]
    levels = np.arange(1, num_levels + 1) / (num_levels + 1) if quantile_levels is None else quantile_levels
    middle = _median(quantiles, levels)[..., None]  # [..., H, 1]
    rows = np.minimum(np.arange(horizon), len(factors) - 1)
    return np.sort(middle + factors[rows] * (quantiles - middle), axis=-1)


def _median(quantiles: Float64Array, levels: Sequence[float] | Float64Array) -> Float64Array:
    """Return the quantile whose level is nearest to 0.5: [..., Q] to [...]."""
    nearest = int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
    middle: Float64Array = quantiles[..., nearest]
    return middle


def _neighbours(num_windows: int, horizon: int) -> int:
    """Return how many lead times on either side are pooled."""
    if num_windows == 0 or num_windows >= _WANTED_SCORES:
        return 0
    return min(-(-(_WANTED_SCORES // num_windows - 1) // 2), horizon - 1)


def _scores(deviation: Float64Array, spread: Float64Array, observed: BoolArray, size: Float64Array) -> Float64Array:
    """Return how many times its spread each value lies from the median, NaN where that says nothing: [W, H]."""
    usable = observed & (spread > _ROUNDING * size) & np.isfinite(deviation)
    scores: Float64Array = np.divide(deviation, spread, out=np.full(deviation.shape, np.nan), where=usable)
    return scores


def _conformal_quantile(scores: Float64Array, tail: float, pooled: int, *, otherwise: float) -> Float64Array:
    """Return the conformal quantile of each lead time's scores and its neighbours': [W, H] to [H]."""
    if not len(scores):
        return np.full(scores.shape[1], otherwise)
    padded = np.pad(scores, ((0, 0), (pooled, pooled)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * pooled + 1, axis=1)  # [W, H, P]
    ordered = np.sort(windows.transpose(1, 0, 2).reshape(scores.shape[1], -1), axis=1)  # [H, W * P], NaN last
    count = np.isfinite(ordered).sum(axis=1)
    rank = np.minimum(np.ceil((count + 1) * tail - 1e-9).astype(np.int64), count)
    chosen = np.take_along_axis(ordered, np.maximum(rank - 1, 0)[:, None], axis=1)[:, 0]
    return np.where(count > 0, chosen, otherwise)


def _trust(num_windows: Int64Array, error: float, prior_spread: float) -> Float64Array:
    """Return the weight of a factor fitted on so many windows, 0 to 1."""
    return np.asarray(num_windows / (num_windows + error / prior_spread**2), dtype=np.float64)


def _one_sided_error(tail: float) -> float:
    """Return n times the variance of the logarithm of a normal quantile estimated from n cases (asymptotic)."""
    score = NormalDist().inv_cdf(tail)
    return tail * (1 - tail) / (NormalDist().pdf(score) * score) ** 2


def _two_sided_error(fraction: float) -> float:
    """Return the same for the quantile of absolute values below which a fraction of them lies."""
    score = NormalDist().inv_cdf((1 + fraction) / 2)
    return fraction * (1 - fraction) / (2 * NormalDist().pdf(score) * score) ** 2
