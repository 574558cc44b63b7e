"""Whether series have a season: an F-test of seasonal terms, and the autocorrelation of changes and of detrended values.

The F-test finds a season that was seen twice. Changes are white for a random walk, whose slow swings must not pass for
a season, but they drown a season in noise; what a moving average of one season leaves shows it through the noise, but
needs many seasons to tell it from a swing. Any of the three is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.calendar.season_tests import (
    SIGNIFICANCE,
    SeasonTest,
    clearest_seasons,
    find_season_length,
    seasonal_f_test,
)
from rnnforecast.data.ragged import spread_sample
from rnnforecast.frozen import dataclass

MAX_SERIES = 200
#: The season length is chosen on this first fraction of the rows: forecasts are scored on the rows after them.
FIRST_ROWS = 0.7
#: Rows read of each series, as a multiple of the season: enough to judge, few enough for the longest series.
MAX_SEASONS = 60
#: Seasons from which on the autocorrelation is asked; with fewer the F-test alone, which has fewer false alarms there.
MIN_SEASONS = 3.0
MIN_OBSERVED = 0.25
#: Median deviations at which a value is cut, so that one spike does not hide the season of all other rows.
MAX_SPREADS = 6.0
#: Autocorrelation at the season below which a forecast of one series gains nothing from it; a panel has one
#: season for many series, so less is enough there, down to the lowest.
MIN_CORRELATION = 0.25
LOWEST_CORRELATION = 0.1
#: Standard errors that the correlation of chance stays below.
NUM_STANDARD_ERRORS = 3.0
#: The same for what a moving average leaves of a random walk: standard error 0.45 by simulation, per season.
MIN_CORRELATION_DETRENDED = 0.3
SEASONAL_ERROR = 0.45
#: Part of a panel whose series must each show the season.
MIN_PASSED = 0.3
#: Newest rows of a series in which a season of plain steps is searched.
MAX_SEARCHED_ROWS = 4_000
#: Seasons of the sample that the other series of a large panel are tested for, and rows that are tested at once.
MAX_USUAL, ROWS_AT_ONCE = 5, 1_000_000


@dataclass(frozen=True)
class SeasonChoice:
    """The season length of series, 1 for none, and the evidence in words."""

    length: int
    evidence: str
    differing: Mapping[int, int] = field(default_factory=dict)  # series with another season, by number

    @property
    def usual_others(self) -> tuple[int, ...]:
        """The seasons that several of these series have, the commonest first."""
        return tuple(length for length, count in Counter(self.differing.values()).most_common(MAX_USUAL) if count > 1)


def choose_season_length(
    values: Float64Array, observed: BoolArray, offsets: Int64Array, *, default: int, search: bool = False
) -> SeasonChoice:
    """Return `default` where (at most 200 sampled) series repeat after so many steps, else 1, with the evidence.

    With `search` (integer steps: no calendar names a season) the length is searched for.
    """
    if search:
        length, differing = _search(values, observed, offsets)
        found = f"repeats every {length} steps" if length > 1 else "no season found"
        return SeasonChoice(length, f"{found} by periodogram and F-test", differing)
    if default <= 1:
        return SeasonChoice(1, "this frequency has no usual season")
    tests = [
        seasonal_f_test(np.where(seen, recent, np.nan), default)
        for _, recent, seen in _samples(values, observed, offsets, shortest=2 * default, longest=MAX_SEASONS * default)
    ]
    if not tests:
        return SeasonChoice(1, f"fewer than 2 periods of {default} steps before the test rows")
    passed = float(np.mean([test.p_value < SIGNIFICANCE for test in tests]))
    evidence = _in_words(tests, passed)
    if passed >= MIN_PASSED or _repeats(values, observed, offsets, default):
        return SeasonChoice(default, evidence)
    return SeasonChoice(1, f"no season of {default} steps shows: {evidence}")


def _in_words(tests: Sequence[SeasonTest], passed: float) -> str:
    periods = float(np.median([test.num_seasons for test in tests]))
    shown = f"{periods:.1f} periods of {tests[0].season_length} steps"
    if len(tests) > 1:
        return f"{shown}, F-test passed by {100 * passed:.0f} % of {len(tests)} series"
    p_value = tests[0].p_value
    return f"{shown}, F-test p {'< 0.001' if p_value < 0.001 else f'= {p_value:.2g}'}"


def _samples(
    values: Float64Array, observed: BoolArray, offsets: Int64Array, *, shortest: int, longest: int
) -> Iterator[tuple[int, Float64Array, BoolArray]]:
    """Yield number, newest values and mask of sampled series of at least `shortest` rows, a quarter of them observed."""
    for series in _sampled(offsets, shortest):
        recent, seen = _recent(values, observed, offsets, series, num_rows=longest)
        if seen.mean() >= MIN_OBSERVED:
            yield int(series), recent, seen


def _repeats(values: Float64Array, observed: BoolArray, offsets: Int64Array, default: int) -> bool:
    """Tell whether the autocorrelation shows a season.

    The median over series at the season must be clear of chance, and higher than half a season away.
    """
    longest = default + default // 2 + 2
    of_changes, of_rest, num_rows = [], [], 0
    most = MAX_SEASONS * max(default, 24)
    for _, recent, seen in _samples(values, observed, offsets, shortest=int(MIN_SEASONS * default), longest=most):
        changes = autocorrelation(_changes(recent, seen), seen, longest=longest)
        rest = autocorrelation(_detrended(recent, seen, window=default), seen, longest=longest)
        if changes is not None and rest is not None:
            of_changes.append(changes)
            of_rest.append(rest)
            num_rows += len(recent)
    if not of_changes:
        return False
    few = len(of_changes) ** -0.25
    needed = max(LOWEST_CORRELATION, MIN_CORRELATION * few, NUM_STANDARD_ERRORS / num_rows**0.5)
    chance = NUM_STANDARD_ERRORS * SEASONAL_ERROR / (num_rows / default) ** 0.5
    needed_of_rest = max(LOWEST_CORRELATION, MIN_CORRELATION_DETRENDED * few, chance)
    return _is_season(np.median(of_changes, axis=0), default, needed=needed) or _is_season(
        np.median(of_rest, axis=0), default, needed=needed_of_rest
    )


def _sampled(offsets: Int64Array, shortest: int) -> Int64Array:
    """Return at most `MAX_SERIES` series, spread over those of at least `shortest` rows."""
    enough = np.flatnonzero(np.diff(offsets) >= max(shortest, 6))
    return enough[spread_sample(len(enough), MAX_SERIES)]


def _recent(
    values: Float64Array, observed: BoolArray, offsets: Int64Array, series: int, *, num_rows: int
) -> tuple[Float64Array, BoolArray]:
    """Return the last rows of one series, missing ones on a line between their neighbours, and their mask."""
    stop = int(offsets[series + 1])
    start = max(int(offsets[series]), stop - num_rows)
    seen, recent = observed[start:stop], values[start:stop]
    if not seen.any() or seen.all():
        return recent, seen
    rows = np.arange(stop - start, dtype=np.float64)
    return np.interp(rows, rows[seen], recent[seen]), seen


def _changes(values: Float64Array, observed: BoolArray) -> Float64Array:
    """Return first differences about their mean, 0 where not observed."""
    return _without_spikes(np.diff(values, prepend=values[:1]), observed)


def _detrended(values: Float64Array, observed: BoolArray, *, window: int) -> Float64Array:
    """Return what a centred moving average over one season leaves, 0 where not observed."""
    weights = np.ones(window + 1 - window % 2)
    if window % 2 == 0:
        weights[[0, -1]] = 0.5  # an even season is centred by two half steps
    half = len(weights) // 2
    padded = np.pad(values, half, mode="reflect", reflect_type="odd")
    sums = np.convolve(padded, weights / window, mode="valid") if window < 64 else _running_mean(padded, window)
    return _without_spikes(values - sums, observed)


def _running_mean(padded: Float64Array, window: int) -> Float64Array:
    """Return the centred moving average by cumulative sums: cheap for a long window."""
    sums = np.cumsum(np.concatenate([[0.0], padded - padded.mean()]))
    means = (sums[window:] - sums[:-window]) / window + padded.mean()
    return means if window % 2 else np.asarray((means[:-1] + means[1:]) / 2)


def _without_spikes(values: Float64Array, observed: BoolArray) -> Float64Array:
    """Return values about their mean, cut at `MAX_SPREADS`, 0 where not observed."""
    spread = np.median(np.abs(values - np.median(values)))
    if spread > 0:
        values = np.clip(values, -MAX_SPREADS * spread, MAX_SPREADS * spread)
    return np.where(observed, values - values.mean(), 0.0)


def autocorrelation(values: Float64Array, observed: BoolArray, *, longest: int) -> Float64Array | None:
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


def _is_season(correlation: Float64Array, season: int, *, needed: float) -> bool:
    """Whether the autocorrelation at the season (to 2 %) is as high as needed, and a peak: lower half a season away."""
    slack = season // 50
    peak = correlation[season - slack : season + slack + 1].max()
    away = correlation[max(season // 3, 1) : 2 * season // 3 + 1]
    return bool(peak > needed and (season <= 3 or peak > np.median(away) + needed / 2))


def _search(values: Float64Array, observed: BoolArray, offsets: Int64Array) -> tuple[int, dict[int, int]]:
    """Return the season length that most of the series with one agree on, 1 where fewer than `MIN_PASSED` do.

    Second are the series whose season that one does not contain, with their own.
    """
    found = {
        number: find_season_length(np.where(seen, recent, np.nan))
        for number, recent, seen in _samples(values, observed, offsets, shortest=8, longest=MAX_SEARCHED_ROWS)
    }
    counts = Counter(length for length in found.values() if length > 1)
    if not counts:
        return 1, {}
    length, count = max(counts.items(), key=lambda item: (item[1], -item[0]))
    length = length if count >= MIN_PASSED * len(found) else 1
    if len(offsets) - 1 > MAX_SERIES and any(length % own for own in found.values()):
        usual = [own for own, times in counts.most_common(MAX_USUAL) if times > 1]
        found |= seasons_among(values, observed, offsets, usual, known=set(found))
    return length, {number: own for number, own in sorted(found.items()) if length % own}


def seasons_among(
    values: Float64Array,
    observed: BoolArray,
    offsets: Int64Array,
    lengths: Sequence[int],
    *,
    known: Collection[int] = (),
) -> dict[int, int]:
    """Return which of some seasons each series has, by number, 1 for none; those that are known are left out."""
    of_length: dict[int, list[int]] = {}
    for number, rows in enumerate(np.minimum(np.diff(offsets), MAX_SEARCHED_ROWS).tolist()):
        if number not in known and rows >= 8:
            of_length.setdefault(rows, []).append(number)
    found: dict[int, int] = {}
    for rows, numbers in of_length.items():
        size = max(ROWS_AT_ONCE // rows, 1)
        for part in (numbers[start : start + size] for start in range(0, len(numbers), size)):
            recent = [_recent(values, observed, offsets, number, num_rows=rows)[0] for number in part]
            own = clearest_seasons(np.nan_to_num(np.stack(recent, axis=1)), lengths)
            found |= dict(zip(part, own.tolist(), strict=True))
    return found
