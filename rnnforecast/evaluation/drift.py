"""Drift tests for a model in use: they can be repeated after every forecast, and false alarms stay rare.

A test made for one use is wrong here: repeated every night it finds something sooner or later. These tests are sums
that are compared with a limit after every unit, and the rate of false alarms within a year of units is known.
A unit is one cutoff with the steps that no later forecast covers, so that every actual counts once; units are in
order of time.

Axis legend: U units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Literal

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document

State = Literal["ok", "alarm", "too few"]

#: Fewer units than this are never tested.
MIN_UNITS = 12
#: Rates of false alarms are given for this many units: a year of daily forecasts.
ALARM_UNITS = 365
#: Proven bound: the fraction of sound models for which a bet gives a false alarm within `ALARM_UNITS` units.
FALSE_ALARM_RATE = 0.01
BET_LIMIT = math.log10(ALARM_UNITS / FALSE_ALARM_RATE)
#: A shift of half a standard deviation is what the cumulative sum is tuned for (Page 1954: half of the shift).
CUSUM_SLACK = 0.25
#: Reached by 2 of 100 undisturbed models within `ALARM_UNITS` units, by 5 to 7 of 100 where units follow each other
#: with an autocorrelation of 0.3 to 0.5 (`benchmarks/drift_alarms.py`).
CUSUM_LIMIT = 13.0
#: How far the coverage may be below its nominal level before it counts as broken: calibration is an estimate too.
COVERAGE_TOLERANCE = {80: 0.05, 95: 0.03}

_STAKES = (0.05, 0.1, 0.2, 0.4, 0.8)  # fractions of the largest stake that cannot lose everything
_MOST = 1e100  # wealth is cut off here


@dataclass(frozen=True)
class Watch(Document):
    """One drift test: `value` reached `limit` at unit `since` (None: it did not)."""

    name: str
    state: State
    value: float
    limit: float
    num_units: int
    since: int | None = None


def watch_losses(differences: Float64Array) -> Watch:
    """Test whether the losses, minus those of the naive forecast, have become larger.

    A cumulative sum (Page 1954) over sequential normal scores: each difference is ranked among all up to it, and its
    rank becomes a normal score. Whatever the distribution of the differences, undisturbed scores are independent and
    nearly normal (Conover, Tercero-Gomez and Cordero-Franco 2017), so the rate of false alarms is known without any
    earlier history. Autocorrelated scores are shrunk, so that a run of bad luck does not count as drift.
    """
    scores = sequential_scores(differences)
    return _watch("loss", cusum(scores * _shrinking(scores)), limit=CUSUM_LIMIT)


def watch_naive(differences: Float64Array) -> Watch:
    """Test whether the naive forecast is better more often than not: losses minus naive losses [U].

    A bet on the sign of each difference, see `wealth`; equal losses count as half a win each.
    """
    worse = np.where(differences > 0, 1.0, np.where(differences < 0, 0.0, 0.5))
    path = _logarithm(wealth(worse, mean=0.5))
    return _watch("naive", path, limit=BET_LIMIT)


def watch_coverage(fractions: Float64Array, *, level: int) -> Watch:
    """Test whether an interval covers less than its level; `fractions` [U] of the steps of a unit lay inside.

    A sequential binomial test that is valid for steps and series that hit or miss together: see `wealth`. Coverage
    counts as broken below the level minus its tolerance (75 of 100 for the 80 % interval, 92 for the 95 %).
    """
    least = level / 100 - COVERAGE_TOLERANCE[level]
    path = _logarithm(wealth(1 - fractions, mean=1 - least))
    return _watch(f"coverage_{level}", path, limit=BET_LIMIT)


def wealth(values: Float64Array, *, mean: float) -> Float64Array:
    """Return the wealth after each unit of a gambler who bets that `values`, in [0, 1], exceed `mean` on average: [U].

    A new gambler with a stake of 1 joins before every unit, so that a change is found whenever it comes. The game is
    fair or worse where the mean is not exceeded, whatever the distribution and the dependence within one unit: within
    N units their common wealth then reaches N / a with a probability of at most a (an e-detector: Shin, Ramdas and
    Rinaldo 2024; bets on bounded means: Waudby-Smith and Ramdas 2024). Each plays several constant stakes in
    parallel.
    """
    stakes = np.array(_STAKES) / mean  # a value of 0 costs at most the stake
    common = np.zeros(len(stakes))
    path = np.empty(len(values))
    for number, value in enumerate(values):
        common = np.minimum((1 + common) * (1 + stakes * (value - mean)), _MOST)
        path[number] = common.mean()
    return path


def sequential_scores(values: Float64Array) -> Float64Array:
    """Return the normal score of the rank of each value among all up to it: [U]; equal values have equal ranks."""
    scores = np.zeros(len(values))
    normal = NormalDist()
    for number, value in enumerate(values):
        before = values[: number + 1]
        rank = float((before < value).sum()) + (float((before == value).sum()) + 1) / 2
        scores[number] = normal.inv_cdf((rank - 0.5) / (number + 1))
    return scores


def _shrinking(scores: Float64Array) -> Float64Array:
    """Return factors that give sums of scores the variance of independent scores: [U].

    With an autocorrelation of r at lag 1, sums of an autoregression vary (1 + r) / (1 - r) times as much. Of two
    estimates the smaller counts: from the scores, which a shift inflates too, and from their changes, which it does
    not. Both use only scores before each unit, so that a path does not change later.
    """
    changes = np.diff(scores)
    plain = _running_correlation(scores)
    robust = np.append(0.0, 1 + 2 * _running_correlation(changes)) if len(changes) else np.zeros(len(scores))
    correlation = np.append(0.0, np.minimum(plain, robust)[:-1])[: len(scores)]
    correlation[:MIN_UNITS] = 0.0
    correlation = np.clip(correlation, 0.0, 0.9)
    return np.asarray(np.sqrt((1 - correlation) / (1 + correlation)), dtype=np.float64)


def _running_correlation(values: Float64Array) -> Float64Array:
    """Return the autocorrelation at lag 1, about 0, of all values up to each: [U]."""
    products = np.append(0.0, np.cumsum(values[1:] * values[:-1]))[: len(values)]
    squares = np.cumsum(values**2)
    return np.asarray(products / np.maximum(squares, np.finfo(np.float64).tiny), dtype=np.float64)


def cusum(scores: Float64Array, *, slack: float = CUSUM_SLACK) -> Float64Array:
    """Return the one-sided cumulative sum of scores above `slack`, never below 0: [U]."""
    walk = np.cumsum(scores - slack)
    return np.asarray(walk - np.minimum.accumulate(np.minimum(walk, 0.0)), dtype=np.float64)


#: Fraction of the newest values that must be far outside the training range before the inputs count as drifted.
OUTSIDE_FRACTION = 0.1
#: How many widths of the training range a value must be beyond it, and how much the scale may change.
OUTSIDE_WIDTHS = 1.0
SCALE_FACTOR = 10.0


def foreign_range(low: float, high: float, values: Float64Array) -> float:
    """Return the fraction of values that are farther outside the training range than it is wide.

    The range is at least as wide as a tenth of its larger end, so that a constant series has one too.
    """
    if not len(values):
        return 0.0
    width = OUTSIDE_WIDTHS * max(high - low, 0.1 * max(abs(low), abs(high)))
    return float(((values < low - width) | (values > high + width)).mean())


def foreign_scale(trained: float, now: float) -> bool:
    """Return whether a series moves ten times more or less than in training: another unit, a stuck or loose sensor."""
    if not (np.isfinite(trained) and np.isfinite(now)) or trained <= 0:
        return False
    return not trained / SCALE_FACTOR <= now <= trained * SCALE_FACTOR


def freshest(cutoffs: Int64Array, leads: Int64Array) -> BoolArray:
    """Return for each logged step whether no later forecast covers it: its cutoff is the newest before its timestamp.

    Both arrays have one entry for each logged step.
    """
    distinct, place = np.unique(cutoffs, return_inverse=True)
    following = np.append(distinct[1:], np.iinfo(np.int64).max)
    return np.asarray(cutoffs + leads <= following[place])


def unit_means(values: Float64Array, cutoffs: Int64Array) -> Mapping[int, float]:
    """Return the mean of the values of each cutoff, in order of time."""
    distinct, place = np.unique(cutoffs, return_inverse=True)
    means = np.bincount(place, weights=values) / np.bincount(place)
    return dict(zip(distinct.tolist(), means.tolist(), strict=True))


def _logarithm(path: Float64Array) -> Float64Array:
    """Return the decimal logarithm of wealth, 0 for less than a stake."""
    return np.asarray(np.log10(np.maximum(path, 1.0)), dtype=np.float64)


def _watch(name: str, path: Float64Array, *, limit: float) -> Watch:
    """Compare a path with its limit; an alarm stays an alarm."""
    if len(path) < MIN_UNITS:
        return Watch(name, "too few", float(path.max(initial=0.0)), limit, len(path))
    beyond = np.flatnonzero(path >= limit)
    since = int(beyond[0]) if len(beyond) else None
    return Watch(name, "ok" if since is None else "alarm", float(path.max()), limit, len(path), since)
