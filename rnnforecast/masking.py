"""Remove secrets from text: passwords and tokens in URLs, assignments, options and headers.

This is the only place that does so. Everything that is shown, logged or stored goes through `masked`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rnnforecast.findings import JSONValue

#: Replaces a secret.
MASK = "***"

_VALUE = r"('(?:[^']|'')*'|\"[^\"]*\"|[^\s&#'\"`]+)"
_PASSWORDS = (
    #: `user:password@` in a URL. It ends at the last `@` of the word: an unencoded password may contain `/` or `@`.
    (re.compile(r"(://[^/\s:@'\"]*):[^\s'\"]*@"), rf"\g<1>:{MASK}@"),
    (re.compile(rf"(?i)(password\s*=\s*){_VALUE}"), rf"\g<1>{MASK}"),
)
_OTHERS = (
    #: A user without a password: over HTTP this is a token.
    (re.compile(r"(?i)(\bhttps?://)[^/\s:@'\"]+@"), rf"\g<1>{MASK}@"),
    #: The query of a URL, where signatures and tokens are; that of a database holds its options.
    (re.compile(r"(?i)\b((?!postgres|sqlite|duckdb)[a-z][a-z0-9+.-]*://[^\s?'\"`]*\?)[^\s'\"`]+"), rf"\g<1>{MASK}"),
    (re.compile(r"((?:SECRET|TOKEN|PASSWORD|PASSWD|KEY)[A-Z0-9_]{0,20}=)[^\s'\"`]+"), rf"\g<1>{MASK}"),
    (re.compile(rf"(?i)((?:token|secret|passwd|api[_-]?key)=){_VALUE}"), rf"\g<1>{MASK}"),
    (re.compile(rf"(?i)(--?[a-z-]*(?:password|passwd|token|secret|api-key) ){_VALUE}"), rf"\g<1>{MASK}"),
    (re.compile(r"(?i)(authorization: *(?:bearer|basic|token)? *)[^\s'\"`]+"), rf"\g<1>{MASK}"),
)


def masked(text: str) -> str:
    """Return a text with every secret in it replaced by `***`."""
    for pattern, replacement in (*_PASSWORDS, *_OTHERS):
        text = pattern.sub(replacement, text)
    return text


def masked_values(value: JSONValue) -> JSONValue:
    """Return JSON values with every secret in their texts masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: masked_values(item) for key, item in value.items()}
    return [masked_values(item) for item in value] if isinstance(value, list | tuple) else value


def holds_secret(text: str) -> bool:
    """Whether a text holds a password, in a URL or assigned to `password`."""
    return any(pattern.sub(replacement, text) != text for pattern, replacement in _PASSWORDS)
