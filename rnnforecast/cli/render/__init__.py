"""Results as screens: `render` draws the blocks of a result for the width of a stream."""

from __future__ import annotations

from importlib import import_module
from typing import TextIO

from rnnforecast.cli.text import supports_unicode
from rnnforecast.json_values import Document
from rnnforecast.workflows.batch.results import BatchPlan, BatchResult, UnitsResult
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.results import (
    CategoricalEvaluateResult,
    CategoricalForecast,
    CategoricalTrainResult,
    CompareResult,
    DiagnoseResult,
    DoctorResult,
    EvaluateResult,
    InspectResult,
    ModelResult,
    ModelsResult,
    PredictResult,
    ReportResult,
    ScriptResult,
    TrainResult,
    TuneResult,
)
from rnnforecast.workflows.shards.results import ShardResult

#: Type of a result -> the module of this package that registers its screen; it is imported when it is needed.
SCREENS: dict[type[Document], str] = {
    InspectResult: "reading",
    TrainResult: "backtest",
    EvaluateResult: "backtest",
    CompareResult: "backtest",
    TuneResult: "tune",
    PredictResult: "forecast",
    CategoricalTrainResult: "categorical",
    CategoricalEvaluateResult: "categorical",
    CategoricalForecast: "categorical",
    ScoreResult: "score",
    DetectResult: "detect",
    ModelsResult: "store",
    ModelResult: "store",
    DoctorResult: "store",
    BatchResult: "batch",
    BatchPlan: "batch",
    ReportResult: "store",
    DiagnoseResult: "health",
    ShardResult: "shards",
}


def render(result: Document, *, stream: TextIO, width: int | None = None) -> str:
    """Return a result as the text of its screen; colours and width are those of the stream.

    Raises TypeError for a type of result without a screen.
    """
    if isinstance(result, UnitsResult | ScriptResult):
        return result.text  # for a file, not for the width of a screen
    from rnnforecast.cli.render.blocks import Space, draw, open_console, screen

    if type(result) not in SCREENS:
        raise TypeError(f"no screen for {type(result).__name__}: add it to SCREENS")
    import_module(f"{__name__}.{SCREENS[type(result)]}")
    console = open_console(stream)
    if width is not None:
        console.width = width
    space = Space(width=console.width, braille=supports_unicode(getattr(stream, "encoding", None)))
    blocks = screen(result, space)
    drawn = draw(blocks, console) if blocks else ""
    if isinstance(result, BatchResult):
        from rnnforecast.cli.render.batch import after_batch

        drawn += after_batch(result, stream=stream)
    return drawn
