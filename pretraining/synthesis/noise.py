"""What cannot be forecast: errors of every tail, colour and rhythm, of about unit spread."""

from __future__ import annotations

import numpy as np

from pretraining.synthesis.frames import Component, Frame, Paths
from pretraining.synthesis.recursions import autoregress, stationary
from pretraining.synthesis.seasons import along


def _gaussian(frame: Frame) -> Paths:
    return frame.normals()


def _heavy(frame: Frame) -> Paths:
    """Tails as heavy as those of Student's law with three to ten degrees of freedom (Tukey's h)."""
    errors = frame.normals()
    tails = frame.uniform(0.03, 0.25)
    drawn: Paths = errors * np.exp(0.5 * tails * np.minimum(np.square(errors), 20)) * np.power(1 - 2 * tails, 0.75)
    return drawn


def _skewed(frame: Frame) -> Paths:
    """Errors that lean to one side, mostly upwards (Tukey's g)."""
    lean = frame.log_uniform(0.1, 0.8)
    errors = (np.exp(lean * frame.normals()) - np.exp(np.square(lean) / 2)) / lean
    return errors * np.where(frame.uniform(0, 1) < 0.8, 1, -1) * np.exp(-0.9 * np.square(lean))


def _clustered(frame: Frame) -> Paths:
    """Calm and stormy times in turn: a volatility that wanders."""
    storm = stationary(frame, 1 - frame.log_uniform(0.01, 0.3)) * frame.uniform(0.3, 1)
    return frame.normals() * np.exp(storm - 0.3)


def _persistent(frame: Frame) -> Paths:
    return stationary(frame, frame.uniform(-0.5, 0.95))


def _echoed(frame: Frame) -> Paths:
    """A moving average of two errors; the negative ones are what over-correction leaves."""
    share = frame.uniform(-0.95, 0.8)
    errors = frame.normals(frame.length + 1)
    drawn: Paths = (errors[:, 1:] + share * errors[:, :-1]) / np.sqrt(1 + np.square(share))
    return drawn


def _mixed_autoregression(frame: Frame) -> Paths:
    """Both: a first-order autoregression of a moving average."""
    persistence = frame.uniform(0, 0.95)
    drawn: Paths = autoregress(_echoed(frame), persistence) * np.sqrt(1 - np.square(persistence))
    return drawn


def _seasonal_spread(frame: Frame) -> Paths:
    """Some parts of the season are harder to know than others."""
    period = max(frame.season_length, 2)
    sizes = np.exp(frame.normals(period) * frame.uniform(0.2, 1))
    sizes /= np.sqrt(np.square(sizes).mean(axis=1, keepdims=True))
    return frame.normals() * along(sizes, frame.length)


def _bursts(frame: Frame) -> Paths:
    """Mostly quiet, now and then many times as large."""
    loud = frame.rng.random((frame.num_series, frame.length), dtype=np.float32) < frame.uniform(0.01, 0.1)
    return frame.normals() * np.where(loud, frame.uniform(3, 8), 0.6)


def _sluggish(frame: Frame) -> Paths:
    """Errors that take many steps to fade, and a little that is fresh."""
    slow = stationary(frame, 1 - frame.log_uniform(0.005, 0.3))
    return slow + frame.normals() * frame.log_uniform(0.01, 0.4)


def _rounded(frame: Frame) -> Paths:
    """Errors without corners: an autoregression of an autoregression, as in loads and temperatures."""
    first = 1 - frame.log_uniform(0.02, 0.4)
    second = 1 - frame.log_uniform(0.02, 0.6)
    slow = autoregress(stationary(frame, first), second)
    return slow * np.sqrt((1 - np.square(second)) * (1 - first * second) / (1 + first * second))


def _shots(frame: Frame) -> Paths:
    """Rare shocks that die out over several steps: news, promotions, breakdowns."""
    rate = frame.log_uniform(0.005, 0.06)
    hits = frame.rng.random((frame.num_series, frame.length), dtype=np.float32) < rate
    sizes = np.exp(0.7 * frame.normals()) * hits * np.where(frame.uniform(0, 1) < 0.8, 3, -3)
    return autoregress(sizes.astype(np.float32), frame.uniform(0.2, 0.93)) + 0.5 * frame.normals()


NOISES: dict[str, Component] = {
    "gaussian": _gaussian,
    "heavy": _heavy,
    "skewed": _skewed,
    "clustered": _clustered,
    "persistent": _persistent,
    "echoed": _echoed,
    "mixed autoregression": _mixed_autoregression,
    "seasonal spread": _seasonal_spread,
    "bursts": _bursts,
    "shots": _shots,
    "sluggish": _sluggish,
    "rounded": _rounded,
}
