"""The state of a stream in one file: hidden states, tails and places in the files, replaced whole or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.errors import InputError, ModelFileError
from rnnforecast.store.files import replace_bytes

FORMAT = 1
_HEADER = "header"
#: Times are ordinals of fewer bits.
_MAX_ORDINAL = 2**62


@dataclass
class Position:
    """How far a stream was read and answered."""

    read: int = 0  # bytes of the input
    written: int = 0  # bytes of the output
    lines: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # status -> lines
    header: list[str] | None = None  # of a CSV stream
    start: str = ""  # digest of the first bytes of the input, by which another file under its name is noticed

    @property
    def is_sound(self) -> bool:
        """Whether the values can be those of a stream: they may come from a damaged file."""
        numbers = (self.read, self.written, self.lines, *self.counts.values())
        header = self.header or ()
        return (
            all(type(number) is int and 0 <= number < _MAX_ORDINAL for number in numbers)
            and isinstance(header, list | tuple)
            and all(isinstance(text, str) for text in (self.start, *self.counts, *header))
        )


@dataclass
class SavedState:
    """Everything a stream needs to continue: keys of its series, their last rows, arrays, and the position."""

    model: str
    digest: str  # of the networks and of the options that the arrays depend on
    keys: list[str]
    last: list[int | None]  # ordinal of the newest row of each series
    arrays: dict[str, np.ndarray]
    position: Position

    def save(self, path: Path) -> None:
        """Replace the file. Raises OutputError."""
        header = {"format": FORMAT, "model": self.model, "digest": self.digest, "keys": self.keys, "last": self.last}
        text = json.dumps({**header, "position": asdict(self.position)})
        stream = io.BytesIO()
        np.savez(stream, **{_HEADER: np.frombuffer(text.encode(), np.uint8), **self.arrays})  # type: ignore[arg-type]
        replace_bytes(path, stream.getvalue())

    @classmethod
    def load(cls, path: Path, *, model: str, digest: str, like: Mapping[str, np.ndarray]) -> SavedState | None:
        """Read a state; None where there is no file.

        `like` are arrays of the same names and row shapes. Raises InputError for a damaged file, ModelFileError for the
        state of another model.
        """
        if not path.exists():
            return None
        try:
            content = io.BytesIO(path.read_bytes())
            if any(part.compress_type != zipfile.ZIP_STORED for part in zipfile.ZipFile(content).infolist()):
                raise ValueError("compressed")  # may be a bomb, and is never written here
            with np.load(content, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header: dict[str, Any] = json.loads(arrays.pop(_HEADER).tobytes())
            position = Position(**header["position"])
            keys, last = list(map(str, header["keys"])), list(header["last"])
            is_sound = position.is_sound and all(
                each is None or (type(each) is int and abs(each) < _MAX_ORDINAL) for each in last
            )
            if not is_sound:
                raise ValueError("values that no stream has")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, RecursionError,
                zipfile.BadZipFile) as error:  # fmt: skip
            message = f"{path} is not a state file of `stream`, or it is damaged ({type(error).__name__})"
            hint = "name another file with `--state`; without one, the stream is read from its start"
            raise InputError(message, hint=hint, code="E_STATE_DAMAGED") from error
        if header.get("format") != FORMAT or header.get("digest") != digest:
            raise ModelFileError(
                f"the state file {path} belongs to {header.get('model')}, or to other options, not to the present {model}",
                hint="name another file with `--state`, or remove it to start anew",
                code="E_STATE_MISMATCH",
            )
        fits = all(
            name in arrays and arrays[name].shape == (len(keys), *array.shape[1:]) and arrays[name].dtype == array.dtype
            for name, array in like.items()
        )
        if not fits or len(last) != len(keys):
            message = f"the state file {path} holds arrays of another shape"
            raise InputError(message, hint="remove it to start anew", code="E_STATE_DAMAGED")
        return cls(model, digest, keys, last, arrays, position)
