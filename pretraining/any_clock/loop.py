"""The training loop: synthetic batches, a rate that is flat and then falls with the clock on the wall, averaged weights.

It can be stopped at any moment and goes on from its last checkpoint, or from exported weights alone.
"""

from __future__ import annotations

import itertools
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import torch

from pretraining.any_clock.batches import TrainingBatch, make_batch, use_again
from pretraining.any_clock.inputs import read_past, read_segments
from pretraining.any_clock.leads import read_leads
from pretraining.any_clock.loss import lead_loss
from pretraining.any_clock.network import BaseNetwork
from pretraining.feed import feed
from pretraining.run import Descent
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pretraining.any_clock.settings import RunSettings


def build_network(settings: RunSettings) -> BaseNetwork:
    """Build the network with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return BaseNetwork(settings.sizes())


class Run(Descent[BaseNetwork]):
    """A run of the network for any clock."""

    def __init__(self, settings: RunSettings, folder: Path, device: torch.device) -> None:
        self.settings = settings
        super().__init__(settings, folder, device, network=build_network(settings), average=build_network(settings))

    @property
    def done(self) -> float:
        """Fraction of the minutes that is over."""
        return self.seconds / (60 * self.settings.minutes)

    def start_from(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Begin with exported weights instead of drawn ones. Raises UsageError where they are of another shape."""
        own = {name: tensor.float() for name, tensor in weights.items() if name != "head.width"}
        try:
            self.network.load_state_dict(own)
        except RuntimeError as error:
            raise UsageError(
                f"the weights to start from are of other settings: {str(error).splitlines()[-1].strip()}",
                hint="give the settings that they were trained with",
            ) from error
        self.average.load_state_dict(self.network.state_dict())

    def learn(self, batch: TrainingBatch) -> None:
        """Take one step. Raises DivergedError."""
        loss = batch_loss(self.network, batch, self.device)
        self.descend(loss, name=batch.name, num_series=len(batch.values))


def train(
    run: Run,
    *,
    minutes: float | None = None,
    log_every: int = 100,
    save_seconds: float = 120.0,
    num_workers: int = 0,
) -> None:
    """Train until the minutes of the settings are used up, or for `minutes` of this call."""
    started, before = time.monotonic(), run.seconds
    saved = started
    end = 60 * run.settings.minutes
    stop = end if minutes is None else min(end, before + 60 * minutes)
    # the library copies the weights of the recurrence into one piece at every call, which costs nothing here
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    for batch in _uses(run, num_workers):
        if run.seconds >= stop:
            break
        run.learn(batch)
        now = time.monotonic()
        run.seconds = before + now - started
        if run.step % log_every == 0:
            run.log_losses()
        if now - saved > save_seconds:
            run.save()
            saved = now
    run.save()


def _uses(run: Run, num_workers: int) -> Iterator[TrainingBatch]:
    """Yield each batch as often as the settings ask, on the device of the run; a run that goes on draws new ones."""
    settings, device = run.settings, run.device
    first = -(-run.step // settings.num_uses)
    make = partial(make_batch, settings)
    for drawn in feed(make, itertools.count(first), num_workers=num_workers, pinned=device.type == "cuda"):
        batch = drawn.to(device)
        yield batch
        for use in range(1, settings.num_uses):
            yield use_again(settings, batch, use)


def batch_loss(network: BaseNetwork, batch: TrainingBatch, device: torch.device) -> torch.Tensor:
    """Return the scalar loss of one batch."""
    batch = batch.to(device)
    with torch.no_grad():
        past = read_past(torch, batch.values, batch.observed)
        reading = read_segments(torch, past, batch.clock, end=batch.end)
        about = read_leads(torch, past, batch.clock, reading, batch.positions, batch.leads)
    outputs = network(reading, about, batch.positions, batch.leads, batch.clock)
    levels = network.sizes.quantile_levels
    return lead_loss(outputs, past, batch.clock, reading, batch.positions, batch.leads, levels)
