"""Alarms: rows above the budget that belong together, with what can be said about each.

Axis legend: N rows, T columns of an item.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.detection.detector import Detection
from rnnforecast.detection.tails import first_of_runs
from rnnforecast.frozen import dataclass

Kind: TypeAlias = Literal["point", "shift", "drift", "missing signal", "shape"]
Direction: TypeAlias = Literal["above", "below"]

#: Members that see a signal that is gone.
SIGNAL_MEMBERS = ("missing", "stuck")
#: Members whose small values mean small values of the series.
SIDED_MEMBERS = ("network", "network-leads", "difference", "level")
#: A change of level by so many usual deviations is a shift, or a drift where it doubles.
LEVEL_CHANGE = 1.5
#: A row so many usual deviations off is far off; so few of them, at the usual level otherwise, are a point.
OUTLYING, POINT_ROWS = 4.0, 3


@dataclass(frozen=True)
class Alarm:
    """Rows `start` to before `end` of one item.

    What led it is read from its first row, as it was seen then; `peak` is the row with the largest score.
    """

    start: int
    end: int
    peak: int
    score: float
    column: int  # of the largest surprise at the start
    member: int
    kind: Kind
    direction: Direction | None  # None where the signal is missing
    contributions: Float64Array  # [T] fractions, by surprise at the start


def find_alarms(
    detection: Detection,
    values: Float64Array,
    expected: Float64Array,
    *,
    members: tuple[str, ...],
    window: int,
    season_length: int,
) -> list[Alarm]:
    """Return the alarms among the rows of an item: `values` and `expected` are [T, N], NaN where unknown."""
    above = np.flatnonzero(detection.score > 1.0)
    if not len(above):
        return []
    starts = first_of_runs(above, window)
    ends = np.append(starts[1:], len(above))
    alarms = []
    for first, last in zip(starts, ends, strict=True):
        start, end = int(above[first]), int(above[last - 1]) + 1
        peak = start + int(np.nanargmax(detection.score[start:end]))
        column, member = detection.leading(start)
        by_column = np.nan_to_num(detection.surprises[:, :, start]).max(axis=1)
        change = level_change(values[column], start, end, window=window, season_length=season_length)
        kind = _kind(members[member], change, end - start)
        offset = values[column, start] - expected[column, start]
        if members[member] in SIDED_MEMBERS:
            offset = float(detection.sides[column, member, start])
        elif not np.isfinite(offset):
            offset = change.level
        alarms.append(
            Alarm(
                start=start,
                end=end,
                peak=peak,
                score=float(detection.score[peak]),
                column=column,
                member=member,
                kind=kind,
                direction=None if kind == "missing signal" else "above" if offset >= 0 else "below",
                contributions=by_column / max(float(by_column.sum()), 1e-12),
            )
        )
    return alarms


@dataclass(frozen=True)
class LevelChange:
    """How the rows of an alarm differ from the rows before it, in usual deviations of the rows."""

    level: float  # median
    first: float  # median of its first quarter
    last: float  # median of its last quarter
    afterwards: float  # median of the rows that follow the alarm; NaN where there are none
    num_outlying: int  # rows that are far off


def level_change(values: Float64Array, start: int, end: int, *, window: int, season_length: int) -> LevelChange:
    """Compare the rows of an alarm with the window before it, each without the row whole seasons earlier."""
    lag = season_length if 1 < season_length <= start - window else 0
    before = values[max(0, start - window) : start]
    rows = np.arange(start, end)
    after = np.arange(end, min(end + window // 2, len(values)))
    if lag:
        earlier = values[np.arange(max(0, start - window), start) - lag]
        usual, inside, outside = (
            before - earlier,
            values[rows] - values[_before(rows, start, lag)],
            values[after] - values[_before(after, start, lag)],
        )
    else:
        usual, inside, outside = before, values[rows], values[after]
    centre = float(np.nanmedian(usual)) if np.isfinite(usual).any() else 0.0
    spread = 1.4826 * float(np.nanmedian(np.abs(usual - centre))) if np.isfinite(usual).any() else 0.0
    spread = max(spread, 1e-9 * max(abs(centre), 1e-30))
    known = np.flatnonzero(np.isfinite(inside))
    if not len(known):
        return LevelChange(0.0, 0.0, 0.0, np.nan, 0)
    scaled = (inside[known] - centre) / spread
    quarter = max(len(scaled) // 4, 1)
    later = (outside[np.isfinite(outside)] - centre) / spread
    return LevelChange(
        level=float(np.median(scaled)),
        first=float(np.median(scaled[:quarter])),
        last=float(np.median(scaled[-quarter:])),
        afterwards=float(np.median(later)) if len(later) else np.nan,
        num_outlying=int((np.abs(scaled) > OUTLYING).sum()),
    )


def _before(rows: Int64Array, start: int, lag: int) -> Int64Array:
    """Return the newest rows before `start` that lie whole seasons before rows: [n]."""
    return rows - lag * (-(-(rows - start + 1) // lag))


def _kind(member: str, change: LevelChange, num_rows: int) -> Kind:
    """Return the kind of an alarm from the member that leads it and the level of its rows."""
    if member in SIGNAL_MEMBERS:
        return "missing signal"
    is_short = num_rows <= POINT_ROWS
    is_usual = abs(change.afterwards if is_short and np.isfinite(change.afterwards) else change.level) < LEVEL_CHANGE
    if is_usual and (is_short or 0 < change.num_outlying <= POINT_ROWS):
        return "point"
    if not is_short and abs(change.last) >= 2 * max(abs(change.first), LEVEL_CHANGE):
        return "drift"
    return "shape" if is_usual else "shift"
