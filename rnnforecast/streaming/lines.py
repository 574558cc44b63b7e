"""Lines of a stream: CSV with a header, JSON lines or the Influx line protocol, in and out.

A line that cannot be read becomes a `Row` with a problem: one line out for each line in, whatever it holds.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rnnforecast.data.csv_writer import csv_line
from rnnforecast.errors import DataError
from rnnforecast.options import LineFormat

_NAME = r"(?:\\.|[^ ,=\\])+"
_VALUE = r'(?:"(?:\\.|[^"\\])*"|[^ ,="\\]+)'
_MEASUREMENT = rf"(?:\\.|[^ ,\\])+(?:,{_NAME}={_NAME})*"
_INFLUX = re.compile(rf"({_MEASUREMENT}) ({_NAME}={_VALUE}(?:,{_NAME}={_VALUE})*)(?: (-?\d+))?", re.ASCII)
_FIELD = re.compile(rf"({_NAME})=({_VALUE})")
_INFLUX_NUMBER = re.compile(r"[+-]?\d+[iu]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
MAX_LINE = 1_000_000
#: Characters of the ids of a series: each series is kept in memory and in the state.
MAX_KEY = 1_000
#: The numbers of an answer, besides its alarm and the forecast.
NUMBERS = ("expected", "lower", "upper", "score")
_SECONDS_BELOW = {1e11: 1.0, 1e14: 1e3, 1e17: 1e6}


@dataclass(frozen=True, slots=True)
class Row:
    """One line as read: series, time in microseconds (or a step number; None: not given), value; or a problem."""

    key: str = ""
    time: int | None = None
    shown_time: str = ""
    value: float = math.nan
    problem: str = ""
    is_header: bool = False
    ids: Sequence[str] = ()


@dataclass(frozen=True)
class Columns:
    """The names of the columns of a stream; without `time` rows are steps."""

    time: str | None
    target: str
    ids: tuple[str, ...]
    has_zone: bool = False
    is_calendar: bool = True


def guess_format(line: str) -> LineFormat:
    """Return the format of the first line."""
    if line.lstrip().startswith("{"):
        return "json"
    return "influx" if _INFLUX.fullmatch(line.strip()) and "=" in line else "csv"


class LineReader:
    """Reads the lines of one stream."""

    def __init__(self, kind: LineFormat, columns: Columns, header: Sequence[str] | None = None) -> None:
        self.kind, self._columns = kind, columns
        self.header: list[str] | None = None
        if header is not None:
            self._set_header(list(header))

    def read(self, line: str) -> Row:
        """Read one line without its end."""
        if len(line) > MAX_LINE:
            return Row(problem=f"longer than {MAX_LINE:,} characters")
        try:
            if self.kind == "csv":
                return self._csv(line)
            return self._json(line) if self.kind == "json" else self._influx(line)
        except (ValueError, TypeError, OverflowError, RecursionError, csv.Error) as error:
            return Row(problem=_problem_of(error))

    def _csv(self, line: str) -> Row:
        fields = next(csv.reader([line]), []) if '"' in line else line.split(",")
        if self.header is None:
            self._set_header(fields)
            return Row(is_header=True)
        if len(fields) != len(self.header):
            raise ValueError(f"{len(fields)} fields, the header has {len(self.header)}")
        if fields == self.header:
            return Row(is_header=True)
        time, target, ids = self._places
        return self._row([fields[place] for place in ids], None if time is None else fields[time], fields[target])

    def _set_header(self, fields: list[str]) -> None:
        self.header = fields
        wanted = [name for name in (self._columns.time, self._columns.target, *self._columns.ids) if name is not None]
        missing = [name for name in wanted if name not in fields]
        if missing:
            # a line without any of the columns may be of a file that holds secrets
            shown = ", ".join(fields)[:300] if len(missing) < len(wanted) else f"{len(fields)} other fields"
            message = f"the header of the stream lacks {', '.join(missing)}; it has: {shown}"
            hint = "send the columns that the model was trained on, in any order"
            raise DataError(message, hint=hint, code="E_COLUMN_UNKNOWN")
        time = None if self._columns.time is None else fields.index(self._columns.time)
        self._places = (time, fields.index(self._columns.target), [fields.index(name) for name in self._columns.ids])

    def _json(self, line: str) -> Row:
        record = json.loads(line, object_pairs_hook=_unique, parse_constant=_reject_constant)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        return self._record(record)

    def _record(self, record: Mapping[str, object]) -> Row:
        columns = self._columns
        for name in (columns.time, columns.target, *columns.ids):
            if name is not None and name not in record:
                raise ValueError(f"`{name}` is missing")
        ids = ["" if record[name] is None else str(record[name]) for name in columns.ids]
        return self._row(ids, None if columns.time is None else record[columns.time], record[columns.target])

    def _influx(self, line: str) -> Row:
        found = _INFLUX.fullmatch(line.strip())
        if found is None:
            raise ValueError("not a line of the Influx protocol")
        fields = _unique([(_unescape(name), value) for name, value in _FIELD.findall(found[2])])
        if self._columns.target not in fields:
            raise ValueError(f"field `{self._columns.target}` is missing")
        number = str(fields[self._columns.target])
        if not _INFLUX_NUMBER.fullmatch(number):
            raise ValueError(f"value `{number[:40]}` is not a number")
        time = None if found[3] is None else int(found[3]) // 1_000
        if time is None and self._columns.time is not None:
            raise ValueError("a timestamp is missing")
        at = None if time is None else _within(time, _LAST)
        return Row(_key_of([found[1]]), at, found[3] or "", _number(number.rstrip("iu")))

    def _row(self, ids: Sequence[str], time: object, value: object) -> Row:
        key = _key_of(ids)
        if self._columns.time is None:
            return Row(key, None, "", _number(value), ids=ids)
        at = self._microseconds(time) if self._columns.is_calendar else _step(str(time))
        return Row(key, at, str(time), _number(value), ids=ids)

    def _microseconds(self, time: object) -> int:
        """Return microseconds since 1970, UTC where the model has a zone."""
        if isinstance(time, bool) or time is None or time == "":
            raise ValueError("the timestamp is missing")
        if isinstance(time, int | float):
            unit = next((unit for limit, unit in _SECONDS_BELOW.items() if abs(time) < limit), 1e9)
            return _within(time / unit * 1e6, _LAST)
        moment = _moment(str(time))
        if (moment.tzinfo is not None) != self._columns.has_zone:
            raise ValueError(
                f"timestamp `{time}` is {'without' if self._columns.has_zone else 'in'} a zone, unlike those of the model"
            )
        whole = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
        return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds


def _moment(text: str) -> datetime:
    """Return the moment of an ISO timestamp; a month such as `2024-01` is its first day, as `train` reads it."""
    try:
        return datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        raise ValueError(f"timestamp `{text[:40]}` is not written like 2024-01-31 or 2024-01-31T13:45:00") from None


def _step(text: str) -> int:
    """Return the number of a step."""
    if not _INTEGER.fullmatch(text.strip()):
        raise ValueError(f"step `{text[:40]}` is not a whole number")
    return _within(int(text), _MOST_STEPS)


def _within(time: float, most: int) -> int:
    """Return a time as a whole number: later arithmetic has 64 bits."""
    if not -most <= time <= most:
        raise ValueError("the timestamp is out of range")
    return round(time)


def _key_of(ids: Sequence[str]) -> str:
    """Return the ids of a series as one text, which no other series has: with several, a slash in one is escaped."""
    key = "/".join(ids)
    if len(key) > MAX_KEY:
        raise ValueError(f"the ids of its series have over {MAX_KEY:,} characters")
    if len(ids) < 2 or (key.count("/") < len(ids) and "\\" not in key):
        return key
    return "/".join(part.replace("\\", "\\\\").replace("/", "\\/") for part in ids)


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(f"`{word}` is not JSON: a missing value is null")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _problem_of(error: Exception) -> str:
    """Return why a line cannot be read, in words that say nothing of Python."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, OverflowError):
        return "a number is out of range"
    if "set_int_max_str_digits" in text:
        return "a number has too many digits"
    if isinstance(error, csv.Error):
        return "a quoted field is too long" if "limit" in text else "a quoted field is followed by text, or never ends"
    return " ".join(text.split())[:200] or "cannot be read"


_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_MOST_STEPS = 2**60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_800_000_000  # microseconds until the year 10000


def _number(value: object) -> float:
    """Return a number, NaN for an empty field or null. Raises ValueError for text, infinities and truth values."""
    if value is None or value == "":
        return math.nan
    try:
        # Python reads `1_000` and digits of other scripts too, which no other reader of numbers does
        is_odd = isinstance(value, bool) or (isinstance(value, str) and ("_" in value or not value.isascii()))
        number = float("x" if is_odd else value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ValueError(f"value `{str(value)[:40]}` is not a number") from None
    if math.isinf(number):
        raise ValueError("the value is infinite")
    return number


def _cell(text: str) -> str:
    """Return text as a cell of CSV, quoted where it must be; numbers are written without this."""
    is_plain = (
        text.isascii() and text[:1].isalnum() and text.replace(":", "").replace(" ", "").replace("-", "").isalnum()
    )
    return text if is_plain else csv_line([text])[:-1]


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class LineWriter:
    """Writes one line for each row, in the format of the stream."""

    def __init__(self, kind: LineFormat, columns: Columns, levels: Sequence[float], horizon: int) -> None:
        self._kind, self._columns = kind, columns
        names = [f"q{level:g}" for level in levels]
        steps = [""] if horizon == 1 else [f"_{step}" for step in range(1, horizon + 1)]
        self._names = [f"{name}{step}" for step in steps for name in names]

    def header(self) -> str:
        """Return the line that answers the header of a CSV stream."""
        first = [*self._columns.ids, *([self._columns.time] if self._columns.time else []), self._columns.target]
        rest = ["status", *NUMBERS, "alarm", *self._names]
        return csv_line([*first, *rest]) if self._kind == "csv" else ""

    def line(self, row: Row, status: str, numbers: Sequence[float | None], forecast: Sequence[float]) -> str:
        """Return the line of a row; `numbers` are expected, lower, upper and score."""
        alarm = numbers[3] is not None and numbers[3] > 1.0
        texts = ["" if each is None or each != each else f"{each:.6g}" for each in numbers]
        quantiles = [f"{each:.6g}" for each in forecast]
        if self._kind == "csv":
            ids = row.ids or [""] * len(self._columns.ids)
            value = "" if math.isnan(row.value) else f"{row.value:.10g}"
            quantiles = quantiles or [""] * len(self._names)
            cells = [*texts, "true" if alarm else "false", *quantiles]
            first = [_cell(text) for text in (*ids, *([row.shown_time] if self._columns.time else []))]
            return ",".join([*first, value, _cell(status), *cells]) + "\n"
        if self._kind == "influx":
            return self._influx_line(row, status, texts, quantiles, alarm=alarm)
        parts = [f'"{name}": {text or "null"}' for name, text in zip(NUMBERS, texts, strict=True)]
        parts += [f'"{name}": {text}' for name, text in zip(self._names, quantiles, strict=False)]
        value = "null" if math.isnan(row.value) else f"{row.value:.10g}"
        known = (("id", json.dumps(row.key)), ("time", json.dumps(row.shown_time)), ("value", value))
        first = [f'"{name}": {text}' for name, text in (*known, ("status", json.dumps(status)))]
        return f'{{{", ".join([*first, *parts])}, "alarm": {"true" if alarm else "false"}}}\n'

    def _influx_line(self, row: Row, status: str, texts: list[str], quantiles: list[str], *, alarm: bool) -> str:
        quoted = status.replace("\\", "\\\\").replace('"', '\\"')
        fields = [f'status="{quoted}"', f"alarm={'true' if alarm else 'false'}"]
        fields += [f"{name}={text}" for name, text in zip(NUMBERS, texts, strict=True) if text]
        fields += [f"{name}={text}" for name, text in zip(self._names, quantiles, strict=False)]
        measurement = row.key or "rnnforecast"
        return f"{measurement} {','.join(fields)}{' ' + row.shown_time if row.shown_time else ''}\n"
