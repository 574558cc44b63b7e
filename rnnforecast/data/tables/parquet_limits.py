"""Columns of a Parquet file that would become far more in memory than they are in the file, found before they are read.

A text of a dictionary stands once in the file and once for each row in memory; a page of zeros packs to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnnforecast.data.files.compression import BOMB_BYTES, BOMB_RATIO
from rnnforecast.data.files.local import in_words
from rnnforecast.data.tables.csv_dialect import MAX_CELL_BYTES
from rnnforecast.data.tables.parquet_pages import Pages, chunks_of, pages_of
from rnnforecast.data.tables.sandbox import survives

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.parquet as pq

    from rnnforecast.data.sources import Source

#: Bytes of text that one batch of rows may become.
BATCH_BYTES = 2**28
#: Bytes that a number, a timestamp or a truth value takes at most, with all that stands beside it in its page.
_WIDEST_VALUE = 64
_MIN_PAGE = 2**20
#: Rows that a sample has at least.
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Weight:
    """How long a text of a column can be, or why the column is not read, in words."""

    longest: int = 0
    problem: str | None = None


class Scales:
    """The weights of columns, each found once; a file whose size the user vouched for has none."""

    def __init__(self, file: pq.ParquetFile, source: Source) -> None:
        self.file, self.source = file, source
        metadata = file.metadata
        paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
        self.places = {path: place for place, path in reversed(list(enumerate(paths)))}
        self._chunks = None if source.is_trusted else chunks_of(source.payload)
        self._tries: dict[str, str | None] = {}
        self._known: dict[tuple[str, int], Weight] = {}

    def of_sample(self, names: Sequence[str], num_rows: int) -> tuple[list[str], int]:
        """Return the columns of which a sample can be read, and how many rows of them."""
        total, fitting = 0, []
        for name in names:
            weight = self._weight(name, 0, num_rows=num_rows)
            if weight.problem is None and (total + weight.longest) * _FEWEST_ROWS <= BATCH_BYTES:
                total += weight.longest
                fitting.append(name)
        return fitting, max(min(num_rows, BATCH_BYTES // max(total, 1)), _FEWEST_ROWS)

    def of_all(self, name: str, num_rows: int) -> Weight:
        """Return the weight of a column over all row groups, read in batches of so many rows."""
        longest = 0
        for group in range(self.file.metadata.num_row_groups):
            weight = self._weight(name, group, num_rows=num_rows)
            if weight.problem is not None:
                return weight
            longest = max(longest, weight.longest)
        return Weight(longest)

    def _weight(self, name: str, group: int, *, num_rows: int) -> Weight:
        place = self.places.get(name)
        if self.source.is_trusted or place is None or group >= self.file.metadata.num_row_groups:
            return Weight()
        if (name, group) not in self._known:
            self._known[name, group] = self._found(name, place, group, num_rows=num_rows)
        return self._known[name, group]

    def _found(self, name: str, place: int, group: int, *, num_rows: int) -> Weight:
        if self._chunks is None or group >= len(self._chunks) or place >= len(self._chunks[group]):
            return Weight(problem=self._tried(name))
        chunk = self._chunks[group][place]
        pages = pages_of(self.source.payload, chunk)
        if not pages.is_known:
            return Weight(problem=self._tried(name))
        if not chunk.is_text:
            allowed = _WIDEST_VALUE * chunk.num_rows + _MIN_PAGE
            return Weight(problem=_bomb(pages) if pages.unpacked > allowed else None)
        if pages.unpacked > max(BOMB_BYTES, BOMB_RATIO * pages.packed) or pages.largest > self.source.cap:
            return Weight(problem=_bomb(pages))
        if pages.shares_beginnings and pages.num_values * pages.largest > BATCH_BYTES:
            return Weight(problem=self._tried(name))
        if not pages.has_dictionary or num_rows * pages.largest <= BATCH_BYTES // _FEWEST_ROWS:
            return Weight(pages.largest if pages.has_dictionary else 0)
        longest = self._longest(name, group)
        is_cell = longest > MAX_CELL_BYTES
        return Weight(longest, f"a text of {in_words(longest)}, more than 128KiB" if is_cell else None)

    def _longest(self, name: str, group: int) -> int:
        """Return the bytes of the longest text of a dictionary: one row is read, which brings the dictionary along."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        data, known = pa.BufferReader(self.source.payload), self.file.metadata
        file = pq.ParquetFile(data, read_dictionary=[name], metadata=known)
        batch = next(file.iter_batches(batch_size=1, row_groups=[group], columns=[name], use_threads=False))
        column = batch.column(0)
        texts = column.dictionary if pa.types.is_dictionary(column.type) else column
        return int(pc.max(pc.binary_length(texts.cast(pa.large_binary()))).as_py() or 0)

    def _tried(self, name: str) -> str | None:
        """Return why a child process of little memory could not read a column, None where it could."""
        if name not in self._tries:
            self._tries[name] = survives(self.source.payload, [name], memory=2**31)
        problem = self._tries[name]
        return None if problem is None else f"what cannot be read: {problem}"


def _bomb(pages: Pages) -> str:
    return f"{in_words(pages.unpacked)} in {in_words(pages.packed)} of the file: it looks like a bomb"
