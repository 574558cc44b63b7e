"""Secrets out of text: passwords of URLs and of `password=...`, wherever a text may be shown, logged or kept."""

from __future__ import annotations

import re

#: What stands in the place of a secret.
MASK = "***"

#: The password of a URL reaches to the last `@` of the word: one that was not encoded may hold a `/` or an `@`.
_IN_URL = re.compile(r"(://[^/\s:@'\"]*):[^\s'\"]*@")
_NAMED = re.compile(r"(?i)(password\s*=\s*)('(?:[^']|'')*'|\"[^\"]*\"|[^\s&#'\"]+)")


def masked(text: str) -> str:
    """Return a text with the passwords in it replaced by `***`."""
    return _NAMED.sub(rf"\g<1>{MASK}", _IN_URL.sub(rf"\g<1>:{MASK}@", text))


def holds_secret(text: str) -> bool:
    """Whether a text holds what `masked` would replace."""
    return masked(text) != text
