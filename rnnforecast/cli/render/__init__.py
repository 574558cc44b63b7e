"""Results as screens: `render` picks the blocks of a result and draws them for the width of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rnnforecast.cli.text import supports_unicode
from rnnforecast.workflows.batch.results import BatchPlan, BatchResult, UnitsResult
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.results import (
    CompareResult,
    DoctorResult,
    EvaluateResult,
    InspectResult,
    ModelResult,
    ModelsResult,
    PredictResult,
    TrainResult,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

Result = (
    InspectResult
    | TrainResult
    | PredictResult
    | EvaluateResult
    | CompareResult
    | ScoreResult
    | ModelsResult
    | ModelResult
    | DoctorResult
    | BatchResult
    | BatchPlan
    | UnitsResult
)


def render(result: Result, *, stream: TextIO, width: int | None = None) -> str:
    """Return a result as the text of its screen; colours and width are those of the stream."""
    if isinstance(result, UnitsResult):
        return result.text  # for a file, not for the width of a screen
    from rnnforecast.cli.render.blocks import draw, open_console

    console = open_console(stream)
    if width is not None:
        console.width = width
    blocks = _blocks(result, width=console.width, braille=supports_unicode(getattr(stream, "encoding", None)))
    drawn = draw(blocks, console) if blocks else ""
    if isinstance(result, BatchResult):
        from rnnforecast.cli.render.batch import after_batch

        drawn += after_batch(result, stream=stream)
    return drawn


def _blocks(result: Result, *, width: int, braille: bool) -> list[RenderableType]:
    if isinstance(result, PredictResult):
        from rnnforecast.cli.render.forecast import forecast_blocks

        return forecast_blocks(result, width=width, braille=braille)
    if isinstance(result, InspectResult):
        from rnnforecast.cli.render.reading import inspect_blocks

        return inspect_blocks(result)
    if isinstance(result, TrainResult | EvaluateResult | CompareResult):
        from rnnforecast.cli.render import backtest as judged

        return judged.blocks(result, width=width)
    if isinstance(result, BatchResult | BatchPlan):
        from rnnforecast.cli.render import batch

        draw_jobs = batch.plan_blocks if isinstance(result, BatchPlan) else batch.batch_blocks
        return draw_jobs(result, width=width)  # type: ignore[arg-type]
    if isinstance(result, ScoreResult):
        from rnnforecast.cli.render.score import score_blocks

        return score_blocks(result, width=width)
    from rnnforecast.cli.render import store

    if isinstance(result, ModelResult):
        return store.model_blocks(result, width=width)
    if isinstance(result, ModelsResult):
        return store.models_blocks(result, width=width)
    return store.doctor_blocks(result) if isinstance(result, DoctorResult) else []
