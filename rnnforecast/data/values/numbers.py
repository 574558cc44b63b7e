"""From text to numbers, without guessing: cells that are not numbers are reported with their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array, TextArray
from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef, quoted
from rnnforecast.data.values.number_formats import (
    PLAIN_RE2,
    are_sizes,
    cleaned,
    find_convention,
    is_numeric,
    units_of,
    why_not,
)
from rnnforecast.data.values.number_formats import has_unit as has_unit
from rnnforecast.findings import Finding

#: Texts that mark a missing number.
MISSING_TOKENS = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "-", "<NA>", "NaT"),
    *(".", "..", ":", "n/e", "N/E"),  # of FRED, the World Bank, Eurostat and ENTSO-E
    *("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"),
)
#: Whole numbers above it do not all fit a float64.
EXACT = 2.0**53
LARGEST_INTEGER = 2.0**64
#: Numbers that mark missing values in many exports.
_SENTINELS = (-99999.0, -9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0)
#: How often another round number must occur, and how large it must be, to look like a marker.
_MIN_REPEATS = 5
_MIN_SENTINEL = 50.0
_MIN_ZERO_RUN = 5


def looks_numeric(texts: TextArray) -> BoolArray:
    """Return which texts are numbers, in any of the spellings that are read or rejected by name."""
    return np.array([is_numeric(text) for text in texts], dtype=np.bool_)


def parse_numbers(
    column: pd.Series[Any], ref: ColumnRef, *, settings: DataSettings | None = None
) -> tuple[Float64Array, list[Finding]]:
    """Return a column as float64, NaN where a number is missing, with findings.

    Findings of severity `error` name the rows that contain text or infinities; the caller collects and raises.
    """
    settings = settings or DataSettings()
    if column.dtype.kind in "fiub" and not isinstance(column.dtype, pd.CategoricalDtype):
        values, findings = _without_markers(np.asarray(column, dtype=np.float64), ref, settings=settings)
    else:
        values, findings = _parse_texts(column, ref, settings=settings)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        values = values.copy()
        value = str(values[infinite[0]])
        values[infinite] = np.nan
        if settings.inf == "missing":
            findings.append(ref.problem("W_VALUE_INFINITE", infinite, "infinite value; read as missing", value=value))
        else:
            fix = "write the true number, or read such values as missing: --inf missing"
            findings.append(ref.problem("E_VALUE_INFINITE", infinite, "infinite value", value=value, fix=fix))
    return values, findings


def _without_markers(
    values: Float64Array, ref: ColumnRef, *, settings: DataSettings
) -> tuple[Float64Array, list[Finding]]:
    """Return numbers with NaN in place of those that the user calls missing, and the warning that counts them."""
    words = [float(word) for word in settings.missing_values if is_numeric(word) and "," not in word]
    called = np.isin(values, words) if words else np.zeros(0, dtype=np.bool_)
    if not called.any():
        return values, []
    count = int(called.sum())
    message = f"{ref}: {count:,} numbers are missing-value markers: --missing-values"
    return np.where(called, np.nan, values), [
        ref.finding("W_VALUE_TOKENS", message, value=f"{words[0]:g}", count=count)
    ]


def _parse_texts(
    column: pd.Series[Any], ref: ColumnRef, *, settings: DataSettings
) -> tuple[Float64Array, list[Finding]]:
    """Parse distinct texts once each: a column has few of them, or most are plain numbers, which cost little."""
    codes, raw = _distinct(column)
    texts = np.array([cleaned(text) for text in raw], dtype=object)
    markers = np.isin(texts, [*MISSING_TOKENS, *settings.missing_values])
    numbers = np.full(len(texts) + 1, np.nan)  # the last one serves missing cells, whose code is -1
    plain = _plain_numbers(texts, numbers) & ~markers
    numbers[:-1][markers] = np.nan
    rest = np.flatnonzero(~plain & ~markers)
    has_point = np.array(["." in text for text in texts], dtype=np.bool_)
    convention = find_convention([*texts[rest], *texts[plain & has_point][:1000]], settings)
    has_signs = convention.decimal != "." or convention.thousands
    for index in np.flatnonzero(~markers) if has_signs else rest:
        number = convention.parse(texts[index])
        numbers[index] = np.nan if number is None else number
        plain[index] = number is not None
    bad = ~plain & ~markers
    findings: list[Finding] = []
    if convention.note:
        value = next((str(text) for text in texts[~markers] if "," in text or text.count(".") > 1), "")
        findings.append(ref.finding("N_VALUE_DECIMAL_COMMA", f"{ref} is read {convention.note}", value=value))
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    findings += _marker_finding(texts, counts, markers, ref)
    findings += _odd_signs(raw, texts, counts, ~bad & ~markers, ref)
    if bad.any():
        rows = np.flatnonzero(np.append(bad, False)[codes])
        findings.append(_not_numbers(rows, texts[codes[rows[0]]], texts[bad], others=texts[~bad & ~markers], ref=ref))
    values = numbers[codes]
    large = np.flatnonzero(~markers & ~bad & (np.abs(np.nan_to_num(numbers[:-1], posinf=0, neginf=0)) >= EXACT))
    lost = [place for place in large if _is_lost(texts[place], numbers[place])]
    count = int(np.isin(codes, lost).sum()) if lost else 0
    if count:
        message = f"{ref} contains numbers above 2^53, whose last digits are lost"
        findings.append(ref.finding("W_VALUE_DIGITS", message, count=count))
    return values, findings


def _distinct(column: pd.Series[Any]) -> tuple[Int64Array, TextArray]:
    """Return a code for each row, -1 where the cell is missing, and the distinct texts."""
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


def _is_lost(text: str, number: float) -> bool:
    digits = text.lstrip("+-")
    return digits.isdigit() and int(text) != int(number)


def _marker_finding(texts: TextArray, counts: Int64Array, markers: BoolArray, ref: ColumnRef) -> list[Finding]:
    """Return the warning that counts the cells with a missing-value marker."""
    merged: dict[str, int] = {}
    for place in np.flatnonzero(markers):
        if texts[place]:
            merged[str(texts[place])] = merged.get(str(texts[place]), 0) + int(counts[place])
    if not merged:
        return []
    total = sum(merged.values())
    shown = ", ".join(f"{quoted(word)}: {count:,}" for word, count in list(merged.items())[:8])
    cells = "cell contains a missing-value marker" if total == 1 else "cells contain missing-value markers"
    message = f"{ref}: {total:,} {cells} ({shown})"
    return [ref.finding("W_VALUE_TOKENS", message, value=next(iter(merged)), count=total)]


def _odd_signs(raw: TextArray, texts: TextArray, counts: Int64Array, good: BoolArray, ref: ColumnRef) -> list[Finding]:
    """Return the warning that counts numbers with typographic minus signs or blanks."""
    odd = good & np.array([old.strip(" \t") != new for old, new in zip(raw, texts, strict=True)], dtype=np.bool_)
    if not odd.any():
        return []
    first, count = str(raw[np.flatnonzero(odd)[0]]), int(counts[odd].sum())
    message = f"{ref}: {count:,} numbers with an odd minus sign or blank, such as {quoted(first)}"
    return [ref.finding("W_VALUE_SIGNS", message, value=first, count=count)]


def _not_numbers(rows: Int64Array, first: object, bad: TextArray, *, others: TextArray, ref: ColumnRef) -> Finding:
    """Return the error of cells that are not numbers."""
    value = str(first)
    units = [unit for unit in units_of(bad) if unit[0] not in "'\u2019"]  # these separate thousands
    if value == ref.name:
        words, fix = "the header is repeated there", "remove the repeated header rows"
    elif len(units) > 1 and not are_sizes(units) and not any(unit.startswith("%") for unit in units):
        shown = ", ".join(quoted(unit) for unit in units[:5])
        words = f"{quoted(value)} is a number with a unit or a sign, and there are several: {shown}"
        fix = "convert the numbers to one unit, or name two spellings of one unit: --strip-units for each"
    else:
        words, fix = why_not(value, others=others)
        words = words.replace(f"`{value}`", quoted(value), 1)
    return ref.problem("E_VALUE_TEXT", rows, words, value=value, fix=fix)


def note_sentinels(values: Float64Array, ref: ColumnRef) -> list[Finding]:
    """Return notes of numbers that look like missing-value markers: repeated and far from all others, or runs of zeros."""
    findings: list[Finding] = []
    ends = (float(np.fmin.reduce(values, initial=np.inf)), float(np.fmax.reduce(values, initial=-np.inf)))
    if ends[0] > ends[1]:
        return findings  # no number at all
    for sentinel in dict.fromkeys(ends):
        rows = np.flatnonzero(values == sentinel)
        if not _may_be_sentinel(sentinel, count=len(rows)):
            continue  # nearly always: the others need not be copied
        others = values[~np.isnan(values) & (values != sentinel)]
        if _is_apart(sentinel, others, count=len(rows)):
            findings.append(_sentinel(rows, f"{sentinel:g}", ref))
    zeros = values == 0
    if not zeros.any():
        return findings
    edges = np.flatnonzero(np.diff(np.concatenate([[False], zeros, [False]]).astype(np.int8)))
    others = np.abs(values[~np.isnan(values) & ~zeros])
    is_far = len(others) > int(zeros.sum()) and float(others.min()) > float(np.median(others)) / 4
    if is_far and int((edges[1::2] - edges[::2]).max()) >= _MIN_ZERO_RUN:
        findings.append(_sentinel(np.flatnonzero(zeros), "0", ref))
    return findings


def _may_be_sentinel(end: float, *, count: int) -> bool:
    """Whether a number is a usual missing-value marker, or a round one that repeats."""
    if end in _SENTINELS:
        return count >= 2
    return count >= _MIN_REPEATS and end % 10 == 0 and abs(end) >= _MIN_SENTINEL


def _is_apart(end: float, others: Float64Array, *, count: int) -> bool:
    """Whether the smallest or largest number, which occurs `count` times, is probably not a measurement.

    A usual marker must be further from the others than they spread; so must any other round number that repeats. For a
    negative one among values that are not, a gap wider than any other is enough.
    """
    if not len(others) or count > len(others):
        return False
    low, high = float(others.min()), float(others.max())
    distance = low - end if end < low else end - high
    if distance > high - low:
        return True
    return end < 0 <= low and distance > float(np.diff(np.unique(others)).max(initial=0.0))


def _sentinel(rows: Int64Array, value: str, ref: ColumnRef) -> Finding:
    times = f" ({len(rows):,} times)" if len(rows) > 1 else ""
    words = f"{value} looks like a missing-value marker{times}; read as a number"
    return ref.problem(
        "N_VALUE_SENTINEL", rows, words, value=value, fix=f"if it means missing: --missing-values {value}"
    )
