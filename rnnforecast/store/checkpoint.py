"""Checkpoints of a training run: their place in the store and their file format, which cannot run code.

```text
.rnnforecast/checkpoints/<encoded name>/<digests of data, settings and program>/<digest of one fit>.checkpoint
```

A checkpoint has the layout of a model file (see `layout`), with facts instead of the manifest: a digest covers every byte,
and a damaged or foreign file is rejected. A folder holds the progress of one training run; its name contains digests of
data, settings and program, so that only the same training resumes from it. No lock is needed: two runs of the same
training write identical files, each atomically.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnforecast.errors import ModelFileError
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import entries_of, make_folder, replace_file, sweep_temporaries
from rnnforecast.store.layout import (
    LENGTH,
    MAX_FILE_BYTES,
    START_BYTES,
    TensorSpec,
    check_start,
    decode_header,
    encode_header,
    plan_layout,
    to_payload,
)
from rnnforecast.store.manifest import parse_json
from rnnforecast.store.names import encode_name

FORMAT = 1
SUFFIX = ".checkpoint"

#: Checkpoints of an abandoned training are kept this long after another training of the name has ended.
KEPT_SECONDS = 86_400.0

_RUN = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{12}")


@dataclass(frozen=True)
class RunDigests:
    """Digests of all inputs of a training: data, settings and program."""

    data: str
    settings: str
    program: str

    @property
    def folder_name(self) -> str:
        """The name of the folder of this training."""
        return "-".join(digest[:12] for digest in (self.data, self.settings, self.program))

    def differing_from(self, folder_name: str) -> str:
        """Describe the difference to the training of another folder."""
        pairs = zip(("data", "settings", "program"), self.folder_name.split("-"), folder_name.split("-"), strict=True)
        words = {"program": "version, machine or number of threads"}
        return " and ".join(words.get(what, what) for what, ours, theirs in pairs if ours != theirs)


@dataclass(frozen=True)
class Checkpoint:
    """The state of one fit: arrays as tensors, everything else as facts."""

    facts: Mapping[str, JSONValue]
    tensors: Mapping[str, np.ndarray]


class CheckpointFolder:
    """The checkpoints of one training of one name."""

    def __init__(self, store: Path, name: str, run: RunDigests) -> None:
        self._name_folder = store / "checkpoints" / encode_name(name)
        self._run = run
        self.path = self._name_folder / run.folder_name

    def file(self, fit: str) -> Path:
        """Return the path of the checkpoint of one fit; `fit` is the digest of its initial state."""
        return self.path / f"{fit[:32]}{SUFFIX}"

    def others(self) -> list[str]:
        """Describe the differences of other trainings of this name that left checkpoints."""
        return sorted({self._run.differing_from(folder.name) for folder in self._runs() if folder != self.path})

    def remove(self, *, now: float | None = None) -> None:
        """Remove the checkpoints of this finished training, and others that are older than a day.

        Files that cannot be removed are left.
        """
        before = (time.time() if now is None else now) - KEPT_SECONDS
        for folder in self._runs():
            with contextlib.suppress(OSError):
                if folder == self.path or folder.stat().st_mtime < before:
                    _remove_run(folder)
        for folder in (self._name_folder, self._name_folder.parent):
            with contextlib.suppress(OSError):  # not empty, or not there
                folder.rmdir()

    def _runs(self) -> list[Path]:
        try:
            return [entry for entry in entries_of(self._name_folder) if _RUN.fullmatch(entry.name)]
        except OSError:
            return []


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace a checkpoint atomically. Raises OutputError."""
    specs = plan_layout(checkpoint.tensors)
    chunks, digest = to_payload(checkpoint.tensors, specs)
    facts = {"format": FORMAT, "payload_sha256": digest, "facts": dict(checkpoint.facts)}
    header = encode_header(json.dumps(facts, separators=(",", ":"), allow_nan=False), specs)
    make_folder(path.parent)
    replace_file(path, lambda stream: stream.writelines((header, *chunks)))


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint and verify every byte of it; None where there is none.

    Raises ModelFileError for a damaged or foreign file, or another format.
    """
    source = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(source, (error.strerror or str(error)).lower()) from error
    length = check_start(content[:START_BYTES], size=len(content), source=source)
    header, payload = content[: LENGTH.size + length], content[LENGTH.size + length :]
    text, specs = decode_header(header, size=len(content), source=source)
    written = parse_json(text, source=source)
    facts = written.get("facts") if isinstance(written, dict) else None
    if not isinstance(written, dict) or not isinstance(facts, dict) or written.get("format") != FORMAT:
        raise _unusable(source, "it has another format")
    if hashlib.sha256(payload).hexdigest() != written.get("payload_sha256"):
        raise _unusable(source, "its payload does not match its digest")
    return Checkpoint(facts, {spec.name: _from_bytes(payload, spec) for spec in specs})


def _remove_run(folder: Path) -> None:
    """Remove the checkpoints in a folder, temporary files of killed writers, and the folder if it is then empty."""
    sweep_temporaries(folder)
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink()
    folder.rmdir()


def _from_bytes(payload: bytes, spec: TensorSpec) -> np.ndarray:
    """Return a writable copy of one tensor."""
    return np.frombuffer(payload[spec.begin : spec.end], spec.dtype).reshape(spec.shape).copy()


def _unusable(source: str, reason: str) -> ModelFileError:
    message = f"the checkpoint `{source}` cannot be used: {reason}"
    hint = "training starts from the beginning; nothing has to be removed by hand"
    return ModelFileError(message, hint=hint, code="E_MODEL_CHECKPOINT")
