"""A Transformer encoder in place of the recurrent layers, for `compare`: as many layers and about as many weights.

Vaswani et al. (2017), "Attention Is All You Need", with the normalisation before each part (Xiong et al. 2020). Each segment
attends to those before it alone, so that a network may be trained at every position, as a recurrent one is.

Axis legend: B batch, T segments, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.shapes import Sizes
from rnnforecast.members import Member
from rnnforecast.networks.encoders import drop
from rnnforecast.networks.engine import to_tensors
from rnnforecast.networks.forecaster import RecurrentForecaster, build_network

_HEADS = 4


class TransformerEncoder(nn.Module):
    """Linear layer into the hidden size, sinusoids for the positions, then attention and two dense layers a layer.

    A layer has 6 d² weights, as a GRU of the same size.
    """

    def __init__(self, *, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.input = nn.Linear(input_size, hidden_size)
        heads = _HEADS if hidden_size % _HEADS == 0 else 1
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(hidden_size, heads, hidden_size, 0.0, batch_first=True, norm_first=True)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def forward(
        self, inputs: Tensor, generator: torch.Generator | None = None, *, last_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Map segments [B, T, features] to states [B, T, d] (of the last alone with `last_only`) and the last [B, d]."""
        states = self.input(inputs)
        states = states + sinusoids(states.shape[1], states.shape[2]).to(states)
        mask = nn.Transformer.generate_square_subsequent_mask(states.shape[1], device=states.device, dtype=states.dtype)
        for number, layer in enumerate(self.layers):
            if number and self.training and self.dropout:
                states = drop(states, self.dropout, generator)
            states = layer(states, src_mask=mask, is_causal=True)
        states = self.norm(states)
        return (states[:, -1:] if last_only else states), states[:, -1]


def sinusoids(length: int, size: int) -> Tensor:
    """Return the positions as sines and cosines of geometric wavelengths: [T, d]."""
    place = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, size, 2, dtype=torch.float32) * (-np.log(10_000.0) / size))
    found = torch.zeros(length, size)
    found[:, 0::2] = torch.sin(place * rate)
    found[:, 1::2] = torch.cos(place * rate[: size // 2])
    return found


def build_transformer(member: MemberSettings, *, seed: int = 0) -> RecurrentForecaster:
    """Build the network of these settings with a Transformer for its recurrent layers, weights drawn from `seed`."""
    network = build_network(member, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.encoder = TransformerEncoder(  # type: ignore[assignment]
            input_size=Sizes.of(member).input_size,
            hidden_size=member.hidden_size,
            num_layers=member.num_layers,
            dropout=member.dropout,
        )
    return network


def forecast_windows(member: Member, tensors: Mapping[str, np.ndarray], batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window as `inference.engine.forecast_windows` does: [B, H, Q] float64."""
    network = build_transformer(member)  # type: ignore[arg-type]  # only recurrent settings are fitted so
    network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()})
    forecast: np.ndarray = network.forecast(to_tensors(batch, torch.device("cpu"))).numpy()
    return forecast
