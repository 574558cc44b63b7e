"""The screen of `score`: alarms first, then live accuracy, the verdict, lead times and the drift tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    Space,
    errors,
    heading,
    number,
    quiet_table,
    safe,
    screen,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.metrics import metrics_block, percent, verdict_block
from rnnforecast.evaluation.drift import MIN_UNITS
from rnnforecast.evaluation.metrics import INTERVALS, metric_value
from rnnforecast.findings import plural
from rnnforecast.workflows.monitoring.score_result import SENTENCES, ScoreResult

_MAX_LEADS = 8
_WORDS = {
    "loss": "forecast errors",
    "naive": "naive forecast",
    "coverage_80": "80 % interval",
    "coverage_95": "95 % interval",
    "inputs": "input data",
}


@screen.register(ScoreResult)
def _score_screen(result: ScoreResult, space: Space) -> list[RenderableType]:
    blocks: list[RenderableType] = [_alarms(result)] if result.alarms else []
    blocks.append(_live(result, width=space.width))
    if result.verdict is not None:
        blocks.append(verdict_block({**result.verdict, "method": "logged forecast"}))
    if len(result.per_lead) > 1:
        blocks.append(_leads(result))
    return [*blocks, _tests(result)]


def _alarms(result: ScoreResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    for number_, name in enumerate(result.alarms):
        table.add_row(Text("" if number_ else "Alarm", style="bold red"), safe(SENTENCES[name]))
    if result.action is not None:
        table.add_row("", safe(result.action.get("message"), "dim"))
    return table


def _live(result: ScoreResult, *, width: int) -> RenderableType:
    title = heading(f"Live accuracy of {result.name}", _span(result))
    if not result.metrics:
        return under(title, _counts(result))
    return metrics_block(result.metrics, title=title, width=width, methods=list(result.metrics), last=_counts(result))


def _counts(result: ScoreResult) -> Text:
    parts = [f"{result.num_scored:,} of {plural(result.num_issued, 'logged step')} scored"]
    others = {"pending": result.num_pending, "missing": result.num_missing, "of unknown series": result.num_unknown}
    parts += [f"{count:,} {words}" for words, count in others.items() if count]
    return Text(", ".join(parts), style="dim")


def _span(result: ScoreResult) -> str:
    if not result.cutoffs:
        return ""
    first, last = (timestamp_text(timestamp, result.freq) for timestamp in (result.cutoffs[0], result.cutoffs[-1]))
    counted = plural(len(result.cutoffs), "cutoff")
    series = f", {plural(result.num_series, 'series', 'series')}" if result.num_series > 1 else ""
    return f"{counted}, {first}{series}" if first == last else f"{counted}, {first} to {last}{series}"


def _leads(result: ScoreResult) -> RenderableType:
    places = np.linspace(0, len(result.per_lead) - 1, min(_MAX_LEADS, len(result.per_lead))).round().astype(int)
    rows = [result.per_lead[place] for place in np.unique(places)]
    table = quiet_table(
        [
            ("lead", "right"),
            ("forecast", "right"),
            (result.baseline, "right"),
            *((f"in {level} %", "right") for level in INTERVALS),
        ]
    )
    ours, theirs = errors([row.get("mase") for row in rows]), errors([row.get("baseline_mase") for row in rows])
    for place, row in enumerate(rows):
        coverage = [percent(metric_value(row, f"coverage_{level}")) for level in INTERVALS]
        table.add_row(str(row["lead"]), ours[place], theirs[place], *coverage)
    return under(heading("MASE and coverage by lead time"), table)


def _tests(result: ScoreResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "left"), ("", "fold")], header=False)
    for watch in result.watches:
        state = str(watch["state"])
        mark = Text(state, style={"ok": "green", "alarm": "bold red"}.get(state, "dim"))
        table.add_row(Text(_WORDS[str(watch["name"])], style="dim"), mark, safe(_evidence(watch, result), "dim"))
    versions = ", ".join(map(str, result.tested_versions))
    words = f"forecasts of version{'s' if len(result.tested_versions) > 1 else ''} {versions}"
    return under(heading("Drift tests", words), table)


def _evidence(watch: Mapping[str, object], result: ScoreResult) -> str:
    counted = watch.get("num_units")
    count = counted if isinstance(counted, int) else 0
    if watch["name"] == "inputs":
        return (
            f"{percent(watch.get('value'))} of {plural(count, 'series', 'series')} far from the training rows"
            if count
            else ""
        )
    if watch["state"] == "too few":
        return f"{plural(count, 'cutoff')} with all actuals; at least {MIN_UNITS} are needed"
    since = watch.get("since")
    reached = f", since {timestamp_text(since, result.freq)}" if since is not None else ""
    value, limit = (number(watch.get(key), digits=3) for key in ("value", "limit"))
    return f"statistic {value}, limit {limit}, {plural(count, 'cutoff')}{reached}"
