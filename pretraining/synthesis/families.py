"""Families of series with laws of their own, beside the series of people's records: any clock, several seasons.

Each family is a function from a stream, a shape and seasons to series `[num_series, length]` of a size of about one.
The families: compositions of kernels, trend-season-irregular, pulled-back walks with regimes, spikes and saw teeth,
steps, causal graphs, plain processes, counts with promotions, growth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pretraining.synthesis.frames import Frame, Paths
from pretraining.synthesis.kernels import coloured, squared_exponential
from pretraining.synthesis.recursions import autoregress, stationary, stochastic_cycle

_MOST = 9.0


@dataclass(frozen=True)
class Draft:
    """One random stream, the shape of the batch, and its seasons (steps, need not be whole)."""

    rng: np.random.Generator
    num_series: int
    length: int
    seasons: tuple[float, ...]

    def frame(self) -> Frame:
        """The frame that the older components are drawn in, all steps visible."""
        main = max(1, round(self.seasons[0])) if self.seasons else 1
        return Frame(self.rng, self.length, main, 1, np.full(self.num_series, self.length))

    def normals(self, width: int | None = None) -> Paths:
        """Standard normal numbers `[num_series, width or length]`."""
        return self.rng.standard_normal((self.num_series, width or self.length), dtype=np.float32)

    def uniform(self, low: float, high: float, width: int = 1) -> Paths:
        """Uniform numbers `[num_series, width]`."""
        return self.rng.random((self.num_series, width), dtype=np.float32) * (high - low) + low

    def log_uniform(self, low: float, high: float, width: int = 1) -> Paths:
        """Numbers `[num_series, width]` with an even logarithm."""
        return np.exp(self.uniform(float(np.log(low)), float(np.log(high)), width))

    def coin(self, share: float) -> Paths:
        """1 in a share of the rows, else 0: `[num_series, 1]`."""
        return (self.rng.random((self.num_series, 1), dtype=np.float32) < share).astype(np.float32)

    def time(self) -> Paths:
        """Steps from 0 on `[1, length]`."""
        return np.arange(self.length, dtype=np.float32)[None, :]


def waves(draft: Draft, period: Paths) -> Paths:
    """Smooth or rugged shapes of unit spread that repeat every `period [num_series, 1]` steps (may be fractional)."""
    phase = draft.time() / period + draft.uniform(0, 1)
    decay = draft.uniform(0.3, 2.5)
    total = np.zeros((draft.num_series, draft.length), dtype=np.float32)
    power = np.zeros((draft.num_series, 1), dtype=np.float32)
    for harmonic in range(1, 9):
        size = np.abs(draft.normals(1)) * harmonic**-decay * (harmonic <= period / 2)
        total += size * np.cos(2 * np.pi * (harmonic * phase + draft.uniform(0, 1)))
        power += np.square(size) / 2
    drawn: Paths = total / np.sqrt(power + 1e-6)
    return drawn


def cells(draft: Draft, period: float) -> Paths:
    """Shapes of unit spread with a free value at every step of the season, in some rows flat but for a few."""
    count = max(2, round(period))
    free = draft.normals(count) * np.where(
        draft.coin(0.35) > 0, draft.rng.random((draft.num_series, count)) < draft.uniform(0.05, 0.5), 1
    )
    free = free - free.mean(axis=1, keepdims=True)
    free = free / np.sqrt(np.square(free).mean(axis=1, keepdims=True) + 1e-6)
    start = draft.rng.integers(0, count)
    place = np.floor(draft.time()[0] * (count / period) + start).astype(np.int64) % count
    drawn: Paths = free[:, place].astype(np.float32)
    return drawn


def days_of_week(draft: Draft, day: float, week: float) -> Paths:
    """Profiles of a day that are stretched, shifted or silent on some days of the week."""
    factor = np.where(draft.coin(0.6) > 0, 1, 0) * draft.normals(7) * draft.uniform(0.1, 0.8) + 1
    rest = (draft.rng.random((draft.num_series, 7)) < 0.25) * draft.uniform(0, 1)
    shift = draft.normals(7) * draft.uniform(0, 1)
    number = np.floor(draft.time()[0] / week * 7 + draft.rng.integers(0, 7)).astype(np.int64) % 7
    profile = waves(draft, np.full((draft.num_series, 1), day, dtype=np.float32))
    return profile * (factor * (1 - rest))[:, number] + (shift * draft.coin(0.7))[:, number]


def seasonal(draft: Draft) -> Paths:
    """The sum of all seasons of the clock, each in a size of its own, unit spread in all; zero without any."""
    total = np.zeros((draft.num_series, draft.length), dtype=np.float32)
    for slot, season in enumerate(draft.seasons):
        sizes = draft.log_uniform(0.15, 1.5) * draft.coin(0.92 if slot == 0 else 0.6)
        smooth = waves(draft, np.full((draft.num_series, 1), season, dtype=np.float32))
        shape = np.where(draft.coin(0.35 if season < 60 else 0.1) > 0, cells(draft, season), smooth)
        if slot == 0 and len(draft.seasons) > 1 and abs(draft.seasons[1] / season - 7) < 0.01:
            shape = np.where(draft.coin(0.6) > 0, days_of_week(draft, season, draft.seasons[1]), shape)
        total += sizes * shape
    swell = 1 + draft.coin(0.3) * draft.uniform(-0.8, 1.5) * (draft.time() / draft.length - 0.5)
    return total * swell


def _any_level(draft: Draft) -> Paths:
    """Slow movements, one kind a call: walks, lines, bends, smooth ones, none."""
    kind = int(draft.rng.integers(0, 6))
    frame = draft.frame()
    share = draft.time() / draft.length
    if kind == 0:
        return np.cumsum(draft.normals(), axis=1) / np.float32(np.sqrt(draft.length))
    if kind == 1:
        return share * draft.normals(1)
    if kind == 2:
        bend = np.maximum(share - draft.uniform(0.1, 1.1), 0)
        return share * draft.normals(1) + 2 * bend * draft.normals(1)
    if kind == 3:
        return squared_exponential(frame, draft.length * draft.log_uniform(0.05, 0.6))
    if kind == 4:
        return stationary(frame, np.exp(-1 / draft.log_uniform(1, max(draft.length / 4, 2))))
    return np.zeros((draft.num_series, draft.length), dtype=np.float32)


def _rough(draft: Draft) -> Paths:
    """Errors of unit spread: normal, heavy-tailed, skewed or persistent."""
    kind = int(draft.rng.integers(0, 4))
    if kind == 1:
        spreads = np.sqrt(draft.rng.gamma(2.0, 1.0, (draft.num_series, draft.length)) / 2 + 0.05)
        return np.asarray(draft.normals() / spreads, dtype=np.float32)
    if kind == 2:
        spread = draft.uniform(0.2, 1)
        return (np.exp(draft.normals() * spread) - np.exp(np.square(spread) / 2)) / spread
    if kind == 3:
        return stationary(draft.frame(), draft.uniform(0, 0.9))
    return draft.normals()


def compositions(draft: Draft) -> Paths:
    """Sums and products of three to five random functions: smooth, periodic, linear, rough, white."""
    total = np.zeros((draft.num_series, draft.length), dtype=np.float32)
    frame = draft.frame()
    for number in range(4):
        kind = int(draft.rng.integers(0, 6))
        if kind == 0:
            part = squared_exponential(frame, draft.length * draft.log_uniform(0.01, 0.6))
        elif kind == 1:
            part = seasonal(draft)
        elif kind == 2:
            part = waves(draft, draft.log_uniform(3, max(draft.length / 2, 6))) * np.exp(
                -draft.coin(0.5) * draft.uniform(0, 3) * draft.time() / draft.length
            )
        elif kind == 3:
            part = (draft.time() / draft.length - 0.5) * 3.4 * draft.normals(1)
        elif kind == 4:
            part = coloured(frame, draft.uniform(0.3, 3))
        else:
            part = draft.normals()
        part = part * draft.log_uniform(0.05, 1.5)
        product = draft.coin(0.25 if number else 0)
        total = total * np.where(product > 0, 1 + part, 1) + np.where(product > 0, 0, part)
    return total


def trend_season_irregular(draft: Draft) -> Paths:
    """Trend times season times error, or their sum."""
    trend, season, error = _any_level(draft), seasonal(draft), _rough(draft)
    sizes = draft.log_uniform(0.05, 0.8), draft.log_uniform(0.03, 0.6), draft.log_uniform(0.005, 0.3)
    product = np.exp(np.clip(trend * sizes[0] + season * sizes[1] * 0.7 + error * sizes[2], -_MOST, _MOST))
    total = draft.uniform(-1, 3) + trend * sizes[0] + season * sizes[1] + error * sizes[2]
    return np.where(draft.coin(0.5) > 0, product, total)


def pulled_back(draft: Draft) -> Paths:
    """Walks pulled back to a level; level, spread and pull change with hidden regimes; on some rides a season."""
    stay = draft.length * draft.log_uniform(0.05, 2)
    flips = draft.rng.random((draft.num_series, draft.length), dtype=np.float32) < 1 / np.maximum(stay, 4)
    regime = np.cumsum(flips, axis=1) % 3
    level = np.take_along_axis(draft.normals(3) * draft.coin(0.7) * draft.log_uniform(0.2, 4), regime, axis=1)
    spread = np.take_along_axis(np.exp(draft.normals(3) * draft.uniform(0, 0.8)), regime, axis=1)
    pull = draft.log_uniform(0.003, 0.7)
    pushes = spread * draft.normals() * np.sqrt(1 - np.square(1 - pull))
    path = autoregress(pushes + pull * level, 1 - pull)
    return (
        path
        + seasonal(draft) * draft.log_uniform(0.1, 3) * draft.coin(0.6)
        + draft.normals() * (draft.log_uniform(0.01, 0.5) * draft.coin(0.5))
    )


def teeth(draft: Draft) -> Paths:
    """Spikes, plateaus with slopes, saw teeth and squares, at the season or at any period, with noise."""
    main = draft.seasons[0] if draft.seasons and draft.rng.random() < 0.75 else 0.0
    period = np.full((draft.num_series, 1), main, dtype=np.float32) if main else draft.log_uniform(3, 80)
    phase = (draft.time() / period + draft.uniform(0, 1)) % 1
    width, ramp = draft.log_uniform(0.02, 0.6), draft.log_uniform(0.01, 0.3)
    plateau = np.clip(np.minimum(phase, width - phase) / ramp + 0.5, 0, 1)
    saw = np.where(draft.coin(0.5) > 0, phase, 1 - phase)
    shape = np.where(draft.coin(0.6) > 0, plateau, saw)
    number = np.floor(draft.time() / period + 0.0).astype(np.int64)
    heights = 1 + draft.normals(int(number.max()) + 1) * draft.log_uniform(0.01, 0.5) * draft.coin(0.6)
    shape = shape * np.take_along_axis(heights, np.broadcast_to(number, shape.shape), axis=1)
    return (
        shape * draft.log_uniform(0.5, 3)
        + _any_level(draft) * 0.5 * draft.coin(0.5)
        + (_rough(draft) * draft.log_uniform(0.01, 0.4))
    )


def steps(draft: Draft) -> Paths:
    """Levels that shift for good, in half the rows within the newest steps, around a season and noise."""
    count = draft.log_uniform(0.3, 8)
    moves = (
        draft.rng.random((draft.num_series, draft.length), dtype=np.float32) < count / draft.length
    ) * draft.normals()
    path = np.cumsum(moves, axis=1)
    late = draft.length - np.floor(draft.length * draft.log_uniform(0.01, 0.6))
    path = path + (draft.time() >= late) * draft.normals(1) * draft.coin(0.5) * draft.log_uniform(0.5, 3)
    return (
        path * draft.log_uniform(0.3, 3)
        + seasonal(draft) * draft.log_uniform(0.1, 2)
        + (_rough(draft) * draft.log_uniform(0.03, 1))
    )


def causal(draft: Draft) -> Paths:
    """Series that others drive: four roots, and nodes that are bent sums of earlier ones at some lag."""
    nodes = [_any_level(draft) * 2, seasonal(draft), _rough(draft), stationary(draft.frame(), draft.uniform(0.3, 0.99))]
    for _ in range(3):
        one, two = draft.rng.choice(len(nodes), 2, replace=False)
        lag = int(draft.rng.integers(0, max(2, min(draft.length // 8, 30))))
        drive = nodes[one] * draft.normals(1) + np.roll(nodes[two], lag, axis=1) * draft.normals(1) + draft.normals(1)
        kind = int(draft.rng.integers(0, 5))
        if kind == 0:
            drive = np.tanh(drive)
        elif kind == 1:
            drive = np.maximum(drive, 0)
        elif kind == 2:
            drive = drive * nodes[two]
        elif kind == 3:
            drive = np.square(np.clip(drive, -5, 5))
        nodes.append(drive)
    return nodes[-1] + nodes[-2] * draft.uniform(0, 1) + draft.normals() * draft.log_uniform(0.01, 0.3)


def plain(draft: Draft) -> Paths:
    """Processes of the textbook: walks, autoregressions, noise, damped trends, lines, cycles; some with a season."""
    kind = int(draft.rng.integers(0, 8))
    frame = draft.frame()
    if kind == 0:
        path = np.cumsum(draft.normals(), axis=1)
    elif kind == 1:
        path = np.cumsum(draft.normals() + draft.normals(1) * draft.log_uniform(0.01, 0.5), axis=1)
    elif kind == 2:
        path = stationary(frame, draft.uniform(0, 0.99))
    elif kind == 3:
        path = _rough(draft)
    elif kind == 4:
        fading = 1 - draft.log_uniform(0.003, 0.3)
        path = draft.normals(1) * (1 - np.power(fading, draft.time())) / (1 - fading) * draft.log_uniform(0.02, 1)
        path = path + _rough(draft)
    elif kind == 5:
        path = draft.time() * draft.normals(1) * draft.log_uniform(0.003, 1) + _rough(draft)
    elif kind == 6:
        path = stochastic_cycle(
            frame, draft.log_uniform(4, max(8, draft.length / 3)), 1 - draft.log_uniform(0.003, 0.2)
        )
    else:
        path = np.cumsum(draft.normals(), axis=1) * draft.log_uniform(0.01, 1) + _rough(draft)
    return path + seasonal(draft) * draft.log_uniform(0.2, 5) * draft.coin(0.5)


def promoted(draft: Draft) -> Paths:
    """Counts with seasons and promotions, from a handful a year to thousands a step."""
    log = _any_level(draft) * draft.log_uniform(0.05, 0.6) + seasonal(draft) * draft.log_uniform(0.03, 0.6)
    starts = draft.rng.random((draft.num_series, draft.length), dtype=np.float32) < draft.log_uniform(0.002, 0.05)
    lasting = 1 - 1 / draft.log_uniform(1.05, 8)
    running = autoregress(starts.astype(np.float32), np.asarray(lasting, dtype=np.float32)) > 0.4
    log = log + running * draft.log_uniform(0.2, 1.6) * draft.coin(0.5)
    mean = np.exp(np.clip(log, -6, 6)) * draft.log_uniform(0.05, 800)
    shape = draft.log_uniform(0.3, 200)
    mean = np.where(draft.coin(0.5) > 0, mean * draft.rng.gamma(shape, 1.0, mean.shape) / shape, mean)
    return draft.rng.poisson(np.minimum(mean, 1e6)).astype(np.float32)


def growth(draft: Draft) -> Paths:
    """Growth or decline at a rate that holds, fades or reverses, times a season and errors in proportion."""
    share = draft.time() / draft.length
    rate = draft.normals(1) * draft.log_uniform(0.2, 3)
    fading = draft.coin(0.4) * draft.log_uniform(0.3, 4)
    path = rate * np.where(fading > 0, -np.expm1(-fading * share) / np.maximum(fading, 0.01), share)
    path = path + np.cumsum(draft.normals(), axis=1) * draft.log_uniform(0.002, 0.05)
    noise = _rough(draft) * draft.log_uniform(0.003, 0.2)
    return np.exp(np.clip(path + seasonal(draft) * draft.log_uniform(0.02, 0.4) + noise, -_MOST, _MOST))


FAMILIES: dict[str, Callable[[Draft], Paths]] = {
    "compositions": compositions,
    "trend-season-irregular": trend_season_irregular,
    "pulled back": pulled_back,
    "teeth": teeth,
    "steps": steps,
    "causal": causal,
    "plain": plain,
    "promoted": promoted,
    "growth": growth,
}
#: Families whose numbers are whole: they are neither turned, mixed nor moved.
COUNTED = frozenset({"promoted"})
