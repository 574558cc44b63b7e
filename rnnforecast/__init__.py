"""Forecast time series with recurrent networks, from the command line or from Python.

The functions have the names of the commands: `inspect`, `train`, `predict`, `evaluate`, `compare`, ... Names load on
first use, so that `import rnnforecast` is quick. `docs/python.md` has an example of each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnforecast.charts.plot import plot as plot
    from rnnforecast.charts.report import report as report
    from rnnforecast.config import Settings as Settings
    from rnnforecast.data.read import read_series as read_series
    from rnnforecast.errors import RnnForecastError as RnnForecastError
    from rnnforecast.serving.run import ServeOptions as ServeOptions
    from rnnforecast.serving.run import serve as serve
    from rnnforecast.workflows.alarm_actions import apply_policy as apply_policy
    from rnnforecast.workflows.batch.results import BatchResult as BatchResult
    from rnnforecast.workflows.batch.run import batch as batch
    from rnnforecast.workflows.compare import compare as compare
    from rnnforecast.workflows.detect import detect as detect
    from rnnforecast.workflows.diagnose import diagnose as diagnose
    from rnnforecast.workflows.doctor import doctor as doctor
    from rnnforecast.workflows.evaluate import evaluate as evaluate
    from rnnforecast.workflows.export import export_model as export_model
    from rnnforecast.workflows.forecasts.predict_result import PredictResult as PredictResult
    from rnnforecast.workflows.forecasts.windows_table import windows_frame as windows_frame
    from rnnforecast.workflows.inspect import inspect as inspect
    from rnnforecast.workflows.model_rows import Files as Files
    from rnnforecast.workflows.models import list_models as list_models
    from rnnforecast.workflows.models import load_model as load_model
    from rnnforecast.workflows.models import promote_model as promote_model
    from rnnforecast.workflows.models import prune_models as prune_models
    from rnnforecast.workflows.models import remove_models as remove_models
    from rnnforecast.workflows.models import rollback_model as rollback_model
    from rnnforecast.workflows.models import show_model as show_model
    from rnnforecast.workflows.models import verify_models as verify_models
    from rnnforecast.workflows.monitoring.detect_result import DetectResult as DetectResult
    from rnnforecast.workflows.monitoring.score_result import ScoreResult as ScoreResult
    from rnnforecast.workflows.predict import ForecastRequest as ForecastRequest
    from rnnforecast.workflows.predict import predict as predict
    from rnnforecast.workflows.predict_and_log import predict_and_log as predict_and_log
    from rnnforecast.workflows.results import CompareResult as CompareResult
    from rnnforecast.workflows.results import DiagnoseResult as DiagnoseResult
    from rnnforecast.workflows.results import DoctorResult as DoctorResult
    from rnnforecast.workflows.results import EvaluateResult as EvaluateResult
    from rnnforecast.workflows.results import InspectResult as InspectResult
    from rnnforecast.workflows.results import ModelResult as ModelResult
    from rnnforecast.workflows.results import ModelsResult as ModelsResult
    from rnnforecast.workflows.results import ReportResult as ReportResult
    from rnnforecast.workflows.results import ScriptResult as ScriptResult
    from rnnforecast.workflows.results import TrainResult as TrainResult
    from rnnforecast.workflows.results import TuneResult as TuneResult
    from rnnforecast.workflows.score import score as score
    from rnnforecast.workflows.script import script as script
    from rnnforecast.workflows.shards.plan import Shard as Shard
    from rnnforecast.workflows.shards.results import ShardResult as ShardResult
    from rnnforecast.workflows.shards.run import predict_shard as predict_shard
    from rnnforecast.workflows.stream import StreamRequest as StreamRequest
    from rnnforecast.workflows.stream import StreamResult as StreamResult
    from rnnforecast.workflows.stream import stream as stream
    from rnnforecast.workflows.train import train as train
    from rnnforecast.workflows.tune import tune as tune

#: Module below the package -> its public names; the type checker reads the imports above.
_NAMES = {
    "charts.plot": "plot",
    "charts.report": "report",
    "config": "Settings",
    "data.read": "read_series",
    "errors": "RnnForecastError",
    "serving.run": "ServeOptions serve",
    "workflows.alarm_actions": "apply_policy",
    "workflows.batch.results": "BatchResult",
    "workflows.batch.run": "batch",
    "workflows.compare": "compare",
    "workflows.detect": "detect",
    "workflows.diagnose": "diagnose",
    "workflows.doctor": "doctor",
    "workflows.evaluate": "evaluate",
    "workflows.export": "export_model",
    "workflows.forecasts.predict_result": "PredictResult",
    "workflows.forecasts.windows_table": "windows_frame",
    "workflows.inspect": "inspect",
    "workflows.model_rows": "Files",
    "workflows.models": "list_models load_model promote_model prune_models "
    "remove_models rollback_model show_model verify_models",
    "workflows.monitoring.detect_result": "DetectResult",
    "workflows.monitoring.score_result": "ScoreResult",
    "workflows.predict": "ForecastRequest predict",
    "workflows.predict_and_log": "predict_and_log",
    "workflows.results": "CompareResult DiagnoseResult DoctorResult EvaluateResult InspectResult "
    "ModelResult ModelsResult ReportResult ScriptResult TrainResult TuneResult",
    "workflows.score": "score",
    "workflows.script": "script",
    "workflows.shards.plan": "Shard",
    "workflows.shards.results": "ShardResult",
    "workflows.shards.run": "predict_shard",
    "workflows.stream": "StreamRequest StreamResult stream",
    "workflows.train": "train",
    "workflows.tune": "tune",
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
