"""From a run to the weights that the package ships: half precision, the trunk once, width factors per season class."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import SHARED, check_shapes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile, write_model

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
