"""`predict --on ray`: parts as tasks of a Ray cluster.

The model is sent to the cluster once, as the bytes of its file. Rows and forecasts are read and written by the tasks, so that
all machines need the folder, or addresses of one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import ResourceError
from rnnforecast.model_io.base import BASE
from rnnforecast.store.registry import Registry, is_path
from rnnforecast.workflows.shards.results import PartResult
from rnnforecast.workflows.shards.run import Work, failure, forecast_part

if TYPE_CHECKING:
    from rnnforecast.training.cluster import Cluster
    from rnnforecast.workflows.shards.plan import Part
    from rnnforecast.workflows.shards.run import Runner


def ray_runner(cluster: Cluster) -> Runner:
    """Return what forecasts parts on a cluster."""
    return partial(_run, cluster)


def _run(cluster: Cluster, parts: Sequence[Part], work: Work) -> Iterator[tuple[int, PartResult]]:
    with cluster.connected() as workers:
        for number, result in workers.each(_forecast, (work, _bytes_of(work)), parts):
            try:
                yield number, result()
            except ResourceError as error:
                yield number, failure(parts[number], error)


def _bytes_of(work: Work) -> bytes:
    """Return the file of the model, nothing for `base`, which every machine has."""
    return b"" if work.model == BASE else Registry(work.store).resolve(work.model).path.read_bytes()


def _forecast(shared: tuple[Work, bytes], part: Part) -> PartResult:
    work, weights = shared
    if not weights or is_path(work.model):
        return forecast_part(part, work)
    with tempfile.TemporaryDirectory(prefix="rnnforecast-") as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(weights)
        return forecast_part(part, replace(work, model=str(path)))
