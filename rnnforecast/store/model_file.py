"""The model file: one safetensors file, the manifest in its metadata, and two digests that cover every byte.

The header carries its own digest (see `layout`) and, in the manifest, the digest of the payload: the header alone is
checked cheaply, and no changed byte of the file goes unseen. A file is opened once and the buffer that was verified
is the buffer that is used. Nothing is allocated before its size agrees with the size of the file; nothing in a file
names code.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnforecast.errors import DivergedError, ModelFileError, OutputError
from rnnforecast.frozen import dataclass
from rnnforecast.store import context as series_context
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.files import replace_file
from rnnforecast.store.layout import (
    LENGTH,
    MAX_FILE_BYTES,
    MAX_HEADER_BYTES,
    MAX_TENSORS,
    START_BYTES,
    TensorSpec,
    check_start,
    decode_header,
    encode_header,
    plan_layout,
    to_payload,
)
from rnnforecast.store.manifest import Manifest

ShapeCheck = Callable[[Manifest, Mapping[str, tuple[int, ...]]], None]

_CHUNK_BYTES = 2**22


@dataclass(frozen=True)
class ModelFile:
    """All of a model: the manifest, and tensors named `members.{i}.{name}` (`shared.{name}` where
    all networks have one in common), `calibration.{name}`, `context.{name}`."""

    manifest: Manifest
    tensors: Mapping[str, np.ndarray]

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the tensors below `prefix` without it: `group("calibration")["factors"]`."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}

    def member(self, index: int) -> dict[str, np.ndarray]:
        """Return the weights of one network by the names both engines use."""
        return self.group(f"members.{index}")

    def context(self) -> SeriesContext | None:
        """Return the last rows of every series, None where none were kept. Raises ModelFileError."""
        if not any(name.startswith(series_context.PREFIX) for name in self.tensors):
            return None
        return SeriesContext.from_tensors(self.tensors, source=self.manifest.label)


def write_model(path: str | Path, model: ModelFile) -> Manifest:
    """Write a model atomically, read it back, and return the manifest as stored.

    Raises DivergedError for weights that are not finite, OutputError for what keeps the file from being written.
    """
    target = Path(path)
    for name, tensor in model.tensors.items():
        if not _is_valid(name, tensor):
            message = f"`{name}` is not finite and was not stored"
            hint = "train again with a lower `--learning-rate` or a tighter `--gradient-clip`"
            raise DivergedError(message, hint=hint)
    specs = plan_layout(model.tensors)
    chunks, digest = to_payload(model.tensors, specs)
    manifest = model.manifest.model_copy(update={"payload_sha256": digest})
    header = encode_header(manifest.to_json(), specs)
    _check_limits(target, len(header), specs)
    written: list[Manifest] = []
    replace_file(
        target,
        lambda stream: stream.writelines((header, *chunks)),
        check=lambda temporary: written.append(_read_back(temporary, target)),
    )
    return written[0]


def read_model(path: str | Path, *, check_shapes: ShapeCheck | None = None) -> ModelFile:
    """Read a model and verify every byte of it.

    `check_shapes` gets the manifest and the shape of every tensor before anything of that size is allocated, and
    raises where they do not fit. Raises ModelFileError for a file that is missing, damaged, foreign or too new.
    """
    source = str(path)
    with _opened(Path(path)) as (stream, size):
        manifest, specs = _read_header(stream, size, source)
        if check_shapes is not None:
            check_shapes(manifest, {spec.name: spec.shape for spec in specs})
        payload = np.empty(specs[-1].end if specs else 0, np.uint8)
        num_read = _read_into(stream, payload)
    if num_read != payload.size or hashlib.sha256(payload.data).hexdigest() != manifest.payload_sha256:
        message = f"`{source}` is damaged: its tensors do not match their digest"
        hint = "`rnnforecast models list` shows the others; restore this one from a backup or train again"
        raise ModelFileError(message, hint=hint, code="E_MODEL_DIGEST")
    tensors = {spec.name: payload[spec.begin : spec.end].view(spec.dtype).reshape(spec.shape) for spec in specs}
    for name, tensor in tensors.items():
        if not _is_valid(name, tensor):
            message = f"`{source}` holds values in `{name}` that no training of rnnforecast writes"
            hint = "do not trust this file; train again to replace it"
            raise ModelFileError(message, hint=hint, code="E_MODEL_VALUES")
    return ModelFile(manifest, tensors)


def read_manifest(path: str | Path) -> Manifest:
    """Read and verify the header alone; the tensors are counted, not read. Raises ModelFileError."""
    with _opened(Path(path)) as (stream, size):
        return _read_header(stream, size, str(path))[0]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file once and give its size; a pipe, a folder or a device is rejected without blocking."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise _unreadable(path, error) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError("not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream, state.st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError | ValueError) -> ModelFileError:
    if isinstance(error, ValueError):
        cause = "its path has a null byte"  # Python words it differently from version to version
    else:
        cause = error.strerror or str(error)
    message = f"`{path}` cannot be read: {cause.lower()}"
    hint = "`rnnforecast models list` shows the models of the store"
    return ModelFileError(message, hint=hint, code="E_MODEL_MISSING")


def _read_header(stream: BinaryIO, size: int, source: str) -> tuple[Manifest, tuple[TensorSpec, ...]]:
    start = stream.read(START_BYTES)
    length = check_start(start, size=size, source=source)
    header = start + stream.read(LENGTH.size + length - START_BYTES)
    text, specs = decode_header(header, size=size, source=source)
    return Manifest.from_json(text, source=source), specs


def _read_into(stream: BinaryIO, payload: np.ndarray) -> int:
    """Fill `payload` as far as the file goes and return how many bytes that was."""
    view, num_read = payload.data, 0
    while chunk := stream.read(min(_CHUNK_BYTES, payload.size - num_read)):
        view[num_read : num_read + len(chunk)] = chunk
        num_read += len(chunk)
    return num_read


def _read_back(temporary: Path, target: Path) -> Manifest:
    try:
        return read_model(temporary).manifest
    except ModelFileError as error:
        message = f"`{target}` was not written: verification failed, the file differs from what was written"
        hint = "check the disk; the previous file is untouched"
        raise OutputError(message, hint=hint, code="E_OUT_VERIFY") from error


def _check_limits(target: Path, header_size: int, specs: tuple[TensorSpec, ...]) -> None:
    size = header_size + (specs[-1].end if specs else 0)
    if header_size > MAX_HEADER_BYTES or size > MAX_FILE_BYTES or len(specs) > MAX_TENSORS:
        raise OutputError(
            f"`{target}` was not written: a header of {header_size:,} bytes, {len(specs):,} tensors and {size:,} bytes "
            f"in all; the limits are {MAX_HEADER_BYTES:,}, {MAX_TENSORS:,} and {MAX_FILE_BYTES:,}",
            hint="lower `--context-length`, `--num-members` or `--hidden-size`, or train on fewer files at once",
            code="E_OUT_LIMITS",
        )


def _is_valid(name: str, tensor: np.ndarray) -> bool:
    """Tell whether a tensor has valid values: finite numbers (rows of data may be missing), bools that are 0 or 1."""
    if tensor.dtype == np.bool_:
        return not tensor.size or int(tensor.view(np.uint8).max()) <= 1
    if tensor.dtype.kind != "f" or name.startswith(series_context.PREFIX):
        return True
    return bool(np.isfinite(tensor).all())
