# mypy: disable-error-code="import-not-found, import-untyped"
"""neuralforecast: its GRU, normalised window by window, with logger, checkpoints and progress bar switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from common import HIDDEN_SIZE, LEARNING_RATE, Task, number_steps, run
from neuralforecast import NeuralForecast
from neuralforecast.models import GRU

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

torch.set_num_threads(1)


class Library:
    """The verbs of the benchmark in the words of neuralforecast."""

    def fit(self, task: Task, frame: pd.DataFrame) -> Any:
        """Fit one GRU for a number of steps."""
        model = GRU(
            h=task.horizon,
            input_size=task.context_length,
            encoder_n_layers=1,
            encoder_hidden_size=HIDDEN_SIZE,
            decoder_layers=1,
            decoder_hidden_size=HIDDEN_SIZE,
            max_steps=task.num_steps,
            learning_rate=LEARNING_RATE,
            windows_batch_size=task.batch_size,
            start_padding_enabled=True,
            scaler_type="standard",
            random_seed=task.seed,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        forecaster = NeuralForecast(models=[model], freq=task.freq)
        forecaster.fit(df=frame)
        return forecaster

    def forecast(self, model: Any, task: Task, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast after the last row of each series."""
        del task
        return number_steps(model.predict(df=frame).sort_values(["unique_id", "ds"]), "GRU")

    def save(self, model: Any, folder: Path) -> None:
        """Save without the rows."""
        model.save(str(folder), save_dataset=False, overwrite=True)

    def load(self, folder: Path) -> Any:
        """Load what was saved."""
        return NeuralForecast.load(str(folder))


if __name__ == "__main__":
    run(Library())
