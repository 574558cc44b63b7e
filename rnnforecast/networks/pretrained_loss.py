"""The loss of the pretrained network: pinball at every position of a batch, in units that make series comparable.

Axis legend: B batch, L positions forecast from, H steps of one pass, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnnforecast.inference.pretrained_inputs import Reading

# one series may count neither for nothing nor for many
WEIGHT_RANGE = (0.15, 6.0)
TARGET_LIMIT = 1e3
#: Later lead times are harder and count less, by this power.
LEAD_TIME_POWER = 0.2
#: Scales below this fraction of the level are rounding errors of the type and are excluded. Series of a
#: user come in double precision, and what little a large total moves by is learned.
SMALLEST_FRACTION = {torch.float32: 2e-5, torch.float64: 4e-14}


class _Pinball(torch.autograd.Function):
    """Sum over levels of max(q e, (q - 1) e), e = target - output, weighed; the gradient needs one comparison."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, target: Tensor, weight: Tensor, levels: Tensor) -> Tensor:
        error = target[..., None] - outputs
        slope = levels - (error < 0).to(outputs.dtype)
        ctx.save_for_backward(slope, weight)
        total: Tensor = ((slope * error).mean(-1) * weight).sum()
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        slope, weight = ctx.saved_tensors
        return slope * (-grad_outputs[0] / slope.shape[-1] * weight)[..., None], None, None, None


def dense_pinball(
    outputs: Tensor,
    reading: Reading,
    target: Tensor,
    observed: Tensor,
    *,
    loss_scale: Tensor,
    quantile_levels: Sequence[float],
    lead_time_power: float = LEAD_TIME_POWER,
) -> Tensor:
    """Return the mean loss of outputs [B, L, H, Q] against targets [B, L, H] of the same series.

    Each position counts by its scale over `loss_scale` [B], the in-sample error of the seasonal naive forecast,
    each lead time h by h to the power of -`lead_time_power`. Targets and reading are float32 or float64.
    """
    scale, level = reading.scale[:, :, None], reading.level[:, :, None]
    wanted = ((target - level) / scale).clamp(-TARGET_LIMIT, TARGET_LIMIT).to(outputs.dtype)
    weight = (scale / loss_scale[:, None, None].clamp(min=1e-30)).clamp(*WEIGHT_RANGE)
    moves = scale > SMALLEST_FRACTION[scale.dtype] * level.abs()
    usable = reading.known[:, :, None] & observed & moves
    lead = torch.arange(1, target.shape[-1] + 1, dtype=outputs.dtype, device=outputs.device) ** -lead_time_power
    weight = (weight * usable * (lead / lead.mean())).to(outputs.dtype)
    levels = torch.tensor(quantile_levels, dtype=outputs.dtype, device=outputs.device)
    total: Tensor = _Pinball.apply(outputs, wanted, weight, levels)  # type: ignore[no-untyped-call]
    mean: Tensor = total / usable.sum().clamp(min=1)
    return mean
