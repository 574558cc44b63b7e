"""The screens of `train`, `evaluate` and `compare`: a loss comes first, the next command last."""

from __future__ import annotations

import math
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    NOTHING,
    Space,
    duration,
    errors,
    heading,
    quiet_table,
    safe,
    screen,
    shortened,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.metrics import metrics_block, order_methods, serving_advice, verdict_block
from rnnforecast.cli.render.plot import sparkline
from rnnforecast.cli.render.reading import assumptions_block
from rnnforecast.cli.render.store import describe_member
from rnnforecast.escaping import visible
from rnnforecast.findings import plural
from rnnforecast.members import ENSEMBLE
from rnnforecast.workflows.results import CompareResult, EvaluateResult, TrainResult

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet


_ALL_LEADS, _MAX_LEADS = 12, 8  # up to 12 lead times all are shown, of more 8
_MAX_SERIES, _BEST_SERIES = 5, 2
_DRAWN_ROWS = 60
_MAX_METHODS = 4
_LEGEND = "MASE: error relative to the naive forecast in training, smaller is better; in 80 %: actuals in the interval"


@screen.register(TrainResult)
def _train_screen(result: TrainResult, space: Space) -> list[RenderableType]:
    verdict = verdict_block(result.verdict, advice=serving_advice(result.verdict, result.served))
    lost = result.verdict is not None and result.verdict["outcome"] == "loss"
    blocks = [assumptions_block(result.assumptions, result.reasons)]
    if result.metrics:
        windows = f"{plural(result.num_windows, 'window')} of {_horizon(result.assumptions)} after the training rows"
        methods = order_methods(result.metrics)
        blocks.append(
            metrics_block(
                result.metrics,
                title=heading("Test", windows),
                width=space.width,
                methods=methods,
                last=Text(_LEGEND, style="dim"),
            )
        )
    blocks = [verdict, *blocks] if lost else [*blocks, verdict]
    return [*blocks, stored_block(result)]


@screen.register(EvaluateResult)
def _evaluate_screen(result: EvaluateResult, space: Space) -> list[RenderableType]:
    methods = order_methods(result.metrics)
    refit = ", refitted for each" if result.refit else ""
    title = heading(result.model, f"{_windows(result)}{refit}")
    count = result.num_calibrated
    starred = Text(f"* flattered: the intervals were calibrated on {count:,} of these windows", style="dim")
    table = metrics_block(
        result.metrics,
        title=title,
        width=space.width,
        methods=methods,
        last=starred if count else None,
        calibrated=ENSEMBLE if count else None,
    )
    return [table, verdict_block(result.verdict), *_details(result, methods, space)]


@screen.register(CompareResult)
def _compare_screen(result: CompareResult, space: Space) -> list[RenderableType]:
    methods = order_methods(result.metrics, result.networks)
    title = heading("Test", _windows(result))
    table = metrics_block(result.metrics, title=title, width=space.width, methods=methods)
    blocks = [assumptions_block(result.assumptions, result.reasons), table, verdict_block(result.verdict)]
    if result.ranks:
        blocks.append(_ranks_block(result))
    return [*blocks, *_details(result, methods, space)]


def _ranks_block(result: CompareResult) -> RenderableType:
    """Return mean ranks and skills with what each method costs; methods that may be level with the best have a sign."""
    ranks = {name: rank for name, rank in result.ranks.items() if math.isfinite(rank)}
    order = sorted(ranks, key=lambda name: ranks[name])
    difference = result.critical_difference
    table = quiet_table(
        [("", "left"), *((name, "right") for name in ("rank", "skill", "seconds", "parameters")), ("", "left")]
    )
    for name in order:
        skill, weights = result.skills.get(name), result.parameters.get(name)
        is_level = difference is not None and ranks[name] - ranks[order[0]] < difference
        table.add_row(
            safe(name, "bold" if name in result.networks else ""),
            f"{ranks[name]:.2f}",
            NOTHING if skill is None else f"{skill:+.1f} %",
            duration(result.seconds_per_method.get(name, 0.0)),
            NOTHING if weights is None else f"{weights:,}",
            "=" if is_level else "",
        )
    is_panel = len({row.get("item_id") for row in result.per_series}) > 1
    units = plural(result.num_ranked, "series", "series") if is_panel else plural(result.num_ranked, "window")
    lines = [f"skill: smaller error than {result.skill_against}; rank: mean over {units}"]
    if difference is not None:
        lines.append(
            f"=: level with the best, as ranks that differ by less than {difference:.2f} may be chance (Nemenyi, 5 %)"
        )
    return under(heading("Ranks"), table, *(Text(line, style="dim") for line in lines))


def stored_block(result: TrainResult) -> RenderableType:
    """Return what was stored where, and the command that forecasts with it."""
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    for words, count in Counter(describe_member(member) for member in result.members).items():
        table.add_row(Text("network", style="dim"), safe(words if count == 1 else f"{count} × {words}"))
    for label, reason in (("start", "from"), ("weights", "theta_weight")):
        if result.reasons.get(reason):
            table.add_row(Text(label, style="dim"), safe(result.reasons[reason]))
    table.add_row(Text("file", style="dim"), safe(result.path))
    if result.activation is not None and result.activation.get("basis") != "first":
        table.add_row(Text("active", style="dim"), _activation(result.activation))
    table.add_row(Text("next", style="dim"), safe(_next_command(result), "bold"))
    return under(heading(f"Stored {result.model}", f"trained and tested in {duration(result.seconds)}"), table)


def _activation(activation: Mapping[str, object]) -> Text:
    if activation.get("activated"):
        words = Text("yes, ").append(visible(f"replaces {activation.get('champion')}"))
    else:
        words = Text("no, ", style="bold red").append(visible(f"{activation.get('active')} stays active"), style="bold")
    return words.append(visible(f": {activation.get('reason')}"), style="not bold dim")


def _next_command(result: TrainResult) -> str:
    """Return the command that forecasts with the new model; a store other than the default one is named."""
    words = ["rnnforecast", "predict", result.model.rpartition("@")[0] or result.model]
    store = [str(folder) for folder in Path(result.path).parents[2:3]]
    if store and store[0] not in (os.environ.get("RNNFORECAST_STORE"), ".rnnforecast"):
        words += ["--store", *store]
    return shlex.join(words)


def _details(result: EvaluateResult | CompareResult, methods: Sequence[str], space: Space) -> list[RenderableType]:
    """Return the scores by lead time and by series, where there are several, of the first few methods."""
    found = []
    if len({row.get("lead") for row in result.per_lead}) > 1:
        found.append(_lead_block(result.per_lead, methods[:_MAX_METHODS]))
    if len({row.get("item_id") for row in result.per_series}) > 1:
        found.append(_series_block(result, methods[:_MAX_METHODS], space))
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


def _series_block(result: EvaluateResult | CompareResult, methods: Sequence[str], space: Space) -> RenderableType:
    """Return the errors of the worst and the best series, with a drawing of each where its rows are at hand."""
    scores: dict[str, dict[str, float]] = {}
    for row in result.per_series:
        value = row.get("mase")
        if isinstance(value, int | float):
            scores.setdefault(str(row["item_id"]), {})[str(row["method"])] = float(value)
    ranked = sorted(scores, key=lambda item: -scores[item].get(methods[0], 0.0))
    is_long = len(ranked) > _MAX_SERIES + _BEST_SERIES
    shown = [*ranked[:_MAX_SERIES], *ranked[-_BEST_SERIES:]] if is_long else ranked
    drawn = _drawn(result.series, shown) if isinstance(result, EvaluateResult) and space.braille else {}
    table = quiet_table([("series", "left"), *((method, "right") for method in methods), ("", "left")])
    columns = [errors([scores[item].get(method) for item in shown]) for method in methods]
    for place, item in enumerate(shown):
        if is_long and place == _MAX_SERIES:
            table.add_row(Text(f"… {len(ranked) - len(shown):,} more", style="dim"))
        table.add_row(safe(shortened(item)), *(column[place] for column in columns), drawn.get(item, ""))
    detail = (
        f"the {_MAX_SERIES} worst and the {_BEST_SERIES} best of {len(scores):,}" if is_long else "largest error first"
    )
    return under(heading("MASE by series", detail), table)


def _drawn(series: SeriesSet | None, labels: Sequence[str]) -> dict[str, str]:
    if series is None:
        return {}
    places = {label: place for place, label in enumerate(series.item_ids)}
    return {
        label: sparkline(
            series.values[series.offsets[places[label]] : series.offsets[places[label] + 1]][-_DRAWN_ROWS:]
        )
        for label in labels
        if label in places
    }


def _windows(result: EvaluateResult | CompareResult) -> str:
    """Return the windows of a backtest: `2 windows of 10 steps, cutoffs 2023-01-02 to 2023-01-16`."""
    words = f"{plural(result.num_windows, 'window')} of {_horizon(result.assumptions)}"
    if result.cutoffs:
        ends = [timestamp_text(cutoff, result.assumptions.get("freq")) for cutoff in result.cutoffs]
        words += f", cutoff {ends[0]}" if ends[0] == ends[-1] else f", cutoffs {ends[0]} to {ends[-1]}"
    return words + (f", gap {result.gap}" if result.gap else "")


def _horizon(assumptions: Mapping[str, object]) -> str:
    return plural(int(str(assumptions["horizon"])), "step")
