"""The error that series are made comparable by in pretraining.

Axis legend: B batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def season_scale(values: Tensor, observed: Tensor, season_length: int) -> Tensor:
    """Return the mean absolute seasonal difference of each series: [B]; of plain differences where it has none."""
    both = observed[:, season_length:] & observed[:, :-season_length]
    steps = (values[:, season_length:] - values[:, :-season_length]).abs() * both
    scale: Tensor = steps.sum(1) / both.sum(1).clamp(min=1)
    return scale
