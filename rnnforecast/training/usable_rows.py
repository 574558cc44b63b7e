"""Check which rows can be used: leave out series that are too short, and reject values without a logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.windows import min_past
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.json_values import timestamp_to_json

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.options import Short

MAX_NAMED_SERIES = 20
MAX_NAMED_VALUES = 5


def leave_out_short(series: SeriesSet, *, horizon: int, short: Short) -> tuple[SeriesSet, tuple[Finding, ...]]:
    """Return the series that are long enough, and a finding that names the others; all series where `short` pads.

    A series needs one season of history and a step, and `horizon` more rows to train on (0 to forecast). Where no
    series has that many, all are kept: the caller reports what is needed.
    """
    need = min_past(series.season_length) + horizon
    fits = series.lengths >= need
    if short == "pad" or fits.all() or not fits.any():
        return series, ()
    left_out = np.flatnonzero(~fits)
    labels = series.item_ids
    names = ", ".join(f"`{labels[index]}` ({int(series.lengths[index])})" for index in left_out[:MAX_NAMED_SERIES])
    more = f" and {len(left_out) - MAX_NAMED_SERIES} more" if len(left_out) > MAX_NAMED_SERIES else ""
    noun = "series is" if len(left_out) == 1 else "series are"
    finding = Finding(
        "E_SERIES_SHORT",
        f"{len(left_out)} {noun} too short and left out, {need} rows are needed: {names}{more}",
        value=str(labels[int(left_out[0])]),
        count=len(left_out),
        fix="bring more rows, or use the rows they have: --short pad",
    )
    return series.select(np.flatnonzero(fits)), (finding,)


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
    for row, owner in zip(bad[:MAX_NAMED_VALUES], owners[:MAX_NAMED_VALUES], strict=True):
        ordinal = series.first_ordinals[owner] + row - series.offsets[owner]
        timestamp = timestamp_to_json(series.freq.to_timestamps(np.array([ordinal]))[0], series.freq.alias)
        places.append(f"`{labels[owner]}` at {timestamp}: {series.values[row]:g}")
    more = f" and {len(bad) - MAX_NAMED_VALUES} more" if len(bad) > MAX_NAMED_VALUES else ""
    finding = Finding(
        "E_VALUE_LOG",
        f"values at or below zero have no logarithm: {', '.join(places)}{more}",
        column=series.target_names[0],
        value=f"{series.values[bad[0]]:g}",
        count=len(bad),
        fix="leave out --log, or correct these values",
    )
    raise DataError(finding.message, hint=finding.fix, code=finding.code, findings=(finding,))
