"""Check which rows can be used: leave out series that are too short, and reject values without a logarithm."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import min_past
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.json_values import timestamp_to_json
from rnnforecast.options import Short

MAX_NAMED_SERIES = 20
MAX_NAMED_VALUES = 5


def leave_out_short(series: SeriesSet, *, horizon: int, short: Short) -> tuple[SeriesSet, tuple[Finding, ...]]:
    """Return the series to use, and a finding that names those that are too short: left out, or used where `short` pads.

    A series needs one season of history and a step, and `horizon` more rows to train on (0 to forecast). Where no
    series has that many, all are kept: the caller reports what is needed.
    """
    need = min_past(series.season_length) + horizon
    fits = series.lengths >= need
    if fits.all() or not fits.any():
        return series, ()
    too_short = np.flatnonzero(~fits)
    labels = series.item_ids
    names = ", ".join(f"`{labels[index]}` ({int(series.lengths[index])})" for index in too_short[:MAX_NAMED_SERIES])
    more = f" and {len(too_short) - MAX_NAMED_SERIES} more" if len(too_short) > MAX_NAMED_SERIES else ""
    count, value = len(too_short), str(labels[int(too_short[0])])
    if short == "pad":
        noun = "series has" if count == 1 else "series have"
        message = f"{count} {noun} fewer than {need} rows: used nevertheless: {names}{more}"
        fix = "`--short refuse` leaves them out"
        return series, (Finding("N_SERIES_FEW_ROWS", message, value=value, count=count, fix=fix),)
    noun = "series is" if count == 1 else "series are"
    message = f"{count} {noun} too short and left out, {need} rows are needed: {names}{more}"
    fix = "bring more rows, or use the rows they have: --short pad"
    kept = series.select(np.flatnonzero(fits))
    return kept, (Finding("E_SERIES_SHORT", message, value=value, count=count, fix=fix),)


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
