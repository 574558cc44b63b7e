"""All errors of a jobs file, raised together: each with its line, key, value and fix.

The lines of keys are found here: `tomllib` keeps no positions.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.masking import masked

#: `("defaults", "horizon")`, `("job", 0, "data")`, `("job", 0)` for a header, `("store",)` for a key before all tables.
KeyPath = tuple[str | int, ...]

_QUOTED = r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'"
_KEY = re.compile(rf"(?:[A-Za-z0-9_-]+|{_QUOTED})(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|{_QUOTED}))*")
_PART = re.compile(rf"[A-Za-z0-9_-]+|{_QUOTED}")
_HEADER = re.compile(r"(\[\[?)[ \t]*")
#: What may not be taken for the end of a value: strings of four kinds and comments; brackets open and close.
_TOKEN = re.compile(r'"""(?:[^\\]|\\.)*?"""+|' + r"'''.*?'''+|" + rf"{_QUOTED}|#[^\n]*|[\[\]{{}}]|\n", re.DOTALL)


def locate_keys(text: str) -> dict[KeyPath, int]:
    """Return the line (the first is 1) of every header and key of a valid TOML document.

    The tables of an array of tables are counted from 0. Keys of inline tables stand at the line of their table.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[str, int] = {}
    table: KeyPath = ()
    place = 0
    while place < len(text):
        if text[place] in " \t\r\n":
            place += 1
            continue
        line = text.count("\n", 0, place) + 1
        header = _HEADER.match(text, place)
        key = _KEY.match(text, header.end() if header else place)
        if text[place] == "#" or key is None:
            place = _end_of_line(text, place)
            continue
        parts = tuple(part[1:-1] if part[:1] in "\"'" else part for part in _PART.findall(key.group()))
        if header:
            table = _numbered(parts, counts) if header[1] == "[[" else parts
            lines[table] = line
            place = _end_of_line(text, key.end())
        else:
            lines[(*table, *parts)] = line
            place = _end_of_value(text, key.end())
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Return the line of a key, or of the nearest table around it that has one, else 1; of several tables the first."""
    if (*path, 0) in lines:
        return lines[*path, 0]
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _numbered(parts: tuple[str, ...], counts: dict[str, int]) -> KeyPath:
    name = ".".join(parts)
    number = counts.get(name, 0)
    counts[name] = number + 1
    return (*parts, number)


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def _end_of_value(text: str, place: int) -> int:
    """Return where the statement of a value ends: at the first line break outside brackets and strings."""
    depth = 0
    for token in _TOKEN.finditer(text, place):
        sign = token.group()
        if sign in ("[", "{"):
            depth += 1
        elif sign in ("]", "}"):
            depth -= 1
        elif sign == "\n" and depth <= 0:
            return token.end()
    return len(text)


_MAX_VALUE_LENGTH = 40


@dataclass
class FileErrors:
    """The errors of one file, in the order they were found; `lines` maps each key to its line."""

    file: str
    lines: dict[KeyPath, int]
    findings: list[Finding] = field(default_factory=list)
    invalid: set[KeyPath] = field(default_factory=set)

    def add(self, path: KeyPath, message: str, *, value: object = None, fix: str | None = None) -> None:
        """Add an error of the key at `path`, once."""
        line = self.line(path)
        self.invalid.add(path)
        key = next((part for part in reversed(path) if isinstance(part, str)), None)
        finding = Finding(
            "E_RUN_CONFIG",
            masked(f"line {line}: {message}"),
            file=self.file,
            rows=(line,),
            column=key,
            value=None if value is None else masked(repr(value))[:_MAX_VALUE_LENGTH],
            count=1,
            fix=fix,
        )
        if finding not in self.findings:
            self.findings.append(finding)

    def is_valid(self, number: int, key: str) -> bool:
        """Return whether a key of a job has no error, neither in its table nor in `[defaults]`."""
        return self.invalid.isdisjoint({("job", number, key), ("defaults", key)})

    def line(self, path: KeyPath) -> int:
        """Return the line of a key."""
        return line_of(self.lines, path)

    def raise_all(self) -> None:
        """Raise UsageError with all errors in the order of their lines, if there are any."""
        if not self.findings:
            return
        found = sorted(self.findings, key=lambda finding: finding.rows)
        counted = "1 error" if len(found) == 1 else f"{len(found)} errors"
        listed = "\n".join(f"  {each.message}{f' ({each.fix})' if each.fix else ''}" for each in found)
        raise UsageError(
            f"{counted} in {self.file}, nothing was run:\n{listed}",
            hint=f"fix them and check again: `rnnforecast batch {shlex.quote(self.file)} --check`",
            code="E_RUN_CONFIG",
            findings=found,
        )


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` if a word resembles a known one, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""
