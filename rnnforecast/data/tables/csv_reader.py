"""Delimited text as columns, parsed by pyarrow: only used ones, each into the narrowest type that holds it exactly.

Columns are numbered while they are parsed, since names may repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from rnnforecast.arrays import BoolArray, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.errors import data_error, no_rows, quoted_path, rows_in_words
from rnnforecast.data.sources import Source
from rnnforecast.data.tables.csv_dialect import Dialect, delimiter_of, read_dialect
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
    without_frame,
)
from rnnforecast.data.tables.csv_surroundings import collapsed_blanks, skipped_note, split_footer, without_last_lines
from rnnforecast.data.tables.formats import SAMPLE_ROWS, sample_note
from rnnforecast.data.values.number_formats import cleaned, doubtful_point
from rnnforecast.data.values.numbers import EXACT, LARGEST_INTEGER
from rnnforecast.errors import DataError, first_line
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

SAMPLE_BYTES = 2**22
#: Bytes parsed in one piece: the parser needs a few times as much memory besides the arrays.
PIECE_BYTES = 2**24
#: Bytes that one thread parses at once, and the same where a line is longer.
_BLOCK_BYTES = 2**22
_LONG_BLOCK_BYTES = 2**26
_FAILED_COLUMN = re.compile(r"In CSV column #(\d+)")
_PLAIN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_PLAIN_INTEGER = re.compile(r"-?\d{1,18}")
_RETRIES = 4
#: Fraction of distinct texts in a sample above which timestamps are not read as a dictionary; in a panel they repeat.
_MOSTLY_DISTINCT = 0.5


def open_columns(source: Source, settings: DataSettings) -> CsvTable:
    """Return the text of a source as a table; raises DataError where it has no header, or no row."""
    text, findings = Text(source.payload), []
    if settings.comment:
        text, count = without_comments(text, settings.comment)
        if count:
            message = f"{count} lines that begin with `{settings.comment}` are comments"
            findings.append(Finding("N_DATA_COMMENTS", message, source.path, count=count))
    text, count = without_frame(text)
    if count:
        message = f"{count} lines that draw a border around the table are left out"
        findings.append(Finding("N_DATA_COMMENTS", message, source.path, count=count))
    if delimiter_of(settings.delimiter) == " ":
        text = Text(collapsed_blanks(text.payload), text.lines)
    dialect = read_dialect(source.with_payload(text.payload), settings)
    text = _without_footer(text, dialect, settings, findings, path=source.path)
    if settings.sample is not None:
        text, left_out = last_lines(text, settings.sample, head=dialect.skipped_lines)
        if left_out:
            findings.append(sample_note(source.path, settings.sample, left_out))
    spaced = f'{dialect.delimiter} "'.encode()
    if b'"' in text.payload and spaced in text.payload:  # one sign is found faster than three
        text = Text(text.payload.replace(spaced, spaced.replace(b" ", b"", 1)), text.lines)
    findings += dialect.findings
    if dialect.delimiter != ",":
        sign = {"\t": "tabs", " ": "blanks"}.get(dialect.delimiter, f"`{dialect.delimiter}`")
        message = f"fields are separated by {sign}"
        findings.append(Finding("N_DATA_DELIMITER", message, source.path, value=dialect.delimiter))
    return CsvTable(source.path, text, dialect, settings, findings)


def _without_footer(
    text: Text, dialect: Dialect, settings: DataSettings, findings: list[Finding], *, path: str
) -> Text:
    """Return the text without totals and notes at its foot: as many lines as the user says, else those that are found."""
    if settings.footer is not None:
        lines = text.payload.decode(errors="replace").rstrip("\n").split("\n")[-settings.footer or len(text.payload) :]
        payload = without_last_lines(text.payload.rstrip(b"\n") + b"\n", settings.footer)
    else:
        payload, lines = split_footer(text.payload, delimiter=dialect.delimiter, width=len(dialect.names))
    if not lines or (first := payload.count(b"\n") + 1) <= dialect.skipped_lines:
        return text
    flag = f"`--footer {len(lines)}` confirms it" if settings.footer is None else "named by --footer"
    findings.append(skipped_note(path, "W_DATA_FOOTER", "at the foot", lines, first=first, flag=flag))
    return Text(payload, None if text.lines is None else text.lines[: first - 1])


@dataclass
class CsvTable:
    """The text of one file, and the errors found in its rows while they were read.

    `problems` are errors for the caller to raise; the rows they name are left out, so that one reading finds them all.
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
        """Return the first rows as text, "" where a cell is empty. Raises DataError where there is no row."""
        if self._sample is None:
            self._sample = self._first_rows()
        if self._sample.empty:
            self._read([0], [], [])  # the rows may all be of another width
            if self.problems:
                raise data_error(self.problems)
            self._sample = self._first_rows()
        if self._sample.empty:
            raise no_rows(self.path)
        return self._sample

    def _first_rows(self) -> pd.DataFrame:
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
        return frame

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return columns by name.

        Text is categorical, "" where a cell is empty. Numbers are float64, or categorical text where one cell is not a
        plain number or the user names the decimal sign. Time is datetime64[us] or int64 where every cell is written so,
        else text: Arrow text where one column holds the timestamps and few repeat, else objects.
        """
        place = {name: index for index, name in reversed(list(enumerate(self.names)))}
        text_places, numeric_places, time_places = ([place[name] for name in names] for names in (text, numeric, time))
        frame = self._read(text_places, numeric_places, time_places)
        for number in numeric_places:
            if _may_lose_digits(frame[str(number)]):
                frame[str(number)] = self._read([number], [], [])[str(number)]
        names = dict.fromkeys([*time, *text, *numeric])
        return pd.DataFrame({name: frame[str(place[name])] for name in names}, copy=False)

    def _read(self, text: Sequence[int], numeric: Sequence[int], time: Sequence[int]) -> pd.DataFrame:
        """Return columns under their position, such as "3"."""
        as_text = pa.dictionary(pa.int32(), pa.string())
        types: dict[int, Any] = dict.fromkeys(text, as_text)
        # with points between thousands, plain numbers too need the parser of numbers
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
            is_one_line_a_row = gathered.num_rows == self.text.num_lines - self.dialect.skipped_lines
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

    def unusable(self, names: Sequence[str]) -> list[Finding]:  # noqa: ARG002
        """Return nothing: any text can be read."""
        return []

    def ambiguous_numbers(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns of numbers whose points have two readings, by the sample.

        Files with `;` between fields often have decimal commas, and points between thousands.
        """
        if self.dialect.delimiter != ";" or self.settings.decimal is not None or self.settings.thousands is not None:
            return []
        found = ((name, doubtful_point(cleaned(text) for text in self.sample()[name])) for name in names)
        return [self._ambiguous(name, *texts) for name, texts in found if texts is not None]

    def _ambiguous(self, name: str, pointed: str, whole: str) -> Finding:
        row = [cleaned(text) for text in self.sample()[name]].index(pointed)
        plain = pointed.replace(".", "")
        lines = tuple(self.lines_of([row]))
        message = (
            f"column `{name}`, {rows_in_words(lines, 1)}: `{pointed}` may mean {plain} or {pointed}: fields are "
            f"separated by `;`, and the column also contains `{whole}`"
        )
        fix = f"choose one: --thousands . reads {plain}, --decimal . reads {pointed}"
        return Finding("E_VALUE_TEXT", message, self.path, lines, name, pointed, 1, fix)

    def release(self) -> None:
        """Free the text where every line after the header is a row: lines are then counted without it."""
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

    def _gather(self, types: Mapping[int, pa.DataType]) -> tuple[ColumnBuffers, bool]:
        """Return the columns that have a type, and whether rows of another width were skipped."""
        payload = self.text.payload
        gathered = ColumnBuffers({str(place): kind for place, kind in types.items()}, limit=self.text.num_lines)
        # line ends inside quoted cells must not split them, and a single column may have empty rows
        is_whole = len(self.names) == 1 or (self._is_mended and b'"' in payload)
        is_ragged = False
        for begin, end in pieces_of(payload, size=len(payload) if is_whole else PIECE_BYTES):
            table, skipped = self._parse(types, begin=begin, end=end)
            gathered.add(table)
            del table
            pa.default_memory_pool().release_unused()
            is_ragged = is_ragged or skipped
        return gathered, is_ragged

    def _parse(
        self, types: Mapping[int, pa.DataType], *, begin: int = 0, end: int | None = None, block: int | None = None
    ) -> tuple[pa.Table, bool]:
        """Return a part of the columns that have a type, and whether rows of another width were skipped."""
        payload = self.text.payload
        end = len(payload) if end is None else end
        num_bad = 0

        def skip(row: object) -> str:  # noqa: ARG001
            nonlocal num_bad
            num_bad += 1
            return "skip"

        has_quotes = payload.find(b'"', begin, end) >= 0
        if len(self.names) == 1:
            end = len(payload[:end].rstrip())  # blank lines at the end are not missing values
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
                # a cell over several lines that a block splits leaves rows of another width, and is then parsed exactly
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
        """Whether the text has flaws that the fast parser does not report: odd quotes, a repeated header, a row to drop."""
        payload = self.text.payload
        odd_quotes = payload.count(b'"') % 2 == 1
        cut = self.settings.drop_last_partial and not payload.endswith(b"\n")
        return odd_quotes or cut or bool(len(repeated_headers(self.text, self.dialect)))

    def _mend(self) -> None:
        """Leave out rows that are incomplete or excluded by the settings, with a warning or a problem for each kind."""
        self._is_mended = True
        records = examine(self.text, self.dialect)
        if records.open_quote is not None:
            line = self.text.line_of(records.open_quote)
            message = f"row {line}: a quote opens there, and the quotes do not pair up ({records.reason})"
            fix = "close the quote that opens there, or remove it"
            raise data_error([Finding("E_DATA_QUOTE", message, self.path, (line,), count=1, fix=fix)])
        leave = self._repeated(records) | self._cut_off(records) | self._ragged(records)
        extra = np.flatnonzero((records.extra > 0) & ~leave)
        keep = np.ones(len(line_bounds(self.text.payload)[0]), dtype=np.bool_)
        for row in np.flatnonzero(leave):
            keep[records.first[row] : records.last[row] + 1] = False
        mended = self.text
        if len(extra):
            lines = tuple(self.text.line_of(int(records.first[row])) for row in extra[:MAX_LISTED_ROWS])
            message = f"{rows_in_words(lines, len(extra))}: delimiters after the last column were dropped"
            self.findings.append(Finding("W_DATA_TRAILING", message, self.path, lines, count=len(extra)))
            mended = trimmed(mended, records, extra, self.dialect.delimiter)
        self.text = mended if keep.all() else keep_lines(mended, keep)
        self._lines = self._sample = None

    def _repeated(self, records: Records) -> BoolArray:
        again: BoolArray = np.isin(records.first, repeated_headers(self.text, self.dialect))
        rows = np.flatnonzero(again)
        if len(rows):
            lines = tuple(self.text.line_of(int(records.first[row])) for row in rows[:MAX_LISTED_ROWS])
            message = f"{rows_in_words(lines, len(rows))}: the header is repeated there"
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
        words = first_line(error)
        if words.startswith("Could not skip") and len(self.names) == 1 and self.settings.sample is None:
            message = f"{quoted_path(self.path)}: row 1 is not the header of the rows below it"
            hint = "leave out the lines above the header: --skip-rows 1, or as many as there are"
            return DataError(message, hint=hint, code="E_DATA_RAGGED")
        message = f"{quoted_path(self.path)} cannot be read as a table: {words}"
        hint = "open it in an editor and look for a row unlike the others"
        return DataError(message, hint=hint, code="E_DATA_RAGGED")


def pieces_of(payload: bytes, *, size: int) -> Iterator[tuple[int, int]]:
    """Yield begins and ends of pieces of about that many bytes that end with a line; pieces of blanks are left out."""
    begin = 0
    while begin < len(payload):
        end = begin + size
        end = payload.find(b"\n", end) + 1 if end < len(payload) else len(payload)
        end = end or len(payload)
        if begin == 0 or payload[begin : begin + 99].strip() or payload[begin:end].strip():
            yield begin, end
        begin = end


class ColumnBuffers:
    """The columns of a text while its pieces arrive, in arrays of their final size; no piece is kept."""

    def __init__(self, types: Mapping[str, pa.DataType], *, limit: int) -> None:
        """Reserve at most `limit` rows; memory is allocated as rows arrive."""
        self.num_rows = 0
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._chunks: dict[str, list[pa.Array]] = {}
        for name, kind in types.items():
            if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
                self._chunks[name] = []
            else:
                self._arrays[name] = np.empty(limit, dtype=kind.to_pandas_dtype())

    def add(self, table: pa.Table) -> None:
        """Take the next rows; raises ArrowInvalid, as the parser does, where a column of whole numbers lacks one."""
        for name, array in self._arrays.items():
            start = self.num_rows
            if array.dtype.kind == "i" and table.column(name).null_count:
                raise pa.ArrowInvalid(f"In CSV column #{name}: no whole number")
            for chunk in table.column(name).chunks:
                array[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
                start += len(chunk)
        for name, chunks in self._chunks.items():
            chunks += table.column(name).chunks
        self.num_rows += table.num_rows

    def finish(self, types: Mapping[str, pa.DataType]) -> dict[str, pd.Series[Any]]:
        """Return the whole columns in the order of `types`: texts of a dictionary as categories, others as Arrow's."""
        columns: dict[str, pd.Series[Any]] = {}
        for name, kind in types.items():
            if name in self._arrays:
                columns[name] = pd.Series(self._arrays.pop(name)[: self.num_rows], copy=False)
                continue
            whole = pa.chunked_array(self._chunks.pop(name), kind)
            if pa.types.is_dictionary(kind):
                columns[name] = whole.unify_dictionaries().to_pandas()
            else:
                columns[name] = pd.Series(pd.arrays.ArrowExtensionArray(whole))
        return columns


def _may_lose_digits(column: pd.Series[Any]) -> bool:
    """Whether a column has whole numbers so large that only their text tells whether a digit is lost."""
    if column.dtype != np.float64:
        return False
    values = column.to_numpy()
    if max(np.fmax.reduce(values, initial=0.0), -np.fmin.reduce(values, initial=0.0)) < EXACT:
        return False  # nearly every column, without a copy of it
    size = np.abs(values)
    return bool(((size >= EXACT) & (size <= LARGEST_INTEGER)).any())
