"""What was noticed in a file: notes, repairs and refusals, as data that tables, JSON and the model file share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["note", "repair", "refusal"]
JSONValue = None | bool | int | float | str | list["JSONValue"] | dict[str, "JSONValue"]

MAX_LISTED_ROWS = 20


@dataclass(frozen=True)
class Finding:
    """One thing noticed in a file.

    `rows` are line numbers of the file as an editor counts them (the header is row 1), at most
    `MAX_LISTED_ROWS` of them; `count` is the number of all rows concerned; `value` is the first value seen;
    `fix` is the flag or the edit that settles the matter.
    """

    code: str
    severity: Severity
    message: str
    file: str | None = None
    rows: tuple[int, ...] = ()
    column: str | None = None
    value: str | None = None
    count: int = 0
    fix: str | None = None

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the finding as plain JSON values."""
        return {**asdict(self), "rows": list(self.rows)}

    @classmethod
    def from_dict(cls, fields: dict[str, object]) -> Finding:
        """Rebuild a finding that `to_dict` wrote."""
        rows = fields.get("rows", ())
        return cls(**{**fields, "rows": tuple(rows) if isinstance(rows, list | tuple) else ()})  # type: ignore[arg-type]
