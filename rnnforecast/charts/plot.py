"""`plot`: a result as a picture, PNG or SVG, by the size of a slide; each type of result chooses its charts."""

from __future__ import annotations

import importlib
import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from pathlib import Path
from typing import Any

from rnnforecast.charts.alarm_charts import alarm_chart
from rnnforecast.charts.category_charts import confusion_chart, probability_chart
from rnnforecast.charts.chart import COLOURS, FONT, Chart, Spec, config, shortened, themed
from rnnforecast.charts.forecast_charts import forecast_chart
from rnnforecast.charts.network_charts import attention_chart, memory_chart, occlusion_chart
from rnnforecast.charts.profile_charts import profile_charts
from rnnforecast.charts.score_charts import error_chart, lead_chart, log_loss_chart, rival_of, time_chart, verdict_words
from rnnforecast.errors import OutputError, UsageError, first_line, missing_extra
from rnnforecast.json_values import Document
from rnnforecast.store.files import check_writable, make_folder, replace_bytes
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast, PredictResult
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.results import (
    CategoricalEvaluateResult,
    CompareResult,
    DiagnoseResult,
    EvaluateResult,
    InspectResult,
)

#: What a picture can be.
PICTURES = (".png", ".svg")
#: Points of a slide, 16 : 9; a PNG has twice as many pixels each way.
WIDTH, HEIGHT = 1280, 720
PIXELS_PER_POINT = 2.0
_MARGIN = 44
_TEXT = 1.15
_HEADLINE = 80  # characters of a line; a longer headline is wrapped
_LETTER, _TITLE_LETTER = 8.4, 13.5  # points of a letter of a subtitle and of a title, in a wide font
_LOW = 120  # points; a lower chart has fewer numbers at its axis


def drawing_package() -> Any:
    """Return the module that draws. Raises ResourceError where the extra `report` is not installed."""
    try:
        return importlib.import_module("vl_convert")
    except ImportError as error:
        raise missing_extra("pictures and pages need", "vl-convert-python", "report") from error


def check_picture(path: str | Path) -> None:
    """Check before the work that a picture can be made there. Raises UsageError, ResourceError or OutputError."""
    if Path(path).suffix.lower() not in PICTURES:
        raise UsageError(
            f"picture {path} ends with neither .png nor .svg",
            hint="name it so: `--plot forecast.png`",
            code="E_RUN_OUTPUT",
        )
    drawing_package()
    make_folder(Path(path).parent)
    check_writable(Path(path))


def write_picture(charts: Sequence[Chart], path: str | Path, *, headline: str = "") -> None:
    """Draw charts below each other, or side by side where there are two, and write them. Raises OutputError."""
    spec = json.dumps(slide(charts, headline=headline), allow_nan=False)
    package = drawing_package()
    try:
        if Path(path).suffix.lower() == ".svg":
            drawn = str(package.vegalite_to_svg(spec, allowed_base_urls=[])).encode("utf-8")
        else:
            drawn = bytes(package.vegalite_to_png(spec, scale=PIXELS_PER_POINT, allowed_base_urls=[]))
    except ValueError as error:
        message = f"picture {path} cannot be drawn: {first_line(error)}"
        raise OutputError(message, hint="look for values of an absurd size, or leave the picture out") from error
    replace_bytes(path, drawn)


def slide(charts: Sequence[Chart], *, headline: str = "") -> Spec:
    """Return one specification of the size of a slide, in light colours."""
    width, top = WIDTH - 2 * _MARGIN, 120 if headline else 0
    if len(charts) == 1:
        whole = _sized(charts[0], width=width, height=HEIGHT - 2 * _MARGIN - 130)
    elif len(charts) == 2:
        size = {"width": (width - 60) // 2, "height": HEIGHT - 2 * _MARGIN - 150 - top // 2}
        whole = {"hconcat": [_sized(chart, **size) for chart in charts]}
    else:
        height = max((HEIGHT - 2 * _MARGIN - top // 2) // len(charts) - 145, 70)
        whole = {"vconcat": [_sized(chart, width=width, height=height) for chart in charts]}
    if len(charts) > 1:
        whole["resolve"] = {"scale": {"color": "independent"}}
    if headline:
        lines = textwrap.wrap(headline.replace("`", ""), width=_HEADLINE)
        whole["title"] = {"text": lines if len(lines) > 1 else lines[0], "fontSize": 26, "offset": 26}
    whole |= {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": {**config(scale=_TEXT), "background": COLOURS["@ground"][0], "font": FONT, "aria": False},
        "padding": _MARGIN,
        "autosize": {"type": "pad", "contains": "padding"},
    }
    found: Spec = themed(whole)
    return found


def _sized(chart: Chart, *, width: int, height: int) -> Spec:
    still = tuple(layer for layer in chart.layers if "params" not in layer)  # a picture follows no pointer
    chart = replace(chart, layers=tuple(map(_with_few_ticks, still)) if height < _LOW else still)
    lines = textwrap.wrap(shortened(chart.subtitle, 300), width=int(width / _LETTER))
    title = {"text": shortened(chart.title, int(width / _TITLE_LETTER)), "subtitle": lines}
    return {**chart.spec(), "width": width, "height": height, "title": title}


def _with_few_ticks(layer: Spec) -> Spec:
    y = layer.get("encoding", {}).get("y")
    if not isinstance(y, dict) or "field" not in y:
        return layer
    return {**layer, "encoding": {**layer["encoding"], "y": {**y, "axis": {"tickCount": 3}}}}


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
    raise UsageError(f"a {type(result).__name__} cannot be drawn", hint="plot what a command with `--plot` returns")


@charts_of.register(PredictResult)
def _of_forecast(result: PredictResult) -> tuple[str, list[Chart]]:
    charts = [forecast_chart(result, preview) for preview in result.previews]
    more = result.num_series - len(charts)
    return (f"The first {len(charts)} of {result.num_series:,} series" if more > 0 else ""), charts


@charts_of.register(CategoricalForecast)
def _of_categories(result: CategoricalForecast) -> tuple[str, list[Chart]]:
    charts = [probability_chart(result, number) for number in result.shown]
    more = result.num_series - len(charts)
    return (f"{len(charts)} of {result.num_series:,} series" if more > 0 else ""), charts


@charts_of.register(CategoricalEvaluateResult)
def _of_category_backtest(result: CategoricalEvaluateResult) -> tuple[str, list[Chart]]:
    found = [
        log_loss_chart(result.metrics, rival=rival_of(result.verdict)),
        confusion_chart(result.categories, result.confusion),
    ]
    return verdict_words(result.verdict), [chart for chart in found if chart is not None]


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
