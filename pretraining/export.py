"""From a run to the weights that the package ships: half precision, the trunk once, width factors per season class."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.errors import UsageError
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.model_io.base import BASE, read_base
from rnnforecast.model_io.pack import SHARED, check_shapes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile, read_model, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from pretraining.settings import PretrainingSettings

TRUNK = "trunk."


def export_base(
    networks: nn.ModuleDict,
    settings: PretrainingSettings,
    path: Path,
    *,
    widths: Mapping[str, np.ndarray] | None = None,
    seconds: float = 0.0,
) -> Manifest:
    """Write the averaged networks as the model file `base`; `widths` [H, Q] are factors by season class."""
    members, tensors = [], {}
    for index, entry in enumerate(SEASON_CLASSES):
        member = settings.member(entry.shortest)
        members.append(member)
        for name, tensor in networks[entry.name].state_dict().items():
            group = SHARED if name.startswith(TRUNK) else f"members.{index}."
            tensors[f"{group}{name}"] = tensor.cpu().numpy().astype(np.float16)
        if widths is not None and entry.name in widths:
            tensors[f"members.{index}.head.width"] = widths[entry.name].astype(np.float16)
    manifest = Manifest(
        name=BASE,
        rnnforecast=metadata.version("rnnforecast"),
        settings={},
        horizon=members[0].horizon,
        quantile_levels=members[0].quantile_levels,
        members=tuple(members),
        seed=settings.seed,
        seconds=seconds,
    )
    check_shapes(manifest, {name: tensor.shape for name, tensor in tensors.items()})
    return write_model(path, ModelFile(manifest=manifest, tensors=tensors))


def read_weights(path: Path | None) -> dict[str, torch.Tensor]:
    """Read what `export_base` wrote as weights to begin a run with; those of the package for no path.

    Raises UsageError for a file that holds no network of every season class, ModelFileError for one that is no model.
    """
    model = _read(path)
    weights: dict[str, torch.Tensor] = {}
    for index, entry in enumerate(SEASON_CLASSES):
        tensors = model.group(SHARED.removesuffix(".")) | model.member(index)
        tensors["head.width"] = np.ones_like(tensors["head.width"])  # of forecasts, not of training
        weights |= {
            f"{entry.name}.{name}": torch.from_numpy(tensor.astype(np.float32)) for name, tensor in tensors.items()
        }
    return weights


def read_widths(path: Path) -> dict[str, np.ndarray]:
    """Read the width factors [H, Q] of each season class. Raises as `read_weights`."""
    model = _read(path)
    return {entry.name: model.member(index)["head.width"] for index, entry in enumerate(SEASON_CLASSES)}


def _read(path: Path | None) -> ModelFile:
    model = read_base().file if path is None else read_model(path)
    if len(model.manifest.members) != len(SEASON_CLASSES):
        raise UsageError(f"{path} is not a file like `base`", hint="name one that `python -m pretraining export` wrote")
    return model
