"""Blocks of scores: the metrics of all methods, and the verdict in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import NOTHING, errors, fit_columns, quiet_table, safe, under
from rnnforecast.evaluation.metrics import METRICS, Metric, metric_value
from rnnforecast.evaluation.verdict import verdict_sentence
from rnnforecast.members import ENSEMBLE

if TYPE_CHECKING:
    from rnnforecast.workflows.results import Metrics

_CATEGORY_LEGEND = "log loss: minus the logarithm of the probability of what happened, smaller is better"
_OUTCOME_STYLES = {"win": "bold green", "tie": "bold yellow", "loss": "bold red"}


def metrics_block(
    metrics: Metrics,
    *,
    title: Text,
    width: int,
    methods: Sequence[str],
    last: Text | None = None,
    calibrated: str | None = None,
) -> RenderableType:
    """Return the metrics of methods, in this order, with the best of a column in bold; `last` is a line below.

    The coverage of the method `calibrated` has a star: its intervals were calibrated on these windows. Columns without a
    value are left out, and on a narrow screen those with the smallest `drop`.
    """
    columns: dict[str, list[Text]] = {}
    for metric in METRICS:
        values = [metric_value(metrics[method], metric.name) for method in methods]
        if metric.label and any(value is not None for value in values):
            columns[metric.label] = _cells(metric, values, [metrics[method] for method in methods])
            if metric.name.startswith("coverage") and calibrated is not None:
                columns[metric.label][list(methods).index(calibrated)].append("*")
    names = [safe(method, "bold" if method == ENSEMBLE else "") for method in methods]
    droppable = [metric.label for metric in sorted(METRICS, key=lambda metric: metric.drop) if metric.drop]
    for label in (left_out := fit_columns({"": names, **columns}, width=width, dispensable=droppable)):
        del columns[label]
    table = quiet_table([("", "left"), *((label, "right") for label in columns)])
    for row, name in enumerate(names):
        table.add_row(name, *(column[row] for column in columns.values()))
    lines = [Text(f"`--format json` also has {', '.join(sorted(left_out))}", style="dim")] if left_out else []
    return under(title, table, *lines, *([last] if last is not None else []))


def category_scores_block(metrics: Metrics, title: Text) -> RenderableType:
    """Return log loss and accuracy of each method, the best log loss in bold."""
    table = quiet_table([("", "left"), ("log loss", "right"), ("accuracy", "right")])
    best = min(float(str(scores["log_loss"])) for scores in metrics.values())
    for method, scores in metrics.items():
        loss = float(str(scores["log_loss"]))
        shown = Text(f"{loss:.3f}", style="bold" if loss == best else "")
        table.add_row(safe(method, "bold" if method == ENSEMBLE else ""), shown, percent(scores["accuracy"]))
    return under(title, table, Text(_CATEGORY_LEGEND, style="dim"))


def order_methods(metrics: Metrics, networks: Sequence[str] = (ENSEMBLE,)) -> list[str]:
    """Return the methods: networks first, then the others, each by MASE."""
    return sorted(metrics, key=lambda method: (method not in networks, _sortable(metrics[method].get("mase"))))


def _cells(metric: Metric, values: Sequence[float | None], scores: Sequence[Mapping[str, object]]) -> list[Text]:
    if metric.name.startswith("coverage"):
        level = metric.name.partition("_")[2]
        halves = [metric_value(each, f"coverage_uncertainty_{level}") for each in scores]
        return [Text(percent(value, half)) for value, half in zip(values, halves, strict=True)]
    best = min((value for value in values if value is not None), default=None)
    texts = zip(errors(values), values, strict=True)
    return [Text(text, style="bold" if best is not None and value == best else "") for text, value in texts]


def percent(fraction: object, uncertainty: float | None = None) -> str:
    """Return a fraction in per cent, with its uncertainty if there is one: `79 ± 4 %`."""
    if not isinstance(fraction, int | float) or not math.isfinite(fraction):
        return NOTHING
    return f"{100 * fraction:.0f} %" if uncertainty is None else f"{100 * fraction:.0f} ± {100 * uncertainty:.0f} %"


def verdict_block(verdict: Mapping[str, object] | None, *, advice: str = "") -> RenderableType:
    """Return the verdict; its first word is the outcome, and `advice` comes last."""
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    if verdict is None:
        table.add_row(Text("No verdict", style="bold"), "there are too few rows for a test")
        return table
    outcome = str(verdict["outcome"])
    word = "Untested" if verdict.get("test") == "none" else outcome.capitalize()
    table.add_row(Text(word, style=_OUTCOME_STYLES.get(outcome, "bold")), safe(verdict_sentence(verdict)))
    for line in _evidence(verdict):
        table.add_row("", safe(line, "dim"))
    if advice:
        table.add_row("", safe(advice))
    return table


def serving_advice(verdict: Mapping[str, object] | None, served: str) -> str:
    """Return which method the stored model serves after a loss, or the option that would change it."""
    if verdict is None:
        return ""
    if served != ENSEMBLE:
        return f"the stored model serves {served} instead"
    if verdict["outcome"] != "loss":
        return ""
    return f"`--on-loss serve-baseline` would store a model that serves {verdict.get('against')} instead"


def _evidence(verdict: Mapping[str, object]) -> list[str]:
    """Return the evidence for the outcome: the skill with its interval, and the test."""
    lines = []
    interval, skill = verdict.get("skill_interval"), verdict.get("skill")
    ends = [end for end in interval if isinstance(end, int | float)] if isinstance(interval, list | tuple) else []
    if len(ends) == 2 and all(map(math.isfinite, ends)):
        low, high = (f"{end:+.1f}" for end in ends)
        shown = f"{skill:+.1f}" if isinstance(skill, int | float) else NOTHING
        level = 100 * float(str(verdict.get("skill_level", 0.95)))
        lines.append(f"skill {shown} %, {level:.3g} % interval {low} to {high} %")
    if verdict.get("reason"):
        lines.append(str(verdict["reason"]))
    return lines


def _sortable(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.inf
