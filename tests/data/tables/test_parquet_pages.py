from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.data.tables.parquet_pages import Pages, chunks_of, pages_of

ROWS = 20_000
WAYS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "plain": {"use_dictionary": False, "compression": "none", "write_page_checksum": True},
    "second version": {"data_page_version": "2.0", "compression": "zstd"},
    "many groups": {"row_group_size": 3_000, "write_page_index": True},
    "shared prefixes": {"use_dictionary": False, "column_encoding": {"shop": "DELTA_BYTE_ARRAY", "y": "PLAIN"}},
}


def pages(**options: Any) -> dict[str, Pages]:
    """Return the pages of each column of a file that is written with some options."""
    shops = pa.array([f"shop {row % 1_000}" for row in range(ROWS)])
    sink = io.BytesIO()
    pq.write_table(pa.table({"shop": shops, "y": pa.array(np.arange(float(ROWS)))}), sink, **options)
    groups = chunks_of(sink.getvalue())
    assert groups is not None
    found = [pages_of(sink.getvalue(), [group[place] for group in groups]) for place in range(2)]
    assert found[0] is not None
    assert found[1] is not None
    return {"shop": found[0], "y": found[1]}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_page_headers_announce_what_a_writer_wrote(way: dict[str, Any]) -> None:
    for found in pages(**way).values():
        assert found.num_values == ROWS
        assert 0 < found.largest <= found.unpacked


def test_shared_prefixes_are_identified_by_page_headers() -> None:
    usual, shared = pages()["shop"], pages(**WAYS["shared prefixes"])["shop"]
    assert (usual.has_deltas, usual.has_prefixes) == (False, False)
    assert (shared.has_deltas, shared.has_prefixes) == (True, True)


def test_pages_of_numbers_unpack_to_eight_bytes_each_and_their_levels() -> None:
    found = pages(**WAYS["plain"])["y"]
    assert 8 * ROWS < found.unpacked < 8.1 * ROWS


@pytest.mark.parametrize("spoil", [b"\x00", b"\xff", b"\x19"], ids=["empty", "endless", "a list"])
def test_invalid_headers_leave_a_column_unknown(spoil: bytes) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"y": pa.array([1.0, 2.0])}), sink)
    content = sink.getvalue()
    ((chunk,),) = chunks_of(content) or [[]]
    assert pages_of(content, [chunk]) is not None
    assert pages_of(content[: chunk.start] + 40 * spoil + content[chunk.start + 40 :], [chunk]) is None
    assert pages_of(content[: chunk.start + 3], [chunk]) is None


@pytest.mark.parametrize("row_group_size", [100, 30])
def test_the_footer_says_where_columns_stand_as_pyarrow_reads_it(row_group_size: int) -> None:
    sink = io.BytesIO()
    columns = {"shop": pa.array(["a", "b"] * 50), "y": pa.array(np.arange(100.0)), "is_open": pa.array([True] * 100)}
    pq.write_table(pa.table(columns), sink, row_group_size=row_group_size)
    metadata = pq.read_metadata(io.BytesIO(sink.getvalue()))
    found = chunks_of(sink.getvalue()) or []
    assert len(found) == metadata.num_row_groups
    for number, chunks in enumerate(found):
        group = metadata.row_group(number)
        for place, chunk in enumerate(chunks):
            column = group.column(place)
            assert chunk.start == (column.dictionary_page_offset or column.data_page_offset)
            assert chunk.end - chunk.start == column.total_compressed_size
            assert chunk.num_rows == group.num_rows
            assert chunk.is_text == (place == 0)


def test_a_footer_that_is_none_is_not_understood() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"y": pa.array([1.0, 2.0])}), sink)
    content = sink.getvalue()
    assert chunks_of(content) is not None
    for length in range(0, len(content) - 8, 7):
        chunks_of(content[:length] + content[-8:])  # whatever it is, nothing is raised
    length = int.from_bytes(content[-8:-4], "little")
    assert chunks_of(content[: -8 - length] + bytes(length) + content[-8:]) is None
    assert chunks_of(b"PAR1") is None
