"""Which version of a model is active: a small file next to the versions, replaced atomically.

Where there is none, the newest version is active, as in stores written before there was one. A damaged one is an
error: a guess could serve a model that was deliberately not activated.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TypeGuard

from rnnforecast.errors import ModelFileError
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import replace_bytes

POINTER = "active"

_MAX_BYTES = 65_536
_MAX_PREVIOUS = 50
MAX_VERSION = 999_999_999
_BASELINE = re.compile(r"[a-z]+(-[a-z]+){0,3}")


@dataclass(frozen=True)
class Active:
    """The active version, and what `models rollback` goes back to.

    `previous` are the versions that were active before, oldest first; `served` names the naive forecast that is
    served in place of the networks, None where the model itself is served; `reason` is text for people.
    """

    version: int
    previous: tuple[int, ...] = ()
    served: str | None = None
    reason: str = ""

    def followed_by(self, version: int, *, reason: str = "") -> Active:
        """Return the pointer after `version` became active; the naive stand-in of the old version is dropped."""
        if version == self.version:
            return Active(version, self.previous, None, reason)
        return Active(version, (*self.previous, self.version)[-_MAX_PREVIOUS:], None, reason)


def read_active(folder: Path) -> Active | None:
    """Read the pointer of one name, None where there is none. Raises ModelFileError for a damaged one."""
    path = folder / POINTER
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _damaged(path, (error.strerror or str(error)).lower()) from error
    if len(text) > _MAX_BYTES:
        raise _damaged(path, f"it is longer than {_MAX_BYTES:,} bytes")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not valid JSON") from error
    return _to_active(fields, path)


def write_active(folder: Path, active: Active) -> None:
    """Replace the pointer of one name, whole or not at all. Raises OutputError."""
    replace_bytes(folder / POINTER, json.dumps(asdict(active), ensure_ascii=True).encode("ascii") + b"\n")


def _to_active(fields: object, path: Path) -> Active:
    if not isinstance(fields, dict):
        raise _damaged(path, "it contains no version")
    version, previous = fields.get("version"), fields.get("previous", [])
    served, reason = fields.get("served"), fields.get("reason", "")
    if not _is_version(version):
        raise _damaged(path, "it contains no version")
    if not isinstance(previous, list) or not all(map(_is_version, previous)):
        raise _damaged(path, "`previous` is not a list of version numbers")
    if served is not None and not (isinstance(served, str) and _BASELINE.fullmatch(served)):
        raise _damaged(path, "`served` is not the name of a naive forecast")
    return Active(version, tuple(previous[-_MAX_PREVIOUS:]), served, str(reason)[:1_000])


def _is_version(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_VERSION


def _damaged(path: Path, reason: str) -> ModelFileError:
    message = f"`{path}` is damaged, so the active version is unknown: {reason}"
    hint = "`rnnforecast models promote NAME@VERSION` rewrites it; `rnnforecast models list` shows the versions"
    return ModelFileError(message, hint=hint, code="E_MODEL_ACTIVE")
