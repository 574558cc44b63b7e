"""Rows without a target on days and at hours that are closed: not gaps, and no forecast falls on them."""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import Int64Array
from rnnforecast.data.calendar.closed_days import closed_hours
from rnnforecast.data.calendar.frequency import Frequency, parse_frequency
from rnnforecast.data.calendar.infer_frequency import infer_frequency
from rnnforecast.data.ragged import offsets_of
from rnnforecast.data.rows import Rows
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

#: Fraction of rows without a target from which on they may mark closed days and hours.
MIN_MISSING = 0.05


def without_closed_rows(
    rows: Rows, order: Int64Array, *, freq: str | None, num_targets: int, findings: list[Finding]
) -> Int64Array:
    """Return the order without rows that hold no target and lie on closed days or hours.

    These are the days and hours that a named frequency closes, else those without a target in any series.
    """
    if rows.timestamps.dtype.kind != "M" or not num_targets:
        return order
    missing = np.isnan(rows.values[order, 0])
    if missing.mean() < MIN_MISSING:
        return order
    missing &= np.isnan(rows.values[order, :num_targets]).all(axis=1)
    clock = _open_times(rows, order[~missing], freq)
    if clock is None or not clock.has_closed_days:
        return order
    candidates = np.flatnonzero(missing)
    timestamps = rows.timestamps[order[candidates]].astype("datetime64[us]")
    off = candidates[clock.to_timestamps(clock.floor(timestamps)) != timestamps]
    has_target = np.zeros(int(rows.items.max()) + 1, dtype=np.bool_)
    has_target[rows.items[order[~missing]]] = True
    off = off[has_target[rows.items[order[off]]]]
    if not len(off):
        return order
    message = f"{len(off):,} rows without a target lie on closed days or at closed hours: left out"
    findings.append(rows.time.finding("N_TIME_CLOSED", message, rows=np.sort(order[off]), value=clock.alias))
    return np.delete(order, off)


def _open_times(rows: Rows, observed: Int64Array, freq: str | None) -> Frequency | None:
    """Return the frequency of the rows with a target, with its closed days and hours; None without one."""
    timestamps = rows.timestamps[observed]
    if not len(timestamps):
        return None
    if freq is not None:
        return parse_frequency(freq, timestamps)
    offsets = offsets_of(np.bincount(rows.items[observed]).astype(np.int64))
    try:
        return closed_hours(infer_frequency(timestamps, offsets), timestamps)
    except DataError:
        return None
