"""Which rows of a text are whole: comments, repeated headers, ragged and cut rows, quotes that never close.

Only files that are not plain are examined; plain ones are read by the fast parser alone. Lines are numbered from
0 here and from 1 in findings.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from rnnforecast.arrays import BoolArray, Int64Array
from rnnforecast.data.errors import quoted, rows_in_words
from rnnforecast.data.tables.csv_dialect import Dialect
from rnnforecast.findings import MAX_LISTED_ROWS, Finding, plural
from rnnforecast.frozen import dataclass

#: A quoted cell with more line breaks is taken for a quote that never closes.
MAX_CELL_LINES = 100
_LINE_FEED = ord("\n")
_COUNTED = 2**18  # bytes of a block whose lines are counted


@dataclass(frozen=True)
class Records:
    """Every record after the header, in order; a blank line is one with 0 cells."""

    first: Int64Array  # [R] its first line
    last: Int64Array  # [R] its last line
    cells: Int64Array  # [R] number of cells
    extra: Int64Array  # [R] empty cells behind the last column, where nothing else is wrong
    open_quote: int | None = None  # line of a record whose quotes do not pair up
    reason: str = ""


@dataclass(frozen=True)
class Text:
    """Text without the rows that are left out, and the line of the file of each of its lines."""

    payload: bytes
    lines: Int64Array | None = None  # None: as in the file

    @cached_property
    def num_lines(self) -> int:
        """The number of lines, a last one without a line end too; counted block by block, which stays in the cache."""
        signs = np.frombuffer(self.payload, dtype=np.uint8)
        ends = (int(np.count_nonzero(signs[at : at + _COUNTED] == _LINE_FEED)) for at in range(0, len(signs), _COUNTED))
        return sum(ends) + (not self.payload.endswith(b"\n"))

    def line_of(self, line: int) -> int:
        """Return the line of the file, from 1, of a line of this text."""
        return (line if self.lines is None else int(self.lines[line])) + 1


def line_bounds(payload: bytes) -> tuple[Int64Array, Int64Array]:
    """Return where each line begins and where its line feed (or the end of the text) is."""
    ends = np.flatnonzero(np.frombuffer(payload, dtype=np.uint8) == _LINE_FEED)
    if payload and not payload.endswith(b"\n"):
        ends = np.append(ends, len(payload))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    return starts.astype(np.int64), ends.astype(np.int64)


def keep_lines(text: Text, keep: BoolArray) -> Text:
    """Return a text with some of its lines."""
    starts, ends = line_bounds(text.payload)
    lengths = np.append(starts[1:], len(text.payload)) - starts
    content = np.frombuffer(text.payload, dtype=np.uint8)[np.repeat(keep, lengths)]
    lines = np.arange(len(ends), dtype=np.int64) if text.lines is None else text.lines
    return Text(content.tobytes(), lines[keep])


def without_comments(text: Text, sign: str) -> tuple[Text, int]:
    """Return a text without the lines that begin with `sign`, and their number."""
    starts, _ = line_bounds(text.payload)
    marks = sign.encode()
    content = np.frombuffer(text.payload, dtype=np.uint8)
    keep = np.zeros(len(starts), dtype=np.bool_)
    for place, byte in enumerate(marks):
        inside = starts + place < len(content)
        keep |= ~inside | (content[np.minimum(starts + place, len(content) - 1)] != byte)
    if keep.all():
        return text, 0
    return keep_lines(text, keep), int((~keep).sum())


_BORDER = re.compile(rb"[ \t]*[-+|=:][-+|=: \t]{4,}\r?")
_FRAMED = re.compile(rb"^[ \t]*\|[ \t]*|[ \t]*\|?[ \t]*\r?$", re.MULTILINE)


def without_frame(text: Text) -> tuple[Text, int]:
    """Return a table without the borders that SAP, psql, MySQL and Markdown draw around it, and their number of lines."""
    head = text.payload[:4_096].split(b"\n")[:8]
    if not any(b"--" in line and _BORDER.fullmatch(line) for line in head) or not any(b"|" in line for line in head):
        return text, 0
    keep = np.array([_BORDER.fullmatch(line) is None for line in text.payload.removesuffix(b"\n").split(b"\n")])
    kept = keep_lines(text, keep)
    return Text(_FRAMED.sub(b"", kept.payload), kept.lines), int((~keep).sum())


def last_lines(text: Text, count: int, *, head: int) -> tuple[Text, int]:
    """Return a text with its first `head` lines and about its last `count` ones, and the number of lines left out.

    A text with quotes is split where they pair up.
    """
    starts, ends = line_bounds(text.payload)
    first = max(len(starts) - count, head)
    while first < len(starts) and text.payload.count(b'"', int(starts[first])) % 2:
        first += 1
    if first <= head:
        return text, 0
    keep = np.ones(len(ends), dtype=np.bool_)
    keep[head:first] = False
    return keep_lines(text, keep), first - head


def examine(text: Text, dialect: Dialect) -> Records:
    """Return the records of a text: by counting delimiters where there are no quotes, else by the exact parser."""
    if b'"' in text.payload:
        return _quoted_records(text, dialect)
    starts, ends = line_bounds(text.payload)
    content = np.frombuffer(text.payload, dtype=np.uint8)
    sign = ord(dialect.delimiter)
    cells = np.diff(np.searchsorted(np.flatnonzero(content == sign), ends), prepend=0) + 1
    blank = starts == ends
    width = len(dialect.names)
    extra = np.maximum(cells - width, 0)
    for place in range(int(extra.max(initial=0)) if extra.max(initial=0) <= 16 else 0):
        chosen = np.flatnonzero(extra > place)
        wrong = content[np.maximum(ends[chosen] - 1 - place, 0)] != sign
        extra[chosen[wrong]] = 0
    extra = np.where((extra > 0) & (cells - extra == width), extra, 0)
    lines = np.arange(dialect.skipped_lines, len(ends), dtype=np.int64)
    skip = slice(dialect.skipped_lines, None)
    return Records(lines, lines, np.where(blank, 0, cells)[skip], extra[skip])


def _quoted_records(text: Text, dialect: Dialect) -> Records:
    rows: list[tuple[int, int, int, int]] = []
    begin, open_quote, reason = dialect.skipped_lines, None, ""
    try:
        for first, last, row in iterate(text, dialect):
            extra = len(row) - len(dialect.names)
            trailing = extra > 0 and not any(cell.strip() for cell in row[len(dialect.names) :])
            rows.append((first, last, len(row), extra if trailing else 0))
            begin = last + 1
            if last - first > MAX_CELL_LINES:
                open_quote, reason = first, f"one row would run over {last - first + 1} lines"
                break
    except csv.Error as error:
        open_quote, reason = begin, str(error)
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Records(table[:, 0], table[:, 1], table[:, 2], table[:, 3], open_quote, reason)


def iterate(text: Text, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
    """Yield every record after the header with its first and last line; raises csv.Error for unpaired quotes."""
    with io.TextIOWrapper(io.BytesIO(text.payload), encoding="utf-8", newline="") as stream:
        for _ in range(dialect.skipped_lines):
            next(stream)
        reader = csv.reader(stream, delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
        before = dialect.skipped_lines
        for row in reader:
            after = dialect.skipped_lines + reader.line_num
            yield before, after - 1, row
            before = after


def repeated_headers(text: Text, dialect: Dialect) -> Int64Array:
    """Return the lines that repeat the header."""
    if not dialect.skipped_lines:
        return np.zeros(0, dtype=np.int64)
    position = 0
    for _ in range(dialect.skipped_lines - 1 - dialect.num_units):
        position = text.payload.find(b"\n", position) + 1
    end = text.payload.find(b"\n", position)
    header = b"\n" + text.payload[position : end + 1]
    found: list[int] = []
    line, before, place = 0, 0, text.payload.find(header, end)
    while place >= 0 and len(header) > 2:
        line += text.payload.count(b"\n", before, place + 1)
        found.append(line)
        before = place + 1
        place = text.payload.find(header, before)
    return np.array(found, dtype=np.int64)


def ragged_finding(path: str, text: Text, dialect: Dialect, records: Records, bad: Int64Array) -> Finding:
    """Return the error of rows with too many or too few cells."""
    lines = tuple(text.line_of(int(records.first[row])) for row in bad[:MAX_LISTED_ROWS])
    cells = int(records.cells[bad[0]])
    width = len(dialect.names)
    counts = f"{plural(cells, 'cell')} where the header has {plural(width, 'column')}"
    where = rows_in_words(lines, len(bad))
    starts, ends = line_bounds(text.payload)
    firsts = [text.payload[starts[line] : ends[line]][:60].decode(errors="replace") for line in records.first[bad[:5]]]
    # where most rows are bad, the file may be no table at all, and none of its lines is shown
    shown = f", {quoted(firsts[0])}" if 2 * len(bad) <= len(records.cells) else ""
    if all(cell.lstrip().startswith("#") for cell in firsts):
        message, fix = f"{where}: comments{shown}", "leave such lines out: --comment '#'"
    elif len(bad) == 1 and bad[0] == len(records.cells) - 1 and cells < width and not text.payload.endswith(b"\n"):
        message = f"{where}: the last row is incomplete, {counts}, no line end"
        fix = "wait until the file is written, or leave that row out: --drop-last-partial"
    else:
        message = f"{where}: {counts}{shown}"
        fix = (
            "correct these rows (a comma inside a number needs quotes), or leave them out: --skip-bad-rows; "
            "lines above the header: --skip-rows, at the foot: --footer"
        )
    return Finding("E_DATA_RAGGED", message, path, lines, value=str(cells), count=len(bad), fix=fix)


def trimmed(text: Text, records: Records, rows: Int64Array, sign: str) -> Text:
    """Return a text whose rows lost the delimiters behind their last column."""
    _, ends = line_bounds(text.payload)
    keep = np.ones(len(text.payload), dtype=np.bool_)
    for row in rows[records.extra[rows] > 0]:
        end = begin = int(ends[records.last[row]])
        for _ in range(int(records.extra[row])):
            begin = text.payload.rfind(sign.encode(), 0, begin)
        keep[begin:end] = False
    return Text(np.frombuffer(text.payload, dtype=np.uint8)[keep].tobytes(), text.lines)
