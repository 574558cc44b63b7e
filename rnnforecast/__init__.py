"""Forecast time series with recurrent networks, from the command line or from Python.

The verbs are those of the command line: `inspect`, `train`, `predict`, `evaluate`, `compare`. Names load on first
use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnforecast.config import Settings
    from rnnforecast.data.read import read_series
    from rnnforecast.errors import RnnForecastError
    from rnnforecast.workflows.batch.results import BatchResult
    from rnnforecast.workflows.batch.run import batch
    from rnnforecast.workflows.compare import compare
    from rnnforecast.workflows.evaluate import evaluate
    from rnnforecast.workflows.inspect import inspect
    from rnnforecast.workflows.model_rows import Files
    from rnnforecast.workflows.models import load_model
    from rnnforecast.workflows.monitoring.score_result import ScoreResult
    from rnnforecast.workflows.predict import predict
    from rnnforecast.workflows.results import (
        CompareResult,
        EvaluateResult,
        InspectResult,
        PredictResult,
        TrainResult,
    )
    from rnnforecast.workflows.score import score
    from rnnforecast.workflows.train import train

__all__ = [
    "BatchResult",
    "CompareResult",
    "EvaluateResult",
    "Files",
    "InspectResult",
    "PredictResult",
    "RnnForecastError",
    "ScoreResult",
    "Settings",
    "TrainResult",
    "batch",
    "compare",
    "evaluate",
    "inspect",
    "load_model",
    "predict",
    "read_series",
    "score",
    "train",
]

_RESULTS = "rnnforecast.workflows.results"
_HOMES = {
    "BatchResult": "rnnforecast.workflows.batch.results",
    "CompareResult": _RESULTS,
    "EvaluateResult": _RESULTS,
    "Files": "rnnforecast.workflows.model_rows",
    "InspectResult": _RESULTS,
    "PredictResult": _RESULTS,
    "RnnForecastError": "rnnforecast.errors",
    "ScoreResult": "rnnforecast.workflows.monitoring.score_result",
    "Settings": "rnnforecast.config",
    "TrainResult": _RESULTS,
    "batch": "rnnforecast.workflows.batch.run",
    "compare": "rnnforecast.workflows.compare",
    "evaluate": "rnnforecast.workflows.evaluate",
    "inspect": "rnnforecast.workflows.inspect",
    "load_model": "rnnforecast.workflows.models",
    "predict": "rnnforecast.workflows.predict",
    "read_series": "rnnforecast.data.read",
    "score": "rnnforecast.workflows.score",
    "train": "rnnforecast.workflows.train",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
