"""The detector: rows of one item, block by block, each scored by the rows before it.

Per block: statistics of each member, their surprise (`tails`), their norm, and its score under the budget
(`budget`). Rows that are too rare for clean data are left out of what later rows are compared with, for a while: a
fault must not make the next one look usual, and a change that lasts must. Alarms that clean data would contain stay:
without them the tail would shrink, and alarms would become more and more.

Axis legend: N rows, T columns of an item, M members.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.detection.budget import ClusterTail
from rnnforecast.detection.members import Statistic
from rnnforecast.detection.tails import MEMORY_ROWS, TwoTails, blocks
from rnnforecast.frozen import dataclass
from rnnforecast.inference.season_classes import long_season_length

#: A change that lasts longer than so many windows counts as usual from then on.
WINDOWS_TO_ADAPT = 4
#: Levels are compared with those a week or a season earlier where the rows hold so many of them.
FEWEST_SEASONS = 4
#: A series has at least so many windows, until they are as short as they may be.
FEWEST_WINDOWS = 16
#: Order of the norm over columns, and of that over members, chosen among 0.5, 0.75, 1, 1.5, 2 and 4 on simulated
#: faults: the lower, the more it counts that members agree (1 is the method of Fisher 1925).
COLUMN_NORM, MEMBER_NORM = 8.0, 0.75
#: A row is left out of later comparisons if clean rows would not contain one like it in so many memories.
RARER_THAN_MEMORY = 10.0
#: The surprise of the narrowest bounds: those of the 95 % interval.
NARROWEST = -float(np.log10(0.05))
#: Length of a window of the members: a season, within these bounds; the second one where there is none.
SHORTEST_WINDOW, USUAL_WINDOW, LONGEST_WINDOW = 8, 32, 96


@dataclass(frozen=True)
class Timing:
    """Rows of a window, and the rows from which statistics, surprises and scores are known."""

    window: int
    lag: int  # of the season that levels are compared with; 0: none
    statistics: int
    surprises: int
    scores: int

    @classmethod
    def of(cls, season_length: int, num_rows: int) -> Timing:
        """Return the timing for a season length (1: none) and so many rows: few rows have short windows."""
        window = USUAL_WINDOW if season_length < SHORTEST_WINDOW else min(season_length, LONGEST_WINDOW)
        window = min(window, max(num_rows // FEWEST_WINDOWS, SHORTEST_WINDOW))
        first = 2 * window + SHORTEST_WINDOW
        week = long_season_length(season_length)
        seasons = [length for length in (week, season_length) if 1 < length <= num_rows // FEWEST_SEASONS]
        return cls(window, seasons[0] if seasons else 0, first, 2 * first, 3 * first)


@dataclass(frozen=True)
class Detection:
    """What was found in the rows of one item; NaN before scores are known."""

    score: Float64Array  # [N] above 1: an alarm
    surprises: Float64Array  # [T, M, N]
    sides: Float64Array  # [T, M, N] 1: larger than usual, -1: smaller
    reach: Float64Array  # [T, 2, N] the low and high value of the first member that would be an alarm, given the other members

    def leading(self, row: int) -> tuple[int, int]:
        """Return the column and the member with the largest surprise in a row."""
        place = int(np.nan_to_num(self.surprises[:, :, row], nan=-1.0).argmax())
        column, member = divmod(place, int(self.surprises.shape[1]))
        return column, member


def detect_rows(columns: Sequence[Sequence[Statistic]], timing: Timing, *, alarms_a_row: float) -> Detection:
    """Score the rows of one item from the statistics of its T columns, M each."""
    num_rows = len(columns[0][0].values)
    shape = (len(columns), len(columns[0]), num_rows)
    found = Detection(
        score=np.full(num_rows, np.nan),
        surprises=np.full(shape, np.nan),
        sides=np.ones(shape),
        reach=np.full((len(columns), 2, num_rows), np.nan),
    )
    memory, usable = np.full(num_rows, np.nan), np.ones(num_rows, dtype=np.bool_)
    log_budget = float(np.log10(alarms_a_row))
    for start, end in blocks(num_rows, timing.statistics):
        oldest = max(0, start - MEMORY_ROWS)
        tails = _surprise(columns, found, usable, (oldest, start, end), timing)
        memory[start:end] = _combine(found.surprises[:, :, start:end])
        past = np.where(usable[oldest:start], memory[oldest:start], np.nan)
        clusters = ClusterTail.fit(past, gap=timing.window, log_budget=log_budget)
        if clusters is None or end <= timing.scores:
            continue
        found.score[start:end] = clusters.score(memory[start:end])
        needed = _needed(found.surprises[:, :, start:end], clusters.surprise_at(1.0))
        for column, tail in enumerate(tails):
            if tail is not None:
                found.reach[column, :, start:end] = tail.values_at(needed[column])
        never = max(1.0, -np.log10(RARER_THAN_MEMORY * (start - oldest)) / log_budget)
        _leave_out(usable, start + np.flatnonzero(found.score[start:end] > never), timing.window)
    found.score[: timing.scores] = np.nan
    return found


def _surprise(
    columns: Sequence[Sequence[Statistic]],
    found: Detection,
    usable: BoolArray,
    rows: tuple[int, int, int],
    timing: Timing,
) -> list[TwoTails | None]:
    """Fill statistics and surprises of a block; returns the tails of the first member of each column."""
    oldest, start, end = rows
    first: list[TwoTails | None] = []
    for column, statistics in enumerate(columns):
        for member, each in enumerate(statistics):
            each.extend(start, end, usable, window=timing.window)
            tails = None
            if end > timing.surprises:
                tails = TwoTails.fit(each.values[oldest:start][usable[oldest:start]], two_sided=each.two_sided)
            if tails is not None:
                surprise, side = tails.surprise(each.values[start:end])
                found.surprises[column, member, start:end] = surprise
                found.sides[column, member, start:end] = side
            if member == 0:
                first.append(tails)
    return first


def _combine(surprises: Float64Array) -> Float64Array:
    """Return one surprise for each row from those of columns and members: [T, M, n] to [n], NaN where none is known.

    Members look at the same column: those that agree count for more. A fault may be in one column of many: the others
    count for little.
    """
    known = np.isfinite(surprises).any(axis=(0, 1))
    by_column = (np.nan_to_num(surprises, nan=0.0) ** MEMBER_NORM).sum(axis=1) ** (1.0 / MEMBER_NORM)
    return np.where(known, (by_column**COLUMN_NORM).sum(axis=0) ** (1.0 / COLUMN_NORM), np.nan)


def _needed(surprises: Float64Array, limit: float) -> Float64Array:
    """Return the surprise of the first member at which `_combine` would give the limit, given the others: [T, n].

    It is at least that of the 95 % interval: where the others reach the limit without the first, it would be 0.
    """
    members = np.nan_to_num(surprises, nan=0.0) ** MEMBER_NORM
    columns = members.sum(axis=1) ** (COLUMN_NORM / MEMBER_NORM)
    others = columns.sum(axis=0) - columns
    column = np.maximum(limit**COLUMN_NORM - others, 0.0) ** (MEMBER_NORM / COLUMN_NORM)
    first = np.maximum(column - members[:, 1:].sum(axis=1), 0.0) ** (1.0 / MEMBER_NORM)
    return np.asarray(np.maximum(first, NARROWEST))


def _leave_out(usable: BoolArray, rows: Int64Array, window: int) -> None:
    """Mark rows, and those whose windows contain them, as not usable for later comparisons."""
    longest = WINDOWS_TO_ADAPT * window
    for row in rows:
        if row < longest or usable[row - longest : row].any():
            usable[row : row + window] = False
