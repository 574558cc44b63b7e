"""What the network `base` reads of a series: one source for both engines, on NumPy arrays and torch tensors alike.

The past is cut into segments that end with the cutoff; each is read in the level and scale known at its end, so any
segment can be forecast from. Every segment is 24 numbers whatever the clock: its newest steps, or means of equal parts
where it has more steps.

Axis legend: B batch, N steps, T segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rnnforecast.inference.normalisation import Array, arange_like, cast, integers, last_seen

if TYPE_CHECKING:
    from types import ModuleType

    from pretraining.any_clock.clock import Clock

#: Numbers that stand for a segment.
NUM_BINS = 24
#: Seasons that a clock may have.
NUM_SLOTS = 3
#: Cycles whose mean the parts of segments are held against.
SEGMENT_CYCLES = 3
NUM_SEGMENT_FEATURES = 16
#: Seasons over which the movement of the level is measured.
MOVES = (1, 4)
SEGMENT_INPUTS = 4 * NUM_BINS + NUM_SEGMENT_FEATURES + 1 + len(MOVES)
INPUT_LIMIT = 10.0
SCALE_DECAY = 0.85
SMALLEST_SCALE = 1e-9
#: Bounds of the unit in scales.
SMALLEST_UNIT, LARGEST_UNIT = 0.005, 1.5
#: A level this many scales from zero and further tells nothing about zero.
NEARNESS = (3.0, 30.0)


@dataclass(frozen=True)
class Past:
    """Series brought to mean 0 and spread 1, with running sums."""

    values: Array  # [B, N] float64, 0 where unknown
    observed: Array  # [B, N] 1.0 or 0.0
    sums: Array  # [B, N + 1] of `values` up to each step
    counts: Array  # [B, N + 1]
    centre: Array  # [B]
    spread: Array  # [B], above 0
    zero: Array  # [B] where the zero of the user's units lies
    negative: Array  # [B, N + 1] 1.0 where something below zero came before
    zeros: Array  # [B, N + 1] how many exact zeros came before


@dataclass(frozen=True)
class Reading:
    """What the trunk reads, and the level and scale of every segment's end."""

    inputs: Array  # [B, T, SEGMENT_INPUTS] float32
    level: Array  # [B, T]
    scale: Array  # [B, T], above 0
    unit: Array  # [B, T] typical difference from the season before, above 0: what forecasts miss by
    moves: Array  # [B, T, MOVES] movement of the level a segment, in units
    known: Array  # [B, T] bool: anything was observed so far
    ends: Array  # [T] one past the last step of each segment


def read_past(xp: ModuleType, past: Array, observed: Array) -> Past:
    """Bring series [B, N] to one size; numbers read later do not depend on it, only their rounding does."""
    seen = cast(xp, observed, xp.float64)
    filled = xp.where(observed, cast(xp, past, xp.float64), 0.0)
    count = seen.sum(1)
    count = xp.where(count > 0, count, 1.0)
    centre = filled.sum(1) / count
    values = (filled - centre[:, None]) * seen
    spread = xp.sqrt((values * values).sum(1) / count)
    smallest = 1e-14 * xp.abs(centre) + 1e-20
    spread = xp.where(spread > smallest, spread, smallest)
    values = values / spread[:, None]
    return Past(
        values=values,
        observed=seen,
        sums=_running(xp, values),
        counts=_running(xp, seen),
        centre=centre,
        spread=spread,
        zero=-centre / spread,
        negative=cast(xp, _running(xp, cast(xp, filled < 0, xp.float64)) > 0, xp.float64),
        zeros=_running(xp, cast(xp, filled == 0, xp.float64) * seen),
    )


def _running(xp: ModuleType, values: Array) -> Array:
    return xp.concatenate([xp.zeros_like(values[:, :1]), values.cumsum(1)], 1)


def read_segments(xp: ModuleType, past: Past, clock: Clock, *, end: int | None = None) -> Reading:
    """Read the segments up to step `end` (default: all); nothing after a segment touches what is read of it."""
    total = past.values.shape[1] if end is None else end
    numbers = integers(xp, arange_like(xp, past.values, clock.num_segments))
    ends = total - (clock.num_segments - 1 - numbers) * clock.segment_length
    starts = ends - clock.segment_length
    level, known = _levels(xp, past, clock, ends)
    spread = _spreads(xp, past, clock, ends)
    scale, step = _scales(xp, level, spread, known, clock)
    difference, both = _differences(xp, past, clock, ends)
    unit = _units(xp, difference, both, scale, step, clock)
    filled = past.counts[:, ends] - past.counts[:, starts]
    second = len(clock.seasons) > 1 and clock.segments_per_season == 1
    lag = clock.seasons[1] if second else clock.main_season
    moves = _moves(xp, level, known, unit, clock)
    track = Reading(level, level, scale, unit, moves, known, ends)
    parts = [
        *_bins(xp, past, ends, clock.segment_length, track),
        _upcoming(xp, past, ends, clock.segment_length, lag, scale),
        xp.clip(difference / unit[:, :, None], -INPUT_LIMIT, INPUT_LIMIT) * both,
        _segment_features(xp, past, clock, track, spread, filled),
        xp.log(unit / scale)[:, :, None] / 2.0,
        moves,
    ]
    return replace(track, inputs=cast(xp, xp.concatenate(parts, -1), xp.float32))


def _levels(xp: ModuleType, past: Past, clock: Clock, ends: Array) -> tuple[Array, Array]:
    """Return the level at each end [B, T], the mean of the last season or without one the last value; if known."""
    newest = last_seen(xp, past.observed > 0, 1)[:, ends - 1]
    known = newest >= 0
    rows = arange_like(xp, past.values, past.values.shape[0])[:, None]
    place = xp.clip(newest, 0, None)
    if not clock.seasons:
        return past.values[rows, place] * cast(xp, known, xp.float64), known
    # the season that ends with the segment of the last value: gaps keep the level
    lag = (ends[None, :] - 1 - place) // clock.segment_length * clock.segment_length
    stop = ends[None, :] - lag
    start = xp.clip(stop - clock.segments_per_season * clock.segment_length, 0, None)
    count = past.counts[rows, stop] - past.counts[rows, start]
    total = past.sums[rows, stop] - past.sums[rows, start]
    return total / xp.where(count > 0, count, 1.0), known


def _spreads(xp: ModuleType, past: Past, clock: Clock, ends: Array) -> Array:
    """Return the standard deviation within the last season up to each end: [B, T], negative where nothing is seen."""
    squares = _running(xp, past.values * past.values)
    starts = xp.clip(ends - clock.segments_per_season * clock.segment_length, 0, None)
    count = past.counts[:, ends] - past.counts[:, starts]
    divisor = xp.where(count > 0, count, 1.0)
    mean = (past.sums[:, ends] - past.sums[:, starts]) / divisor
    variance = (squares[:, ends] - squares[:, starts]) / divisor - mean * mean
    spread = xp.sqrt(xp.clip(variance, 0, None))
    return xp.where(count > 0, spread, -1.0)


def _scales(xp: ModuleType, level: Array, spread: Array, known: Array, clock: Clock) -> tuple[Array, Array]:
    """Return the decayed mean of spreads and half the steps of the level, and the latter alone: [B, T] each."""
    cycle = clock.segments_per_season
    before = xp.concatenate([xp.zeros_like(level[:, :cycle]), level], 1)[:, : level.shape[1]]
    both = xp.concatenate([xp.zeros_like(known[:, :cycle]), known], 1)[:, : level.shape[1]] & known
    step = xp.abs(level - before) * cast(xp, both, xp.float64)
    counted = cast(xp, spread >= 0, xp.float64)
    stride = 0.5 * _decayed(xp, step, counted, cycle)
    scale = _decayed(xp, xp.clip(spread, 0, None), counted, cycle) + stride
    return xp.where(scale > SMALLEST_SCALE, scale, SMALLEST_SCALE), stride


def _decayed(xp: ModuleType, values: Array, counted: Array, cycle: int) -> Array:
    """Return the mean of the counted values so far, each cycle back a little less: [B, T], 0 without any."""
    numbers = arange_like(xp, values, values.shape[1])
    distance = cast(xp, numbers[:, None] - numbers[None, :], xp.float64)
    decay = xp.where(distance >= 0, SCALE_DECAY ** (xp.abs(distance) / cycle), 0.0)  # [T, T]
    weight = counted @ decay.T
    return ((values * counted) @ decay.T) / xp.where(weight > 0, weight, 1.0)


def _units(xp: ModuleType, difference: Array, both: Array, scale: Array, step: Array, clock: Clock) -> Array:
    """Return the decayed size of differences from the season before, and half the steps of the level: [B, T]."""
    count = both.sum(-1)
    size = xp.sqrt((difference * difference * both).sum(-1) / xp.where(count > 0, count, 1.0))
    counted = cast(xp, count > 0, xp.float64)
    unit = _decayed(xp, size, counted, clock.segments_per_season) + step
    unit = xp.where(counted.cumsum(1) > 0, unit, scale)
    unit = xp.where(unit < LARGEST_UNIT * scale, unit, LARGEST_UNIT * scale)
    return xp.where(unit > SMALLEST_UNIT * scale, unit, SMALLEST_UNIT * scale)


def _moves(xp: ModuleType, level: Array, known: Array, unit: Array, clock: Clock) -> Array:
    """Return the movement of the level a segment over some seasons: [B, T, MOVES]; over fewer where none is known."""
    moves: list[Array] = []
    for count in MOVES:
        back = min(count * clock.segments_per_season, level.shape[1])
        before = xp.concatenate([xp.zeros_like(level[:, :back]), level], 1)[:, : level.shape[1]]
        both = xp.concatenate([xp.zeros_like(known[:, :back]), known], 1)[:, : level.shape[1]] & known
        move = (level - before) / (unit * count * clock.segments_per_season)
        move = xp.clip(move, -INPUT_LIMIT, INPUT_LIMIT)
        moves.append(xp.where(both, move, moves[-1] if moves else 0.0))
    return xp.stack(moves, -1)


def _edges(xp: ModuleType, like: Array, segment_length: int) -> Array:
    """Return how far the edges of the parts lie before the end of a segment, oldest first: [NUM_BINS + 1]."""
    width = max(1.0, segment_length / NUM_BINS)
    numbers = cast(xp, NUM_BINS - arange_like(xp, like, NUM_BINS + 1), xp.float64)
    return integers(xp, xp.floor(numbers * width + 0.5))


def means(xp: ModuleType, past: Past, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the mean of the steps from `low` to before `high` (any shape [...]): [B, ...], 0 where none is known."""
    low, high = xp.clip(low, 0, None), xp.clip(high, 0, None)
    count = past.counts[:, high] - past.counts[:, low]
    total = past.sums[:, high] - past.sums[:, low]
    return total / xp.where(count > 0, count, 1.0), count


def _bins(xp: ModuleType, past: Past, ends: Array, segment_length: int, track: Reading) -> tuple[Array, Array]:
    """Return the newest steps, or parts of the segment, before each end, and which are known: [B, T, NUM_BINS] each."""
    edges = ends[:, None] - _edges(xp, past.values, segment_length)[None, :]
    mean, count = means(xp, past, edges[:, :-1], edges[:, 1:])
    known = cast(xp, count > 0, xp.float64)
    values = (mean - track.level[:, :, None]) / track.scale[:, :, None]
    return xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * known, known


def _upcoming(xp: ModuleType, past: Past, ends: Array, segment_length: int, season: float, scale: Array) -> Array:
    """Return what followed each end one season ago, around the mean of that season: [B, T, NUM_BINS]."""
    width = max(1.0, segment_length / NUM_BINS)
    if season <= 1:
        return xp.zeros_like(past.values[:, :1, None]) + xp.zeros_like(scale)[:, :, None] * _zeros_like_bins(
            xp, past.values
        )
    numbers = cast(xp, arange_like(xp, past.values, NUM_BINS + 1), xp.float64)
    ahead = integers(xp, xp.floor(numbers * width + 0.5))[None, :] + ends[:, None]
    cycles = math.ceil(NUM_BINS * width / season - 1e-9)
    back = round(season * cycles)
    mean, count = means(xp, past, ahead[:, :-1] - back, ahead[:, 1:] - back)
    whole, _ = means(xp, past, ends - round(season), ends)
    values = (mean - whole[:, :, None]) / scale[:, :, None]
    return xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * cast(xp, count > 0, xp.float64)


def _differences(xp: ModuleType, past: Past, clock: Clock, ends: Array) -> tuple[Array, Array]:
    """Return how the parts of each segment differ from the main season before, levels taken off, and which are known.

    Both are [B, T, NUM_BINS].
    """
    edges = ends[:, None] - _edges(xp, past.values, clock.segment_length)[None, :]
    own, count = means(xp, past, edges[:, :-1], edges[:, 1:])
    season = clock.main_season
    if season <= 1:
        return xp.zeros_like(own), xp.zeros_like(own)
    whole, _ = means(xp, past, ends - round(season), ends)
    total, number = xp.zeros_like(own), xp.zeros_like(own)
    for cycle in range(1, SEGMENT_CYCLES + 1):
        back, further = round(season * cycle), round(season * (cycle + 1))
        mean, seen = means(xp, past, edges[:, :-1] - back, edges[:, 1:] - back)
        level, _ = means(xp, past, ends - further, ends - back)
        known = cast(xp, seen > 0, xp.float64)
        total = total + (mean - level[:, :, None]) * known
        number = number + known
    usual = total / xp.where(number > 0, number, 1.0)
    both = cast(xp, (count > 0) & (number > 0), xp.float64)
    return (own - whole[:, :, None] - usual) * both, both


def _zeros_like_bins(xp: ModuleType, like: Array) -> Array:
    return cast(xp, arange_like(xp, like, NUM_BINS) * 0, xp.float64)


def _segment_features(xp: ModuleType, past: Past, clock: Clock, track: Reading, spread: Array, filled: Array) -> Array:
    """Return what a segment's own units hide: [B, T, NUM_SEGMENT_FEATURES]; far from zero nothing tells of zero."""
    level, scale, known, ends = track.level, track.scale, track.known, track.ends
    one = xp.zeros_like(level) + 1.0
    certain = cast(xp, known, xp.float64)
    before = xp.concatenate([level[:, :1], level[:, :-1]], 1)
    earlier = xp.concatenate([scale[:, :1], scale[:, :-1]], 1)
    was = xp.concatenate([certain[:, :1] * 0, certain[:, :-1]], 1) * certain
    distance = xp.abs(level - past.zero[:, None]) / scale
    above = (1.0 - past.negative[:, ends]) * certain
    zeros = past.zeros[:, ends] - past.zeros[:, ends - clock.segment_length]
    count = xp.where(filled > 0, filled, 1.0)
    seasons = [math.log(season) for season in clock.seasons] + [0.0] * (NUM_SLOTS - len(clock.seasons))
    far = past.counts[:, ends]
    parts = [
        xp.clip((level - before) / scale, -INPUT_LIMIT, INPUT_LIMIT) * was,
        xp.clip(xp.log(scale / earlier), -INPUT_LIMIT, INPUT_LIMIT) * was,
        xp.clip(xp.clip(spread, 0, None) / scale, 0, INPUT_LIMIT),
        above / (1.0 + distance / NEARNESS[0]),
        above / (1.0 + distance / NEARNESS[1]),
        1.0 - filled / clock.segment_length,
        zeros / count,
        past.zeros[:, ends] / xp.where(far > 0, far, 1.0),
        xp.log(1.0 + certain.cumsum(1)) / 2.0,
        xp.log(1.0 + far) / 4.0,
        certain,
        one * seasons[0] / 4.0,
        one * seasons[1] / 8.0,
        one * seasons[2] / 8.0,
        one * math.log(clock.segment_length) / 4.0,
        one * math.log2(clock.segments_per_season) / 3.0,
    ]
    return xp.stack(parts, -1)
