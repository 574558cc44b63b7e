"""The pretraining loop: batches of synthetic series, a flat rate that falls to zero at the end, averaged weights.

It can be stopped at any moment and goes on from its last checkpoint; a longer `num_steps` prolongs a run whose rate
has not begun to fall.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn

from pretraining.batches import TrainingBatch, stream
from pretraining.checkpoint import State, read_checkpoint, write_checkpoint
from pretraining.scales import season_scale
from rnnforecast.errors import DivergedError, UsageError
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.networks.pretrained import PretrainedForecaster, Trunk
from rnnforecast.networks.pretrained_loss import dense_pinball

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pretraining.settings import PretrainingSettings

CHECKPOINT = "checkpoint.npz"
LOG = "log.jsonl"
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
    folder.mkdir(parents=True, exist_ok=True)
    networks = build_networks(settings).to(device)
    average = build_networks(settings).to(device).requires_grad_(False)
    parameters = list(networks.parameters())
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
    )
    step = _resume(folder / CHECKPOINT, networks, average, optimiser)
    started = time.monotonic()
    losses: dict[str, list[float]] = {entry.name: [] for entry in SEASON_CLASSES}
    pairs = list(zip(average.parameters(), networks.parameters(), strict=True))
    for batch in stream(settings, start=step, num_workers=num_workers):
        rate = settings.learning_rate * _schedule(settings, step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = _batch_loss(networks[batch.member.season_class], batch, settings, device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
        if not bool(torch.isfinite(norm)):
            raise DivergedError(
                f"step {step}: the gradient is not finite",
                hint="lower `learning_rate` in the settings; the run goes on from its last checkpoint",
            )
        optimiser.step()
        step += 1
        decay = min(settings.average_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_([a for a, _ in pairs], [b.detach() for _, b in pairs], 1 - decay)
        losses[batch.member.season_class].append(float(loss.detach()))
        if step % log_every == 0:
            record = {name: round(sum(values) / len(values), 5) for name, values in losses.items() if values}
            _log(folder, {"step": step, "rate": rate, "seconds": round(time.monotonic() - started, 1), "loss": record})
            losses = {name: [] for name in losses}
        if step % save_every == 0 or step == settings.num_steps:
            _save(folder / CHECKPOINT, networks, average, optimiser, step)
        if watcher is not None and (step % watch_every == 0 or step == settings.num_steps):
            _log(folder, {"step": step, "scores": watcher(average)})
    return average


def _batch_loss(
    network: nn.Module, batch: TrainingBatch, settings: PretrainingSettings, device: torch.device
) -> torch.Tensor:
    member = batch.member
    values = torch.from_numpy(batch.series.values).to(device)
    observed = torch.from_numpy(batch.series.observed).to(device)
    positions = torch.from_numpy(batch.positions).to(device)
    split = values.shape[1] - member.horizon
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16"):
        past = _at_least(values[:, :split], member.num_segments * member.segment_length)
        seen = _at_least(observed[:, :split], member.num_segments * member.segment_length)
        outputs, reading = network(past, seen, member=member, positions=positions)
    ends = split - (member.num_segments - 1 - positions) * member.segment_length
    index = (ends[:, None] + torch.arange(member.horizon, device=device)).clamp(min=0)
    return dense_pinball(
        outputs,
        reading,
        values[:, index],
        observed[:, index] & (ends[:, None] >= 0),
        loss_scale=season_scale(values, observed, member.season_length),
        quantile_levels=member.quantile_levels,
        lead_time_power=settings.lead_time_power,
    )


def _at_least(array: torch.Tensor, length: int) -> torch.Tensor:
    """Pad in front to `length` steps."""
    missing = length - array.shape[1]
    return array if missing <= 0 else nn.functional.pad(array, (missing, 0))


def _schedule(settings: PretrainingSettings, step: int) -> float:
    """Factor of the rate: linear warm-up, flat, linear to zero over the last share of the steps."""
    if step < settings.warm_up_steps:
        return (step + 1) / settings.warm_up_steps
    falling = settings.decay_share * settings.num_steps
    left = settings.num_steps - step
    return min(1.0, left / falling) if falling else 1.0


def _save(path: Path, networks: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    state: State = {
        f"{index}.{name}": value
        for index, entry in optimiser.state_dict()["state"].items()
        for name, value in entry.items()
    }
    groups = {"network": networks.state_dict(), "average": average.state_dict(), "optimiser": state}
    write_checkpoint(path, groups, step=step)


def _resume(path: Path, networks: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Load the checkpoint, where there is one; returns the step to go on from."""
    if not path.exists():
        return 0
    groups, step = read_checkpoint(path)
    _load(networks, groups, "network", path)
    _load(average, groups, "average", path)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in groups["optimiser"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return step


def _load(networks: nn.Module, groups: Mapping[str, State], group: str, path: Path) -> None:
    try:
        networks.load_state_dict(groups.get(group, {}))
    except RuntimeError as error:
        raise UsageError(
            f"{path} holds networks of other settings than these",
            hint="give the settings of that run with `--settings`, or name another folder",
        ) from error


def _log(folder: Path, record: dict[str, object]) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
