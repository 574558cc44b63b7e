"""The pretrained network in the package, `base`: trained on synthetic series, it forecasts any series zero-shot."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.errors import UsageError
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.inference.season_classes import pretrained_settings, season_class
from rnnforecast.inference.trunk import FixedTensors
from rnnforecast.members import PretrainedSettings
from rnnforecast.model_io.pack import check_shapes, roles_of
from rnnforecast.store.manifest import InputRecord, Manifest
from rnnforecast.store.model_file import ModelFile, read_model

if TYPE_CHECKING:
    from rnnforecast.data.read import ReadResult

#: The name of the pretrained network as a model, as in `predict base`.
BASE = "base"


@dataclass(frozen=True)
class BaseNetwork:
    """The pretrained weights: a trunk, and inputs, head and width factors of each season class."""

    file: ModelFile

    def member(self, season_length: int) -> PretrainedSettings:
        """Return the network that serves a season length."""
        first = self.file.manifest.members[0]
        if not isinstance(first, PretrainedSettings):
            raise TypeError("the file of the base model holds no pretrained network")
        return pretrained_settings(
            season_length,
            hidden_size=first.hidden_size,
            num_layers=first.num_layers,
            quantile_levels=first.quantile_levels,
        )

    def weights(self, season_length: int) -> dict[str, np.ndarray]:
        """Return the tensors of that network, float32."""
        return self._shared | _float32(self.file.member(self._index(season_length)))

    @cached_property
    def _shared(self) -> dict[str, np.ndarray]:
        """The trunk, the same arrays for all season lengths."""
        return _float32(self.file.group("shared"))

    def ensemble(self, season_length: int) -> Ensemble:
        """Return the network of a season length, ready to forecast."""
        return Ensemble(members=(self.member(season_length),), weights=(FixedTensors(self.weights(season_length)),))

    def _index(self, season_length: int) -> int:
        name = season_class(season_length).name
        members = self.file.manifest.members
        return next(
            index
            for index, member in enumerate(members)
            if isinstance(member, PretrainedSettings) and member.season_class == name
        )


def _float32(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


@cache
def read_base() -> BaseNetwork:
    """Read and verify the pretrained weights. Raises ModelFileError where the installation is damaged."""
    with resources.as_file(resources.files("rnnforecast") / "weights" / "base.safetensors") as path:
        return BaseNetwork(read_model(Path(path), check_shapes=check_shapes))


@cache
def base_ensemble(season_length: int) -> Ensemble:
    """Return `base` for a season length, ready to forecast."""
    return read_base().ensemble(season_length)


@cache
def _own_version() -> str:
    return metadata.version("rnnforecast")


def reject_base_name(name: str) -> None:
    """Raise UsageError for a model that would be stored under the name of the pretrained one."""
    if name == BASE:
        message = f"`{BASE}` is the name of the pretrained model in the package"
        raise UsageError(message, hint="give the model another one with `--name`", code="E_RUN_CONFIG")


def base_manifest(read: ReadResult, *, horizon: int, paths: tuple[str, ...] = ()) -> Manifest:
    """Return a manifest of `base` on these rows, like that of a stored model; `paths` are the files as they were named."""
    base, series = read_base(), read.series
    member = base.member(series.season_length)
    return Manifest(
        name=BASE,
        rnnforecast=_own_version(),
        assumptions=replace(read.assumptions, horizon=horizon).to_dict(),
        roles=roles_of(series),
        freq=series.freq.to_dict(),
        season_length=series.season_length,
        horizon=horizon,
        quantile_levels=member.quantile_levels,
        members=(member,),
        input=InputRecord(paths=paths, digest=read.digest, num_rows=series.num_rows, num_series=series.num_series),
    )
