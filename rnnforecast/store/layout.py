"""The header of a model file: the safetensors layout with one canonical spelling, so that no byte of it is free.

```text
8 bytes   length of the header, little endian
header    {"__metadata__":{"header_sha256":"<64 digits>","manifest":"{...}"},"<tensor>":{...},...} and spaces up to 8
payload   the tensors one after the other in the order of the header, widest type first, without gap or overlap
```

`header_sha256` is taken over length and header with its own 64 digits as zeros.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from rnnforecast.errors import ModelFileError
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.store.manifest import parse_json

MAX_HEADER_BYTES = 4 * 2**20
MAX_FILE_BYTES = 2**30
MAX_TENSORS = 5_000

LENGTH = struct.Struct("<Q")
PREFIX = b'{"__metadata__":{"header_sha256":"'
START_BYTES = LENGTH.size + len(PREFIX) + 64

_DIGEST = slice(LENGTH.size + len(PREFIX), START_BYTES)
_NO_DIGEST = b"0" * 64
_DTYPES: dict[str, np.dtype[np.generic]] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MAX_NAME_LENGTH = 200
_MAX_AXES = 8


@dataclass(frozen=True)
class TensorSpec:
    """Where one tensor lies in the payload and what it is."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    begin: int
    end: int


def plan_layout(tensors: Mapping[str, np.ndarray]) -> tuple[TensorSpec, ...]:
    """Place tensors widest type first, then by name: every one is aligned, the order of the mapping is nothing.

    Raises ValueError for a type or a name that the format does not hold.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.newbyteorder("<") not in _CODES:
            raise ValueError(f"tensor `{name}` has type {tensor.dtype}; a model file holds {', '.join(_DTYPES)}")
        if not _is_tensor_name(name):
            raise ValueError(f"`{name[:40]}` is not a valid tensor name")
    specs, begin = [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        dtype = tensor.dtype.newbyteorder("<")
        specs.append(TensorSpec(name, dtype, tuple(tensor.shape), begin, begin + tensor.nbytes))
        begin += tensor.nbytes
    return tuple(specs)


def to_payload(tensors: Mapping[str, np.ndarray], specs: Sequence[TensorSpec]) -> tuple[list[memoryview], str]:
    """Return the bytes of each tensor in the order of the payload, and the digest of all."""
    chunks = [np.asarray(tensors[spec.name], spec.dtype, order="C").reshape(-1).view(np.uint8).data for spec in specs]
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return chunks, digest.hexdigest()


def encode_header(manifest_json: str, specs: Sequence[TensorSpec]) -> bytes:
    """Return length and header, digest filled in: the one spelling of these contents."""
    table: dict[str, JSONValue] = {"__metadata__": {"header_sha256": _NO_DIGEST.decode(), "manifest": manifest_json}}
    for spec in specs:
        offsets: list[JSONValue] = [spec.begin, spec.end]
        table[spec.name] = {"dtype": _CODES[spec.dtype], "shape": list(spec.shape), "data_offsets": offsets}
    text = json.dumps(table, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    blank = LENGTH.pack(len(text)) + text
    digest = hashlib.sha256(blank).hexdigest().encode("ascii")
    return blank[: _DIGEST.start] + digest + blank[_DIGEST.stop :]


def check_start(start: bytes, *, size: int, source: str) -> int:
    """Check the first `START_BYTES` of a file of `size` bytes and return the length of its header.

    Raises ModelFileError that says what a foreign file is.
    """
    if size == 0:
        raise _damaged(source, "it is empty")
    if start[LENGTH.size :][: len(PREFIX)] != PREFIX:
        if len(start) < START_BYTES and PREFIX.startswith(start[LENGTH.size :]):
            raise _damaged(source, f"it is cut short, after {size} bytes")
        raise _foreign(source, start)
    (length,) = LENGTH.unpack_from(start)
    if length > MAX_HEADER_BYTES or size > MAX_FILE_BYTES:
        raise ModelFileError(
            f"`{source}` claims a header of {length:,} bytes in a file of {size:,}; the limits are "
            f"{MAX_HEADER_BYTES:,} and {MAX_FILE_BYTES:,}",
            hint="this file was not written by rnnforecast; train again to replace it",
            code="E_MODEL_LIMITS",
        )
    if LENGTH.size + length > size or length < START_BYTES - LENGTH.size:
        raise _damaged(source, f"it is cut short: {LENGTH.size + length:,} bytes of header in {size:,} bytes of file")
    return int(length)


def decode_header(header: bytes, *, size: int, source: str) -> tuple[str, tuple[TensorSpec, ...]]:
    """Verify length and header against their digest; return the JSON of the manifest and the place of every tensor.

    Raises ModelFileError for a changed byte, and for a forged header: other spelling than ours, gaps, overlaps,
    impossible shapes, a payload that is not as long as the rest of the file.
    """
    digest = hashlib.sha256(header[: _DIGEST.start])
    digest.update(_NO_DIGEST)
    digest.update(header[_DIGEST.stop :])
    if digest.hexdigest().encode("ascii") != header[_DIGEST]:
        raise _damaged(source, "its header does not match its digest", code="E_MODEL_DIGEST")
    text = header[LENGTH.size :].decode("ascii", "replace")
    table = parse_json(text, source=source)
    metadata = table.pop("__metadata__", None) if isinstance(table, dict) else None
    manifest = metadata.get("manifest") if isinstance(metadata, dict) else None
    if not isinstance(table, dict) or not isinstance(manifest, str):
        raise _forged(source, "it holds no manifest")
    specs = _read_specs(table, source)
    if not manifest.isascii() or encode_header(manifest, specs) != header:
        raise _forged(source, "its header is spelled in another way than rnnforecast spells it")
    payload = specs[-1].end if specs else 0
    if len(header) + payload != size:
        raise _damaged(source, f"it has {size:,} bytes where {len(header) + payload:,} belong")
    return manifest, specs


def _read_specs(table: Mapping[str, JSONValue], source: str) -> tuple[TensorSpec, ...]:
    if len(table) > MAX_TENSORS:
        raise _forged(source, f"it names {len(table):,} tensors; the limit is {MAX_TENSORS:,}")
    specs, begin = [], 0
    for name, entry in table.items():
        spec = _read_spec(name, entry)
        if spec is None:
            raise _forged(source, f"the entry of tensor `{name[:40]}` is not sound")
        if spec.begin != begin:
            raise _forged(source, f"tensor `{name[:40]}` begins at byte {spec.begin:,} where {begin:,} is free")
        specs.append(spec)
        begin = spec.end
    return tuple(specs)


def _read_spec(name: str, entry: JSONValue) -> TensorSpec | None:
    """Return the place of one tensor, None where name, type, shape and bytes do not agree."""
    if not isinstance(entry, dict) or not _is_tensor_name(name):
        return None
    code, shape, offsets = entry.get("dtype"), _lengths(entry.get("shape")), _lengths(entry.get("data_offsets"))
    if not isinstance(code, str) or code not in _DTYPES or shape is None or offsets is None or len(offsets) != 2:
        return None
    if math.prod(max(length, 1) for length in shape) > MAX_FILE_BYTES or len(shape) > _MAX_AXES:
        return None
    dtype, (begin, end) = _DTYPES[code], offsets
    if begin + math.prod(shape) * dtype.itemsize != end:
        return None
    return TensorSpec(name, dtype, shape, begin, end)


def _lengths(value: JSONValue) -> tuple[int, ...] | None:
    """Return a list of lengths as a tuple, None where it is anything else; Python's integers cannot overflow."""
    if not isinstance(value, list) or len(value) > _MAX_AXES:
        return None
    lengths = tuple(item for item in value if type(item) is int and 0 <= item <= MAX_FILE_BYTES)
    return lengths if len(lengths) == len(value) else None


def _is_tensor_name(name: str) -> bool:
    return 0 < len(name) <= _MAX_NAME_LENGTH and name.isprintable() and name.isascii() and not name.startswith("__")


_FOREIGN = (
    (b"PK", "a zip archive, the form in which torch saves"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9", "a pickle, the old form in which torch saves"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
)
_PICKLE_STARTS = (b"(lp", b"(dp", b"(i", b"ccopy_reg", b"c__builtin__", b"cbuiltins", b"cos\n", b"cposix", b"cnt\n")


def _foreign(source: str, start: bytes) -> ModelFileError:
    """Say by its first bytes what a file is that is not ours; nothing of it is parsed."""
    kind = next((kind for magic, kind in _FOREIGN if start.startswith(magic)), None)
    if kind is None and ((start[:1] == b"\x80" and start[1:2] <= b"\x05") or start.startswith(_PICKLE_STARTS)):
        kind = "a pickle"
    elif kind is None and start[LENGTH.size : LENGTH.size + 1] == b"{":
        kind = "a safetensors file of another program"
    if kind is not None and ("pickle" in kind or "zip archive" in kind):
        return ModelFileError(
            f"`{source}` is {kind}, and a file like that can run code when it is loaded: it was not opened further",
            hint="rnnforecast reads its own safetensors files only; convert it by training again",
            code="E_MODEL_PICKLE",
        )
    message = f"`{source}` is {kind or 'no model file'}, not a model of rnnforecast"
    hint = "`rnnforecast models list` shows the models of the store; `--data` names a file of data"
    return ModelFileError(message, hint=hint, code="E_MODEL_FORMAT")


def _damaged(source: str, reason: str, *, code: str = "E_MODEL_DAMAGED") -> ModelFileError:
    message = f"`{source}` is damaged: {reason}"
    hint = "`rnnforecast models list` shows the models that are whole; restore this one from a backup or train again"
    return ModelFileError(message, hint=hint, code=code)


def _forged(source: str, reason: str) -> ModelFileError:
    message = f"`{source}` was not written by rnnforecast: {reason}"
    return ModelFileError(message, hint="do not trust this file; train again to replace it", code="E_MODEL_FORMAT")
