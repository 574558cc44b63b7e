"""Small series for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
MEDIAN = LEVELS.index(0.5)


def make_series(*runs: Sequence[float] | Float64Array, season_length: int = 1) -> SeriesSet:
    """Lay out runs of values as series `s0`, `s1` ...; NaN is missing."""
    values = np.concatenate([np.asarray(run, dtype=np.float64) for run in runs])
    lengths = np.array([len(run) for run in runs], dtype=np.int64)
    number = len(runs)
    return SeriesSet(
        id_columns=("id",),
        id_values=np.array([[f"s{index}"] for index in range(number)], dtype=object),
        target_names=("y",),
        target_index=np.zeros(number, dtype=np.int64),
        time_column=None,
        values=values,
        observed=~np.isnan(values),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first_ordinals=np.zeros(number, dtype=np.int64),
        freq=Frequency("step"),
        season_length=season_length,
        past_covariates=np.zeros((len(values), 0), dtype=np.float32),
        future_covariates=np.zeros((0, 0), dtype=np.float32),
        future_offsets=np.zeros(number + 1, dtype=np.int64),
        static_covariates=np.zeros((number, 0), dtype=np.float32),
    )


def windows_of(*pairs: tuple[int, int]) -> Windows:
    """Return windows from pairs of series and cutoff."""
    return Windows(
        series=np.array([series for series, _ in pairs], dtype=np.int64),
        cutoffs=np.array([cutoff for _, cutoff in pairs], dtype=np.int64),
    )
