"""How one number may be written: marks, signs, units and percent; one convention for a whole column, never a guess.

A convention is what the user named, or what only one reading of the column allows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from rnnforecast.config import DataSettings
from rnnforecast.frozen import dataclass

#: Each digit has one place in the pattern: a million of them are read once, not once for each.
PLAIN = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
#: The same for the regular expressions of pyarrow.
PLAIN_RE2 = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
INFINITE = re.compile(r"[-+]?(inf|infinity)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+", re.ASCII)
GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
#: Lakhs and crores: pairs of digits above the last three.
INDIAN = re.compile(r"[-+]?\d{1,2}(,\d{2})+,\d{3}(\.\d+)?", re.ASCII)
#: `950K`, `1.2M`, `3 bn`: a number and its size in letters.
_MAGNITUDE = re.compile(r"(?P<number>[-+]?[\d.,]*\d) ?(?P<size>k|m|mn|mio|b|bn|mrd)", re.IGNORECASE | re.ASCII)
_SIZES = {"k": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "b": 1e9, "bn": 1e9, "mrd": 1e9}
_BELOW = re.compile(r"[<>\u2264\u2265] ?[\d.,]+", re.ASCII)
POINT_GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3}){2,}", re.ASCII)
#: A text of any of these spellings.
_NUMERIC = re.compile(
    "|".join(
        f"(?:{spelling.pattern})" for spelling in (PLAIN, INFINITE, DECIMAL_COMMA, GROUPED, INDIAN, POINT_GROUPED)
    ),
    re.IGNORECASE | re.ASCII,
)
_BELOW_ONE = re.compile(r"[-+]?0,")
_SMALL_GROUPS = re.compile(r"[-+]?(0|[1-9]\d{0,2}(\.\d{3})?)", re.ASCII)
_WITH_UNIT = re.compile(r"[-+]?[\d.,]+ ?[%€$£°].*|[€$£] ?[-+]?[\d.,]+|[-+]?[\d.,]+ [a-zA-Z]+", re.ASCII)
_UNIT = re.compile(r"[-+]?[\d.,]+\s*[^\d\s.,]+.*|[^\d\s.,+-]+\s*[-+]?[\d.,]+", re.DOTALL)
_UNIT_PARTS = re.compile(r"(?P<number>[-+]?[\d.,]*\d)\s*(?P<unit>[^\d\s.,+-].*)", re.DOTALL)
_CURRENCY = re.compile(r"[€$£¥₹₩₽]|\b(?:EUR|USD|GBP|CHF|JPY)\b")
_BLANKS = re.compile(r"[\s\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_TRUTH = {"true": 1.0, "false": 0.0}
#: Signs that look like others and mean the same.
_LOOKALIKES = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u2009": " ", "\ufeff": " "})


@dataclass(frozen=True)
class Convention:
    """How the numbers of one column are written."""

    decimal: str = "."
    thousands: str = ""  # a sign, `space`, or none
    is_financial: bool = False
    percent: bool = False
    units: tuple[str, ...] = ()
    note: str = ""  # what was found out, for people

    def parse(self, text: str) -> float | None:
        """Return a text as a number, None where it is none by this convention."""
        if text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        if INFINITE.fullmatch(text):
            return float(text)
        factor = 1.0
        if self.percent and text.endswith("%"):
            text, factor = text[:-1].rstrip(), 0.01
        for unit in self.units:
            if text.endswith(unit):
                text = text.removesuffix(unit).rstrip()
                break
        if self.is_financial:
            text = _without_finance(text)
            sized = _MAGNITUDE.fullmatch(text)
            if sized is not None:
                text, factor = sized["number"], factor * _SIZES[sized["size"].lower()]
        number = self._without_marks(text)
        return None if number is None or not PLAIN.fullmatch(number) else float(number) * factor

    def _without_marks(self, text: str) -> str | None:
        """Return a text with a decimal point and no marks of thousands, None where a mark is misplaced."""
        mark = " " if self.thousands == "space" else self.thousands
        if mark and mark in text:
            pairs = r"\d{1,2}(,\d{2})+,\d{3}|" if mark == "," else ""
            groups = rf"[-+]?({pairs}\d{{1,3}}({re.escape(mark)}\d{{3}})+)({re.escape(self.decimal)}\d+)?"
            if not re.fullmatch(groups, text):
                return None
            text = text.replace(mark, "")
        if self.decimal == ",":
            return None if "." in text else text.replace(",", ".")
        return text


def cleaned(text: str) -> str:
    """Return a text without blanks around it, with plain minus signs and plain blanks."""
    return text.translate(_LOOKALIKES).strip()


def _without_finance(text: str) -> str:
    """Return a text without currency signs; (123) and 123- are negative, wide digits plain."""
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    text = _CURRENCY.sub("", text).strip()
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1].strip()
    if text.endswith("-"):
        text = "-" + text[:-1].strip()
    text = re.sub(r"^([-+])\s+", r"\1", text)
    return re.sub(r"(?<=\d)[ '’](?=\d{3})", "", text)


def find_convention(texts: Iterable[str], settings: DataSettings) -> Convention:
    """Return the convention of a column from its distinct texts except plain numbers, and from the settings."""
    given = Convention(
        decimal=settings.decimal or ".",
        thousands=settings.thousands or "",
        is_financial=settings.number_format == "financial",
        percent=settings.percent,
        units=tuple(sorted(settings.strip_units, key=len, reverse=True)),
    )
    if settings.decimal == "," and settings.thousands is None:
        given = replace(given, thousands=".")  # 1.234,5 has one reading once the comma is decimal
    if settings.decimal is not None or settings.thousands is not None:
        if settings.thousands in (",", ".") and settings.decimal is None:
            return replace(given, decimal="." if settings.thousands == "," else ",")
        return given
    bare = [_bare(text, given) for text in texts]
    return _found_out(bare, given)


def _bare(text: str, given: Convention) -> str:
    """Return the digits and marks of a text, without what the settings say belongs to no number."""
    if given.is_financial:
        text = _without_finance(text)
    if given.percent:
        text = text.removesuffix("%").rstrip()
    for unit in given.units:
        if text.endswith(unit):
            return text.removesuffix(unit).rstrip()
    return text


def _found_out(texts: list[str], given: Convention) -> Convention:
    """Return what only one reading of the marks allows; the convention as given where two readings are left."""
    with_comma = [text for text in texts if "," in text]
    points = [text for text in texts if "." in text and "," not in text]
    may_group = with_comma and not any(_BELOW_ONE.match(text) for text in with_comma)  # no thousands begin with 0
    if may_group and all(GROUPED.fullmatch(text) for text in with_comma):
        certain = any(text.count(",") > 1 or "." in text for text in with_comma)
        if certain:
            return replace(given, thousands=",", note="with commas between thousands")
        return given
    if may_group and all(GROUPED.fullmatch(text) or INDIAN.fullmatch(text) for text in with_comma):
        return replace(given, thousands=",", note="with commas between lakhs and thousands")
    if with_comma and not points and all(DECIMAL_COMMA.fullmatch(text) for text in with_comma):
        return replace(given, decimal=",", thousands=".", note="with decimal commas")
    grouped = [text for text in points if POINT_GROUPED.fullmatch(text)]
    if grouped and not with_comma and len(grouped) == len(points):
        return replace(given, thousands=".", decimal=",", note="with points between thousands")
    return given


def doubtful_point(texts: Iterable[str]) -> tuple[str, str] | None:
    """Return a text such as `1.234` and one such as `12` where every point may separate thousands, else None.

    Decimals are written with one number of places, or with fewer in some rows, never as three places and whole numbers.
    """
    numbers = [text for text in texts if PLAIN.fullmatch(text)]
    whole = next((text for text in numbers if "." not in text), None)
    pointed = next((text for text in numbers if "." in text), None)
    if whole is None or pointed is None or not all(_SMALL_GROUPS.fullmatch(text) for text in numbers):
        return None
    return pointed, whole


def is_numeric(text: str) -> bool:
    """Whether a text is a number in any of the formats that are read or rejected by name."""
    return _NUMERIC.fullmatch(text) is not None


def has_unit(text: str) -> bool:
    """Whether a text is a number with a unit, a currency or a percent sign: `12 kg`, `$5`, `12%`, `(123)`."""
    if _WITH_UNIT.fullmatch(text) is not None or _MAGNITUDE.fullmatch(text) or _BELOW.fullmatch(text):
        return True
    bare = _without_finance(text)
    return bare != text and bool(
        _MAGNITUDE.fullmatch(bare) or PLAIN.fullmatch(bare) or DECIMAL_COMMA.fullmatch(bare) or GROUPED.fullmatch(bare)
    )


def why_not(value: str, *, others: Iterable[str]) -> tuple[str, str]:
    """Return why a text is not a number, and the fix; `others` are the other texts of the column."""
    plain = value.replace(",", "")
    if _BELOW.fullmatch(value):
        words = f"`{value}` is a bound, not a number"
        return words, f"write a number within it, or read such cells as missing: --missing-values '{value}'"
    if _MAGNITUDE.fullmatch(value):
        words = f"`{value}` is a number with its size in letters"
        return words, "--number-format financial reads 950K as 950000 and 1.2M as 1200000"
    if GROUPED.fullmatch(value) and "." not in value and value.count(",") == 1:
        other = value.replace(",", ".", 1)
        words = f"`{value}` may mean {plain} or {other}"
        return words, f"say which: --thousands , reads {plain}, --decimal , reads {other}"
    if "," in value and (DECIMAL_COMMA.fullmatch(value) or GROUPED.fullmatch(value)):
        point = next((text for text in others if "." in text and "," not in text), None)
        words = f"`{value}` has a comma" + (f", `{point}` in the same column a point" if point else "")
        fix = "write all numbers with one decimal mark"
        return words, fix if point else f"{fix}, or say which it is: --decimal . or --decimal ,"
    if value.endswith("%"):
        return f"`{value}` is a number with a unit or a sign", "--percent reads 12% as 0.12"
    bare = _without_finance(value)
    if _CURRENCY.search(value) or (bare != value and PLAIN.fullmatch(bare.replace(",", ""))):
        words = f"`{value}` is a number with a unit or a sign"
        return words, "--number-format financial reads currency signs, (123), 123- and blanks between thousands"
    found = _UNIT_PARTS.fullmatch(value)
    if found or _UNIT.fullmatch(value):
        unit = found["unit"].strip() if found else ""
        words = f"`{value}` is a number with a unit or a sign"
        if not unit or len(unit) > 20:
            return words, "write plain numbers, the unit in the header"
        return words, f"cut it off: --strip-units '{unit}'; or write plain numbers, the unit in the header"
    fix = f"write a number, or leave the cell empty; if it means missing: --missing-values '{value[:40]}'"
    return f"`{value}` is not a number", fix


def are_sizes(units: Iterable[str]) -> bool:
    """Whether units are sizes in letters, such as K and M."""
    return all(unit.lower() in _SIZES for unit in units)


def units_of(texts: Iterable[str]) -> list[str]:
    """Return the distinct units behind numbers, in order of first appearance."""
    found = (_UNIT_PARTS.fullmatch(text) for text in texts)
    return list(dict.fromkeys(one["unit"].strip() for one in found if one is not None))
