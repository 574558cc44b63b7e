"""`inspect`: read files as `train` does, and report choices and findings; nothing is trained or stored."""

from __future__ import annotations

import time

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.read import read_series
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.training.split import fit_horizon
from rnnforecast.workflows.results import InspectResult
from rnnforecast.workflows.value_profile import profile_of, suggestions


def inspect(data: Data, settings: Settings | None = None) -> InspectResult:
    """Read files as `train` would, and report the choices and the profile of the values. Raises InputError or DataError."""
    started = time.monotonic()
    settings = settings or Settings()
    read = read_series(data, settings.data, allow_words=True)
    assumptions = fit_horizon(read, settings.data)
    series = read.series
    ends = np.array([series.first_ordinals.min(), (series.first_ordinals + series.lengths - 1).max()])
    first, last = series.freq.to_timestamps(ends)
    profile = {} if series.target_categories else profile_of(series)
    return InspectResult(
        assumptions=assumptions.to_dict(),
        reasons=assumptions.reasons,
        findings=read.findings,
        paths=tuple(str(path) for path in read.paths),
        first=first,
        last=last,
        columns=read.roles,
        profile=profile,
        suggestions=tuple(suggestions(profile, series)) if profile else (),
        seconds=time.monotonic() - started,
        series=series,
    )
