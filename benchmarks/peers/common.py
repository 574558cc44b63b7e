"""What the script of every peer shares: one task in, one forecast file and one line of figures out.

    python run_PEER.py fit TASK.json FOLDER        fit, forecast, save the model; figures as JSON on the last line
    python run_PEER.py predict TASK.json FOLDER    load the model, read a CSV file, write its forecast: a nightly job

A task is a JSON file: `freq`, `horizon`, `context_length`, `batch_size`, `num_steps`, `seed`, and the CSV files `rows`
(to learn from) and `history` (to forecast from), both with `unique_id`, `ds` and `y`. This file needs pandas alone: it
runs in the environment of each peer.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN_SIZE = 64
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Task:
    """One task as its file says it; look-back, batch and steps are the same for every peer."""

    freq: str
    horizon: int
    context_length: int
    batch_size: int
    num_steps: int
    seed: int
    season_length: int
    rows: str
    history: str
    single: str  # one series, for the nightly job

    @classmethod
    def read(cls, path: str | Path) -> Task:
        """Read the file of a task."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


class Peer(Protocol):
    """One library: fit, forecast, save and load."""

    def fit(self, task: Task, frame: pd.DataFrame) -> Any:
        """Fit a model with one recurrent layer of 64 units."""

    def forecast(self, model: Any, task: Task, frame: pd.DataFrame) -> pd.DataFrame:
        """Return `unique_id`, `step` (from 1) and `yhat` after the last row of each series."""

    def save(self, model: Any, folder: Path) -> None:
        """Write a model into a folder."""

    def load(self, folder: Path) -> Any:
        """Read it back."""


def read_rows(path: str) -> pd.DataFrame:
    """Read a panel, in order of series and time."""
    frame = pd.read_csv(path, parse_dates=["ds"], dtype={"unique_id": str})
    return frame.sort_values(["unique_id", "ds"], ignore_index=True)


def number_steps(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return forecasts in order of time under the names that are compared."""
    steps = frame.groupby("unique_id", sort=False).cumcount() + 1
    return pd.DataFrame({"unique_id": frame["unique_id"], "step": steps, "yhat": frame[column]})


def run(peer: Peer) -> None:
    """Do what the command line asks of one peer."""
    verb, path, name = sys.argv[1:4]
    task, folder = Task.read(path), Path(name)
    if verb == "predict":
        peer.forecast(peer.load(folder / "model"), task, read_rows(task.single)).to_csv(folder / "job.csv", index=False)
        return
    frame, history = read_rows(task.rows), read_rows(task.history)
    model, fit_seconds = _timed(lambda: peer.fit(task, frame))
    forecast, predict_seconds = _timed(lambda: peer.forecast(model, task, history))
    forecast.to_csv(folder / "forecast.csv", index=False)
    (folder / "model").mkdir(exist_ok=True)
    peer.save(model, folder / "model")
    print(json.dumps(figures(fit_seconds, predict_seconds)))


def figures(fit_seconds: float, predict_seconds: float) -> dict[str, float]:
    """Return what a fit is measured by; peak memory is that of the whole process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"fit_seconds": fit_seconds, "predict_seconds": predict_seconds, "megabytes": peak}


def processor_seconds() -> float:
    """Return the time that this process and those it ended had on a processor: on one core other work disturbs it less."""
    return sum(os.times()[:4])


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = processor_seconds()
    found = work()
    return found, processor_seconds() - started
