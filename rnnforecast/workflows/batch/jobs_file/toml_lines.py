"""Where the keys of a TOML file stand, so that a fault is named with its line; `tomllib` keeps no positions."""

from __future__ import annotations

import re

#: `("defaults", "horizon")`, `("job", 0, "data")`, `("job", 0)` for a header, `("store",)` for a key before all tables.
KeyPath = tuple[str | int, ...]

_QUOTED = r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'"
_KEY = re.compile(rf"(?:[A-Za-z0-9_-]+|{_QUOTED})(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|{_QUOTED}))*")
_PART = re.compile(rf"[A-Za-z0-9_-]+|{_QUOTED}")
_HEADER = re.compile(r"(\[\[?)[ \t]*")
#: What may not be taken for the end of a value: strings of four kinds and comments; brackets open and close.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""+|' + r"'''.*?'''+|" + rf"{_QUOTED}|#[^\n]*|[\[\]{{}}]|\n",
    re.DOTALL,
)


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
