"""The sections of a page: verdict, forecasts, errors, data, model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.charts.alarm_charts import alarm_chart, is_readable
from rnnforecast.charts.category_charts import confusion_chart, probability_chart, transition_chart
from rnnforecast.charts.forecast_charts import timestamp_words
from rnnforecast.charts.network_charts import (
    attention_chart,
    gradient_chart,
    loss_chart,
    memory_chart,
    names_of,
    occlusion_chart,
)
from rnnforecast.charts.page import (
    Page,
    card,
    facts,
    findings_list,
    grid,
    note,
    number_words,
    table,
    text,
    zoom_buttons,
)
from rnnforecast.charts.panel import panel_of
from rnnforecast.charts.profile_charts import gaps_chart, history_chart, lag_chart, season_chart
from rnnforecast.charts.score_charts import (
    coverage_chart,
    cutoff_chart,
    error_chart,
    gains_chart,
    lead_chart,
    log_loss_chart,
    rank_chart,
    ranked,
    rival_of,
    time_chart,
    verdict_words,
    weights_chart,
    windows_chart,
)
from rnnforecast.config import MemberSettings
from rnnforecast.data.series import SeriesSet
from rnnforecast.evaluation.metrics import METRICS, metric_value
from rnnforecast.findings import Finding
from rnnforecast.members import ENSEMBLE, CategoricalSettings, PretrainedSettings
from rnnforecast.mixture.gains import CovariateGain
from rnnforecast.model_io.base import BASE
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.record import LeadRecord
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.profile import total_of
from rnnforecast.workflows.results import CompareResult, DiagnoseResult, EvaluateResult, Metrics
from rnnforecast.workflows.value_profile import profile_of, profile_words, suggestions

_HOW_TO_READ = (
    "The thin line is the history, the thick one the forecast. The true value lies in the inner area with a probability "
    "of 80 %, in the outer one with 95 %. Drag to move; Ctrl and the wheel, or the buttons, zoom."
)
_LICENCE = (
    "the pretrained weights were trained on synthetic series alone and are MIT-licensed with the program; "
    "weights trained on your rows are yours"
)
_MAX_ALARMS = 100
#: What the simple methods forecast.
_SIMPLE = {
    "naive": "which repeats the last value",
    "seasonal-naive": "which repeats the last season",
    "drift": "which continues the line from the first row to the last",
    "seasonal-drift": "which repeats the last season with its change over a season",
    "window-mean": "which repeats the mean of the last rows",
    "historic-mean": "which repeats the mean of all rows",
    "markov": "which follows the most frequent transitions",
    "most-frequent": "which forecasts the frequencies of all categories",
}
_OUTCOMES = {"win": "Win", "loss": "Loss", "tie": "Tie"}
_ORDERS = (("largest", "largest first"), ("worst", "worst error first"), ("best", "best error first"), ("name", "by name"),
           ("file", "as in the file"))  # fmt: skip


def verdict_header(
    page: Page, verdict: Mapping[str, object] | None, metrics: Metrics, *, is_calibrated: bool = False
) -> None:
    """Put the verdict at the top of a page, with its main numbers; `is_calibrated`: the intervals, on these windows."""
    outcome = "none" if verdict is None else str(verdict["outcome"])
    untested = verdict is not None and verdict.get("test") == "none"
    page.outcome = (outcome, "Untested" if untested else _OUTCOMES.get(outcome, "No verdict"))
    page.verdict = verdict_words(verdict) + "."
    if rival_of(verdict):
        page.verdict += f" The rival is {rival_of(verdict)}, {_SIMPLE.get(rival_of(verdict), 'a simple method')}."
    method = ENSEMBLE if verdict is None else str(verdict.get("method", ENSEMBLE))
    ours = metrics.get(method, metrics.get(ENSEMBLE, metrics.get(BASE, {})))
    mase = metric_value(ours, "mase") if ours else None
    if mase is not None:
        page.tiles.append(("MASE", f"{mase:.3g}", "mean error; 1 is that of the naive forecast in the training rows"))
    skill = None if verdict is None else verdict.get("skill")
    if verdict is not None and not untested and isinstance(skill, int | float) and math.isfinite(skill):
        interval = verdict.get("skill_interval")
        more = (
            f"{'smaller' if skill >= 0 else 'larger'} error than {verdict.get('against')} in a typical window or series"
        )
        if isinstance(interval, list | tuple) and all(isinstance(end, int | float) for end in interval):
            level = 100 * float(str(verdict.get("skill_level", 0.95)))
            more += f"; {level:.3g} % interval {interval[0]:+.0f} to {interval[1]:+.0f} %"
        page.tiles.append(("Skill", f"{skill:+.0f} %", more))
    coverage = metric_value(ours, "coverage_80") if ours else None
    if coverage is not None:
        more = (
            "of the actuals; flattered: calibrated on these windows"
            if is_calibrated
            else "of the actuals; 80 % is right"
        )
        page.tiles.append(("In the 80 % interval", f"{100 * coverage:.0f} %", more))


def forecast_section(page: Page, series: SeriesSet, forecast: Forecast, *, errors: Mapping[str, float]) -> None:
    """Add the picker with the forecasts of all series."""
    page.panel = panel_of(series, forecast, errors=errors)
    num_entries = len(page.panel["series"])
    many = " many" if num_entries > 1 else ""
    heads = "".join(f'<th class="n">{text(words)}</th>' for words in ["forecast", *page.panel["ends"].values()])
    options = "".join(
        f'<option value="{key}">{words}</option>' for key, words in _ORDERS if errors or key not in ("worst", "best")
    )
    side = (
        '<div class="side"><label for="search">Find a series</label>'
        '<input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="Search by name">'
        f'<label for="order">Order</label><select id="order">{options}</select>'
        '<ul class="list" role="listbox" tabindex="0" aria-label="Series"></ul><p class="count" aria-live="polite"></p></div>'
    )
    left_out = page.panel["num_left_out"]
    more = (
        f"The page holds the {num_entries:,} largest; {left_out:,} smaller ones are left out to keep it small. "
        if left_out
        else ""
    )
    content = (
        f'<div id="picker" class="card picker{many}">{side if many else _hidden_side()}'
        f'<figure class="card" data-chart="forecast"><figcaption><h3></h3><p></p></figcaption>{zoom_buttons()}'
        '<div class="chart" style="min-height:340px"></div>'
        '<details><summary>In numbers</summary><div class="scroll"><table><thead><tr><th>time</th>'
        f"{heads}</tr></thead><tbody></tbody></table></div></details></figure></div>"
    )
    page.add("forecast", "Forecast", content, lead=f"{more}{_HOW_TO_READ}")


def _hidden_side() -> str:
    """Return the controls of the picker for a single series: nothing to choose."""
    return '<div hidden><input><select><option value="file"></option></select><ul class="list"></ul><p class="count"></p></div>'


def errors_section(page: Page, metrics: Metrics, *figures: str, words: str, rival: str = "") -> None:
    """Add the errors of all methods, with the table of all metrics and more figures."""
    if not metrics:
        return
    numbers = card(_metrics_table(metrics))
    page.add(
        "errors",
        "Errors",
        grid(page.figure("errors", error_chart(metrics, rival=rival)), *figures, numbers),
        lead=words,
    )


def gains_section(page: Page, gains: Sequence[CovariateGain]) -> None:
    """Add what each covariate gains, the largest gain first."""
    page.add("covariates", "Covariates", grid(page.figure("gains", gains_chart(gains))))


def _metrics_table(metrics: Metrics) -> str:
    """Return all metrics of all methods, the best first."""
    methods = ranked(metrics)
    columns = [
        metric
        for metric in METRICS
        if metric.label and any(metric_value(metrics[m], metric.name) is not None for m in methods)
    ]
    rows = [[method, *(_metric(metrics[method], metric.name) for metric in columns)] for method in methods]
    words = "Errors of the median forecast (WQL: of all quantiles), smaller is better. In 80 % and in 95 %: actuals within it."
    return table(["method", *(metric.label for metric in columns)], rows) + f"<p>{text(words)}</p>"


def test_section(page: Page, metrics: Metrics, record: LeadRecord, *, rival: str) -> None:
    """Add the errors of a training's test rows: by method, by lead time, and how well the intervals hold."""
    rows = [
        {"method": method, "lead": lead, "mase": error}
        for method, errors in record.mase.items()
        if method in metrics
        for lead, error in zip(record.leads, errors, strict=True)
    ]
    figures = [page.figure("test-leads", lead_chart(rows, metrics, rival=rival), is_half=True)]
    if record.below:
        chart = coverage_chart(record.levels, record.below, record.num_scored)
        figures.append(page.figure("test-calibration", chart, is_half=True))
    words = "On the test rows, which no network had seen when it was tested."
    errors_section(page, metrics, *figures, words=words, rival=rival)


def training_section(page: Page, manifest: Manifest) -> None:
    """Add the curves of the fits, with the step of each that was kept."""
    curves = [curve for curve in manifest.curves if curve.steps]
    if not curves:
        return
    clip = manifest.settings.get("gradient_clip")
    charts = [loss_chart(curves), gradient_chart(curves, clip=float(clip) if isinstance(clip, int | float) else None)]
    rows = [
        [name, curve.steps[-1], curve.best_step, number_words(min(curve.scores, default=None), digits=3),
         "yes" if curve.is_used else "no: no weight"]
        for name, curve in zip(names_of(curves), curves, strict=True)
    ]  # fmt: skip
    heads = ["network", "steps", "best step", "validation loss in its own units", "in the ensemble"]
    words = "The fits that were tested. Networks are kept as they were at their best step on the validation rows. "
    words += "The loss of a network is in its own units: do not compare it between networks."
    figures = [
        page.figure(name, chart, is_half=True) for name, chart in zip(("loss", "gradients"), charts, strict=True)
    ]
    page.add("training", "Training", grid(*figures, card(table(heads, rows))), lead=words)


def memory_section(page: Page, result: DiagnoseResult) -> None:
    """Add what `diagnose` found: how far back gradients reach and the forecast looks, and advice."""
    figures = [page.figure("memory", memory_chart(result), is_half=True)]
    if result.occlusion:
        figures.append(page.figure("occlusion", occlusion_chart(result), is_half=True))
    figures.append(page.figure("attention", attention_chart(result)))
    heads = ["network", "units", "reads", "remembers", "gradient", "clipped", "gates full", "units full"]
    rows = [
        [row["name"], row["hidden_size"], row["context_length"], row["memory"], number_words(row["gradient_norm"], digits=3),
         *(_fraction(row[key]) for key in ("clipped_fraction", "saturated_gates", "saturated_units"))]
        for row in result.networks
    ]  # fmt: skip
    advice = "".join(f"<li>{text(words)}</li>" for words in result.advice)
    listed = card(f"<h3>Advice</h3><ul>{advice}</ul>") if advice else ""
    words = "Networks of one size, each fitted to these rows for the same short while, and what the stored model does."
    page.add("memory", "Memory", grid(*figures, card(table(heads, rows)), listed), lead=words)


def comparison_section(page: Page, result: CompareResult) -> None:
    """Add the errors of all methods, against time too, by lead time and by series."""
    networks, rival = result.networks, rival_of(result.verdict)
    figures = [
        page.figure("errors", error_chart(result.metrics, networks=networks, rival=rival), is_half=True),
        page.figure("times", time_chart(result.metrics, result.seconds_per_method, networks=networks), is_half=True),
        page.figure("ranks", rank_chart(result.ranks, result.critical_difference, networks=networks), is_half=True),
        page.figure("leads", lead_chart(result.per_lead, result.metrics, networks=networks, rival=rival), is_half=True),
    ]
    page.add("methods", "Methods", grid(*figures, card(_metrics_table(result.metrics))))


def alarms_section(page: Page, result: DetectResult) -> None:
    """Add the rows with their alarms as marks, and a table of the newest alarms."""
    figures = [page.figure(f"alarms{place}", alarm_chart(result, each)) for place, each in enumerate(result.previews)]
    shown = result.alarms[: -_MAX_ALARMS - 1 : -1]
    rows = [
        [timestamp_words(alarm["start"], result.freq), alarm["id"] or "–", alarm["column"],
         _alarm_kind(alarm),
         *(number_words(alarm[key]) for key in ("num_rows", "score", "value", "expected")),
         *(number_words(alarm[key]) if is_readable(alarm) else "–" for key in ("lower", "upper")), alarm["member"]]
        for alarm in shown
    ]  # fmt: skip
    heads = ["start", "series", "column", "kind", "rows", "score", "value", "expected", "from", "to", "found by"]
    more = len(result.alarms) - len(shown)
    words = f"The newest first; {more:,} older ones are left out." if more else "The newest first."
    listed = card(table(heads, rows, numeric=False)) if rows else card("No row is as rare as the budget allows.")
    page.add("alarms", "Alarms", grid(*figures, listed), lead=f"{words} A score of 1 is as rare as the budget allows.")


def _alarm_kind(alarm: Mapping[str, object]) -> str:
    """Return kind and direction; a shape that is unusual lies neither above nor below."""
    keys = ("kind",) if alarm["kind"] == "shape" else ("kind", "direction")
    return " ".join(str(alarm[key]) for key in keys if alarm[key])


def backtest_section(
    page: Page, result: EvaluateResult, *, warning: str = "", is_tested: bool = False, rival: str
) -> None:
    """Add what past windows show: errors by lead time and cutoff, calibration, forecasts against actuals, series.

    With `is_tested` errors and calibration are left out: those of the test are on the page.
    """
    if result.backtest is None or result.series is None:
        return
    backtest, series = result.backtest, result.series
    parts = []
    if not is_tested:
        parts.append(page.figure("leads", lead_chart(result.per_lead, result.metrics, rival=rival), is_half=True))
        below = backtest.fractions_below(ENSEMBLE)
        if below:
            num_scored = int(backtest.actuals.observed.sum())
            chart = coverage_chart(backtest.quantile_levels, below, num_scored)
            parts.append(page.figure("calibration", chart, is_half=True))
    parts.append(page.figure("cutoffs", cutoff_chart(backtest, series, rival=rival)))
    errors = errors_by_series(result)
    scored = sorted(errors, key=lambda label: -errors[label])
    picked = dict.fromkeys(["worst", "median", "best"][: len(scored)] if len(scored) > 2 else [""] * bool(scored))
    for number, kind in enumerate(picked):
        label = scored[{"worst": 0, "median": len(scored) // 2, "best": -1}.get(kind, 0)]
        parts.append(page.figure(f"windows{number}", windows_chart(backtest, series, label, kind=kind)))
    if len(scored) > 1:
        parts.append(_series_table(result, scored))
    words = "A window is a past forecast that is compared with what happened: "
    words += f"{result.num_windows} of each series" + f", {result.window_step} steps apart" * (result.num_windows > 1)
    words += f", the network trained again before each of {len(result.cutoffs)} cutoffs." if result.refit else "."
    page.add("backtest", "Past windows", note(warning) if warning else "", grid(*parts), lead=words)


def _series_table(result: EvaluateResult, scored: Sequence[str]) -> str:
    """Return the worst and the best series with the best simple methods."""
    table_of: dict[str, dict[str, float]] = {}
    for row in result.per_series:
        value = row.get("mase")
        if isinstance(value, int | float):
            table_of.setdefault(str(row["item_id"]), {})[str(row["method"])] = float(value)
    methods = [method for method in ranked(result.metrics) if method != ENSEMBLE][:2]
    chosen = list(scored) if len(scored) <= 20 else [*scored[:10], *scored[-10:]]
    rows = [
        [label, *(number_words(table_of[label].get(method), digits=3) for method in (ENSEMBLE, *methods))]
        for label in chosen
    ]
    words = "Series by error" if len(scored) <= 20 else "The ten worst and the ten best series"
    return card(f"<h3>{words} (MASE)</h3>", table(["series", ENSEMBLE, *methods], rows))


def errors_by_series(result: EvaluateResult) -> dict[str, float]:
    """Return the MASE of the ensemble by item id."""
    return {
        str(row["item_id"]): float(f"{row['mase']:.4g}")
        for row in result.per_series
        if row["method"] == ENSEMBLE and isinstance(row.get("mase"), int | float)
    }


def data_section(
    page: Page, series: SeriesSet, findings: Sequence[Finding], assumptions: Mapping[str, object], paths: Sequence[str]
) -> None:
    """Add the data as they were read: history, season, autocorrelation, findings."""
    ordinals, total = total_of(series)
    length = series.season_length
    profile = profile_of(series)
    shown = {**profile_words(profile), **{f"try {n}": words for n, words in enumerate(suggestions(profile, series), 1)}}
    parts = [page.figure("history", history_chart(series, ordinals, total))] if len(total) else []
    if length > 1 and len(total) >= 2 * length:
        parts.append(page.figure("season", season_chart(series, ordinals, total), is_half=True))
    parts.append(page.figure("gaps", gaps_chart(series)))
    if np.isfinite(total).sum() > 2:
        parts.append(page.figure("lags", lag_chart(total, season_length=length), is_half=length > 1))
    values = f'<h3 class="sub">Values</h3>{facts(shown)}'
    page.add("data", "Data", grid(*parts), values, _reading(findings, assumptions, paths))


def _reading(findings: Sequence[Finding], assumptions: Mapping[str, object], paths: Sequence[str]) -> str:
    """Return how the data were read, and the findings."""
    listed = {
        key.removeprefix("num_").replace("_", " "): _words(value)
        for key, value in assumptions.items()
        if value not in (None, [], "")
    }
    files = {"files": ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")} if paths else {}
    found = findings_list(findings) or card("No findings: nothing in the data needed attention.")
    return (
        f'<h3 class="sub">How the data were read</h3>{facts({**files, **listed})}<h3 class="sub">Findings</h3>{found}'
    )


def category_forecast_section(page: Page, result: CategoricalForecast) -> None:
    """Add the probabilities of the next steps of the series that are shown."""
    figures = [page.figure(f"forecast{number}", probability_chart(result, number)) for number in result.shown]
    hidden = result.num_series - len(figures)
    more = f" {hidden:,} more series are in the table of `predict --output`." if hidden else ""
    page.add("forecast", "Forecast", grid(*figures), lead=f"The darker a cell, the more probable the category.{more}")


def category_errors_section(
    page: Page, metrics: Metrics, categories: Sequence[str], confusion: Sequence[Sequence[int]], *, words: str
) -> None:
    """Add log loss and accuracy of each method, and what was forecast for each actual category."""
    rows = [
        [method, *(number_words(scores[name], digits=3) for name in ("log_loss", "accuracy", "num_scored"))]
        for method, scores in metrics.items()
    ]
    figures = [page.figure("errors", log_loss_chart(metrics), is_half=True)] if metrics else []
    figures.append(page.figure("confusion", confusion_chart(categories, confusion), is_half=True))
    numbers = card(table(["method", "log loss", "accuracy", "steps"], rows)) if rows else ""
    page.add("errors", "Errors", grid(*figures, numbers), lead=words)


def category_data_section(
    page: Page, manifest: Manifest, transitions: Float64Array, findings: Sequence[Finding]
) -> None:
    """Add which category follows which in the training rows, and how these were read."""
    words = tuple(manifest.categories.get(manifest.roles.target[0], ()))
    figure = page.figure("transitions", transition_chart(words, transitions))
    page.add("data", "Data", grid(figure), _reading(findings, manifest.assumptions, manifest.input.paths))


def model_section(page: Page, manifest: Manifest, weights: Mapping[str, float]) -> None:
    """Add what forecasts: members and their weights, settings, versions, the licence of the weights."""
    networks = [*manifest.members, *([manifest.categorical] if manifest.categorical is not None else [])]
    members = [
        f"{'base, the pretrained network' if isinstance(member, PretrainedSettings) else _kind(member)}, "
        f"{member.num_layers} × {member.hidden_size} units, reads {member.context_length} steps"
        for member in networks
    ]
    settings = {key: value for key, value in manifest.settings.items() if value not in (None, [], "", False)}
    about: dict[str, object] = {"model": manifest.label, "trained": _moment(manifest.created) or "not on these rows"}
    about["networks"] = "; ".join(dict.fromkeys(members)) or "none"
    about["seed"] = manifest.seed
    about["versions"] = ", ".join(
        f"{name} {words}" for name, words in {"rnnforecast": manifest.rnnforecast, **manifest.versions}.items() if words
    )
    about["digest of the data"] = manifest.input.digest[:16]
    about["licence"] = _LICENCE
    chart = weights_chart(weights) if len(weights) > 1 else None
    chosen = facts({key.replace("_", " "): _words(value) for key, value in settings.items()})
    known = facts({name: words for name, words in about.items() if words not in ("", None)})
    all_settings = f"<details><summary>All settings of the training</summary>{chosen}</details>" if chosen else ""
    page.add("model", "Model", grid(page.figure("weights", chart)), known, all_settings)


def _kind(member: MemberSettings | CategoricalSettings) -> str:
    return f"{member.cell}, {member.mapping}" if isinstance(member, MemberSettings) else member.cell


def _moment(created: str | None) -> str:
    """Return the time of a training, to the minute."""
    return f"{created[:16].replace('T', ' ')} UTC" if created else ""


def _metric(scores: Mapping[str, object], name: str) -> str:
    value = metric_value(scores, name)
    if value is None:
        return "–"
    return f"{100 * value:.0f} %" if name.startswith("coverage") else f"{value:,.4g}"


def _fraction(number: object) -> str:
    return f"{100 * number:.0f} %" if isinstance(number, int | float) else "–"


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else number_words(value)
