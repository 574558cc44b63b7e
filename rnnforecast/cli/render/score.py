"""The screen of `score`: an alarm is said first, then live accuracy, the verdict, lead times and the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    NOTHING,
    errors,
    fit_columns,
    heading,
    number,
    plural,
    quiet_table,
    safe,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.metrics import verdict_block
from rnnforecast.evaluation.drift import MIN_UNITS
from rnnforecast.workflows.monitoring.score_result import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from rnnforecast.workflows.monitoring.score_result import ScoreResult

_MAX_LEADS = 8
_DISPENSABLE = ("RMSE", "sMAPE %", "MAE", "in 95 %")
_METRICS = {"mase": "MASE", "smape": "sMAPE %", "mae": "MAE", "rmse": "RMSE"}
_WORDS = {
    "loss": "errors as before",
    "naive": "against the naive forecast",
    "coverage_80": "80 % interval covers",
    "coverage_95": "95 % interval covers",
    "inputs": "inputs as in training",
}


def score_blocks(result: ScoreResult, *, width: int) -> list[RenderableType]:
    """Return the screen of `score`."""
    screen: list[RenderableType] = [_alarms(result)] if result.alarms else []
    screen.append(_live(result, width=width))
    if result.verdict is not None:
        screen.append(verdict_block({**result.verdict, "network": "the issued forecast"}))
    if len(result.per_lead) > 1:
        screen.append(_leads(result))
    return [*screen, _watches(result)]


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
    methods = list(result.metrics)
    columns = {word: errors([result.metrics[m].get(key) for m in methods]) for key, word in _METRICS.items()}
    columns |= {f"in {level} %": [_coverage(result.metrics[m], level) for m in methods] for level in ("80", "95")}
    left_out = fit_columns({"": methods, **columns}, width=width, dispensable=_DISPENSABLE)
    kept = {word: cells for word, cells in columns.items() if word not in left_out}
    table = quiet_table([("", "left"), *((word, "right") for word in kept)])
    for row, method in enumerate(methods):
        table.add_row(safe(method, "" if row else "bold"), *(cells[row] for cells in kept.values()))
    return under(title, table, _counts(result))


def _counts(result: ScoreResult) -> RenderableType:
    parts = [f"{result.num_scored:,} of {plural(result.num_issued, 'issued step')} scored"]
    others = {
        "pending": result.num_pending,
        "past without a value": result.num_missing,
        "of unknown series": result.num_unknown,
    }
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
            ("in 80 %", "right"),
            ("in 95 %", "right"),
        ]
    )
    ours, theirs = errors([row.get("mase") for row in rows]), errors([row.get("baseline_mase") for row in rows])
    for place, row in enumerate(rows):
        shares = [_share(row.get("coverage"), level) for level in ("80", "95")]
        table.add_row(str(row["lead"]), ours[place], theirs[place], *shares)
    return under(heading("MASE and coverage by lead time"), table)


def _watches(result: ScoreResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "left"), ("", "fold")], header=False)
    for watch in result.watches:
        state = str(watch["state"])
        mark = Text(state, style={"ok": "green", "alarm": "bold red"}.get(state, "dim"))
        table.add_row(Text(_WORDS[str(watch["name"])], style="dim"), mark, safe(_evidence(watch, result), "dim"))
    versions = ", ".join(map(str, result.watched_versions))
    words = f"forecasts of version{'s' if len(result.watched_versions) > 1 else ''} {versions}"
    return under(heading("Tests at work", words), table)


def _evidence(watch: Mapping[str, object], result: ScoreResult) -> str:
    counted = watch.get("num_units")
    count = counted if isinstance(counted, int) else 0
    if watch["name"] == "inputs":
        return (
            f"{_percent(watch.get('value'))} of {plural(count, 'series', 'series')} far from training" if count else ""
        )
    if watch["state"] == "too few":
        return f"{plural(count, 'cutoff')} with all actuals, {MIN_UNITS} are needed"
    since = watch.get("since")
    reached = f", since {timestamp_text(since, result.freq)}" if since is not None else ""
    value, limit = (number(watch.get(key), digits=3) for key in ("value", "limit"))
    return f"{value}, alarm at {limit}, {plural(count, 'cutoff')}{reached}"


def _coverage(scores: Mapping[str, object], level: str) -> str:
    share = _share(scores.get("coverage"), level)
    half = scores.get("coverage_uncertainty")
    value = half.get(level) if hasattr(half, "get") else None
    if share == NOTHING or not isinstance(value, int | float):
        return share
    return f"{share.removesuffix(' %')} ± {100 * value:.0f} %"


def _share(shares: object, level: str) -> str:
    return _percent(shares.get(level) if hasattr(shares, "get") else None)


def _percent(value: object) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, int | float) and np.isfinite(value) else NOTHING


def score_table(result: ScoreResult) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Return the table of `--format csv`: one row a lead time."""
    columns = ("lead", "num_scored", "mase", "baseline_mase", "mae", "coverage_80", "coverage_95")
    rows: list[Sequence[object]] = []
    for row in result.per_lead:
        coverage = row.get("coverage")
        shares = [coverage.get(level) if hasattr(coverage, "get") else None for level in ("80", "95")]
        rows.append([*(row.get(name) for name in columns[:5]), *shares])
    return columns, rows
