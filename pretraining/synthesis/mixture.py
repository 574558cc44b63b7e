"""Series of one clock: rows of the corpus of people's records, the rest of families with laws of their own.

Rows of the corpus keep their units and signs as they are; those of the families are turned over, run backwards, mixed,
moved by large constants, cut short and given gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pretraining.synthesis.corpus import SyntheticBatch, synthesise
from pretraining.synthesis.families import COUNTED, FAMILIES, Draft
from pretraining.synthesis.frames import Mask, Paths

#: Rows of one family in a batch: few enough for variety, many enough for vectors.
GROUP = 16
#: Rows of a family are at least this long, where a series begins late.
SHORTEST = 8


@dataclass(frozen=True)
class Wish:
    """What a batch should hold: its seasons and its length, and which domain of the corpus how many rows are of."""

    season_length: int
    long_season_length: int
    length: int
    domain: str
    corpus_share: float

    @property
    def seasons(self) -> tuple[float, ...]:
        """Seasons in steps, the main one first; none of one step."""
        return tuple(float(steps) for steps in (self.season_length, self.long_season_length) if steps > 1)


def draw_batch(wish: Wish, num_series: int, seed: int) -> SyntheticBatch:
    """Draw series `[num_series, length]`; what is not finite is replaced by zeros and never observed."""
    rng = np.random.default_rng(seed)
    of_corpus = int(rng.binomial(num_series, wish.corpus_share))
    parts, masks = [], []
    if of_corpus:
        drawn = synthesise(
            of_corpus,
            wish.length,
            season_length=wish.season_length,
            long_season_length=wish.long_season_length,
            domain=wish.domain,
            seed=int(rng.integers(2**62)),
        )
        parts.append(drawn.values)
        masks.append(drawn.observed)
    names = list(FAMILIES)
    for start in range(of_corpus, num_series, GROUP):
        name = names[int(rng.integers(len(names)))]
        values, observed = _family(wish, name, min(GROUP, num_series - start), rng)
        parts.append(values)
        masks.append(observed)
    values, observed = np.concatenate(parts), np.concatenate(masks)
    finite = np.isfinite(values) & (np.abs(values) < 1e30)
    return SyntheticBatch(np.where(finite, values, 0).astype(np.float32), observed & finite)


def _family(wish: Wish, name: str, count: int, rng: np.random.Generator) -> tuple[Paths, Mask]:
    with np.errstate(over="ignore", invalid="ignore"):
        paths = FAMILIES[name](Draft(rng, count, wish.length, wish.seasons))
        if name not in COUNTED:
            paths = _augment(paths, rng)
    return paths, _observe(wish, count, rng)


def _augment(paths: Paths, rng: np.random.Generator) -> Paths:
    """Mix, reverse, turn over, clip at zero, scale and move rows."""
    count = len(paths)
    size = np.sqrt(np.mean(np.square(paths - paths.mean(axis=1, keepdims=True)), axis=1, keepdims=True)) + 1e-9
    share = np.where(rng.random((count, 1)) < 0.25, rng.beta(0.5, 0.5, (count, 1)), 1)
    order = rng.permutation(count)
    paths = share * paths + (1 - share) * paths[order] * (size / size[order])
    backwards = rng.random(count) < 0.15
    paths[backwards] = paths[backwards][:, ::-1]
    paths = np.where(rng.random((count, 1)) < 0.2, -paths, paths)
    low = paths.min(axis=1, keepdims=True)
    kind = rng.random((count, 1))
    moved = paths - low * rng.uniform(0, 1.3, (count, 1))
    paths = np.where(
        kind < 0.4, moved, np.where(kind < 0.5, paths + size * np.exp(rng.uniform(0, 12, (count, 1))), paths)
    )
    paths = np.where(rng.random((count, 1)) < 0.12, np.maximum(paths, 0), paths)
    rounded = size * np.exp(rng.uniform(-5, -0.7, (count, 1)))
    paths = np.where(rng.random((count, 1)) < 0.15, np.round(paths / rounded) * rounded, paths)
    return (paths * np.exp(rng.uniform(-4, 10, (count, 1)))).astype(np.float32)


def _observe(wish: Wish, count: int, rng: np.random.Generator) -> Mask:
    """Return which steps are seen: half the rows begin late, some have gaps."""
    low = min(SHORTEST, wish.length)
    span = np.exp(rng.uniform(np.log(low), np.log(wish.length), (count, 1)))
    span = np.where(rng.random((count, 1)) < 0.35, span, wish.length)
    steps = np.arange(wish.length)[None, :]
    observed = steps >= wish.length - span
    single = rng.random((count, wish.length), dtype=np.float32) < np.exp(rng.uniform(-4.5, -1, (count, 1)))
    start = rng.uniform(0, 1, (count, 1)) * wish.length
    block = (steps >= start) & (steps < start + wish.length * rng.uniform(0.005, 0.15, (count, 1)))
    kind = rng.random((count, 1))
    return observed & ~(single & (kind < 0.06)) & ~(block & (kind > 0.94))
