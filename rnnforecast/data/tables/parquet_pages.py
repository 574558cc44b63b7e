"""Sizes that the page headers of a Parquet file announce; nothing is decompressed to find them.

The footer of a file may state any size, but a reader allocates what each page header says. Both are structures
(`FileMetaData`, `PageHeader`) in the compact protocol of Thrift. They are parsed here because pyarrow shows no page
headers, and its accessors for column chunks end the process for some damaged files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rnnforecast.frozen import dataclass

#: Page types and encodings of the Parquet format.
_DATA, _DATA_V2 = 0, 3
_DELTA_LENGTH, _DELTA_BYTE_ARRAY = 6, 7
_BYTE_ARRAY = 6
#: Field types of Thrift.
_TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 6, 7, 8, 9, 10, 12
_MAX_DEPTH = 8
#: pyarrow rejects a footer with longer lists as well.
_MAX_ELEMENTS = 2**20
#: Raised for bytes that are not such a structure.
_INVALID = (IndexError, KeyError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Pages:
    """The pages of one column, summed over row groups."""

    largest: int  # decompressed bytes of the largest page
    unpacked: int  # decompressed bytes of all pages
    packed: int  # their bytes in the file
    num_values: int
    has_deltas: bool  # texts are encoded by their lengths or shared prefixes: no dictionary can be read from them
    has_prefixes: bool  # a text may be as long as all texts of its page together


@dataclass(frozen=True)
class Chunk:
    """The place of one column of one row group in the file, according to the footer."""

    start: int
    end: int
    num_rows: int
    is_text: bool  # or bytes of any length


def chunks_of(payload: bytes) -> list[list[Chunk]] | None:
    """Return the columns of each row group, None where the footer cannot be parsed."""
    try:
        length = int.from_bytes(payload[-8:-4], "little")
        footer, _ = _struct(payload, len(payload) - 8 - length, depth=0)
        return [[_chunk(column[3], int(group[3])) for column in group[1]] for group in footer[4]]
    except _INVALID:
        return None


def _chunk(column: dict[int, Any], num_rows: int) -> Chunk:
    offsets = (column.get(11), column[9])
    start = min((offset for offset in offsets if offset is not None and offset > 0), default=0)
    return Chunk(start, start + int(column[7]), num_rows, column[1] == _BYTE_ARRAY)


def pages_of(payload: bytes, chunks: Sequence[Chunk]) -> Pages | None:
    """Return what the page headers of a column announce, None where one of them cannot be parsed."""
    largest = unpacked = packed = num_values = 0
    encodings: set[int] = set()
    try:
        for header in (header for chunk in chunks for header in _headers(payload, chunk)):
            size = max(int(header[2]), 0)
            largest, unpacked, packed = max(largest, size), unpacked + size, packed + int(header[3])
            data = header.get({_DATA: 5, _DATA_V2: 8}.get(header[1], -1), {})
            num_values += max(int(data.get(1, 0)), 0)
            encodings |= {data.get(2), data.get(4)}
    except _INVALID:
        return None
    has_prefixes = _DELTA_BYTE_ARRAY in encodings
    return Pages(largest, unpacked, packed, num_values, has_prefixes or _DELTA_LENGTH in encodings, has_prefixes)


def _headers(payload: bytes, chunk: Chunk) -> Iterator[dict[int, Any]]:
    """Yield the header of each page of a chunk."""
    position, end = chunk.start, chunk.end
    if not 0 < position < end <= len(payload):
        raise ValueError("the column is not in the file")
    while position < end:
        header, position = _struct(payload, position, depth=0)
        if not 0 <= header[3] <= end - position:
            raise ValueError("a page is longer than its column")
        yield header
        position += header[3]


def _varint(payload: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = payload[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _zigzag(payload: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(payload, position)
    return (value >> 1) ^ -(value & 1), position


def _struct(payload: bytes, position: int, *, depth: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a structure by their numbers, and the position after it."""
    if depth > _MAX_DEPTH:
        raise ValueError("structures within structures")
    fields: dict[int, Any] = {}
    number = 0
    while (byte := payload[position]) != 0:
        position += 1
        if byte >> 4:
            number += byte >> 4
        else:
            number, position = _zigzag(payload, position)
        fields[number], position = _value(payload, position, byte & 15, depth=depth)
    return fields, position + 1


def _value(payload: bytes, position: int, kind: int, *, depth: int) -> tuple[Any, int]:
    """Return one value, None for texts and floats, and the position after it."""
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, position
    if kind == _BYTE:
        return payload[position], position + 1
    if _BYTE < kind <= _I64:
        return _zigzag(payload, position)
    if kind == _DOUBLE:
        return None, position + 8
    if kind == _BINARY:
        length, position = _varint(payload, position)
        return None, position + length
    if kind == _STRUCT:
        return _struct(payload, position, depth=depth + 1)
    if kind in (_LIST, _SET):
        return _list(payload, position, depth=depth)
    raise ValueError("metadata contain no maps")


def _list(payload: bytes, position: int, *, depth: int) -> tuple[list[Any], int]:
    byte = payload[position]
    size, position = (_varint(payload, position + 1)) if byte >> 4 == 15 else (byte >> 4, position + 1)
    if size > _MAX_ELEMENTS:
        raise ValueError("a list is too long")
    elements: list[Any] = []
    kind = byte & 15
    for _ in range(size):
        element, position = _value(payload, position, _BYTE if kind in (_TRUE, _FALSE) else kind, depth=depth)
        elements.append(element)
    return elements, position
