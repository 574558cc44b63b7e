"""Checkpoints of a pre-training run: weights, their average, the state of the optimiser, and the step."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch

from rnnforecast.errors import UsageError
from rnnforecast.store.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

State = dict[str, torch.Tensor]


def write_checkpoint(path: Path, groups: Mapping[str, State], *, step: int) -> None:
    """Replace the checkpoint at `path`; a crash leaves the old one or the new one."""
    arrays = {
        f"{group}/{name}": tensor.detach().cpu().numpy()
        for group, state in groups.items()
        for name, tensor in state.items()
    }

    def write(file: BinaryIO) -> None:
        np.savez(file, step=np.int64(step), **arrays)  # type: ignore[arg-type]

    replace_file(path, write)


def read_checkpoint(path: Path) -> tuple[dict[str, State], int]:
    """Read what `write_checkpoint` wrote: groups of tensors and the step.

    Raises UsageError where there is none, or another file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            groups: dict[str, State] = {}
            for key in arrays.files:
                if key != "step":
                    group, name = key.split("/", 1)
                    groups.setdefault(group, {})[name] = torch.from_numpy(arrays[key])
            return groups, int(arrays["step"])
    except OSError as error:
        raise UsageError(
            f"no checkpoint can be read at {path}: {error.strerror or error}",
            hint="name the folder that `train` wrote",
        ) from error
    except (ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise UsageError(
            f"{path} is no checkpoint of a pre-training run: {error}", hint="name the folder that `train` wrote"
        ) from error
