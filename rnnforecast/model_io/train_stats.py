"""What a model file remembers of its training rows: the last ones, and for every series its range and scale.

Axis legend: S series of the memory, D series of fresh data.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.ragged import row_blocks
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import ModelFileError
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.frozen import dataclass
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.model_file import ModelFile

PREFIX = "training."
_DTYPES: dict[str, type[np.generic]] = {
    "scale": np.float64,
    "low": np.float64,
    "high": np.float64,
    "first": np.int64,
    "length": np.int64,
    "digest": np.int64,
}


@dataclass(frozen=True)
class Statistics:
    """Of every series in training, [S] each: its range, its scale, and where its rows lay and what they said."""

    scale: np.ndarray  # what its errors are divided by (MASE)
    low: np.ndarray  # its smallest and its largest value
    high: np.ndarray
    first: np.ndarray  # ordinal of its first row
    length: np.ndarray  # rows
    digest: np.ndarray  # of all its rows, see `digests`


@dataclass(frozen=True)
class Memory:
    """The last rows of every series and their statistics; None where the file is from before they were kept."""

    context: SeriesContext | None = None
    statistics: Statistics | None = None

    def places(self, series: SeriesSet) -> np.ndarray:
        """Return for each series of fresh data which one of the memory it is, -1 for one the model never saw: [D]."""
        if self.context is None:
            return np.full(series.num_series, -1, dtype=np.int64)
        known = {
            (int(target), *ids): place
            for place, (target, ids) in enumerate(
                zip(self.context.target_index, self.context.id_values.tolist(), strict=True)
            )
        }
        fresh = zip(series.target_index, series.id_values.tolist(), strict=True)
        return np.array([known.get((int(target), *ids), -1) for target, ids in fresh], dtype=np.int64)

    def on_grid(self, freq: Frequency, trained: Frequency) -> Memory:
        """Return the memory with the ordinals of `freq`: rows of other years have other closed days, and count from them."""
        if freq == trained or self.context is None:
            return self

        def moved(first: np.ndarray) -> np.ndarray:
            return freq.floor(trained.to_timestamps(first))

        statistics = self.statistics and replace(self.statistics, first=moved(self.statistics.first))
        return Memory(replace(self.context, first_ordinals=moved(self.context.first_ordinals)), statistics)

    def scales(self, series: SeriesSet) -> np.ndarray:
        """Return what the errors of each series of fresh data are divided by: [D], never 0.

        That of the training rows; for a series the model never saw, and for files from before it was kept, that of
        all rows there are.
        """
        fresh = np.concatenate([np.zeros(0), *(seasonal_scales(part).mase for part in series.parts())])
        if self.statistics is None:
            return fresh
        places = self.places(series)
        return np.where(places >= 0, self.statistics.scale[np.maximum(places, 0)], fresh)


def statistics_of(series: SeriesSet) -> Statistics:
    """Return the statistics of every series, NaN for the range of one without any value."""
    low, high = np.full(series.num_series, np.inf), np.full(series.num_series, -np.inf)
    for rows, owner, _ in row_blocks(series.offsets):
        known = np.flatnonzero(series.observed[rows])
        np.minimum.at(low, owner[known], series.values[rows][known])
        np.maximum.at(high, owner[known], series.values[rows][known])
    empty = low > high
    low[empty] = high[empty] = np.nan
    return Statistics(
        scale=seasonal_scales(series).mase,
        low=low,
        high=high,
        first=series.first_ordinals,
        length=series.lengths,
        digest=digests(series),
    )


def digests(series: SeriesSet) -> np.ndarray:
    """Return one number for the rows of each series that differs, but by chance, where any value differs: [S].

    The bits of each value, mixed with its place (the finaliser of splitmix64), summed up: all series at once. It
    finds revised values; it does not protect against deliberate changes.
    """
    sums = np.zeros(series.num_series, dtype=np.uint64)
    for rows, owner, place in row_blocks(series.offsets):
        observed = series.observed[rows]
        values = series.values[rows] + 0.0  # minus zero is zero
        bits = np.where(observed, values.view(np.uint64), np.uint64(0x7FF8_0000_0000_0001))
        with np.errstate(over="ignore"):
            mixed = bits + (place.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E37_79B9_7F4A_7C15)
            for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
                mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
            mixed ^= mixed >> np.uint64(31)
            series_of_block, first = np.unique(owner, return_index=True)
            sums[series_of_block] += np.add.reduceat(mixed, first)
    return sums.view(np.int64)


def statistics_tensors(series: SeriesSet) -> dict[str, np.ndarray]:
    """Return the statistics under the names they have in the model file; a series without a value has range 0."""
    statistics = statistics_of(series)
    return {PREFIX + name: np.nan_to_num(getattr(statistics, name).astype(dtype)) for name, dtype in _DTYPES.items()}


def recall(file: ModelFile) -> Memory:
    """Return what a model file remembers. Raises ModelFileError where its arrays do not fit each other."""
    context = file.context()
    group = file.group(PREFIX.removesuffix("."))
    if context is None or not group:
        return Memory(context)
    for name, dtype in _DTYPES.items():
        array = group.get(name)
        if array is None or array.dtype != dtype or array.shape != (context.num_series,):
            raise _format_error(file, f"`{PREFIX}{name}` is not one number a series")
    if not ((group["scale"] > 0).all() and (group["length"] >= 0).all()):
        raise _format_error(file, f"`{PREFIX}scale` or `{PREFIX}length` is not positive")
    return Memory(context, Statistics(**{name: group[name] for name in _DTYPES}))


def _format_error(file: ModelFile, reason: str) -> ModelFileError:
    message = f"what `{file.manifest.label}` remembers of its training rows does not fit: {reason}"
    hint = "train again to replace this model; `rnnforecast models list` shows the others"
    return ModelFileError(message, hint=hint, code="E_MODEL_FORMAT")
