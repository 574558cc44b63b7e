"""Small files, and trainings on them that take a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

import rnnforecast
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.results import TrainResult

#: The stored networks are fitted on all rows.
TINY: dict[str, object] = {
    "num_steps": 5,
    "num_members": 1,
    "hidden_size": 4,
    "batch_size": 8,
    "horizon": 7,
    "refit": True,
}


def days(num_rows: int, *, start: date = date(2024, 1, 1), step: int = 1) -> list[str]:
    """Return dates as a file writes them."""
    return [(start + timedelta(step * number)).isoformat() for number in range(num_rows)]


def wave(num_rows: int, *, seed: int = 1) -> list[float]:
    """Return a positive week with noise."""
    noise = np.random.default_rng(seed).normal(size=num_rows)
    return [float(value) for value in 100 + 10 * np.sin(np.arange(num_rows) * 2 * np.pi / 7) + noise]


def write_csv(path: Path, **columns: Sequence[object]) -> Path:
    """Write columns of one length; an empty text is a missing value."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_days(folder: Path, num_rows: int = 90, *, name: str = "days.csv", seed: int = 1) -> Path:
    """Write a file of dates and one wave."""
    return write_csv(folder / name, date=days(num_rows), value=wave(num_rows, seed=seed))


def fit(*paths: Path, **changes: object) -> TrainResult:
    """Train on files with few steps; the store lies next to the first."""
    settings = rnnforecast.Settings.from_flat({**TINY, **changes})
    return rnnforecast.train(list(paths), settings, store=store_of(paths[0]))


def forecast(path: Path, **arguments: object) -> PredictResult:
    """Forecast with the newest model next to a file."""
    return rnnforecast.predict(store=store_of(path), **arguments)  # type: ignore[arg-type]


def store_of(path: Path) -> Path:
    """Return the store next to a file."""
    return path.parent / "store"
