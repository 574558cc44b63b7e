"""The layout of the text of one file: comments, header, delimiter and column names."""

from __future__ import annotations

import csv
import re
import shlex
import unicodedata
from collections.abc import Sequence
from itertools import islice

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import data_error, listed, no_rows, quoted, quoted_path, rows_in_words
from rnnforecast.data.sources import Source, text_of
from rnnforecast.data.tables.csv_surroundings import num_titles, skipped_note, units_rows
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding
from rnnforecast.frozen import dataclass

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_ROWS = 50
#: Longer lines are rejected; a table of 10,000 columns needs far less.
MAX_LINE_BYTES = 2**23
#: More columns are rejected: choosing among them takes longer than reading.
MAX_COLUMNS = 20_000
#: Longer cells are rejected.
MAX_CELL_BYTES = 131_072
_CELLS = re.compile(rb"[,;\t|]")
#: Characters of a missing header that are shown: enough for a date.
_MAX_SHOWN = 10
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?.*|\d\d?[/.]\d\d?[/.]\d{2,4}.*")
_LOOKS_LIKE_DATA = re.compile(rf"[-+]?[\d.,]+(e[-+]?\d+)?|{_DATE.pattern}", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")


@dataclass(frozen=True)
class Dialect:
    """The layout of the text of one file."""

    delimiter: str
    names: tuple[str, ...]
    skipped_lines: int  # lines up to and including the header, and the row of units below it
    num_units: int = 0  # lines of units among them
    findings: tuple[Finding, ...] = ()


def read_dialect(source: Source, settings: DataSettings | None = None) -> Dialect:
    """Return delimiter and column names; raises DataError where there is no header or no row."""
    settings = settings or DataSettings()
    check_lines(source)
    csv.field_size_limit(MAX_LINE_BYTES)  # a header of 30,000 names is one field to a delimiter that it lacks
    try:
        return _read_dialect(source, settings)
    except csv.Error as error:
        message = f"{quoted_path(source.path)}: a quote opens in the first rows and does not close ({error})"
        raise DataError(message, hint="close the quote, or remove it", code="E_DATA_QUOTE") from error


def _read_dialect(source: Source, settings: DataSettings) -> Dialect:
    with text_of(source) as stream:
        lines = list(islice(stream, SNIFFED_ROWS * 4))
    skipped, told, findings = _skip_titles(source.path, lines, settings)
    delimiter = delimiter_of(settings.delimiter) or told or _sniff(source.path, lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows = [row for row in islice(reader, SNIFFED_ROWS) if row]
    if not rows:
        raise no_rows(source.path)
    if not settings.header:
        width = max(len(row) for row in rows)
        return Dialect(delimiter, tuple(f"column_{place + 1}" for place in range(width)), skipped)
    if len(rows) == 1:
        raise no_rows(source.path)
    if len(rows[0]) > MAX_COLUMNS:
        message = f"{quoted_path(source.path)} has {len(rows[0]):,} columns, at most {MAX_COLUMNS:,} are read"
        hint = "write series below each other, with a column that identifies them; or keep the columns that are used"
        raise DataError(message, hint=hint, code="E_DATA_COLUMNS")
    _check_header(source.path, rows, line=skipped + 1)
    names = column_names(rows[0])
    findings += _cleaned_names(source.path, rows[0], names)
    skipped += _header_lines(lines, delimiter)
    num_units, index = (int(settings.units_row), None) if settings.units_row is not None else units_rows(rows)
    if num_units:
        _check_one_header(source.path, rows, line=skipped)
        is_plain = settings.units_row is None and num_units == 1 and index is None
        flag = "`--units-row` confirms it" if is_plain else "named by --units-row" if settings.units_row else None
        left_out = [delimiter.join(row) for row in rows[1 : 1 + num_units]]
        findings += (skipped_note(source.path, "W_DATA_UNITS", "of units", left_out, first=skipped + 1, flag=flag),)
    names = names if index is None else (index, *names[1:])
    return Dialect(delimiter, names, skipped + num_units, num_units, findings)


def _check_one_header(path: str, rows: Sequence[Sequence[str]], *, line: int) -> None:
    """Raise DataError where the row below the header has the names that lack in it: a header of two rows."""
    lacking = [place for place, name in enumerate(rows[0]) if not name.strip() and rows[1][place].strip()]
    if not lacking:
        return
    message = f"{quoted_path(path)}: row {line} has no name above column {lacking[0] + 1}: its cells may be merged"
    raise DataError(message, hint=fix_of_two_headers(rows[1], line=line), code="E_DATA_MERGED")


def fix_of_two_headers(below: Sequence[str], *, line: int) -> str:
    """Return the flags that read a table below a header whose cells are merged; `line` is the last one of the header."""
    names = [name.strip() for name in below]
    if len(set(names)) == len(names):
        return f"take the row below it for the header: --skip-rows {line}; or write a name into each cell"
    return f"read it without names: --no-header --skip-rows {line + 1}; or write one name into each cell of one row"


def delimiter_of(word: str | None) -> str | None:
    """Return the delimiter that the user names. Raises UsageError for more than one character."""
    meant = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
    sign = None if word is None else meant.get(word.lower(), word)
    if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in '"\r\n\0'):
        message = f"invalid delimiter {quoted(word)}: it must be one ASCII character, or `tab`"
        raise UsageError(message, hint="such as --delimiter ';' or --delimiter tab", code="E_RUN_CONFIG")
    return sign


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Return header cells as names, without blanks and invisible characters; an empty one is `Unnamed: POSITION`."""
    cleaned = [_INVISIBLE.sub("", cell.replace("\u00a0", " ")).strip() for cell in header]
    return tuple(name or f"Unnamed: {position}" for position, name in enumerate(cleaned))


def folded(name: str) -> str:
    """Return a name without case and accents, to find the column that a misspelt name means."""
    apart = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in apart if not unicodedata.combining(sign)).casefold().strip()


def check_lines(source: Source) -> None:
    """Raise DataError for a line longer than any row, and for a cell longer than any value."""
    payload, position = source.payload, 0
    while len(payload) - position > MAX_LINE_BYTES:
        end = payload.rfind(b"\n", position, position + MAX_LINE_BYTES)
        if end < 0:
            line = payload.count(b"\n", 0, position) + 1
            message = f"{quoted_path(source.path)}, row {line} is longer than {MAX_LINE_BYTES} bytes"
            hint = "write one row per line; if the file is one line of numbers, put each number on a separate line"
            raise DataError(message, hint=hint, code="E_DATA_LINE")
        position = end + 1
    lines = _long_cells(payload)
    if lines:
        message = f"{rows_in_words(lines, len(lines))}: a cell of more than 128 KiB"
        fix = "remove these cells: no number, timestamp or id is so long"
        rows = tuple(lines[:MAX_LISTED_ROWS])
        raise data_error([Finding("E_DATA_CELL", message, source.path, rows, count=len(lines), fix=fix)])


def _long_cells(payload: bytes) -> list[int]:
    """Return the lines with a cell larger than `MAX_CELL_BYTES`; only long lines are examined."""
    found: list[int] = []
    position = 0
    while len(payload) - position > MAX_CELL_BYTES:
        end = payload.rfind(b"\n", position, position + MAX_CELL_BYTES)
        if end >= 0:
            position = end + 1
            continue
        end = payload.find(b"\n", position)
        end = len(payload) if end < 0 else end
        if max(map(len, _CELLS.split(payload[position:end]))) > MAX_CELL_BYTES:
            found.append(payload.count(b"\n", 0, position) + 1)
        position = end + 1
    return found


def _skip_head(lines: list[str]) -> tuple[int, str | None]:
    """Drop blank lines and a line `sep=;` before the header; returns their number, and the delimiter of the latter."""
    skipped, told = 0, None
    while lines and (not lines[0].strip() or lines[0].lower().startswith("sep=")):
        line = lines.pop(0).rstrip("\r\n")
        skipped += 1
        if line.lower().startswith("sep=") and len(line) == 5:
            told = line[4:]
    return skipped, told


def _skip_titles(path: str, lines: list[str], settings: DataSettings) -> tuple[int, str | None, tuple[Finding, ...]]:
    """Drop the lines above the header: as many as the user says, else blank ones, `sep=;` and titles.

    Returns their number, the delimiter of `sep=;`, and the warning about titles.
    """
    if settings.skip_rows is not None:
        if settings.skip_rows >= len(lines):
            message = f"--skip-rows {settings.skip_rows} leaves nothing of {quoted_path(path)}"
            raise UsageError(message, hint="name the number of lines above the header", code="E_RUN_CONFIG")
        titles = lines[: settings.skip_rows]
        del lines[: settings.skip_rows]
        skipped, told = _skip_head(lines)
        if not settings.skip_rows:
            return skipped, told, ()
        note = skipped_note(path, "W_DATA_TITLE", "above the header", titles, first=1, flag="named by --skip-rows")
        return skipped + settings.skip_rows, told, (note,)
    skipped, told = _skip_head(lines)
    _check_comments(path, lines, skipped=skipped, delimiter=settings.delimiter)
    sign = delimiter_of(settings.delimiter) or told
    count = num_titles(lines, DELIMITERS if sign is None else (sign,)) if settings.header else 0
    if not count:
        return skipped, told, ()
    titles = lines[:count]
    del lines[:count]
    flag = f"`--skip-rows {count}` confirms it"
    note = skipped_note(path, "W_DATA_TITLE", "above the header", titles, first=skipped + 1, flag=flag)
    return skipped + count, told, (note,)


def _check_comments(path: str, lines: list[str], *, skipped: int, delimiter: str | None) -> None:
    """Raise DataError for comments before the header: lines with `#` of fewer cells than the rows after them."""
    after = [line for line in lines if not line.startswith("#")]
    if not lines or not lines[0].startswith("#") or not after:
        return
    sign = delimiter_of(delimiter) or _sniff(path, after)
    width, rest = (len(next(csv.reader([line], delimiter=sign), [])) for line in (lines[0], after[0]))
    if width == rest and not lines[1:2][0].startswith("#"):
        return  # a header whose first name begins with `#`
    message = f"{quoted_path(path)}, row {skipped + 1} is a comment, not a header"
    hint = f"leave such lines out: --comment '#'; or remove them: grep -v '^#' {shlex.quote(path)} > rows.csv"
    raise DataError(message, hint=hint, code="E_DATA_COMMENT")


def _check_header(path: str, rows: Sequence[Sequence[str]], *, line: int) -> None:
    """Raise DataError where the first row is data: all of its cells look so, or one is a date like those below it."""
    header, below = rows[0], rows[1:6]
    dates = [
        place
        for place, cell in enumerate(header)
        if _DATE.fullmatch(cell.strip())
        and all(place < len(row) and _DATE.fullmatch(row[place].strip()) for row in below)
    ]
    if not dates and not all(_LOOKS_LIKE_DATA.fullmatch(cell.strip()) for cell in header):
        return
    raise DataError(
        f"{quoted_path(path)} has no header: row {line} begins with {quoted((header[0].split() or [''])[0][:_MAX_SHOWN])}",
        hint="--no-header calls the columns column_1, column_2 ...; or add a first line with their names",
        code="E_DATA_HEADER",
    )


def _cleaned_names(path: str, header: Sequence[str], names: Sequence[str]) -> tuple[Finding, ...]:
    """Return the warning about names with blanks or invisible characters around them."""
    changed = [new for old, new in zip(header, names, strict=True) if old != new and old.strip(" ")]
    if not changed:
        return ()
    message = f"blanks or invisible characters were removed from the column names {listed(changed)}"
    return (Finding("W_COLUMN_BLANKS", message, path, count=len(changed)),)


def _header_lines(lines: list[str], delimiter: str) -> int:
    reader = csv.reader(lines, delimiter=delimiter)
    next(reader)
    return reader.line_num


def _sniff(path: str, lines: list[str]) -> str:
    """Return the delimiter that splits header and rows into equally many cells, more than one."""
    fits: dict[str, int] = {}
    for delimiter in (sign for sign in DELIMITERS if any(sign in line for line in lines)):
        counts = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), SNIFFED_ROWS) if row]
        same = sum(abs(count - counts[0]) <= 1 for count in counts[1:])
        if counts and counts[0] > 1 and same >= 0.8 * (len(counts) - 1):
            fits[delimiter] = counts[0]
    if not fits:
        return ","
    best = [delimiter for delimiter in fits if fits[delimiter] == max(fits.values())]
    between_quotes = [delimiter for delimiter in best if f'"{delimiter}"' in lines[0]]
    best = between_quotes if len(between_quotes) == 1 else best
    if len(best) > 1:
        signs = " and ".join(quoted(delimiter) for delimiter in best)
        message = f"{quoted_path(path)}: {signs} split the rows equally well"
        hint = f"choose one: --delimiter '{best[0]}' or --delimiter '{best[1]}'"
        raise DataError(message, hint=hint, code="E_DATA_DELIMITER")
    return best[0]
