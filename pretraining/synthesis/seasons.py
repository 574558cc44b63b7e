"""Shapes that repeat, and how they change from one repetition to the next.

A shape is a template `[num_series, period]` with mean 0 and spread 1: waves, free values, peaks, blocks, ramps, days
of work and rest. An evolution lays it along time: fixed, turning into another shape, growing, wandering cell by
cell, pulsing, or replaced at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pretraining.synthesis.frames import Frame, Paths
from pretraining.synthesis.recursions import autoregress

if TYPE_CHECKING:
    from collections.abc import Mapping

Shape: TypeAlias = Callable[[Frame, int], Paths]
Evolution: TypeAlias = Callable[[Frame, "Draw"], Paths]
Draw: TypeAlias = Callable[[Frame], Paths]

#: Seasons from here on are sampled waves rather than lists of months or days.
_LONG = 16


def _waves(frame: Frame, period: int) -> Paths:
    """A few harmonics, from a single smooth wave to a jagged shape."""
    count = min(period // 2, 10)
    harmonics = np.arange(1, count + 1, dtype=np.float32)
    sizes = frame.normals(2 * count).reshape(-1, 2, count)
    sizes *= np.power(harmonics[None, :], -frame.uniform(0.3, 3))[:, None, :]
    angles = 2 * np.pi * harmonics[:, None] * (np.arange(period, dtype=np.float32) / period)[None, :]
    return sizes[:, 0] @ np.cos(angles) + sizes[:, 1] @ np.sin(angles)


def _free(frame: Frame, period: int) -> Paths:
    """Every cell its own value, sometimes with heavy tails."""
    cells = frame.normals(period)
    return cells * np.exp(frame.uniform(0, 0.25) * np.square(cells))


def _sine(frame: Frame, period: int) -> Paths:
    """One smooth wave, as temperatures have; a little skewed."""
    angle = 2 * np.pi * (np.arange(period, dtype=np.float32)[None, :] / period + frame.uniform(0, 1))
    return np.sin(angle + frame.uniform(-0.6, 0.6) * np.sin(angle))


def _distance(frame: Frame, period: int) -> Paths:
    """Circular distance `[num_series, period]` of each cell to a random place, as a share of the period."""
    place = frame.uniform(0, 1)
    gap = np.abs(np.arange(period, dtype=np.float32)[None, :] / period - place)
    drawn: Paths = np.minimum(gap, 1 - gap)
    return drawn


def _peaks(frame: Frame, period: int) -> Paths:
    """One to three peaks or dips above a calm rest: December, harvest, holidays."""
    cells = 0.15 * frame.normals(period) * frame.uniform(0, 1)
    for share in (1.0, 0.5, 0.25):
        width = np.maximum(frame.log_uniform(0.02, 0.15), 0.5 / period)
        size = frame.normals(1) * (frame.uniform(0, 1) < share)
        cells = cells + size * np.exp(-0.5 * np.square(_distance(frame, period) / width))
    drawn: Paths = (
        cells * np.where(frame.uniform(0, 1) < 0.75, 1, -1) * np.sign(cells.sum(axis=1, keepdims=True) + 1e-9)
    )
    return drawn


def _blocks(frame: Frame, period: int) -> Paths:
    """On for a part of the season, off for the rest; some with a second block."""
    on = (_distance(frame, period) < frame.uniform(0.05, 0.45)).astype(np.float32)
    second = (_distance(frame, period) < frame.uniform(0.03, 0.25)) * frame.normals(1)
    return on + second * (frame.uniform(0, 1) < 0.4) + 0.1 * frame.normals(period) * frame.uniform(0, 1)


def _ramp(frame: Frame, period: int) -> Paths:
    """A sawtooth: slow one way, fast back."""
    place = (np.arange(period, dtype=np.float32)[None, :] / period + frame.uniform(0, 1)) % 1
    turn = frame.uniform(0.05, 0.95)
    tooth = np.where(place < turn, place / turn, (1 - place) / (1 - turn))
    return tooth + 0.1 * frame.normals(period) * frame.uniform(0, 1)


def _rest_days(frame: Frame, period: int) -> Paths:
    """Two sevenths of the season lower (or higher) than the rest, with small differences among equals."""
    place = (np.arange(period)[None, :] + frame.rng.integers(0, period, (frame.num_series, 1))) % period
    first = place >= round(period * 5 / 7)
    last = place >= round(period * 6 / 7)
    low = -first.astype(np.float32) - last * frame.uniform(-0.3, 0.9)
    low *= np.where(frame.uniform(0, 1) < 0.7, 1, -1)
    return low + frame.normals(period) * frame.log_uniform(0.02, 0.4)


def _day(frame: Frame, period: int) -> Paths:
    """A day of people: quiet nights, a morning and an evening peak of different height and width."""
    clock = np.arange(period, dtype=np.float32)[None, :] / period
    start = frame.uniform(0, 1)
    cells = np.zeros((frame.num_series, period), dtype=np.float32)
    for centre, late in ((0.35, 0.08), (0.55, 0.08), (0.78, 0.08)):
        gap = np.abs((clock - start - centre - late * frame.normals(1)) % 1)
        gap = np.minimum(gap, 1 - gap)
        cells = cells + frame.uniform(0, 1) * np.exp(-0.5 * np.square(gap / frame.log_uniform(0.03, 0.2)))
    night = ((clock - start) % 1) < frame.uniform(0.15, 0.35)
    return cells * np.where(night, frame.uniform(0, 0.6), 1) + 0.05 * frame.normals(period) * frame.uniform(0, 1)


SHAPES: dict[str, Shape] = {
    "waves": _waves,
    "free": _free,
    "sine": _sine,
    "peaks": _peaks,
    "blocks": _blocks,
    "ramp": _ramp,
    "rest days": _rest_days,
    "day": _day,
}


def draw_shape(frame: Frame, period: int, weights: Mapping[str, float]) -> Paths:
    """Templates `[num_series, period]` with mean 0 and spread 1, each of one shape."""
    names = list(weights)
    shares = np.asarray(list(weights.values()), dtype=np.float64)
    chosen = frame.rng.choice(len(names), size=frame.num_series, p=shares / shares.sum())
    cells = np.zeros((frame.num_series, period), dtype=np.float32)
    for place, name in enumerate(names):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            cells[rows] = SHAPES[name](frame.pick(rows), period)
    return standardised(cells)


def standardised(cells: Paths) -> Paths:
    """Templates with mean 0 and spread 1 in each row; flat ones become 0."""
    centred = cells - cells.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True))
    drawn: Paths = centred / np.where(spread > 1e-6, spread, np.float32(np.inf))
    return drawn


def along(cells: Paths, length: int) -> Paths:
    """A template laid end to end over `length` steps."""
    return cells[:, np.arange(length) % cells.shape[1]]


def _fixed(frame: Frame, draw: Draw) -> Paths:
    return along(draw(frame), frame.length)


def _turning(frame: Frame, draw: Draw) -> Paths:
    """One shape becoming another by a slow rotation."""
    angle = frame.clock() * frame.log_uniform(0.15, 2)
    return np.cos(angle) * along(draw(frame), frame.length) + np.sin(angle) * along(draw(frame), frame.length)


def _gliding(frame: Frame, draw: Draw) -> Paths:
    """Hardly any change from one cycle to the next, much over many: shape and amplitude both drift smoothly."""
    return _turning(frame, draw) * np.exp((frame.clock() - 0.5) * 0.5 * frame.normals(1))


def _growing(frame: Frame, draw: Draw) -> Paths:
    """An amplitude that grows or shrinks."""
    return along(draw(frame), frame.length) * np.exp((frame.clock() - 0.5) * 0.9 * frame.normals(1))


def _wandering(frame: Frame, draw: Draw) -> Paths:
    """Every cell of the season walks on its own from cycle to cycle, as in exponential smoothing.

    Long seasons walk along two other shapes instead, so that smooth ones stay smooth.
    """
    cells = draw(frame)
    period = cells.shape[1]
    cycles = -(-frame.length // period)
    pace = frame.log_uniform(0.02, 0.4)
    if period < _LONG:
        changes = frame.normals(cycles * period).reshape(frame.num_series, cycles, period) * pace[:, :, None]
        changes[:, 0] = cells
        return np.cumsum(changes, axis=1).reshape(frame.num_series, -1)[:, : frame.length]
    paths = along(cells, frame.length)
    for _ in range(2):
        weights = np.cumsum(frame.normals(cycles + 1), axis=1) * pace
        paths = paths + _between_cycles(weights, period, frame.length) * along(draw(frame), frame.length)
    return paths


def _pulsing(frame: Frame, draw: Draw) -> Paths:
    """An amplitude of its own for every cycle, related to the one before; it steps in half the rows, glides in half."""
    cells = draw(frame)
    period = cells.shape[1]
    cycles = -(-frame.length // period)
    persistence = frame.uniform(0, 0.95)
    sizes = autoregress(frame.normals(cycles + 1) * np.sqrt(1 - np.square(persistence)), persistence)
    sizes = np.exp(sizes * frame.log_uniform(0.05, 0.5))
    stepping = np.repeat(sizes, period, axis=1)[:, : frame.length]
    gliding = _between_cycles(sizes, period, frame.length)
    return along(cells, frame.length) * np.where(frame.uniform(0, 1) < 0.5, stepping, gliding)


def _between_cycles(sizes: Paths, period: int, length: int) -> Paths:
    """One number a cycle `[num_series, cycles + 1]` as a path `[num_series, length]` without steps."""
    share = (np.arange(period, dtype=np.float32) / period)[None, None, :]
    paths = sizes[:, :-1, None] * (1 - share) + sizes[:, 1:, None] * share
    return paths.reshape(len(sizes), -1)[:, :length]


def _replaced(frame: Frame, draw: Draw) -> Paths:
    """A shape that gives way to another from one moment on."""
    late = np.arange(frame.length)[None, :] >= frame.moments()
    return np.where(late, along(draw(frame), frame.length), along(draw(frame), frame.length))


EVOLUTIONS: dict[str, Evolution] = {
    "fixed": _fixed,
    "turning": _turning,
    "gliding": _gliding,
    "growing": _growing,
    "wandering": _wandering,
    "pulsing": _pulsing,
    "replaced": _replaced,
}


def draw_season(frame: Frame, weights: Mapping[str, float], draw: Draw) -> Paths:
    """Seasonal paths `[num_series, length]`: templates from `draw`, each evolving in its own way."""
    names = list(weights)
    shares = np.asarray(list(weights.values()), dtype=np.float64)
    chosen = frame.rng.choice(len(names), size=frame.num_series, p=shares / shares.sum())
    paths = np.zeros((frame.num_series, frame.length), dtype=np.float32)
    for place, name in enumerate(names):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            paths[rows] = EVOLUTIONS[name](frame.pick(rows), draw)
    return paths
