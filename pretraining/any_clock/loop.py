"""The training loop: synthetic batches, a rate that is flat and then falls with the clock on the wall, averaged weights.

It can be stopped at any moment and goes on from its last checkpoint, or from exported weights alone.
"""

from __future__ import annotations

import json
import time
import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pretraining.any_clock.batches import TrainingBatch, stream, use_again
from pretraining.any_clock.inputs import read_past, read_segments
from pretraining.any_clock.leads import read_leads
from pretraining.any_clock.loss import lead_loss
from pretraining.any_clock.network import BaseNetwork
from pretraining.checkpoint import State, read_checkpoint, write_checkpoint
from rnnforecast.errors import DivergedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pretraining.any_clock.settings import RunSettings

CHECKPOINT = "checkpoint.npz"
LOG = "log.txt"
#: Steps after which a device is asked whether its gradients are finite.
CHECK_EVERY = 50


def build_network(settings: RunSettings) -> BaseNetwork:
    """Build the network with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return BaseNetwork(settings.sizes())


class Run:
    """A run in a folder: networks, optimiser, and how far it has come."""

    def __init__(self, settings: RunSettings, folder: Path, device: torch.device) -> None:
        self.settings, self.folder, self.device = settings, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        self.network = build_network(settings).to(device)
        self.average = build_network(settings).to(device).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.step, self.series, self.seconds = 0, 0, 0.0
        if (folder / CHECKPOINT).exists():
            self._resume(folder / CHECKPOINT)

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

    def rate(self) -> float:
        """Return the learning rate of this moment: warm-up, flat, linear to zero over the last share of the time."""
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings.warm_up_steps)
        left = 1 - self.seconds / (60 * settings.minutes)
        falling = min(1.0, left / settings.decay_share) if settings.decay_share else 1.0
        return settings.learning_rate * warm * max(falling, 0.0)

    def learn(self, batch: TrainingBatch) -> torch.Tensor:
        """Take one step; returns the loss.

        A gradient that is not finite changes nothing. Raises DivergedError for it, on a device some steps later, so that
        the host need not wait for every step.
        """
        loss = batch_loss(self.network, batch, self.device)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        # the fused optimiser leaves out a step so marked, as for gradients that were scaled too far
        self.optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        self.optimiser.step()
        if (self.device.type == "cpu" or self.step % CHECK_EVERY == 0) and not bool(torch.isfinite(norm)):
            raise DivergedError(
                f"step {self.step}: the gradient is not finite",
                hint="lower `learning_rate` in the settings; the run goes on from its last checkpoint",
            )
        self.step += 1
        self.series += len(batch.values)
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.average.parameters()), list(self.network.parameters()), 0)
        return loss.detach()

    def save(self) -> None:
        """Replace the checkpoint; a crash leaves the old one or the new one."""
        state: State = {
            f"{index}.{name}": value
            for index, entry in self.optimiser.state_dict()["state"].items()
            for name, value in entry.items()
        }
        progress = {"seconds": torch.tensor(self.seconds), "series": torch.tensor(self.series)}
        groups = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": state,
            "progress": progress,
        }
        write_checkpoint(self.folder / CHECKPOINT, groups, step=self.step)

    def log(self, record: Mapping[str, object]) -> None:
        """Add one line to the log of the run."""
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _resume(self, path: Path) -> None:
        groups, self.step = read_checkpoint(path)
        load(self.network, groups, "network", path)
        load(self.average, groups, "average", path)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in groups.get("optimiser", {}).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        if state:
            groups_now = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": groups_now})
        self.seconds, self.series = float(groups["progress"]["seconds"]), int(groups["progress"]["series"])


def load(network: nn.Module, groups: Mapping[str, State], group: str, path: Path) -> None:
    """Load one group of a checkpoint. Raises UsageError where it is of other settings."""
    try:
        network.load_state_dict(groups.get(group, {}))
    except RuntimeError as error:
        raise UsageError(
            f"{path} holds a network of other settings than these",
            hint="give the settings of that run with `--settings`, or name another folder",
        ) from error


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
    losses: dict[str, list[torch.Tensor]] = {}
    end = 60 * run.settings.minutes
    stop = end if minutes is None else min(end, before + 60 * minutes)
    # the library copies the weights of the recurrence into one piece at every call, which costs nothing here
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    for batch in _uses(run, num_workers):
        if run.seconds >= stop:
            break
        losses.setdefault(batch.name, []).append(run.learn(batch))
        now = time.monotonic()
        run.seconds = before + now - started
        if run.step % log_every == 0:
            means = {name: round(float(torch.stack(values).mean()), 4) for name, values in sorted(losses.items())}
            pace = {"step": run.step, "series": run.series, "minutes": round(run.seconds / 60, 2)}
            run.log({**pace, "rate": round(run.rate(), 6), "loss": means})
            losses = {}
        if now - saved > save_seconds:
            run.save()
            saved = now
    run.save()


def _uses(run: Run, num_workers: int) -> Iterator[TrainingBatch]:
    """Yield each batch as often as the settings ask, on the device of the run; a run that goes on draws new ones."""
    settings, device = run.settings, run.device
    first = -(-run.step // settings.num_uses)
    for drawn in stream(settings, start=first, num_workers=num_workers, pinned=device.type == "cuda"):
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
