"""Level shifts, turns of the trend, constant ends: rows before the last one are moved to what came after it, for all members.

A shift is a difference to the rows some seasons before that is twice as large as any other one, and lasts.

Axis legend: N rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array

#: Rows that a shift lasts at least, or half a season.
FEWEST_ROWS = 4
#: Equal rows at the end that are a constant: so many at least, more than a season where rows changed before.
FEWEST_EQUAL = 8
#: Changes of the value that are expected within the horizon at most where equal rows are usual.
FEW_CHANGES = 0.25
#: Chance of as many equal rows in a history that changes as before them, and how many times the longest such run before.
CHANCE_OF_RUN, UNUSUAL_RUN = 1e-3, 3
#: Changes at the same steps of each season are as punctual as a season divided by this.
PUNCTUAL = 12
#: Rows that are compared with those before them, or whole seasons.
FEWEST_COMPARED = 7
#: How many times the largest other difference a shift is.
UNUSUAL = 2.0
#: Newest rows in which a shift is looked for, in units of the rows compared; and how many of them come before.
RECENT, EARLIER = 6, 6
#: What must be left of a shift in the newest rows.
LASTING = 0.5
#: Seasons before and after a shift that measure it.
MEASURED = 3
#: Newest rows that a turn of the trend is looked for in, rows after it at least, and rows in all, in units of these.
TURN_ROWS, FEWEST_AFTER_TURN, TURN_WIDTHS = 300, 8, 8
#: How many times as much one line leaves as two, and the autocorrelation that is still noise.
TURN_GAIN, WHITE = 3.0, 0.25
#: The least autocorrelation of what one line leaves next to a turn.
SLOW = 0.5


def at_one_level(history: Float64Array, season_length: int) -> Float64Array:
    """Return a history [N], NaN where missing, with the rows before its last level shift moved to the level after it.

    A history without a shift is returned unchanged, and so is one that would fall below zero where it never was.
    """
    lag = season_length * -(-FEWEST_COMPARED // season_length)
    width = max(FEWEST_ROWS, (season_length + 1) // 2)
    recent = RECENT * lag
    if len(history) < lag + width + recent + EARLIER * lag:
        return history
    differences = history[lag:] - history[:-lag]
    known = np.isfinite(differences)
    if not known.any():
        return history
    differences = np.where(known, differences - np.median(differences[known]), 0.0)
    sums = np.concatenate([np.zeros(1), np.cumsum(differences)])
    means = np.abs(sums[width:] - sums[:-width]) / width
    middle = len(means) - recent + int(means[-recent:].argmax())
    first = _first_row(sums, middle, width, lag)
    others = np.concatenate([means[: max(first - width, 0)], means[first + lag :]])  # what the shift has no part in
    usual = float(others.max())
    if means[middle] <= UNUSUAL * usual or float(np.median(others)) <= 0:
        return history
    start = lag + first
    if len(history) - start < width:
        return history  # one bad row at the end does not make a level
    size, left = _size(history, start, lag), _size(history, start, lag, newest=True)
    if not np.isfinite([size, left]).all() or abs(size) <= UNUSUAL * usual or left / size < LASTING:
        return history
    moved = history.copy()
    moved[:start] += size
    if np.nanmin(history) >= 0 > np.nanmin(moved):
        return history
    return moved


def at_one_constant(
    history: Float64Array, season_length: int, horizon: int, *, longest_season: float = 1.0
) -> Float64Array:
    """Return a history [N], NaN where missing, all of whose rows have the last value where that does not change any more.

    Either the value changes so seldom that no change is expected within the horizon, and it did not change about there one and
    two seasons ago (those of `season_length` or the longest), or it has never been equal for nearly as long. A history that
    is constant, or does not end so, is returned unchanged.
    """
    seen = np.isfinite(history)
    known = history[seen]
    if len(known) < FEWEST_EQUAL or known[-1] != known[-FEWEST_EQUAL]:
        return history
    starts = np.flatnonzero(np.diff(known)) + 1
    if not len(starts):
        return history
    run = len(known) - int(starts[-1])
    is_due = any(
        _is_due(len(history) - np.flatnonzero(seen)[starts[::-1]], season, horizon)
        for season in (season_length, round(longest_season))
    )
    is_usual = run >= FEWEST_EQUAL and not is_due and len(starts) * horizon <= FEW_CHANGES * len(known)
    longest = int(np.diff(starts, prepend=0).max())
    unchanged = 1 - len(starts) / (len(known) - run)
    # a run so far says nothing of more steps than it has lasted
    is_new = unchanged**run < CHANCE_OF_RUN and run >= max(
        UNUSUAL_RUN * longest, FEWEST_EQUAL, season_length + 1, horizon
    )
    return np.where(seen, known[-1], np.nan) if is_usual or is_new else history


def _is_due(ages: Int64Array, season_length: int, horizon: int) -> bool:
    """Return whether changes so many rows ago, ascending, came a season before the horizon and a season before that."""
    slack = season_length // PUNCTUAL
    due = ages[(ages > season_length - horizon - slack) & (ages <= season_length + slack)] + season_length
    return bool((np.searchsorted(ages, due - slack) < np.searchsorted(ages, due + slack, side="right")).any())


def _first_row(sums: Float64Array, middle: int, width: int, lag: int) -> int:
    """Return where a box of up to `lag` differences explains most of them, near the place where they are largest."""
    starts = np.arange(max(middle - width, 0), min(middle + width, len(sums) - 2) + 1)
    ends = np.minimum(starts + lag, len(sums) - 1)
    explained = np.square(sums[ends] - sums[starts]) / (ends - starts)
    return int(starts[explained.argmax()])


def _size(history: Float64Array, start: int, lag: int, *, newest: bool = False) -> float:
    """Return how far the rows from `start` on are from those of the same phase before it; NaN where unknown or a spike."""
    before = history[start - MEASURED * lag : start].reshape(MEASURED, lag)
    known = np.isfinite(before)
    usual = np.where(known, before, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    usual[~known.any(axis=0)] = np.nan
    after = history[start : start + MEASURED * lag]
    first = 0
    if newest:
        first = max(len(history) - start - lag, 0)
        after = history[start + first :]
    differences = after - usual[(first + np.arange(len(after))) % lag]
    differences = differences[np.isfinite(differences)]
    if not len(differences) or abs(float(np.median(differences))) < LASTING * abs(float(differences.mean())):
        return float("nan")
    return float(differences.mean())


def at_one_slope(history: Float64Array, season_length: int) -> Float64Array:
    """Return a history [N], NaN where missing, whose trend turned lately, with the rows before the turn on the newer line.

    A turn counts where two straight lines leave white noise, and one line much more: a random walk has no turns. A history
    without a turn is returned unchanged, and so is one that would fall below zero where it never was.
    """
    recent = history[-TURN_ROWS:]
    count = len(recent)
    width = max(FEWEST_AFTER_TURN, season_length)
    if count < TURN_WIDTHS * width or not np.isfinite(recent).all():
        return history
    basis, hinges, starts, lengths = _hinges(count, season_length, width)
    rest = recent - recent.mean()
    rest = rest - basis @ (basis.T @ rest)
    if float(rest[1:] @ rest[:-1]) <= SLOW * float(rest @ rest):  # no turn would explain enough
        return history
    slopes = hinges.T @ rest
    best = int(np.argmax(np.square(slopes)))
    left = rest - slopes[best] * hinges[:, best]
    total, power = float(rest @ rest), float(left @ left)
    is_turn = total > max(TURN_GAIN * power, 1e-18 * float(recent @ recent))
    is_white = float(left[1:] @ left[:-1]) <= WHITE * power or power < 1e-9 * total
    if not (is_turn and is_white):
        return history
    start = len(history) - count + int(starts[best])
    slope = slopes[best] / lengths[best]
    moved = history.copy()
    moved[:start] += slope * (np.arange(start) - start)
    if np.nanmin(history) >= 0 > np.nanmin(moved):
        return history
    return moved


@lru_cache(maxsize=8)
def _hinges(count: int, season_length: int, width: int) -> tuple[Float64Array, Float64Array, Int64Array, Float64Array]:
    """Return what a line and a season span [N, P], and hinges without it, of unit length [N, C], their starts and lengths."""
    step = np.arange(count)
    season = np.eye(season_length)[step % season_length]
    basis = np.linalg.qr(np.column_stack([season, step / count]))[0]
    starts = np.arange(max(count - TURN_WIDTHS * width, width), count - width)
    hinges = np.maximum(step[:, None] - starts, 0).astype(np.float64)
    hinges -= basis @ (basis.T @ hinges)
    lengths = np.sqrt(np.square(hinges).sum(axis=0))
    return basis, hinges / lengths, starts, lengths
