"""Compressed files and archives of one file: identified by their content, decompressed up to a size limit."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rnnforecast.data.errors import listed, quoted_path
from rnnforecast.data.files.local import check_not_blank, too_large
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding

_CHUNK = 2**24
#: A file that decompresses to this size and this many times its own is rejected as a bomb, unless a cap was named.
BOMB_BYTES = 2**26
BOMB_RATIO = 400
#: Archives within archives are opened to this depth.
_MAX_DEPTH = 2
#: The decompressor rejects larger dictionaries.
_LZMA_MEMORY = 2**28
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
#: Raised by the decompressors for damage.
_DAMAGE = (
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error, OSError, EOFError),
    *(ValueError, IndexError, KeyError, RuntimeError),
)
_EXTENSIONS = {
    "gzip": (".gz", ".gzip"), "bzip2": (".bz2",), "xz": (".xz",), "zstd": (".zst", ".zstd"), "zip": (".zip",),
}  # fmt: skip
WORKBOOK_EXTENSIONS = (".xlsx", ".xlsm")
PACKED_EXTENSIONS = tuple(name for names in _EXTENSIONS.values() for name in names)


def unpack(path: str, raw: bytes, *, cap: int, is_asked: bool) -> tuple[bytes, list[Finding]]:
    """Return the decompressed content of a file, and a warning where name and content disagree.

    `is_asked`: the user named the cap, so that a high ratio alone is not rejected. Raises DataError
    for damage, for archives of several files, and above the cap, before more memory is used.
    """
    payload, findings = raw, []
    for _ in range(_MAX_DEPTH):
        kind = kind_of(payload)
        if kind is None:
            break
        if kind == "zip" and path.lower().endswith(WORKBOOK_EXTENSIONS) and zipfile.is_zipfile(io.BytesIO(payload)):
            message = f"{quoted_path(path)} is a zip archive without the parts of a workbook"
            raise DataError(message, hint="save it again in a spreadsheet program", code="E_DATA_FORMAT")
        if not path.lower().endswith(_EXTENSIONS[kind]) and payload is raw and path != "-":
            message = f"the file is {kind} compressed, although its name does not say so"
            findings.append(Finding("W_DATA_PACKED", message, path, count=1))
        payload = _join(path, kind, payload, cap=cap, num_packed=len(raw), is_asked=is_asked)
    if payload is raw and path.lower().endswith(PACKED_EXTENSIONS) and raw:
        message = f"the file is not compressed, although it is named `{Path(path).suffix}`"
        findings.append(Finding("W_DATA_PACKED", message, path, count=1))
    return payload, findings


def kind_of(payload: bytes) -> str | None:
    """Return the compression of bytes, None where there is none; a workbook is not an archive of rows."""
    kind = next((kind for magic, kind in _MAGIC.items() if payload.startswith(magic)), None)
    return None if kind == "zip" and is_office(payload) else kind


def is_office(payload: bytes) -> bool:
    """Whether an archive is an Office document: its list of parts is first or last in it."""
    return any(b"[Content_Types].xml" in part for part in (payload[:4096], payload[-(2**16) :]))


def _join(path: str, kind: str, payload: bytes, *, cap: int, num_packed: int, is_asked: bool) -> bytes:
    """Return the content of one layer; `num_packed`: bytes of the file itself, whose ratio is limited."""
    parts: list[bytes] = []
    size = 0
    try:
        for part in _zip(path, payload) if kind == "zip" else _OPENERS[kind](payload):
            if not parts:
                check_not_blank(path, part)
            parts.append(part)
            size += len(part)
            if size > cap:
                raise too_large(path, size, cap)
            check_ratio(path, size, num_packed, is_asked=is_asked)
    except _DAMAGE as error:
        raise _damaged(path, kind) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_ratio(path: str, size: int, packed: int, *, is_asked: bool) -> None:
    """Raise DataError for content so much larger than its packed form that it looks like a bomb."""
    if size > BOMB_BYTES and size > BOMB_RATIO * packed and not is_asked:
        raise _bomb(path, size, packed)


def _gzip(raw: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:  # of several members, padded with zeros or not
        yield from _parts(stream)


def _parts(stream: Any) -> Iterator[bytes]:
    while part := stream.read(_CHUNK):
        yield part


def _frames(new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor], raw: bytes) -> Iterator[bytes]:
    """Yield the content of one compressed stream after the other."""
    rest = raw
    while rest.strip(b"\0"):
        packer = new()
        data = rest
        while not packer.eof:
            part = packer.decompress(data, _CHUNK)
            data = b""
            yield part
            if not part and packer.needs_input and not packer.eof:
                raise EOFError
        rest = packer.unused_data


def _zstd(raw: bytes) -> Iterator[bytes]:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
        yield from _parts(stream)


def _zip(path: str, raw: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            names = listed([member.filename for member in members]) or "none"
            message = f"{quoted_path(path)} is a zip archive of {len(members)} files, not of one: {names}"
            raise DataError(message, hint="unpack it and name the files to read", code="E_DATA_ARCHIVE")
        if members[0].flag_bits & 1:
            message = f"{quoted_path(path)} is an encrypted zip archive"
            raise DataError(message, hint="unpack it with its password first", code="E_DATA_ENCRYPTED")
        try:
            with archive.open(members[0]) as stream:
                yield from _parts(stream)
        except NotImplementedError as error:
            raise ValueError(str(error)) from error


_OPENERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "bzip2": partial(_frames, bz2.BZ2Decompressor),
    "xz": partial(_frames, partial(lzma.LZMADecompressor, memlimit=_LZMA_MEMORY)),
    "zstd": _zstd,
}


def _bomb(path: str, size: int, packed: int) -> DataError:
    return DataError(
        f"{quoted_path(path)} contains more than {size // packed} times its own {packed} bytes: it looks like a bomb",
        hint="if that is right, name the size it may reach: --max-bytes 20GiB",
        code="E_DATA_BOMB",
    )


def _damaged(path: str, kind: str) -> DataError:
    message = f"{quoted_path(path)} is a damaged or truncated {kind} file"
    return DataError(message, hint="fetch or compress the file again", code="E_DATA_DAMAGED")
