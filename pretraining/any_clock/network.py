"""The network `base`: a recurrent trunk over the segments of a series, and a head that answers for any lead.

The state at the end of every segment is read off once; the head is a function of that state and of the lead, so that
any horizon is forecast in one pass and nothing that was forecast is read again.

Axis legend: B batch, T segments, P positions forecast from, L leads, S season slots, K candidates, Q quantiles,
d hidden_size, F features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pretraining.any_clock.clock import Clock
from pretraining.any_clock.inputs import MOVES, NUM_SLOTS, SEGMENT_INPUTS, Reading
from pretraining.any_clock.leads import (
    LEAD_INPUTS,
    LOG_CYCLES,
    NEWEST_INPUTS,
    NUM_AGAINST,
    NUM_BENDS,
    NUM_CANDIDATES,
    NUM_COURSES,
    NUM_REPEATED,
    NUM_SINGLE,
    LeadReading,
)
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.networks.fused_gru import _Scan, library_gru

#: Width of the layers between recurrences, in units of the hidden size.
EXPANSION = 2
#: A gate opened this far keeps the state: segments before a series begins change nothing.
HOLD = 30.0
#: A cycle further back is believed this much less at the start of training (in logarithms).
FADING = 0.5
#: Inputs of the library's recurrence that open its gate: one is used, the others align the product.
NUM_HOLDS = 8
#: Weights of the head beside the quantiles: for each season and for the newest steps candidates and an amplitude.
NUM_MIXED = NUM_SLOTS * (NUM_CANDIDATES + 1) + (1 + NUM_AGAINST) * (NUM_REPEATED + 1) + NUM_BENDS
#: Leads up to this one have a vector of their own.
NUM_OWN_LEADS = 64


@dataclass(frozen=True)
class BaseSizes:
    """The sizes of the network."""

    hidden_size: int = 160
    num_layers: int = 2
    head_size: int = 128
    quantile_levels: tuple[float, ...] = TRAINED_QUANTILE_LEVELS


class GatedLayer(nn.Module):
    """h + GRU(norm(h)), then h + W_2 relu(W_1 norm(h)), over [T, B, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.recurrent_norm = nn.LayerNorm(width)
        self.weight_ih = nn.Parameter(torch.empty(3 * width, width).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(3 * width, width).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(3 * width).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(3 * width).uniform_(-bound, bound))
        self.forward_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, EXPANSION * width)
        self.narrow = nn.Linear(EXPANSION * width, width)

    def forward(self, states: Tensor, hold: Tensor) -> Tensor:
        """Map [T, B, d] to [T, B, d]; `hold` [T, B, 1] is above 0 before a series begins."""
        recur = self.library_scan if states.is_cuda else self.scan
        states = states + recur(self.recurrent_norm(states), hold)
        wide: Tensor = self.narrow(torch.relu(self.widen(self.forward_norm(states))))
        return states + wide

    def scan(self, inputs: Tensor, hold: Tensor) -> Tensor:
        """Return the hidden states [T, B, d] of the GRU over [T, B, d], step by step: fast on a CPU."""
        gates = nn.functional.linear(inputs, self.weight_ih, self.bias_ih)
        reset, keep, new = gates.tensor_split(3, dim=-1)
        gates = torch.cat([reset, keep + hold.to(gates.dtype), new], -1)
        hidden: Tensor = _Scan.apply(gates, self.weight_hh.to(gates.dtype), self.bias_hh)  # type: ignore[no-untyped-call]
        return hidden

    def library_scan(self, inputs: Tensor, hold: Tensor) -> Tensor:
        """Return the same by the GRU of the device's library, a few launches for all steps; a further input holds."""
        width = inputs.shape[-1]
        opens = self.weight_ih.new_zeros(3 * width, NUM_HOLDS)
        opens[width : 2 * width, 0] = 1
        held = nn.functional.pad(hold.to(inputs.dtype), (0, NUM_HOLDS - 1))
        weights = [torch.cat([self.weight_ih, opens], 1), self.weight_hh, self.bias_ih, self.bias_hh]
        return library_gru(torch.cat([inputs, held], -1), weights, training=self.training)


class LeadHead(nn.Module):
    """Quantiles of any lead: seasons and newest steps mixed, a course that may fade, and offsets around them."""

    def __init__(self, sizes: BaseSizes) -> None:
        super().__init__()
        width = sizes.head_size
        self.num_quantiles = len(sizes.quantile_levels)
        self.of_state = nn.Linear(sizes.hidden_size + NEWEST_INPUTS + len(MOVES), width)
        self.of_lead = nn.Linear(LEAD_INPUTS, width, bias=False)
        self.stress = nn.Linear(sizes.hidden_size + NEWEST_INPUTS + len(MOVES), width)
        self.own_lead = nn.Parameter(torch.zeros(NUM_OWN_LEADS + 1, width))
        self.gate_of_lead = nn.Linear(LEAD_INPUTS, width, bias=False)
        self.own_gate = nn.Parameter(torch.zeros(NUM_OWN_LEADS + 1, width))
        self.inner = nn.Linear(width, width)
        self.output = nn.Linear(width, self.num_quantiles + NUM_MIXED)
        self.course = nn.Linear(sizes.hidden_size + NEWEST_INPUTS + len(MOVES), NUM_COURSES + NUM_SLOTS)
        self.register_buffer("log_cycles", torch.tensor(LOG_CYCLES), persistent=False)
        levels = torch.tensor(sizes.quantile_levels, dtype=torch.float64)
        with torch.no_grad():
            self.output.weight[self.num_quantiles :] *= 0.1
            self.output.bias[: self.num_quantiles] = torch.special.ndtri(levels).float()
            bias = torch.zeros(NUM_SLOTS, NUM_CANDIDATES + 1)
            bias[:, :NUM_SINGLE] = -FADING * torch.arange(NUM_SINGLE)
            bias[:, -1] = torch.tensor([0.7, 0.2, 0.1])
            tail = torch.zeros((1 + NUM_AGAINST) * (NUM_REPEATED + 1) + NUM_BENDS)
            self.output.bias[self.num_quantiles :] = torch.cat([bias.flatten(), tail])
            self.stress.weight *= 0.1
            self.gate_of_lead.weight *= 0.0
            self.course.weight *= 0.1
            self.course.bias[:] = torch.tensor([0.0, -1.0, -1.5] + [0.0] * (len(MOVES) + NUM_SLOTS))

    def forward(self, states: Tensor, reading: LeadReading, leads: Tensor, segment_length: int) -> Tensor:
        """Map states [B, P, d] to quantiles [B, P, L, Q] in scales around the level; `leads` [P, L] are steps."""
        lead = leads.float() / segment_length
        place = leads.clamp(max=NUM_OWN_LEADS + 1) - 1
        own = self.own_lead[place]
        both = torch.cat([states, reading.newest.flatten(2), reading.moves], -1)
        hidden = torch.relu(self.of_state(both)[:, :, None] + own + self.of_lead(reading.leads))
        hidden = hidden * (1 + self.stress(both)[:, :, None])
        hidden = hidden + torch.relu(self.inner(hidden))
        # a product of what the state and what the lead say, so that each lead reads the state by weights of its own
        hidden = hidden * (1 + self.own_gate[place] + self.gate_of_lead(reading.leads))
        outputs = self.output(hidden).float()
        course = self.course(both)
        pace = course[..., :1] + (course[..., 3:NUM_COURSES] * reading.moves).sum(-1, keepdim=True)  # [B, P, 1]
        fading, growth = course[..., 1:2], course[..., 2:3]
        rate = nn.functional.softplus(fading) + 1e-3
        drift = pace * (-torch.expm1(-rate * lead)) / rate  # [B, P, L]
        spread = torch.exp(torch.sigmoid(growth) * torch.log1p(lead))
        ratio = reading.ratio[:, :, None]
        older = course[..., None, NUM_COURSES:, None] * self.log_cycles  # [B, P, 1, S, K]
        centre = ratio * drift + self._mixed(outputs[..., self.num_quantiles :], older, reading)
        quantiles: Tensor = centre[..., None] + (ratio * spread)[..., None] * outputs[..., : self.num_quantiles]
        return quantiles

    @staticmethod
    def _mixed(weights: Tensor, older: Tensor, reading: LeadReading) -> Tensor:
        """Return the sum over seasons, and over newest steps, of amplitude times weighted mean: [B, P, L].

        `older` [B, P, 1, S, K] is added to the scores of the candidates of each season.
        """
        split = NUM_SLOTS * (NUM_CANDIDATES + 1)
        seasons = weights[..., :split].reshape(*weights.shape[:-1], NUM_SLOTS, NUM_CANDIDATES + 1)
        shares = torch.softmax(seasons[..., :-1] + older, -1) * reading.known
        mean = (shares * reading.candidates).sum(-1) / (shares.sum(-1) + 1e-6)
        total = (seasons[..., -1] * mean).sum(-1)
        last = weights[..., split:-NUM_BENDS].reshape(*weights.shape[:-1], 1 + NUM_AGAINST, NUM_REPEATED + 1)
        newest = reading.newest[:, :, None, :, -NUM_REPEATED:]
        values = torch.cat([newest[:, :, :, :1], newest[:, :, :, 2:]], 3)
        share = torch.softmax(last[..., :-1], -1) * newest[:, :, :, 1:2]
        mean = (share * values).sum(-1) / (share.sum(-1) + 1e-6)
        repeated = last[..., -1] * mean  # [B, P, L, 1 + NUM_AGAINST]; values are in scales, differences in units
        shift: Tensor = repeated[..., 0] + reading.ratio[:, :, None] * repeated[..., 1:].sum(-1)
        bent = reading.ratio[:, :, None] * (weights[..., -NUM_BENDS:] * reading.bends).sum(-1)
        mixed: Tensor = total + shift + bent
        return mixed


class BaseNetwork(nn.Module):
    """The trunk and the head."""

    def __init__(self, sizes: BaseSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.input = nn.Linear(SEGMENT_INPUTS, sizes.hidden_size)
        self.layers = nn.ModuleList(GatedLayer(sizes.hidden_size) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.hidden_size)
        self.head = LeadHead(sizes)

    def trunk(self, reading: Reading) -> Tensor:
        """Return the state after every segment: [B, T, d]."""
        hold = (~reading.known).t()[..., None] * HOLD
        states = self.input(reading.inputs.transpose(0, 1))
        for layer in self.layers:
            states = layer(states, hold)
        normed: Tensor = self.norm(states)
        return normed.transpose(0, 1)

    def forward(self, reading: Reading, about: LeadReading, positions: Tensor, leads: Tensor, clock: Clock) -> Tensor:
        """Return quantiles [B, P, L, Q] in scales around the level, of `leads` [P, L] steps after `positions` [P]."""
        states = self.trunk(reading)[:, positions]
        return self.head(states, about, leads, clock.segment_length)  # type: ignore[no-any-return]
