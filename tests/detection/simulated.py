"""Clean series, and faults in them, for tests of the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.detection.detector import Detection, Timing, detect_rows
from rnnforecast.detection.members import without_network
from rnnforecast.detection.tails import first_of_runs

if TYPE_CHECKING:
    from rnnforecast.arrays import Float64Array

SEASON = 48


def clean_series(kind: str, num_rows: int, *, seed: int = 0) -> Float64Array:
    """Return white noise, an autoregression, two seasons with noise, or noise with heavy tails: [N]."""
    generator, steps = np.random.default_rng(seed), np.arange(num_rows)
    noise = generator.normal(size=num_rows)
    if kind == "autocorrelated":
        values = np.zeros(num_rows)
        for row in range(1, num_rows):
            values[row] = 0.9 * values[row - 1] + noise[row]
        return values
    if kind == "seasonal":
        seasons = 10 * np.sin(2 * np.pi * steps / SEASON) + 3 * np.sin(2 * np.pi * steps / (7 * SEASON))
        return np.asarray(seasons + noise)
    return generator.standard_t(3, size=num_rows) if kind == "heavy-tailed" else noise


def detect_without_network(
    values: Float64Array, *, alarms_a_row: float, season_length: int = SEASON
) -> tuple[Detection, Timing]:
    """Score a series [N] by all members but the network."""
    timing = Timing.of(season_length, len(values))
    statistics = without_network(values, window=timing.window, lag=timing.lag)
    return detect_rows([statistics], timing, alarms_a_row=alarms_a_row), timing


def count_alarms(detection: Detection, timing: Timing) -> int:
    """Return how many alarms there are; rows closer than a window are one."""
    return len(first_of_runs(np.flatnonzero(detection.score > 1.0), timing.window))
