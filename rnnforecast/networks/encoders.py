"""The encoder: stacked recurrent layers over the segments of a window, in one direction or both.

Axis legend: B batch, T segments, d hidden_size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.networks.cells import Recurrence
from rnnforecast.options import Cell


class Encoder(nn.Module):
    """Linear layer into the hidden size, then one recurrence a layer, each with its input added when residual.

    Bidirectional: a second stack reads from the end, and a linear layer merges the two.
    """

    def __init__(
        self,
        *,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        residual: bool,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.dropout = dropout
        self.input = nn.Linear(input_size, hidden_size)
        self.forward_layers = nn.ModuleList(Recurrence(cell, hidden_size) for _ in range(num_layers))
        self.backward_layers: nn.ModuleList | None = None
        if bidirectional:
            self.backward_layers = nn.ModuleList(Recurrence(cell, hidden_size) for _ in range(num_layers))
            self.merge = nn.Linear(2 * hidden_size, hidden_size)

    def forward(
        self, inputs: Tensor, generator: torch.Generator | None = None, *, last_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Map segments [B, T, features] to states [B, T, d] and the final state [B, d].

        The final state of both directions merges what each stack read last. `generator` draws the dropout.
        With `last_only` the states are the final one alone, [B, 1, d], and no work is done for the others.
        """
        forward = self._run(self.forward_layers, inputs, generator, last_only=last_only)
        if self.backward_layers is None:
            return forward, forward[:, -1]
        backward = self._run(self.backward_layers, inputs.flip(1), generator, last_only=last_only)
        final = self.merge(torch.cat([forward[:, -1], backward[:, -1]], dim=-1))
        if last_only:
            return final[:, None], final
        return self.merge(torch.cat([forward, backward.flip(1)], dim=-1)), final

    def _run(
        self, layers: nn.ModuleList, inputs: Tensor, generator: torch.Generator | None, *, last_only: bool
    ) -> Tensor:
        for number, layer in enumerate(layers):
            if number and self.training and self.dropout:
                inputs = drop(inputs, self.dropout, generator)
            outputs, last = layer(inputs, None if number else self.input)
            if last_only and number == len(layers) - 1:
                inputs, outputs = inputs[:, -1:], last[:, None]
            if self.residual:
                outputs = outputs + (inputs if number else self.input(inputs))
            inputs = outputs
        return inputs


def drop(inputs: Tensor, fraction: float, generator: torch.Generator | None) -> Tensor:
    """Zero a fraction of the numbers and scale up the rest; drawn from `generator`, so that a seed fixes the run."""
    place = inputs.device if generator is None else generator.device
    kept = torch.rand(inputs.shape, generator=generator, device=place).to(inputs.device) >= fraction
    return inputs * kept / (1 - fraction)
