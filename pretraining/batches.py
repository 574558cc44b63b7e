"""Batches of synthetic series, one kind of clock a batch, each a function of the seed and its number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pretraining.any_clock.corpus import Wish, draw_batch
from pretraining.synthesis.corpus import synthesise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


class _Batches(Dataset[TrainingBatch]):
    """The batches of a run by their numbers."""

    def __init__(self, settings: PretrainingSettings) -> None:
        self.settings = settings

    def __getitem__(self, number: int) -> TrainingBatch:
        return make_batch(self.settings, number)


def _unchanged(batch: Any) -> Any:
    return batch


def stream(
    settings: PretrainingSettings, numbers: Iterable[int], *, num_workers: int = 1, pinned: bool = False
) -> Iterator[TrainingBatch]:
    """Yield the batches of these numbers in order, made ahead of time by other processes.

    With no worker each is made here, when it is asked for.
    """
    loader = DataLoader(
        _Batches(settings),
        batch_size=None,
        sampler=numbers,
        num_workers=num_workers,
        collate_fn=_unchanged,
        pin_memory=pinned,
        multiprocessing_context="spawn" if num_workers else None,
        prefetch_factor=4 if num_workers else None,
    )
    return iter(loader)
