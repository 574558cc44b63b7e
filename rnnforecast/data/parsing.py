"""The used columns of each file as numbers, stamps and ids, and of several files one below the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.data.ids import FILE_ID
from rnnforecast.data.numbers import parse_numbers
from rnnforecast.data.refusals import listed, refusal
from rnnforecast.data.timing import read_stamps
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from rnnforecast.data.columns import Roles
    from rnnforecast.data.frequency import StampArray
    from rnnforecast.data.stamps import Stamps
    from rnnforecast.data.table import Table

    IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ParsedFile:
    """The used columns of one file, parsed."""

    table: Table
    frame: pd.DataFrame  # ids and candidates for ids, as text
    stamps: Stamps | None
    values: npt.NDArray[np.float64]  # [n, T]
    rows: IntArray  # [n] frame rows of the table, blank ones left out
    findings: tuple[Finding, ...]

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file that parsed rows stand on."""
        return self.table.lines_of([int(self.rows[row]) for row in rows])


def parse_file(table: Table, roles: Roles) -> ParsedFile:
    """Parse the used columns of one file; raises DataError with the problems of all of them."""
    numeric = [*roles.target, *roles.covariates]
    labels = [*roles.id, *roles.id_candidates]
    text = [name for name in (*roles.time, *labels) if name in table.names]
    lacking = [name for name in (*roles.time, *numeric, *roles.id) if name not in table.names and name != FILE_ID]
    if lacking:
        hint = f"its columns are {listed(table.names)}"
        raise DataError(f"{table.path} lacks column {listed(lacking)}", hint=hint, code="E_COLUMN_UNKNOWN")
    frame = table.read(text=text, numeric=numeric)
    rows = _filled_rows(frame)
    findings: list[Finding] = []
    if len(rows) < len(frame):
        count = len(frame) - len(rows)
        message = f"{count} empty rows were left out"
        findings.append(Finding("W_DATA_BLANK", "repair", message, table.path, count=count))
        frame = frame.iloc[rows].reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{table.path} has a header but 0 data rows", code="E_DATA_NO_ROWS")

    def lines_of(chosen: Sequence[int]) -> list[int]:
        return table.lines_of([int(rows[row]) for row in chosen])

    columns, noticed = _parse_all(frame, numeric, path=table.path, lines_of=lines_of)
    problems = [finding for finding in noticed if finding.severity == "refusal"]
    stamps = None
    try:
        if roles.time:
            stamps = read_stamps(frame, roles.time, path=table.path, lines_of=lines_of)
            findings += stamps.findings
    except DataError as error:
        problems = [*error.findings, *problems]
        if not error.findings:
            raise
    if problems:
        raise refusal(problems)
    findings += noticed
    texts = frame[[name for name in labels if name in frame]].astype(str)
    return ParsedFile(table, texts, stamps, columns, rows, tuple(findings))


def _parse_all(
    frame: pd.DataFrame, names: Sequence[str], *, path: str, lines_of: Callable[[Sequence[int]], list[int]]
) -> tuple[npt.NDArray[np.float64], list[Finding]]:
    columns = np.empty((len(frame), len(names)))
    findings: list[Finding] = []
    for place, name in enumerate(names):
        columns[:, place], noticed = parse_numbers(frame[name], name=name, path=path, lines_of=lines_of)
        findings += noticed
    return columns, findings


def _filled_rows(frame: pd.DataFrame) -> IntArray:
    """Return the rows that hold something in a used column; one lone column may be empty, it is a missing step."""
    if frame.shape[1] == 1:
        return np.arange(len(frame), dtype=np.int64)
    blank = np.arange(len(frame), dtype=np.int64)
    for name in reversed(frame.columns):  # numbers come last and are checked first, which leaves few rows to look at
        cells = frame[name].iloc[blank]
        blank = blank[np.asarray(cells.isna() | (cells == ""))]
    return np.delete(np.arange(len(frame), dtype=np.int64), blank)


@dataclass(frozen=True)
class ParsedFiles:
    """The parsed columns of all files, one below the other."""

    files: tuple[ParsedFile, ...]
    starts: IntArray  # [number of files + 1]
    frame: pd.DataFrame
    stamps: StampArray | None
    timezone: str | None
    values: npt.NDArray[np.float64]

    def locate(self, rows: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        """Return file and lines of rows; of rows in several files those of the first one."""
        owners = np.searchsorted(self.starts, np.asarray(rows, dtype=np.int64), side="right") - 1
        owner = int(owners[0])
        mine = [int(row - self.starts[owner]) for row, other in zip(rows, owners, strict=True) if other == owner]
        return self.files[owner].table.path, tuple(self.files[owner].lines_of(mine))


def join_files(files: Sequence[ParsedFile]) -> ParsedFiles:
    """Lay files one below the other; raises DataError where they write time in different ways."""
    starts = np.cumsum([0, *(len(one.values) for one in files)])
    stamps = [one.stamps for one in files if one.stamps is not None]
    kinds = {one.values.dtype.kind for one in stamps} | {one.timezone or "" for one in stamps}
    if len({one.values.dtype.kind for one in stamps}) > 1 or len({one.timezone for one in stamps}) > 1:
        names = listed([one.table.path for one in files])
        message = f"the files {names} write time in different ways ({', '.join(sorted(kinds))})"
        raise DataError(message, hint="write the time column of all files in one format", code="E_TIME_FORMATS")
    frames = [one.frame.assign(**{FILE_ID: name}) for one, name in zip(files, _file_ids(files), strict=True)]
    return ParsedFiles(
        files=tuple(files),
        starts=starts,
        frame=pd.concat(frames, ignore_index=True).fillna(""),
        stamps=np.concatenate([one.values for one in stamps]) if stamps else None,
        timezone=stamps[0].timezone if stamps else None,
        values=np.concatenate([one.values for one in files]),
    )


def _file_ids(files: Sequence[ParsedFile]) -> list[str]:
    """Return the stem of each file, or its path where two stems are the same."""
    stems = [one.table.source.stem for one in files]
    return stems if len(set(stems)) == len(stems) else [one.table.path for one in files]
