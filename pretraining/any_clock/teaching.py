"""Lessons of the earlier network: its quantiles of the near future of series that it was trained on.

A quantile tells more of a distribution than one draw from it, so the new network learns from them faster. They are
asked for only where the earlier network is at home: the older corpus, its main clocks, leads within its one pass.

Axis legend: B batch, R rows of the older corpus, P positions, G positions both networks know, L leads, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from pretraining.any_clock.loss import lead_weights, series_weights
from rnnforecast.inference.pretrained import widen
from rnnforecast.model_io.base import read_base
from rnnforecast.networks.pretrained import PretrainedForecaster

if TYPE_CHECKING:
    from pretraining.any_clock.batches import TrainingBatch
    from pretraining.any_clock.clock import Clock
    from pretraining.any_clock.inputs import Past, Reading

#: Clocks that the earlier network was mostly trained on.
SEASON_LENGTHS = (1, 4, 7, 12, 24, 48, 52)
#: Differences from a lesson below this many units count by their square.
SMOOTH = 0.3
#: Lessons further than this many scales from what is known are left out.
FURTHEST = 10.0


@dataclass(frozen=True)
class Lesson:
    """Quantiles to keep near."""

    rows: int
    chosen: Tensor  # int64 [G] columns of the positions of the batch
    quantiles: Tensor  # [R, G, L, Q] in the size of `Past`
    leads: Tensor  # [G, L]
    within: Tensor  # bool [G, L] leads within one pass


class Teacher:
    """The earlier network, one class of seasons each."""

    def __init__(self, device: torch.device, weight: float) -> None:
        self.device, self.weight = device, weight
        base = read_base()
        self.networks: dict[int, PretrainedForecaster] = {}
        for season_length in SEASON_LENGTHS:
            network = PretrainedForecaster(base.member(season_length))
            network.load_state_dict(
                {name: torch.from_numpy(value) for name, value in base.weights(season_length).items()}
            )
            self.networks[season_length] = network.to(device).eval().requires_grad_(False)

    @torch.no_grad()
    def lesson(self, batch: TrainingBatch, values: Tensor, observed: Tensor, past: Past) -> Lesson | None:
        """Return its forecasts of the first rows of the batch; None where it is not at home or knows no position."""
        network = self.networks.get(round(batch.clock.main_season))
        if network is None or batch.num_records == 0:
            return None
        member, rows = network.member, batch.num_records
        behind = (batch.clock.num_segments - 1 - batch.positions) * batch.clock.segment_length
        fits = (behind % member.segment_length == 0) & (behind // member.segment_length < member.num_segments)
        chosen = np.flatnonzero(fits)
        positions = member.num_segments - 1 - behind[chosen] // member.segment_length
        if not len(chosen):
            return None
        length = max(member.context_length, member.num_segments * member.segment_length)
        start = max(0, batch.end - length)
        padding = (length - (batch.end - start), 0)
        seen = nn.functional.pad(observed[:rows, start : batch.end], padding)
        steps = nn.functional.pad(values[:rows, start : batch.end], padding)
        place = torch.from_numpy(positions).to(self.device)
        outputs, reading = network(steps, seen, positions=place)  # [R, G, H, Q]
        outputs = widen(outputs, network.head.width, member)
        taught = reading.level[..., None, None] + reading.scale[..., None, None] * outputs
        taught = (taught.double() - past.centre[:rows, None, None, None]) / past.spread[:rows, None, None, None]
        leads = torch.from_numpy(batch.leads[chosen]).to(self.device)
        within = leads <= member.horizon
        index = (leads.clamp(max=member.horizon) - 1)[None, :, :, None].expand(rows, -1, -1, taught.shape[-1])
        columns = torch.from_numpy(chosen).to(self.device)
        return Lesson(rows, columns, taught.sort(-1).values.gather(2, index), leads, within)


def taught_loss(
    outputs: Tensor, lesson: Lesson, past: Past, clock: Clock, reading: Reading, positions: Tensor
) -> Tensor:
    """Return the mean difference of outputs [B, P, L, Q] from a lesson, small ones squared, weighed as all losses."""
    place = positions[lesson.chosen]
    rows = lesson.rows
    level, scale = reading.level[:rows, place, None], reading.scale[:rows, place, None]
    unit = (reading.unit[:rows, place, None] / scale).float()[..., None]
    wanted = ((lesson.quantiles - level[..., None]) / scale[..., None]).float()
    usable = reading.known[:rows, place, None] & lesson.within[None] & torch.isfinite(wanted).all(-1)
    usable &= scale > 2e-5 * (level - past.zero[:rows, None, None]).abs()
    apart = outputs[:rows, lesson.chosen] - wanted
    # where the two are far apart one of them is broken: the series is constant, or almost
    usable &= (apart.abs().amax(-1) < FURTHEST) & (wanted.abs().amax(-1) < 3 * FURTHEST)
    difference = apart / unit
    difference = torch.where(usable[..., None], difference, torch.zeros_like(difference))
    size = nn.functional.smooth_l1_loss(difference, torch.zeros_like(difference), beta=SMOOTH, reduction="none")
    falling = lead_weights(lesson.leads, clock)
    weight = series_weights(past, clock, reading.scale[:, place, None])[:rows].float() * falling / falling.mean()
    total = (size.mean(-1) * unit[..., 0] * weight * usable).sum() / usable.sum().clamp(min=1)
    # quantiles of the mean absolute difference weigh about as much as the pinball loss does
    loss: Tensor = 0.5 * total * rows / len(reading.level)
    return loss
