"""Seasons that regression members use: those a frequency implies, and those a periodogram finds in plain steps.

`test_season` says how clearly a season shows: an F-test of a regression on trend and the value before, with and without
seasonal terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.calendar.frequency import FIXED_UNITS
from rnnforecast.data.calendar.infer_frequency import default_season_length
from rnnforecast.mixture.regression import fourier

if TYPE_CHECKING:
    from rnnforecast.data.calendar.frequency import Frequency

DAYS_A_YEAR = 365.25
BUSINESS_DAYS_A_YEAR = 260.9
#: A year is estimated from so many of them, a week of days from so many weeks.
FEWEST_YEARS, FEWEST_WEEKS = 2.5, 3
#: Seasons up to this length have a harmonic for every shape they can take; longer ones are smooth.
MAX_EXACT_SEASON = 12
SMOOTH_HARMONICS = 8
#: Newest rows that a regression reads, in seasons, where a day has several steps.
MAX_DAYS = 84
SIGNIFICANCE = 0.01
_MAX_PEAKS = 5


@dataclass(frozen=True)
class Season:
    """A period in steps and the harmonics that describe its shape."""

    period: float
    harmonics: tuple[int, ...]


@dataclass(frozen=True)
class SeasonPlan:
    """The seasons of one series: what `base` is told, and what regressions add."""

    season_length: int
    short: Season | None
    long: Season | None = None
    max_rows: int = 100_000

    @property
    def longest_period(self) -> float:
        """The longest period in steps, 1 without a season."""
        return max((season.period for season in (self.short, self.long) if season), default=1.0)


@dataclass(frozen=True)
class SeasonTest:
    """How clearly a season shows."""

    season_length: int
    num_seasons: float  # seasons that were observed
    p_value: float


def plan_seasons(freq: Frequency, season_length: int, *, num_rows: int) -> SeasonPlan:
    """Return the seasons to use for a series of `num_rows` rows whose season has `season_length` steps (1: none)."""
    if season_length <= 1:
        return SeasonPlan(1, None)
    is_natural = season_length == default_season_length(freq)
    short = Season(float(season_length), _harmonics(season_length))
    if is_natural and freq.unit in ("day", "business-day") and freq.multiple == 1:
        year = DAYS_A_YEAR if freq.unit == "day" else BUSINESS_DAYS_A_YEAR
        has_years = num_rows >= FEWEST_YEARS * year
        return SeasonPlan(season_length, short, Season(year, (1, 2, 3)) if has_years else None, round(6 * year))
    if is_natural and freq.unit in ("hour", "minute", "second") and not freq.slots and _is_a_day(freq, season_length):
        week = Season(7.0 * season_length, tuple(harmonic for harmonic in range(1, 21) if harmonic % 7))
        has_weeks = num_rows >= 7 * FEWEST_WEEKS * season_length
        return SeasonPlan(season_length, short, week if has_weeks else None, MAX_DAYS * season_length)
    if is_natural and freq.unit == "week":
        return SeasonPlan(season_length, Season(DAYS_A_YEAR / 7 / freq.multiple, (1, 2, 3, 4, 5, 6)), max_rows=520)
    return SeasonPlan(season_length, short)


def test_season(values: Float64Array, season_length: int) -> SeasonTest:
    """Test one season in a history [N], NaN where missing; p is 1 where fewer than two seasons are there."""
    num_rows = len(values)
    seasons = num_rows / max(season_length, 1)
    previous = values[:-1]
    known = np.isfinite(values[1:]) & np.isfinite(previous)
    terms = fourier(num_rows, float(season_length), _test_harmonics(season_length), kind="short").columns[1:][known]
    steps = np.arange(1, num_rows, dtype=np.float64)[known] / max(num_rows, 1)
    small = np.column_stack([np.ones(len(steps)), steps, previous[known]])
    freedom = len(steps) - small.shape[1] - terms.shape[1]
    if season_length < 2 or seasons < 2 or freedom < 2:
        return SeasonTest(season_length, seasons, 1.0)
    target = values[1:][known]
    without = _residual(small, target)
    with_season = _residual(np.column_stack([small, terms]), target)
    if with_season <= 1e-12 * max(without, 1e-300):
        return SeasonTest(season_length, seasons, 0.0 if without > 0 else 1.0)
    statistic = (without - with_season) / terms.shape[1] / (with_season / freedom)
    return SeasonTest(season_length, seasons, f_survival(statistic, terms.shape[1], freedom))


def find_season(values: Float64Array) -> int:
    """Return the season length that a history [N] of plain steps shows, 1 where it shows none.

    Candidates are the five highest peaks of the periodogram of what a straight line and the value before leave, and
    their multiples up to four; the shortest of the clearest by `test_season` is taken.
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
    tests = [test_season(values, length) for length in sorted(lengths) if 2 <= length <= num_rows // 2]
    clear = [test for test in tests if test.p_value < SIGNIFICANCE / (num_rows / 2)]
    if not clear:
        return 1
    scores = np.log([max(test.p_value, 1e-300) for test in clear])
    near = max(5.0, 0.03 * float(-scores.min()))
    return min(test.season_length for test, score in zip(clear, scores, strict=True) if score <= scores.min() + near)


def f_survival(statistic: float, numerator: int, denominator: int) -> float:
    """Return P(F > statistic), by the continued fraction of the incomplete beta function (Press et al. 1992, 6.4)."""
    if statistic <= 0:
        return 1.0
    a, b = denominator / 2, numerator / 2
    x = denominator / (denominator + numerator * statistic)
    return _incomplete_beta(a, b, x)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    from math import exp, lgamma, log, log1p

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


def _residual(columns: Float64Array, target: Float64Array) -> float:
    solution = np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.square(target - columns @ solution).sum())


def _harmonics(season_length: int) -> tuple[int, ...]:
    highest = season_length // 2 if season_length <= MAX_EXACT_SEASON else SMOOTH_HARMONICS
    return tuple(range(1, highest + 1))


def _test_harmonics(season_length: int) -> tuple[int, ...]:
    return tuple(range(1, (season_length // 2 if season_length <= MAX_EXACT_SEASON else 6) + 1))


def _is_a_day(freq: Frequency, season_length: int) -> bool:
    return FIXED_UNITS[freq.unit] * freq.multiple * season_length == FIXED_UNITS["day"]
