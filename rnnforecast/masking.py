"""Secrets out of text: passwords of URLs, of `password=...` and `API_KEY=...`, wherever a text may be shown or kept."""

from __future__ import annotations

import re

#: What stands in the place of a secret.
MASK = "***"

#: The password of a URL reaches to the last `@` of the word: one that was not encoded may hold a `/` or an `@`.
_IN_URL = re.compile(r"(://[^/\s:@'\"]*):[^\s'\"]*@")
_NAMED = re.compile(r"(?i)(password\s*=\s*)('(?:[^']|'')*'|\"[^\"]*\"|[^\s&#'\"]+)")
#: A line of a file of settings that was given as a table, or of an environment.
_ASSIGNED = re.compile(r"((?:SECRET|TOKEN|PASSWORD|PASSWD|KEY)[A-Z0-9_]{0,20}=)[^\s'\"`]+")


def masked(text: str) -> str:
    """Return a text with the passwords and keys in it replaced by `***`."""
    return _ASSIGNED.sub(rf"\g<1>{MASK}", _without_passwords(text))


def holds_secret(text: str) -> bool:
    """Whether a text holds a password, in a URL or named as one."""
    return _without_passwords(text) != text


def _without_passwords(text: str) -> str:
    return _NAMED.sub(rf"\g<1>{MASK}", _IN_URL.sub(rf"\g<1>:{MASK}@", text))
