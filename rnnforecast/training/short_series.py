"""Series that are too short to learn from or to forecast: left out by name, or taken with their gaps when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.options import Short

MAX_NAMES = 20


def leave_out_short(series: SeriesSet, *, horizon: int, short: Short) -> tuple[SeriesSet, tuple[Finding, ...]]:
    """Return the series that are long enough, and the refusal of the others by name; all of them where `short` pads.

    Long enough is one season of history and a step, and `horizon` more rows to learn from (0 to forecast). Where no
    series is, all are kept: the caller says what is needed.
    """
    need = max(2, series.season_length + 1) + horizon  # as training.sampling.min_past, which would import torch
    fits = series.lengths >= need
    if short == "pad" or fits.all() or not fits.any():
        return series, ()
    chosen = np.flatnonzero(~fits)
    labels = series.item_ids
    names = ", ".join(f"`{labels[index]}` ({int(series.lengths[index])})" for index in chosen[:MAX_NAMES])
    more = f" and {len(chosen) - MAX_NAMES} more" if len(chosen) > MAX_NAMES else ""
    noun = "series is" if len(chosen) == 1 else "series are"
    message = f"{len(chosen)} {noun} too short and left out, {need} rows are needed: {names}{more}"
    fix = "bring more rows, or take them with what they have: --short pad"
    finding = Finding("E_SERIES_SHORT", message, value=str(labels[int(chosen[0])]), count=len(chosen), fix=fix)
    return series.select(np.flatnonzero(fits)), (finding,)
