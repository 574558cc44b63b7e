"""Past covariates in a regression: each with the lag at which it leads the target, extended by itself beyond what is known.

Axis legend: N rows, H horizon, P columns.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.mixture.covariates import FEWEST_TESTED, TESTED_ROWS, Covariate

#: A lag counts as found where the correlation there is so many standard errors from zero; autoregression of the covariate.
NUM_STANDARD_ERRORS, MAX_ORDER = 3.5, 8
#: Lags that are tried: two horizons, at least so many, and at most this part of the rows.
FEWEST_LAGS, LARGEST_PART = 12, 0.1
#: A covariate that its own past determines to this part of its variance tells nothing new.
ROUNDING = 1e-12


def leading(covariate: Covariate, history: Float64Array, *, horizon: int, season: int) -> Covariate | None:
    """Return a past covariate [N] as one over history and horizon, moved by the lag at which it leads; None if by none.

    Its season is taken off: the regression has its own. What is not known yet is NaN.
    """
    values = without_season(covariate.values, season)
    lag = leading_lag(values, history, season=season, most=max(2 * horizon, FEWEST_LAGS))
    if lag is None:
        return None
    moved = np.full(len(values) + horizon, np.nan)
    moved[lag : lag + len(values)] = values[: len(values) + horizon - lag]
    return Covariate(covariate.name, moved, delay=lag)


def leading_lag(values: Float64Array, history: Float64Array, *, season: int, most: int) -> int | None:
    """Return the lag, from 1 to `most`, at which a covariate correlates most with the history; None where by chance.

    Both lose their season and pass through the autoregression of the covariate, which leaves noise of it (prewhitening, Box
    and Jenkins 1970): else what moves at the same time, or later, would correlate too.
    """
    start = max(0, len(history) - TESTED_ROWS)
    pair = [_about_mean(without_season(each[start:], season)) for each in (values, history)]
    most = min(most, int(LARGEST_PART * len(pair[0])))
    if len(pair[0]) < FEWEST_TESTED or most < 1:
        return None
    lagged = [np.lib.stride_tricks.sliding_window_view(each, MAX_ORDER + 1)[:, ::-1] for each in pair]
    memory, *_ = np.linalg.lstsq(lagged[0][:, 1:], lagged[0][:, 0], rcond=1e-10)
    theirs, ours = (_about_mean(each[:, 0] - each[:, 1:] @ memory) for each in lagged)
    products = np.fft.irfft(np.fft.rfft(ours) * np.conj(np.fft.rfft(theirs)), len(ours))[: most + 1]
    lag = 1 + int(np.argmax(np.abs(products[1:])))
    spread = float(theirs @ theirs)
    bound = NUM_STANDARD_ERRORS * np.sqrt(float(ours @ ours) * spread / len(ours))
    is_noise = spread <= ROUNDING * float(pair[0] @ pair[0])
    return lag if abs(products[lag]) > bound and not is_noise else None


def without_season(values: Float64Array, season: int) -> Float64Array:
    """Return values less the mean of each phase, about their own mean."""
    if season <= 1 or len(values) < 2 * season:
        return values
    phase = np.arange(len(values)) % season
    seen = np.isfinite(values)
    count = np.maximum(np.bincount(phase[seen], minlength=season), 1)
    means = np.bincount(phase[seen], values[seen], minlength=season) / count
    return np.asarray(values - means[phase] + values[seen].mean())


def _about_mean(values: Float64Array) -> Float64Array:
    seen = np.isfinite(values)
    return np.where(seen, values - (values[seen].mean() if seen.any() else 0.0), 0.0)
