"""`report`: one HTML file about a model: verdict, forecasts, errors on past windows, data, settings."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import singledispatch
from pathlib import Path

import numpy as np

from rnnforecast.charts.chart import step_words
from rnnforecast.charts.forecast_charts import parts_chart
from rnnforecast.charts.page import Page, chart_script, grid, number_words, text
from rnnforecast.charts.plot import drawing_package
from rnnforecast.charts.score_charts import rival_of
from rnnforecast.charts.sections import (
    alarms_section,
    backtest_section,
    category_data_section,
    category_errors_section,
    category_forecast_section,
    comparison_section,
    data_section,
    errors_by_series,
    errors_section,
    forecast_section,
    gains_section,
    memory_section,
    model_section,
    test_section,
    training_section,
    verdict_header,
)
from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import plural
from rnnforecast.json_values import Document
from rnnforecast.members import ENSEMBLE
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import is_zero_shot
from rnnforecast.progress import Progress
from rnnforecast.store.files import check_writable, make_folder, replace_bytes
from rnnforecast.workflows.diagnose import diagnose as diagnose_model
from rnnforecast.workflows.evaluate import evaluate_loaded
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast, PredictResult
from rnnforecast.workflows.model_rows import Files, LoadedModel, load, owned_files
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from rnnforecast.workflows.results import (
    CategoricalEvaluateResult,
    CompareResult,
    DiagnoseResult,
    EvaluateResult,
    InspectResult,
    Metrics,
    ReportResult,
)

#: Series of a panel from which on a page has one past window of each without training: so many errors say enough.
LARGE_PANEL = 1_000
#: Where a page goes unless another file is named.
DEFAULT_OUTPUT = "report.html"


def report(
    model: str | None = None,
    data: Data | Files | None = None,
    *,
    output: str | Path | None = None,
    refit: bool = False,
    diagnose: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> ReportResult:
    """Write a page about a stored model, or `base`, and its rows: one HTML file that loads nothing from anywhere.

    Past windows are forecast with the stored weights; with `refit` the networks are trained again before each window.
    Without training a panel of `LARGE_PANEL` series has one window of each. With `diagnose` the page shows how far back
    networks remember. Without an `output` the page is `report.html`, which must not exist yet. Raises what `predict`,
    `evaluate` and `diagnose` raise, UsageError for a name that does not end with .html,
    ResourceError without the extra `report`.
    """
    started = time.monotonic()
    files = Files.of(data)
    output = output or _unused(DEFAULT_OUTPUT)
    check_outputs({"the page": output}, owned_files(model, files, store=store))
    check_page(output)
    if not (refit or diagnose):  # trainings fork, which is not safe next to a thread
        chart_script()
    result, loaded, forecast = _forecast(model, files, store, progress)
    backtest: EvaluateResult | None = None
    why_not: tuple[str, ...] = ()
    try:
        # weights of a zero-shot forecast are chosen again for every window, which takes most of the time of a large panel
        is_large = loaded.zero_shot is not None and loaded.series.num_series >= LARGE_PANEL
        backtest = evaluate_loaded(loaded, 1 if is_large else None, refit=refit, progress=progress)
    except DataError as error:
        if error.code != "E_SERIES_SHORT":
            raise
        why_not = (f"no past windows: {error.message}",)
    health = diagnose_model(model, files, store=store, progress=progress) if diagnose else None
    command = command or f"rnnforecast report {loaded.manifest.name}"
    if forecast is None:
        page = category_page(result, loaded, backtest, command=command)
    else:
        page = model_page(result, loaded, forecast, backtest, command=command, health=health)
    written = write_page(page, output)
    return ReportResult(
        model=result.model,
        output=str(output),
        num_bytes=written,
        num_series=result.num_series,
        horizon=result.horizon,
        verdict=_verdict(loaded, backtest),
        findings=result.findings,
        notes=(*result.notes, *why_not),
        seconds=time.monotonic() - started,
    )


def _forecast(
    model: str | None, files: Files, store: str | Path | None, progress: Progress | None
) -> tuple[PredictResult, LoadedModel, Forecast | None]:
    """Return the forecast of a page with its model and rows; None in place of numbers for a model of categories."""
    seen: list[tuple[LoadedModel, Forecast]] = []
    result = forecast_request(
        ForecastRequest(None if files.reading is None else files.reading.horizon, reading=files.reading),
        model,
        data=files,
        store=store,
        progress=progress,
        observer=lambda *pair: seen.append(pair),
    )
    if not seen:
        return result, load(model, data=files, store=store, allow_categories=True), None
    return result, *seen[0]


def _unused(path: str) -> str:
    """Return a path that was not named by the user, so that nothing may be there yet. Raises UsageError."""
    if Path(path).exists():
        free = next(name for number in itertools.count(2) if not Path(name := f"report-{number}.html").exists())
        raise UsageError(
            f"{path} exists, and no `--output` names it",
            hint=f"`--overwrite` replaces it, `--output {free}` writes next to it",
            code="E_OUT_EXISTS",
        )
    return path


def check_page(output: str | Path) -> None:
    """Check before the work that a page can be written. Raises UsageError, ResourceError or OutputError."""
    if Path(output).suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"page {output} does not end with .html", hint="name it so: `report.html`", code="E_RUN_OUTPUT"
        )
    drawing_package()
    make_folder(Path(output).parent)
    check_writable(Path(output))


def write_page(page: Page, output: str | Path) -> int:
    """Write a page and return its size in bytes. Raises OutputError."""
    content = page.to_html().encode("utf-8", "replace")
    replace_bytes(output, content)
    return len(content)


def model_page(
    result: PredictResult,
    loaded: LoadedModel,
    forecast: Forecast,
    backtest: EvaluateResult | None,
    *,
    command: str,
    health: DiagnoseResult | None = None,
) -> Page:
    """Return the page of a model: what it forecasts, how well it did, what it was trained on."""
    manifest = loaded.manifest
    page = _page_of(result.model, result.num_series, loaded, horizon=result.horizon)
    is_tested = bool(manifest.metrics)
    metrics = manifest.metrics if is_tested else backtest.metrics if backtest is not None else {}
    verdict = _verdict(loaded, backtest)
    rival = rival_of(verdict)
    verdict_header(page, verdict, metrics)  # type: ignore[arg-type]
    page.tiles.append(
        (
            "Horizon",
            number_words(result.horizon),
            f"{'steps' if result.horizon > 1 else 'step'} of {step_words(result.freq)}",
        )
    )
    page.tiles.append(("Series", number_words(result.num_series), plural(loaded.series.num_rows, "row")))
    forecast_section(page, loaded.series, forecast, errors={} if backtest is None else errors_by_series(backtest))
    parts = [parts_chart(result, each) for each in result.previews if each.parts]
    drawn = [page.figure(f"parts{place}", chart) for place, chart in enumerate(parts)]
    page.add("parts", "Parts of the forecast", grid(*drawn))
    if is_tested:
        test_section(page, metrics, manifest.by_lead, rival=rival)  # type: ignore[arg-type]
    else:
        errors_section(page, metrics, words="On the past windows below.", rival=rival)  # type: ignore[arg-type]
    if backtest is not None:
        has_leads = is_tested and len(manifest.by_lead.leads) > 0
        backtest_section(page, backtest, warning=_warning(loaded, backtest), is_tested=has_leads, rival=rival)
    training_section(page, manifest)
    if health is not None:
        memory_section(page, health)
    gains_section(page, result.gains)
    data_section(page, loaded.series, result.findings, backtest.assumptions if backtest else manifest.assumptions,
                 [str(path) for path in manifest.input.paths])  # fmt: skip
    model_section(page, manifest, forecast.weights or _weights(loaded))
    page.footer = _footer(command)
    return page


def category_page(result: PredictResult, loaded: LoadedModel, backtest: EvaluateResult | None, *, command: str) -> Page:
    """Return the page of a model of categories: probabilities of the next steps, errors, transitions, training."""
    manifest = loaded.manifest
    if not isinstance(result, CategoricalForecast) or loaded.categorical is None:
        raise TypeError("a forecast of numbers")
    page = _page_of(result.model, result.num_series, loaded, horizon=result.horizon)
    is_tested = bool(manifest.metrics)
    metrics = manifest.metrics if is_tested else backtest.metrics if backtest is not None else {}
    _category_header(page, _verdict(loaded, backtest), metrics)  # type: ignore[arg-type]
    category_forecast_section(page, result)
    confusion = backtest.confusion if isinstance(backtest, CategoricalEvaluateResult) else ()
    words = "Log losses on the test rows of the training; the map is of past windows of today's rows."
    if backtest is not None and (warning := _warning(loaded, backtest)):
        words += f" {warning[:1].upper()}{warning[1:]}."
    category_errors_section(page, metrics, result.categories, confusion, words=words)  # type: ignore[arg-type]
    training_section(page, manifest)
    transitions = np.exp(np.asarray(loaded.categorical[1]["transitions"][0, :-1], dtype=np.float64))
    category_data_section(page, manifest, transitions, result.findings)
    model_section(page, manifest, {})
    page.footer = _footer(command)
    return page


def _category_header(page: Page, verdict: Mapping[str, object] | None, metrics: Metrics) -> None:
    verdict_header(page, verdict, {})
    for name, ours in (("Log loss", "log_loss"), ("Accuracy", "accuracy")):
        if ENSEMBLE in metrics:
            more = (
                "smaller is better" if ours == "log_loss" else "how often the most probable category was the actual one"
            )
            page.tiles.append((name, number_words(metrics[ENSEMBLE][ours], digits=3), more))


def forecast_page(result: PredictResult, loaded: LoadedModel, forecast: Forecast, *, command: str) -> Page:
    """Return the page of `predict --report`: the forecasts, and the test of the training where there was one."""
    page = model_page(result, loaded, forecast, None, command=command)
    if loaded.zero_shot is not None:
        page.outcome = ("none", "Not tested")
        page.verdict = "This page forecasts without a test: `rnnforecast report base FILE` forecasts past rows too."
    return page


@singledispatch
def page_of(result: Document) -> Page:
    """Return the page of a result, without the command that makes it again; each type registers its own."""
    raise UsageError(
        f"a {type(result).__name__} has no page", hint="`rnnforecast report` writes a page about a stored model"
    )


def result_page(result: Document, *, command: str) -> Page:
    """Return the page of `--report`: what the result holds, and the command that makes it again."""
    page = page_of(result)
    page.footer = _footer(command)
    return page


@page_of.register(EvaluateResult)
def _backtest_page(result: EvaluateResult) -> Page:
    page = Page(title=f"Backtest of {result.model}", eyebrow=_eyebrow())
    verdict_header(page, result.verdict, result.metrics, is_calibrated=result.num_calibrated > 0)
    page.tiles.append(("Windows", number_words(result.num_windows), f"of each series, {len(result.cutoffs)} cutoffs"))
    warning = next((each for each in result.notes if "flatter" in each), "")
    errors_section(page, result.metrics, words="On the past windows below.", rival=rival_of(result.verdict))
    backtest_section(page, result, warning=warning, rival=rival_of(result.verdict))
    gains_section(page, result.gains)
    if result.series is not None:
        data_section(page, result.series, result.findings, result.assumptions, [])
    return page


@page_of.register(CategoricalForecast)
def _categories_page(result: CategoricalForecast) -> Page:
    page = Page(title=f"{result.target}: the next {plural(result.horizon, 'step')}", eyebrow=_eyebrow())
    category_forecast_section(page, result)
    return page


@page_of.register(CategoricalEvaluateResult)
def _category_backtest_page(result: CategoricalEvaluateResult) -> Page:
    page = Page(title=f"Backtest of {result.model}", eyebrow=_eyebrow())
    _category_header(page, result.verdict, result.metrics)
    warning = next((f" {each}." for each in result.notes if "flatter" in each), "")
    words = f"On {plural(result.num_windows, 'past window')} of each series.{warning}"
    category_errors_section(page, result.metrics, result.categories, result.confusion, words=words)
    return page


@page_of.register(CompareResult)
def _comparison_page(result: CompareResult) -> Page:
    page = Page(title="Comparison of methods", eyebrow=_eyebrow())
    verdict_header(page, result.verdict, result.metrics)
    page.tiles.append(("Windows", number_words(result.num_windows), f"of each series, {len(result.cutoffs)} cutoffs"))
    comparison_section(page, result)
    return page


@page_of.register(DiagnoseResult)
def _memory_page(result: DiagnoseResult) -> Page:
    page = Page(title=f"Memory of recurrent networks: {result.model}", eyebrow=_eyebrow())
    memory_section(page, result)
    return page


@page_of.register(DetectResult)
def _alarms_page(result: DetectResult) -> Page:
    title = plural(len(result.alarms), "alarm") if result.alarms else "No alarm"
    page = Page(title=f"{title} in {result.num_scored:,} rows", eyebrow=_eyebrow())
    page.tiles.append(
        ("Alarms", number_words(len(result.alarms)), f"budget {result.budget} allows {result.allowed:.2g}")
    )
    page.tiles.append(
        ("Series", number_words(result.num_series), f"{plural(result.num_rows, 'row')}, {result.num_scored:,} scored")
    )
    alarms_section(page, result)
    return page


@page_of.register(InspectResult)
def _profile_page(result: InspectResult) -> Page:
    page = Page(title="How the data were read", eyebrow=_eyebrow())
    if result.series is not None:
        data_section(page, result.series, result.findings, result.assumptions, result.paths)
    return page


def _page_of(name: str, num_series: int, loaded: LoadedModel, *, horizon: int) -> Page:
    targets = ", ".join(loaded.series.target_names)
    more = f" of {plural(num_series, 'series', 'series')}" if num_series > 1 else ""
    return Page(title=f"{targets}: the next {plural(horizon, 'step')}{more}", eyebrow=f"{_eyebrow()}, model {name}")


def _eyebrow() -> str:
    return f"Report of {datetime.now(UTC):%d %B %Y, %H:%M} UTC"


def _footer(command: str) -> str:
    words = "One file: it holds its charts and numbers and asks for nothing from anywhere."
    return f"<h2>Make it again</h2><pre>{text(command, is_whole=True)}</pre><p>{words}</p>"


def _verdict(loaded: LoadedModel, backtest: EvaluateResult | None) -> Mapping[str, object] | None:
    """Return the verdict of the training, which no later row can flatter, else that of the past windows."""
    if loaded.manifest.metrics:
        return loaded.manifest.verdict
    return None if backtest is None else backtest.verdict


def _warning(loaded: LoadedModel, backtest: EvaluateResult) -> str:
    """Return what a reader must know of windows that the stored weights were fitted on."""
    return (
        ""
        if loaded.manifest.name == BASE
        else next((note for note in backtest.notes if "windows are within" in note), "")
    )


def _weights(loaded: LoadedModel) -> dict[str, float]:
    """Return the weights of a trained ensemble by group of networks, Theta among them."""
    ensemble = loaded.ensemble
    networks = 1.0 - ensemble.theta_weight
    kinds: dict[str, float] = {}
    groups = sorted(set(ensemble.groups)) if ensemble.group_weights else []
    for number, weight in zip(groups, ensemble.group_weights, strict=True):
        members = [member for member, group in zip(ensemble.members, ensemble.groups, strict=True) if group == number]
        name = getattr(members[0], "cell", BASE)
        kinds[name if name not in kinds else f"{name} {number + 1}"] = networks * weight
    if not kinds:
        kinds = {"zero-shot" if is_zero_shot(ensemble) else "networks": networks}
    return kinds | ({"theta": ensemble.theta_weight} if ensemble.theta_weight else {})
