"""From bytes to text in UTF-8 with line feeds; undecidable bytes are rejected with their position."""

from __future__ import annotations

import codecs
import re
import shlex

from rnnforecast.data.errors import quoted, quoted_path
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LONE_RETURN = re.compile(rb"\r(?!\n)")
#: A letter beyond ASCII in UTF-8, of two or three bytes.
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}")


def to_utf8(path: str, payload: bytes, *, encoding: str | None) -> tuple[bytes, list[Finding]]:
    """Return text bytes in UTF-8, without byte order mark, and notes; lines end with line feeds.

    Raises DataError with offset and row of a byte that is not text, UsageError for an unknown encoding.
    """
    notes: list[Finding] = []
    marked = next((name for mark, name in _MARKS.items() if payload.startswith(mark)), None)
    chosen = marked if encoding is None else _known(encoding)
    if chosen == "utf-8-sig":
        payload = payload.removeprefix(codecs.BOM_UTF8)
        if marked == chosen:
            notes.append(Finding("N_DATA_BOM", "a byte order mark before the text was skipped", path))
    elif chosen is not None:
        payload = _decoded(path, payload, chosen)
        code, words = (
            ("N_DATA_UTF16", "read as UTF-16") if chosen == "utf-16" else ("N_DATA_ENCODING", f"read as {chosen}")
        )
        notes.append(Finding(code, words, path))
    _check_binary(path, payload)
    if chosen in (None, "utf-8-sig") and not payload.isascii():
        _check_utf8(path, payload)
    return _with_plain_ends(payload), notes


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # a codec from bytes to bytes, such as zlib, does not encode text
    except (LookupError, ValueError) as error:
        message = f"unknown encoding {quoted(encoding)}"
        hint = "usual ones are utf-8, cp1252 (Windows, Western Europe), latin-1, utf-16, shift_jis, gb18030"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG") from error
    return "utf-8-sig" if name == "utf-8" else name


def _decoded(path: str, payload: bytes, encoding: str) -> bytes:
    try:
        text = payload.decode(encoding)
        return text.removeprefix("\ufeff").encode()
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        message = f"{quoted_path(path)} is not {encoding}: it is damaged at offset {start}, row {_row(payload, start)}"
        hint = "name the encoding it was written in: --encoding utf-8, or export it again in UTF-8"
        raise DataError(message, hint=hint, code="E_DATA_ENCODING") from error


def _check_binary(path: str, payload: bytes) -> None:
    nul = payload.find(b"\0")
    if nul < 0:
        return
    head = payload[:1000]
    wide = head[1::2].count(0) > len(head) / 4 or head[::2].count(0) > len(head) / 4
    utf16 = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
    message = f"{quoted_path(path)} has a NUL byte at offset {nul}, row {_row(payload, nul)}: it is binary or damaged"
    hint = f"every other byte is NUL: try --encoding {utf16}" if wide else "export the table again as CSV in UTF-8"
    raise DataError(message, hint=hint, code="E_DATA_BINARY")


def _check_utf8(path: str, payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        offset, row = error.start, _row(payload, error.start)
        byte = f"byte 0x{payload[offset]:02x} at offset {offset}, row {row}"
        good = _UTF8_LETTER.search(payload)
        if good is not None:
            message = f"{quoted_path(path)} mixes encodings: row {_row(payload, good.start())} is UTF-8, {byte} is not"
            hint = "export it again in one encoding; --encoding cp1252 reads the UTF-8 letters as two signs each"
            raise DataError(message, hint=hint, code="E_DATA_ENCODING") from error
        message = f"{quoted_path(path)} is not UTF-8: {byte}; it is probably cp1252 (Western European text of Windows)"
        hint = f"--encoding cp1252, or convert it: iconv -f cp1252 -t utf-8 {shlex.quote(path)} > utf8.csv"
        raise DataError(message, hint=hint, code="E_DATA_ENCODING") from error


def _row(payload: bytes, offset: int) -> int:
    return payload.count(b"\n", 0, offset) + 1


def _with_plain_ends(payload: bytes) -> bytes:
    """Return text with line feeds; inside quotes only a lone carriage return is changed."""
    if b"\r" not in payload:
        return payload
    if b'"' not in payload:
        payload = payload.replace(b"\r\n", b"\n")
        return payload.replace(b"\r", b"\n")
    return _LONE_RETURN.sub(b"\n", payload)
