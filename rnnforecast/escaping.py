"""Escape text from files where it is written: nothing in it controls a terminal or runs in a spreadsheet.

Every stream goes through here: screens, messages and logs by `visible`, JSON by `json_text`, CSV by `without_formula`.
"""

from __future__ import annotations

import json
import unicodedata

#: Zero-width joiners are Cf like the bidirectional marks, yet harmless parts of ordinary words and signs.
_HARMLESS = frozenset("\u200c\u200d")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: A spreadsheet runs a cell that starts with one of these as a formula; some read wide characters as their narrow kin.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def visible(value: object, *, keep: str = "") -> str:
    """Return text with control characters, bidirectional marks and line separators written as escapes.

    A column name may contain ESC, BEL or a right-to-left mark, which would control the terminal of the reader. Characters
    in `keep` stay.
    """
    text = str(value)
    hidden = () if text.isprintable() else set(text) - set(keep)
    return text.translate({ord(char): _escape(char) for char in hidden if _is_hidden(char)}) if hidden else text


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON with hidden characters as JSON escapes: it reads back as the same value."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    # outside of texts, JSON has no hidden character but the line breaks of `indent`
    hidden = () if text.isprintable() else set(text) - {"\n"}
    return (
        text.translate({ord(char): json.dumps(char)[1:-1] for char in hidden if _is_hidden(char)}) if hidden else text
    )


def without_formula(text: str) -> str:
    """Return a cell of a table with an apostrophe in front if a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _is_hidden(char: str) -> bool:
    """Tell whether a character is not seen; no-break spaces and their kin are not hidden."""
    return not char.isprintable() and char not in _HARMLESS and unicodedata.category(char) in _HIDDEN_CATEGORIES


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
