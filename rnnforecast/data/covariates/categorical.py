"""Categorical covariates and targets: their vocabularies, and the code of each category.

Code 0 is every category outside the vocabulary, codes 1 to V are those of the vocabulary. A target outside it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rnnforecast.arrays import BoolArray, Int64Array, TextArray
from rnnforecast.config import MAX_CATEGORIES
from rnnforecast.data.columns.roles import Roles
from rnnforecast.data.errors import quoted, rows_in_words
from rnnforecast.data.parse import ParsedFiles, codes_of
from rnnforecast.data.values.numbers import MISSING_TOKENS
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding
from rnnforecast.members import MAX_TARGET_CATEGORIES

Vocabularies: TypeAlias = Mapping[str, tuple[str, ...]]

#: Categories that a finding names.
MAX_NAMED = 5


def encode_categories(
    joined: ParsedFiles,
    roles: Roles,
    findings: list[Finding],
    *,
    known: Vocabularies | None,
    missing: Sequence[str] = (),
) -> tuple[ParsedFiles, dict[str, tuple[str, ...]]]:
    """Return the rows with codes in place of words, NaN where a cell is empty, and the vocabulary of each column.

    The vocabularies are those of a stored model where `known` has them, else the categories of the rows. Appends a
    note for each column, or a warning that counts unknown categories. Words of `missing` are missing values of a target.
    Raises DataError for a target with a single category, and for one with too many.
    """
    if not roles.categorical:
        return joined, {}
    values, vocabularies = joined.values.copy(), {}
    for name in roles.categorical:
        codes, words = codes_of(joined.frame[name])
        # a cell without text has no category; its code in categorical columns is -1
        is_target = name in roles.target
        empty = {"", *MISSING_TOKENS, *missing} if is_target else {""}
        filled = np.array([str(word).strip() not in empty for word in words] + [False], dtype=np.bool_)
        words = np.array([str(word) for word in words], dtype=object)
        trained = known.get(name) if known is not None else None
        if trained is not None:
            vocabulary = trained
        elif is_target:
            vocabulary = _target_vocabulary(name, words[np.unique(codes[filled[codes]])], findings)
        else:
            vocabulary = _vocabulary(name, words, filled, codes, findings)
        place = {word: number + 1 for number, word in enumerate(vocabulary)}
        numbers = np.array([place.get(word, 0) for word in words] + [0], dtype=np.float64)
        numbers[~filled] = np.nan
        values[:, (*roles.target, *roles.covariates).index(name)] = numbers[codes]
        if trained is not None:
            unknown = np.flatnonzero((numbers == 0)[codes])
            findings += _unknown(joined, name, unknown, words[codes[unknown]], is_target=is_target)
            if is_target:
                values[unknown, roles.target.index(name)] = np.nan
        vocabularies[name] = vocabulary
    return replace(joined, values=values), vocabularies


def _vocabulary(
    name: str, words: TextArray, filled: BoolArray, codes: Int64Array, findings: list[Finding]
) -> tuple[str, ...]:
    """Return the sorted categories of a column, the most frequent ones where there are too many."""
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    there = [place for place in range(len(words)) if filled[place] and counts[place]]
    kept = sorted(there, key=lambda place: (-counts[place], words[place]))[:MAX_CATEGORIES]
    num_categories = f"{len(there)} categor{'y' if len(there) == 1 else 'ies'}"
    kind = "each with an embedding"
    if len(kept) < len(there):
        kind = f"of which the {len(kept)} most frequent are distinguished"
    message = f"covariate `{name}` is categorical: {num_categories}, {kind}"
    findings.append(Finding("N_COVARIATE_CATEGORIES", message, column=name, count=len(there)))
    return tuple(sorted(words[place] for place in kept))


def _target_vocabulary(name: str, words: TextArray, findings: list[Finding]) -> tuple[str, ...]:
    """Return the sorted categories of a target. Raises DataError for a single one, and for too many."""
    vocabulary = tuple(sorted(words.tolist()))
    count = len(vocabulary)
    if count == 1:
        raise DataError(
            f"target `{name}` holds one category, {quoted(vocabulary[0])}: there is nothing to forecast",
            hint="bring rows with others, or name another column with --target",
            code="E_TARGET_ONE_CATEGORY",
        )
    if count > MAX_TARGET_CATEGORIES:
        shown = ", ".join(quoted(word) for word in vocabulary[:MAX_NAMED])
        raise DataError(
            f"target `{name}` holds {count:,} categories, at most {MAX_TARGET_CATEGORIES} are forecast: {shown} ...",
            hint="merge rare ones into one word; numbers with a unit are read with `--strip-units UNIT`, "
            "amounts with `--number-format financial`",
            code="E_TARGET_CATEGORIES",
        )
    shown = ", ".join(quoted(word) for word in vocabulary[:MAX_NAMED]) + (" ..." if count > MAX_NAMED else "")
    findings.append(
        Finding("N_TARGET_CATEGORIES", f"target `{name}` holds {count} categories: {shown}", column=name, count=count)
    )
    return vocabulary


def _unknown(joined: ParsedFiles, name: str, rows: Int64Array, words: TextArray, *, is_target: bool) -> list[Finding]:
    """Return the warning about rows whose category the model has not learned."""
    if not len(rows):
        return []
    file, lines = joined.locate(rows[:MAX_LISTED_ROWS].tolist())
    distinct = sorted(set(words.tolist()))
    shown = ", ".join(quoted(word) for word in distinct[:MAX_NAMED])
    more = f" and {len(distinct) - MAX_NAMED} more" if len(distinct) > MAX_NAMED else ""
    noun, reading = ("target", "missing") if is_target else ("covariate", "the mean of the known categories")
    message = f"{noun} `{name}`, {rows_in_words(lines, len(rows))}: the model has not learned {shown}{more}; read as {reading}"
    fix = "correct the words, or train again on rows with them"
    return [Finding("W_CATEGORY_UNKNOWN", message, file, lines, name, distinct[0], len(rows), fix)]
