"""Training batches: synthetic series of one clock, where to forecast from, and which leads; by seed and number alone."""

from __future__ import annotations

import math
import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pretraining.any_clock.clock import Clock, choose_clock
from pretraining.any_clock.corpus import Wish, draw_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pretraining.any_clock.settings import ClockSettings, RunSettings


@dataclass(frozen=True)
class TrainingBatch:
    """Series with their future, and what to forecast of them."""

    name: str  # main season and domain
    clock: Clock
    values: np.ndarray  # float32 [B, N]
    observed: np.ndarray  # bool [B, N]
    end: int  # one past the last step of the newest segment; the future comes after it
    positions: np.ndarray  # int64 [P] segments to forecast from, the last among them
    leads: np.ndarray  # int64 [P, L] from 1
    num_records: int = 0  # first rows that are of the corpus of people's records


def make_batch(settings: RunSettings, number: int) -> TrainingBatch:
    """Draw batch `number` of a run."""
    rng = np.random.default_rng((settings.seed, number))
    shares = np.array([clock.share for clock in settings.clocks])
    chosen = settings.clocks[rng.choice(len(shares), p=shares / shares.sum())]
    seasons = chosen.seasons[rng.integers(len(chosen.seasons))]
    history, horizon = _lengths(chosen, settings.far_share, rng)
    drawn = draw_batch(
        Wish(seasons, history + horizon, chosen.history[0], chosen.domain, chosen.corpus_share),
        chosen.batch_size * settings.batch_factor,
        int(rng.integers(2**62)),
    )
    clock = choose_clock(seasons, history)
    padding = max(0, clock.read_steps - history)
    values = np.pad(drawn.values, ((0, 0), (padding, 0)))
    observed = np.pad(drawn.observed, ((0, 0), (padding, 0)))
    end = history + padding
    positions, leads = _questions(settings, clock, chosen.near, horizon, rng)
    main = seasons[0] if seasons else 1
    return TrainingBatch(f"{main:g} {chosen.domain}", clock, values, observed, end, positions, leads, drawn.num_records)


def _lengths(clock: ClockSettings, far_share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Draw the steps of history and of future."""
    low, high = clock.history
    history = high if rng.random() < 0.35 else round(math.exp(rng.uniform(math.log(low), math.log(high))))
    near = min(clock.near, clock.far)
    if rng.random() >= far_share:
        return history, near
    return history, round(math.exp(rng.uniform(math.log(near), math.log(clock.far))))


def _questions(
    settings: RunSettings, clock: Clock, near: int, horizon: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw segments to forecast from [P], and leads [P, L] that the series still hold after them."""
    last = clock.num_segments - 1
    others = rng.choice(last, size=min(settings.num_positions - 1, last), replace=False)
    positions = np.sort(np.append(others, last)).astype(np.int64)
    left = (last - positions) * clock.segment_length + horizon
    close = np.minimum(left, near)[:, None]
    leads = 1 + np.floor(rng.random((len(positions), settings.num_near)) * close)
    # beyond what the clock is asked for the older cut points could look still further: they need not
    furthest = np.minimum(left, max(horizon, near))[:, None]
    spread = np.exp(rng.random((len(positions), settings.num_far)) * np.log(furthest))
    return positions, np.concatenate([leads, np.ceil(spread)], axis=1).astype(np.int64)


def stream(settings: RunSettings, *, start: int, num_workers: int = 0, ahead: int = 4) -> Iterator[TrainingBatch]:
    """Yield batches `start`, `start + 1`, ... without end, made ahead of time by other processes.

    With no worker each is made here, when it is asked for. Where a device computes, `num_workers` processes feed it.
    """
    number = start
    if num_workers == 0:
        while True:
            yield make_batch(settings, number)
            number += 1
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[TrainingBatch]] = deque()
        while True:
            while len(waiting) < ahead * num_workers:
                waiting.append(pool.submit(make_batch, settings, number))
                number += 1
            yield waiting.popleft().result()
