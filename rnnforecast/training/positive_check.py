"""Whether the values of series have logarithms, where the user wants networks to learn in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.json_values import timestamp_to_json

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet

_MAX_SHOWN = 5


def check_logarithms(series: SeriesSet, *, log: bool | None) -> None:
    """Raise DataError that names series and timestamps of values at or below zero, where `log` was asked for."""
    if not log:
        return
    bad = np.flatnonzero(series.observed & (series.values <= 0))
    if not len(bad):
        return
    owners = np.searchsorted(series.offsets, bad, side="right") - 1
    labels = series.item_ids
    places = []
    for row, owner in zip(bad[:_MAX_SHOWN], owners[:_MAX_SHOWN], strict=True):
        ordinal = series.first_ordinals[owner] + row - series.offsets[owner]
        timestamp = timestamp_to_json(series.freq.to_timestamps(np.array([ordinal]))[0], series.freq.alias)
        places.append(f"`{labels[owner]}` at {timestamp}: {series.values[row]:g}")
    more = f" and {len(bad) - _MAX_SHOWN} more" if len(bad) > _MAX_SHOWN else ""
    message = f"values at or below zero have no logarithm: {', '.join(places)}{more}"
    fix = "leave out --log, or correct these values"
    value = f"{series.values[bad[0]]:g}"
    finding = Finding("E_VALUE_LOG", message, column=series.target_names[0], value=value, count=len(bad), fix=fix)
    raise DataError(message, hint=fix, code=finding.code, findings=(finding,))
