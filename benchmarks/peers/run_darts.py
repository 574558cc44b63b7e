# mypy: disable-error-code="import-not-found, import-untyped"
"""darts: BlockRNNModel with a GRU, each series scaled to between 0 and 1 as its examples do, no progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from common import HIDDEN_SIZE, LEARNING_RATE, Task, run
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.models import BlockRNNModel

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)
# steps end the training, not passes over the rows
MANY_EPOCHS = 1_000_000


class Library:
    """The verbs of the benchmark in the words of darts."""

    def fit(self, task: Task, frame: pd.DataFrame) -> Any:
        """Fit one GRU for a number of steps, on the series that have room for a window."""
        _, series = make_series(frame)
        fitting = [one for one in series if len(one) >= task.context_length + task.horizon]
        model = BlockRNNModel(
            input_chunk_length=task.context_length,
            output_chunk_length=task.horizon,
            model="GRU",
            hidden_dim=HIDDEN_SIZE,
            n_rnn_layers=1,
            batch_size=task.batch_size,
            n_epochs=MANY_EPOCHS,
            optimizer_kwargs={"lr": LEARNING_RATE},
            random_state=task.seed,
            save_checkpoints=False,
            pl_trainer_kwargs={
                "accelerator": "cpu",
                "max_steps": task.num_steps,
                "logger": False,
                "enable_checkpointing": False,
                "enable_progress_bar": False,
                "enable_model_summary": False,
            },
        )
        model.fit(Scaler().fit_transform(fitting), verbose=False)
        return model

    def forecast(self, model: Any, task: Task, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast after the last row of each series; those shorter than the look-back repeat their first value."""
        items, series = make_series(frame, shortest=task.context_length)
        scaler = Scaler()
        scaled = scaler.fit_transform(series)
        found = scaler.inverse_transform(model.predict(task.horizon, series=scaled, verbose=False))
        values = np.concatenate([one.values()[:, 0] for one in found])
        steps = np.tile(np.arange(1, task.horizon + 1), len(items))
        return pd.DataFrame({"unique_id": np.repeat(items, task.horizon), "step": steps, "yhat": values})

    def save(self, model: Any, folder: Path) -> None:
        """Save the model without its rows."""
        model.save(str(folder / "model.pt"), clean=True)

    def load(self, folder: Path) -> Any:
        """Load what was saved."""
        return BlockRNNModel.load(str(folder / "model.pt"), pl_trainer_kwargs={"accelerator": "cpu", "logger": False})


def make_series(frame: pd.DataFrame, shortest: int = 0) -> tuple[list[str], list[Any]]:
    """Return ids and series counted in steps."""
    items, series = [], []
    for item, part in frame.groupby("unique_id", sort=False):
        values = part["y"].to_numpy(np.float32)
        values = np.concatenate([np.full(max(0, shortest - len(values)), values[0]), values])
        items.append(str(item))
        series.append(TimeSeries.from_values(values.astype(np.float32)))
    return items, series


if __name__ == "__main__":
    run(Library())
