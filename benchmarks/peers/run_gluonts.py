# mypy: disable-error-code="import-not-found, import-untyped"
"""gluonts: DeepAR, its one recurrent forecaster on torch (an LSTM that samples 100 paths), no progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from common import HIDDEN_SIZE, LEARNING_RATE, Task, run
from gluonts.dataset.common import ListDataset
from gluonts.model.predictor import Predictor
from gluonts.torch import DeepAREstimator

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)
PERIODS = {"MS": "M", "h": "h"}


class Library:
    """The verbs of the benchmark in the words of gluonts."""

    def fit(self, task: Task, frame: pd.DataFrame) -> Any:
        """Fit one LSTM for a number of steps."""
        torch.manual_seed(task.seed)
        np.random.seed(task.seed)
        estimator = DeepAREstimator(
            freq=PERIODS[task.freq],
            prediction_length=task.horizon,
            context_length=task.context_length,
            num_layers=1,
            hidden_size=HIDDEN_SIZE,
            lr=LEARNING_RATE,
            batch_size=task.batch_size,
            num_batches_per_epoch=task.num_steps,
            trainer_kwargs={
                "max_epochs": 1,
                "accelerator": "cpu",
                "logger": False,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "default_root_dir": "lightning",
            },
        )
        return estimator.train(make_data(frame, task))

    def forecast(self, model: Any, task: Task, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast after the last row of each series: the medians of the sampled paths."""
        medians = [found.quantile(0.5) for found in model.predict(make_data(frame, task))]
        items = list(frame["unique_id"].unique())
        steps = np.tile(np.arange(1, task.horizon + 1), len(items))
        values = np.concatenate(medians)
        return pd.DataFrame({"unique_id": np.repeat(items, task.horizon), "step": steps, "yhat": values})

    def save(self, model: Any, folder: Path) -> None:
        """Write the predictor."""
        model.serialize(folder)

    def load(self, folder: Path) -> Any:
        """Read it back."""
        return Predictor.deserialize(folder)


def make_data(frame: pd.DataFrame, task: Task) -> Any:
    """Return a panel as gluonts reads it."""
    freq = PERIODS[task.freq]
    entries = [
        {"start": pd.Period(part["ds"].iloc[0], freq=freq), "target": part["y"].to_numpy(np.float32)}
        for _, part in frame.groupby("unique_id", sort=False)
    ]
    return ListDataset(entries, freq=freq)


if __name__ == "__main__":
    run(Library())
