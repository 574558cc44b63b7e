"""A run of pretraining in a folder: weights, their running average, the optimiser, and how far it has come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pretraining.checkpoint import State, read_checkpoint, write_checkpoint
from rnnforecast.errors import DivergedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pretraining.settings import DescentSettings

Network = TypeVar("Network", bound=nn.Module)
CHECKPOINT = "checkpoint.npz"
LOG = "log.jsonl"
#: Steps after which a device is asked whether its gradients are finite.
CHECK_EVERY = 50


class Descent(Generic[Network]):
    """Weights on their way down; the subclass gives the losses and says which fraction of the run is done."""

    def __init__(
        self, settings: DescentSettings, folder: Path, device: torch.device, *, network: Network, average: Network
    ) -> None:
        self.folder, self.device = folder, device
        self._settings = settings
        folder.mkdir(parents=True, exist_ok=True)
        self.network = network.to(device)
        self.average = average.to(device)
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
        """Fraction of the run that is over: of its minutes, or of its steps."""
        raise NotImplementedError

    def rate(self) -> float:
        """Return the learning rate: linear warm-up, flat, linear to zero over the last share of the run."""
        settings = self._settings
        warm = min(1.0, (self.step + 1) / settings.warm_up_steps)
        falling = min(1.0, (1 - self.done) / settings.decay_share) if settings.decay_share else 1.0
        return settings.learning_rate * warm * max(falling, 0.0)

    def descend(self, loss: Tensor, *, name: str, num_series: int) -> None:
        """Take one step down a scalar loss of so many series, and keep it for the log under a name.

        A gradient that is not finite changes nothing. Raises DivergedError for it, on a device some steps later, so that
        the host need not wait for every step.
        """
        settings = self._settings
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
        load(self.network, groups, "network", path)
        load(self.average, groups, "average", path)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in groups.get("optimiser", {}).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        if state:
            now = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": now})
        progress = groups.get("progress", {})
        self.seconds, self.series = float(progress.get("seconds", 0.0)), int(progress.get("series", 0))


def load(network: nn.Module, groups: Mapping[str, State], group: str, path: Path) -> None:
    """Load one group of a checkpoint. Raises UsageError where it is of other settings."""
    try:
        network.load_state_dict(groups.get(group, {}))
    except RuntimeError as error:
        raise UsageError(
            f"{path} holds networks of other settings than these",
            hint="give the settings of that run with `--settings`, or name another folder",
        ) from error
