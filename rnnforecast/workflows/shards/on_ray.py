"""`--on ray`: parts as tasks of a Ray cluster. A task whose process or machine is lost is run again by Ray.

The model is sent to the cluster once, as the bytes of its file; each process keeps them in a local file. Rows
and forecasts are read and written by the tasks, so that all machines need the folder, or addresses of one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnforecast.errors import ExitCode, ResourceError, first_line, missing_extra
from rnnforecast.model_io.base import BASE
from rnnforecast.store.registry import Registry, is_path
from rnnforecast.workflows.shards.results import PartResult
from rnnforecast.workflows.shards.run import Work, forecast_part

if TYPE_CHECKING:
    from rnnforecast.workflows.shards.plan import Part
    from rnnforecast.workflows.shards.run import Runner

#: How often a task is run again whose process or machine was lost.
MAX_RETRIES = 5


def ray_runner(address: str | None) -> Runner:
    """Return what forecasts parts on a cluster, or on a Ray of this machine. Raises ResourceError without the extra `ray`."""
    if find_spec("ray") is None:
        raise missing_extra("--on ray needs", "ray", "ray")
    return partial(_run, address)


def _run(address: str | None, parts: Sequence[Part], work: Work) -> Iterator[tuple[int, PartResult]]:
    import ray

    _connect(address)
    try:
        weights = ray.put(_bytes_of(work))
        task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_forecast)
        left: dict[Any, int] = {
            task.remote(part, work, weights, os.getcwd()): number for number, part in enumerate(parts)
        }
        while left:
            (ready, *_), _ = ray.wait(list(left), num_returns=1)
            number = left.pop(ready)
            try:
                yield number, ray.get(ready)
            except ray.exceptions.RayError as error:
                yield number, _lost(parts[number], error)
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    """Connect to a cluster. Raises ResourceError where it does not answer, or has another version."""
    import ray

    try:
        # without an address Ray looks for a cluster that was once started here, and waits minutes for one that is gone
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
        where = "a Ray of this machine" if address is None else f"the Ray cluster at `{address}`"
        raise ResourceError(
            f"{where} cannot be used: {first_line(error)}",
            hint="`ray status` shows whether it runs; every machine needs the same versions of ray, Python and rnnforecast",
            code="E_RAY_ADDRESS",
        ) from error


def _bytes_of(work: Work) -> bytes:
    """Return the file of the model, nothing for `base`, which every machine has."""
    return b"" if work.model == BASE else Registry(work.store).resolve(work.model).path.read_bytes()


def _forecast(part: Part, work: Work, weights: bytes, folder: str) -> PartResult:
    """Forecast one part in a process of the cluster; relative paths are those of the folder of the command."""
    os.chdir(folder)
    if weights and not is_path(work.model):
        work = replace(work, model=_kept(weights))
    return forecast_part(part, work)


@cache
def _kept(weights: bytes) -> str:
    """Return a file with these bytes, written once for each process."""
    folder = Path(tempfile.mkdtemp(prefix="rnnforecast-"))
    path = folder / f"{hashlib.sha256(weights).hexdigest()[:16]}.safetensors"
    path.write_bytes(weights)
    return str(path)


def _lost(part: Part, error: Exception) -> PartResult:
    """Return the failure of a part whose processes were lost again and again."""
    return PartResult(
        part.name,
        "failed",
        exit_code=int(ExitCode.RESOURCES),
        error="E_RAY_LOST",
        message=f"its processes were lost {MAX_RETRIES + 1} times: {first_line(error)}",
        hint="run the same command again; `ray status` shows the machines",
    )
