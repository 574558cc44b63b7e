"""Arrow streams of requests, measured before they are read: a compressed buffer announces what it unpacks to.

The layout is that of Message.fbs in the Arrow format: a message is a table of a FlatBuffer, with the places of its
buffers in its body; a compressed buffer begins with its size as 64 bits, -1 where it was not compressed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rnnforecast.data.files.local import in_words
from rnnforecast.errors import DataError, first_line

if TYPE_CHECKING:
    import pyarrow as pa

#: Fields of the tables Message, DictionaryBatch and RecordBatch, and the tag of a dictionary.
_TAG, _HEADER, _DATA, _BUFFERS, _COMPRESSION, _DICTIONARY = 1, 2, 1, 2, 3, 2


def read_arrow(body: bytes, cap: int) -> pa.Table:
    """Return the table of an Arrow stream that takes at most `cap` bytes. Raises DataError."""
    import pyarrow as pa

    try:
        check_size(_announced(body), cap)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, ValueError, TypeError, OSError, struct.error) as error:
        raise DataError(f"the body is not an Arrow stream: {first_line(error)}", code="E_SERVE_BODY") from error
    check_size(sum(_written(column) for column in table.columns), cap)
    return table


def check_size(num_bytes: int, cap: int) -> None:
    """Raise DataError where rows take more than the server allows."""
    if num_bytes > cap:
        raise DataError(
            f"the rows unpack to {in_words(num_bytes)}, at most {in_words(cap)} are read",
            hint="send fewer rows or columns, or start the server with a larger --max-body",
            code="E_SERVE_BODY",
        )


def _announced(body: bytes) -> int:
    """Return the bytes that the buffers of a stream take once unpacked."""
    import pyarrow as pa

    messages = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
    return sum(
        _unpacked(bytes(message.metadata), memoryview(message.body)) for message in messages if message.type != "schema"
    )


def _unpacked(metadata: bytes, body: memoryview) -> int:
    message = _follow(metadata, 0)
    batch = _follow(metadata, _field(metadata, message, _HEADER))
    if metadata[_field(metadata, message, _TAG)] == _DICTIONARY:
        batch = _follow(metadata, _field(metadata, batch, _DATA))
    buffers = _follow(metadata, _field(metadata, batch, _BUFFERS))
    is_packed = _field(metadata, batch, _COMPRESSION) > 0
    (count,) = struct.unpack_from("<I", metadata, buffers)
    total = 0
    for place in range(buffers + 4, buffers + 4 + 16 * count, 16):
        start, length = struct.unpack_from("<qq", metadata, place)
        announced = struct.unpack_from("<q", body, start)[0] if is_packed and length >= 8 else 0
        total += max(length, announced)
    return total


def _field(metadata: bytes, table: int, number: int) -> int:
    """Return the place of a field of a table, 0 where it is left out."""
    places = table - int(struct.unpack_from("<i", metadata, table)[0])
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", metadata, places)[0]:
        return 0
    offset = int(struct.unpack_from("<H", metadata, places + at)[0])
    return table + offset if offset else 0


def _follow(metadata: bytes, place: int) -> int:
    return place + int(struct.unpack_from("<I", metadata, place)[0])


def _written(column: pa.ChunkedArray) -> int:
    """Return the bytes of a column with each text or value of a dictionary as often as it occurs, one a row at least."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = len(column)
    for chunk in column.chunks:
        values, rows = (chunk.dictionary, chunk.indices) if pa.types.is_dictionary(chunk.type) else (chunk, None)
        if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type) or _is_large(values.type)):
            continue
        lengths = pc.binary_length(values).cast("int64")
        total += pc.sum(lengths if rows is None else lengths.take(rows)).as_py() or 0
    return total


def _is_large(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))
