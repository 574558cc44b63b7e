"""Weights in half precision as one safetensors file: what the package ships, and what a later run begins with."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.errors import UsageError
from rnnforecast.store.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

_DTYPES = {"F16": np.float16, "F32": np.float32}


def as_tensors(network: torch.nn.Module, num_quantiles: int = 13) -> dict[str, np.ndarray]:
    """Return the weights of a network as the NumPy engine reads them; factors of the width are 1."""
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    return {**tensors, "head.width": np.ones(num_quantiles, dtype=np.float32)}


def write_weights(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors in half precision; a crash leaves the old file or the new one."""
    arrays = {name: np.ascontiguousarray(value.astype("<f2")) for name, value in sorted(tensors.items())}
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F16", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)

    def write(file: BinaryIO) -> None:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in arrays.values():
            file.write(array.tobytes())

    replace_file(path, write)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a file that `write_weights` wrote: float32 arrays by name. Raises UsageError where it is none."""
    try:
        data = path.read_bytes()
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + size])
        body = data[8 + size :]
        return {
            name: np.frombuffer(body[slice(*entry["data_offsets"])], _DTYPES[entry["dtype"]])
            .reshape(entry["shape"])
            .astype(np.float32)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name the weights of an earlier run") from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise UsageError(f"{path} holds no weights: {error}", hint="name a file that `export` wrote") from error


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read exported weights as tensors to begin a run with."""
    return {name: torch.from_numpy(array) for name, array in read_arrays(path).items()}
