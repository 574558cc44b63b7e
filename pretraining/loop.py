"""The pretraining loop: batches of synthetic series, a rate that falls to zero at the end, averaged weights.

It can be stopped at any moment and goes on from its last checkpoint; a longer run prolongs one whose rate has not begun
to fall.
"""

from __future__ import annotations

import itertools
import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from pretraining.batches import TrainingBatch, make_batch
from pretraining.checkpoint import read_checkpoint
from pretraining.feed import feed
from pretraining.run import CHECKPOINT, Descent, load
from pretraining.scales import season_scale
from rnnforecast.inference.pretrained_inputs import Reading, read_series
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.networks.pretrained import PretrainedForecaster, Trunk
from rnnforecast.networks.pretrained_loss import dense_pinball

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pretraining.settings import PretrainingSettings

#: Called with the averaged networks; what it returns is written into the log.
Watcher: TypeAlias = "Callable[[nn.ModuleDict], dict[str, float]]"


def build_networks(settings: PretrainingSettings) -> nn.ModuleDict:
    """Build the network of every season class around one trunk, with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        trunk = Trunk(hidden_size=settings.hidden_size, num_layers=settings.num_layers)
        members = {entry.name: settings.member(entry.shortest) for entry in SEASON_CLASSES}
        return nn.ModuleDict({name: PretrainedForecaster(member, trunk=trunk) for name, member in members.items()})


def read_average(folder: Path, settings: PretrainingSettings) -> tuple[nn.ModuleDict, int]:
    """Return the averaged networks of a run and the step they are of.

    Raises UsageError where the folder holds no checkpoint, or one of other settings.
    """
    groups, step = read_checkpoint(folder / CHECKPOINT)
    networks = build_networks(settings)
    load(networks, groups, "average", folder / CHECKPOINT)
    return networks, step


@dataclass(frozen=True)
class Question:
    """A batch as every network of these season classes reads it, whatever its width."""

    season_class: str
    reading: Reading
    positions: Tensor
    target: Tensor  # [B, L, H]
    observed: Tensor  # bool [B, L, H]
    loss_scale: Tensor  # [B]


class Run(Descent[nn.ModuleDict]):
    """A run of the network that the package ships."""

    def __init__(self, settings: PretrainingSettings, folder: Path, device: torch.device) -> None:
        self.settings = settings
        super().__init__(settings, folder, device, network=build_networks(settings), average=build_networks(settings))

    @property
    def done(self) -> float:
        """Fraction of the run that is over: of its minutes where it has any, else of its steps."""
        settings = self.settings
        return self.step / settings.num_steps if settings.minutes is None else self.seconds / (60 * settings.minutes)

    def learn(self, question: Question) -> None:
        """Take one step. Raises DivergedError."""
        settings = self.settings
        network = self.network[question.season_class]
        assert isinstance(network, PretrainedForecaster)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16"):
            outputs = network.answer(question.reading, question.positions)
        loss = dense_pinball(
            outputs,
            question.reading,
            question.target,
            question.observed,
            loss_scale=question.loss_scale,
            quantile_levels=network.member.quantile_levels,
            lead_time_power=settings.lead_time_power,
        )
        self.descend(loss, name=question.season_class, num_series=len(question.target))


def pretrain(
    settings: PretrainingSettings,
    folder: Path,
    *,
    device: torch.device,
    log_every: int = 100,
    save_every: int = 1_000,
    watch_every: int = 2_000,
    watcher: Watcher | None = None,
    num_workers: int = 1,
) -> nn.ModuleDict:
    """Train, or go on training, in `folder`; returns the averaged networks.

    Raises UsageError where the folder holds a run of other settings, DivergedError where a gradient is not finite.
    """
    run = Run(settings, folder, device)
    # the library copies the weights of the recurrence into one piece at every call, which costs nothing here
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    started, before = time.monotonic(), run.seconds
    numbers = range(run.step, settings.num_steps) if settings.minutes is None else itertools.count(run.step)
    make = partial(make_batch, settings)
    for batch in feed(make, numbers, num_workers=num_workers, pinned=device.type == "cuda"):
        if run.done >= 1:
            break
        run.learn(ask(batch, device))
        run.seconds = before + time.monotonic() - started
        if run.step % log_every == 0:
            run.log_losses()
        if run.step % save_every == 0 or run.done >= 1:
            run.save()
        if watcher is not None and (run.step % watch_every == 0 or run.done >= 1):
            run.log({"step": run.step, "scores": watcher(run.average)})
    return run.average


def ask(batch: TrainingBatch, device: torch.device) -> Question:
    """Read a batch on a device, with the steps after each of its positions."""
    batch, member = batch.to(device), batch.member
    values, observed, positions = batch.values, batch.observed, batch.positions
    split = values.shape[1] - member.horizon
    read_steps = member.num_segments * member.segment_length
    with torch.no_grad():
        past, seen = _at_least(values[:, :split], read_steps), _at_least(observed[:, :split], read_steps)
        reading = read_series(torch, past, seen, member, positions=positions)
        ends = split - (member.num_segments - 1 - positions) * member.segment_length
        index = (ends[:, None] + torch.arange(member.horizon, device=device)).clamp(min=0)
        return Question(
            season_class=member.season_class,
            reading=reading,
            positions=positions,
            target=values[:, index],
            observed=observed[:, index] & (ends[:, None] >= 0),
            loss_scale=season_scale(values, observed, member.season_length),
        )


def _at_least(array: Tensor, length: int) -> Tensor:
    """Pad in front to `length` steps."""
    missing = length - array.shape[1]
    return array if missing <= 0 else nn.functional.pad(array, (missing, 0))
