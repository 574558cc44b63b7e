"""From text to numbers, without guessing: what is no number is named with its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import quoted, rows_in_words
from rnnforecast.data.values.number_formats import PLAIN_RE2, cleaned, find_convention, is_numeric, units_of, why_not
from rnnforecast.data.values.number_formats import has_unit as has_unit
from rnnforecast.findings import MAX_LISTED_ROWS, Finding

if TYPE_CHECKING:
    from rnnforecast.arrays import BoolArray, Float64Array, Int64Array, TextArray
    from rnnforecast.data.errors import LinesOf


#: What an empty number may look like.
MISSING_TOKENS = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "-", "<NA>", "NaT"),
    *("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"),
)
#: Whole numbers above it do not all fit a float64.
EXACT = 2.0**53
LARGEST_INTEGER = 2.0**64
#: Numbers that stand for "no value" in many exports.
_SENTINELS = (-99999.0, -9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0)
#: How often, and how large, a round number that is no usual one must be to look like one.
_MIN_REPEATS = 5
_MIN_SENTINEL = 50.0
_MIN_ZERO_RUN = 5


def looks_numeric(texts: TextArray) -> BoolArray:
    """Return which texts are numbers, in any of the spellings that are read or refused by name."""
    return np.array([is_numeric(text) for text in texts], dtype=np.bool_)


def parse_numbers(
    column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf, settings: DataSettings | None = None
) -> tuple[Float64Array, list[Finding]]:
    """Return a column as float64, NaN where a missing token stands, with what was noticed.

    Findings of severity `error` name the rows that hold text or infinities; the caller collects and raises.
    """
    settings = settings or DataSettings()
    if column.dtype.kind in "fiub" and not isinstance(column.dtype, pd.CategoricalDtype):
        values = np.asarray(column, dtype=np.float64)
        values, findings = _without_tokens(values, name=name, path=path, settings=settings)
    else:
        values, findings = _parse_texts(column, name=name, path=path, lines_of=lines_of, settings=settings)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        values = values.copy()
        lines = tuple(lines_of(infinite[:MAX_LISTED_ROWS].tolist()))
        message = f"column `{name}`, {rows_in_words(lines, len(infinite))}: infinite value"
        value = str(values[infinite[0]])
        values[infinite] = np.nan
        if settings.inf == "missing":
            message += "; taken for missing"
            findings.append(Finding("W_VALUE_INFINITE", message, path, lines, name, value, len(infinite)))
        else:
            fix = "write the true number, or take such values for missing: --inf missing"
            findings.append(Finding("E_VALUE_INFINITE", message, path, lines, name, value, len(infinite), fix))
    return values, findings


def _without_tokens(
    values: Float64Array, *, name: str, path: str, settings: DataSettings
) -> tuple[Float64Array, list[Finding]]:
    """Return numbers with those that the user calls missing as NaN, and the repair that counts them."""
    words = [float(word) for word in settings.missing_values if is_numeric(word) and "," not in word]
    called = np.isin(values, words) if words else np.zeros(0, dtype=np.bool_)
    if not called.any():
        return values, []
    count = int(called.sum())
    message = f"column `{name}`: {count:,} numbers are words for missing: --missing-values"
    finding = Finding("W_VALUE_TOKENS", message, path, column=name, value=f"{words[0]:g}", count=count)
    return np.where(called, np.nan, values), [finding]


def _parse_texts(
    column: pd.Series[Any], *, name: str, path: str, lines_of: LinesOf, settings: DataSettings
) -> tuple[Float64Array, list[Finding]]:
    """Parse distinct texts once each: a column has few of them, or most are plain numbers, which cost little."""
    codes, raw = _distinct(column)
    texts = np.array([cleaned(text) for text in raw], dtype=object)
    tokens = np.isin(texts, [*MISSING_TOKENS, *settings.missing_values])
    numbers = np.full(len(texts) + 1, np.nan)  # the last one serves missing cells, whose code is -1
    plain = _plain_numbers(texts, numbers) & ~tokens
    numbers[:-1][tokens] = np.nan
    rest = np.flatnonzero(~plain & ~tokens)
    convention = find_convention([*texts[rest], *texts[plain & _has_point(texts)][:1000]], settings)
    marked = convention.decimal != "." or convention.thousands
    for index in np.flatnonzero(~tokens) if marked else rest:
        number = convention.parse(texts[index])
        numbers[index] = np.nan if number is None else number
        plain[index] = number is not None
    bad = ~plain & ~tokens
    findings: list[Finding] = []
    if convention.note:
        value = next((str(text) for text in texts[~tokens] if "," in text or text.count(".") > 1), "")
        message = f"column `{name}` is read {convention.note}"
        findings.append(Finding("N_VALUE_DECIMAL_COMMA", message, path, column=name, value=value))
    _tell_repairs(raw, texts, codes, tokens=tokens, bad=bad, name=name, path=path, findings=findings)
    if bad.any():
        findings += _refused(codes, texts, bad, good=~bad & ~tokens, name=name, path=path, lines_of=lines_of)
    values = numbers[codes]
    large = np.flatnonzero(~tokens & ~bad & (np.abs(np.nan_to_num(numbers[:-1], posinf=0, neginf=0)) >= EXACT))
    if len(large):
        lost = [place for place in large if _is_lost(texts[place], numbers[place])]
        count = int(np.isin(codes, lost).sum())
        if count:
            message = f"column `{name}` holds numbers above 2^53, whose last digits are lost"
            findings.append(Finding("W_VALUE_DIGITS", message, path, column=name, count=count))
    return values, findings


def _distinct(column: pd.Series[Any]) -> tuple[Int64Array, TextArray]:
    """Return a code for each row, -1 where nothing stands, and the distinct texts."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.to_numpy(dtype=object)
    codes, distinct = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=True)
    return codes.astype(np.int64), np.array([str(value) for value in distinct], dtype=object)


def _plain_numbers(texts: TextArray, numbers: Float64Array) -> BoolArray:
    """Write the plain numbers among texts into `numbers`; returns which they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(texts):
        return np.zeros(0, dtype=np.bool_)
    column = pa.array(texts, type=pa.string())
    plain: BoolArray = pc.match_substring_regex(column, PLAIN_RE2).to_numpy(zero_copy_only=False)
    numbers[:-1][plain] = column.filter(pa.array(plain)).cast(pa.float64()).to_numpy()
    return plain


def _has_point(texts: TextArray) -> BoolArray:
    return np.array(["." in text for text in texts], dtype=np.bool_)


def _is_lost(text: str, number: float) -> bool:
    digits = text.lstrip("+-")
    return digits.isdigit() and int(text) != int(number)


def _tell_repairs(
    raw: TextArray,
    texts: TextArray,
    codes: Int64Array,
    *,
    tokens: BoolArray,
    bad: BoolArray,
    name: str,
    path: str,
    findings: list[Finding],
) -> None:
    """Tell how many cells hold words for a missing number, and how many numbers were written with odd signs."""
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    words = [(str(texts[place]), int(counts[place])) for place in np.flatnonzero(tokens) if texts[place]]
    if words:
        merged: dict[str, int] = {}
        for word, count in words:
            merged[word] = merged.get(word, 0) + count
        total = sum(merged.values())
        shown = ", ".join(f"{quoted(word)} {count:,}" for word, count in list(merged.items())[:8])
        message = (
            f"column `{name}`: {total:,} {'cell holds' if total == 1 else 'cells hold'} a word for missing ({shown})"
        )
        findings.append(Finding("W_VALUE_TOKENS", message, path, column=name, value=words[0][0], count=total))
    odd = np.array([old.strip(" \t") != new for old, new in zip(raw, texts, strict=True)], dtype=np.bool_)
    odd &= ~bad & ~tokens
    if odd.any():
        first = str(raw[np.flatnonzero(odd)[0]])
        count = int(counts[odd].sum())
        message = f"column `{name}`: {count:,} numbers with an odd minus sign or blank, such as {quoted(first)}"
        findings.append(Finding("W_VALUE_SIGNS", message, path, column=name, value=first, count=count))


def _refused(
    codes: Int64Array, texts: TextArray, bad: BoolArray, *, good: BoolArray, name: str, path: str, lines_of: LinesOf
) -> list[Finding]:
    """Return one refusal for the cells that are no numbers, or two where the header stands among them."""
    rows = np.flatnonzero(np.append(bad, False)[codes])
    value = str(texts[codes[rows[0]]])
    lines = tuple(lines_of(rows[:MAX_LISTED_ROWS].tolist()))
    where = f"column `{name}`, {rows_in_words(lines, len(rows))}"
    units = units_of(texts[bad])
    if value == name:
        words, fix = "the header stands there again", "remove the repeated header rows"
    elif len(units) > 1 and not any(unit.startswith("%") for unit in units):
        shown = ", ".join(quoted(unit) for unit in units[:5])
        words, fix = (
            f"{quoted(value)} is a number with a unit or a sign, and there are several: {shown}",
            ("bring the numbers to one unit, or name two spellings of one unit: --strip-units for each"),
        )
    else:
        words, fix = why_not(value, others=texts[good])
        words = words.replace(f"`{value}`", quoted(value), 1)
    return [Finding("E_VALUE_TEXT", f"{where}: {words}", path, lines, name, value, len(rows), fix)]


def note_sentinels(values: Float64Array, *, name: str, path: str, lines_of: LinesOf) -> list[Finding]:
    """Note numbers that look like a word for "no value": far from all others and repeated, or zeros in a run."""
    findings: list[Finding] = []
    ends = (float(np.fmin.reduce(values, initial=np.inf)), float(np.fmax.reduce(values, initial=-np.inf)))
    if ends[0] > ends[1]:
        return findings  # no number at all
    for sentinel in dict.fromkeys(ends):
        rows = np.flatnonzero(values == sentinel)
        if not _may_be_sentinel(sentinel, count=len(rows)):
            continue  # nearly always: the others need not be copied
        others = values[~np.isnan(values) & (values != sentinel)]
        if _stands_apart(sentinel, others, count=len(rows)):
            findings.append(_sentinel(rows, f"{sentinel:g}", name=name, path=path, lines_of=lines_of))
    zeros = values == 0
    if not zeros.any():
        return findings
    edges = np.flatnonzero(np.diff(np.concatenate([[False], zeros, [False]]).astype(np.int8)))
    others = np.abs(values[~np.isnan(values) & ~zeros])
    is_far = len(others) > int(zeros.sum()) and float(others.min()) > float(np.median(others)) / 4
    if is_far and int((edges[1::2] - edges[::2]).max()) >= _MIN_ZERO_RUN:
        findings.append(_sentinel(np.flatnonzero(zeros), "0", name=name, path=path, lines_of=lines_of))
    return findings


def _may_be_sentinel(end: float, *, count: int) -> bool:
    """Whether a number is a usual word for "no value", or a round one that repeats."""
    if end in _SENTINELS:
        return count >= 2
    return count >= _MIN_REPEATS and end % 10 == 0 and abs(end) >= _MIN_SENTINEL


def _stands_apart(end: float, others: Float64Array, *, count: int) -> bool:
    """Tell whether the smallest or largest number, which stands there `count` times, is no measurement.

    A usual word for "no value" must lie further from the others than they spread; so must any other round number that
    repeats. A negative one among values of which none is, below a gap wider than any other, needs no more.
    """
    if not len(others) or count > len(others):
        return False
    low, high = float(others.min()), float(others.max())
    distance = low - end if end < low else end - high
    if distance > high - low:
        return True
    return end < 0 <= low and distance > float(np.diff(np.unique(others)).max(initial=0.0))


def _sentinel(rows: Int64Array, value: str, *, name: str, path: str, lines_of: LinesOf) -> Finding:
    lines = tuple(lines_of(rows[:MAX_LISTED_ROWS].tolist()))
    times = f" ({len(rows):,} times)" if len(rows) > 1 else ""
    message = (
        f"column `{name}`, {rows_in_words(lines, len(rows))}: {value} looks like a sentinel{times}; taken as it is"
    )
    fix = f"if it means missing: --missing-values {value}"
    return Finding("N_VALUE_SENTINEL", message, path, lines, name, value, len(rows), fix)
