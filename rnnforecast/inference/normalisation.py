"""Level and scale of a window: one source for both engines, on NumPy arrays and torch tensors alike.

Levels and scales are computed in float64, so noise of 1e-3 around 1e9 survives; what the network reads is float32.
Missing and padded steps never count: the values that fill them cannot change any number here.

Axis legend: B batch, C context_length, P padded context (T * p), T segments, p segment_length, L positions forecast
from (1, or several segments of `causal`), H steps of one pass, R steps the linear path reads, Q quantiles.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from rnnforecast.arrays import Array as Array
from rnnforecast.config import MemberSettings
from rnnforecast.frozen import dataclass
from rnnforecast.inference.shapes import Sizes
from rnnforecast.options import Base, Normalisation

# a scale below this fraction of the level is rounding noise of a constant window
SMALLEST_RELATIVE_SCALE = 1e-14
SMALLEST_SCALE = 1e-20
# outliers are held at these many scales: the recurrences saturate, the linear path would explode
INPUT_LIMIT = 1e2
CAUSAL_INPUT_LIMIT = 8.0
# a smooth long season lies many steps away from its last value: the base is held far wider
BASE_LIMIT = 1e4
CAUSAL_DECAY = 0.85
LOG_SEASON_SCALE = 0.1
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Normalised:
    """A window as the network reads it; `level` and `scale` lead back to the user's units."""

    values: Array  # [B, P] 0 where missing
    observed: Array  # [B, P] 1 or 0
    features: Array | None  # [B, T, 4] only for `causal`: see `causal_features`
    recent: Array | None  # [B, L, R] values the linear path reads
    base: Array | None  # [B, L, H] simple forecast the network corrects
    level: Array  # [B, L] float64
    scale: Array  # [B, L] float64, above 0
    known: Array  # [B, L] bool: anything was observed so far


@dataclass(frozen=True)
class WindowNormaliser:
    """How windows of one network are normalised.

    `window`: mean and standard deviation. `last`: last value, 3 x mean absolute difference. `season`: mean of the
    last season, standard deviation of the window (in logarithms: 0.1). `causal`: of each segment in turn, from
    nothing after it. `global`: two numbers of the training data.
    """

    kind: Normalisation
    log: bool
    base: Base
    season_length: int
    segment_length: int
    num_segments: int
    horizon: int
    recent_length: int  # 0: no linear path

    @classmethod
    def of(cls, member: MemberSettings) -> WindowNormaliser:
        """Read the settings of a network."""
        sizes = Sizes.of(member)
        return cls(
            kind=member.normalisation,
            log=member.log,
            base=member.base,
            season_length=member.season_length,
            segment_length=member.segment_length,
            num_segments=sizes.num_segments,
            horizon=sizes.block_horizon,
            recent_length=sizes.recent_length if member.skip else 0,
        )

    @property
    def input_limit(self) -> float:
        """Largest normalised value the network reads."""
        return CAUSAL_INPUT_LIMIT if self.kind == "causal" else INPUT_LIMIT

    def normalise(
        self,
        xp: ModuleType,
        past_target: Array,
        past_observed: Array,
        *,
        global_scaling: tuple[Array, Array] | None = None,
        positions: Array | None = None,
        dtype: Any = None,
    ) -> Normalised:
        """Normalise windows [B, C]; `global_scaling` is (level, scale) [1] for kind `global`.

        `positions` [L] are the segments to forecast from under `causal` (default: the last one alone).
        """
        dtype = xp.float32 if dtype is None else dtype
        target, observed = self.transform(xp, past_target, past_observed)
        padding = self.num_segments * self.segment_length - target.shape[1]
        target, observed = pad_front(xp, target, padding), pad_front(xp, observed, padding)
        if self.kind == "causal":
            return self._normalise_causal(xp, target, observed, positions=positions, dtype=dtype)
        level, scale = self._level_and_scale(xp, target, observed, global_scaling)
        known = observed.any(1)[:, None] if self.kind != "global" else xp.ones_like(observed[:, :1])
        inside = cast(xp, observed, target.dtype)
        values = cast(xp, xp.clip((target - level) / scale, -INPUT_LIMIT, INPUT_LIMIT) * inside, dtype)
        ends = arange_like(xp, target, 1) + (target.shape[1] - 1)
        base = self._base(xp, target, observed, level=level, scale=scale, ends=ends)
        return Normalised(
            values=values,
            observed=cast(xp, observed, dtype),
            features=None,
            recent=values[:, None, :] if self.recent_length else None,
            base=None if base is None else cast(xp, base, dtype),
            level=level,
            scale=scale,
            known=known,
        )

    def transform(self, xp: ModuleType, target: Array, observed: Array) -> tuple[Array, Array]:
        """Return values as learned (0 where missing) and their mask; in logarithms only positive values count."""
        if not self.log:
            return xp.where(observed, target, 0.0), observed
        observed = observed & (target > 0)
        return xp.log(xp.where(observed, target, 1.0)), observed

    def restore(self, xp: ModuleType, learned: Array) -> Array:
        """Lead values as learned back to the user's units."""
        return xp.exp(xp.clip(learned, -LARGEST_EXPONENT, LARGEST_EXPONENT)) if self.log else learned

    def _level_and_scale(
        self, xp: ModuleType, target: Array, observed: Array, global_scaling: tuple[Array, Array] | None
    ) -> tuple[Array, Array]:
        """Return level and scale [B, 1] of whole windows."""
        if self.kind == "global":
            if global_scaling is None:
                raise ValueError("normalisation `global` needs `global_scaling`")
            level, scale = global_scaling
            ones = xp.ones_like(target[:, :1])
            return ones * level, ones * scale
        weights = cast(xp, observed, target.dtype)
        mean = masked_mean(target, weights)
        if self.kind == "last":
            level, scale = _last_value(xp, target, observed), 3.0 * _mean_step(xp, target, observed)
        elif self.kind not in ("window", "season"):
            raise ValueError(f"unknown normalisation `{self.kind}`")
        else:
            level = mean
            scale = xp.sqrt(masked_mean((target - mean) ** 2 * weights, weights))
        if self.kind == "season":
            season = weights[:, -self.season_length :]
            last_season = masked_mean(target[:, -self.season_length :], season)
            level = xp.where(season.sum(-1)[:, None] > 0, last_season, mean)
            scale = xp.zeros_like(level) + LOG_SEASON_SCALE if self.log else scale
        return level, clamp_scale(xp, scale, level)

    def _normalise_causal(
        self, xp: ModuleType, target: Array, observed: Array, *, positions: Array | None, dtype: Any
    ) -> Normalised:
        batch, segment_length = target.shape[0], self.segment_length
        segments = (batch, self.num_segments, segment_length)
        track = causal_track(xp, target.reshape(segments), observed.reshape(segments), seasonal=self.season_length > 1)
        inside = cast(xp, observed.reshape(segments), target.dtype)
        spread_out = (target.reshape(segments) - track.level[:, :, None]) / track.scale[:, :, None]
        values = xp.clip(spread_out, -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT) * inside
        last = slice(self.num_segments - 1, self.num_segments)
        chosen = last if positions is None else positions
        numbers = arange_like(xp, target, self.num_segments)[chosen]
        ends = (numbers + 1) * segment_length - 1  # [L]
        level, scale = track.level[:, chosen], track.scale[:, chosen]
        base = self._base(xp, target, observed, level=level, scale=scale, ends=ends)
        recent = self._recent(xp, target, observed, level=level, scale=scale, ends=ends)
        return Normalised(
            values=cast(xp, values.reshape(batch, -1), dtype),
            observed=cast(xp, observed, dtype),
            features=cast(xp, causal_features(xp, track, inside.mean(-1), log=self.log), dtype),
            recent=None if recent is None else cast(xp, recent, dtype),
            base=None if base is None else cast(xp, base, dtype),
            level=level,
            scale=scale,
            known=track.known[:, chosen],
        )

    def _base(
        self, xp: ModuleType, target: Array, observed: Array, *, level: Array, scale: Array, ends: Array
    ) -> Array | None:
        """Return the last season (or value) before each end [L], repeated over the horizon: [B, L, H].

        A missing value is taken one season earlier; where no season has it, from the level.
        """
        if self.base == "none":
            return None
        period = self.season_length if self.base == "season" else 1
        steps = arange_like(xp, target, self.horizon) % period
        source = integers(xp, ends[:, None] - period + 1 + steps[None, :])  # [L, H]
        seen = last_seen(xp, observed, period)[:, xp.clip(source, 0, None)]  # [B, L, H]
        rows = integers(xp, arange_like(xp, target, target.shape[0]))[:, None, None]
        values = (target[rows, xp.clip(seen, 0, None)] - level[:, :, None]) / scale[:, :, None]
        usable = (seen >= 0) & (source >= 0)[None]
        return xp.clip(xp.where(usable, values, 0.0), -BASE_LIMIT, BASE_LIMIT)

    def _recent(
        self, xp: ModuleType, target: Array, observed: Array, *, level: Array, scale: Array, ends: Array
    ) -> Array | None:
        """Return the steps up to each end [L] in its level and scale: [B, L, R]."""
        if not self.recent_length:
            return None
        steps = arange_like(xp, target, self.recent_length) - (self.recent_length - 1)
        source = integers(xp, ends[:, None] + steps[None, :])  # [L, R]
        index = xp.clip(source, 0, None)
        values = (target[:, index] - level[:, :, None]) / scale[:, :, None]
        usable = observed[:, index] & (source >= 0)[None]
        return xp.clip(xp.where(usable, values, 0.0), -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT)


@dataclass(frozen=True)
class CausalTrack:
    """Level and scale after each segment, known from that segment and those before it: [B, T]."""

    level: Array
    scale: Array
    known: Array


def causal_track(xp: ModuleType, target: Array, observed: Array, *, seasonal: bool) -> CausalTrack:
    """Follow level and scale through segments [B, T, p].

    Level: mean of the segment (not seasonal: its last value), kept through empty segments. Scale: exponentially
    weighted mean of the spread within segments and half the step of the level between them.
    """
    weights = cast(xp, observed, target.dtype)
    mean = masked_mean(target, weights)[:, :, 0]
    spread = xp.sqrt(masked_mean((target - mean[:, :, None]) ** 2 * weights, weights))[:, :, 0]
    filled = weights.sum(-1) > 0  # [B, T]
    newest = last_seen(xp, filled, 1)  # [B, T] the last segment with a value
    known = newest >= 0
    own = mean if seasonal else _last_in_segment(xp, target, observed)
    rows = integers(xp, arange_like(xp, target, target.shape[0]))[:, None]
    level = xp.where(known, own[rows, xp.clip(newest, 0, None)], 0.0)
    step = xp.abs(level - _previous(xp, level)) * cast(xp, _previous(xp, known), target.dtype)
    counted = cast(xp, filled, target.dtype)
    total = _decayed_sum(xp, (spread + 0.5 * step) * counted)
    weight = _decayed_sum(xp, counted)
    scale = total / xp.where(weight > 0, weight, 1.0)
    return CausalTrack(level=level, scale=clamp_scale(xp, scale, level), known=known)


def causal_features(xp: ModuleType, track: CausalTrack, observed_fraction: Array, *, log: bool) -> Array:
    """Return the features that normalising each segment alone removes: [B, T, 4].

    Step of the level in scales; change of the scale (logarithm); scale against level (logarithm); fraction missing.
    """
    before = _previous(xp, track.known)
    both = cast(xp, before & track.known, track.level.dtype)
    step = (track.level - _previous(xp, track.level)) / track.scale * both
    earlier = xp.where(before, _previous(xp, track.scale), track.scale)
    change = xp.log(track.scale / earlier)
    size = xp.abs(track.level) + SMALLEST_SCALE
    # a scale of logarithms is relative already
    relative = xp.log(track.scale) if log else xp.log(track.scale / size)
    known = cast(xp, track.known, track.level.dtype)
    parts = [
        xp.clip(step, -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT),
        xp.clip(change, -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT) * known,
        xp.clip(relative, -CAUSAL_INPUT_LIMIT, CAUSAL_INPUT_LIMIT) * known,
        1.0 - observed_fraction,
    ]
    return xp.stack(parts, -1)


def clamp_scale(xp: ModuleType, scale: Array, level: Array) -> Array:
    """Return the scale, never below the rounding noise of the level and never 0."""
    smallest = SMALLEST_RELATIVE_SCALE * xp.abs(level) + SMALLEST_SCALE
    return xp.where(scale > smallest, scale, smallest)


def masked_mean(values: Array, weights: Array) -> Array:
    """Return the mean over the last axis of values that are 0 where `weights` are: [..., 1]; 0 without any."""
    count = weights.sum(-1)
    return (values.sum(-1) / (count + (count == 0)))[..., None]


def last_seen(xp: ModuleType, observed: Array, period: int) -> Array:
    """Return for each column the newest observed column a whole number of periods back: [B, N], negative: none."""
    batch, length = observed.shape
    padding = -length % period
    padded = pad_front(xp, observed, padding)
    columns = integers(xp, arange_like(xp, padded, length + padding))
    marked = xp.where(padded, columns[None, :], -1 - padding).reshape(batch, -1, period)
    return _running_maximum(xp, marked).reshape(batch, -1)[:, padding:] - padding


def _running_maximum(xp: ModuleType, array: Array) -> Array:
    """Return the largest value so far along the second axis."""
    if xp is np:
        return np.maximum.accumulate(array, 1)
    if not xp.jit.is_tracing():
        return xp.cummax(array, 1).values
    shift = 1
    while shift < array.shape[1]:  # ONNX has no such operation
        array = xp.concatenate([array[:, :shift], xp.maximum(array[:, shift:], array[:, :-shift])], 1)
        shift *= 2
    return array


def pad_front(xp: ModuleType, array: Array, padding: int) -> Array:
    """Put zeros (false) in front of the second axis."""
    if padding == 0:
        return array
    zeros = xp.broadcast_to(xp.zeros_like(array[:, :1]), (array.shape[0], padding, *array.shape[2:]))
    return xp.concatenate([zeros, array], 1)


def cast(xp: ModuleType, array: Array, dtype: Any) -> Array:
    """Return the array in another dtype."""
    return array.astype(dtype, copy=False) if xp is np else array.to(dtype)


def integers(xp: ModuleType, array: Array) -> Array:
    """Return the array as indices."""
    return cast(xp, array, xp.int64)


def arange_like(xp: ModuleType, array: Array, count: int) -> Array:
    """Return 0 ... count - 1 as indices on the device of `array`."""
    return np.arange(count) if xp is np else xp.arange(count, device=array.device)


def _last_value(xp: ModuleType, target: Array, observed: Array) -> Array:
    """Return the last observed value: [B, 1], 0 without any."""
    newest = last_seen(xp, observed, 1)[:, -1:]
    rows = arange_like(xp, target, target.shape[0])[:, None]
    return xp.where(newest >= 0, target[rows, xp.clip(newest, 0, None)], 0.0)


def _last_in_segment(xp: ModuleType, target: Array, observed: Array) -> Array:
    """Return the last observed value of each segment: [B, T], 0 without any."""
    batch, num_segments, segment_length = target.shape
    last = _last_value(xp, target.reshape(-1, segment_length), observed.reshape(-1, segment_length))
    return last.reshape(batch, num_segments)


def _mean_step(xp: ModuleType, target: Array, observed: Array) -> Array:
    """Return the mean absolute difference of each observed value to the one observed before it: [B, 1]."""
    before = last_seen(xp, observed, 1)[:, :-1]
    rows = arange_like(xp, target, target.shape[0])[:, None]
    pairs = cast(xp, observed[:, 1:] & (before >= 0), target.dtype)
    steps = xp.abs(target[:, 1:] - target[rows, xp.clip(before, 0, None)])
    return masked_mean(steps * pairs, pairs)


def _previous(xp: ModuleType, array: Array) -> Array:
    """Return each column's left neighbour, zero (false) for the first."""
    return xp.concatenate([xp.zeros_like(array[:, :1]), array[:, :-1]], 1)


def _decayed_sum(xp: ModuleType, values: Array) -> Array:
    """Return sum over k of decay^k * values[t - k] along the second axis, in log2(T) doublings."""
    shift, decay = 1, CAUSAL_DECAY
    while shift < values.shape[1]:
        values = values + decay * xp.concatenate([xp.zeros_like(values[:, :shift]), values[:, :-shift]], 1)
        shift, decay = 2 * shift, decay * decay
    return values
