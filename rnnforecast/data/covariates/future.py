"""Future covariates of series: rows of a second file, joined by id and timestamp.

S series, n rows of the second file, F future covariates, Nf rows of them in the series.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.arrays import BoolArray, Float32Array, Int64Array
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.covariates.checks import single_precision
from rnnforecast.data.covariates.future_files import Plan
from rnnforecast.data.covariates.scenario import rows_ahead
from rnnforecast.data.errors import data_error, listed, rows_in_words
from rnnforecast.data.ragged import offsets_of, positions, rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

#: Series that an error names.
_MAX_IDS = 5


class _Index:
    """From an item and an ordinal to its row among the sorted rows of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._low = int(plan.ordinals.min(initial=0)) - 1
        self._span = int(plan.ordinals.max(initial=0)) - self._low + 2
        self._keys = plan.item * self._span + (plan.ordinals - self._low)

    def find(self, items: Int64Array, ordinals: Int64Array) -> Int64Array:
        """Return the row of each pair, -1 where there is none."""
        place = ordinals - self._low
        inside = (place > 0) & (place < self._span) & (items >= 0)
        wanted = np.where(inside, items * self._span + place, -1)
        rows = np.searchsorted(self._keys, wanted)
        there = rows < len(self._keys)
        there[there] &= self._keys[rows[there]] == wanted[there]
        return np.where(there & inside, rows, -1)

    def run_lengths(self, rows: Int64Array) -> Int64Array:
        """Return the number of consecutive steps from these rows on, 0 for -1."""
        breaks = np.flatnonzero(np.append(np.diff(self._keys) != 1, True))
        ends = breaks[np.searchsorted(breaks, np.maximum(rows, 0))] if len(breaks) else np.zeros_like(rows)
        return np.where(rows >= 0, ends - rows + 1, 0)


def with_plan(series: SeriesSet, plan: Plan, findings: list[Finding], *, names: tuple[str, ...]) -> SeriesSet:
    """Return the series with the rows of a plan after their own future covariates; appends findings.

    `names` are all future covariates, in order; those that the files of the series lack are taken from the plan for
    the past too. Raises DataError where a past value is missing, where both files differ on a future step, and where
    no row of the plan fits any series.
    """
    items = _items_of(series, plan)
    index = _Index(plan)
    own = np.diff(series.future_offsets) if series.future_names else np.zeros(series.num_series, dtype=np.int64)
    joins_past = set(names) - set(series.future_names) != set()
    begins = np.zeros_like(own) if joins_past else own
    first = index.find(items, series.first_ordinals + begins)
    lengths = begins + index.run_lengths(first)
    if joins_past:
        _check_past(series, plan, lengths)
    elif not (lengths > own).any():
        raise _unused(series, plan, own)
    used = np.zeros(len(plan.ordinals), dtype=np.bool_)
    used[rows_of(np.maximum(first, 0), lengths - begins)] = True
    _check_both(series, plan, index, items, used)
    _note_extra(plan, used, findings)
    future, seen = _joined(series, plan, names, begins=begins, first=first, lengths=lengths)
    ahead = lengths - series.lengths
    _note_ahead(plan, names, ahead, findings)
    vocabularies = {**plan.categories, **series.categories}
    return replace(
        series,
        future_covariates=future,
        covariates_observed=seen,
        future_offsets=offsets_of(lengths),
        future_names=names,
        categories=vocabularies,
    )


def with_other_future(series: SeriesSet, plan: Plan, findings: list[Finding], *, horizon: int) -> SeriesSet:
    """Return the series with the values of a plan for the next `horizon` steps; appends a finding about other rows.

    Raises DataError for a step that the plan lacks, and for an empty cell.
    """
    owner, rows = rows_ahead(series, horizon=horizon)
    step = rows - series.future_offsets[owner]
    found = _Index(plan).find(_items_of(series, plan)[owner], series.first_ordinals[owner] + step)
    lost = np.flatnonzero(found < 0)
    if len(lost):
        timestamp = in_words(series.freq.to_timestamps((series.first_ordinals[owner] + step)[lost[:1]])[0])
        ids = listed(list(dict.fromkeys(series.item_ids[one] for one in owner[lost])), limit=_MAX_IDS)
        message = f"no row for {len(lost)} of {len(rows)} steps ahead of {ids}; the first one is {timestamp}"
        fix = "write a row for each series and step of the horizon"
        raise data_error(
            [Finding("E_COVARIATE_DATES", message, plan.files.paths[0], (), plan.names[0], timestamp, len(lost), fix)]
        )
    _check_cells(plan, found)
    used = np.zeros(len(plan.ordinals), dtype=np.bool_)
    used[found] = True
    _note_extra(plan, used, findings, after="the horizon")
    values = series.future_covariates.copy()
    for place, name in enumerate(plan.names):
        values[rows, series.future_names.index(name)] = plan.values[found, place]
    return replace(series, future_covariates=values)


def _items_of(series: SeriesSet, plan: Plan) -> Int64Array:
    """Return the item of the plan for each series, -1 where it has none: [S]."""
    places = [series.id_columns.index(name) for name in plan.id_columns]
    chosen = series.id_values[:, places].tolist()
    return np.array([plan.items.get(tuple(ids), -1) for ids in chosen], dtype=np.int64)


def _joined(
    series: SeriesSet, plan: Plan, names: tuple[str, ...], *, begins: Int64Array, first: Int64Array, lengths: Int64Array
) -> tuple[Float32Array, BoolArray]:
    """Return all future covariates and whether the files have them: [Nf, F], own rows of a series before the plan's."""
    step, owner = positions(lengths), np.repeat(np.arange(series.num_series), lengths)
    behind = step - begins[owner]
    source = np.where(behind >= 0, first[owner] + behind, -1)  # row of the plan
    # a covariate without any past value has no effect, and a finding says so: its future values may be missing too
    has_past = np.ones(len(series.future_names), dtype=np.bool_)
    if series.covariates_observed is not None:
        has_past = np.asarray(series.covariates_observed.any(axis=0))
    without = [plan.names.index(name) for name, has in zip(series.future_names, has_past, strict=True) if not has]
    values = plan.values.copy()
    values[:, without] = np.nan_to_num(values[:, without])
    plan = replace(plan, values=values)
    _check_cells(plan, source[source >= 0])
    own_lengths = np.diff(series.future_offsets)
    own_row = np.where(step < own_lengths[owner], series.future_offsets[owner] + step, -1)
    columns, seen = [], []
    for name in names:
        theirs = plan.values[source, plan.names.index(name)]
        known = np.ones(len(theirs), dtype=np.bool_)
        if name in series.future_names:
            place = series.future_names.index(name)
            theirs = np.where(own_row >= 0, series.future_covariates[own_row, place], theirs)
            if series.covariates_observed is not None:
                known = np.where(own_row >= 0, series.covariates_observed[own_row, place], has_past[place])
        columns.append(theirs)
        seen.append(known)
    return single_precision(np.stack(columns, axis=1)), np.stack(seen, axis=1)


def _check_past(series: SeriesSet, plan: Plan, lengths: Int64Array) -> None:
    """Raise DataError, with column, ids and first timestamp, for series whose past rows the plan does not cover."""
    short = np.flatnonzero(lengths < series.lengths)
    if not len(short):
        return
    lacking = [name for name in plan.names if name not in series.future_names]
    first = int(short[0])
    timestamp = in_words(series.freq.to_timestamps(np.array([series.first_ordinals[first] + lengths[first]]))[0])
    ids = listed([series.item_ids[one] for one in short], limit=_MAX_IDS)
    message = f"covariates {listed(lacking)} have no row for {ids}; the first missing timestamp is {timestamp}"
    fix = "write a row for every timestamp of the series, and for the future steps"
    raise data_error(
        [Finding("E_COVARIATE_MISSING", message, plan.files.paths[0], (), lacking[0], timestamp, len(short), fix)]
    )


def _check_cells(plan: Plan, rows: Int64Array) -> None:
    """Raise DataError, with rows and column, for empty cells among the rows in use."""
    used = np.unique(rows)
    problems = []
    for place, name in enumerate(plan.names):
        empty = used[np.isnan(plan.values[used, place])]
        if len(empty):
            file, lines = plan.locate(np.sort(plan.sources[empty])[:MAX_LISTED_ROWS].tolist())
            message = f"covariate `{name}`, {rows_in_words(lines, len(empty))}: missing value"
            fix = f"write the value, or leave `{name}` out"
            problems.append(Finding("E_COVARIATE_MISSING", message, file, lines, name, "", len(empty), fix))
    if problems:
        raise data_error(problems)


def _check_both(series: SeriesSet, plan: Plan, index: _Index, items: Int64Array, used: BoolArray) -> None:
    """Raise DataError for future steps on which the series and the plan differ; marks those that agree as used."""
    own = np.diff(series.future_offsets) if series.future_names else series.lengths
    ahead = np.maximum(own - series.lengths, 0)
    owner = np.repeat(np.arange(series.num_series), ahead)
    step = rows_of(series.lengths, ahead)
    rows = index.find(items[owner], series.first_ordinals[owner] + step)
    owner, step, rows = owner[rows >= 0], step[rows >= 0], rows[rows >= 0]
    used[rows] = True
    for place, name in enumerate(series.future_names):
        ours = series.future_covariates[series.future_offsets[owner] + step, place]
        theirs = plan.values[rows, plan.names.index(name)].astype(np.float32)
        differing = np.flatnonzero(ours != theirs)
        if len(differing):
            file, lines = plan.locate(plan.sources[rows[differing[:MAX_LISTED_ROWS]]].tolist())
            message = (
                f"covariate `{name}`, {rows_in_words(lines, len(differing))}: another value than the rows after the "
                "last target have"
            )
            fix = "leave these rows out of one of the two files"
            raise data_error(
                [Finding("E_COVARIATE_CONFLICT", message, file, lines, name, count=len(differing), fix=fix)]
            )


def _unused(series: SeriesSet, plan: Plan, own: Int64Array) -> Exception:
    """Return the error of a plan without a row that continues a series."""
    timestamps = [
        in_words(one) for one in series.freq.to_timestamps(np.array([plan.ordinals.min(), plan.ordinals.max()]))
    ]
    wanted = in_words(series.freq.to_timestamps(np.array([(series.first_ordinals + own).max()]))[0])
    shared = set(plan.items) & {
        tuple(ids) for ids in series.id_values[:, [series.id_columns.index(n) for n in plan.id_columns]].tolist()
    }
    what = f"its rows are from {timestamps[0]} to {timestamps[1]}" if shared else "it has other ids than the series"
    message = f"no row of it continues the series: {what}, rows from {wanted} on are needed"
    fix = "name the file with the future steps, one row for each series and step"
    column = plan.names[0]
    return data_error([Finding("E_COVARIATE_DATES", message, plan.files.paths[0], (), column, timestamps[0], fix=fix)])


def _note_extra(plan: Plan, used: BoolArray, findings: list[Finding], *, after: str = "a missing one") -> None:
    """Count the rows that no series uses: other ids, past steps, steps after a missing one."""
    extra = np.flatnonzero(~used)
    if not len(extra):
        return
    file, lines = plan.locate(np.sort(plan.sources[extra])[:MAX_LISTED_ROWS].tolist())
    message = f"{rows_in_words(lines, len(extra))}: not used: past steps, steps after {after}, or ids without series"
    findings.append(Finding("W_COVARIATE_EXTRA", message, file, lines, count=len(extra)))


def _note_ahead(plan: Plan, names: tuple[str, ...], ahead: Int64Array, findings: list[Finding]) -> None:
    steps = f"{ahead.min()}" if ahead.min() == ahead.max() else f"{ahead.min()} to {ahead.max()}"
    message = f"{steps} steps are known ahead of {listed(names)}"
    findings.append(Finding("N_COVARIATE_AHEAD", message, plan.files.paths[0], count=int(ahead.max())))
