"""Whether a series has a season: the autocorrelation of what is left when its trend is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rnnforecast.data.series import BoolArray, FloatArray, IntArray

MAX_SERIES = 200
#: Rows read of each series, as a multiple of the season: enough to judge, few enough for the longest series.
MAX_SEASONS = 60
MIN_SEASONS = 2.5
#: Autocorrelation at the season below which a forecast of one series gains nothing from it; a panel shares one
#: season over many series, so less is enough there, down to the lowest.
MIN_CORRELATION = 0.25
LOWEST_CORRELATION = 0.1
#: Standard errors that the correlation of chance stays below.
NUM_STANDARD_ERRORS = 3.0
MIN_PEAK = 0.4
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
    profiles, num_rows = [], 0
    for series in _sampled(offsets, longest):
        profile = _profile(values, observed, offsets, series, default=default, search=search)
        if profile is not None:
            profiles.append(profile)
            num_rows += int(offsets[series + 1] - offsets[series])
    if not profiles:
        return 1
    width = int(np.median([len(profile) for profile in profiles]))
    correlation = np.median([profile[:width] for profile in profiles if len(profile) >= width], axis=0)
    if search:
        return _clearest_peak(correlation)
    floor = max(LOWEST_CORRELATION, MIN_CORRELATION / len(profiles) ** 0.25)
    needed = max(floor, NUM_STANDARD_ERRORS / num_rows**0.5)
    return default if _is_season(correlation, default, needed=needed) else 1


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
    start = max(start, stop - (20 * MAX_SEARCHED if search else MAX_SEASONS * max(default, 24)))
    seen = observed[start:stop]
    length = stop - start
    longest = min(MAX_SEARCHED, length // 3) if search else default + default // 2 + 2
    if length < (12 if search else MIN_SEASONS * default) or seen.sum() < 0.5 * length or longest < 3:
        return None
    return autocorrelation(_changes(values[start:stop], seen), seen, longest=longest)


def _changes(values: FloatArray, observed: BoolArray) -> FloatArray:
    """Return first differences about their mean, 0 where not observed.

    Differences of a random walk are white, so that its slow swings are not taken for a season; differences of a
    series with a season keep the season.
    """
    rows = np.arange(len(values), dtype=np.float64)
    filled = np.interp(rows, rows[observed], values[observed])
    changes = np.diff(filled, prepend=filled[:1])
    spread = np.median(np.abs(changes - np.median(changes)))
    if spread > 0:  # one spike would hide the season of all other rows
        changes = np.clip(changes, -20 * spread, 20 * spread)
    return np.where(observed, changes - changes.mean(), 0.0)


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


def _is_season(correlation: FloatArray, season: int, *, needed: float) -> bool:
    """Whether the autocorrelation at the season (to 2 %) is as high as needed, and a peak: lower half a season away."""
    slack = season // 50
    peak = correlation[season - slack : season + slack + 1].max()
    away = correlation[max(season // 3, 1) : 2 * season // 3 + 1]
    return bool(peak > needed and (season <= 3 or peak > np.median(away) + needed / 2))


def _clearest_peak(correlation: FloatArray) -> int:
    """Return the shortest lag whose peak is nearly as high as the highest one, 1 where there is none."""
    inner = correlation[2:-1]
    is_peak = (inner > correlation[1:-2]) & (inner >= correlation[3:])
    lags = np.flatnonzero(is_peak) + 2
    lags = lags[correlation[lags] > MIN_PEAK]
    if not len(lags):
        return 1
    highest = correlation[lags].max()
    return int(lags[correlation[lags] > 0.9 * highest][0])
