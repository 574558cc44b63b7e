"""Settings as a TOML file, so that what a job did can be done by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnforecast.findings import JSONValue


def to_toml(settings: Mapping[str, JSONValue]) -> str:
    """Return flat settings as `key = value` lines that a TOML reader takes back unchanged; None is left out."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in settings.items() if value is not None)


def _value(value: JSONValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key)} = {_value(item)}' for key, item in value.items())}}}"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """Return a text in quotes; JSON escapes what TOML escapes, but for the one control character it leaves."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
