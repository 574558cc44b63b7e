"""What the head of the network `base` reads of a lead: the same phase of every season before the cutoff.

One source for both engines, on NumPy arrays and torch tensors alike; nothing that was forecast is ever read.

Axis legend: B batch, P positions forecast from, L leads, S season slots, C cycles looked back at, K candidates of a
season.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pretraining.any_clock.inputs import INPUT_LIMIT, MOVES, NUM_SLOTS, Past, Reading, means
from rnnforecast.inference.normalisation import Array, arange_like, cast, integers

if TYPE_CHECKING:
    from types import ModuleType

    from pretraining.any_clock.clock import Clock

#: Newest steps that the head reads one by one, and those of them that it may repeat.
NUM_NEWEST, NUM_REPEATED = 32, 8
#: Cycles of a season that are candidates one by one, and those that are means: of cycles 5 to 8, 9 to 16, 17 to 32.
NUM_SINGLE, GROUPS = 4, ((4, 8), (8, 16), (16, 32))
#: Beside them a mean over neighbouring steps of the last cycles.
NUM_SMOOTHED = 4
NUM_CANDIDATES = NUM_SINGLE + len(GROUPS) + 1
#: Numbers of one position that steer how a forecast goes on: pace, its fading, growth of the spread.
#: The pace is a number of its own and a share of each movement of the level.
NUM_COURSES = 3 + len(MOVES)
#: Logarithm of how many cycles each candidate of a season is a mean of: one number of the state for each season moves
#: the weights between the newest cycle and the mean of all.
LOG_CYCLES = tuple(
    math.log(cycles) for cycles in [1] * NUM_SINGLE + [last - first for first, last in GROUPS] + [NUM_SMOOTHED]
)
#: Cycles of the first seasons whose mean the newest steps are held against.
NEWEST_CYCLES = (8, 4)
#: Seasons that the newest steps are held against.
NUM_AGAINST = len(NEWEST_CYCLES)
#: Steps beside the same phase of the last cycle, whose differences from it tell of a season that shifts.
BESIDE = (-2, -1, 1, 2)
#: Those differences, and that of the last two cycles.
NUM_BENDS = len(BESIDE) + 1
#: Numbers about a lead: seven of the lead itself, for each season its candidates and eleven more, and the bends.
LEAD_INPUTS = 7 + NUM_SLOTS * (2 * NUM_CANDIDATES + 11) + NUM_BENDS
#: Numbers of the newest steps: values, which are known, and how they differ from the same phase of each season.
NEWEST_INPUTS = (2 + NUM_AGAINST) * NUM_NEWEST


@dataclass(frozen=True)
class LeadReading:
    """What the head reads for leads after some positions."""

    ratio: Array  # [B, P] unit over scale, float32
    newest: Array  # [B, P, 2 + NUM_AGAINST, NUM_NEWEST] float32: values, newest last; which are known; differences
    leads: Array  # [B, P, L, LEAD_INPUTS] float32
    candidates: Array  # [B, P, L, S, K] float32 what the seasons before the lead were, 0 where unknown
    known: Array  # [B, P, L, S, K] float32
    moves: Array  # [B, P, MOVES] movement of the level a segment, in units, float32
    bends: Array  # [B, P, L, NUM_BENDS] float32 differences beside the same phase, in units, 0 where unknown


def read_leads(
    xp: ModuleType, past: Past, clock: Clock, reading: Reading, positions: Array, leads: Array
) -> LeadReading:
    """Read what the head needs for leads [P, L] (from 1) after the segments `positions` [P]."""
    ends = reading.ends[positions]
    scale, unit = reading.scale[:, positions], reading.unit[:, positions]
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
    bends = _bends(xp, past, clock, reading, positions, leads)
    features.append(bends)
    return LeadReading(
        ratio=cast(xp, unit / scale, xp.float32),
        newest=cast(xp, _newest(xp, past, clock, ends, reading, positions), xp.float32),
        leads=cast(xp, xp.concatenate(features, -1), xp.float32),
        candidates=cast(xp, xp.stack(candidates, 3), xp.float32),
        known=cast(xp, xp.stack(knowns, 3), xp.float32),
        moves=cast(xp, reading.moves[:, positions], xp.float32),
        bends=cast(xp, bends, xp.float32),
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
        mean, _ = means(xp, past, borders[:, 1:], borders[:, :-1])  # of all cycles before the newest
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


def _bends(xp: ModuleType, past: Past, clock: Clock, reading: Reading, positions: Array, leads: Array) -> Array:
    """Return how the last cycle differs beside the phase of a lead, and from the cycle before: [B, P, L, NUM_BENDS]."""
    ends, unit = reading.ends[positions], reading.unit[:, positions]
    season = clock.main_season
    lead = cast(xp, leads, xp.float64)
    if season <= 1:
        nothing = (xp.zeros_like(unit)[:, :, None] + (lead * 0)[None])[..., None]
        return xp.concatenate([nothing] * NUM_BENDS, -1)
    cycles = xp.ceil(lead / season - 1e-9)
    here = ends[:, None] + leads - 1 - integers(xp, xp.floor(season * cycles + 0.5))
    before = ends[:, None] + leads - 1 - integers(xp, xp.floor(season * (cycles + 1.0) + 0.5))
    own, known = _steps(xp, past, here, ends)
    bends = []
    for step in BESIDE:
        value, seen = _steps(xp, past, here + step, ends)
        bends.append((value - own) * known * seen)
    value, seen = _steps(xp, past, before, ends)
    borders = [ends - round(season * number) for number in (0, 1, 2)]
    newer, _ = means(xp, past, borders[1], borders[0])
    older, _ = means(xp, past, borders[2], borders[1])
    bends.append((own - value - (newer - older)[:, :, None]) * known * seen)
    return xp.clip(xp.stack(bends, -1) / unit[:, :, None, None], -INPUT_LIMIT, INPUT_LIMIT)


def _steps(xp: ModuleType, past: Past, index: Array, ends: Array) -> tuple[Array, Array]:
    """Return the steps at `index` [P, L] and which are known, none from `ends` [P] on: [B, P, L] each."""
    inside = cast(xp, (index >= 0) & (index < ends[:, None]), xp.float64)
    place = xp.clip(index, 0, past.values.shape[1] - 1)
    return past.values[:, place], past.observed[:, place] * inside[None]


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
    mean, seen = means(xp, past, borders[:, 1:], borders[:, :-1])  # [B, P, C]
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


def _smoothed(xp: ModuleType, past: Past, season: float, ends: Array, index: Array, mean: Array) -> tuple[Array, Array]:
    """Return the mean over neighbouring steps of the last cycles [B, P, L], and whether any is known."""
    reach = int(season / 48.0 + 0.5)
    near = index[..., :NUM_SMOOTHED]
    high = xp.where(near + reach + 1 < ends[:, None, None], near + reach + 1, ends[:, None, None])
    smooth, count = means(xp, past, near - reach, high)
    known = cast(xp, count > 0, xp.float64)
    number = known.sum(-1)
    total = ((smooth - mean[:, :, None, :NUM_SMOOTHED]) * known).sum(-1)
    return total / xp.where(number > 0, number, 1.0), cast(xp, number > 0, xp.float64)
