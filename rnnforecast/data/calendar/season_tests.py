"""Tests of whether a history has a season: an F-test of seasonal terms, and a periodogram search in plain steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, lgamma, log, log1p

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.frozen import dataclass

SIGNIFICANCE = 0.01
#: Seasons up to this length are tested with all their harmonics, longer ones with six.
MAX_EXACT_SEASON = 12
_TEST_HARMONICS = 6
_MAX_PEAKS = 5
#: How much lower the information criterion of a longer season must be.
CLEARLY_LOWER = 10.0


@dataclass(frozen=True)
class SeasonTest:
    """How clearly a season shows."""

    season_length: int
    num_seasons: float  # seasons that were observed
    p_value: float
    left: float = 1.0  # part of the variance around the straight line that the season leaves


def seasonal_f_test(values: Float64Array, season_length: int) -> SeasonTest:
    """Test one season in a history [N], NaN where missing; p is 1 where fewer than two seasons are there."""
    num_rows = len(values)
    seasons = num_rows / max(season_length, 1)
    previous = values[:-1]
    known = np.isfinite(values[1:]) & np.isfinite(previous)
    if season_length < 2 or seasons < 2:
        return SeasonTest(season_length, seasons, 1.0)
    bases = _whole_bases(num_rows, season_length) if known.all() else _bases(num_rows, season_length, known)
    line, terms, num_terms = bases
    target, previous = values[1:][known], previous[known]
    freedom = len(target) - 3 - num_terms
    if freedom < 2:
        return SeasonTest(season_length, seasons, 1.0)
    without = _residual(line, previous, target)
    if without <= 1e-24 * float(target @ target):
        return SeasonTest(season_length, seasons, 1.0)  # a constant or a straight line, up to rounding
    with_season = _residual(terms, previous, target)
    left = with_season / without
    if left <= 1e-12:
        return SeasonTest(season_length, seasons, 0.0, left)
    statistic = (1 - left) / num_terms / (left / freedom)
    return SeasonTest(season_length, seasons, f_survival(statistic, num_terms, freedom), left)


@lru_cache(maxsize=2)
def _whole_bases(num_rows: int, season_length: int) -> tuple[Float64Array, Float64Array, int]:
    """Return the bases of a history without gaps, once for all series of one length."""
    return _bases(num_rows, season_length, np.ones(num_rows - 1, dtype=np.bool_))


def _bases(num_rows: int, season_length: int, known: BoolArray) -> tuple[Float64Array, Float64Array, int]:
    """Return orthonormal columns of a straight line, of it and the seasonal terms, and the number of these terms."""
    terms = _seasonal_terms(num_rows, season_length)[1:][known]
    steps = np.arange(1, num_rows, dtype=np.float64)[known] / max(num_rows, 1)
    line = np.column_stack([np.ones(len(steps)), steps])
    return _orthonormal(line), _orthonormal(np.column_stack([line, terms])), terms.shape[1]


def find_season_length(values: Float64Array) -> int:
    """Return the season length that a history [N] of plain steps shows, 1 where it shows none.

    Candidates are the five highest peaks of the periodogram of what a straight line and the value before leave, and
    their multiples up to four; the shortest of the clearest by `seasonal_f_test` is taken. The periodogram is too coarse for
    a long one, so that its neighbours are compared by what they leave.
    """
    values = values[np.isfinite(values)]
    num_rows = len(values)
    if num_rows < 8:
        return 1
    steps = np.arange(num_rows, dtype=np.float64)
    line = np.column_stack([np.ones(num_rows), steps])
    rest = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
    power = float(rest[:-1] @ rest[:-1])
    if power <= 1e-12 * float(np.square(values).sum() + 1e-300):
        return 1
    white = rest[1:] - float(rest[1:] @ rest[:-1]) / power * rest[:-1]
    size = 4 * len(white)
    spectrum = np.square(np.abs(np.fft.rfft(white, size)))
    inner = spectrum[1:-1]
    peaks = np.flatnonzero((inner >= spectrum[:-2]) & (inner > spectrum[2:])) + 1
    peaks = peaks[np.argsort(spectrum[peaks])[::-1][:_MAX_PEAKS]]
    lengths = {
        round(multiple * size / peak) + near for peak in peaks for multiple in range(1, 5) for near in (-1, 0, 1)
    }
    tests = {length: seasonal_f_test(values, length) for length in sorted(lengths) if 2 <= length <= num_rows // 2}
    chance = SIGNIFICANCE / (num_rows / 2)
    for test in [test for test in tests.values() if test.p_value < chance and test.season_length > MAX_EXACT_SEASON]:
        _add_clearer_neighbours(tests, test, values)
    clear = [test for test in tests.values() if test.p_value < chance]
    if not clear:
        return 1
    scores = np.log([max(test.p_value, 1e-300) for test in clear])
    highest = float(-scores.min())
    near = max(5.0, min(0.1 * highest, 10.0), 0.03 * highest)
    shortest = min(test.season_length for test, score in zip(clear, scores, strict=True) if score <= near - highest)
    while shortest > MAX_EXACT_SEASON:  # of neighbours as good, the one that leaves least
        best = min(range(shortest - 1, shortest + 2), key=lambda length: tests[length].left if length in tests else 1.0)
        if best == shortest:
            break
        shortest = best
    return shortest


def _add_clearer_neighbours(tests: dict[int, SeasonTest], test: SeasonTest, values: Float64Array) -> None:
    """Test the seasons next to a long one, and on as long as they leave less of the history."""
    for way in (-1, 1):
        last = test
        while MAX_EXACT_SEASON < last.season_length + way <= len(values) // 2:
            length = last.season_length + way
            following = tests.get(length) or seasonal_f_test(values, length)
            tests[length] = following
            if following.left >= last.left:
                break
            last = following


def clearest_seasons(values: Float64Array, lengths: Sequence[int]) -> Int64Array:
    """Return which of some season lengths each history [N, S] without gaps shows by `seasonal_f_test`, 1 where none: [S].

    Of several that pass, the one with the smallest information criterion of Schwarz (1978) is taken, the shorter one unless
    the longer is clearly better: its terms hold those of a part of it.
    """
    num_rows, num_series = values.shape
    best, lowest = np.ones(num_series, dtype=np.int64), np.full(num_series, np.inf)
    for length in sorted(lengths):
        if not 2 <= length <= num_rows // 2:
            continue
        line, terms, num_terms = _whole_bases(num_rows, length)
        freedom = num_rows - 4 - num_terms
        if freedom < 2:
            continue
        without = _residuals(line, values)
        rest = np.maximum(_residuals(terms, values), 1e-12 * without + 1e-300)
        statistic = (without - rest) / num_terms / (rest / freedom)
        criterion = num_rows * np.log(rest) + num_terms * np.log(num_rows)
        limit = _f_limit(SIGNIFICANCE / (num_rows / 2), num_terms, freedom)
        chosen = (
            (statistic > limit)
            & (criterion < lowest - CLEARLY_LOWER)
            & (without > 1e-24 * np.square(values[1:]).sum(axis=0))
        )
        best[chosen], lowest[chosen] = length, criterion[chosen]
    return best


def _residuals(basis: Float64Array, values: Float64Array) -> Float64Array:
    """Return what `_residual` does, of many histories [N, S]: [S]."""
    previous, target = (each - basis @ (basis.T @ each) for each in (values[:-1], values[1:]))
    power = np.square(previous).sum(axis=0)
    is_new = power > 1e-24 * np.square(values[:-1]).sum(axis=0)
    explained = np.square((previous * target).sum(axis=0)) / np.where(is_new, power, 1.0)
    return np.asarray(np.maximum(np.square(target).sum(axis=0) - np.where(is_new, explained, 0.0), 0.0))


def _f_limit(chance: float, numerator: int, denominator: int) -> float:
    """Return the statistic that chance exceeds so often, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if f_survival(middle, numerator, denominator) > chance else (low, middle)
    return high


def f_survival(statistic: float, numerator: int, denominator: int) -> float:
    """Return P(F > statistic), by the continued fraction of the incomplete beta function (Press et al. 1992, 6.4)."""
    if statistic <= 0:
        return 1.0
    a, b = denominator / 2, numerator / 2
    x = denominator / (denominator + numerator * statistic)
    return _incomplete_beta(a, b, x)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny, c, d = 1e-300, 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 300):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return front * result


def _orthonormal(columns: Float64Array) -> Float64Array:
    if not len(columns):
        return columns
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(basis[:, sizes > sizes[0] * max(columns.shape) * np.finfo(np.float64).eps])


def _residual(basis: Float64Array, previous: Float64Array, target: Float64Array) -> float:
    """Return the sum of squares that a regression on orthonormal columns and the value before leaves of a target."""
    rest = target - basis @ (basis.T @ target)
    before = previous - basis @ (basis.T @ previous)
    power = float(before @ before)
    if power > 1e-24 * float(previous @ previous):
        rest = rest - float(before @ rest) / power * before
    return float(rest @ rest)


def _seasonal_terms(num_rows: int, season_length: int) -> Float64Array:
    """Return sines and cosines of a season without those that are zero at every step: [N, P]."""
    highest = season_length // 2 if season_length <= MAX_EXACT_SEASON else _TEST_HARMONICS
    angle = 2 * np.pi * np.arange(num_rows)[:, None] * np.arange(1.0, highest + 1) / season_length
    columns = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    return np.asarray(columns[:, np.abs(columns).max(axis=0, initial=0.0) > 1e-6])
