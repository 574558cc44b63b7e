"""Outputs must not touch what is read or owned: compared by device and inode, through links, folders and `file://`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from rnnforecast.data.databases.address import is_database, parse_address
from rnnforecast.data.files.local import STDIN
from rnnforecast.data.files.remote import is_url
from rnnforecast.errors import UsageError

#: What a file is to a command ("the data", "the jobs file"), and where it lies.
Owned: TypeAlias = tuple[str, "str | Path"]


def check_outputs(outputs: Mapping[str, str | Path | None], owned: Iterable[Owned]) -> None:
    """Check that no output is read, owned or written twice. Raises UsageError.

    `outputs` are the files to be written by the option or key that names them; `owned` are files, and folders whose
    whole content is meant.
    """
    message = overwritten(outputs, owned)
    if message is not None:
        raise UsageError(message, hint="name another file for the output", code="E_OUT_IS_INPUT")


def overwritten(outputs: Mapping[str, str | Path | None], owned: Iterable[Owned]) -> str | None:
    """Return in words which output would overwrite what, None where none does."""
    files = {
        name: path
        for name, output in outputs.items()
        if not is_database(None if output is None else str(output)) and (path := _local(output)) is not None
    }
    kept = [(what, path) for what, item in owned if (path := _local(item)) is not None]
    for name, path in files.items():
        for what, other in kept:
            if is_same_file(path, other) or _lies_in(path, other):
                return f"{name} `{path}` would overwrite {what}: `{other}`"
            if any(sign in str(other) for sign in "*?[") and Path(os.path.abspath(path)).match(os.path.abspath(other)):
                return f"{name} `{path}` would be read as {what} the next time: `{other}`"
    names = list(files)
    for position, name in enumerate(names):
        for other_name in names[:position]:
            if is_same_file(files[name], files[other_name]):
                return f"{other_name} and {name} would write the same file: `{files[name]}`"
    return None


def is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths are one file, or would be once the one that is missing were written."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)


def _lies_in(path: Path, folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return any(is_same_file(above, folder) for above in Path(os.path.realpath(path)).parents)


def _local(item: str | Path | None) -> Path | None:
    """Return the local file that an input or an output names: the file of an embedded database too; None for others."""
    text = "" if item is None else str(item)
    if text in ("", STDIN) or "\0" in text:  # a NUL from a forged record names no file
        return None
    if is_database(text):
        address = parse_address(text)
        return None if address.engine == "postgresql" else address.path
    if is_url(text):
        parts = urlsplit(text)
        return Path(unquote(parts.path)) if parts.scheme in ("file", "local") else None
    return Path(text)
