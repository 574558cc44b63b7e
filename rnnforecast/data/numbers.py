"""From text to numbers, without guessing: what is no number is named with its rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from rnnforecast.data.delimited import MISSING_TOKENS
from rnnforecast.data.refusals import quoted, rows_in_words
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    BoolArray = npt.NDArray[np.bool_]
    #: Row numbers of a frame -> lines of its file.
    LinesOf: TypeAlias = Callable[[Sequence[int]], list[int]]

_TRUTH = {"true": 1.0, "false": 0.0}
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_UNIT = re.compile(r"[-+]?[\d.,]+\s*[^\d\s.,]+.*|[^\d\s.,+-]+\s*[-+]?[\d.,]+", re.DOTALL)


_WITH_UNIT = re.compile(r"[-+]?[\d.,]+ ?[%€$£°].*|[€$£] ?[-+]?[\d.,]+|[-+]?[\d.,]+ [a-zA-Z]+")
#: Whole numbers above it do not all fit a float64.
EXACT = 2.0**53


def looks_numeric(texts: npt.NDArray[np.object_]) -> BoolArray:
    """Return which texts are numbers, in any of the spellings that are read or refused by name."""
    spellings = (_PLAIN, _DECIMAL_COMMA, _GROUPED)
    return np.array([any(one.fullmatch(text) for one in spellings) for text in texts], dtype=np.bool_)


def has_unit(text: str) -> bool:
    """Whether a text is a number with a unit, a currency or a percent sign: `12 kg`, `$5`, `12%`."""
    return _WITH_UNIT.fullmatch(text) is not None


def parse_numbers(
    column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf
) -> tuple[FloatArray, list[Finding]]:
    """Return a column as float64, NaN where a missing token stands, with what was noticed.

    Findings of severity `refusal` name the rows that hold text or infinities; the caller collects and raises.
    """
    findings: list[Finding] = []
    if column.dtype.kind in "fiub":
        values = np.asarray(column, dtype=np.float64)
    else:
        values, findings = _parse_texts(column, name=name, path=path, lines_of=lines_of)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        lines = tuple(lines_of(infinite[:MAX_LISTED_ROWS].tolist()))
        message = f"column `{name}`, {rows_in_words(lines, len(infinite))}: infinite value"
        fix = "write the true number, or leave the cell empty"
        value = str(values[infinite[0]])
        findings.append(Finding("E_VALUE_INFINITE", "refusal", message, path, lines, name, value, len(infinite), fix))
    if len(values) and np.nanmax(np.abs(values), initial=0.0) > EXACT and not len(infinite):
        message = f"column `{name}` holds numbers above 2^53, whose last digits are lost"
        findings.append(Finding("W_VALUE_DIGITS", "note", message, path, column=name))
    return values, findings


def _parse_texts(
    column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf
) -> tuple[FloatArray, list[Finding]]:
    """Parse distinct texts once each: a column has few of them or is parsed by the fast parser."""
    codes, distinct = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=True)
    texts = np.array([str(value).strip().replace("\u2212", "-") for value in distinct], dtype=object)
    missing = np.isin(texts, list(MISSING_TOKENS))
    numbers = np.full(len(texts) + 1, np.nan)  # the last one serves missing cells, whose code is -1
    comma = _has_decimal_commas(texts[~missing])
    bad = np.zeros(len(texts), dtype=np.bool_)
    for index in np.flatnonzero(~missing):
        number = _number(texts[index], comma=comma)
        bad[index] = number is None
        numbers[index] = np.nan if number is None else number
    findings: list[Finding] = []
    if comma:
        message = f"column `{name}` is read with decimal commas"
        value = str(next(text for text in texts[~missing] if "," in text))
        findings.append(Finding("N_VALUE_DECIMAL_COMMA", "note", message, path, column=name, value=value))
    rows = np.flatnonzero(np.append(bad, False)[codes])
    if len(rows):
        findings.append(_not_a_number(rows, str(texts[codes[rows[0]]]), name=name, path=path, lines_of=lines_of))
    return numbers[codes], findings


def _number(text: str, *, comma: bool) -> float | None:
    if comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    if _PLAIN.fullmatch(text):
        return float(text)
    return _TRUTH.get(text.lower())


def _has_decimal_commas(texts: npt.NDArray[np.object_]) -> bool:
    """Whether commas of a column can only be decimal ones: no decimal point beside them, and not all in threes."""
    with_comma = [text for text in texts if "," in text]
    if not with_comma or any("." in text and "," not in text for text in texts):
        return False
    if not all(_DECIMAL_COMMA.fullmatch(text) for text in with_comma):
        return False
    return not all(_GROUPED.fullmatch(text) for text in with_comma)


def _not_a_number(rows: npt.NDArray[np.int64], value: str, *, name: str, path: str, lines_of: LinesOf) -> Finding:
    lines = tuple(lines_of(rows[:MAX_LISTED_ROWS].tolist()))
    where = f"column `{name}`, {rows_in_words(lines, len(rows))}"
    plain = value.replace(",", "")
    if value == name:
        words, fix = "the header stands there again", "remove the repeated header rows"
    elif _GROUPED.fullmatch(value):
        words = f"{quoted(value)} may mean {plain} or {value.replace(',', '.', 1)}"
        words = f"{quoted(value)} has marks of thousands" if "." in value or value.count(",") > 1 else words
        fix = f"write the number without a comma, as {plain}"
    elif _UNIT.fullmatch(value):
        words, fix = f"{quoted(value)} is a number with a unit or a sign", "write plain numbers, the unit in the header"
    else:
        words, fix = f"{quoted(value)} is not a number", "write a number, or leave the cell empty for a missing value"
    return Finding("E_VALUE_TEXT", "refusal", f"{where}: {words}", path, lines, name, value, len(rows), fix)
