"""Names of models, and an injective encoding of names as folders."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

from rnnforecast.errors import UsageError

MAX_NAME_LENGTH = 200
_MAX_FOLDER_LENGTH = 100
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
_PLAIN = re.compile(rb"[A-Za-z0-9_-]")
_SPEC = re.compile(r"(?P<name>.+)@(?P<version>[1-9]\d{0,8})", re.DOTALL)


def encode_name(name: str) -> str:
    """Return the folder of a model: the name itself where it is plain, percent-encoded where it is not.

    Total and injective, also on disks that take `A` for `a`: names with capitals, long names and the empty one carry
    a digest. No result is `.`, `..`, hidden, longer than 120 bytes or a word that Windows keeps for itself.
    """
    raw = name.encode("utf-8", "surrogatepass")
    folder = "".join(chr(byte) if _PLAIN.match(bytes([byte])) else f"%{byte:02x}" for byte in raw)
    if _RESERVED.fullmatch(folder):
        folder = f"%{raw[0]:02x}{folder[1:]}"
    if folder == folder.lower() and 0 < len(folder) <= _MAX_FOLDER_LENGTH:
        return folder
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return f"{folder[:_MAX_FOLDER_LENGTH]}~{digest}"


def decode_name(folder: str) -> str:
    """Return the name a folder was made for, for models whose manifest cannot be read; long names come back cut."""
    return unquote(folder.partition("~")[0], errors="replace")


def check_name(name: str) -> None:
    """Raise UsageError for names that cannot be typed on a command line."""
    if not name.strip():
        raise UsageError("the model name is empty", hint="give it one with `--name`")
    if len(name) > MAX_NAME_LENGTH:
        message = f"the name `{name[:40]}...` has {len(name)} characters; the limit is {MAX_NAME_LENGTH}"
        raise UsageError(message, hint="give it a shorter one with `--name`")
    if not name.isprintable() or "@" in name or name.startswith("-") or name.endswith(".safetensors"):
        raise UsageError(
            f"invalid model name {name!a}: no line breaks or control characters, no `@` (it separates the "
            "version), no `-` at the start (it marks a flag), no suffix `.safetensors` (it marks a file)",
            hint="give it another name with `--name`",
        )


def name_from_stem(stem: str) -> str:
    """Return a model name for a file stem: characters that `check_name` rejects become `-`."""
    cleaned = "".join(letter if letter.isprintable() and letter != "@" else "-" for letter in stem)
    cleaned = cleaned.removesuffix(".safetensors").lstrip("- ").strip()[:MAX_NAME_LENGTH].strip()
    return cleaned or "model"


def split_spec(spec: str) -> tuple[str, int | None]:
    """Split `NAME@3` into name and version; a bare `NAME` has version None."""
    match = _SPEC.fullmatch(spec)
    return (match["name"], int(match["version"])) if match else (spec, None)
