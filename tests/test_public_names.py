"""The public surface: what `import rnnforecast` gives, and nothing else by accident."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rnnforecast

PUBLIC = [
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


def test_the_public_names_are_these() -> None:
    assert rnnforecast.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_loads_and_says_what_it_is(name: str) -> None:
    assert getattr(rnnforecast, name).__doc__


def test_dir_lists_the_public_names() -> None:
    assert dir(rnnforecast) == PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rnnforecast' has no attribute 'forcast'"):
        _ = rnnforecast.forcast


def test_importing_the_package_imports_nothing_else() -> None:
    heavy = ("numpy", "pandas", "torch", "pydantic")
    code = f"import sys; import rnnforecast; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
