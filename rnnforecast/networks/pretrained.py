"""The pretrained network: a recurrent trunk for all season lengths, with inputs and head of a season class.

It forecasts from every segment of a series at once, so each segment of a series is a training example.

Axis legend: B batch, T segments, L positions forecast from, K seasons looked back, H steps of one pass, R steps the
linear path reads, Q quantiles, d hidden_size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.pretrained import EXPANSION, SMALLEST_WEIGHT, widen
from rnnforecast.inference.pretrained_inputs import Reading, SeasonBlocks, input_size, read_series
from rnnforecast.members import PretrainedSettings
from rnnforecast.networks.cells import Recurrence
from rnnforecast.networks.pretrained_loss import dense_pinball

# a fit looks at this many positions of each window a step, drawn anew each time
NUM_TRAINED_POSITIONS = 8
# a season further back has this much less weight at the start of training (in logarithms)
SEASON_FADING = 0.7


class TrunkLayer(nn.Module):
    """h + GRU(norm(h)), then h + W_2 relu(W_1 norm(h))."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent_norm = nn.LayerNorm(hidden_size)
        self.recurrent = Recurrence("gru", hidden_size)
        self.forward_norm = nn.LayerNorm(hidden_size)
        self.widen = nn.Linear(hidden_size, EXPANSION * hidden_size)
        self.narrow = nn.Linear(EXPANSION * hidden_size, hidden_size)

    def forward(self, states: Tensor) -> Tensor:
        """Map [B, T, d] to [B, T, d]."""
        states = states + self.recurrent(self.recurrent_norm(states).float())[0]  # in full precision on a CPU
        wide: Tensor = self.narrow(torch.relu(self.widen(self.forward_norm(states))))
        return states + wide


class Trunk(nn.Module):
    """The layers common to all season classes."""

    def __init__(self, *, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TrunkLayer(hidden_size) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, states: Tensor) -> Tensor:
        """Map [B, T, d] to [B, T, d]."""
        for layer in self.layers:
            states = layer(states)
        normed: Tensor = self.norm(states)
        return normed


class SeasonMixture(nn.Module):
    """Seasons before the horizon, weighed by the state: amplitude times their weighted mean."""

    def __init__(self, hidden_size: int, num_seasons: int, *, amplitude: float) -> None:
        super().__init__()
        self.weigh = nn.Linear(hidden_size, num_seasons + 1)
        nn.init.zeros_(self.weigh.weight)
        with torch.no_grad():
            self.weigh.bias[:-1] = -SEASON_FADING * torch.arange(num_seasons)
            self.weigh.bias[-1] = amplitude

    def forward(self, state: Tensor, blocks: SeasonBlocks) -> Tensor:
        """Map states [B, L, d] and blocks [B, L, K, H] to [B, L, H]; what is unknown weighs nothing."""
        weighed: Tensor = self.weigh(state).float()
        weights = torch.softmax(weighed[..., :-1], -1)[..., None] * blocks.known
        mean: Tensor = (weights * blocks.values).sum(2) / (weights.sum(2) + SMALLEST_WEIGHT)
        return weighed[..., -1:] * mean


class PretrainedHead(nn.Module):
    """Read quantiles of the horizon off a state: season mixtures plus a linear path plus a linear layer.

    `width` [H, Q] is not trained: it is chosen after training and used in forecasts only.
    """

    width: Tensor

    def __init__(self, member: PretrainedSettings) -> None:
        super().__init__()
        self.num_quantiles = len(member.quantile_levels)
        self.output = nn.Linear(member.hidden_size, member.horizon * self.num_quantiles)
        self.skip = nn.Linear(member.recent_length, member.horizon, bias=False)
        nn.init.zeros_(self.skip.weight)
        self.register_buffer("width", torch.ones(member.horizon, self.num_quantiles))
        self.season: SeasonMixture | None = None
        self.long_season: SeasonMixture | None = None
        if member.num_seasons:
            self.season = SeasonMixture(member.hidden_size, member.num_seasons, amplitude=1.0)
        if member.num_long_seasons:
            self.long_season = SeasonMixture(member.hidden_size, member.num_long_seasons, amplitude=0.0)

    def forward(self, states: Tensor, reading: Reading) -> Tensor:
        """Map states [B, L, d] to quantiles [B, L, H, Q] in scales around the level."""
        simple: Tensor = self.skip(reading.recent).float()  # [B, L, H]
        for mixture, blocks in ((self.season, reading.season), (self.long_season, reading.long_season)):
            if mixture is not None and blocks is not None:
                simple = simple + mixture(states, blocks)
        outputs: Tensor = self.output(states).float().unflatten(-1, (-1, self.num_quantiles))
        return outputs + simple[..., None]


class PretrainedForecaster(nn.Module):
    """One season class of the network; `trunk` is given if classes share one."""

    def __init__(self, member: PretrainedSettings, *, trunk: Trunk | None = None) -> None:
        super().__init__()
        self.member = member
        #: Multiply in bfloat16 while training, where the device does that faster.
        self.uses_bfloat16 = False
        self.input = nn.Linear(input_size(member), member.hidden_size)
        self.trunk = trunk or Trunk(hidden_size=member.hidden_size, num_layers=member.num_layers)
        self.head = PretrainedHead(member)

    @property
    def context_length(self) -> int:
        """Steps of the past that `loss` and `forecast` read."""
        return self.member.context_length

    @property
    def training_horizon(self) -> int:
        """Steps of the future that `loss` looks at."""
        return self.member.horizon

    def forward(
        self,
        past: Tensor,
        observed: Tensor,
        *,
        member: PretrainedSettings | None = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Reading]:
        """Forecast from `positions` [L] (default: the end): quantiles [B, L, H, Q] in scales around the level.

        `member` names another season length of the same class.
        """
        with torch.no_grad():
            reading = read_series(torch, past, observed, member or self.member, positions=positions)
        return self.answer(reading, positions), reading

    def answer(self, reading: Reading, positions: Tensor | None = None) -> Tensor:
        """Return quantiles [B, L, H, Q] for what was read at `positions` [L], in scales around the level."""
        states = self.trunk(self.input(reading.inputs))
        chosen = states[:, -1:] if positions is None else states[:, positions]
        outputs: Tensor = self.head(chosen, reading)
        return outputs

    def loss(
        self,
        batch: WindowBatch,
        *,
        teacher_forcing: float = 0.0,  # noqa: ARG002  (nothing is fed back: the horizon is read off at once)
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the scalar loss over the horizon after the windows and, while training, after segments inside them."""
        place = batch.past_target.device
        positions = self._positions(generator, place)
        with torch.autocast(place.type, dtype=torch.bfloat16, enabled=self.uses_bfloat16 and self.training):
            outputs, reading = self(batch.past_target, batch.past_observed, positions=positions)
        values = torch.cat([batch.past_target, batch.future_target], 1)
        observed = torch.cat([batch.past_observed, batch.future_observed], 1)
        behind = (self.member.num_segments - 1 - positions) * self.member.segment_length
        ends = batch.past_target.shape[1] - behind
        index = ends[:, None] + torch.arange(self.member.horizon, device=positions.device)  # [L, H]
        return dense_pinball(
            outputs,
            reading,
            values[:, index],
            observed[:, index],
            loss_scale=batch.loss_scale,
            quantile_levels=self.member.quantile_levels,
        )

    def _positions(self, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Return the segments to train at, the last always; outside training the last alone."""
        last = self.member.num_segments - 1
        if not self.training or last == 0:
            return torch.tensor([last], device=device)
        drawn = torch.randperm(last, generator=generator)[: NUM_TRAINED_POSITIONS - 1]
        return torch.cat([drawn, torch.tensor([last])]).to(device)

    @torch.no_grad()
    def forecast(self, batch: WindowBatch) -> Tensor:
        """Forecast the horizon after each window: [B, H, Q] float64, original units, ascending along Q."""
        outputs, reading = self(batch.past_target, batch.past_observed)
        level, scale = reading.level[..., None, None], reading.scale[..., None, None]
        learned: Tensor = level + scale * widen(outputs, self.head.width, self.member)
        return torch.sort(learned[:, 0], dim=-1).values
