"""Whom a store or a model file may belong to: one that a stranger owns and everyone may write is not trusted."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from rnnforecast.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path


def check_owner(path: Path) -> None:
    """Refuse a folder or file of another user, root left out, that everyone may write: ModelFileError.

    What is not there is refused by whoever reads it; systems without owners are taken at their word.
    """
    if not hasattr(os, "geteuid"):
        return
    try:
        state = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return
    if state.st_uid in (os.geteuid(), 0) or not state.st_mode & stat.S_IWOTH:
        return
    kind = "folder" if stat.S_ISDIR(state.st_mode) else "file"
    raise ModelFileError(
        f"the {kind} `{path}` belongs to user {state.st_uid} and everyone may write it: its models are not trusted",
        hint=f"`chmod o-w {path}`, or name a store of your own with `--store`",
        code="E_MODEL_OWNER",
    )
