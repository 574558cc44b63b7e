"""The screen of `detect`: alarms with their kind and cause, which member led them, and a chart of the newest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    Space,
    fit_columns,
    heading,
    number,
    quiet_table,
    safe,
    screen,
    shortened,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.plot import FORECAST_STYLE, mark_sign, plot_marks
from rnnforecast.findings import plural
from rnnforecast.workflows.monitoring.detect_result import DetectResult

_MAX_ALARMS = 20
_PLOT_WIDTH = 100
_NUMBERS = ("rows", "score", "value", "expected")


@screen.register(DetectResult)
def _detect_screen(result: DetectResult, space: Space) -> list[RenderableType]:
    blocks: list[RenderableType] = [_alarms(result, width=space.width)]
    if result.alarms:
        blocks.append(_members(result))
        blocks += [_chart(result, space)] if result.previews else []
    return blocks


def _alarms(result: DetectResult, *, width: int) -> RenderableType:
    title = heading(
        plural(len(result.alarms), "alarm") if result.alarms else "No alarm",
        f"in {result.num_scored:,} scored rows; budget {result.budget} allows {result.allowed:.2g}",
    )
    if not result.alarms:
        return title
    shown = result.alarms[-_MAX_ALARMS:]
    columns: dict[str, list[str | Text]] = {
        "start": [timestamp_text(alarm["start"], result.freq) for alarm in shown],
        "rows": [f"{alarm['num_rows']:,}" for alarm in shown],
        "score": [number(alarm["score"], digits=3) for alarm in shown],
        "kind": [Text(" ".join(str(a[key]) for key in ("kind", "direction") if a[key]), style="bold") for a in shown],
        "value": [number(alarm["value"]) for alarm in shown],
        "expected": [number(alarm["expected"]) for alarm in shown],
        "led by": [safe(alarm["member"]) for alarm in shown],
    }
    if result.num_series > 1:
        columns = {"series": [safe(shortened(str(alarm["id"]), 20)) for alarm in shown], **columns}
    if any(len(_contributions(alarm)) > 1 for alarm in shown):
        columns["column"] = [safe(_named(alarm)) for alarm in shown]
    left_out = fit_columns(columns, width=width, dispensable=("led by", "rows", "expected", "value"))
    kept = {name: cells for name, cells in columns.items() if name not in left_out}
    table = quiet_table([(name, "right" if name in _NUMBERS else "left") for name in kept])
    for row in zip(*kept.values(), strict=True):
        table.add_row(*row)
    earlier = len(result.alarms) - len(shown)
    more = [Text(f"and {earlier:,} earlier; `--format csv` has all of them", style="dim")] if earlier else []
    return under(title, table, *more)


def _contributions(alarm: Mapping[str, object]) -> Mapping[str, float]:
    found = alarm["contributions"]
    return found if isinstance(found, dict) else {}


def _named(alarm: Mapping[str, object]) -> str:
    name, part = max(_contributions(alarm).items(), key=lambda pair: pair[1])
    return f"{shortened(name, 16)} {100 * part:.0f} %"


def _members(result: DetectResult) -> RenderableType:
    led = sorted(((count, name) for name, count in result.members.items() if count), reverse=True)
    return Text("  led by ", style="dim").append(", ".join(f"{name} ({count})" for count, name in led))


def _chart(result: DetectResult, space: Space) -> RenderableType:
    preview = result.previews[0]
    lines = plot_marks(preview, width=min(space.width - 2, _PLOT_WIDTH), braille=space.braille)
    label = " ".join(dict.fromkeys(part for part in (preview.label, preview.target) if part))
    count = int(np.isfinite(preview.median).sum())
    words = f"{mark_sign(braille=space.braille)} {plural(count, 'row')} with an alarm"
    legend = Text(f"  {shortened(label)}  ").append(words, style=FORECAST_STYLE)
    return Group(legend, *(Text("  ").append_text(line) for line in lines))
