"""The used columns of each file as numbers, timestamps and ids, and of several files one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array, TextArray, TimestampArray
from rnnforecast.config import DataSettings
from rnnforecast.data.columns.hive_partitions import common_partitions, note_contradictions, partitions_of
from rnnforecast.data.columns.id_columns import FILE_ID
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import ColumnRef, LinesOf, listed, no_rows, quoted_path
from rnnforecast.data.tables.table import Table
from rnnforecast.data.timestamps.text import Timestamps
from rnnforecast.data.timestamps.time_column import read_timestamps
from rnnforecast.data.values.numbers import note_sentinels, parse_numbers
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class ParsedFile:
    """The used columns of one file, parsed; with `problems` only its findings count."""

    table: Table
    frame: pd.DataFrame  # ids, candidates for ids and covariates of words, as categories of text
    timestamps: Timestamps | None
    values: Float64Array  # [n, T]
    rows: Int64Array | None  # [n] frame rows of the table where blank ones were left out
    findings: tuple[Finding, ...]
    problems: tuple[Finding, ...] = ()

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file that parsed rows stand on."""
        return self.table.lines_of(list(rows) if self.rows is None else [int(self.rows[row]) for row in rows])


def parse_file(table: Table, roles: Roles, settings: DataSettings | None = None) -> ParsedFile:
    """Parse the used columns of one file; problems of all of them are collected, not raised.

    Raises DataError for columns that are not there and for files that cannot be read on.
    """
    settings = settings or DataSettings()
    numeric = [name for name in (*roles.target, *roles.covariates) if name not in roles.categorical]
    words = (*roles.id, *roles.id_candidates, *roles.categorical)
    labels = [name for name in words if name in table.names]
    elsewhere = {FILE_ID, *partitions_of(table.path)}
    used = (*roles.time, *numeric, *(name for name in roles.id if name not in elsewhere), *roles.categorical)
    lacking = [name for name in used if name not in table.names]
    if lacking:
        message = f"{quoted_path(table.path)} lacks column {listed(lacking)}"
        raise DataError(message, hint=f"its columns are {listed(table.names)}", code="E_COLUMN_UNKNOWN")
    frame = table.read(text=labels, numeric=numeric, time=roles.time)
    findings: list[Finding] = []
    rows = _filled_rows(frame, labels=labels)
    if rows is not None:
        count = len(frame) - len(rows)
        message = f"{plural(count, 'empty row')} left out"
        findings.append(Finding("W_DATA_BLANK", message, table.path, count=count))
        frame = frame.iloc[rows].reset_index(drop=True)
    if frame.empty:
        raise no_rows(table.path)

    def lines_of(chosen: Sequence[int]) -> list[int]:
        return table.lines_of(list(chosen) if rows is None else [int(rows[row]) for row in chosen])

    def ref_of(name: str) -> ColumnRef:
        of_table = table.names_of(name)
        names_of = of_table and (lambda chosen: of_table(chosen if rows is None else rows[np.asarray(chosen)]))
        return ColumnRef.in_file(name, table.path, lines_of, names_of=names_of)

    columns, noticed = _parse_numeric(frame, roles, ref_of, settings)
    timestamps, clock = _parse_timestamps(frame, roles, path=table.path, lines_of=lines_of, settings=settings)
    noticed = [*clock, *noticed]
    problems = [*table.problems, *(finding for finding in noticed if finding.severity == "error")]
    findings += [finding for finding in noticed if finding.severity != "error"]
    problems += _missing_ids(frame, roles, path=table.path, lines_of=lines_of)
    ids = {name: list(codes_of(frame[name])[1]) for name in roles.id if name in elsewhere and name in frame}
    findings += note_contradictions(table.path, ids)
    table.release()
    return ParsedFile(table, frame[labels], timestamps, columns, rows, tuple(findings), tuple(problems))


def _parse_numeric(
    frame: pd.DataFrame, roles: Roles, ref_of: Callable[[str], ColumnRef], settings: DataSettings
) -> tuple[Float64Array, list[Finding]]:
    names = [*roles.target, *roles.covariates]
    is_lone = len(names) == 1 and not roles.categorical  # then the column is the array, without a copy
    columns = np.empty((0, 1)) if is_lone else np.full((len(frame), len(names)), np.nan)
    findings: list[Finding] = []
    for place, name in enumerate(names):
        if name in roles.categorical:  # codes follow when the words of all files are known
            continue
        ref = ref_of(name)
        values, noticed = parse_numbers(frame[name], ref, settings=settings)
        if is_lone:
            columns = np.ascontiguousarray(values)[:, None]
        else:
            columns[:, place] = values
        findings += noticed
        if name in roles.target and not any(finding.severity == "error" for finding in noticed):
            findings += note_sentinels(columns[:, place], ref)
    return columns, findings


def _parse_timestamps(
    frame: pd.DataFrame, roles: Roles, *, path: str, lines_of: LinesOf, settings: DataSettings
) -> tuple[Timestamps | None, list[Finding]]:
    """Return the timestamps of a file with their findings, or None with the errors."""
    if not roles.time:
        return None, []
    try:
        timestamps = read_timestamps(frame, roles.time, path=path, lines_of=lines_of, how=settings)
    except DataError as error:
        if not error.findings:
            raise
        return None, list(error.findings)
    return timestamps, list(timestamps.findings)


def _missing_ids(frame: pd.DataFrame, roles: Roles, *, path: str, lines_of: LinesOf) -> list[Finding]:
    """Return the findings for rows without an id, in the columns that the user named."""
    refs = [ColumnRef.in_file(name, path, lines_of, noun="id column") for name in roles.id if name in frame]
    return [found for ref in refs if (found := missing_ids(ref, frame[ref.name])) is not None]


def missing_ids(ref: ColumnRef, column: pd.Series[Any]) -> Finding | None:
    """Return the finding for rows without an id, None where every row has one."""
    codes, distinct = codes_of(column)
    empty = np.array([not str(text).strip() for text in distinct], dtype=np.bool_)
    rows = np.flatnonzero(empty[codes]) if empty.any() else np.zeros(0, dtype=np.int64)
    if not len(rows):
        return None
    return ref.problem("E_ID_MISSING", rows, "missing id", fix="write the id, or remove the row")


def codes_of(column: pd.Series[Any]) -> tuple[Int64Array, TextArray]:
    """Return a code for each row and the text of each code, those of categories in their order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.to_numpy(dtype=object)
    codes, distinct = pd.factorize(column.to_numpy(dtype=object))
    return codes.astype(np.int64), np.asarray(distinct, dtype=object)


def _filled_rows(frame: pd.DataFrame, *, labels: Sequence[str]) -> Int64Array | None:
    """Return the rows that hold something in a used column, None where all do.

    One lone column may be empty: it is a missing step.
    """
    if frame.shape[1] == 1:
        return None
    blank: Int64Array | None = None
    # numbers first: few rows are left to look at
    for name in sorted(frame.columns, key=lambda name: (name in labels, frame[name].dtype.kind not in "iufM")):
        cells = frame[name] if blank is None else frame[name].iloc[blank]
        empty = cells.isna()
        if cells.dtype.kind not in "iufM":
            empty |= cells == ""
        found = np.flatnonzero(np.asarray(empty, dtype=np.bool_))
        blank = found if blank is None else blank[found]
        if not len(blank):
            return None
    return np.delete(np.arange(len(frame), dtype=np.int64), [] if blank is None else blank)


@dataclass(frozen=True)
class ParsedFiles:
    """The parsed columns of all files, one below the other."""

    files: tuple[ParsedFile, ...]
    starts: Int64Array  # [number of files + 1]
    frame: pd.DataFrame
    timestamps: TimestampArray | None
    timezone: str | None
    values: Float64Array
    partitions: dict[str, list[str]]  # columns that stand in names of folders: of each its value by file

    def locate(self, rows: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        """Return file and lines of rows; of rows in several files those of the first one; of no row the first file."""
        if not len(rows):
            return self.files[0].table.path, ()
        owners = np.searchsorted(self.starts, np.asarray(rows, dtype=np.int64), side="right") - 1
        owner = int(owners[0])
        mine = [int(row - self.starts[owner]) for row, other in zip(rows, owners, strict=True) if other == owner]
        return self.files[owner].table.path, tuple(self.files[owner].lines_of(mine))


def join_files(files: Sequence[ParsedFile]) -> ParsedFiles:
    """Lay files one below the other; raises DataError where they write time in different ways."""
    starts = np.cumsum([0, *(len(one.values) for one in files)])
    timestamps = [one.timestamps for one in files if one.timestamps is not None]
    kinds = {one.values.dtype.kind for one in timestamps} | {one.timezone or "" for one in timestamps}
    if len({one.values.dtype.kind for one in timestamps}) > 1 or len({one.timezone for one in timestamps}) > 1:
        names = listed([one.table.path for one in files])
        message = f"the files {names} write time in different ways ({', '.join(sorted(kinds))})"
        raise DataError(message, hint="write the time column of all files in one format", code="E_TIME_FORMATS")
    labels = list(dict.fromkeys(str(name) for one in files for name in one.frame))
    frame = pd.DataFrame(
        {name: _joined([_column_of(one, name) for one in files]) for name in labels},
        index=pd.RangeIndex(int(starts[-1])),
    )
    partitions = common_partitions([one.table.path for one in files], columns=files[0].table.names)
    named_by_file = dict(partitions)
    if FILE_ID not in frame:
        named_by_file[FILE_ID] = _file_ids(files)
    for name, values in named_by_file.items():
        codes, distinct = pd.factorize(np.array(values, dtype=object))
        frame[name] = pd.Categorical.from_codes(
            np.repeat(codes.astype(np.int32), np.diff(starts)), categories=pd.Index(distinct, dtype=object)
        )
    return ParsedFiles(
        files=tuple(files),
        starts=starts,
        frame=frame,
        timestamps=_stacked([one.values for one in timestamps]) if timestamps else None,
        timezone=timestamps[0].timezone if timestamps else None,
        values=_stacked([one.values for one in files]),
        partitions=partitions,
    )


def _stacked(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _column_of(file: ParsedFile, name: str) -> pd.Series[Any]:
    """Return a column of ids, blank in a file that lacks it."""
    if name in file.frame:
        return file.frame[name]
    return pd.Series(pd.Categorical([""] * len(file.values)))


def _joined(columns: Sequence[pd.Series[Any]]) -> pd.Categorical | pd.Series[Any]:
    """Return text columns one below the other, distinct texts held once."""
    if len(columns) == 1 and isinstance(columns[0].dtype, pd.CategoricalDtype):
        return columns[0]
    parts = [codes_of(column) for column in columns]
    categories = pd.Index(pd.unique(np.concatenate([distinct for _, distinct in parts])), dtype=object)
    codes = [categories.get_indexer(pd.Index(distinct, dtype=object))[codes] for codes, distinct in parts]
    return pd.Categorical.from_codes(_stacked(codes), categories=categories)


def _file_ids(files: Sequence[ParsedFile]) -> list[str]:
    """Return the stem of each file, or its path where two stems are the same."""
    stems = [one.table.stem for one in files]
    return stems if len(set(stems)) == len(stems) else [one.table.path for one in files]
