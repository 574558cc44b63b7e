"""Whole numbers: counts around an intensity, and demand that mostly is zero."""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Frame, Paths


def counts(frame: Frame, intensity: Paths) -> Paths:
    """Counts `[num_series, length]` with the given positive mean; half Poisson, half over-dispersed."""
    excess = np.where(frame.uniform(0, 1) < 0.5, 0, frame.log_uniform(0.005, 0.6))
    rough = frame.normals() * np.sqrt(np.log1p(excess))
    mean = np.minimum(intensity * np.exp(rough - 0.5 * np.log1p(excess)), 1e6)
    return frame.rng.poisson(mean).astype(np.float32)


def intermittent(frame: Frame, pulse: Paths) -> Paths:
    """Demand that is mostly zero; `pulse` (unit spread) moves how often it occurs, and a little how much.

    Occupancy is between 2 and 70 per cent. Sizes are ones, geometric, log-normal or counts; some rows die out, and
    in some demand comes in spells.
    """
    # a trend that stands still where it is seen may be beyond all bounds before
    pulse = np.clip(pulse, -30, 30)
    odds = np.log(frame.log_uniform(0.02, 2)) + pulse * frame.uniform(0, 0.9)
    spell = np.repeat(frame.normals(-(-frame.length // 6)), 6, axis=1)[:, : frame.length]
    odds = odds + spell * frame.uniform(0, 1.5) * (frame.uniform(0, 1) < 0.3)
    occurs = frame.rng.random((frame.num_series, frame.length), dtype=np.float32) < 1 / (1 + np.exp(-odds))
    kind = frame.uniform(0, 1)
    uniform = frame.rng.random((frame.num_series, frame.length), dtype=np.float32)
    geometric = np.ceil(np.log(np.maximum(uniform, 1e-7)) / np.log(frame.uniform(0.1, 0.9)))
    sizes = np.exp(frame.normals() * frame.uniform(0.1, 1) + frame.uniform(0, 4) + 0.2 * pulse)
    whole = np.maximum(np.round(sizes), 1)
    chosen = np.where(kind < 0.2, 1, np.where(kind < 0.55, geometric, np.where(kind < 0.85, whole, sizes)))
    return np.where(occurs, chosen, 0).astype(np.float32)
