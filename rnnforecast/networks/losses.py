"""The one loss: pinball over all quantile levels, in units that make series comparable.

Axis legend: B batch, L positions forecast from, H steps of one pass, Q quantiles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.config import LossScale
from rnnforecast.frozen import dataclass
from rnnforecast.inference.shapes import median_index

# a window that swings more than this many loss scales must not drown the others
LARGEST_WEIGHT = 6.0
RELATIVE_WEIGHT = 10.0
TARGET_LIMIT = 1e6


@dataclass(frozen=True)
class PinballLoss:
    """Pinball loss: max(q * e, (q - 1) * e) with e = target - forecast, averaged over levels and observed steps.

    Each window counts by its scale over the loss scale: `unit` 1 (errors of logarithms are relative already),
    `mase` the in-sample error of the seasonal naive forecast, `mix` that plus 10 x the relative error.
    """

    quantile_levels: tuple[float, ...]
    loss_scale: LossScale
    log: bool

    def __call__(
        self, outputs: Tensor, target: Tensor, observed: Tensor, *, level: Tensor, scale: Tensor, loss_scale: Tensor
    ) -> Tensor:
        """Return the mean loss of outputs [B, L, H, Q] in normalised units.

        `target` [B, L, H] as learned (float64), `level` and `scale` [B, L], `loss_scale` [B]; steps not `observed`
        count nothing.
        """
        level, scale = level[:, :, None], scale[:, :, None]  # [B, L, 1]
        wanted = ((target - level) / scale).clamp(-TARGET_LIMIT, TARGET_LIMIT).to(outputs.dtype)
        levels = torch.tensor(self.quantile_levels, dtype=outputs.dtype, device=outputs.device)
        error = wanted[..., None] - outputs  # [B, L, H, Q]
        # max(q * e, (q - 1) * e) = |e| / 2 + (q - 1/2) * e, which is half the work
        pinball = (0.5 * error.abs().sum(-1) + error @ (levels - 0.5)) / len(self.quantile_levels)  # [B, L, H]
        weight = self._weight(outputs.detach(), target, level=level, scale=scale, loss_scale=loss_scale[:, None, None])
        weight = (weight * observed).to(outputs.dtype)
        return (pinball * weight).sum() / observed.sum().clamp(min=1)

    def _weight(self, outputs: Tensor, target: Tensor, *, level: Tensor, scale: Tensor, loss_scale: Tensor) -> Tensor:
        """Return how much a normalised unit of error weighs: broadcasts to [B, L, H]."""
        if self.loss_scale == "unit":
            return scale.clamp(max=LARGEST_WEIGHT)
        # a small step of the logarithm is a step of that fraction of the level
        in_units = scale * torch.exp(level.clamp(max=700.0)) if self.log else scale
        weight = (in_units / loss_scale).clamp(max=LARGEST_WEIGHT)
        if self.loss_scale == "mase":
            return weight
        if self.log:
            return weight + RELATIVE_WEIGHT * (scale / 2).clamp(max=1.0)
        median = outputs[..., median_index(self.quantile_levels)].to(scale.dtype)
        size = target.abs() + (level + scale * median).abs()
        return weight + RELATIVE_WEIGHT * (scale / size.clamp(min=1e-300)).clamp(max=1.0)
