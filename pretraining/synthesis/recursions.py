"""Autoregressions whose coefficients differ by series, all series at once.

Many series run through one loop over time. Few series run through a scan that doubles its reach at each pass (Hillis
& Steele 1986), because there a loop would cost more in calls than in numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.synthesis.frames import Frame, Paths

#: From so many series on, the loop over time is the faster way.
_MANY = 150

#: Weights of the far past below this do not show in single precision.
_FORGOTTEN = 1e-8


def autoregress(innovations: Paths, persistence: Paths) -> Paths:
    """Paths x_t = persistence x_(t-1) + innovation_t `[num_series, length]`; `persistence [num_series, 1]`."""
    return _recur(innovations, persistence)


def stationary(frame: Frame, persistence: Paths) -> Paths:
    """First-order autoregressions of unit variance, begun in their stationary law; `persistence [num_series, 1]`."""
    innovations = frame.normals() * np.sqrt(1 - np.square(persistence))
    innovations[:, :1] = frame.normals(1)
    return autoregress(innovations, persistence)


def stochastic_cycle(frame: Frame, period: Paths, damping: Paths) -> Paths:
    """Swings of about `period` steps and unit variance; the nearer `damping` to 1, the more regular.

    A point in the plane turns by one period's share each step, shrinks by the damping, and is pushed at random
    (Harvey 1989, the cycle of structural models).
    """
    turn = damping * np.exp(2j * np.pi / period)
    pushes = np.empty((frame.num_series, frame.length), dtype=np.complex64)
    pushes.real, pushes.imag = frame.normals(), frame.normals()
    pushes[:, 1:] *= np.sqrt(1 - np.square(damping))
    return np.ascontiguousarray(_recur(pushes, turn.astype(np.complex64)).real)


def _recur(pushes: NDArray[Any], factor: NDArray[Any]) -> NDArray[Any]:
    return _loop(pushes, factor) if len(pushes) >= _MANY else _scan(pushes, factor)


def _loop(pushes: NDArray[Any], factor: NDArray[Any]) -> NDArray[Any]:
    """One step of time after the other."""
    states = pushes.T.copy()
    each = np.ascontiguousarray(factor[:, 0])
    for step in range(1, len(states)):
        states[step] += each * states[step - 1]
    return np.ascontiguousarray(states.T)


def _scan(pushes: NDArray[Any], factor: NDArray[Any]) -> NDArray[Any]:
    """Each pass joins the sums of 1, 2, 4, ... steps to those of the same length before them."""
    states, reach, weight = pushes.copy(), 1, factor
    while reach < states.shape[1] and np.abs(weight).max(initial=0) > _FORGOTTEN:
        states[:, reach:] += weight * states[:, :-reach]
        weight, reach = weight * weight, 2 * reach
    return states
