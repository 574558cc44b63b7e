"""Attention of a model as a table: the attention of each forecast step to each context step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries
from rnnforecast.data.write import write_table
from rnnforecast.forecasting import Ensemble, export_attention, last_windows
from rnnforecast.workflows.model_rows import LoadedModel


def write_attention(loaded: LoadedModel, output: str | Path) -> None:
    """Write one row a series, decoder segment and encoder segment: `horizon_step`, `lag`, `weight`.

    `horizon_step` is the first step of a forecast segment (1 is the step after the cutoff), `lag` the distance of
    the last step of a window segment from the cutoff (0 is the newest). Weights of one forecast segment sum to 1.
    Raises UsageError when the model has no attention.
    """
    series = loaded.series
    weights, steps, lags = attention_of(loaded.ensemble, series)
    num_series, num_outputs, num_inputs = weights.shape
    columns: dict[str, object] = {
        name: np.repeat(series.id_values[:, place], num_outputs * num_inputs)
        for place, name in enumerate(series.id_columns)
    }
    columns["horizon_step"] = np.tile(np.repeat(steps, num_inputs), num_series)
    columns["lag"] = np.tile(lags, num_series * num_outputs)
    columns["weight"] = weights.ravel()
    write_table(pd.DataFrame(columns), output)


def attention_of(ensemble: Ensemble, series: SeriesSet) -> tuple[Float64Array, Int64Array, Int64Array]:
    """Return the attention after the last rows [S, K, T], and the step of each of K and the lag of each of T segments.

    Raises UsageError when no member has attention.
    """
    weights = export_attention(ensemble, FlatSeries.from_series(series), last_windows(series))
    segment = next(member.segment_length for member in ensemble.members if member.attention is not None)
    return weights, 1 + segment * np.arange(weights.shape[1]), segment * np.arange(weights.shape[2] - 1, -1, -1)
