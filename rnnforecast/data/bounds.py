"""Bounds of forecasts: those that the user sets, and those that a history kept to, up to each cutoff.

A series that was never below zero gets no forecast below zero, whole numbers get whole quantiles, and a fraction or a
percentage stays below 1 or 100. `SeriesBounds.at` is the one place that decides, for every method and every cutoff.

Axis legend: S series, N rows of all series, W windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.frozen import dataclass

#: Highest values of fractions and of percentages.
CAPS = (1.0, 100.0)
#: A history without a telling name has a cap where it reached it so often and never went beyond.
FEWEST_AT_CAP = 3
#: Names of targets that are fractions or percentages, and of targets that are percentages.
_FRACTIONS = ("share", "fraction", "proportion", "probability", "humidity", "occupancy", "utilisation", "utilization")
_PERCENTAGES = ("percent", "pct", "%")


@dataclass(frozen=True)
class Bounds:
    """What the forecasts of windows keep to."""

    floor: Float64Array  # [W], minus infinity where there is none
    cap: Float64Array  # [W], infinity where there is none
    whole: BoolArray  # [W]

    def clip(self, values: Float64Array) -> Float64Array:
        """Cut values [W, H, ...] off at floor and cap."""
        shape = (-1, *(1,) * (values.ndim - 1))
        return np.asarray(np.clip(values, self.floor.reshape(shape), self.cap.reshape(shape)))

    def apply(self, quantiles: Float64Array) -> Float64Array:
        """Cut quantiles [W, H, ...] off at floor and cap, and round those of whole numbers."""
        clipped = self.clip(quantiles)
        if self.whole.any():
            clipped[self.whole] = np.floor(clipped[self.whole] + 0.5)
            clipped = self.clip(clipped)
        return clipped

    def select(self, index: Int64Array) -> Bounds:
        """Return the bounds of the windows of these numbers."""
        return Bounds(self.floor[index], self.cap[index], self.whole[index])

    def sentence(self) -> str:
        """Say what the forecasts keep to, with the number of series where they differ; "" for nothing."""
        count = len(self.whole)
        kinds = {"whole numbers": int(self.whole.sum())}
        kinds |= {f"at least {value:g}": number for value, number in _counts(self.floor)}
        kinds |= {f"at most {value:g}": number for value, number in _counts(self.cap)}
        parts = [
            text if number == count else f"{text} ({number:,} of {count:,} series)"
            for text, number in kinds.items()
            if number
        ]
        return ", ".join(parts)


def _counts(bounds: Float64Array) -> list[tuple[float, int]]:
    values, counts = np.unique(bounds[np.isfinite(bounds)], return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True)
class SeriesBounds:
    """Bounds of each series at any cutoff: a bound holds until the first row that breaks it.

    All places are rows of a series, from 0; its length where no row is so.
    """

    floor: float | None
    cap: float | None
    first_negative: Int64Array  # [S]
    first_fraction: Int64Array  # [S] the first value that is not whole
    first_above: Int64Array  # [S, len(CAPS)]
    known_cap: Int64Array  # [S, len(CAPS)] the row from which on a cap is known, -1 by the name of the target
    is_inferred: bool = True

    @classmethod
    def of(cls, series: SeriesSet, settings: DataSettings) -> SeriesBounds:
        """Look for the rows that break a bound; `floor`, `cap` and `bounds` of the settings come first."""
        floor, cap, count = settings.floor, settings.cap, series.num_series
        parts = [_places(part) for part in series.parts()] if settings.bounds else []
        if not parts:
            nowhere = np.zeros(count, dtype=np.int64)
            caps = np.zeros((count, len(CAPS)), dtype=np.int64)
            return cls(floor, cap, nowhere, nowhere, caps, caps, is_inferred=False)
        negative, fraction, above, at_cap = (np.concatenate(found) for found in zip(*parts, strict=True))
        for number in _matching(series.target_names, _FRACTIONS):
            at_cap[series.target_index == number] = -1
        for number in _matching(series.target_names, _PERCENTAGES):
            at_cap[series.target_index == number, CAPS.index(100.0)] = -1
        return cls(floor, cap, negative, fraction, above, at_cap)

    def at(self, windows: Windows) -> Bounds:
        """Return what forecasts after each cutoff keep to; rows after a cutoff have no effect."""
        chosen, cutoffs = windows.series, windows.cutoffs
        floor, cap = np.full(len(windows), -np.inf), np.full(len(windows), np.inf)
        whole: BoolArray = np.zeros(len(windows), dtype=np.bool_)
        if self.is_inferred:
            positive = self.first_negative[chosen] >= cutoffs
            floor[positive] = 0.0
            whole = self.first_fraction[chosen] >= cutoffs
            for place in reversed(range(len(CAPS))):
                known = self.known_cap[chosen, place]
                is_capped = positive & (known < cutoffs) & (self.first_above[chosen, place] >= cutoffs)
                # zeros and ones may be counts, unless the target has the name of a fraction
                cap[is_capped & ((known < 0) | ~whole | (CAPS[place] > 1))] = CAPS[place]
        if self.floor is not None:
            floor[:] = self.floor
            cap[cap <= self.floor] = np.inf
        if self.cap is not None:
            cap[:] = self.cap
            floor[floor >= self.cap] = -np.inf
        return Bounds(floor, cap, whole)


def _places(series: SeriesSet) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """Return the first negative row, the first that is not whole, the first above each cap, and the n-th at it."""
    values, offsets = series.values, series.offsets
    with np.errstate(invalid="ignore"):
        above = [_nth_true(values > cap, offsets) for cap in CAPS]
        at_cap = [_nth_true(values == cap, offsets, number=FEWEST_AT_CAP) for cap in CAPS]
        broken = series.observed & (np.floor(values) != values)
        return (
            _nth_true(values < 0, offsets),
            _nth_true(broken, offsets),
            np.stack(above, axis=1),
            np.stack(at_cap, axis=1),
        )


def _nth_true(mask: BoolArray, offsets: Int64Array, *, number: int = 1) -> Int64Array:
    """Return the place of the n-th true row in each run, the length of the run where there are fewer: [S]."""
    rows = np.flatnonzero(mask)
    wanted = np.searchsorted(rows, offsets[:-1]) + number - 1
    rows = np.append(rows, np.iinfo(np.int64).max)
    found = rows[np.minimum(wanted, len(rows) - 1)]
    return np.where(found < offsets[1:], found - offsets[:-1], np.diff(offsets))


def _matching(names: Sequence[str], words: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if any(word in name.lower() for word in words)]
