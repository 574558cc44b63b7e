"""Future covariates in separate files: read, and matched to the rows of the series.

A file without id columns applies to every series. S series, n rows of the files, F columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import Frequency, in_words
from rnnforecast.data.columns.check_roles import categorical_of
from rnnforecast.data.columns.choose_roles import choose_columns
from rnnforecast.data.columns.id_columns import number_items
from rnnforecast.data.columns.profiles import profile_columns
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.columns.schema_check import check_schemas
from rnnforecast.data.covariates.categorical import Vocabularies, encode_categories
from rnnforecast.data.errors import data_error, listed, quoted_path, rows_in_words
from rnnforecast.data.grid.clock import set_clock
from rnnforecast.data.parse import codes_of, join_files, parse_file
from rnnforecast.data.rows import Rows
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import expand
from rnnforecast.data.tables.table import Table, read_table
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding
from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class PlanFiles:
    """The opened files of `--future-data`."""

    tables: tuple[Table, ...]
    paths: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the first file."""
        return self.tables[0].names

    @property
    def label(self) -> str:
        """The files, for messages."""
        return quoted_path(self.paths[0]) + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")


@dataclass(frozen=True)
class Plan:
    """The rows of the files, sorted by item and timestamp, each once."""

    files: PlanFiles
    names: tuple[str, ...]
    id_columns: tuple[str, ...]
    items: dict[tuple[str, ...], int]  # ids -> number of the item
    item: Int64Array  # [n]
    ordinals: Int64Array  # [n] on the grid of the series
    values: Float64Array  # [n, F]
    sources: Int64Array  # [n] row of the files
    locate: Callable[[Sequence[int]], tuple[str, tuple[int, ...]]]  # rows of the files -> file and lines
    categories: dict[str, tuple[str, ...]]


def open_plan(settings: DataSettings) -> PlanFiles | None:
    """Open the files of `--future-data`; None where none is named. Raises InputError, DataError."""
    if not settings.future_data:
        return None
    paths, _ = expand(list(settings.future_data), dataset=settings.dataset)
    return PlanFiles(tuple(read_table(path, settings) for path in paths), tuple(paths))


def read_plan(
    files: PlanFiles,
    series: SeriesSet,
    settings: DataSettings,
    findings: list[Finding],
    *,
    time: Sequence[str],
    known: Vocabularies | None,
) -> Plan:
    """Read the covariates that `--future` names, on the calendar of the series; appends findings.

    `time` are the time columns in the files of the series; they are used where these files have them.
    Raises DataError with file, rows and column of what cannot be read, or does not fit the calendar.
    """
    roles = _roles(files, series, settings, time=time, known=known)
    check_schemas(files.tables, roles)
    parsed = [parse_file(table, roles, settings) for table in files.tables]
    findings += [finding for table in files.tables for finding in table.findings]
    findings += [finding for one in parsed for finding in one.findings]
    problems = [finding for one in parsed for finding in one.problems]
    if problems:
        raise data_error(problems)
    vocabularies = known if known is not None else series.categories
    joined, categories = encode_categories(join_files(parsed), roles, findings, known=vocabularies)
    items, ids = number_items([codes_of(joined.frame[name]) for name in roles.id], num_rows=len(joined.values))
    if joined.timestamps is None:
        raise _no_clock(files)
    label = roles.time_column or "time"
    rows = Rows(items, joined.timestamps, joined.values, lambda item: "/".join(ids[item]), joined.locate, label)
    places = [roles.future.index(name) for name in roles.categorical]
    rows, zone = set_clock(rows, settings, timezone=joined.timezone, num_targets=0, findings=[], categories=places)
    _check_zone(files, series.freq, zone)
    ordinals, kept = _on_grid(rows, series.freq, findings)
    order = kept[np.lexsort((ordinals[kept], rows.items[kept]))]
    order = _each_once(rows, ordinals, order)
    return Plan(
        files=files,
        names=roles.future,
        id_columns=roles.id,
        items={tuple(one): number for number, one in enumerate(ids.tolist())},
        item=rows.items[order],
        ordinals=ordinals[order],
        values=rows.values[order],
        sources=order,
        locate=rows.locate,
        categories=categories,
    )


def _roles(
    files: PlanFiles,
    series: SeriesSet,
    settings: DataSettings,
    *,
    time: Sequence[str],
    known: Mapping[str, tuple[str, ...]] | None,
) -> Roles:
    """Return the roles of the columns: those of the series' files where these files have them."""
    table = files.tables[0]
    lacking = [name for name in settings.future if name not in files.names]
    if lacking:
        message = f"there is no column {listed(lacking)} in the file of future covariates"
        fix = f"write it into the file, or leave it out of --future; the columns are {listed(files.names)}"
        raise data_error([Finding("E_COLUMN_UNKNOWN", message, table.path, column=lacking[0], fix=fix)])
    ids = tuple(name for name in series.id_columns if name in files.names)
    clock = tuple(time) if time and all(name in files.names for name in time) else ()
    if not clock:
        chosen = choose_columns(table.sample, DataSettings(target=settings.future[:1], id=ids), path=table.path)
        clock = chosen.time
    if not clock:
        raise _no_clock(files)
    profiles = profile_columns(table.sample)
    ours = [name for name in settings.future if name in series.future_names]
    others = [name for name in settings.future if name not in ours]
    trained = known if known is not None else series.categories
    words = categorical_of(table.sample, profiles, ours, path=table.path, known=trained)
    words += categorical_of(table.sample, profiles, others, path=table.path, known=known)
    return Roles(clock, (), ids, future=settings.future, categorical=words)


def _no_clock(files: PlanFiles) -> DataError:
    return DataError(
        f"{files.label} has no time column: future covariates are matched to rows by their timestamps",
        hint="add the time column of the other file",
        code="E_TIME_NONE",
    )


def _check_zone(files: PlanFiles, freq: Frequency, zone: str | None) -> None:
    if (freq.timezone is None) == (zone is None):
        return
    words = [f"in {one}" if one else "without a zone" for one in (zone, freq.timezone)]
    raise DataError(
        f"the timestamps of {files.label} are {words[0]}, those of the series {words[1]}",
        hint="write both with their offset from UTC, or both without",
        code="E_TIME_ZONE_MIXED",
    )


def _on_grid(rows: Rows, freq: Frequency, findings: list[Finding]) -> tuple[Int64Array, Int64Array]:
    """Return the ordinal of each row on the grid, and the rows to keep: closed days have no step."""
    ordinals = freq.floor(rows.timestamps)
    off = np.flatnonzero(np.asarray(freq.to_timestamps(ordinals) != rows.timestamps))
    everything = np.arange(len(ordinals), dtype=np.int64)
    if not len(off):
        return ordinals, everything
    file, lines = rows.locate(off[:MAX_LISTED_ROWS].tolist())
    first = in_words(rows.timestamps[off[0]])
    if freq.has_closed_days:
        message = f"{rows_in_words(lines, len(off))}: on days or hours that the series leave out; not used"
        findings.append(Finding("W_COVARIATE_EXTRA", message, file, lines, rows.time_column, first, len(off)))
        return ordinals, np.delete(everything, off)
    message = f"{rows_in_words(lines, len(off))}: {first} is not a step of the series, whose frequency is {freq.alias}"
    fix = (
        "write these rows with the timestamps of the series, or bring both to one step with --resample and --aggregate"
    )
    raise data_error([Finding("E_COVARIATE_DATES", message, file, lines, rows.time_column, first, len(off), fix)])


def _each_once(rows: Rows, ordinals: Int64Array, order: Int64Array) -> Int64Array:
    """Return the sorted rows without repetitions. Raises DataError where rows of one timestamp differ."""
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = (np.diff(ordinals[order]) == 0) & (np.diff(rows.items[order]) == 0)
    late = np.flatnonzero(again)
    values = rows.values[order]
    same = (values[late] == values[late - 1]) | (np.isnan(values[late]) & np.isnan(values[late - 1]))
    differing = late[~same.all(axis=1)]
    if len(differing):
        first = differing[0]
        file, lines = rows.locate([int(order[first - 1]), int(order[first])])
        message = (
            f"{rows_in_words(lines, 2)}: two rows of one timestamp, {in_words(rows.timestamps[order[first]])}, differ"
        )
        fix = "keep one row for each series and timestamp"
        raise data_error([Finding("E_TIME_DUPLICATE", message, file, lines, rows.time_column, fix=fix)])
    return order[~again]
