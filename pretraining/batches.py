"""Batches of synthetic series, one kind of clock a batch, each a function of the seed and its number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pretraining.synthesis.corpus import SyntheticBatch, synthesise
from pretraining.synthesis.mixture import Wish, draw_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pretraining.settings import Clock, PretrainingSettings
    from rnnforecast.members import PretrainedSettings


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
    drawn = _draw(clock, member, clock.batch_size * settings.batch_factor, seed=seed, growth=growth)
    count = min(settings.num_positions, member.num_segments)
    others = rng.choice(member.num_segments - 1, size=count - 1, replace=False)
    positions = np.sort(np.append(others, member.num_segments - 1))
    return TrainingBatch(
        member=member,
        values=torch.from_numpy(drawn.values),
        observed=torch.from_numpy(drawn.observed),
        positions=torch.from_numpy(positions),
    )


def stream(
    settings: PretrainingSettings, numbers: Iterable[int], *, num_workers: int = 0, pinned: bool = False
) -> Iterator[TrainingBatch]:
    """Yield the batches of these numbers in order, made by other processes ahead of time.

    With no worker each is made here, when it is asked for.
    """
    loader: DataLoader[TrainingBatch] = DataLoader(
        _Numbered(settings),
        batch_size=None,
        sampler=numbers,
        num_workers=num_workers,
        collate_fn=_unchanged,
        pin_memory=pinned,
        multiprocessing_context="spawn" if num_workers else None,
        prefetch_factor=4 if num_workers else None,
    )
    return iter(loader)


class _Numbered(Dataset[TrainingBatch]):
    def __init__(self, settings: PretrainingSettings) -> None:
        self.settings = settings

    def __getitem__(self, number: int) -> TrainingBatch:
        return make_batch(self.settings, number)


def _unchanged(batch: Any) -> Any:
    return batch


def _draw(clock: Clock, member: PretrainedSettings, num_series: int, *, seed: int, growth: bool) -> SyntheticBatch:
    history = member.context_length if clock.history_length is None else clock.history_length
    length, season, long_season = history + member.horizon, member.season_length, member.long_season_length
    if clock.corpus_share < 1:
        return draw_batch(Wish(season, long_season, length, clock.domain, clock.corpus_share), num_series, seed)
    return synthesise(
        num_series,
        length,
        season_length=season,
        long_season_length=long_season,
        domain=clock.domain,
        seed=seed,
        growth=growth,
    )
