"""Bodies of requests that hold more than they show: measured before they are read."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from rnnforecast.errors import DataError
from rnnforecast.serving.arrow_body import read_arrow
from rnnforecast.serving.request import parse_request

CAP = 2**20
ROWS = 300


def _stream(column: pa.Array, compression: str | None) -> bytes:
    table = pa.table({"value": pa.array(range(len(column))), "z": column})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([bytes(5_000)] * ROWS, pa.large_binary()),
        pa.array([bytes(5_000)] * ROWS, pa.binary()).dictionary_encode(),
        pa.array([{"a": bytes(5_000)}] * ROWS),
        pa.nulls(2 * CAP),
    ],
    ids=["binary", "dictionary", "struct", "nulls"],
)
def test_an_arrow_stream_that_unpacks_to_more_than_the_cap_is_not_unpacked(
    column: pa.Array, compression: str | None
) -> None:
    body = _stream(column, compression)
    with pytest.raises(DataError, match=r"the rows unpack to .*, at most 1MiB are read"):
        parse_request("arrow", {}, body, cap=CAP)


@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
def test_an_arrow_stream_below_the_cap_is_read_whatever_its_columns(compression: str | None) -> None:
    for column in (pa.array(["a", None, "b"]), pa.array(["a", "b", "a"]).dictionary_encode(), pa.nulls(3)):
        assert read_arrow(_stream(column, compression), CAP)["z"].to_pylist() == column.to_pylist()


def test_a_stream_cut_anywhere_is_an_error_of_the_body() -> None:
    body = _stream(pa.array(["a", "b", "c"]), "zstd")
    for end in range(0, len(body) - 80, 7):
        with pytest.raises(DataError, match="the body is not an Arrow stream"):
            read_arrow(body[:end], CAP)
