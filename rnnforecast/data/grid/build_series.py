"""From a regular grid to a `SeriesSet`: targets as series, masks, and covariates cut at the last target row.

K items, N rows of the grid, T targets, S = K x T series.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array, TextArray
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.covariates.checks import single_precision
from rnnforecast.data.errors import ColumnRef, data_error, listed, quoted
from rnnforecast.data.findings import missing_values
from rnnforecast.data.ragged import in_order, last_true_before, offsets_of, rows_of
from rnnforecast.data.rows import Grid, Rows
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass

#: Series that an error names.
MAX_LISTED_IDS = 5


@dataclass(frozen=True)
class _Values:
    """Values on the grid: NaN in gaps and where a cell is empty."""

    targets: Float64Array  # [N, T]
    past: Float64Array  # [N, Fp]
    future: Float64Array  # [N, Ff]
    static: Float64Array  # [N, Fs]


def build_series(
    rows: Rows,
    grid: Grid,
    roles: Roles,
    *,
    id_values: TextArray,
    findings: list[Finding],
    keep_unobserved: bool = False,
    categories: Mapping[str, tuple[str, ...]] | None = None,
) -> SeriesSet:
    """Return all series of a grid, their season length not yet set.

    `categories` are the vocabularies of the covariates that hold codes. Series without any observed target are left
    out, or kept with `keep_unobserved`: their forecast starts after the first row where covariates are known ahead,
    else after the last row.

    Raises DataError where every target value is missing, and for covariates with missing values ahead or static
    ones that change or are empty.
    """
    values = _on_grid(rows, grid, roles)
    lengths = _target_lengths(values.targets, grid, with_future=bool(roles.future), keep_unobserved=keep_unobserved)
    problems = _missing_covariates(rows, grid, roles, values, lengths, findings)
    static, changing = _static_values(rows, grid, roles, values.static, categories=categories or {}, findings=findings)
    if problems or changing:
        raise data_error(problems + changing)
    _note_known_ahead(grid, roles, lengths, findings)
    num_targets = len(roles.target)
    item_of, target_of = (part.ravel() for part in np.indices((len(lengths), num_targets), dtype=np.int64))
    past = _carried(values.past, grid)
    if num_targets == 1 and np.array_equal(lengths, np.diff(grid.offsets)):
        targets = np.ascontiguousarray(values.targets[:, 0])  # the whole grid: many millions of rows stay in place
    else:
        series_rows = rows_of(grid.offsets[item_of], lengths[item_of])
        targets = values.targets[series_rows, np.repeat(target_of, lengths[item_of])]
        past = past[series_rows]
    future_lengths = np.diff(grid.offsets)[item_of] if roles.future else np.zeros(len(item_of), dtype=np.int64)
    future_rows = rows_of(grid.offsets[item_of], future_lengths)
    series = SeriesSet(
        id_columns=roles.id,
        id_values=id_values[item_of],
        target_names=roles.target,
        target_index=target_of,
        time_column=roles.time_column,
        values=targets,
        observed=~np.isnan(targets),
        offsets=offsets_of(lengths[item_of]),
        first_ordinals=grid.first_ordinals[item_of],
        freq=grid.freq,
        season_length=1,
        past_covariates=single_precision(past),
        future_covariates=single_precision(_carried(values.future, grid)[future_rows]),
        future_offsets=offsets_of(future_lengths),
        covariates_observed=~np.isnan(values.future[future_rows]),
        static_covariates=static[item_of].astype(np.float32),
        past_names=roles.past,
        future_names=roles.future,
        static_names=roles.static,
        categories=dict(categories or {}),
    )
    return _audited(series, findings, file=rows.locate([])[0], keep_unobserved=keep_unobserved)


def _on_grid(rows: Rows, grid: Grid, roles: Roles) -> _Values:
    """Lay the columns of the file on the grid, in the order targets, past, future, static."""
    taken = grid.sources >= 0
    if taken.all():
        on_grid = in_order(rows.values, grid.sources)
    else:
        on_grid = np.full((len(grid.sources), rows.values.shape[1]), np.nan)
        on_grid[taken] = rows.values[grid.sources[taken]]
    ends = np.cumsum([len(roles.target), len(roles.past), len(roles.future)])
    return _Values(*np.split(on_grid, ends, axis=1))


def _target_lengths(targets: Float64Array, grid: Grid, *, with_future: bool, keep_unobserved: bool) -> Int64Array:
    """Return the rows of each item that are past: all, or up to the last target where a known future follows it."""
    lengths = np.diff(grid.offsets)
    if not with_future:
        return lengths
    starts = np.repeat(grid.offsets[:-1], lengths)
    known = np.asarray(~np.isnan(targets).all(axis=1))
    newest = last_true_before(known, starts)[grid.offsets[1:] - 1]
    return np.where(newest >= 0, newest - grid.offsets[:-1] + 1, 1 if keep_unobserved else lengths)


def _missing_covariates(
    rows: Rows, grid: Grid, roles: Roles, values: _Values, lengths: Int64Array, findings: list[Finding]
) -> list[Finding]:
    """Return the findings for covariates that are missing in steps to come of a series that has values of them.

    Others are noted: they are masked, and filled for networks.
    """
    problems: list[Finding] = []
    if not (roles.past or roles.future):
        return problems
    is_past = np.zeros(len(grid.sources), dtype=np.bool_)
    is_past[rows_of(grid.offsets[:-1], lengths)] = True  # rows of the grid that belong to a target
    for names, columns in ((roles.past, values.past), (roles.future, values.future)):
        for place, name in enumerate(names):
            missing = np.isnan(columns[:, place]) & (grid.sources >= 0)
            missing &= is_past if names is roles.past else True
            if not missing.any():
                continue
            chosen = np.sort(grid.sources[missing])  # rows of the file
            known = ~np.isnan(columns[:, place])
            ref = ColumnRef(name, rows.locate, "covariate")
            if not known.any():
                words, fix = "every value is missing: no effect", f"write its values, or leave `{name}` out"
                findings.append(ref.problem("W_COVARIATE_EMPTY", chosen, words, fix=fix))
                continue
            has_value = np.add.reduceat(known, grid.offsets[:-1]) > 0
            bad = np.flatnonzero(missing & ~is_past & np.repeat(has_value, np.diff(grid.offsets)))
            if len(bad):
                chosen, fix = np.sort(grid.sources[bad]), f"write the value, or leave `{name}` out"
                problems.append(ref.problem("E_COVARIATE_MISSING", chosen, "missing value", fix=fix))
                continue
            words = "missing value: left out of regressions; networks read the value before it, else the first one"
            findings.append(ref.problem("W_COVARIATE_FILLED", chosen, words))
    return problems


def _note_known_ahead(grid: Grid, roles: Roles, lengths: Int64Array, findings: list[Finding]) -> None:
    """Note the rows after the last target, which the covariates known ahead are read from."""
    ahead = np.diff(grid.offsets) - lengths
    if not ahead.any():
        return
    count = int(ahead.sum())
    message = f"{plural(count, 'row')} after the last target with future covariates: {listed(roles.future)}"
    findings.append(Finding("N_COVARIATE_AHEAD", message, column=roles.future[0], count=count))


def _static_values(
    rows: Rows,
    grid: Grid,
    roles: Roles,
    columns: Float64Array,
    *,
    categories: Mapping[str, tuple[str, ...]],
    findings: list[Finding],
) -> tuple[Float64Array, list[Finding]]:
    """Return one value for each item, [K, Fs], and the errors: values that change, and columns without any value.

    An item without a value is read as the unknown category, or as the mean of the numbers of the others; a warning in
    `findings` counts them.
    """
    starts, lengths = grid.offsets[:-1], np.diff(grid.offsets)
    values = np.empty((len(starts), columns.shape[1]))
    problems: list[Finding] = []
    for place, name in enumerate(roles.static):
        column = columns[:, place]
        values[:, place] = low = np.fmin.reduceat(column, starts)  # gaps of the grid and empty cells are NaN
        ref = ColumnRef(name, rows.locate, "static covariate")
        changing = np.flatnonzero(low < np.fmax.reduceat(column, starts))
        unknown = np.flatnonzero(np.isnan(low))
        if len(changing):
            known = np.where(np.isnan(column), len(column), np.arange(len(column)))
            first = np.append(column, np.nan)[np.repeat(np.minimum.reduceat(known, starts), lengths)]
            wrong = np.flatnonzero(np.isfinite(column) & (column != first))
            words = ("another category", *categories.get(name, ()))
            value = words[int(column[wrong[0]])] if name in categories else str(column[wrong[0]])
            label = ", ".join(quoted(rows.labels(int(item))) for item in changing[:MAX_LISTED_IDS])
            fix = f"correct these rows, or name `{name}` with --past or --future"
            message = f"changes in series {label}"
            problems.append(
                ref.problem("E_COVARIATE_STATIC", np.sort(grid.sources[wrong]), message, value=value, fix=fix)
            )
        elif len(unknown) == len(low):
            fix = f"write its values, or leave `{name}` out"
            message = f"static covariate `{name}`: every value is missing"
            problems.append(Finding("E_COVARIATE_STATIC", message, column=name, count=len(low), fix=fix))
        elif len(unknown):
            values[unknown, place] = 0.0 if name in categories else np.nanmean(low)
            read_as = "an unknown category" if name in categories else f"the mean of the others, {np.nanmean(low):.6g}"
            example = quoted(rows.labels(int(unknown[0])))
            message = (
                f"static covariate `{name}`: missing in {len(unknown):,} of {len(low):,} series, such as {example}"
            )
            fix = "write the values where they are known"
            findings.append(
                Finding(
                    "W_COVARIATE_UNKNOWN", f"{message}; read as {read_as}", column=name, count=len(unknown), fix=fix
                )
            )
    return values, problems


def _carried(columns: Float64Array, grid: Grid) -> Float64Array:
    """Return covariates with gaps and missing values holding the value before them, else the first one of the series.

    A series without any value has the lower median of the others, 0 where no series has one.
    """
    missing = np.isnan(columns)
    if not missing.any():
        return columns
    starts = np.repeat(grid.offsets[:-1], np.diff(grid.offsets))
    filled = columns.copy()
    for place in np.flatnonzero(missing.any(axis=0)):
        known = ~missing[:, place]
        if not known.any():
            filled[:, place] = 0.0
            continue
        before = last_true_before(known, starts)
        firsts = np.append(np.flatnonzero(known), 0)[np.searchsorted(np.flatnonzero(known), starts)]
        filled[:, place] = columns[np.where(before >= 0, before, firsts), place]
        empty = np.repeat(np.add.reduceat(known, grid.offsets[:-1]) == 0, np.diff(grid.offsets))
        if empty.any():
            filled[empty, place] = np.quantile(columns[known, place], 0.5, method="lower")
    return filled


def _audited(series: SeriesSet, findings: list[Finding], *, file: str, keep_unobserved: bool) -> SeriesSet:
    """Note missing, constant and empty series; series without any value are left out unless they are to be kept."""
    starts, lengths = series.offsets[:-1], series.lengths
    counts = np.add.reduceat(series.observed, starts).astype(np.int64)  # no series is empty
    empty = np.flatnonzero(counts == 0)
    labels = series.item_ids
    if len(empty) and keep_unobserved:
        names = listed([labels[index] for index in empty])
        findings.append(Finding("N_TARGET_NO_HISTORY", f"no history: {names}", file, count=len(empty)))
        return series
    if len(empty):
        names = listed([labels[index] for index in empty])
        noun = "target" if not series.id_columns else "series"
        message = f"{noun} {names}: every target value is missing"
        fix = "remove these rows, or name another column with --target"
        finding = Finding("E_TARGET_MISSING", message, file, column=series.target_names[0], count=len(empty), fix=fix)
        if len(empty) == series.num_series:
            raise data_error([finding])
        findings.append(finding)
        series = series.select(np.flatnonzero(counts > 0))
        return _audited(series, findings, file=file, keep_unobserved=False)
    low = np.fmin.reduceat(series.values, starts)
    high = np.fmax.reduceat(series.values, starts)
    constant = np.flatnonzero(low == high)
    if len(constant):
        names = listed([labels[index] for index in constant], limit=5)
        message = f"constant series: {names} never {'change' if len(constant) > 1 else 'changes'}"
        findings.append(Finding("N_TARGET_CONSTANT", message, count=len(constant)))
    _note_missing(series, lengths, findings)
    return series


def note_missing_cells(rows: Rows, roles: Roles, findings: list[Finding]) -> None:
    """Note empty target cells of the file, with their rows."""
    past = ~_known_ahead(rows, roles)
    for place, name in enumerate(roles.target):
        empty = np.flatnonzero(np.isnan(rows.values[:, place]) & past)
        if len(empty):
            message = missing_values(name, len(empty))
            findings.append(ColumnRef(name, rows.locate).finding("N_VALUE_MISSING", message, rows=empty, value=""))


def _known_ahead(rows: Rows, roles: Roles) -> BoolArray:
    """Tell which rows come after the last target of their series and hold covariates known ahead: [n]."""
    if not roles.future:
        return np.zeros(len(rows.items), dtype=np.bool_)
    known = ~np.isnan(rows.values[:, : len(roles.target)]).all(axis=1)
    timestamps = rows.timestamps.astype(np.int64)
    newest = np.full(int(rows.items.max()) + 1, np.iinfo(np.int64).max)
    newest[rows.items[known]] = np.iinfo(np.int64).min
    np.maximum.at(newest, rows.items[known], timestamps[known])
    return np.asarray(timestamps > newest[rows.items])


def _note_missing(series: SeriesSet, lengths: Int64Array, findings: list[Finding]) -> None:
    """Note series that start or end with missing values: a forecast starts after the last timestamp all the same."""
    first = series.observed[series.offsets[:-1]]
    last = series.observed[series.offsets[1:] - 1]
    for known, code, words in (
        (first, "N_TARGET_LEADING", ("start", "")),
        (last, "N_TARGET_TRAILING", ("end", "; the forecast starts after the last timestamp")),
    ):
        chosen = np.flatnonzero(~known)
        if len(chosen):
            index = int(chosen[0])
            timestamps = series.freq.to_timestamps(series.first_ordinals[index] + np.array([0, lengths[index] - 1]))
            label = series.item_ids[index]
            at = in_words(timestamps[0 if known is first else 1])
            verb, effect = words
            which = f"{len(chosen)} of {series.num_series} series"
            message = f"the rows {verb} with missing values, at {at}{effect}"
            if series.num_series > 1:
                message = f"{which} {verb} with missing values{effect}, such as {quoted(label)} at {at}"
            findings.append(Finding(code, message, value=at, count=len(chosen)))
