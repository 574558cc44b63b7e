"""Tables as CSV text: a row of plain values (`csv_line`), or a frame block by block (`csv_blocks`).

Text is quoted where it must be. Text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnforecast.escaping import without_formula

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Rows of a block: its text takes some megabytes, whatever the table takes.
BLOCK_ROWS = 2**16
#: So few numbers are written by Python itself.
FEW_ROWS = 500

#: Magnitudes between which pyarrow writes numbers as Python does, unless they are whole.
_PLAIN = (1e-4, 1e10)
_MUST_QUOTE = (",", '"', "\n", "\r")


def csv_line(cells: Iterable[object]) -> str:
    """Return one row as text; None is an empty cell."""
    texts = ["" if cell is None else without_formula(cell) if isinstance(cell, str) else str(cell) for cell in cells]
    return ",".join(_quoted(text, alone=len(texts) == 1) for text in texts) + "\n"


def csv_blocks(frame: pd.DataFrame) -> Iterator[bytes]:
    """Yield header and rows in UTF-8, as pandas writes them: numbers read back exactly, missing values are empty."""
    alone = len(frame.columns) == 1
    header = ",".join(_quoted(without_formula(str(name)), alone=alone) for name in frame.columns) + "\n"
    yield header.encode("utf-8", "surrogateescape")
    if len(frame) <= FEW_ROWS:
        few = [_few_cells(column, alone=alone) for _, column in frame.items()]
        yield b"".join(b",".join(cells) + b"\n" for cells in zip(*few, strict=True))
        return
    import pyarrow as pa
    import pyarrow.compute as pc

    comma, line_end, nothing = (pa.scalar(text, pa.large_binary()) for text in (b",", b"\n", b""))
    columns = [_cells_of(column, alone=alone) for _, column in frame.items()]
    for start in range(0, len(frame), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(frame)))
        cells = [column(rows) for column in columns]
        last = pc.binary_join_element_wise(cells[-1], line_end, nothing)
        # each row ends with a line break, so that all texts end to end are the block
        yield _bytes_of(pc.binary_join_element_wise(*cells[:-1], last, comma))


def _few_cells(column: pd.Series[Any], *, alone: bool) -> list[bytes]:
    """Return the cells of a column of few rows, by Python alone; `_cells_of` gives the same bytes."""
    if column.dtype == np.float64:
        missing = b'""' if alone else b""
        return [missing if math.isnan(number) else repr(number).encode() for number in column.tolist()]
    if column.dtype.kind == "f":
        return _cells_of(column, alone=alone)(slice(None)).to_pylist()  # type: ignore[no-any-return]
    return [_encoded(text, alone=alone) for text in _texts_of(column)]


def _cells_of(column: pd.Series[Any], *, alone: bool) -> Callable[[slice], pa.Array]:
    """Return a function from rows to the cells of a column as bytes; each distinct text is encoded once."""
    import pandas as pd
    import pyarrow as pa

    if column.dtype.kind in "iuf" and isinstance(column.dtype, np.dtype):
        values = column.to_numpy()
        missing = b'""' if alone else b""

        return lambda rows: _numbers(values[rows]).fill_null(missing)
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    labels = pa.array([_encoded(text, alone=alone) for text in _texts_of(pd.Series(distinct))], pa.large_binary())
    return lambda rows: labels.take(pa.array(codes[rows]))


def _numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as Python writes them, null where they are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(values, from_pandas=True).cast(pa.string()).cast(pa.large_binary())
    if values.dtype.kind != "f":
        return texts
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        # pyarrow has other exponents and no `.0`
        odd = ((size < _PLAIN[0]) | (size >= _PLAIN[1]) | (values == np.rint(values))) & ~np.isnan(values)
    if not odd.any():
        return texts
    exact = pa.array([repr(number).encode() for number in values[odd].tolist()], pa.large_binary())
    return pc.replace_with_mask(texts, pa.array(odd), exact)


def _texts_of(distinct: pd.Series[Any]) -> list[str]:
    """Return values as text: timestamps as pandas writes them, anything else as Python does, "" where it is missing."""
    import pandas as pd

    if distinct.dtype.kind == "M" or isinstance(distinct.dtype, pd.DatetimeTZDtype):
        return ["" if text == "NaT" else text for text in pd.DatetimeIndex(distinct).astype(str)]
    return ["" if missing else str(cell) for cell, missing in zip(distinct, distinct.isna(), strict=True)]


def _encoded(text: str, *, alone: bool) -> bytes:
    return _quoted(without_formula(text), alone=alone).encode("utf-8", "surrogateescape")


def _quoted(text: str, *, alone: bool) -> str:
    """Return a cell with quotes where it needs them: a row of one empty cell would look like a blank line."""
    if any(sign in text for sign in _MUST_QUOTE) or (alone and not text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _bytes_of(texts: pa.Array) -> bytes:
    """Return the texts of an array end to end, as in memory."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(texts.buffers()[2][int(offsets[0]) : int(offsets[-1])])
