"""The role of each column: time, target, id, covariate."""

from __future__ import annotations

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
