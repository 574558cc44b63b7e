"""Drift tests of logged forecasts and of model inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.ragged import offsets_of, rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import ModelFileError
from rnnforecast.evaluation.drift import (
    OUTSIDE_FRACTION,
    State,
    Watch,
    foreign_range,
    foreign_scale,
    freshest,
    unit_means,
    watch_coverage,
    watch_losses,
    watch_naive,
)
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.model_io.pack import check_shapes
from rnnforecast.model_io.train_stats import Memory, recall
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.monitoring.choose_ledger import is_of_base
from rnnforecast.workflows.monitoring.join_actuals import Joined

#: An alarm needs at least this fraction of series with foreign inputs; fewer are reported.
MAX_FOREIGN_FRACTION = 0.1
#: Fewer rows than this say nothing about range and scale.
MIN_ROWS = 20
_MAX_NAMED = 5


def watch_forecasts(joined: Joined, freq: Frequency) -> list[Mapping[str, object]]:
    """Test losses and coverage over cutoffs in order of time.

    Every actual counts once, with the newest forecast made for it; a cutoff counts when all its steps have arrived.
    """
    fresh = freshest(joined.cutoffs, joined.issued.lead.astype(np.int64))
    waiting = np.unique(joined.cutoffs[fresh & joined.pending])
    chosen = fresh & joined.scored & ~np.isin(joined.cutoffs, waiting)
    cutoffs = joined.cutoffs[chosen]
    timestamps = freq.to_timestamps(np.unique(cutoffs))

    def units(values: np.ndarray) -> np.ndarray:
        return np.array(list(unit_means(values[chosen].astype(np.float64), cutoffs).values()))

    differences = units(joined.losses - joined.baseline_losses)
    watches = [
        watch_losses(differences),
        watch_naive(differences),
        watch_coverage(units(joined.inside(1, 2)), level=80),
        watch_coverage(units(joined.inside(0, 3)), level=95),
    ]
    return [_row(watch, None if watch.since is None else timestamps[watch.since]) for watch in watches]


def watch_inputs(
    series: SeriesSet, *, name: str, version: int | None, store: Path
) -> tuple[Mapping[str, object], list[str]]:
    """Compare range and scale of the newest rows with those of the training; notes name the series that differ.

    Nothing is tested if the model is removed or has no such statistics, or for `base`, which has no rows of the user.
    """
    if is_of_base(name):
        return _row(Watch("inputs", "too few", 0.0, MAX_FOREIGN_FRACTION, 0), None), []
    try:
        file = Registry(store).resolve(name if version is None else f"{name}@{version}").load(check_shapes=check_shapes)
    except ModelFileError as problem:
        return _row(Watch("inputs", "too few", 0.0, MAX_FOREIGN_FRACTION, 0), None), [
            f"the inputs are not compared with those of the training: {problem.message}"
        ]
    memory = recall(file)
    if memory.statistics is None:
        return _row(Watch("inputs", "too few", 0.0, MAX_FOREIGN_FRACTION, 0), None), [
            f"{file.manifest.label} was stored before ranges were kept: its inputs are not compared"
        ]
    length = max((member.context_length for member in file.manifest.members), default=MIN_ROWS)
    foreign, compared = foreign_series(series, memory, length=max(length, MIN_ROWS))
    fraction = len(foreign) / max(compared, 1)
    state: State = "too few" if not compared else "alarm" if fraction > MAX_FOREIGN_FRACTION else "ok"
    watch = Watch("inputs", state, fraction, MAX_FOREIGN_FRACTION, compared)
    labels = series.item_ids
    named = "; ".join(f"`{labels[place]}`: {reason}" for place, reason in list(foreign.items())[:_MAX_NAMED])
    notes = (
        [f"{len(foreign)} of {compared} series differ strongly from their training rows: {named}"] if foreign else []
    )
    return _row(watch, None), notes


def foreign_series(series: SeriesSet, memory: Memory, *, length: int) -> tuple[dict[int, str], int]:
    """Return the series whose newest rows are foreign, with the reason, and how many were compared."""
    trained = memory.statistics
    if trained is None:
        return {}, 0
    places = memory.places(series)
    tails = _tails(series, length)
    scales = seasonal_scales(tails)
    found: dict[int, str] = {}
    compared = 0
    for number in np.flatnonzero(places >= 0).tolist():
        rows = slice(int(tails.offsets[number]), int(tails.offsets[number + 1]))
        values = tails.values[rows][tails.observed[rows]]
        if len(values) < MIN_ROWS:
            continue
        compared += 1
        place = places[number]
        low, high, scale = (float(array[place]) for array in (trained.low, trained.high, trained.scale))
        outside = foreign_range(low, high, values)
        stuck = scales.fallback[number] >= 2 and low < high and values[-1] != 0
        moves = foreign_scale(scale, float(scales.mase[number])) and scales.fallback[number] < 2 and low < high
        if outside > OUTSIDE_FRACTION:
            found[number] = f"{outside:.0%} of its newest values lie far outside {low:g} to {high:g}"
        elif stuck:
            found[number] = f"it is constant at {values[-1]:g}"
        elif moves:
            found[number] = f"it moves by {scales.mase[number]:.3g} a season, in training by {scale:.3g}"
    return found, compared


def _tails(series: SeriesSet, length: int) -> SeriesSet:
    """Return the last rows of each series, without covariates."""
    kept = np.minimum(series.lengths, length)
    rows = rows_of(series.offsets[1:] - kept, kept)
    return replace(
        series,
        values=series.values[rows],
        observed=series.observed[rows],
        offsets=offsets_of(kept),
        first_ordinals=series.first_ordinals + series.lengths - kept,
        past_covariates=series.past_covariates[rows],
    )


def _row(watch: Watch, since: object) -> Mapping[str, object]:
    return {**watch.to_dict(), "since": since}
