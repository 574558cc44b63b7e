"""Read files as series: open them, choose columns, check rows and report what was assumed.

The modules in the order that rows pass them: `sources` and `tables/` (bytes, columns), `columns/` (roles), `values/` and
`timestamps/` (fields), `grid/` (regular grid, series), `calendar/` (frequency, season length).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from rnnforecast.arrays import Int64Array, TextArray
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.closed_days import OpenDays
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.calendar.infer_frequency import check_horizon, default_horizon, default_season_length
from rnnforecast.data.calendar.seasonality import FIRST_ROWS, SeasonChoice, choose_season_length
from rnnforecast.data.columns.choose_roles import choose_columns, note_guess, split_names
from rnnforecast.data.columns.hive_partitions import check_times, note_unused
from rnnforecast.data.columns.id_columns import FILE_ID, choose_ids, near_twins, number_items
from rnnforecast.data.columns.repeated_times import with_named_fix
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.columns.schema_check import check_schemas
from rnnforecast.data.columns.unused import note_unused_columns
from rnnforecast.data.covariates.calendar import is_generated, with_calendar
from rnnforecast.data.covariates.categorical import Vocabularies, encode_categories
from rnnforecast.data.covariates.checks import covariate_findings
from rnnforecast.data.covariates.future import with_plan
from rnnforecast.data.covariates.future_files import PlanFiles, open_plan, read_plan
from rnnforecast.data.errors import ColumnRef, data_error, listed
from rnnforecast.data.findings import check_strict, redacted, with_noticed, without_rejected_cells
from rnnforecast.data.grid.align_ends import with_common_end
from rnnforecast.data.grid.build_series import build_series, note_missing_cells
from rnnforecast.data.grid.clock import set_clock
from rnnforecast.data.grid.fill_missing import filled, without_spans
from rnnforecast.data.grid.regular_grid import to_grid
from rnnforecast.data.parse import ParsedFiles, codes_of, join_files, missing_ids, parse_file
from rnnforecast.data.rows import Rows
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.series_findings import differing_seasons, series_findings
from rnnforecast.data.sources import expand, public_path
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.data.tables.table import Table, read_table, release_unused
from rnnforecast.data.tried_hints import with_tried_hints
from rnnforecast.errors import DataError, RnnForecastError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document


@dataclass(frozen=True)
class Assumptions(Document):
    """What was assumed about a file; `reasons` says why for each field, and which flag overrides it."""

    time: str | None
    target: tuple[str, ...]
    id: tuple[str, ...]
    freq: str
    season_length: int
    horizon: int
    num_series: int
    num_rows: int
    reasons: dict[str, str] = field(default_factory=dict)

    HIDDEN: ClassVar = ("reasons",)


@dataclass(frozen=True)
class ReadResult:
    """The series of some files, with assumptions and findings."""

    series: SeriesSet
    assumptions: Assumptions
    findings: tuple[Finding, ...]
    paths: tuple[str, ...]
    digest: str  # sha256 of the file, or of the digests of several files
    columns: tuple[str, ...]  # all columns of the first file
    roles: dict[str, str]  # column -> time, target, id, past, future, static or unused
    future_paths: tuple[str, ...] = ()  # files of future covariates
    own_seasons: Mapping[int, int] = field(default_factory=dict)  # of series, by number, that repeat after other steps


@dataclass(frozen=True)
class _Model:
    """The frequency and the categories of a stored model."""

    freq: Frequency | None = None
    categories: Vocabularies | None = None
    allow_words: bool = False  # a target may hold categories


def read_series(
    data: Data,
    settings: DataSettings | None = None,
    *,
    keep_unobserved: bool = False,
    known: Frequency | None = None,
    categories: Vocabularies | None = None,
    allow_words: bool = False,
) -> ReadResult:
    """Read files, globs, URLs, `-` or a table in memory as series on one regular grid.

    Several files are one panel where their columns identify the series, else each file is a series. Series without
    observed targets are left out with a finding, or kept with `keep_unobserved`. `known` is the frequency of a stored
    model, whose closed days are used, and `categories` are the categories of its columns. With `allow_words` a named target
    may hold categories: its values are their numbers, from 1 on. Raises InputError for a
    file that cannot be read, and DataError, with every problem, for content that is rejected.
    """
    settings = settings or DataSettings()
    findings: list[Finding] = []
    try:
        model = _Model(known, categories, allow_words)
        read = _read(data, settings, findings, keep_unobserved=keep_unobserved, model=model)
        if settings.strict:
            check_strict(read.findings)
    except RnnForecastError as error:
        if known is None and categories is None:
            again = partial(_read, data, findings=[], keep_unobserved=keep_unobserved, model=model)
            with_tried_hints(error, data, settings, again)
        # the cause would show withheld values
        raise with_noticed(error, findings, redact=settings.redact_values) from None
    return replace(read, findings=redacted(read.findings)) if settings.redact_values else read


def _read(
    data: Data, settings: DataSettings, findings: list[Finding], *, keep_unobserved: bool, model: _Model
) -> ReadResult:
    paths, noticed = expand(data, dataset=settings.dataset)
    findings += noticed
    tables = [read_table(path, settings) for path in paths]
    opened = settings
    if tables[0].is_unpivoted:
        settings = settings.model_copy(update={"wide": False})  # its one column of values is the target
    plan = open_plan(settings)
    settings = split_names(settings, {*tables[0].names, *(plan.names if plan is not None else ())})
    here = _in_rows(settings, tables[0].names, plan)
    roles = _choose(tables[0], here, model)
    findings += note_guess(roles, settings.guess, path=tables[0].path)
    _check_tables(tables, roles, settings)
    files = [parse_file(table, roles, here) for table in tables]
    findings += [finding for table in tables for finding in table.findings]
    findings += [finding for one in files for finding in one.findings]
    problems = [finding for one in files for finding in one.problems]
    if problems and any(one.timestamps is None for one in files) and roles.time:
        raise data_error(problems)
    joined, markers = join_files(files), settings.missing_values
    together, words = encode_categories(joined, roles, findings, known=model.categories, missing=markers)
    roles = _with_ids(roles, together, here)
    findings += note_unused(together.partitions, roles.id)
    findings += note_unused_columns(tables[0], roles, settings, is_trained=model.freq is not None)
    lay_out = partial(_lay_out, words=words, known=model.freq, keep_unobserved=keep_unobserved)
    try:
        series = lay_out(together, roles, here, findings)
    except DataError as cause:
        error = with_named_fix(cause, tables[0], roles, opened) if len(tables) == 1 else cause
        findings[:] = without_rejected_cells(findings, problems)
        own = without_rejected_cells(error.findings, problems)
        raise data_error([*problems, *own]) if problems and error.findings else error from cause
    if problems:
        findings[:] = without_rejected_cells(findings, problems)
        raise data_error(problems)
    num_rows = len(together.values)
    del together, joined, files  # millions of rows
    release_unused()
    series, assumptions, own_seasons = _assume(series, roles, settings, findings, num_rows=num_rows)
    check_horizon(series.freq, int((series.first_ordinals + series.lengths).max()) - 1, assumptions.horizon)
    series = series if series.target_categories else _looked_at(series, settings, findings)
    series = _with_ahead(series, plan, settings, findings, time=roles.time, model=model, horizon=assumptions.horizon)
    return ReadResult(
        series=series,
        assumptions=assumptions,
        findings=tuple(findings),
        paths=tuple(map(public_path, paths)),
        digest=_digest(tables),
        columns=tables[0].names,
        roles=_roles_of(tables[0].names, roles, series),
        future_paths=() if plan is None else plan.paths,
        own_seasons=own_seasons,
    )


def _looked_at(series: SeriesSet, settings: DataSettings, findings: list[Finding]) -> SeriesSet:
    """Note what values look like, and fill the missing ones where that is asked for."""
    findings += series_findings(series)
    return filled(series, settings.fill, findings)


def _check_tables(tables: Sequence[Table], roles: Roles, settings: DataSettings) -> None:
    """Raise DataError where timestamps stand in names of folders, and for files of a data set with other columns."""
    if not roles.time and settings.time is None:
        check_times([table.path for table in tables], columns=tables[0].names)
    if settings.dataset:
        check_schemas(tables, roles)


def _lay_out(
    together: ParsedFiles,
    roles: Roles,
    settings: DataSettings,
    findings: list[Finding],
    *,
    words: Vocabularies,
    known: Frequency | None,
    keep_unobserved: bool,
) -> SeriesSet:
    """Place rows on a regular grid and make series of them."""
    rows, id_values = _to_rows(roles, together, findings)
    note_missing_cells(rows, roles, findings)
    num_targets, columns = len(roles.target), (*roles.target, *roles.covariates)
    rows, zone = set_clock(
        rows,
        settings,
        timezone=together.timezone,
        num_targets=num_targets,
        num_labels=len(roles.static),
        categories=[columns.index(name) for name in roles.categorical],
        findings=findings,
    )
    grid = to_grid(
        rows,
        freq=settings.freq or settings.resample,
        timezone=zone,
        findings=findings,
        duplicates=settings.duplicates,
        num_targets=num_targets,
        open_days=OpenDays(settings.calendar, known),
    )
    series = build_series(
        grid.rows,
        grid,
        roles,
        id_values=id_values,
        findings=findings,
        keep_unobserved=keep_unobserved,
        categories=words,
    )
    if known is None:
        _check_seasons(series, settings)
    if settings.mask:
        series = without_spans(series, settings.mask, findings, may_miss=known is not None)
    return with_common_end(series, findings) if settings.align else series


def _in_rows(settings: DataSettings, names: Sequence[str], plan: PlanFiles | None) -> DataSettings:
    """Return the settings without the columns that only the files of `--future-data` have."""
    if plan is None:
        return settings
    if not settings.future:
        raise UsageError(
            "`--future-data` needs `--future`, the names of its covariates",
            hint="name the columns, such as `--future temperature`; the file has "
            f"{listed([name for name in plan.names if name != settings.time])}",
            code="E_RUN_CONFIG",
        )
    here = tuple(name for name in settings.future if name in names or name not in plan.names)
    return settings.model_copy(update={"future": here})


def _with_ahead(
    series: SeriesSet,
    plan: PlanFiles | None,
    settings: DataSettings,
    findings: list[Finding],
    *,
    time: Sequence[str],
    model: _Model,
    horizon: int,
) -> SeriesSet:
    """Return the series with future covariates from other files and from the calendar."""
    odd = [name for name in (*settings.future, *settings.past, *settings.static) if is_generated(name)]
    if odd and settings.calendar_features:
        message = f"the name {listed(odd)} is taken by a covariate of --calendar-features"
        raise DataError(message, hint="give the column another name", code="E_COLUMN_TWICE")
    if plan is not None:
        found = read_plan(plan, series, settings, findings, time=time, known=model.categories)
        series = with_plan(series, found, findings, names=settings.future)
    findings += covariate_findings(series)
    return with_calendar(series, settings.calendar_features, country=settings.country, horizon=horizon)


def _choose(table: Table, settings: DataSettings, model: _Model) -> Roles:
    """Return the roles of the columns; raises DataError for named columns that cannot be used."""
    named = [*settings.target, *settings.id, *settings.past, *settings.future, *settings.static, settings.time or ""]
    problems = table.columns.unusable([name for name in named if name])
    if problems:
        raise data_error(problems)
    try:
        roles = choose_columns(
            table.sample, settings, path=table.path, categories=model.categories, allow_words=model.allow_words
        )
    except DataError as error:
        error.findings = (*error.findings, *(one for one in table.findings if one.code == "N_DATA_SHEET"))
        unusable = table.columns.unusable(table.names)
        if error.findings or not unusable:
            raise
        raise DataError(error.message, hint=error.hint, code=error.code, findings=unusable) from error
    doubts = table.columns.ambiguous_numbers([*roles.target, *roles.covariates])
    if doubts:
        raise data_error(doubts)
    return roles


def read_columns(path: str, settings: DataSettings | None = None) -> tuple[str, ...]:
    """Return the names of all columns of a file."""
    return read_table(path, settings).names


def _with_ids(roles: Roles, joined: ParsedFiles, settings: DataSettings) -> Roles:
    """Return the roles with ids: named ones, else those chosen on the first file, else the file itself."""
    if roles.id:
        return roles
    several = len(joined.files) > 1
    first = slice(0, len(joined.values) if settings.dataset else int(joined.starts[1]))
    timestamps = joined.timestamps[first] if joined.timestamps is not None else None
    frame = joined.frame if len(joined.values) == first.stop else joined.frame.iloc[first]
    candidates = (*joined.partitions, *roles.id_candidates) if settings.dataset else roles.id_candidates
    ids, reason = choose_ids(frame, timestamps, candidates)
    if several and not ids and not settings.dataset:
        ids, reason = (FILE_ID,), "each file is a series; --id names a column instead"
    return replace(roles, id=ids, reasons={**roles.reasons, "id": reason})


def _to_rows(roles: Roles, joined: ParsedFiles, findings: list[Finding]) -> tuple[Rows, TextArray]:
    """Number the items in order of their ids, whatever the order of rows; returns rows, and the ids of each: [K, .]."""
    num_rows = len(joined.values)
    _check_ids(roles, joined)
    items, id_values = number_items([codes_of(joined.frame[name]) for name in roles.id], num_rows=num_rows)
    findings += near_twins(id_values, roles.id)
    timestamps = joined.timestamps if joined.timestamps is not None else _steps_in_file_order(items)
    rows = Rows(
        items=items,
        timestamps=timestamps,
        values=joined.values,
        labels=lambda item: "/".join(id_values[item]),
        locate=joined.locate,
        time_column=roles.time_column or "file order",
    )
    return rows, id_values


def _check_ids(roles: Roles, joined: ParsedFiles) -> None:
    """Raise DataError for missing ids and ids with a NUL byte."""
    problems = []
    for name in roles.id:
        ref, column = ColumnRef(name, joined.locate, "id column"), joined.frame[name]
        problems += [found] if (found := missing_ids(ref, column)) is not None else []
        codes, distinct = codes_of(column)
        nul = np.array(["\0" in text for text in distinct], dtype=np.bool_)
        if nul.any():
            fix = "remove it from the id"
            problems.append(ref.problem("E_ID_NUL", np.flatnonzero(nul[codes]), "a NUL byte in the id", fix=fix))
    if problems:
        raise data_error(problems)


def _steps_in_file_order(items: Int64Array) -> Int64Array:
    """Return 0, 1, 2 ... for the rows of each item: [n]."""
    return np.asarray(pd.Series(items).groupby(items).cumcount(), dtype=np.int64)


def _assume(
    series: SeriesSet, roles: Roles, settings: DataSettings, findings: list[Finding], *, num_rows: int
) -> tuple[SeriesSet, Assumptions, Mapping[int, int]]:
    """Choose season and horizon where nobody did, and collect what was assumed; seasons of series that differ are last."""
    freq, reasons = series.freq, dict(roles.reasons)
    choice = SeasonChoice(1, "")
    reasons["freq"] = "named by --freq" if settings.freq else "the step between timestamps; --freq names another"
    season, *longer = (1,) if series.target_categories else settings.season_length or (0,)
    named = "named by --season-length" + "".join(f", with {length}" for length in longer)
    reasons["season_length"] = "categories have none" if series.target_categories else named
    if not season:
        natural = default_season_length(freq)
        early = series.head(np.ceil(FIRST_ROWS * series.lengths).astype(np.int64))
        choice = choose_season_length(
            early.values, early.observed, early.offsets, default=natural, search=not freq.is_calendar
        )
        season = choice.length
        findings += differing_seasons(series, season, choice.differing)
        reasons["season_length"] = f"{choice.evidence}; --season-length sets another"
    horizon = settings.horizon
    reasons["horizon"] = "named by --horizon"
    if horizon is None:
        length = int(np.median(series.lengths))
        is_seasonal = not freq.is_calendar and season > 1
        horizon = min(season, max(length // 6, 1)) if is_seasonal else default_horizon(freq, length=length)
        reasons["horizon"] = f"usual for frequency {freq.alias} and this many rows; --horizon sets another"
    assumptions = Assumptions(
        time=roles.time_column,
        target=roles.target,
        id=roles.id,
        freq=freq.alias,
        season_length=season,
        horizon=horizon,
        num_series=series.num_series,
        num_rows=num_rows,
        reasons=reasons,
    )
    others = choice.usual_others
    series = replace(series, season_length=season, longer_seasons=tuple(longer), other_seasons=others)
    return series.with_own_seasons(choice.differing), assumptions, choice.differing


def _check_seasons(series: SeriesSet, settings: DataSettings) -> None:
    """Raise UsageError for one of several seasons that no series has two periods of."""
    longest = int(series.lengths.max(initial=0))
    for length in settings.season_length[1:]:
        if 2 * length > longest:
            message = (
                f"`--season-length {length}` would have no effect: two periods are {2 * length:,} rows, the longest series has "
                f"{longest:,}"
            )
            raise UsageError(message, hint="leave it out, or give more rows", code="E_RUN_CONFIG")


def _digest(tables: Sequence[Table]) -> str:
    if len(tables) == 1:
        return tables[0].digest
    return hashlib.sha256("".join(table.digest for table in tables).encode()).hexdigest()


def _roles_of(names: Sequence[str], roles: Roles, series: SeriesSet) -> dict[str, str]:
    parts = {
        "time": roles.time, "target": roles.target, "id": roles.id,
        "past": roles.past, "future": roles.future, "static": roles.static,
    }  # fmt: skip
    assigned = {name: part for part, members in parts.items() for name in members}
    elsewhere = dict.fromkeys(series.future_names, "future")  # of other files, or made from the calendar
    return elsewhere | {name: assigned.get(name, "unused") for name in names}
