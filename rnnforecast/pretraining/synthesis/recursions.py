"""Autoregressions whose coefficients differ by series: one loop over time, all series at once."""

from __future__ import annotations

import numpy as np

from rnnforecast.pretraining.synthesis.frames import Frame, Paths


def autoregress(innovations: Paths, first: Paths, second: Paths | None = None) -> Paths:
    """Paths x_t = first x_(t-1) + second x_(t-2) + innovation_t; coefficients are `[num_series, 1]`."""
    states = np.ascontiguousarray(innovations.T)
    one = np.ascontiguousarray(first[:, 0])
    for step in range(1, len(states)):
        states[step] += one * states[step - 1]
        if second is not None and step > 1:
            states[step] += second[:, 0] * states[step - 2]
    return np.ascontiguousarray(states.T)


def stationary(frame: Frame, persistence: Paths) -> Paths:
    """First-order autoregressions of unit variance, begun in their stationary law; `persistence [num_series, 1]`."""
    innovations = frame.normals() * np.sqrt(1 - np.square(persistence))
    innovations[:, :1] = frame.normals(1)
    return autoregress(innovations, persistence)


def stochastic_cycle(frame: Frame, period: Paths, damping: Paths) -> Paths:
    """Second-order autoregressions that swing with `period` steps; the nearer `damping` to 1, the more regular."""
    burn_in = 40
    innovations = frame.normals(frame.length + burn_in)
    first = 2 * damping * np.cos(2 * np.pi / period)
    return autoregress(innovations, first, -np.square(damping))[:, burn_in:]
