"""The network over sequences of categories in torch, and its loss: the cross-entropy of all steps of the horizon.

Axis legend: B windows, C context_length, L positions forecast from, H horizon, K categories, d hidden_size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.categorical import last_known, to_codes
from rnnforecast.members import CategoricalSettings
from rnnforecast.networks.encoders import Encoder
from rnnforecast.networks.forecaster import MAX_TRAINED_POSITIONS


class CategoricalForecaster(nn.Module):
    """An encoder whose states correct the log probabilities of transitions; without training they are the forecast."""

    transitions: Tensor

    def __init__(self, settings: CategoricalSettings, transitions: Tensor, *, dropout: float) -> None:
        super().__init__()
        self.num_categories = settings.num_categories
        self.context_length = settings.context_length
        self.training_horizon = settings.horizon
        self.encoder = Encoder(
            cell=settings.cell,
            input_size=settings.num_categories + 1,
            hidden_size=settings.hidden_size,
            num_layers=settings.num_layers,
            residual=settings.residual,
            bidirectional=False,
            dropout=dropout,
        )
        self.output = nn.Linear(settings.hidden_size, settings.horizon * settings.num_categories)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("transitions", transitions)

    def forward(self, codes: Tensor, positions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Map codes [B, C] to logits after the positions [L]: [B, L, H, K]."""
        inputs = functional.one_hot(codes, self.num_categories + 1).to(self.transitions.dtype)
        states = self.encoder(inputs, generator)[0][:, positions]  # [B, L, d]
        outputs = self.output(states).unflatten(-1, (self.training_horizon, -1))
        newest = last_known(torch, codes, self.num_categories)[:, positions]  # [B, L]
        return outputs + self.transitions[:, newest].movedim(0, 2)  # type: ignore[no-any-return]

    def loss(
        self,
        batch: WindowBatch,
        *,
        teacher_forcing: float = 0.0,  # noqa: ARG002 - forecasts are never inputs
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of the known steps; in training after many positions of each window."""
        count, horizon = self.num_categories, self.training_horizon
        codes = to_codes(torch, batch.past_target, batch.past_observed, count)
        future = to_codes(torch, batch.future_target, batch.future_observed, count)
        positions = self._positions(generator)
        steps = positions[:, None] + 1 + torch.arange(horizon)  # [L, H]
        actual = torch.cat([codes, future], dim=1)[:, steps]  # [B, L, H]
        logits = self(codes, positions, generator if self.training else None)
        known = (actual < count).sum().clamp(min=1)
        total = functional.cross_entropy(
            logits.reshape(-1, count), actual.reshape(-1), ignore_index=count, reduction="sum"
        )
        return total / known

    def _positions(self, generator: torch.Generator | None) -> Tensor:
        """Return the last position alone, or with a generator some more of the window, drawn anew."""
        last = self.context_length - 1
        if generator is None or not self.training:
            return torch.tensor([last])
        drawn = torch.randperm(last, generator=generator)[: MAX_TRAINED_POSITIONS - 1]
        return torch.cat([drawn, torch.tensor([last])])
