"""The pretraining loop: batches of synthetic series, a rate that falls to zero at the end, averaged weights.

It can be stopped at any moment and goes on from its last checkpoint; a longer run prolongs one whose rate has not begun
to fall.
"""

from __future__ import annotations

import itertools
import json
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pretraining.batches import TrainingBatch, stream
from pretraining.checkpoint import State, read_checkpoint, write_checkpoint
from rnnforecast.errors import DivergedError, UsageError
from rnnforecast.inference.pretrained_inputs import Reading, read_series
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.networks.pretrained import PretrainedForecaster, Trunk
from rnnforecast.networks.pretrained_loss import dense_pinball

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pretraining.settings import PretrainingSettings

CHECKPOINT = "checkpoint.npz"
LOG = "log.jsonl"
#: Steps after which a device is asked whether its gradients are finite.
CHECK_EVERY = 50
#: A checkpoint is at most so many seconds old.
SAVE_SECONDS = 300.0
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
    _load(networks, groups, "average", folder / CHECKPOINT)
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


class Run:
    """Weights on their way down, their running average, the optimiser, and how far the run has come."""

    def __init__(self, settings: PretrainingSettings, folder: Path, device: torch.device) -> None:
        self.settings, self.folder, self.device = settings, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        self.network = build_networks(settings).to(device)
        self.average = build_networks(settings).to(device)
        self.average.requires_grad_(False)
        self.parameters = list(self.network.parameters())
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.step, self.series, self.seconds = 0, 0, 0.0
        self.losses: dict[str, list[Tensor]] = {}
        if (folder / CHECKPOINT).exists():
            self._resume(folder / CHECKPOINT)

    @property
    def done(self) -> float:
        """Fraction of the run that is over: of its minutes where it has any, else of its steps."""
        settings = self.settings
        return self.step / settings.num_steps if settings.minutes is None else self.seconds / (60 * settings.minutes)

    def rate(self) -> float:
        """Return the learning rate: linear warm-up, flat, linear to zero over the last share of the run."""
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings.warm_up_steps)
        falling = min(1.0, (1 - self.done) / settings.decay_share) if settings.decay_share else 1.0
        return settings.learning_rate * warm * max(falling, 0.0)

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with weights of an earlier run instead of drawn ones. Raises UsageError where they are of another size."""
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            raise UsageError(
                "the weights to start from are of another size than the settings",
                hint="give the settings that they were trained with",
            ) from error
        self.average.load_state_dict(weights)

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
        self._descend(loss, name=question.season_class, num_series=len(question.target))

    def _descend(self, loss: Tensor, *, name: str, num_series: int) -> None:
        """Take one step down a scalar loss of so many series, and keep it for the log under a name.

        A gradient that is not finite changes nothing. Raises DivergedError for it, on a device some steps later, so that
        the host need not wait for every step.
        """
        settings = self.settings
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        norm = nn.utils.clip_grad_norm_(self.parameters, settings.gradient_clip)
        # the fused optimiser leaves out a step so marked, as for gradients that were scaled too far
        self.optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        self.optimiser.step()
        if (self.device.type == "cpu" or self.step % CHECK_EVERY == 0) and not bool(torch.isfinite(norm)):
            raise DivergedError(
                f"step {self.step}: the gradient is not finite",
                hint="lower `learning_rate` in the settings; the run goes on from its last checkpoint",
            )
        self.step += 1
        self.series += num_series
        decay = min(settings.average_decay, (1 + self.step) / (10 + self.step))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.average.parameters()), self.parameters, 0)
        self.losses.setdefault(name, []).append(loss.detach())

    def log_losses(self) -> None:
        """Add the mean losses since the last time to the log."""
        means = {name: round(float(torch.stack(values).mean()), 5) for name, values in sorted(self.losses.items())}
        pace = {"step": self.step, "series": self.series, "rate": self.rate(), "seconds": round(self.seconds, 1)}
        self.log({**pace, "loss": means})
        self.losses = {}

    def log(self, record: Mapping[str, object]) -> None:
        """Add one line to the log of the run."""
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def save(self) -> None:
        """Replace the checkpoint; a crash leaves the old one or the new one."""
        state: State = {
            f"{index}.{name}": value
            for index, entry in self.optimiser.state_dict()["state"].items()
            for name, value in entry.items()
        }
        groups = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": state,
            "progress": {"seconds": torch.tensor(self.seconds), "series": torch.tensor(self.series)},
        }
        write_checkpoint(self.folder / CHECKPOINT, groups, step=self.step)

    def _resume(self, path: Path) -> None:
        groups, self.step = read_checkpoint(path)
        _load(self.network, groups, "network", path)
        _load(self.average, groups, "average", path)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in groups.get("optimiser", {}).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        if state:
            now = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": now})
        progress = groups.get("progress", {})
        self.seconds, self.series = float(progress.get("seconds", 0.0)), int(progress.get("series", 0))


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
    start: Mapping[str, Tensor] | None = None,
) -> nn.ModuleDict:
    """Train, or go on training, in `folder`; returns the averaged networks. A run begins with the weights `start`.

    Raises UsageError where the folder holds a run of other settings, DivergedError where a gradient is not finite.
    """
    run = Run(settings, folder, device)
    if run.step == 0 and start is not None:
        run.start_from(start)
    # the library copies the weights of the recurrence into one piece at every call, which costs nothing here
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    started, before = time.monotonic(), run.seconds
    saved = before
    numbers = range(run.step, settings.num_steps) if settings.minutes is None else itertools.count(run.step)
    for batch in stream(settings, numbers, num_workers=num_workers, pinned=device.type == "cuda"):
        if run.done >= 1:
            break
        run.learn(ask(batch, device))
        run.seconds = before + time.monotonic() - started
        if run.step % log_every == 0:
            run.log_losses()
        if run.step % save_every == 0 or run.seconds - saved > SAVE_SECONDS or run.done >= 1:
            run.save()
            saved = run.seconds
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


def season_scale(values: Tensor, observed: Tensor, season_length: int) -> Tensor:
    """Return the mean absolute seasonal difference of each series: [B]; of plain differences where it has none."""
    both = observed[:, season_length:] & observed[:, :-season_length]
    steps = (values[:, season_length:] - values[:, :-season_length]).abs() * both
    scale: Tensor = steps.sum(1) / both.sum(1).clamp(min=1)
    return scale


def _load(network: nn.Module, groups: Mapping[str, State], group: str, path: Path) -> None:
    """Load one group of a checkpoint. Raises UsageError where it is of other settings."""
    try:
        network.load_state_dict(groups.get(group, {}))
    except RuntimeError as error:
        raise UsageError(
            f"{path} holds networks of other settings than these",
            hint="give the settings of that run with `--settings`, or name another folder",
        ) from error
