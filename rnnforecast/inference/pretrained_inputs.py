"""Inputs of the pretrained network: one source for both engines, on NumPy arrays and torch tensors alike.

The series is cut into segments that end with the cutoff. Each segment is read in the level and scale known at its end,
so every segment can be forecast from, and any season length has the same inputs: the newest steps, and the
steps whole seasons before the steps to forecast.

Axis legend: B batch, N steps of the past, T segments, p segment_length, L positions forecast from, R recent_length,
K seasons looked back, H steps of one pass, F features.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from rnnforecast.frozen import dataclass
from rnnforecast.inference.normalisation import (
    Array,
    CausalTrack,
    arange_like,
    cast,
    causal_features,
    causal_track,
    integers,
    pad_front,
)
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.members import PretrainedSettings

#: Features of each segment: four of `causal_features`, and six of `_features`.
NUM_FEATURES = 10
INPUT_LIMIT = 10.0


@dataclass(frozen=True)
class SeasonBlocks:
    """Steps that stand whole seasons before the horizon, without the mean of their season, in scales."""

    values: Array  # [B, L, K, H], newest season first, 0 where unknown
    known: Array  # [B, L, K, H] 1 or 0


@dataclass(frozen=True)
class Reading:
    """A batch of series as the pretrained network reads them."""

    inputs: Array  # [B, T, input_size]
    recent: Array  # [B, L, R] newest steps in the level and scale of each position, 0 where unknown
    season: SeasonBlocks | None
    long_season: SeasonBlocks | None
    level: Array  # [B, L]
    scale: Array  # [B, L], above 0
    known: Array  # [B, L] bool: anything was observed so far


def input_size(member: PretrainedSettings) -> int:
    """Return how many numbers a segment brings into the network."""
    blocks = int(_reads_season(member)) + int(member.num_long_seasons > 0)
    return 2 * member.recent_length + NUM_FEATURES + blocks * member.horizon


def read_series(
    xp: ModuleType, past: Array, observed: Array, member: PretrainedSettings, *, positions: Array | None = None
) -> Reading:
    """Read the past [B, N] up to its last step; N is `member.context_length`.

    `positions` [L] are the segments to forecast from (default: the last one alone). Nothing after the end of a
    segment touches what is read there.
    """
    segments = (past.shape[0], member.num_segments, member.segment_length)
    width = member.num_segments * member.segment_length
    past = xp.where(observed, past, 0.0)
    target, seen = past[:, -width:].reshape(segments), observed[:, -width:].reshape(segments)
    track = causal_track(xp, target, seen, seasonal=member.season_length > 1)
    numbers = integers(xp, arange_like(xp, past, member.num_segments))
    ends = past.shape[1] - (member.num_segments - 1 - numbers) * member.segment_length  # [T] one past the segment
    chosen = slice(member.num_segments - 1, member.num_segments) if positions is None else positions
    reader = _Reader.of(xp, past, observed, member)
    recent, recent_known = reader.recent(track.level, track.scale, ends)  # [B, T, R]
    parts = [recent, recent_known, _features(xp, track, target, seen, member)]
    if _reads_season(member):
        newest = reader.blocks(track.scale, ends, member.season_length, num_seasons=1)
        parts.append(newest.values[:, :, 0])
    if member.num_long_seasons:
        newest = reader.blocks(track.scale, ends, member.long_season_length, num_seasons=1)
        parts.append(newest.values[:, :, 0])
    scale = track.scale[:, chosen]
    season = long_season = None
    if member.num_seasons:
        season = reader.blocks(scale, ends[chosen], member.season_length, num_seasons=member.num_seasons)
    if member.num_long_seasons:
        long_season = reader.blocks(scale, ends[chosen], member.long_season_length, num_seasons=member.num_long_seasons)
    return Reading(
        inputs=cast(xp, xp.concatenate(parts, -1), xp.float32),
        recent=cast(xp, recent[:, chosen], xp.float32),
        season=season,
        long_season=long_season,
        level=track.level[:, chosen],
        scale=scale,
        known=track.known[:, chosen],
    )


def _reads_season(member: PretrainedSettings) -> bool:
    """Tell whether every season of the class reaches further back than the newest steps."""
    shortest = next(entry.shortest for entry in SEASON_CLASSES if entry.name == member.season_class)
    return member.num_seasons > 0 and shortest > member.recent_length


def _features(xp: ModuleType, track: CausalTrack, target: Array, seen: Array, member: PretrainedSettings) -> Array:
    """Return what a segment's own units hide: [B, T, 10].

    Steps of level and scale as in `causal_features`; sign of the level, whether all was at or above 0 so far, fraction
    of zeros, number of segments so far and the season length (logarithms).
    """
    inside = cast(xp, seen, target.dtype)
    fraction = inside.mean(-1)
    zeros = (cast(xp, target == 0, target.dtype) * inside).mean(-1)
    negative = cast(xp, (target < 0).any(-1), target.dtype)
    known = cast(xp, track.known, target.dtype)
    so_far = known.cumsum(1)
    season = xp.zeros_like(known) + math.log(member.season_length) / 4.0
    more = [
        xp.sign(track.level),
        cast(xp, negative.cumsum(1) > 0, target.dtype),
        zeros,
        xp.log(1.0 + so_far) / 2.0,
        season,
        known,
    ]
    return xp.concatenate([causal_features(xp, track, fraction, log=False), xp.stack(more, -1)], -1)


@dataclass(frozen=True)
class _Reader:
    """Gathers windows of series that are padded far enough for the longest look back."""

    xp: Any
    centre: Array  # [B, 1] mean of the past
    past: Array  # [B, N + padding] deviations from it, 0 where unknown
    observed: Array  # [B, N + padding] 1 or 0
    sums: Array  # [B, N + padding + 1] of `past` up to each step
    counts: Array  # [B, N + padding + 1]
    padding: int
    recent_length: int
    horizon: int

    @classmethod
    def of(cls, xp: ModuleType, past: Array, observed: Array, member: PretrainedSettings) -> _Reader:
        padding = max(
            member.recent_length,
            member.num_seasons * member.season_length,
            member.num_long_seasons * member.long_season_length,
        )
        seen = cast(xp, observed, past.dtype)
        # sums of deviations: the difference of two large sums would lose the digits of a small season
        count = seen.sum(1)
        centre = (past.sum(1) / (count + cast(xp, count == 0, past.dtype)))[:, None]
        deviations = (past - centre) * seen
        return cls(
            xp=xp,
            centre=centre,
            past=pad_front(xp, deviations, padding),
            observed=pad_front(xp, seen, padding),
            sums=pad_front(xp, pad_front(xp, deviations, padding).cumsum(1), 1),
            counts=pad_front(xp, pad_front(xp, seen, padding).cumsum(1), 1),
            padding=padding,
            recent_length=member.recent_length,
            horizon=member.horizon,
        )

    def recent(self, level: Array, scale: Array, ends: Array) -> tuple[Array, Array]:
        """Return the newest steps before each end [L] and whether they are known: [B, L, R]."""
        steps = integers(self.xp, arange_like(self.xp, self.past, self.recent_length))
        index = ends[:, None] + (self.padding - self.recent_length) + steps[None, :]
        known = self.observed[:, index]
        values = (self.past[:, index] - (level - self.centre)[:, :, None]) / scale[:, :, None]
        return self.xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * known, known

    def blocks(self, scale: Array, ends: Array, season_length: int, *, num_seasons: int) -> SeasonBlocks:
        """Return the steps whole seasons before the horizon after each end [L]."""
        xp = self.xp
        lead = integers(xp, arange_like(xp, self.past, self.horizon))
        seasons = integers(xp, arange_like(xp, self.past, num_seasons))
        back = (lead // season_length + 1)[None, :] + seasons[:, None]  # [K, H]
        starts = ends[:, None, None] + self.padding  # [L, 1, 1]
        index = starts + (lead[None, :] - season_length * back)[None]
        last = starts[:, :, 0] - seasons[None, :] * season_length  # [L, K] one past each season
        count = self.counts[:, last] - self.counts[:, last - season_length]
        total = self.sums[:, last] - self.sums[:, last - season_length]
        mean = total / (count + cast(xp, count == 0, count.dtype))  # [B, L, K]
        # a season of one step: the frequency has no longer one
        known = self.observed[:, index] * float(season_length > 1)
        values = (self.past[:, index] - mean[..., None]) / scale[:, :, None, None]
        values = xp.clip(values, -INPUT_LIMIT, INPUT_LIMIT) * known
        return SeasonBlocks(cast(xp, values, xp.float32), cast(xp, known, xp.float32))
