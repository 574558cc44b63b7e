"""Batches of synthetic series, one kind of clock a batch, each a function of the seed and its number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pretraining.any_clock.corpus import Wish, draw_batch
from pretraining.synthesis.corpus import synthesise

if TYPE_CHECKING:
    from collections.abc import Callable

    from pretraining.settings import Clock, PretrainingSettings
    from rnnforecast.members import PretrainedSettings

#: Rows of a family are at least this long, where a series begins late.
SHORTEST = 16


@dataclass(frozen=True)
class TrainingBatch:
    """Series of one clock, long enough for the network's past and its horizon."""

    member: PretrainedSettings
    values: Tensor  # float32 [B, N]
    observed: Tensor  # bool [B, N]
    positions: Tensor  # int64 [L] segments to forecast from, the last among them

    def to(self, device: torch.device) -> TrainingBatch:
        """Return the batch on a device; from pinned memory without waiting for the copy."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> TrainingBatch:
        """Return the batch in memory that a device can copy from while the host goes on."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> TrainingBatch:
        return replace(
            self, values=change(self.values), observed=change(self.observed), positions=change(self.positions)
        )


def make_batch(settings: PretrainingSettings, number: int) -> TrainingBatch:
    """Draw batch `number` of a run."""
    rng = np.random.default_rng((settings.seed, number))
    shares = np.array([clock.share for clock in settings.clocks])
    clock = settings.clocks[rng.choice(len(shares), p=shares / shares.sum())]
    member = settings.member(int(rng.choice(clock.season_length)))
    seed, growth = int(rng.integers(2**62)), number >= settings.growth_from_step
    values, observed = _draw(clock, member, clock.batch_size * settings.batch_factor, seed=seed, growth=growth)
    count = min(settings.num_positions, member.num_segments)
    drawn = rng.choice(member.num_segments - 1, size=count - 1, replace=False)
    positions = np.sort(np.append(drawn, member.num_segments - 1))
    return TrainingBatch(
        member=member,
        values=torch.from_numpy(values),
        observed=torch.from_numpy(observed),
        positions=torch.from_numpy(positions),
    )


def _draw(
    clock: Clock, member: PretrainedSettings, num_series: int, *, seed: int, growth: bool
) -> tuple[np.ndarray, np.ndarray]:
    history = member.context_length if clock.history_length is None else clock.history_length
    length = history + member.horizon
    if clock.corpus_share == 1:
        drawn = synthesise(
            num_series,
            length,
            season_length=member.season_length,
            long_season_length=member.long_season_length,
            domain=clock.domain,
            seed=seed,
            growth=growth,
        )
        return drawn.values, drawn.observed
    lengths = [float(each) for each in (member.season_length, member.long_season_length) if each > 1]
    wish = Wish(tuple(lengths), length, SHORTEST, clock.domain, clock.corpus_share, member.long_season_length)
    mixed = draw_batch(wish, num_series, seed)
    return mixed.values, mixed.observed
