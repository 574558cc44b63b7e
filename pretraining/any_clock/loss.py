"""The loss: pinball at sampled leads after sampled segments, in units that make series comparable.

Axis legend: B batch, P positions forecast from, L leads, Q quantiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnnforecast.networks.pretrained_loss import _Pinball

if TYPE_CHECKING:
    from pretraining.any_clock.clock import Clock
    from pretraining.any_clock.inputs import Past, Reading

#: One series may count neither for nothing nor for many.
WEIGHT_RANGE = (0.15, 6.0)
#: Later leads are harder: they count less by this power of the lead, and by this power of the segments it spans.
LEAD_POWER, SEGMENT_POWER = 0.2, 0.3
#: Targets beyond this many scales, growing with the root of the segments ahead, are held there.
TARGET_LIMIT = 30.0
#: A scale below this share of the level is rounding of single precision: nothing to learn from.
SMALLEST_SHARE = 2e-5


def lead_loss(
    outputs: Tensor,
    past: Past,
    clock: Clock,
    reading: Reading,
    positions: Tensor,
    leads: Tensor,
    quantile_levels: tuple[float, ...],
) -> Tensor:
    """Return the mean loss of outputs [B, P, L, Q] at `leads` [P, L] after the segments `positions` [P]."""
    index = reading.ends[positions][:, None] + leads - 1
    level, scale = reading.level[:, positions, None], reading.scale[:, positions, None]
    span = leads.to(outputs.dtype) / clock.segment_length
    limit = TARGET_LIMIT * torch.sqrt(1 + span)
    target = torch.clamp(((past.values[:, index] - level) / scale).to(outputs.dtype), -limit, limit)
    moves = scale > SMALLEST_SHARE * (level - past.zero[:, None, None]).abs()
    usable = (past.observed[:, index] > 0) & reading.known[:, positions, None] & moves
    falling = lead_weights(leads, clock)
    weight = (series_weights(past, clock, scale) * usable).to(outputs.dtype) * (falling / falling.mean())
    levels = torch.tensor(quantile_levels, dtype=outputs.dtype, device=outputs.device)
    total: Tensor = _Pinball.apply(outputs, target, weight, levels)  # type: ignore[no-untyped-call]
    mean: Tensor = total / usable.sum().clamp(min=1)
    return mean


def series_weights(past: Past, clock: Clock, scale: Tensor) -> Tensor:
    """Return what a unit of `scale` [B, P, 1] counts: more where a season is repeated closely."""
    return (scale / season_error(past, clock)[:, None, None].clamp(min=1e-12)).clamp(*WEIGHT_RANGE)


def lead_weights(leads: Tensor, clock: Clock) -> Tensor:
    """Return what each of the leads [P, L] counts."""
    lead = leads.float()
    return lead**-LEAD_POWER * (1 + lead / clock.segment_length) ** -SEGMENT_POWER


def season_error(past: Past, clock: Clock) -> Tensor:
    """Return the mean absolute seasonal difference of each series: [B]; of plain differences without a season."""
    lag = min(round(clock.main_season), past.values.shape[1] - 1)
    both = past.observed[:, lag:] * past.observed[:, :-lag]
    steps = (past.values[:, lag:] - past.values[:, :-lag]).abs() * both
    error: Tensor = steps.sum(1) / both.sum(1).clamp(min=1)
    return error
