"""Choose the columns that identify the series of a panel, by their names and by repeated timestamps."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnnforecast.arrays import Int64Array, TextArray, TimestampArray
from rnnforecast.data.columns.profiles import named_like_id, words_of
from rnnforecast.data.errors import quoted
from rnnforecast.escaping import FORMULA_STARTS
from rnnforecast.findings import Finding, plural

_CERTAIN_WORDS = frozenset({"id", "ids", "series", "item", "sku"})
#: Fraction of its time span that a series must fill: groups within one series fill little of theirs.
MIN_COVERAGE = 0.2
#: Name of the id where every file is one series.
FILE_ID = "file"


def choose_ids(
    columns: pd.DataFrame, timestamps: TimestampArray | None, candidates: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Return the columns that identify the series, with the reason.

    One column that makes ids and timestamps unique, else the shortest list of them that does. Each series must fill
    `MIN_COVERAGE` of its time span: columns that merely differ where timestamps repeat are not ids.
    """
    labels = [name for name in candidates if named_like_id(name)]
    if timestamps is None:
        chosen = tuple(name for name in labels if 2 * columns[name].nunique() <= len(columns))[:1]
        return chosen, "named like an id; --id names another" if chosen else "one series"
    ranks, distinct = _ranks_of(timestamps)
    codes = {name: pd.factorize(columns[name])[0] for name in candidates}
    if len(distinct) == len(ranks):
        chosen = tuple(name for name in labels if _is_constant_or_blocks(name, codes[name], ranks))[:1]
        return chosen, "named like an id; --id names another" if chosen else "one series: every timestamp occurs once"
    fewest = len(ranks) - len(distinct)
    found: tuple[str, ...] = ()
    for chosen in _combinations(candidates):
        # the codes of one column are numbered by first appearance already
        joined = codes[chosen[0]] if len(chosen) == 1 else join_codes([codes[name] for name in chosen])
        repeated = _num_repeated(joined, ranks, num_ranks=len(distinct))
        is_named = any(name in labels for name in chosen)
        if not is_named and 2 * (int(joined.max(initial=0)) + 1) > len(joined):
            continue  # a text that hardly repeats, such as the purpose of a payment
        if repeated < fewest / 2 and _coverage(joined, ranks) >= MIN_COVERAGE:
            found, fewest = chosen, repeated
        if not fewest:
            break
    columns_do = "these columns identify" if len(found) > 1 else "this column identifies"
    words = f"timestamps repeat, and {columns_do} the series; --id names others"
    return found, words if found else "no column identifies series; --id names one"


def _ranks_of(timestamps: TimestampArray) -> tuple[Int64Array, TimestampArray]:
    """Return the place of each timestamp among the distinct ones, and these in order."""
    if bool((timestamps[1:] > timestamps[:-1]).all()):  # mostly one series: not sorted again
        return np.arange(len(timestamps), dtype=np.int64), timestamps
    ranks, distinct = pd.factorize(timestamps, sort=True)
    return ranks.astype(np.int64), np.asarray(distinct)


def _combinations(candidates: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each candidate alone, pairs, then ever longer heads of the list."""
    few = list(candidates[:12])
    pairs = [(one, other) for place, one in enumerate(few) for other in few[place + 1 :]]
    heads = [tuple(few[:length]) for length in range(3, len(few) + 1)]
    return [(one,) for one in few] + pairs + heads


def number_items(columns: Sequence[tuple[Int64Array, TextArray]], *, num_rows: int) -> tuple[Int64Array, TextArray]:
    """Return the number of the item of each row, [n], and the ids of each item, [K, columns].

    Items are numbered in the order of their ids, column by column: the order of rows in a file changes nothing.
    """
    items = np.zeros(num_rows if not columns else 1, dtype=np.int64)  # of no column yet: all rows are one item
    ids = np.empty((1, 0), dtype=object)
    for codes, texts in columns:
        order = _in_order(texts)
        rank = np.empty(len(texts), dtype=np.int64)
        rank[order] = np.arange(len(texts))
        joined = items * len(texts) + rank[codes]
        combinations, items = _ranked(joined, limit=len(ids) * len(texts))
        ids = np.column_stack([ids[combinations // len(texts)], texts[order][combinations % len(texts)]])
    return items, ids


def _in_order(texts: TextArray) -> Int64Array:
    """Return the order of texts by their signs; of whole numbers by their size."""
    if all(text.isdecimal() for text in texts):
        return np.array(sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place])), dtype=np.int64)
    return np.argsort(texts, kind="stable").astype(np.int64)


def _ranked(codes: Int64Array, *, limit: int) -> tuple[Int64Array, Int64Array]:
    """Return the distinct codes in order and the place of each code among them; codes are below `limit`."""
    if limit > 4 * len(codes) + 1_000:
        distinct, places = np.unique(codes, return_inverse=True)
        return distinct, places.astype(np.int64)
    present = np.zeros(limit, dtype=np.bool_)
    present[codes] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]


def near_twins(ids: TextArray, names: Sequence[str]) -> list[Finding]:
    """Return findings for ids that differ only by blanks, case or the way an accent is written, and for formulas.

    None is merged, none is changed.
    """
    findings = []
    for place, name in enumerate(names):
        texts = pd.unique(ids[:, place])
        formulas = [text for text in texts if text.startswith(FORMULA_STARTS)]
        if formulas:
            message = (
                f"id column `{name}`: {plural(len(formulas), 'id')} such as {quoted(formulas[0])} would run as a formula in a "
                "spreadsheet; CSV output has an apostrophe before it"
            )
            findings.append(Finding("N_ID_FORMULA", message, column=name, count=len(formulas)))
        plain = np.array([_folded(text) for text in texts], dtype=object)
        codes, distinct = pd.factorize(plain)
        if len(distinct) == len(texts):
            continue
        twins = np.flatnonzero(np.bincount(codes)[codes] > 1)
        shown = ", ".join(quoted(text) for text in sorted(texts[twins], key=_folded)[:6])
        message = (
            f"id column `{name}`: {len(twins)} ids differ only by blanks, case or accents and stay separate: {shown}"
        )
        fix = "write ids of the same series alike"
        value = str(texts[twins[0]])
        findings.append(Finding("W_ID_TWINS", message, column=name, value=value, count=len(twins), fix=fix))
    return findings


def _folded(text: str) -> str:
    return (
        text.casefold().strip() if text.isascii() else " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    )


def join_codes(codes: Sequence[Int64Array]) -> Int64Array:
    """Return one code for each combination of codes, numbered in order of first appearance: [n]."""
    joined = np.zeros(len(codes[0]), dtype=np.int64) if codes else np.zeros(0, dtype=np.int64)
    for one in codes:
        joined = pd.factorize(joined * (int(one.max(initial=0)) + 1) + one)[0].astype(np.int64)
    return joined


def _num_repeated(ids: Int64Array, ranks: Int64Array, *, num_ranks: int) -> int:
    """Return how many rows have id and timestamp of another one before them."""
    places = ids * num_ranks + ranks
    limit = (int(ids.max()) + 1) * num_ranks
    if limit > 8 * len(ids) + 1_000:
        return len(ids) - len(np.unique(places))
    seen = np.zeros(limit, dtype=np.bool_)
    seen[places] = True
    return len(ids) - int(np.count_nonzero(seen))


def _coverage(ids: Int64Array, ranks: Int64Array) -> float:
    """Return the fraction of its time span that the average series fills, spans counted in timestamps of the whole file."""
    num_ids = int(ids.max()) + 1
    first, last = np.full(num_ids, np.iinfo(np.int64).max), np.full(num_ids, -1, dtype=np.int64)
    np.minimum.at(first, ids, ranks)
    np.maximum.at(last, ids, ranks)
    return len(ids) / float((last - first + 1).sum())


def _is_constant_or_blocks(name: str, ids: Int64Array, ranks: Int64Array) -> bool:
    """Whether a column is one id throughout, or cuts rows into a few series that each lie together in the file.

    Blocks that ascend in time as a whole may be the states of one series; then the name must leave no doubt.
    """
    num_ids = int(ids.max()) + 1
    if num_ids == 1:
        return True
    blocks = int(np.count_nonzero(np.diff(ids))) == num_ids - 1 and 2 * num_ids <= len(ids)
    certain = not _CERTAIN_WORDS.isdisjoint(words_of(name))
    return blocks and (certain or bool((np.diff(ranks) < 0).any()))
