"""Lines around a table of text: titles above the header, a row of units below it, totals and footnotes at the foot."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

from rnnforecast.data.columns.profiles import named_like_time
from rnnforecast.data.errors import quoted
from rnnforecast.data.timestamps.formats import format_of
from rnnforecast.data.values.number_formats import has_unit, is_numeric
from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding, plural

#: Lines above a header, and lines at the foot, that are looked for.
MAX_TITLES, MAX_FOOTER = 30, 10
#: Rows of units below a header.
MAX_UNITS = 3
#: How wide columns are and what they hold, as the USGS writes below the header: `5s`, `20d`, `14n`.
_FORMAT = re.compile(r"\d{1,3}[sdn]")
#: Fraction of rows of one width that shows the table among other lines.
_MOSTLY = 0.8
_FOOT = re.compile(
    r"\W*(?:(?:grand |sub)?totals?|sum|summe|gesamt|average|mean|sources?|quelle|notes?|footnotes?|generated|exported"
    r"|copyright|end of (?:file|report))\b.*|[*\u00a9\u2020].*",
    re.IGNORECASE,
)
_UNIT = re.compile(r"[\[(]?[^\d\s,;][^,;]{0,14}[\])]?")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_BLANKS = re.compile(rb"[ \t]+")


def num_titles(lines: Sequence[str], delimiters: Sequence[str]) -> int:
    """Return the number of lines above the header: 0 where the first line may be the header itself.

    The header is the first line as wide as nearly all others, most of its cells filled, and it holds no numbers.
    """
    if lines and lines[0].lstrip('"').startswith("TOA5"):
        return 1  # a data logger of Campbell names itself in as many cells as it likes
    found: list[tuple[int, int]] = []
    for delimiter in (sign for sign in delimiters if any(sign in line for line in lines)):
        rows = _rows(lines, delimiter)
        widths = Counter(len(row) for _, row in rows[-len(rows) // 2 :])
        width, count = max(widths.items(), key=lambda pair: pair[1], default=(0, 0))
        if width < 2 or count < _MOSTLY * sum(widths.values()):
            continue
        wide = [place for place, (_, row) in enumerate(rows) if len(row) == width and not _is_title(row)]
        place = next(iter(wide), 0)
        if not any(map(named_like_time, rows[place][1])):  # pairs of words may come above a header too
            named = (at for at in wide if at + 1 < len(rows) and _names_dates(rows[at][1], rows[at + 1][1]))
            place = next(named, place)
        if any(len(row) == width and not row[0].strip() for _, row in rows[: place + 1]):
            place = 0  # a header of several lines, its cells merged
        if place == 0:
            found.append((width, 0))
        if not 0 < place <= MAX_TITLES or place + 1 >= len(rows):
            continue
        header, below = rows[place][1], rows[place + 1][1]
        is_named = sum(bool(cell.strip()) for cell in header) >= width - 1
        is_header = is_named and (not any(map(is_value, header)) or _holds_times(header))
        if is_header and len(below) == width:
            found.append((width, rows[place][0]))
    widest = max(found, default=(0, 0))[0]
    return min((count for width, count in found if width == widest), default=0)


def _is_title(row: Sequence[str]) -> bool:
    """Whether a line as wide as the table is a title all the same: words in its first cells, and most cells empty."""
    filled = [place for place, cell in enumerate(row) if cell.strip()]
    return bool(filled) and 2 * len(filled) <= len(row) and filled[-1] == len(filled) - 1 and len(row) > 1


def _names_dates(header: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a line of names has one of a time, and a date is below it."""
    return not any(map(is_value, header)) and any(
        named_like_time(name) and format_of(cell.strip()) is not None for name, cell in zip(header, below, strict=False)
    )


def _holds_times(header: Sequence[str]) -> bool:
    """Whether the values among the names of a header are years or dates that ascend: a wide table."""
    values = [cell.strip() for cell in header if is_value(cell)]
    kinds = {"YYYY" if _YEAR.fullmatch(value) else format_of(value) for value in values}
    is_first = bool(header[0].strip()) and not is_value(header[0])
    return is_first and len(values) >= 4 and len(kinds) == 1 and None not in kinds and len(set(values)) == len(values)


def is_units_row(header: Sequence[str], first: Sequence[str], after: Sequence[Sequence[str]]) -> bool:
    """Whether the row below a header holds units: short words above columns of numbers, no numbers or dates."""
    if len(first) != len(header) or any(map(is_value, first)) or len(after) < 2:
        return False
    numeric = [
        place
        for place in range(len(first))
        if 2 * sum(place < len(row) and is_numeric(row[place].strip()) for row in after) > len(after)
    ]
    units = [first[place].strip() for place in numeric]
    return bool(units) and any(units) and all(not unit or _UNIT.fullmatch(unit) for unit in units)


def units_rows(rows: Sequence[Sequence[str]]) -> tuple[int, str | None]:
    """Return the number of rows of units below the header in `rows[0]`, and the name of the first column in the last.

    Data loggers write units, then how values were aggregated; pandas writes the levels of a header, then the name of
    the index alone. Statistical offices describe each column in several lines, above the first date.
    """
    dated = [place for place, row in enumerate(rows[: MAX_TITLES + 3]) if row and format_of(row[0].strip()) is not None]
    if len(dated) > 2 and dated[:3] == [*range(dated[0], dated[0] + 3)] and dated[0] > 1:
        described = rows[1 : dated[0]]
        if not any(is_numeric(cell.strip()) for row in described for cell in row):
            return len(described), None
    count = 0
    while count < MAX_UNITS and len(rows) > count + 3:
        first, after = rows[count + 1], rows[count + 2 : count + 8]
        cells = [cell.strip() for cell in first]
        if count and cells and cells[0] and not any(cells[1:]) and not is_value(cells[0]):
            return count + 1, cells[0]
        is_formats = len(first) == len(rows[0]) and all(map(_FORMAT.fullmatch, cells))
        if not is_formats and not is_units_row(rows[0], first, after):
            break
        count += 1
    return count, None


def split_footer(payload: bytes, *, delimiter: str, width: int) -> tuple[bytes, list[str]]:
    """Return a text without the lines at its foot that are not rows, and these: totals, sources, notes, blank lines above.

    Words that rows above them begin with too are ids, not totals.
    """
    begin = max(payload.rfind(b"\n", 0, max(len(payload) - 2**16, 0)), 0)
    lines = payload[begin:].decode(errors="replace").split("\n")
    last = next((row for row in (_cells(line, delimiter) for line in lines[:0:-1][:MAX_FOOTER]) if any(row)), None)
    if last is None or not _is_foot(last, width=width):
        return payload, []
    rows = [_cells(line, delimiter) for line in lines]
    kept = len(rows)
    for place in range(len(rows) - 1, max(len(rows) - 1 - MAX_FOOTER, 0), -1):
        if not any(rows[place]):
            continue
        if not _is_foot(rows[place], width=width):
            break
        kept = place
    while kept > 1 and not any(rows[kept - 1]):
        kept -= 1
    first = next((place for place in range(kept, len(rows)) if any(rows[place])), len(rows))
    foot = lines[first : len("\n".join(lines).rstrip("\n").split("\n"))]  # as many as --footer counts
    begins = {row[0] for row in rows[:kept] if row}
    if not foot or kept == len(rows) or begins & {row[0] for row in rows[kept:] if any(row)} - {""}:
        return payload, []
    return without_last_lines(payload, len(lines) - kept - payload.endswith(b"\n")), foot


def without_last_lines(payload: bytes, count: int) -> bytes:
    """Return a text without its last lines."""
    end = len(payload) - (1 if payload.endswith(b"\n") else 0)
    for _ in range(count):
        end = payload.rfind(b"\n", 0, end)
        if end < 0:
            raise UsageError(
                f"--footer {count} leaves nothing of the file", hint="name fewer lines", code="E_RUN_CONFIG"
            )
    return payload[: end + 1]


def collapsed_blanks(payload: bytes) -> bytes:
    """Return aligned columns with one blank between fields."""
    return b"\n".join(line.strip() for line in _BLANKS.sub(b" ", payload).split(b"\n"))


def skipped_note(path: str, code: str, what: str, lines: Sequence[str], *, first: int, flag: str | None) -> Finding:
    """Return the warning about lines that were left out, with the flag that names them, if there is one."""
    numbers = tuple(range(first, first + len(lines)))
    shown = next((line.strip() for line in lines if line.strip(" ,;|\t")), "")
    message = f"{plural(len(lines), 'line')} {what} left out: {quoted(shown)}"
    return Finding(code, message, path, numbers[:20], value=shown, count=len(lines), fix=flag)


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the rows of lines that are not blank, with the line before each."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows, before = [], 0
    for row in reader:
        if any(cell.strip() for cell in row):
            rows.append((before, row))
        before = reader.line_num
    return rows


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(iter(csv.reader([line], delimiter=delimiter)), [])]


def is_value(cell: str) -> bool:
    """Whether a cell holds a number, a date or a number with a unit."""
    text = cell.strip()
    return bool(text) and (is_numeric(text) or format_of(text) is not None or (has_unit(text) and text[0].isdigit()))


def _is_foot(row: Sequence[str], *, width: int) -> bool:
    """Whether cells are words at the foot of a table; of a full row the first cell must say so."""
    first = next((cell for cell in row if cell), "")
    return _FOOT.fullmatch(first) is not None and (len(row) < width or row[0] == first)
