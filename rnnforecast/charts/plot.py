"""`plot`: a result as a picture; each type of result chooses its charts."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path

from rnnforecast.charts.alarm_charts import alarm_chart
from rnnforecast.charts.chart import Chart
from rnnforecast.charts.forecast_charts import forecast_chart
from rnnforecast.charts.health_charts import attention_chart, memory_chart, occlusion_chart
from rnnforecast.charts.picture import check_picture, write_picture
from rnnforecast.charts.profile_charts import profile_charts
from rnnforecast.charts.score_charts import error_chart, lead_chart, rival_of, time_chart, verdict_words
from rnnforecast.errors import UsageError
from rnnforecast.json_values import Document
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.results import CompareResult, DiagnoseResult, EvaluateResult, InspectResult


def plot(result: Document, path: str | Path) -> None:
    """Draw the result of a command that takes `--plot` for a slide, as a .png or .svg file.

    Raises UsageError for another extension, ResourceError without the extra `report`, OutputError where the file cannot
    be written.
    """
    check_picture(path)
    headline, charts = charts_of(result)
    write_picture(charts, path, headline=headline)


@singledispatch
def charts_of(result: Document) -> tuple[str, list[Chart]]:
    """Return the headline of a picture and its charts."""
    raise UsageError(
        f"a {type(result).__name__} cannot be drawn",
        hint="plot what a command with `--plot` returns",
    )


@charts_of.register(PredictResult)
def _of_forecast(result: PredictResult) -> tuple[str, list[Chart]]:
    charts = [forecast_chart(result, preview) for preview in result.previews]
    more = result.num_series - len(charts)
    return (f"The first {len(charts)} of {result.num_series:,} series" if more > 0 else ""), charts


@charts_of.register(EvaluateResult)
def _of_backtest(result: EvaluateResult) -> tuple[str, list[Chart]]:
    rival = rival_of(result.verdict)
    found = [error_chart(result.metrics, rival=rival), lead_chart(result.per_lead, result.metrics, rival=rival)]
    return verdict_words(result.verdict), [chart for chart in found if chart is not None]


@charts_of.register(CompareResult)
def _of_comparison(result: CompareResult) -> tuple[str, list[Chart]]:
    found = [
        error_chart(result.metrics, networks=result.networks, rival=rival_of(result.verdict)),
        time_chart(result.metrics, result.seconds_per_method, networks=result.networks),
    ]
    return verdict_words(result.verdict), [chart for chart in found if chart is not None]


@charts_of.register(DiagnoseResult)
def _of_health(result: DiagnoseResult) -> tuple[str, list[Chart]]:
    found = [memory_chart(result), occlusion_chart(result), attention_chart(result)]
    return "", [chart for chart in found if chart is not None]


@charts_of.register(DetectResult)
def _of_alarms(result: DetectResult) -> tuple[str, list[Chart]]:
    return "", [alarm_chart(result, preview) for preview in result.previews]


@charts_of.register(InspectResult)
def _of_reading(result: InspectResult) -> tuple[str, list[Chart]]:
    return "", profile_charts(result)
