"""Training batches: synthetic series of one clock, where to forecast from, and which leads; by seed and number alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pretraining.any_clock.clock import Clock, choose_clock
from pretraining.any_clock.corpus import Wish, draw_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from pretraining.any_clock.settings import ClockSettings, RunSettings


#: Of a batch that is used again: shares of rows that are mixed with another, and turned over.
MIXED_SHARE, TURNED_SHARE = 0.5, 0.1


@dataclass(frozen=True)
class TrainingBatch:
    """Series with their future, and what to forecast of them."""

    name: str  # main season and domain
    number: int
    clock: Clock
    values: Tensor  # float32 [B, N]
    observed: Tensor  # bool [B, N]
    end: int  # one past the last step of the newest segment; the future comes after it
    near: int  # leads of most interest
    positions: Tensor  # int64 [P] segments to forecast from, the last among them
    leads: Tensor  # int64 [P, L] from 1

    def to(self, device: torch.device) -> TrainingBatch:
        """Return the batch on a device; from pinned memory without waiting for the copy."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> TrainingBatch:
        """Return the batch in memory that a device can copy from while the host goes on."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> TrainingBatch:
        return replace(
            self,
            values=change(self.values),
            observed=change(self.observed),
            positions=change(self.positions),
            leads=change(self.leads),
        )


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
    return TrainingBatch(
        name=f"{seasons[0] if seasons else 1:g} {chosen.domain}",
        number=number,
        clock=clock,
        values=torch.from_numpy(values),
        observed=torch.from_numpy(observed),
        end=end,
        near=chosen.near,
        positions=torch.from_numpy(positions),
        leads=torch.from_numpy(leads),
    )


def use_again(settings: RunSettings, batch: TrainingBatch, use: int) -> TrainingBatch:
    """Return a batch that was used `use` times with other questions, half of its rows mixed, some turned over.

    Mixtures of series of one clock as in Ansari et al. (2024), section 4.1.
    """
    rng = np.random.default_rng((settings.seed, batch.number, use))
    rows, device = len(batch.values), batch.values.device
    positions, leads = _questions(settings, batch.clock, batch.near, batch.values.shape[1] - batch.end, rng)
    mixed = rng.random((rows, 1)) < MIXED_SHARE
    numbers = np.where(mixed, rng.uniform(0.1, 0.9, (rows, 1)), 1).astype(np.float32)
    signs = np.where(rng.random((rows, 1)) < TURNED_SHARE, -1, 1).astype(np.float32)
    share, sign = torch.from_numpy(numbers).to(device), torch.from_numpy(signs).to(device)
    shift = int(rng.integers(1, rows)) if rows > 1 else 0
    seen = batch.observed & ((share == 1) | batch.observed.roll(shift, 0))
    mean, size = _mean_and_size(batch.values, batch.observed)
    other = ((batch.values - mean) / size).roll(shift, 0) * size + mean
    values = torch.where(seen, sign * (share * batch.values + (1 - share) * other), 0)
    asked = torch.from_numpy(positions).to(device), torch.from_numpy(leads).to(device)
    return replace(batch, values=values, observed=seen, positions=asked[0], leads=asked[1])


def _mean_and_size(values: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread of what is seen of each row [B, N]: [B, 1] each, the spread above rounding."""
    count = observed.sum(1, keepdim=True).clamp(min=1)
    mean = (values * observed).sum(1, keepdim=True) / count
    spread = (((values - mean) * observed).square().sum(1, keepdim=True) / count).sqrt()
    return mean, torch.maximum(spread, 1e-5 * mean.abs() + 1e-9)


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
