"""What the network `base` reads of a series: one source for both engines, on NumPy arrays and torch tensors alike.

The past is cut into segments that end with the cutoff; each is read in the level and scale known at its end, so any
segment can be forecast from. Every segment is 24 numbers whatever the clock: its newest steps, or means of equal parts
where it has more steps. A forecast of any lead also reads the steps that stand whole seasons before it, all of them
before the cutoff, so nothing that was forecast is ever read.

Axis legend: B batch, N steps, T segments, p segment length, P positions forecast from, L leads, S seasons (3 slots),
K candidates of a season, F features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnnforecast.inference.normalisation import Array, arange_like, cast, integers, last_seen

if TYPE_CHECKING:
    from types import ModuleType

#: Numbers that stand for a segment.
NUM_BINS = 24
#: Newest steps that the head reads one by one, and those of them that it may repeat.
NUM_NEWEST, NUM_REPEATED = 32, 8
NUM_SLOTS = 3
#: Cycles of a season that are candidates one by one, and those that are means: of cycles 5 to 8, 9 to 16, 17 to 32.
NUM_SINGLE, GROUPS = 4, ((4, 8), (8, 16), (16, 32))
#: Beside them a mean over neighbouring steps of the last cycles.
NUM_SMOOTHED = 4
NUM_CANDIDATES = NUM_SINGLE + len(GROUPS) + 1
#: Cycles whose mean the newest steps, and the parts of segments, are held against.
NEWEST_CYCLES, SEGMENT_CYCLES = (8, 4), 3
#: Seasons that the newest steps are held against.
NUM_AGAINST = len(NEWEST_CYCLES)
NUM_SEGMENT_FEATURES = 16
SEGMENT_INPUTS = 4 * NUM_BINS + NUM_SEGMENT_FEATURES + 1
#: Numbers about a lead: seven of the lead itself, and for each season its candidates and eleven more.
LEAD_INPUTS = 7 + NUM_SLOTS * (2 * NUM_CANDIDATES + 11)
#: Numbers of the newest steps: values, which are known, and how they differ from the same phase of each season.
NEWEST_INPUTS = (2 + NUM_AGAINST) * NUM_NEWEST
INPUT_LIMIT = 10.0
SCALE_DECAY = 0.85
SMALLEST_SCALE = 1e-9
#: Bounds of the unit in scales.
SMALLEST_UNIT, LARGEST_UNIT = 0.005, 1.5
#: A level this many scales from zero and further tells nothing about zero.
NEARNESS = (3.0, 30.0)


@dataclass(frozen=True)
class Clock:
    """Which seasons a series has (steps, the main one first, each above 1), and how its past is cut."""

    seasons: tuple[float, ...]
    segment_length: int
    num_segments: int

    @property
    def main_season(self) -> float:
        """The season that segments are parts or multiples of; 1 without any."""
        return self.seasons[0] if self.seasons else 1.0

    @property
    def segments_per_season(self) -> int:
        """Segments that level and spread are taken over."""
        return max(1, round(self.main_season / self.segment_length))

    @property
    def read_steps(self) -> int:
        """Steps that are cut into segments."""
        return self.num_segments * self.segment_length


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
    known: Array  # [B, T] bool: anything was observed so far
    ends: Array  # [T] one past the last step of each segment


@dataclass(frozen=True)
class LeadReading:
    """What the head reads for leads after some positions."""

    ratio: Array  # [B, P] unit over scale, float32
    newest: Array  # [B, P, 2 + NUM_AGAINST, NUM_NEWEST] float32: values, newest last; which are known; differences
    leads: Array  # [B, P, L, LEAD_INPUTS] float32
    candidates: Array  # [B, P, L, S, K] float32 what the seasons before the lead were, 0 where unknown
    known: Array  # [B, P, L, S, K] float32


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
    features = _segment_features(xp, past, clock, level, scale, spread, known, filled, ends)
    parts = [
        *_bins(xp, past, ends, clock.segment_length, level, scale),
        _upcoming(xp, past, ends, clock.segment_length, lag, scale),
        xp.clip(difference / unit[:, :, None], -INPUT_LIMIT, INPUT_LIMIT) * both,
        features,
        xp.log(unit / scale)[:, :, None] / 2.0,
    ]
    return Reading(
        inputs=cast(xp, xp.concatenate(parts, -1), xp.float32),
        level=level,
        scale=scale,
        unit=unit,
        known=known,
        ends=ends,
    )


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


def _edges(xp: ModuleType, like: Array, segment_length: int) -> Array:
    """Return how far the edges of the parts lie before the end of a segment, oldest first: [NUM_BINS + 1]."""
    width = max(1.0, segment_length / NUM_BINS)
    numbers = cast(xp, NUM_BINS - arange_like(xp, like, NUM_BINS + 1), xp.float64)
    return integers(xp, xp.floor(numbers * width + 0.5))


def _means(xp: ModuleType, past: Past, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the mean of the steps from `low` to before `high` (any shape [...]): [B, ...], 0 where none is known."""
    low, high = xp.clip(low, 0, None), xp.clip(high, 0, None)
    count = past.counts[:, high] - past.counts[:, low]
    total = past.sums[:, high] - past.sums[:, low]
    return total / xp.where(count > 0, count, 1.0), count


def _bins(
    xp: ModuleType, past: Past, ends: Array, segment_length: int, level: Array, scale: Array
) -> tuple[Array, Array]:
    """Return the newest steps, or parts of the segment, before each end, and which are known: [B, T, NUM_BINS] each."""
    edges = ends[:, None] - _edges(xp, past.values, segment_length)[None, :]
    mean, count = _means(xp, past, edges[:, :-1], edges[:, 1:])
    known = cast(xp, count > 0, xp.float64)
    values = (mean - level[:, :, None]) / scale[:, :, None]
    return xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * known, known


def _upcoming(
    xp: ModuleType, past: Past, ends: Array, segment_length: int, season: float, scale: Array
) -> Array:
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
    mean, count = _means(xp, past, ahead[:, :-1] - back, ahead[:, 1:] - back)
    whole, _ = _means(xp, past, ends - round(season), ends)
    values = (mean - whole[:, :, None]) / scale[:, :, None]
    return xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * cast(xp, count > 0, xp.float64)


def _differences(xp: ModuleType, past: Past, clock: Clock, ends: Array) -> tuple[Array, Array]:
    """Return how the parts of each segment differ from the main season before, levels taken off, and which are known.

    Both are [B, T, NUM_BINS].
    """
    edges = ends[:, None] - _edges(xp, past.values, clock.segment_length)[None, :]
    own, count = _means(xp, past, edges[:, :-1], edges[:, 1:])
    season = clock.main_season
    if season <= 1:
        return xp.zeros_like(own), xp.zeros_like(own)
    whole, _ = _means(xp, past, ends - round(season), ends)
    total, number = xp.zeros_like(own), xp.zeros_like(own)
    for cycle in range(1, SEGMENT_CYCLES + 1):
        back, further = round(season * cycle), round(season * (cycle + 1))
        mean, seen = _means(xp, past, edges[:, :-1] - back, edges[:, 1:] - back)
        level, _ = _means(xp, past, ends - further, ends - back)
        known = cast(xp, seen > 0, xp.float64)
        total = total + (mean - level[:, :, None]) * known
        number = number + known
    usual = total / xp.where(number > 0, number, 1.0)
    both = cast(xp, (count > 0) & (number > 0), xp.float64)
    return (own - whole[:, :, None] - usual) * both, both


def _zeros_like_bins(xp: ModuleType, like: Array) -> Array:
    return cast(xp, arange_like(xp, like, NUM_BINS) * 0, xp.float64)


def _segment_features(
    xp: ModuleType,
    past: Past,
    clock: Clock,
    level: Array,
    scale: Array,
    spread: Array,
    known: Array,
    filled: Array,
    ends: Array,
) -> Array:
    """Return what a segment's own units hide: [B, T, NUM_SEGMENT_FEATURES]; far from zero nothing tells of zero."""
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


def read_leads(
    xp: ModuleType, past: Past, clock: Clock, reading: Reading, positions: Array, leads: Array
) -> LeadReading:
    """Read what the head needs for leads [P, L] (from 1) after the segments `positions` [P]."""
    ends = reading.ends[positions]
    level, scale, unit = reading.level[:, positions], reading.scale[:, positions], reading.unit[:, positions]
    lead = cast(xp, leads, xp.float64)
    own = [
        xp.log(lead) / 4.0,
        xp.log(1.0 + lead / clock.segment_length) / 2.0,
        xp.clip(lead / clock.segment_length, 0, 40.0) / 10.0,
    ]
    for harmonic in (2, 3):
        angle = 2.0 * math.pi * harmonic * lead / clock.main_season
        own += [xp.sin(angle) * float(clock.main_season > 1), xp.cos(angle) * float(clock.main_season > 1)]
    batch = xp.zeros_like(scale)[:, :, None] + 1.0  # [B, P, 1]
    features = [xp.stack(own, -1)[None] * batch[..., None]]
    candidates, knowns = [], []
    for slot in range(NUM_SLOTS):
        if slot < len(clock.seasons):
            values, known, about = _season(xp, past, clock, slot, ends, leads, scale)
            apart = (values - about[..., :1]) * (scale / unit)[:, :, None, None]
            features += [xp.clip(apart, -INPUT_LIMIT, INPUT_LIMIT) * known, known, about]
        else:
            values = batch[..., None] * (lead * 0)[None, :, :, None] + xp.zeros_like(_candidates_axis(xp, lead))
            known = values
            features += [values, known, _about(xp, values, known)]
        candidates.append(values)
        knowns.append(known)
    return LeadReading(
        ratio=cast(xp, unit / scale, xp.float32),
        newest=cast(xp, _newest(xp, past, clock, ends, reading, positions), xp.float32),
        leads=cast(xp, xp.concatenate(features, -1), xp.float32),
        candidates=cast(xp, xp.stack(candidates, 3), xp.float32),
        known=cast(xp, xp.stack(knowns, 3), xp.float32),
    )


def _candidates_axis(xp: ModuleType, like: Array) -> Array:
    return cast(xp, arange_like(xp, like, NUM_CANDIDATES) * 0, xp.float64)


def _about(xp: ModuleType, values: Array, known: Array) -> Array:
    """Return eleven zeros a lead for a season that is not there: [B, P, L, 11]."""
    return xp.concatenate([values, known], -1)[..., :11] * 0.0


def _newest(xp: ModuleType, past: Past, clock: Clock, ends: Array, reading: Reading, positions: Array) -> Array:
    """Return the newest steps before each end: [B, P, 2 + NUM_AGAINST, NUM_NEWEST].

    Values in scales, which are known, and how they differ from the mean of the cycles before at the same phase, in
    units.
    """
    level, scale, unit = reading.level[:, positions], reading.scale[:, positions], reading.unit[:, positions]
    index = ends[:, None] - NUM_NEWEST + integers(xp, arange_like(xp, past.values, NUM_NEWEST))[None, :]
    inside = cast(xp, index >= 0, xp.float64)
    index = xp.clip(index, 0, None)
    known = past.observed[:, index] * inside[None]
    size = scale[:, :, None]
    parts = [xp.clip((past.values[:, index] - level[:, :, None]) / size, -INPUT_LIMIT, INPUT_LIMIT) * known, known]
    for slot, cycles in enumerate(NEWEST_CYCLES):
        if slot >= len(clock.seasons):
            parts.append(xp.zeros_like(known))
            continue
        season = clock.seasons[slot]
        numbers = cast(xp, arange_like(xp, past.values, cycles + 2), xp.float64)
        back = integers(xp, xp.floor(season * numbers + 0.5))
        borders = ends[:, None] - back[None, 1:]
        mean, _ = _means(xp, past, borders[:, 1:], borders[:, :-1])  # of all cycles before the newest
        earlier = index[..., None] - back[1:-1]  # [P, R, cycles]
        seen = past.observed[:, xp.clip(earlier, 0, None)] * cast(xp, earlier >= 0, xp.float64)[None]
        # the step lies in the newest cycle where that is long enough, else some cycles back: levels shift along
        around = (past.values[:, xp.clip(earlier, 0, None)] - mean[:, :, None, :]) * seen
        number = seen.sum(-1)
        usual = around.sum(-1) / xp.where(number > 0, number, 1.0)
        difference = (past.values[:, index] - level[:, :, None] - usual) / unit[:, :, None]
        both = known * cast(xp, number > 0, xp.float64)
        parts.append(xp.clip(difference, -INPUT_LIMIT, INPUT_LIMIT) * both)
    return xp.stack(parts, 2)


def num_cycles(season: float, slot: int) -> int:
    """Return how many cycles are looked back at: many of short seasons, which are noisy, few of long ones."""
    if slot:
        return 8
    return 32 if season <= 16 else 16 if season <= 60 else 8


def _season(
    xp: ModuleType, past: Past, clock: Clock, slot: int, ends: Array, leads: Array, scale: Array
) -> tuple[Array, Array, Array]:
    """Return candidates and which are known [B, P, L, K], and eleven numbers about the season [B, P, L, 11].

    Candidates: the last cycles at the same phase, each around the mean of its cycle, one by one or as means of
    groups, then a mean over neighbours.
    """
    season = clock.seasons[slot]
    count = num_cycles(season, slot)
    lead = cast(xp, leads, xp.float64)
    cycles = xp.ceil(lead / season - 1e-9)  # whole seasons back to before the cutoff
    numbers = cast(xp, arange_like(xp, past.values, count + 1), xp.float64)
    back = integers(xp, xp.floor(season * (cycles[..., None] + numbers[:-1]) + 0.5))  # [P, L, C]
    index = (ends[:, None] + leads - 1)[..., None] - back
    borders = ends[:, None] - integers(xp, xp.floor(season * numbers + 0.5))[None, :]  # [P, C + 1]
    mean, seen = _means(xp, past, borders[:, 1:], borders[:, :-1])  # [B, P, C]
    place = xp.clip(index, 0, None)
    known = past.observed[:, place] * cast(xp, index >= 0, xp.float64)[None]
    size = scale[:, :, None, None]
    values = xp.clip((past.values[:, place] - mean[:, :, None, :]) / size, -INPUT_LIMIT, INPUT_LIMIT) * known
    smooth, smooth_known = _smoothed(xp, past, season, ends, index, mean)
    candidates, knowns = [values[..., :NUM_SINGLE]], [known[..., :NUM_SINGLE]]
    for first, last in GROUPS:
        total, number = values[..., first:last].sum(-1), known[..., first:last].sum(-1)
        candidates.append((total / xp.where(number > 0, number, 1.0))[..., None])
        knowns.append(cast(xp, number > 0, xp.float64)[..., None])
    candidates.append(xp.clip(smooth / scale[:, :, None], -INPUT_LIMIT, INPUT_LIMIT)[..., None])
    knowns.append(smooth_known[..., None])
    number = known.sum(-1)
    divisor = xp.where(number > 0, number, 1.0)
    average = values.sum(-1) / divisor
    spread = xp.sqrt(xp.clip((values * values).sum(-1) / divisor - average * average, 0, None))
    angle = 2.0 * math.pi * (lead / season)
    one = xp.zeros_like(average) + 1.0
    share = (seen[:, :, None, :2] / season) * one[..., None]
    about = [
        average,
        spread,
        xp.log(1.0 + number) / 3.0,
        xp.sin(angle)[None] * one,
        xp.cos(angle)[None] * one,
        xp.log(1.0 + lead / season)[None] * one / 2.0,
        one,
        one * math.log(season) / 4.0,
        cast(xp, cycles, xp.float64)[None] * one / 16.0,
    ]
    return (
        xp.concatenate(candidates, -1),
        xp.concatenate(knowns, -1),
        xp.concatenate([xp.stack(about, -1), share], -1),
    )


def _smoothed(
    xp: ModuleType, past: Past, season: float, ends: Array, index: Array, mean: Array
) -> tuple[Array, Array]:
    """Return the mean over neighbouring steps of the last cycles [B, P, L], and whether any is known."""
    reach = int(season / 48.0 + 0.5)
    near = index[..., :NUM_SMOOTHED]
    high = xp.where(near + reach + 1 < ends[:, None, None], near + reach + 1, ends[:, None, None])
    smooth, count = _means(xp, past, near - reach, high)
    known = cast(xp, count > 0, xp.float64)
    number = known.sum(-1)
    total = ((smooth - mean[:, :, None, :NUM_SMOOTHED]) * known).sum(-1)
    return total / xp.where(number > 0, number, 1.0), cast(xp, number > 0, xp.float64)


#: Most segments that are read; a longer past is cut into longer ones, or left unread but for seasons looked up.
MOST_SEGMENTS = 32
#: Seasons of seasons by the number of steps of the main one: the week of days and hours, the year of days.
LONG_SEASONS = {7: 365.25} | {steps: 7.0 * steps for steps in (24, 48, 72, 96, 144, 288, 1_440)}
YEAR_IN_WEEKS = 52.1775


def seasons_of(season_length: float) -> tuple[float, ...]:
    """Return the seasons that go with a main season: none for 1; years of weeks are not whole."""
    if season_length <= 1:
        return ()
    if season_length == 52:
        return (YEAR_IN_WEEKS,)
    longer = LONG_SEASONS.get(round(season_length))
    return (float(season_length),) if longer is None else (float(season_length), longer)


def choose_clock(seasons: tuple[float, ...], history_length: int) -> Clock:
    """Return how a past of so many steps is cut: finely where it is short, at most `MOST_SEGMENTS` segments."""
    main = seasons[0] if seasons else 1.0
    if main <= 1:
        segment = next((steps for steps in (3, 6, 12, 24) if history_length <= MOST_SEGMENTS * steps), 48)
    elif main <= 30:
        whole = round(main) if abs(main - round(main)) < 0.02 else main
        cycles = math.ceil(4 / main)
        if main < 10 and history_length > MOST_SEGMENTS * 2 * main:
            cycles = max(cycles, 2)
        segment = round(whole * cycles)
    else:
        target = main if main <= 144 and history_length >= 8 * main else 24.0
        if main > 144:
            target = max(24.0, min(history_length / 16, 120.0))
        segment = round(main / max(1, round(main / target)))
    count = max(1, min(MOST_SEGMENTS, math.ceil(history_length / segment)))
    return Clock(seasons=seasons, segment_length=int(segment), num_segments=count)
