"""AutoETS and AutoTheta of statsforecast on a panel, in processes of one thread each, part by part kept in a folder.

A second run takes the parts that are there; they are kept under a digest of the rows, the levels and the version.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
from scoring import LEVELS

from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.forecasting import last_windows

if TYPE_CHECKING:
    from pathlib import Path

    from rnnforecast.arrays import Float64Array
    from rnnforecast.data.series import SeriesSet

SERIES_A_PART = 16
# a pool of processes with many threads each would measure the fight between them
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def forecast_panel(
    name: str, series: SeriesSet, *, horizon: int, workers: int, cache: Path | None
) -> tuple[Float64Array, float]:
    """Forecast after the last row of each series: [S, H, Q], and the seconds that all processes needed together."""
    os.environ.update(ONE_THREAD)
    starts = range(0, series.num_series, SERIES_A_PART)
    parts = [series.select(np.arange(start, min(start + SERIES_A_PART, series.num_series))) for start in starts]
    files = [None if cache is None else cache / f"{name}-{_digest(part, horizon)}.npz" for part in parts]
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    done: dict[int, tuple[Float64Array, float]] = {}
    for number, file in enumerate(files):
        if file is not None and file.is_file():
            with np.load(file) as kept:
                done[number] = (kept["quantiles"], float(kept["seconds"]))
    left = [number for number in range(len(parts)) if number not in done]
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads that hold locks
    with ProcessPoolExecutor(max_workers=max(1, min(workers, len(left))), mp_context=context) as pool:
        jobs = {number: pool.submit(forecast_part, name, parts[number], horizon) for number in left}
        for number, job in jobs.items():
            done[number] = job.result()
            _keep(files[number], *done[number])
            print(f"{name}: {len(done)} of {len(parts)} parts", file=sys.stderr, flush=True)
    quantiles = np.concatenate([done[number][0] for number in range(len(parts))])
    return quantiles, sum(seconds for _, seconds in done.values())


def forecast_part(name: str, series: SeriesSet, horizon: int) -> tuple[Float64Array, float]:
    """Forecast a few series in this process."""
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a series without a fit gets the seasonal naive forecast
        quantiles = forecast_baseline(name, series, last_windows(series), horizon=horizon, quantile_levels=LEVELS)
    return quantiles, time.process_time() - started


def _keep(file: Path | None, quantiles: Float64Array, seconds: float) -> None:
    if file is None:
        return
    part = file.with_suffix(".part.npz")
    np.savez(part, quantiles=quantiles, seconds=seconds)
    part.replace(file)


def _digest(series: SeriesSet, horizon: int) -> str:
    words = f"{horizon} {series.season_length} {LEVELS} {metadata.version('statsforecast')}"
    found = hashlib.sha256(words.encode())
    for array in (series.values, series.observed, series.offsets):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:20]
