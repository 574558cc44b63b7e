"""What the pages of a Parquet file become in memory, from the headers before them: nothing is unpacked to know it.

The metadata at the end of a file may say anything; a reader allocates what the header of each page says. Both are
`FileMetaData` and `PageHeader` of the Parquet format in the compact protocol of Thrift, read here: the accessors of
pyarrow for the chunks of a damaged file end the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Kinds of pages, and the encoding whose texts share their beginnings with the ones before them.
_DICTIONARY, _DATA, _DATA_V2 = 2, 0, 3
_DELTA_BYTE_ARRAY = 7
_MAX_DEPTH = 8
#: What comes of bytes that are no structure of this kind.
_ODD = (IndexError, KeyError, ValueError, TypeError, AttributeError)
_TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 6, 7, 8, 9, 10, 12
#: Elements of a list above which pyarrow refuses a footer as well.
_MAX_ELEMENTS = 2**20
_BYTE_ARRAY = 6


@dataclass(frozen=True)
class Pages:
    """The pages of one column in one row group, added up."""

    largest: int  # bytes of the largest one, unpacked
    unpacked: int  # bytes of all of them
    packed: int  # the same as they stand in the file
    num_values: int
    has_dictionary: bool
    shares_beginnings: bool  # a text may be as long as all texts of its page
    is_known: bool  # every header could be read


@dataclass(frozen=True)
class Chunk:
    """Where one column of one row group stands in the file, as the footer says."""

    start: int
    end: int
    num_rows: int
    is_text: bool  # or bytes of any length


def chunks_of(payload: bytes) -> list[list[Chunk]] | None:
    """Return the columns of each row group, None where the footer is not understood."""
    try:
        length = int.from_bytes(payload[-8:-4], "little")
        footer, _ = _struct(payload, len(payload) - 8 - length, depth=0)
        return [[_chunk(column[3], int(group[3])) for column in group[1]] for group in footer[4]]
    except _ODD:
        return None


def _chunk(column: dict[int, Any], num_rows: int) -> Chunk:
    offsets = (column.get(11), column[9])
    start = min((offset for offset in offsets if offset is not None and offset > 0), default=0)
    return Chunk(start, start + int(column[7]), num_rows, column[1] == _BYTE_ARRAY)


def pages_of(payload: bytes, chunk: Chunk) -> Pages:
    """Return what the page headers of a column chunk announce."""
    start, end = chunk.start, chunk.end
    largest = unpacked = packed = num_values = 0
    has_dictionary = shares = False
    is_known = 0 < start < end <= len(payload)
    try:
        for header in _headers(payload, start, end) if is_known else ():
            size = max(int(header[2]), 0)
            largest, unpacked, packed = max(largest, size), unpacked + size, packed + int(header[3])
            has_dictionary |= header[1] == _DICTIONARY
            data = header.get(5, {}) if header[1] == _DATA else header.get(8, {}) if header[1] == _DATA_V2 else {}
            num_values += max(int(data.get(1, 0)), 0)
            shares |= _DELTA_BYTE_ARRAY in (data.get(2), data.get(4)) and header[1] in (_DATA, _DATA_V2)
    except _ODD:
        is_known = False
    return Pages(largest, unpacked, packed, num_values, has_dictionary, shares, is_known)


def _headers(payload: bytes, position: int, end: int) -> Iterator[dict[int, Any]]:
    """Yield the header of each page between two places; raises ValueError for one that is none."""
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
    """Return the fields of a structure by their numbers, and where it ends."""
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
    """Return one value, None for those of no use here, and where it ends."""
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
    raise ValueError("metadata hold no maps")


def _list(payload: bytes, position: int, *, depth: int) -> tuple[list[Any], int]:
    byte = payload[position]
    size, position = (_varint(payload, position + 1)) if byte >> 4 == 15 else (byte >> 4, position + 1)
    if size > _MAX_ELEMENTS:
        raise ValueError("a list of more elements than any has")
    elements: list[Any] = []
    kind = byte & 15
    for _ in range(size):
        element, position = _value(payload, position, _BYTE if kind in (_TRUE, _FALSE) else kind, depth=depth)
        elements.append(element)
    return elements, position
