"""Output layers of many-to-many: the whole horizon read off one state.

Axis legend: B batch, L positions forecast from, H steps of one pass, K segments of the horizon, p segment_length,
F future covariates, Q quantiles, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn

from rnnforecast.inference.inputs import in_blocks
from rnnforecast.networks.cells import StepCell
from rnnforecast.options import Cell

# a head starts near the base it corrects, so early steps do not have to unlearn random output
OUTPUT_START = 0.1
# spread of the quantiles at the start, in scales of the window
SPREAD_START = 0.3


def make_output(hidden_size: int, *, steps: int, quantile_levels: Sequence[float]) -> nn.Linear:
    """Return a layer [..., d] to [..., steps * Q] that starts small, its quantiles in order."""
    output = nn.Linear(hidden_size, steps * len(quantile_levels))
    scores = [NormalDist().inv_cdf(level) for level in quantile_levels]
    with torch.no_grad():
        output.weight.mul_(OUTPUT_START)
        output.bias.copy_(SPREAD_START * torch.tensor(scores).repeat(steps))
    return output


class LinearHead(nn.Module):
    """One linear layer from the state (and all future covariates) to every step and quantile."""

    def __init__(self, *, hidden_size: int, horizon: int, num_future: int, quantile_levels: Sequence[float]) -> None:
        super().__init__()
        self.horizon = horizon
        self.output = make_output(hidden_size, steps=horizon, quantile_levels=quantile_levels)
        self.future = nn.Linear(horizon * num_future, hidden_size, bias=False) if num_future else None

    def forward(self, states: Tensor, future: Tensor | None) -> Tensor:
        """Map states [B, L, d] and future covariates [B, L, H, F] to [B, L, H, Q]."""
        if self.future is not None and future is not None:
            states = states + self.future(future.flatten(2))
        return self.output(states).unflatten(-1, (self.horizon, -1))  # type: ignore[no-any-return]


class SegmentHead(nn.Module):
    """One step of a cell from the state for each segment of the horizon, all at once.

    Input of segment k is its own position vector and its future covariates (after SegRNN, Lin et al. 2023).
    """

    def __init__(
        self,
        *,
        cell: Cell,
        hidden_size: int,
        horizon: int,
        segment_length: int,
        num_future: int,
        quantile_levels: Sequence[float],
    ) -> None:
        super().__init__()
        self.horizon = horizon
        self.segment_length = segment_length
        self.num_quantiles = len(quantile_levels)
        self.position = nn.Parameter(torch.empty(-(-horizon // segment_length), hidden_size).normal_(0, 0.5))
        self.cell = StepCell(cell, hidden_size)
        self.output = make_output(hidden_size, steps=segment_length, quantile_levels=quantile_levels)
        self.future = nn.Linear(segment_length * num_future, hidden_size, bias=False) if num_future else None

    def forward(self, states: Tensor, future: Tensor | None) -> Tensor:
        """Map states [B, L, d] and future covariates [B, L, H, F] to [B, L, H, Q]."""
        inputs = self.position[None, None]  # [1, 1, K, d]
        if self.future is not None and future is not None:
            inputs = inputs + self.future(in_blocks(torch, future, self.segment_length))  # [B, L, K, d]
        hidden = self.cell(inputs, self.cell.initial_state(states[:, :, None]))[0]  # [B, L, K, d]
        outputs = self.output(hidden).unflatten(-1, (self.segment_length, self.num_quantiles))
        return outputs.flatten(2, 3)[:, :, : self.horizon]  # type: ignore[no-any-return]
