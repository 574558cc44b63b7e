"""Delimited text as columns, parsed fast: only the used ones, each into the narrowest type that holds it exactly.

Columns are known by position inside; rows of a frame are found again in the file by `Sheet.lines_of`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.errors import quoted_path, refusal, rows_in_words
from rnnforecast.data.tables.csv_columns import PIECE_BYTES, Gathered, pieces_of
from rnnforecast.data.tables.csv_dialect import Dialect, read_dialect
from rnnforecast.data.tables.csv_records import (
    Records,
    Text,
    examine,
    keep_lines,
    last_lines,
    line_bounds,
    ragged_finding,
    repeated_headers,
    trimmed,
    without_comments,
)
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from rnnforecast.arrays import BoolArray, Int64Array
    from rnnforecast.config import DataSettings
    from rnnforecast.data.sources import Source


SAMPLE_ROWS = 2_000
SAMPLE_BYTES = 2**22
#: Bytes that one thread parses at once, and what they become where a line is longer.
_BLOCK_BYTES = 2**22
_LONG_BLOCK_BYTES = 2**26
_FAILED_COLUMN = re.compile(r"In CSV column #(\d+)")
_PLAIN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_PLAIN_INTEGER = re.compile(r"-?\d{1,18}")
_RETRIES = 4
#: Share of distinct texts in a sample above which a column of timestamps is no dictionary: in a panel timestamps repeat later.
_MOSTLY_DISTINCT = 0.5


@dataclass
class Sheet:
    """The text of one file: its dialect, and what was found wrong with its rows while they were read.

    `problems` are refusals for the caller to raise; rows they name are left out, so that reading can go on and find
    the others.
    """

    path: str
    text: Text
    dialect: Dialect
    settings: DataSettings
    findings: list[Finding] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    _is_mended: bool = False
    _is_one_line_a_row: bool = False
    _block_bytes: int = field(default_factory=lambda: _BLOCK_BYTES)
    _lines: Int64Array | None = None
    _sample: pd.DataFrame | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return self.dialect.names

    def sample(self) -> pd.DataFrame:
        """Return the first rows as text, "" where a cell is empty."""
        import pyarrow as pa

        if self._sample is not None:
            return self._sample
        payload = self.text.payload
        end = position = 0
        for _ in range(self.dialect.skipped_lines + SAMPLE_ROWS):
            position = payload.find(b"\n", end) + 1
            if not position or position > SAMPLE_BYTES + end:
                break
            end = position
        end = len(payload) if not position or payload.count(b'"', 0, end) % 2 else max(end, 1)
        types = dict.fromkeys(range(len(self.names)), pa.string())
        try:
            table, _ = self._parse(types, end=end, block=_LONG_BLOCK_BYTES)
        except pa.ArrowInvalid as error:
            raise self._unreadable(error) from error
        frame: pd.DataFrame = table.slice(0, SAMPLE_ROWS).to_pandas()
        frame.columns = pd.Index(self.names)
        self._sample = frame
        return frame

    def read(self, *, text: Sequence[int], numeric: Sequence[int], time: Sequence[int] = ()) -> pd.DataFrame:
        """Return columns under their position, such as "3".

        Text is categorical, "" where a cell is empty. Numbers are float64, or categorical text where one cell is no
        plain number or the user names the marks. Time is datetime64[us] or int64 where every cell is written so, else
        text: as Arrow holds it where one column holds the timestamps and few repeat, else as objects.
        """
        import pyarrow as pa

        as_text = pa.dictionary(pa.int32(), pa.string())
        types: dict[int, Any] = dict.fromkeys(text, as_text)
        # where the point stands between thousands, plain numbers too are to be read so
        has_points = self.settings.decimal == "," or self.settings.thousands == "."
        types |= {place: as_text if has_points else pa.float64() for place in numeric}
        types |= {place: self._time_type(place, is_alone=len(time) == 1) for place in time if place not in text}
        if not self._is_mended and self._looks_odd():
            self._mend()
        for _ in range(_RETRIES + len(types)):
            try:
                gathered, is_ragged = self._gather(types)
            except pa.ArrowInvalid as error:
                failed = _FAILED_COLUMN.search(str(error))
                if failed is not None and int(failed[1]) in types:
                    types[int(failed[1])] = as_text
                elif self._block_bytes < _LONG_BLOCK_BYTES and "block" in str(error):
                    self._block_bytes = _LONG_BLOCK_BYTES  # a line is longer than a block
                else:
                    raise self._unreadable(error) from error
                continue
            is_one_line_a_row = gathered.num_rows == self._num_lines() - self.dialect.skipped_lines
            if not self._is_mended and (is_ragged or (not is_one_line_a_row and b'"' in self.text.payload)):
                self._mend()
                continue
            self._is_one_line_a_row = is_one_line_a_row
            columns = gathered.finish({str(place): kind for place, kind in types.items()})
            for name in {str(place) for place in time} & {*columns}:
                if isinstance(columns[name].dtype, pd.CategoricalDtype):
                    columns[name] = columns[name].astype(object)
            return pd.DataFrame(columns, copy=False)
        raise self._unreadable(ValueError("no reading of its columns fits"))

    def release(self) -> None:
        """Let go of the text where every line after the header is a row: lines are then counted without it."""
        if self._is_one_line_a_row:
            self._lines = self._sample = None
            self.text = Text(b"", self.text.lines)

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file, from 1, on which rows of a frame begin."""
        if not len(rows):
            return []
        if self._is_one_line_a_row:
            return [self.text.line_of(self.dialect.skipped_lines + int(row)) for row in rows]
        if self._lines is None:
            self._lines = self._find_lines()
        return [self.text.line_of(int(self._lines[row])) for row in rows]

    def _find_lines(self) -> Int64Array:
        """Return the line on which each row begins; rows are counted exactly where cells run over several lines."""
        if b'"' in self.text.payload:
            records = examine(self.text, self.dialect)
            return records.first if len(self.names) == 1 else records.first[records.cells > 0]
        starts, ends = line_bounds(self.text.payload)
        lines = np.arange(self.dialect.skipped_lines, len(starts), dtype=np.int64)
        return lines if len(self.names) == 1 else lines[(starts < ends)[self.dialect.skipped_lines :]]

    def _time_type(self, place: int, *, is_alone: bool) -> pa.DataType:
        """Return the type in which timestamps are tried first, from how they are written in the sample."""
        import pyarrow as pa

        if self.settings.date_format is not None:
            return pa.dictionary(pa.int32(), pa.string())
        cells = [cell for cell in self.sample().iloc[:200, place] if cell]
        if cells and all(_PLAIN_TIMESTAMP.fullmatch(cell) for cell in cells):
            return pa.timestamp("us")
        if cells and all(_PLAIN_INTEGER.fullmatch(cell) for cell in cells):
            return pa.int64()
        if is_alone and len(set(cells)) > _MOSTLY_DISTINCT * len(cells):
            return pa.string()
        return pa.dictionary(pa.int32(), pa.string())

    def _gather(self, types: Mapping[int, pa.DataType]) -> tuple[Gathered, bool]:
        """Return the columns that have a type, and whether rows of another width were passed over."""
        import pyarrow as pa

        payload = self.text.payload
        gathered = Gathered({str(place): kind for place, kind in types.items()}, limit=self._num_lines())
        # quoted cells over several lines are cut by no line end, and a lone column has rows without a sign
        is_whole = len(self.names) == 1 or (self._is_mended and b'"' in payload)
        is_ragged = False
        for begin, end in pieces_of(payload, size=len(payload) if is_whole else PIECE_BYTES):
            table, skipped = self._parse(types, begin=begin, end=end)
            gathered.add(table)
            del table
            pa.default_memory_pool().release_unused()
            is_ragged = is_ragged or skipped
        return gathered, is_ragged

    def _num_lines(self) -> int:
        return self.text.payload.count(b"\n") + (not self.text.payload.endswith(b"\n"))

    def _parse(
        self, types: Mapping[int, pa.DataType], *, begin: int = 0, end: int | None = None, block: int | None = None
    ) -> tuple[pa.Table, bool]:
        """Return a part of the columns that have a type, and whether rows of another width were passed over."""
        import pyarrow as pa
        from pyarrow import csv

        payload = self.text.payload
        end = len(payload) if end is None else end
        num_bad = 0

        def skip(row: object) -> str:  # noqa: ARG001
            nonlocal num_bad
            num_bad += 1
            return "skip"

        has_quotes = payload.find(b'"', begin, end) >= 0
        if len(self.names) == 1:
            end = len(payload[:end].rstrip())  # blank lines at the end are no missing values
        buffer = pa.py_buffer(payload).slice(begin, end - begin)
        names = [str(place) for place in range(len(self.names))]
        table = csv.read_csv(
            pa.BufferReader(buffer),
            read_options=csv.ReadOptions(
                skip_rows=self.dialect.skipped_lines if begin == 0 else 0,
                column_names=names,
                block_size=block or self._block_bytes,
            ),
            parse_options=csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char='"' if has_quotes else False,
                # a cell over several lines that a block cuts leaves rows of another width, and is then parsed exactly
                newlines_in_values=has_quotes and (self._is_mended or len(self.names) == 1),
                ignore_empty_lines=len(self.names) > 1,
                invalid_row_handler=skip,
            ),
            convert_options=csv.ConvertOptions(
                include_columns=[str(place) for place in types],
                column_types={str(place): kind for place, kind in types.items()},
                null_values=[""],
                strings_can_be_null=False,
                timestamp_parsers=[csv.ISO8601],
            ),
        )
        return table, num_bad > 0

    def _looks_odd(self) -> bool:
        """Whether the text has what a fast parser reads in silence: odd quotes, a header again, a row to be dropped."""
        payload = self.text.payload
        odd_quotes = payload.count(b'"') % 2 == 1
        cut = self.settings.drop_last_partial and not payload.endswith(b"\n")
        return odd_quotes or cut or bool(len(repeated_headers(self.text, self.dialect)))

    def _mend(self) -> None:
        """Leave out the rows that are not whole, or were asked to be left out; say so, or keep the problem."""
        self._is_mended = True
        records = examine(self.text, self.dialect)
        if records.open_quote is not None:
            line = self.text.line_of(records.open_quote)
            message = f"row {line}: a quote opens there, and the quotes do not pair up ({records.reason})"
            fix = "close the quote that opens there, or remove it"
            raise refusal([Finding("E_DATA_QUOTE", message, self.path, (line,), count=1, fix=fix)])
        leave = self._repeated(records) | self._cut_off(records) | self._ragged(records)
        extra = np.flatnonzero((records.extra > 0) & ~leave)
        keep = np.ones(len(line_bounds(self.text.payload)[0]), dtype=np.bool_)
        for row in np.flatnonzero(leave):
            keep[records.first[row] : records.last[row] + 1] = False
        mended = self.text
        if len(extra):
            lines = tuple(self.text.line_of(int(records.first[row])) for row in extra[:MAX_LISTED_ROWS])
            message = f"{rows_in_words(lines, len(extra))}: delimiters behind the last column were dropped"
            self.findings.append(Finding("W_DATA_TRAILING", message, self.path, lines, count=len(extra)))
            mended = trimmed(mended, records, extra, self.dialect.delimiter)
        self.text = mended if keep.all() else keep_lines(mended, keep)
        self._lines = self._sample = None

    def _repeated(self, records: Records) -> BoolArray:
        again: BoolArray = np.isin(records.first, repeated_headers(self.text, self.dialect))
        rows = np.flatnonzero(again)
        if len(rows):
            lines = tuple(self.text.line_of(int(records.first[row])) for row in rows[:MAX_LISTED_ROWS])
            message = f"{rows_in_words(lines, len(rows))}: the header stands there again"
            self._tell("DATA_HEADER_AGAIN", message, lines, len(rows), skipped=self.settings.skip_bad_rows)
        return again

    def _cut_off(self, records: Records) -> BoolArray:
        leave = np.zeros(len(records.cells), dtype=np.bool_)
        if self.settings.drop_last_partial and len(leave) and not self.text.payload.endswith(b"\n"):
            leave[-1] = True
            line = self.text.line_of(int(records.first[-1]))
            message = f"row {line}: the last row has no line end and was left out"
            self.findings.append(Finding("W_DATA_PARTIAL", message, self.path, (line,), count=1))
        return leave

    def _ragged(self, records: Records) -> BoolArray:
        wrong: BoolArray = (records.cells != len(self.names)) & (records.cells > 0) & (records.extra == 0)
        if self.settings.drop_last_partial and len(wrong) and not self.text.payload.endswith(b"\n"):
            wrong[-1] = False
        starts, ends = line_bounds(self.text.payload)
        lone = np.flatnonzero(wrong & (records.cells == 1))
        blank = [
            row for row in lone if not self.text.payload[starts[records.first[row]] : ends[records.last[row]]].strip()
        ]
        problem = wrong.copy()
        problem[blank] = False  # a line of blanks is a blank line
        rows = np.flatnonzero(problem)
        if len(rows):
            finding = ragged_finding(self.path, self.text, self.dialect, records, rows)
            if self.settings.skip_bad_rows:
                self._tell("DATA_RAGGED", finding.message, finding.rows, len(rows), skipped=True)
            else:
                self.problems.append(finding)
        return wrong

    def _tell(self, code: str, message: str, lines: tuple[int, ...], count: int, *, skipped: bool) -> None:
        if skipped:
            message = f"{message}; left out"
            self.findings.append(Finding(f"W_{code}", message, self.path, lines, count=count))
        else:
            fix = "remove these rows, or leave them out: --skip-bad-rows"
            self.problems.append(Finding(f"E_{code}", message, self.path, lines, count=count, fix=fix))

    def _unreadable(self, error: Exception) -> DataError:
        words = str(error).splitlines()[0][:200]
        return DataError(
            f"{quoted_path(self.path)} cannot be read as a table: {words}",
            hint="open it in an editor and look for a row unlike the others",
            code="E_DATA_RAGGED",
        )


def sample_note(path: str, num_rows: int, left_out: int) -> Finding:
    """Return the note that only the last rows of a file are read."""
    message = f"--sample: the last {num_rows} rows are read, the {left_out} before them are left out"
    return Finding("N_DATA_SAMPLE", message, path, count=left_out)


def open_sheet(source: Source, settings: DataSettings) -> Sheet:
    """Return the text of a source as a sheet; raises DataError where it has no header, or no row."""
    text, findings = Text(source.payload), []
    if settings.comment:
        text, count = without_comments(text, settings.comment)
        if count:
            message = f"{count} lines that begin with `{settings.comment}` are comments"
            findings.append(Finding("N_DATA_COMMENTS", message, source.path, count=count))
    dialect = read_dialect(source.with_payload(text.payload), settings)
    if settings.sample is not None:
        text, left_out = last_lines(text, settings.sample, head=dialect.skipped_lines)
        if left_out:
            findings.append(sample_note(source.path, settings.sample, left_out))
    spaced = f'{dialect.delimiter} "'.encode()
    if spaced in text.payload:
        text = Text(text.payload.replace(spaced, spaced.replace(b" ", b"", 1)), text.lines)
    findings += dialect.findings
    if dialect.delimiter != ",":
        sign = {"\t": "tabs", " ": "blanks"}.get(dialect.delimiter, f"`{dialect.delimiter}`")
        words = f"cells are parted by {sign}"
        findings.append(Finding("N_DATA_DELIMITER", words, source.path, value=dialect.delimiter))
    return Sheet(source.path, text, dialect, settings, findings)
