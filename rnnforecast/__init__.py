"""Forecast time series with recurrent networks, from the command line or from Python.

The functions have the names of the commands: `inspect`, `train`, `predict`, `evaluate`, `compare`, ... Names load on
first use, so that `import rnnforecast` is quick. `docs/python.md` has an example of each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnforecast.charts.plot import plot
    from rnnforecast.charts.report import report
    from rnnforecast.config import Settings
    from rnnforecast.data.read import read_series
    from rnnforecast.errors import RnnForecastError
    from rnnforecast.serving.run import ServeOptions, serve
    from rnnforecast.workflows.alarm_actions import apply_policy
    from rnnforecast.workflows.batch.results import BatchResult
    from rnnforecast.workflows.batch.run import batch
    from rnnforecast.workflows.compare import compare
    from rnnforecast.workflows.detect import detect
    from rnnforecast.workflows.diagnose import diagnose
    from rnnforecast.workflows.doctor import doctor
    from rnnforecast.workflows.evaluate import evaluate
    from rnnforecast.workflows.export import export_model
    from rnnforecast.workflows.forecasts.predict_result import PredictResult
    from rnnforecast.workflows.forecasts.windows_table import windows_frame
    from rnnforecast.workflows.inspect import inspect
    from rnnforecast.workflows.model_rows import Files
    from rnnforecast.workflows.models import (
        list_models,
        load_model,
        promote_model,
        prune_models,
        remove_models,
        rollback_model,
        show_model,
        verify_models,
    )
    from rnnforecast.workflows.monitoring.detect_result import DetectResult
    from rnnforecast.workflows.monitoring.score_result import ScoreResult
    from rnnforecast.workflows.predict import ForecastRequest, predict
    from rnnforecast.workflows.predict_and_log import predict_and_log
    from rnnforecast.workflows.results import (
        CompareResult,
        DiagnoseResult,
        DoctorResult,
        EvaluateResult,
        InspectResult,
        ModelResult,
        ModelsResult,
        ReportResult,
        TrainResult,
        TuneResult,
    )
    from rnnforecast.workflows.score import score
    from rnnforecast.workflows.script import script
    from rnnforecast.workflows.shards.plan import Shard
    from rnnforecast.workflows.shards.results import ShardResult
    from rnnforecast.workflows.shards.run import predict_shard
    from rnnforecast.workflows.stream import StreamRequest, StreamResult, stream
    from rnnforecast.workflows.train import train
    from rnnforecast.workflows.tune import tune

__all__ = [
    "BatchResult",
    "CompareResult",
    "DetectResult",
    "DiagnoseResult",
    "DoctorResult",
    "EvaluateResult",
    "Files",
    "ForecastRequest",
    "InspectResult",
    "ModelResult",
    "ModelsResult",
    "PredictResult",
    "ReportResult",
    "RnnForecastError",
    "ScoreResult",
    "ScriptResult",
    "ServeOptions",
    "Settings",
    "Shard",
    "ShardResult",
    "StreamRequest",
    "StreamResult",
    "TrainResult",
    "TuneResult",
    "apply_policy",
    "batch",
    "compare",
    "detect",
    "diagnose",
    "doctor",
    "evaluate",
    "export_model",
    "inspect",
    "list_models",
    "load_model",
    "plot",
    "predict",
    "predict_and_log",
    "predict_shard",
    "promote_model",
    "prune_models",
    "read_series",
    "remove_models",
    "report",
    "rollback_model",
    "score",
    "script",
    "serve",
    "show_model",
    "stream",
    "train",
    "tune",
    "verify_models",
    "windows_frame",
]

_MODULES = {
    "BatchResult": "rnnforecast.workflows.batch.results",
    "CompareResult": "rnnforecast.workflows.results",
    "DiagnoseResult": "rnnforecast.workflows.results",
    "DetectResult": "rnnforecast.workflows.monitoring.detect_result",
    "DoctorResult": "rnnforecast.workflows.results",
    "EvaluateResult": "rnnforecast.workflows.results",
    "Files": "rnnforecast.workflows.model_rows",
    "ForecastRequest": "rnnforecast.workflows.predict",
    "InspectResult": "rnnforecast.workflows.results",
    "ModelResult": "rnnforecast.workflows.results",
    "ModelsResult": "rnnforecast.workflows.results",
    "PredictResult": "rnnforecast.workflows.forecasts.predict_result",
    "ReportResult": "rnnforecast.workflows.results",
    "RnnForecastError": "rnnforecast.errors",
    "ScoreResult": "rnnforecast.workflows.monitoring.score_result",
    "ScriptResult": "rnnforecast.workflows.results",
    "ServeOptions": "rnnforecast.serving.run",
    "Settings": "rnnforecast.config",
    "Shard": "rnnforecast.workflows.shards.plan",
    "ShardResult": "rnnforecast.workflows.shards.results",
    "StreamRequest": "rnnforecast.workflows.stream",
    "StreamResult": "rnnforecast.workflows.stream",
    "TrainResult": "rnnforecast.workflows.results",
    "TuneResult": "rnnforecast.workflows.results",
    "apply_policy": "rnnforecast.workflows.alarm_actions",
    "batch": "rnnforecast.workflows.batch.run",
    "compare": "rnnforecast.workflows.compare",
    "detect": "rnnforecast.workflows.detect",
    "diagnose": "rnnforecast.workflows.diagnose",
    "doctor": "rnnforecast.workflows.doctor",
    "evaluate": "rnnforecast.workflows.evaluate",
    "export_model": "rnnforecast.workflows.export",
    "inspect": "rnnforecast.workflows.inspect",
    "list_models": "rnnforecast.workflows.models",
    "load_model": "rnnforecast.workflows.models",
    "plot": "rnnforecast.charts.plot",
    "predict": "rnnforecast.workflows.predict",
    "predict_and_log": "rnnforecast.workflows.predict_and_log",
    "predict_shard": "rnnforecast.workflows.shards.run",
    "promote_model": "rnnforecast.workflows.models",
    "prune_models": "rnnforecast.workflows.models",
    "read_series": "rnnforecast.data.read",
    "remove_models": "rnnforecast.workflows.models",
    "report": "rnnforecast.charts.report",
    "rollback_model": "rnnforecast.workflows.models",
    "score": "rnnforecast.workflows.score",
    "script": "rnnforecast.workflows.script",
    "serve": "rnnforecast.serving.run",
    "show_model": "rnnforecast.workflows.models",
    "stream": "rnnforecast.workflows.stream",
    "train": "rnnforecast.workflows.train",
    "tune": "rnnforecast.workflows.tune",
    "verify_models": "rnnforecast.workflows.models",
    "windows_frame": "rnnforecast.workflows.forecasts.windows_table",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
