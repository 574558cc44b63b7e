"""rnnforecast in the place of a peer: one layer of 64 units as they have it, or the default with a time budget.

python run_rnnforecast.py matched TASK.json FOLDER CELL     throughput of one network, nothing stored
python run_rnnforecast.py default TASK.json FOLDER BUDGET   the command as it is, `--time-budget` unless `none`
python run_rnnforecast.py base TASK.json FOLDER             the shipped network, fitted to nothing
python run_rnnforecast.py peak                              multiplications a second, float32
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from common import HIDDEN_SIZE, Task, figures, processor_seconds

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.progress import NoProgress
from rnnforecast.training.context import FitContext
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.split import split_rows

if TYPE_CHECKING:
    import pandas as pd

torch.set_num_threads(1)
MATCHED: dict[str, object] = {
    "from": "scratch",
    "mapping": "many-to-many",  # the whole horizon from the last state, as neuralforecast and darts have it
    "synchronous": False,
    "head": "linear",
    "num_layers": 1,
    "hidden_size": HIDDEN_SIZE,
    "segment_length": 1,
    "base": "none",
    "skip": False,
    "num_members": 1,
    "num_windows": 1,
}


def main() -> None:
    verb = sys.argv[1]
    if verb == "peak":
        print(json.dumps({"gigaflops": gemm_peak()}))
        return
    task, folder = Task.read(sys.argv[2]), Path(sys.argv[3])
    if verb == "matched":
        print(json.dumps(fit_matched(task, cell=sys.argv[4])))
    else:
        print(json.dumps(fit_default(task, folder, budget=sys.argv[4] if verb == "default" else None)))


def roles(task: Task) -> dict[str, object]:
    """Return what every run is told of the columns and the clock."""
    return {
        "id": ["unique_id"],
        "time": "ds",
        "target": ["y"],
        "horizon": task.horizon,
        "season_length": task.season_length,
        "seed": task.seed,
    }


def fit_matched(task: Task, *, cell: str) -> dict[str, float]:
    """Fit one network of the peers' size; the time has everything in it that comes after reading."""
    shape = {"context_length": task.context_length, "batch_size": task.batch_size, "num_steps": task.num_steps}
    settings = rnnforecast.Settings.from_flat({**roles(task), **MATCHED, **shape, "cell": cell})
    series = rnnforecast.read_series([task.rows], settings.data).series
    started = processor_seconds()
    split = split_rows(series, horizon=task.horizon, evaluation=settings.evaluation)
    known, validation = series.head(split.num_past_rows), split.validation
    fit_train_rows(
        known, settings, horizon=task.horizon, validation=validation, context=FitContext.of(settings, NoProgress())
    )
    return figures(processor_seconds() - started, 0.0)


def fit_default(task: Task, folder: Path, *, budget: str | None) -> dict[str, float]:
    """Train with no settings but columns, season and horizon, then forecast; without a budget, fit nothing."""
    asked = {} if budget in (None, "none") else {"time_budget": budget}
    settings = rnnforecast.Settings.from_flat({**roles(task), **asked})
    started = processor_seconds()
    model = "base"
    if budget is not None:
        model = rnnforecast.train([task.rows], settings, store=folder, name="model", activate="always").model
    fitted = processor_seconds()
    reading = DataSettings(
        id=("unique_id",), time="ds", target=("y",), season_length=task.season_length, horizon=task.horizon
    )
    found = rnnforecast.predict(
        model,
        data=[task.history],
        store=folder,
        horizon=task.horizon,
        reading=reading if model == "base" else None,
    )
    write(found.frame, folder / "forecast.csv")
    return figures(fitted - started, processor_seconds() - fitted)


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write forecasts under the names that are compared."""
    steps = frame.groupby("unique_id", sort=False).cumcount() + 1
    frame.assign(step=steps, yhat=frame["forecast"])[["unique_id", "step", "yhat"]].to_csv(path, index=False)


def gemm_peak() -> float:
    """Return the most GFLOP/s of a float32 product of square matrices, of several sizes."""
    best = 0.0
    for size in (256, 512, 1024):
        left, right = torch.rand(size, size), torch.rand(size, size)
        until = time.process_time() + 0.7
        while time.process_time() < until:
            started = time.process_time()
            torch.mm(left, right)
            best = max(best, 2e-9 * size**3 / (time.process_time() - started))
    return best


if __name__ == "__main__":
    main()
