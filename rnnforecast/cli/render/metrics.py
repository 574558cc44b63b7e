"""Metrics of network and naive forecasts side by side, and the verdict in plain words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from rnnforecast.cli.render.blocks import NOTHING, errors, fit_columns, quiet_table, safe, under

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from rnnforecast.workflows.results import Metrics

NETWORK = "network"
WIDE = 100
_COLUMNS = {"mase": "MASE", "smape": "sMAPE %", "mae": "MAE", "rmse": "RMSE", "wql": "WQL"}
_WIDE_COLUMNS = {"mase": "MASE", "rmsse": "RMSSE", "smape": "sMAPE %", "wape": "WAPE", "mae": "MAE", "rmse": "RMSE"}
_DISPENSABLE = ("WAPE", "RMSSE", "RMSE", "sMAPE %", "WQL", "in 95 %", "MAE", "in 80 %")  # the first goes first
_OUTCOME_STYLES = {"win": "bold green", "tie": "bold yellow", "loss": "bold red"}


def metrics_block(metrics: Metrics, *, title: Text, width: int, baselines: Sequence[str] = ()) -> RenderableType:
    """Return the metrics of every method; networks stand first, each group by MASE, the best of a column is bold."""
    columns = {**_WIDE_COLUMNS, "wql": "WQL"} if width >= WIDE else _COLUMNS
    methods = order_methods(metrics, baselines=baselines)
    cells = {word: _metric_column([metrics[method].get(key) for method in methods]) for key, word in columns.items()}
    cells |= {
        f"in {level} %": [Text(_coverage(metrics[method], level)) for method in methods] for level in ("80", "95")
    }
    names = [safe(method, "bold" if method == NETWORK else "") for method in methods]
    left_out = fit_columns({"": names, **cells}, width=width, dispensable=_DISPENSABLE)
    cells = {word: column for word, column in cells.items() if word not in left_out}
    table = quiet_table([("", "left"), *((word, "right") for word in cells)])
    for row, name in enumerate(names):
        table.add_row(name, *(column[row] for column in cells.values()))
    if left_out:
        return under(title, table, Text(f"too narrow for {', '.join(left_out)}", style="dim"))
    return under(title, table)


def order_methods(metrics: Metrics, *, baselines: Sequence[str] = ()) -> list[str]:
    """Return networks, then baselines, each by MASE; without names of baselines only `network` is a network."""
    is_network = {method: method not in baselines if baselines else method == NETWORK for method in metrics}
    return sorted(metrics, key=lambda method: (not is_network[method], _sortable(metrics[method].get("mase"))))


def verdict_block(verdict: Mapping[str, object] | None, *, advice: str = "") -> RenderableType:
    """Return the verdict; its first word is the outcome, and `advice` comes last."""
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    if verdict is None:
        table.add_row(Text("No verdict", style="bold"), "nothing was held out, so nothing was judged")
        return table
    outcome = str(verdict["outcome"])
    table.add_row(Text(outcome.capitalize(), style=_OUTCOME_STYLES.get(outcome, "bold")), safe(_sentence(verdict)))
    for line in _evidence(verdict):
        table.add_row("", safe(line, "dim"))
    if advice:
        table.add_row("", safe(advice))
    return table


def serving_advice(verdict: Mapping[str, object] | None, served: str) -> str:
    """Return what a stored model does about a loss, or how it could do more."""
    if verdict is None:
        return ""
    if served != NETWORK:
        return f"the stored model serves {served} instead"
    if verdict["outcome"] != "loss":
        return ""
    return f"`--on-loss serve-baseline` stores a model that serves {verdict.get('against')} instead"


def _sentence(verdict: Mapping[str, object]) -> str:
    name, against, skill = verdict.get("network", NETWORK), verdict.get("against"), verdict.get("skill")
    subject = "the network" if name == NETWORK else str(name)
    if not isinstance(skill, int | float):  # no share can be said of an error of zero
        lost = "loses to" if verdict["outcome"] == "loss" else "does not beat"
        return f"{subject} {lost} {against}, which makes no error here"
    percent = f"{abs(skill):.1f} %"
    if verdict["outcome"] == "win":
        return f"{subject} beats {against}, its error is {percent} smaller"
    if verdict["outcome"] == "loss":
        return f"{subject} loses to {against}, its error is {percent} larger"
    size = "smaller" if skill > 0 else "larger"
    chance = "not tested" if verdict.get("test") == "none" else "maybe by chance"
    return f"{subject}'s error is {percent} {size} than {against}'s, {chance}"


def _evidence(verdict: Mapping[str, object]) -> list[str]:
    """Return what stands behind the outcome: the skill with its interval, and the test."""
    lines = []
    interval = verdict.get("skill_interval")
    if isinstance(interval, list | tuple) and len(interval) == 2 and all(_is_finite(end) for end in interval):
        low, high = (f"{float(end):+.1f}" for end in interval)
        lines.append(f"skill {_signed(verdict.get('skill'))} %, 95 % interval {low} to {high} %")
    if verdict.get("reason"):
        lines.append(str(verdict["reason"]))
    return lines


def _signed(value: object) -> str:
    return f"{value:+.1f}" if isinstance(value, int | float) else NOTHING


def _metric_column(values: Sequence[object]) -> list[Text]:
    finite = [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]
    best = min(finite, default=None)
    texts = errors(values)
    return [
        Text(text, style="bold" if best is not None and value == best else "")
        for text, value in zip(texts, values, strict=True)
    ]


def _coverage(scores: Mapping[str, object], level: str) -> str:
    share = _at(scores.get("coverage"), level)
    if share is None:
        return NOTHING
    uncertainty = _at(scores.get("coverage_uncertainty"), level)
    return f"{100 * share:.0f} %" if uncertainty is None else f"{100 * share:.0f} ± {100 * uncertainty:.0f} %"


def _at(values: object, level: str) -> float | None:
    value = values.get(level) if hasattr(values, "get") else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _sortable(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.inf


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
