"""The decoder: a cell unrolled over the segments of the horizon, with attention over the window or without.

Axis legend: B batch, H horizon, T segments of the window, K segments of the horizon, p segment_length, F future
covariates, Q quantiles, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rnnforecast.frozen import dataclass
from rnnforecast.inference.inputs import in_blocks
from rnnforecast.inference.shapes import median_index
from rnnforecast.networks.cells import StepCell
from rnnforecast.networks.heads import make_output
from rnnforecast.options import Attention, Cell


class AdditiveAttention(nn.Module):
    """e_j = v . tanh(W_s s + W_h h_j), weights softmax(e) (Bahdanau et al. 2015)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        self.energy = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, state: Tensor, states: Tensor, keys: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return context [B, d] and weights [B, T] for a decoder state [B, d]; `keys` are W_h h_j [B, T, d]."""
        scores = self.energy(torch.tanh(self.query(state)[:, None] + keys)).squeeze(-1)
        return attend(scores, states, seen)


class DotAttention(nn.Module):
    """e_j = s . h_j, weights softmax(e), output tanh(W_c [context; s]) (Luong et al. 2015)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.combine = nn.Linear(2 * hidden_size, hidden_size, bias=False)

    def forward(self, state: Tensor, states: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attentional state [B, d] and weights [B, T] for a decoder state [B, d]."""
        scores = torch.bmm(states, state[:, :, None]).squeeze(-1)
        context, weights = attend(scores, states, seen)
        return torch.tanh(self.combine(torch.cat([context, state], dim=-1))), weights


def attend(scores: Tensor, states: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return context [B, d] and weights [B, T]; segments not `seen` get none, unless no segment was."""
    weights = torch.softmax(scores.masked_fill(~seen, -1e9), dim=-1)
    return torch.bmm(weights[:, None], states).squeeze(1), weights


@dataclass(frozen=True)
class Truth:
    """True outputs for teacher forcing: each segment is fed to the next with this probability."""

    values: Tensor  # [B, H] normalised, as the network reads values
    observed: Tensor  # [B, H] bool
    probability: float
    generator: torch.Generator | None


class Decoder(nn.Module):
    """Cell over horizon segments; it reads the segment before (its own median, or the truth) and covariates."""

    def __init__(
        self,
        *,
        cell: Cell,
        hidden_size: int,
        horizon: int,
        segment_length: int,
        num_future: int,
        attention: Attention | None,
        quantile_levels: Sequence[float],
    ) -> None:
        super().__init__()
        self.horizon = horizon
        self.segment_length = segment_length
        self.num_quantiles = len(quantile_levels)
        self.median = median_index(tuple(quantile_levels))
        self.attention: AdditiveAttention | DotAttention | None = None
        if attention is not None:
            self.attention = AdditiveAttention(hidden_size) if attention == "additive" else DotAttention(hidden_size)
        context = hidden_size if attention == "additive" else 0
        self.input = nn.Linear(segment_length * (1 + num_future) + context, hidden_size)
        self.cell = StepCell(cell, hidden_size)
        self.output = make_output(hidden_size, steps=segment_length, quantile_levels=quantile_levels)

    def forward(
        self,
        encoded: tuple[Tensor, Tensor],
        *,
        previous: Tensor,
        seen: Tensor,
        simple: Tensor,
        future: Tensor | None,
        truth: Truth | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Unroll over the horizon: outputs [B, H, Q] in normalised units and attention [B, K, T] (K 0 without).

        `encoded` is (states [B, T, d], final [B, d]); `previous` [B, p] the last segment of the window; `seen`
        [B, T] tells segments with observations; `simple` [B, H] is the forecast being corrected; `future` [B, H, F].
        """
        states, final = encoded
        blocks = None if future is None else in_blocks(torch, future[:, None], self.segment_length)[:, 0]
        simple_blocks = in_blocks(torch, simple[:, None, :, None], self.segment_length)[:, 0]  # [B, K, p]
        true_blocks = None if truth is None else self._true_blocks(truth)
        keys = self.attention.key(states) if isinstance(self.attention, AdditiveAttention) else None
        state = self.cell.initial_state(final)
        outputs, looks = [], []
        for block in range(simple_blocks.shape[1]):
            inputs = [previous] if blocks is None else [previous, blocks[:, block]]
            if isinstance(self.attention, AdditiveAttention):
                context, look = self.attention(state[0], states, keys, seen)
                inputs.append(context)
                looks.append(look)
            state = self.cell(self.input(torch.cat(inputs, dim=-1)), state)
            hidden = state[0]
            if isinstance(self.attention, DotAttention):
                hidden, look = self.attention(hidden, states, seen)
                looks.append(look)
            output = self.output(hidden).unflatten(-1, (self.segment_length, self.num_quantiles))
            output = output + simple_blocks[:, block, :, None]  # [B, p, Q]
            outputs.append(output)
            previous = output[..., self.median]
            if true_blocks is not None:
                previous = torch.where(true_blocks[1][:, block], true_blocks[0][:, block], previous)
        attention = torch.stack(looks, dim=1) if looks else final.new_zeros(len(final), 0, seen.shape[1])
        return torch.cat(outputs, dim=1)[:, : self.horizon], attention

    def _true_blocks(self, truth: Truth) -> tuple[Tensor, Tensor] | None:
        """Return true segments [B, K, p] and where they are fed: drawn for each segment of each window."""
        if truth.probability <= 0:
            return None
        values = in_blocks(torch, truth.values[:, None, :, None], self.segment_length)[:, 0]
        known = in_blocks(torch, truth.observed[:, None, :, None], self.segment_length)[:, 0]
        place = values.device if truth.generator is None else truth.generator.device
        draws = torch.rand(values.shape[0], values.shape[1], 1, generator=truth.generator, device=place)
        return values, known & (draws.to(values.device) < truth.probability)
