"""From paths, patterns, folders and URLs to bytes: the files, their formats and their digests.

A file is read once and whole, so that the digest is that of the rows used even while a producer writes on.
"""

from __future__ import annotations

import glob
import hashlib
import io
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnnforecast.config import DataSettings
from rnnforecast.data.databases.address import absolute, is_database, parse_address
from rnnforecast.data.errors import quoted_path
from rnnforecast.data.files.compression import PACKED_EXTENSIONS, unpack
from rnnforecast.data.files.encoding import to_utf8
from rnnforecast.data.files.local import STDIN, cap_of, note_input, read_bytes
from rnnforecast.data.files.remote import expand_url, is_url, list_url, read_url
from rnnforecast.data.tables.formats import PARQUET, FileFormat, extensions, format_named, format_of
from rnnforecast.data.tables.in_memory import IN_MEMORY, Data, inputs_of
from rnnforecast.errors import DataError, InputError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import parse_size
from rnnforecast.masking import masked

#: Inputs that cannot be read again, in words.
_WITHOUT_FILE = {STDIN: "standard input", IN_MEMORY: "a DataFrame"}


@dataclass(frozen=True)
class Source:
    """The bytes of one input, unpacked and (for text) in UTF-8 without byte order mark."""

    path: str
    format: FileFormat
    payload: bytes
    digest: str  # sha256 of the bytes as they lie on disk
    findings: tuple[Finding, ...] = ()
    is_trusted: bool = False  # the user named a cap: sizes up to it are not suspicious
    cap: int = 2**63

    @property
    def stem(self) -> str:
        """The file's name without folder and extensions, the id of its series when each file is one."""
        return stem_of(self.path)

    def with_payload(self, payload: bytes) -> Source:
        """Return the same input with other text."""
        return replace(self, payload=payload)


def stem_of(path: str) -> str:
    """Return a file's name without folder and extensions; of a database the table, else the database."""
    if is_database(path):
        return parse_address(path).stem
    name = Path(path).name
    packed = next((one for one in PACKED_EXTENSIONS if name.lower().endswith(one)), "")
    name = name[: len(name) - len(packed)]
    return name.rsplit(".", 1)[0] if "." in name.strip(".") else name


def expand(data: Data, *, dataset: bool = False) -> tuple[list[str], list[Finding]]:
    """Return the paths of all inputs: globs expanded in order of name, a file named twice read once.

    A table in memory passes as a path. With `dataset` a folder means all tables below it.

    Raises InputError for a glob or a folder without files.
    """
    paths: list[str] = []
    seen: dict[str, str] = {}
    findings: list[Finding] = []
    for item in inputs_of(data):
        for path in _paths_of(item, dataset=dataset):
            same = path if is_url(path) else os.path.realpath(path)
            if same in seen:
                words = "" if seen[same] == path else f", first as {quoted_path(seen[same])},"
                path = public_path(path)
                message = f"{quoted_path(path)} was named twice{words} and is read once"
                findings.append(Finding("W_INPUT_TWICE", message, file=path, count=1))
            else:
                seen[same] = path
                paths.append(path)
    if not paths:
        raise InputError("no input was named", hint="name a CSV, Excel or Parquet file, or `-` for standard input")
    return paths, findings


def _paths_of(item: str, *, dataset: bool) -> list[str]:
    """Return the files that one input of the user names."""
    if is_database(item):
        parse_address(item)
        return [item]
    if is_url(item):
        found = expand_url(item)
        below = list_url(item) if dataset and found == [item] else None
        found = found if below is None else _tables(below, item)
    elif dataset and os.path.isdir(item):
        found = _tables([str(path) for path in sorted(Path(item).rglob("*")) if path.is_file()], item)
    else:
        is_glob = any(character in item for character in "*?[") and not os.path.lexists(item)
        found = sorted(glob.glob(item, recursive=True)) if is_glob else [item]
    if not found:
        hint = "check the folder and the pattern"
        raise InputError(f"no file matches {quoted_path(public_path(item))}", hint=hint, code="E_INPUT_MISSING")
    return found


def public_path(path: str) -> str:
    """Return an input for display: a URL without its secrets."""
    if path == IN_MEMORY:
        return IN_MEMORY
    if is_database(path):
        return parse_address(path).shown
    return masked(path) if is_url(path) else path


def lasting_path(path: str) -> str:
    """Return an input for a record: valid from any working folder, and without secrets."""
    if path in _WITHOUT_FILE or (is_url(path) and not is_database(path)):
        return public_path(path)
    return absolute(path, folder=Path.cwd()) if is_database(path) else str(Path(path).resolve())


def without_file(paths: Sequence[str]) -> str | None:
    """Return in words what rows came from that cannot be read again; None where files hold them."""
    return next((words for path, words in _WITHOUT_FILE.items() if path in paths), None)


def remembered(paths: Sequence[str], *, label: str, flag: str = "--data") -> list[str]:
    """Return the training files that a model or a ledger remembers, to be read again without being named.

    They may be regular files of this machine alone: an address is opened, and a query run, only where the user names it.
    Raises UsageError for an address, InputError for a path that is not a file.
    """
    files = [path for path in paths if path not in _WITHOUT_FILE]
    for path in files:
        if is_url(path) or not os.path.isabs(path):
            raise UsageError(
                f"the rows of {label} come from {quoted_path(public_path(path))}: "
                "an address is not opened on the word of a model",
                hint=f"name it again: `{flag} {shlex.quote(public_path(path))}`, and a query with `--query`",
                code="E_INPUT_ADDRESS",
            )
        if not os.path.isfile(path):  # a pipe may keep a reader waiting, and a pattern find any file
            there = os.path.exists(path)
            raise InputError(
                f"the file with the rows of {label} cannot be read: {quoted_path(path)} "
                f"{'is not a file' if there else 'does not exist'}",
                hint=f"name the file that holds the rows now: `{flag} FILE`",
                code="E_INPUT_KIND" if there else "E_INPUT_MISSING",
            )
    return files


def open_database(url: str, settings: DataSettings) -> Source:
    """Run the query of the settings, or read the table that the URL names, as if it were a Parquet file.

    Raises what `read_query` raises.
    """
    from rnnforecast.data.databases.reading import read_query  # slow to import, and not needed for files

    asked = None if settings.max_bytes is None else parse_size(settings.max_bytes)
    cap = cap_of(asked)
    path, payload, digest = read_query(url, query=settings.query, wait=settings.wait.seconds, cap=cap)
    return Source(path, PARQUET, payload, digest, is_trusted=asked is not None, cap=cap)


def _tables(paths: Sequence[str], folder: str) -> list[str]:
    """Return the tables among files, without hidden files and the metadata files of writers."""
    known = extensions()
    tables = [
        path
        for path in paths
        if path.lower().endswith(known + PACKED_EXTENSIONS) and not Path(path).name.startswith(("_", "."))
    ]
    if not tables:
        message = f"the folder {quoted_path(folder)} contains no table"
        raise InputError(message, hint=f"tables end in {', '.join(known)}, compressed or not", code="E_INPUT_MISSING")
    return tables


def open_source(path: str, *, encoding: str | None = None, max_bytes: str | None = None) -> Source:
    """Read one input, `-` for standard input. Raises InputError where it cannot be read, DataError for its content."""
    asked = None if max_bytes is None else parse_size(max_bytes)
    cap = cap_of(asked)
    with note_input(public_path(path)):
        raw = read_url(path, cap=cap) if is_url(path) else read_bytes(path, cap=cap)
    path = public_path(path)
    digest = hashlib.sha256(raw).hexdigest()
    payload, findings = unpack(path, raw, cap=cap, is_asked=asked is not None)
    del raw
    head = payload[:4096].removeprefix(b"\xef\xbb\xbf").strip()
    if not head and not payload[4096:].strip():
        message = f"{quoted_path(path)} is empty"
        raise DataError(message, hint="name a file with a header and rows", code="E_DATA_EMPTY")
    found = format_of(path, payload)
    if not found.magic:
        payload, notes = to_utf8(path, payload, encoding=encoding)
        findings += notes
    named = format_named(path)
    if named is not None and named is not found:
        message = f"the file contains {found.title}, although it is named `{Path(path).suffix}`; its content decides"
        findings.append(Finding("W_DATA_NAMED", message, path, count=1))
    return Source(path, found, payload, digest, tuple(findings), is_trusted=asked is not None, cap=cap)


def text_of(source: Source) -> io.TextIOWrapper:
    """Return the text of a source as a stream that keeps line ends inside quotes."""
    return io.TextIOWrapper(io.BytesIO(source.payload), encoding="utf-8", newline="")
