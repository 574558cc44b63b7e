"""Results as screens: `render` draws the blocks of a result for the width of a stream."""

from __future__ import annotations

from importlib import import_module
from typing import TextIO

from rnnforecast.cli.text import supports_unicode
from rnnforecast.json_values import Document

#: Name of a result -> the module of this package that registers its screen. Neither is imported before it is needed.
SCREENS = {
    "InspectResult": "reading",
    "TrainResult": "backtest",
    "EvaluateResult": "backtest",
    "CompareResult": "backtest",
    "TuneResult": "tune",
    "PredictResult": "forecast",
    "CategoricalTrainResult": "categorical",
    "CategoricalEvaluateResult": "categorical",
    "CategoricalForecast": "categorical",
    "ScoreResult": "score",
    "DetectResult": "detect",
    "ModelsResult": "store",
    "ModelResult": "store",
    "DoctorResult": "store",
    "BatchResult": "batch",
    "BatchPlan": "batch",
    "ReportResult": "store",
    "DiagnoseResult": "health",
    "ShardResult": "shards",
}


def render(result: Document, *, stream: TextIO, width: int | None = None) -> str:
    """Return a result as the text of its screen; colours and width are those of the stream.

    Raises TypeError for a type of result without a screen.
    """
    text = getattr(result, "text", None)
    if isinstance(text, str):
        return text  # of a file: the width of the screen does not matter
    from rnnforecast.cli.render.blocks import Space, draw, open_console, screen

    name = type(result).__name__
    if name not in SCREENS:
        raise TypeError(f"no screen for {name}: add it to SCREENS")
    module = import_module(f"{__name__}.{SCREENS[name]}")
    console = open_console(stream)
    if width is not None:
        console.width = width
    space = Space(width=console.width, braille=supports_unicode(getattr(stream, "encoding", None)))
    blocks = screen(result, space)
    drawn = draw(blocks, console) if blocks else ""
    return drawn + module.after_batch(result, stream=stream) if name == "BatchResult" else drawn
