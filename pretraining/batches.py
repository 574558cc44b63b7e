"""Batches of synthetic series, one kind of clock a batch, each a function of the seed and its number alone."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pretraining.synthesis.corpus import SyntheticBatch, synthesise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pretraining.settings import PretrainingSettings
    from rnnforecast.members import PretrainedSettings


@dataclass(frozen=True)
class TrainingBatch:
    """Series of one clock, long enough for the network's past and its horizon."""

    member: PretrainedSettings
    series: SyntheticBatch
    positions: np.ndarray  # int64 [L] segments to forecast from, the last among them


def make_batch(settings: PretrainingSettings, number: int) -> TrainingBatch:
    """Draw batch `number` of a run."""
    rng = np.random.default_rng((settings.seed, number))
    shares = np.array([clock.share for clock in settings.clocks])
    clock = settings.clocks[rng.choice(len(shares), p=shares / shares.sum())]
    season_length = int(rng.choice(clock.season_length))
    member = settings.member(season_length)
    history = member.context_length if clock.history_length is None else clock.history_length
    series = synthesise(
        clock.batch_size,
        history + member.horizon,
        season_length=season_length,
        long_season_length=member.long_season_length,
        domain=clock.domain,
        seed=int(rng.integers(2**62)),
        growth=number >= settings.growth_from_step,
    )
    count = min(settings.num_positions, member.num_segments)
    drawn = rng.choice(member.num_segments - 1, size=count - 1, replace=False)
    positions = np.sort(np.append(drawn, member.num_segments - 1))
    return TrainingBatch(member=member, series=series, positions=positions)


def stream(
    settings: PretrainingSettings, *, start: int, num_workers: int = 1, ahead: int = 8
) -> Iterator[TrainingBatch]:
    """Yield batches `start`, `start + 1`, ... in order, made ahead of time by other processes.

    With no worker each is made here, when it is asked for.
    """
    if num_workers == 0:
        yield from (make_batch(settings, number) for number in range(start, settings.num_steps))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        waiting: deque[Future[TrainingBatch]] = deque()
        for number in range(start, settings.num_steps):
            waiting.append(pool.submit(make_batch, settings, number))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
