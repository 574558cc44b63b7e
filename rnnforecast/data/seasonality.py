"""Whether a series has a season: the autocorrelation of what is left when its trend is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rnnforecast.data.series import BoolArray, FloatArray, IntArray

MAX_SERIES = 200
#: Rows read of each series, as a multiple of the season: enough to judge, few enough for the longest series.
MAX_SEASONS = 60
MIN_SEASONS = 2.5
#: Autocorrelation at the season below which a forecast gains nothing from it.
MIN_CORRELATION = 0.3
MAX_SEARCHED = 400


def detect_season_length(
    values: FloatArray, observed: BoolArray, offsets: IntArray, *, default: int, search: bool = False
) -> int:
    """Return `default` where the series repeat themselves after so many steps, else 1.

    The median over (at most 200) series of the autocorrelation at the season must be clear of chance and of the
    correlation that neighbours of the season share with it. With `search` (integer steps: no calendar names a
    season) the clearest peak is taken instead.
    """
    if default <= 1 and not search:
        return 1
    longest = MAX_SEARCHED if search else default + default // 2 + 2
    profiles = [
        profile
        for series in _sampled(offsets, longest)
        if (profile := _profile(values, observed, offsets, series, default=default, search=search)) is not None
    ]
    if not profiles:
        return 1
    width = min(len(profile) for profile in profiles) if search else longest
    correlation = np.median([profile[:width] for profile in profiles if len(profile) >= width], axis=0)
    if search:
        return _clearest_peak(correlation)
    return default if _is_season(correlation, default) else 1


def _sampled(offsets: IntArray, longest: int) -> IntArray:
    """Return at most `MAX_SERIES` series, evenly spread over those that are long enough to judge."""
    lengths = np.diff(offsets)
    enough = np.flatnonzero(lengths >= min(longest, 8))
    if len(enough) <= MAX_SERIES:
        return enough
    return enough[np.linspace(0, len(enough) - 1, MAX_SERIES).astype(np.int64)]


def _profile(
    values: FloatArray, observed: BoolArray, offsets: IntArray, series: int, *, default: int, search: bool
) -> FloatArray | None:
    """Return the autocorrelation of one series from lag 0 up, None where it is too short or constant."""
    start, stop = int(offsets[series]), int(offsets[series + 1])
    if not search:
        start = max(start, stop - MAX_SEASONS * max(default, 24))
    else:
        start = max(start, stop - 20 * MAX_SEARCHED)
    seen = observed[start:stop]
    length = stop - start
    longest = min(MAX_SEARCHED, int(length / 3)) if search else default + default // 2 + 2
    if length < (12 if search else MIN_SEASONS * default) or seen.sum() < 0.5 * length or longest < 3:
        return None
    return autocorrelation(_without_trend(values[start:stop], seen, window=max(default, 2)), seen, longest=longest)


def _without_trend(values: FloatArray, observed: BoolArray, *, window: int) -> FloatArray:
    """Return first differences where levels wander, else values about their mean; 0 where not observed.

    Differences of a random walk are white, so that its slow swings are not taken for a season; of a series with a
    season they keep the season.
    """
    del window
    rows = np.arange(len(values), dtype=np.float64)
    filled = np.interp(rows, rows[observed], values[observed])
    # ranks would lose the season's shape; a limit on outliers keeps one spike from hiding it
    changes = np.diff(filled, prepend=filled[:1])
    spread = np.median(np.abs(changes - np.median(changes)))
    if spread > 0:
        changes = np.clip(changes, -20 * spread, 20 * spread)
    changes = changes - changes.mean()
    return np.where(observed, changes, 0.0)


def autocorrelation(values: FloatArray, observed: BoolArray, *, longest: int) -> FloatArray | None:
    """Return the autocorrelation at lags 0 to `longest - 1`, over pairs that are both observed; None if constant."""
    size = 1 << int(2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(values, size)
    products = np.fft.irfft(spectrum * np.conj(spectrum), size)
    mask = np.fft.rfft(observed.astype(np.float64), size)
    pairs = np.fft.irfft(mask * np.conj(mask), size)
    variance = products[0] / max(pairs[0], 1.0)
    if not np.isfinite(variance) or variance <= 0:
        return None
    lags = min(longest, len(values))
    result = np.zeros(longest)
    result[:lags] = products[:lags] / np.maximum(pairs[:lags], 1.0) / variance
    return result


def _is_season(correlation: npt.NDArray[np.float64], season: int) -> bool:
    """Whether the autocorrelation peaks at the season: high there, and higher than half a season away."""
    peak = correlation[max(season - max(season // 50, 0), 1) : season + max(season // 50, 0) + 1].max()
    if season <= 3:
        return bool(peak > MIN_CORRELATION)
    half = np.concatenate([correlation[season // 3 : 2 * season // 3 + 1], correlation[season + season // 3 :]])
    return bool(peak > MIN_CORRELATION and peak > np.median(half) + 0.2)


def _clearest_peak(correlation: npt.NDArray[np.float64]) -> int:
    """Return the shortest lag whose peak is nearly as high as the highest one, 1 where there is none."""
    inner = correlation[2:-1]
    is_peak = (inner > correlation[1:-2]) & (inner >= correlation[3:])
    lags = np.flatnonzero(is_peak) + 2
    lags = lags[correlation[lags] > MIN_CORRELATION + 0.1]
    if not len(lags):
        return 1
    highest = correlation[lags].max()
    return int(lags[correlation[lags] > 0.9 * highest][0])
