"""Columns of a large text, gathered piece by piece into arrays of their final size; no piece outlives its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    import pyarrow as pa

#: Bytes parsed in one turn: what the parser holds beside the arrays is a few times as much.
PIECE_BYTES = 2**24


def pieces_of(payload: bytes, *, size: int) -> Iterator[tuple[int, int]]:
    """Yield begins and ends of pieces of about that many bytes that end with a line; pieces of blanks are left out."""
    begin = 0
    while begin < len(payload):
        end = begin + size
        end = payload.find(b"\n", end) + 1 if end < len(payload) else len(payload)
        end = end or len(payload)
        if begin == 0 or payload[begin : begin + 99].strip() or payload[begin:end].strip():
            yield begin, end
        begin = end


class Gathered:
    """The columns of a text while its pieces arrive."""

    def __init__(self, types: Mapping[str, pa.DataType], *, limit: int) -> None:
        """Make room for at most `limit` rows; memory is taken as rows arrive."""
        import pyarrow as pa

        self.num_rows = 0
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._chunks: dict[str, list[pa.Array]] = {}
        for name, kind in types.items():
            if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
                self._chunks[name] = []
            else:
                self._arrays[name] = np.empty(limit, dtype=kind.to_pandas_dtype())

    def add(self, table: pa.Table) -> None:
        """Take the next rows; raises ArrowInvalid, as the parser does, where a column of whole numbers lacks one."""
        import pyarrow as pa

        for name, array in self._arrays.items():
            start = self.num_rows
            if array.dtype.kind == "i" and table.column(name).null_count:
                raise pa.ArrowInvalid(f"In CSV column #{name}: no whole number")
            for chunk in table.column(name).chunks:
                array[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
                start += len(chunk)
        for name, chunks in self._chunks.items():
            chunks += table.column(name).chunks
        self.num_rows += table.num_rows

    def finish(self, types: Mapping[str, pa.DataType]) -> dict[str, pd.Series[Any]]:
        """Return the whole columns in the order of `types`: texts of a dictionary as categories, others as Arrow's."""
        import pyarrow as pa

        columns: dict[str, pd.Series[Any]] = {}
        for name, kind in types.items():
            if name in self._arrays:
                columns[name] = pd.Series(self._arrays.pop(name)[: self.num_rows], copy=False)
                continue
            whole = pa.chunked_array(self._chunks.pop(name), kind)
            if pa.types.is_dictionary(kind):
                columns[name] = whole.unify_dictionaries().to_pandas()
            else:
                columns[name] = pd.Series(pd.arrays.ArrowExtensionArray(whole))
        return columns
