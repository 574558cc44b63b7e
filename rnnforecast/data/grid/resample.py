"""Resampling: the rows of each step of a grid are aggregated to one, by sum, mean, count ...

n rows of the file, m steps that hold rows, M rows afterwards (steps without rows added where a count or sum is 0).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.calendar.frequency import FIXED_UNITS, Frequency, in_words, parse_frequency
from rnnforecast.data.ragged import offsets_of, rows_of
from rnnforecast.data.rows import Rows
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding, plural

#: Most steps of a resampled grid: more show a frequency too fine for the span of the rows.
MAX_STEPS = 100_000_000
_OVER_NOTHING_ZERO = ("count", "sum")


def resample(
    rows: Rows, freq: str, how: str, *, num_targets: int, findings: list[Finding], labels: Collection[int] = ()
) -> Rows:
    """Return one row for each series and step that holds rows; a count or sum over no rows is 0, else no row.

    Targets come first in the values, covariates after them. Covariates are averaged
    where targets are summed or counted. Of the columns at the places `labels`, which are constant or hold codes, the
    last value is taken.
    """
    if rows.timestamps.dtype.kind != "M":
        message = "`--resample` needs dates and times; these rows have step numbers"
        hint = "leave `--resample` out, or name the time column with --time"
        raise UsageError(message, hint=hint, code="E_RUN_RESAMPLE")
    grid = _grid(freq)
    ordinals = grid.floor(rows.timestamps)
    order = np.lexsort((rows.timestamps, ordinals, rows.items))
    items, steps = rows.items[order], ordinals[order]
    begins = np.flatnonzero(np.append(True, (np.diff(items) != 0) | (np.diff(steps) != 0)))
    values = rows.values[order]
    columns = []
    for place in range(values.shape[1]):
        kind = (
            "last" if place in labels else how if place < num_targets else "mean" if how in _OVER_NOTHING_ZERO else how
        )
        columns.append(aggregate(values[:, place], begins, kind))
    brought = np.stack(columns, axis=1) if columns else np.empty((len(begins), 0))
    items, steps, sources = items[begins], steps[begins], order[begins]
    last, newest = in_words(grid.to_timestamps(steps.max(keepdims=True))[0]), in_words(rows.timestamps.max())
    message = (
        f"{plural(len(rows.timestamps), 'row')} resampled to {plural(len(begins), 'step')} of frequency {grid.alias} by "
        f"`{how}`; the last step, {last}, holds rows up to {newest}"
    )
    findings.append(rows.time.finding("N_TIME_RESAMPLED", message, count=len(rows.timestamps)))
    if how in _OVER_NOTHING_ZERO:
        items, steps, sources, brought = _with_empty_steps(items, steps, sources, brought, num_targets, findings, rows)
    locate = rows.locate
    return replace(
        rows,
        items=items,
        timestamps=grid.to_timestamps(steps),
        values=brought,
        locate=lambda chosen: locate(sources[np.asarray(chosen, dtype=np.int64)].tolist()),
    )


def _grid(text: str) -> Frequency:
    """Return the grid of a frequency: steps begin at full hours and midnights, weeks on Mondays."""
    freq = parse_frequency(text)
    if freq.unit == "week" and "-" not in text:
        return parse_frequency(f"{text}-MON")
    return freq


def is_daily_or_longer(text: str) -> bool:
    """Whether the steps of a frequency are days or longer: they then begin at midnights of local time."""
    freq = parse_frequency(text)
    return freq.unit not in FIXED_UNITS or FIXED_UNITS[freq.unit] >= FIXED_UNITS["day"]


def aggregate(values: Float64Array, begins: Int64Array, how: str) -> Float64Array:
    """Return one value for each run of rows; missing values are left out, and a run of them only is missing."""
    seen = ~np.isnan(values)
    counts = np.add.reduceat(seen.astype(np.int64), begins)
    if how == "count":
        return np.diff(np.append(begins, len(values))).astype(np.float64)
    if how in ("sum", "mean"):
        sums = np.add.reduceat(np.where(seen, values, 0.0), begins)
        divided = sums / np.maximum(counts, 1) if how == "mean" else sums
        return np.where(counts > 0, divided, np.nan)
    if how in ("min", "max"):
        reduce, beyond = (np.minimum, np.inf) if how == "min" else (np.maximum, -np.inf)
        extremes = reduce.reduceat(np.where(seen, values, beyond), begins)
        return np.where(counts > 0, extremes, np.nan)
    places = np.arange(len(values), dtype=np.int64)
    pick, outside = {"last": (np.maximum, -1), "first": (np.minimum, len(values))}[how]
    chosen = pick.reduceat(np.where(seen, places, outside), begins)
    return np.where(counts > 0, values[np.clip(chosen, 0, len(values) - 1)], np.nan)


def _with_empty_steps(
    items: Int64Array,
    steps: Int64Array,
    sources: Int64Array,
    values: Float64Array,
    num_targets: int,
    findings: list[Finding],
    rows: Rows,
) -> tuple[Int64Array, Int64Array, Int64Array, Float64Array]:
    """Return rows for the steps between the first and the last of each series too: targets 0, covariates missing."""
    begins = np.flatnonzero(np.append(True, np.diff(items) != 0))
    ends = np.append(begins[1:], len(items)) - 1
    lengths = steps[ends] - steps[begins] + 1
    total = int(lengths.sum())
    if total > MAX_STEPS:
        message = f"resampling would make {total} rows of {len(items)}"
        raise DataError(message, hint="name a coarser frequency with --resample", code="E_TIME_SPARSE")
    if total == len(items):
        return items, steps, sources, values
    place = offsets_of(lengths)[:-1].repeat(ends - begins + 1) + steps - steps[begins].repeat(ends - begins + 1)
    filled = np.full((total, values.shape[1]), np.nan)
    filled[:, :num_targets] = 0.0
    filled[place] = values
    before = np.searchsorted(place, np.arange(total), side="right") - 1
    message = f"{plural(total - len(items), 'step')} without rows set to 0"
    findings.append(rows.time.finding("N_TIME_ZERO", message, count=total - len(items)))
    return items[begins].repeat(lengths), rows_of(steps[begins], lengths), sources[before], filled
