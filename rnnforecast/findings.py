"""Findings: errors, warnings and notes about a file, as data for screens, JSON and the model file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from rnnforecast.frozen import dataclass

Severity = Literal["error", "warning", "note"]
JSONValue = None | bool | int | float | str | list["JSONValue"] | dict[str, "JSONValue"]

MAX_LISTED_ROWS = 20

_SEVERITIES: dict[str, Severity] = {"E_": "error", "W_": "warning", "N_": "note"}


@dataclass(frozen=True)
class Finding:
    """One finding about a file; the first letter of its code is its severity.

    `rows` are line numbers of the file as an editor counts them (the header is row 1), at most
    `MAX_LISTED_ROWS` of them; `count` is the number of all rows concerned; `value` is the first value;
    `fix` is the flag or the edit that solves the problem.
    """

    code: str  # E_..., W_... or N_...
    message: str
    file: str | None = None
    rows: tuple[int, ...] = ()
    column: str | None = None
    value: str | None = None
    count: int = 0
    fix: str | None = None

    def __post_init__(self) -> None:
        if self.code[:2] not in _SEVERITIES:
            raise ValueError(f"the code of a finding starts with {', '.join(_SEVERITIES)}, not as `{self.code}` does")

    @property
    def severity(self) -> Severity:
        """`error`, `warning` or `note`."""
        return _SEVERITIES[self.code[:2]]

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the finding as plain JSON values."""
        return {"code": self.code, "severity": self.severity, **asdict(self), "rows": list(self.rows)}


def plural(count: int, word: str, words: str | None = None) -> str:
    """Return a number with its noun: `1 row`, `1,258 rows`; `words` is an irregular plural."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"
