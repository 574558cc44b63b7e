"""Rows as read from the files, and the same rows on a regular grid: n rows, K items (combinations of ids), T columns."""

from __future__ import annotations

from collections.abc import Callable

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.errors import ColumnRef, Locate
from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class Rows:
    """The rows of all files, as read: one item, one timestamp and T values each."""

    items: Int64Array  # [n] number of the item, in order of its ids
    timestamps: TimestampArray  # [n]
    values: Float64Array  # [n, T]
    labels: Callable[[int], str]  # number of an item -> its ids in words
    locate: Locate
    time_column: str

    @property
    def time(self) -> ColumnRef:
        """The time column, for findings about its rows."""
        return ColumnRef(self.time_column, self.locate, "time column")


@dataclass(frozen=True)
class Grid:
    """Rows on a regular grid: row i of item k is at `offsets[k] + i`."""

    freq: Frequency
    offsets: Int64Array  # [K + 1]
    first_ordinals: Int64Array  # [K]
    sources: Int64Array  # [N] row of `rows` at this timestamp, -1 in a gap
    rows: Rows  # as given, rows of one timestamp joined where that was asked for
