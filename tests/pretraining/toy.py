"""A pretraining run of a fraction of a second, without worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pretraining.loop import pretrain
from pretraining.settings import PretrainingSettings

if TYPE_CHECKING:
    from torch import nn

    from pretraining.loop import Watcher

CPU = torch.device("cpu")
TINY: dict[str, object] = {
    "hidden_size": 8,
    "num_layers": 1,
    "num_steps": 6,
    "warm_up_steps": 2,
    "num_positions": 3,
    "precision": "float32",
    "clocks": [
        {"season_class": "none", "season_length": [1], "domain": "yearly", "share": 1, "batch_size": 4},
        {"season_class": "quarter", "season_length": [4, 3], "domain": "quarterly", "share": 2, "batch_size": 4},
    ],
}


def tiny_settings(**changes: object) -> PretrainingSettings:
    """Settings of six steps on two clocks."""
    return PretrainingSettings.model_validate({**TINY, **changes})


def run(
    settings: PretrainingSettings, folder: Path, *, save_every: int = 2, watcher: Watcher | None = None
) -> nn.ModuleDict:
    """Train in this process; `watcher` looks after every step."""
    return pretrain(
        settings,
        folder,
        device=CPU,
        log_every=2,
        save_every=save_every,
        watch_every=1,
        watcher=watcher,
        num_workers=0,
    )


def write_toml(path: Path) -> Path:
    """Write the tiny settings as a file."""
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in TINY.items() if key != "clocks"]
    clocks = TINY["clocks"]
    for clock in clocks if isinstance(clocks, list) else []:
        lines += ["[[clocks]]", *(f"{key} = {value!r}".replace("'", '"') for key, value in clock.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
