"""From a path to bytes: what is there, of which kind it is, and the digest of what was read.

A file is read once and whole, so the digest is that of the rows that were used even while a producer writes on.
"""

from __future__ import annotations

import difflib
import glob
import hashlib
import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rnnforecast.errors import DataError, InputError
from rnnforecast.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["csv", "parquet"]

#: Decompressed size above which a gzip file is refused: a few kilobytes can hold any number of zeros.
MAX_BYTES = 8 * 2**30
_CHUNK = 2**24
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"\x28\xb5\x2f\xfd": "zstd compressed",
    b"BZh": "bzip2 compressed",
    b"\xfd7zXZ": "xz compressed",
    b"ARROW1": "an Arrow or Feather file",
    b"\x89HDF": "an HDF5 file",
}


@dataclass(frozen=True)
class Source:
    """The bytes of one input, decompressed and (for text) in UTF-8 without byte order mark."""

    path: str
    kind: Kind
    payload: bytes
    digest: str  # sha256 of the bytes as they lie on disk
    findings: tuple[Finding, ...] = ()

    @property
    def stem(self) -> str:
        """The file's name without folder and endings, the id of its series when every file is one."""
        name = Path(self.path).name
        return name.removesuffix(".gz").rsplit(".", 1)[0] if "." in name.strip(".") else name


def expand(data: Sequence[str | Path]) -> tuple[list[str], list[Finding]]:
    """Return the paths that are meant: globs expanded in order of name, a path named twice taken once.

    Raises InputError for a glob without files.
    """
    paths: list[str] = []
    findings: list[Finding] = []
    for item in map(str, data):
        is_glob = any(character in item for character in "*?[") and not Path(item).exists()
        found = sorted(glob.glob(item, recursive=True)) if is_glob else [item]
        if not found:
            raise InputError(f"no file matches {item}", hint="check the folder and the pattern", code="E_INPUT_MISSING")
        for path in found:
            if path in paths:
                message = f"{path} was named twice and is read once"
                findings.append(Finding("W_INPUT_TWICE", "repair", message, file=path, count=1))
            else:
                paths.append(path)
    if not paths:
        raise InputError("no input was named", hint="name a CSV or Parquet file, or `-` for standard input")
    return paths, findings


def open_source(path: str) -> Source:
    """Read one input, `-` for standard input. Raises InputError where it cannot be read, DataError for its content."""
    raw = sys.stdin.buffer.read() if path == "-" else _read(Path(path))
    digest = hashlib.sha256(raw).hexdigest()
    payload = _inflate(path, raw) if raw[:2] == b"\x1f\x8b" else raw
    if not payload.removeprefix(b"\xef\xbb\xbf").strip():
        raise DataError(f"{path} is empty", hint="name a file with a header and rows", code="E_DATA_EMPTY")
    if payload[:4] == b"PAR1":
        return Source(path, "parquet", payload, digest)
    for magic, words in _FOREIGN.items():
        if payload.startswith(magic):
            hint = "export the table as CSV or Parquet"
            raise DataError(f"{path} is {words}, not CSV or Parquet", hint=hint, code="E_DATA_FORMAT")
    if path.endswith((".parquet", ".pq")) and b"\0" in payload[:4096]:
        raise DataError(
            f"{path} is no Parquet file: it does not begin with PAR1",
            hint="write the file again; it may be cut or damaged",
            code="E_DATA_FORMAT",
        )
    text, findings = _as_utf8(path, payload)
    return Source(path, "csv", text, digest, findings)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(
                f"{path} is a folder",
                hint=f"name a file in it, or all of them as '{path}/*.csv'",
                code="E_INPUT_FOLDER",
            )
        if path.exists() and not (path.is_file() or path.is_fifo()):
            raise InputError(f"{path} is a device or a socket, not a file", hint="name a file", code="E_INPUT_KIND")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint=_similar(path), code="E_INPUT_MISSING") from error
    except PermissionError as error:
        hint = f"allow reading it: chmod u+r {path}"
        raise InputError(f"{path} may not be read: permission denied", hint=hint, code="E_INPUT_DENIED") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", code="E_INPUT_READ") from error


def _similar(path: Path) -> str:
    """Return the fix for a missing path: a file of nearly that name, or where it was looked for."""
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either; working folder: {Path.cwd()}"
    stems = {entry.name.partition(".")[0]: entry.name for entry in folder.iterdir()}  # endings make all names alike
    near = difflib.get_close_matches(path.name.partition(".")[0], stems, n=1)
    return f"did you mean {folder / stems[near[0]]}?" if near else f"looked in {folder.resolve()}"


def _inflate(path: str, raw: bytes) -> bytes:
    """Return the content of a gzip file, all members of it; refuses damage and more than `MAX_BYTES`."""
    parts: list[bytes] = []
    size, rest = 0, raw
    while rest[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(wbits=31)
        data = rest
        while data and not inflater.eof:
            try:
                parts.append(inflater.decompress(data, _CHUNK))
            except zlib.error as error:
                raise _damaged_gzip(path) from error
            size += len(parts[-1])
            data = inflater.unconsumed_tail
            if size > MAX_BYTES:
                message = f"{path} holds more than {MAX_BYTES // 2**30} GiB when decompressed"
                raise DataError(message, hint="decompress it and split it", code="E_DATA_SIZE")
        if not inflater.eof:
            raise _damaged_gzip(path)
        rest = inflater.unused_data
    return b"".join(parts)


def _damaged_gzip(path: str) -> DataError:
    return DataError(
        f"{path} is a damaged or cut gzip file", hint="fetch or compress the file again", code="E_DATA_DAMAGED"
    )


def _as_utf8(path: str, payload: bytes) -> tuple[bytes, tuple[Finding, ...]]:
    """Return text bytes in UTF-8 with plain line ends; raises DataError with the offset of a byte that is no text."""
    if payload[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            payload = payload.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} begins as UTF-16 but is damaged: {error.reason}", code="E_DATA_ENCODING"
            ) from error
        note = Finding("N_DATA_UTF16", "note", "read as UTF-16", file=path)
        return payload, (note,)
    payload = payload.removeprefix(b"\xef\xbb\xbf")
    nul = payload.find(b"\0")
    if nul >= 0:
        row = payload.count(b"\n", 0, nul) + 1
        message = f"{path} has a NUL byte at offset {nul}, row {row}: it is binary or damaged"
        raise DataError(message, hint="export the table again as CSV in UTF-8", code="E_DATA_BINARY")
    if not payload.isascii():
        _check_utf8(path, payload)
    if b"\r" in payload and b"\n" not in payload:
        payload = payload.replace(b"\r", b"\n")
    return payload, ()


def _check_utf8(path: str, payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        row = payload.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8: byte 0x{payload[error.start]:02x} at offset {error.start}, row {row}",
            hint=f"convert it, if it is Western European text: iconv -f cp1252 -t utf-8 {path} > utf8.csv",
            code="E_DATA_ENCODING",
        ) from error


def text_of(source: Source) -> io.TextIOWrapper:
    """Return the text of a source as a stream that keeps the line ends inside quotes."""
    return io.TextIOWrapper(io.BytesIO(source.payload), encoding="utf-8", newline="")
