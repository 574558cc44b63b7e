"""The screens of `train`, `evaluate` and `compare`: a loss is said first, the next command last."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    duration,
    errors,
    heading,
    plural,
    quiet_table,
    safe,
    shortened,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.metrics import metrics_block, order_methods, serving_advice, verdict_block
from rnnforecast.cli.render.reading import assumptions_block
from rnnforecast.cli.render.store import describe_member
from rnnforecast.cli.text import visible
from rnnforecast.workflows.results import CompareResult, EvaluateResult, TrainResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType


_ALL_LEADS, _MAX_LEADS = 12, 8  # up to so many all are shown, of more so many
_MAX_SERIES = 5
_MAX_METHODS = 4


def blocks(result: TrainResult | EvaluateResult | CompareResult, *, width: int) -> list[RenderableType]:
    """Return the blocks of a judged result."""
    if isinstance(result, TrainResult):
        return train_blocks(result, width=width)
    return (
        evaluate_blocks(result, width=width)
        if isinstance(result, EvaluateResult)
        else compare_blocks(result, width=width)
    )


def train_blocks(result: TrainResult, *, width: int) -> list[RenderableType]:
    """Return the screen of `train`."""
    verdict = verdict_block(result.verdict, advice=serving_advice(result.verdict, result.served))
    lost = result.verdict is not None and result.verdict["outcome"] == "loss"
    screen = [assumptions_block(result.assumptions, result.reasons)]
    if result.metrics:
        held_out = f"{plural(result.num_windows, 'origin')} of {result.assumptions.get('horizon')} steps"
        screen.append(metrics_block(result.metrics, title=heading("Held out", held_out), width=width))
    screen = [verdict, *screen] if lost else [*screen, verdict]
    return [*screen, _stored(result)]


def evaluate_blocks(result: EvaluateResult, *, width: int) -> list[RenderableType]:
    """Return the screen of `evaluate`."""
    origins = plural(result.num_windows, "origin")
    title = heading(result.model, f"{origins}{_span(result.cutoffs, result.assumptions)}{_ways(result)}")
    screen = [metrics_block(result.metrics, title=title, width=width), verdict_block(result.verdict)]
    return [*screen, *_details(result, order_methods(result.metrics))]


def compare_blocks(result: CompareResult, *, width: int) -> list[RenderableType]:
    """Return the screen of `compare`."""
    baselines = [method for method in result.metrics if method not in result.networks]
    title = heading("Compared", f"{plural(result.num_windows, 'origin')}{_span(result.cutoffs, result.assumptions)}")
    table = metrics_block(result.metrics, title=title, width=width, baselines=baselines)
    screen = [assumptions_block(result.assumptions, result.reasons), table, verdict_block(result.verdict)]
    times = [
        f"{method} {duration(seconds)}"
        for method, seconds in result.seconds_per_method.items()
        if method in result.networks
    ]
    if times:
        screen.append(safe(f"Training: {', '.join(times)}", "dim"))
    return [*screen, *_details(result, order_methods(result.metrics, baselines=baselines))]


def _stored(result: TrainResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    counted = Counter(describe_member(member) for member in result.members)
    for words, count in counted.items():
        table.add_row(Text("network", style="dim"), safe(words if count == 1 else f"{count} × {words}"))
    if result.reasons.get("from"):
        table.add_row(Text("start", style="dim"), safe(result.reasons["from"]))
    if result.reasons.get("theta_share"):
        table.add_row(Text("shares", style="dim"), safe(result.reasons["theta_share"]))
    table.add_row(Text("file", style="dim"), safe(result.path))
    if result.activation is not None and result.activation.get("basis") != "first":
        table.add_row(Text("active", style="dim"), _activation(result.activation))
    table.add_row(Text("next", style="dim"), safe(_next_command(result), "bold"))
    return under(heading(f"Stored {result.model}", f"trained and judged in {duration(result.seconds)}"), table)


def _activation(activation: Mapping[str, object]) -> Text:
    """Return whether the new version is active, and why; one that was kept aside is said first."""
    if activation.get("activated"):
        words = Text("yes, ").append(visible(f"in place of {activation.get('champion')}"))
    else:
        words = Text("no, ", style="bold red").append(visible(f"{activation.get('active')} stays active"), style="bold")
    return words.append(visible(f": {activation.get('reason')}"), style="not bold dim")


def _next_command(result: TrainResult) -> str:
    """Return the command that forecasts with the new model; a store that is not the default one is named."""
    words = ["rnnforecast", "predict", result.model.rpartition("@")[0] or result.model]
    store = [str(folder) for folder in Path(result.path).parents[2:3]]
    if store and store[0] not in (os.environ.get("RNNFORECAST_STORE"), ".rnnforecast"):
        words += ["--store", *store]
    return shlex.join(words)


def _details(result: EvaluateResult | CompareResult, methods: Sequence[str]) -> list[RenderableType]:
    """Return the scores by lead time and by series, where there are several, of the first few methods."""
    found = []
    if len({row.get("lead") for row in result.per_lead}) > 1:
        found.append(_lead_block(result.per_lead, methods[:_MAX_METHODS]))
    if len({row.get("item_id") for row in result.per_series}) > 1:
        found.append(_series_block(result.per_series, methods[:_MAX_METHODS]))
    return found


def _lead_block(rows: Sequence[Mapping[str, object]], methods: Sequence[str]) -> RenderableType:
    leads = sorted({int(str(row["lead"])) for row in rows})
    num_shown = len(leads) if len(leads) <= _ALL_LEADS else _MAX_LEADS
    picked = [leads[i] for i in np.unique(np.linspace(0, len(leads) - 1, num_shown).round().astype(int))]
    scores = {(int(str(row["lead"])), str(row["method"])): row.get("mase") for row in rows}
    table = quiet_table([("lead", "right"), *((method, "right") for method in methods)])
    columns = [errors([scores.get((lead, method)) for lead in picked]) for method in methods]
    for number_, lead in enumerate(picked):
        table.add_row(str(lead), *(column[number_] for column in columns))
    return under(heading("MASE by lead time"), table)


def _series_block(rows: Sequence[Mapping[str, object]], methods: Sequence[str]) -> RenderableType:
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        value = row.get("mase")
        if isinstance(value, int | float):
            scores.setdefault(str(row["item_id"]), {})[str(row["method"])] = float(value)
    worst = sorted(scores, key=lambda item: -scores[item].get(methods[0], 0.0))[:_MAX_SERIES]
    table = quiet_table([("series", "left"), *((method, "right") for method in methods)])
    columns = [errors([scores[item].get(method) for item in worst]) for method in methods]
    for place, item in enumerate(worst):
        table.add_row(safe(shortened(item)), *(column[place] for column in columns))
    return under(heading("MASE by series", f"the {len(worst)} hardest of {len(scores)}"), table)


def _span(cutoffs: Sequence[object], assumptions: Mapping[str, object]) -> str:
    if not cutoffs:
        return ""
    first, last = (timestamp_text(cutoff, assumptions.get("freq")) for cutoff in (cutoffs[0], cutoffs[-1]))
    return f" after {first}" if first == last else f", cutoffs {first} to {last}"


def _ways(result: EvaluateResult) -> str:
    gap = f", gap {result.gap}" if result.gap else ""
    return f"{gap}, refitted at each" if result.refit else gap
