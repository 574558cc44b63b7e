"""The frame every component of a batch is drawn in: one random stream, the lengths, the season, the visible spans.

A component is a function from a frame to paths `[num_series, length]` in single precision. Components share no state
but the frame's random stream, so a batch is the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Paths: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Frame:
    """What a component must know: `spans [num_series]` are the steps that will be seen, at the end of each row."""

    rng: np.random.Generator
    length: int
    season_length: int
    long_season_length: int
    spans: Indices

    @property
    def num_series(self) -> int:
        """Rows of the paths a component returns."""
        return len(self.spans)

    def pick(self, rows: Indices) -> Frame:
        """The same frame for some rows only."""
        return replace(self, spans=self.spans[rows])

    def clock(self) -> Paths:
        """Time `[num_series, length]`: 0 at the first visible step (and before it), 1 at the last."""
        steps = np.arange(1 - self.length, 1, dtype=np.float32)
        paths = steps[None, :] / np.maximum(self.spans - 1, 1).astype(np.float32)[:, None]
        paths += 1
        drawn: Paths = np.maximum(paths, 0, out=paths)
        return drawn

    def visible(self) -> Mask:
        """Which steps `[num_series, length]` lie inside the visible spans."""
        return np.arange(self.length)[None, :] >= (self.length - self.spans)[:, None]

    def normals(self, width: int | None = None) -> Paths:
        """Independent standard normal numbers `[num_series, width or length]`."""
        return self.rng.standard_normal((self.num_series, width or self.length), dtype=np.float32)

    def uniform(self, low: float, high: float, width: int = 1) -> Paths:
        """Uniform numbers `[num_series, width]`."""
        return self.rng.random((self.num_series, width), dtype=np.float32) * (high - low) + low

    def log_uniform(self, low: float, high: float, width: int = 1) -> Paths:
        """Numbers `[num_series, width]` whose logarithm is uniform between those of `low` and `high`."""
        return np.exp(self.uniform(float(np.log(low)), float(np.log(high)), width))

    def log_normal(self, median: float, spread: float) -> Paths:
        """Numbers `[num_series, 1]` with the given median and standard deviation of the logarithm."""
        drawn: Paths = median * np.exp(spread * self.normals(1))
        return drawn

    def chance(self, share: float) -> Indices:
        """The rows that a coin with the given chance picks."""
        return np.flatnonzero(self.rng.random(self.num_series, dtype=np.float32) < share)

    def moments(self, share: float = 0.0) -> Indices:
        """One step `[num_series, 1]` of each visible span, not before the given share of it."""
        ahead = self.uniform(0, 1 - share) * self.spans[:, None]
        return (self.length - 1 - ahead).astype(np.int32)


Component: TypeAlias = Callable[[Frame], Paths]


def draw_families(
    frame: Frame, weights: Mapping[str, float], families: Mapping[str, Component]
) -> tuple[Paths, Indices]:
    """Paths with each row of one family, drawn by weight, and the family's place `[num_series]` in `weights`."""
    names = list(weights)
    shares = np.asarray([weights[name] for name in names], dtype=np.float64)
    chosen = frame.rng.choice(len(names), size=frame.num_series, p=shares / shares.sum())
    paths = np.zeros((frame.num_series, frame.length), dtype=np.float32)
    for place, name in enumerate(names):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            paths[rows] = families[name](frame.pick(rows))
    return paths, chosen


def to_unit(paths: Paths, frame: Frame) -> Paths:
    """Paths with mean 0 and standard deviation 1 over their visible spans; flat paths become 0."""
    seen = frame.visible()
    count = frame.spans[:, None].astype(np.float32)
    centred = paths - (paths * seen).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.square(centred) * seen).sum(axis=1, keepdims=True) / count)
    drawn: Paths = centred / np.where(spread > 1e-6, spread, np.float32(np.inf))
    return drawn
