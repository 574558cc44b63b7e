"""The role of each column: time, target, id, covariate."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field

from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class Roles:
    """The role of each column; `time` has several names where the parts of a date stand in several columns."""

    time: tuple[str, ...]  # () where rows are steps in file order
    target: tuple[str, ...]
    id: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()  # covariates and target that hold words
    id_candidates: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def time_column(self) -> str | None:
        """The name of the time column; parts joined by `+`, as `--time` takes them."""
        return "+".join(self.time) or None

    @property
    def covariates(self) -> tuple[str, ...]:
        """All covariates, those known up to the cutoff first."""
        return self.past + self.future + self.static


def single_names(words: Iterable[str], names: Collection[str], *, mark: str = ",") -> tuple[str, ...]:
    """Return each column that words name: `a,b` are two, unless columns have the mark in their names."""
    most = max((name.count(mark) for name in names), default=0)
    found: dict[str, None] = {}
    for word in words:
        parts = word.split(mark)
        while parts:
            joined = ((size, mark.join(parts[:size]).strip()) for size in range(min(most + 1, len(parts)), 1, -1))
            size, name = next((pair for pair in joined if pair[1] in names), (1, parts[0].strip()))
            found.update({name: None} if name else {})
            parts = parts[size:]
    return tuple(found)
