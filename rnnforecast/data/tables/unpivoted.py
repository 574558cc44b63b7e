"""`--wide` on a table whose header holds timestamps: one row for each row and timestamp, read column by column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.arrays import Int64Array, TextArray
from rnnforecast.data.errors import listed
from rnnforecast.data.tables.formats import SAMPLE_ROWS, ColumnSource
from rnnforecast.data.tables.wide_header import WideHeader
from rnnforecast.findings import Finding

_ISO = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class UnpivotedColumns:
    """The rows of a wide table, T for each of its n rows; empty cells are left out."""

    columns: ColumnSource
    header: WideHeader
    path: str
    _kept: Int64Array | None = field(default=None, init=False)  # of n * T cells those that are rows

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file that hold no timestamp in their names, the timestamps, and the values."""
        taken = set(self.header.places)
        others = [name for place, name in enumerate(self.columns.names) if place not in taken]
        return (*others, *self.header.names)

    @property
    def findings(self) -> Sequence[Finding]:
        """Those of the file, and how its columns were read."""
        wide = self._wide
        message = (
            f"--wide: {len(wide)} columns named after {self.header.noun}, {listed(wide, limit=2)}, are rows: "
            f"`{self.header.names[0]}` and `{self.header.names[1]}`"
        )
        return (*self.columns.findings, Finding("N_COLUMN_UNPIVOTED", message, self.path, count=len(wide)))

    @property
    def problems(self) -> Sequence[Finding]:
        """Errors of rows of the file."""
        return self.columns.problems

    @property
    def _wide(self) -> list[str]:
        return [self.columns.names[place] for place in self.header.places]

    def sample(self) -> pd.DataFrame:
        """Return the first rows, of at least two rows of the file."""
        count = len(self.header.places)
        first = self.columns.sample().iloc[: max(SAMPLE_ROWS // count, 2)]
        taken = set(self.header.places)
        others = [place for place in range(first.shape[1]) if place not in taken]
        frame = first.iloc[np.repeat(np.arange(len(first)), count), others].reset_index(drop=True)
        frame[self.header.names[0]] = np.tile(np.array(self.header.texts, dtype=object), len(first))
        values = [first.iloc[:, place].to_numpy() for place in self.header.places]
        frame[self.header.names[1]] = np.column_stack(values).ravel()
        return frame

    def read(self, *, text: Sequence[str] = (), numeric: Sequence[str] = (), time: Sequence[str] = ()) -> pd.DataFrame:
        """Return columns by name, as the file does; rows whose value is empty are left out where it is read."""
        moments, value = self.header.names
        mine = {moments, value}
        frame = self.columns.read(
            text=[name for name in text if name not in mine],
            numeric=[name for name in numeric if name not in mine] + (self._wide if value in numeric else []),
            time=[name for name in time if name not in mine],
        )
        num_rows, count = len(frame), len(self.header.places)
        values = _stacked([frame[name] for name in self._wide]) if value in numeric else None
        kept = np.arange(num_rows * count, dtype=np.int64) if values is None else np.flatnonzero(~_is_empty(values))
        self._kept = kept if values is not None else self._kept
        columns: dict[str, Any] = {}
        for name in dict.fromkeys([*time, *text, *numeric]):
            if name == value and values is not None:
                columns[name] = values.iloc[kept].reset_index(drop=True)
            elif name == moments:
                texts = _timestamps(self.header.texts) if name in time else np.array(self.header.texts, dtype=object)
                columns[name] = texts[kept % count]
            else:
                columns[name] = frame[name].iloc[kept // count].reset_index(drop=True)
        return pd.DataFrame(columns, copy=False)

    def unusable(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns whose type or size cannot be read."""
        return self.columns.unusable(self._of_file(names))

    def ambiguous_numbers(self, names: Sequence[str]) -> list[Finding]:
        """Return the errors of columns whose numbers have two readings."""
        return self.columns.ambiguous_numbers(self._of_file(names))

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the file on which rows stand."""
        count = len(self.header.places)
        cells = rows if self._kept is None else [int(self._kept[row]) for row in rows]
        return self.columns.lines_of([int(cell) // count for cell in cells])

    def names_of(self, rows: Sequence[int] | Int64Array) -> list[str]:
        """Return the columns of the file in which rows stand."""
        count = len(self.header.places)
        cells = rows if self._kept is None else [int(self._kept[row]) for row in rows]
        return [self._wide[int(cell) % count] for cell in cells]

    def release(self) -> None:
        """Free the bytes of the file."""
        self.columns.release()

    def _of_file(self, names: Sequence[str]) -> list[str]:
        moments, value = self.header.names
        own = [name for name in names if name not in (moments, value)]
        return [*own, *self._wide] if value in names else own


def _stacked(columns: Sequence[pd.Series[Any]]) -> pd.Series[Any]:
    """Return columns as one, row by row: numbers, or text where one of them is not plain numbers."""
    if all(column.dtype.kind in "iufb" for column in columns):
        return pd.Series(np.column_stack([column.to_numpy() for column in columns]).ravel())
    texts = [_texts_of(column) for column in columns]
    return pd.Series(pd.Categorical(np.column_stack(texts).ravel()))


def _texts_of(column: pd.Series[Any]) -> TextArray:
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind == "O":
        return column.astype(object).fillna("").to_numpy()
    numbers = column.to_numpy(dtype=np.float64)
    return np.array(["" if np.isnan(number) else f"{number:.17g}" for number in numbers], dtype=object)


def _is_empty(values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    empty = values.isna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        empty |= values == ""
    return empty.to_numpy()


def _timestamps(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return timestamps in the type that a column of them has: dates, whole numbers, or text."""
    if all(map(_ISO.fullmatch, texts)):
        return np.array(texts, dtype="datetime64[us]")
    if all(text.isdigit() for text in texts):
        return np.array(texts, dtype=np.int64)
    return np.array(texts, dtype=object)
