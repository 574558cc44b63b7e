"""Forecasts with their intervals, and a chart of the first series."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.text import Text

from rnnforecast.cli.render.blocks import heading, numbers, plural, quiet_table, safe, shortened, stamp_text, under
from rnnforecast.cli.render.plot import FORECAST_STYLE, INTERVAL_STYLE, plot, sparkline

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rnnforecast.workflows.results import PredictResult, Preview

_MAX_ROWS = 20  # of one table; longer ones show their first and last rows
_FIRST_ROWS, _LAST_ROWS = 12, 5
_MAX_SERIES = 10
_PLOT_WIDTH = 110
_PAST_PER_FUTURE, _LEAST_PAST = 4, 40  # steps of the past a chart shows
_INTERVALS = {"80 %": (0.1, 0.9), "95 %": (0.025, 0.975)}


def forecast_blocks(result: PredictResult, *, width: int, braille: bool) -> list[RenderableType]:
    """Return the screen of `predict`: one table and chart, before it an overview when there are several series."""
    if result.output is not None:
        return [] if result.output == "-" else [_written(result)]
    blocks: list[RenderableType] = []
    if result.num_series > 1:
        blocks.append(_overview(result, braille=braille))
    if result.previews:
        blocks += [_table(result, result.previews[0]), _chart(result, result.previews[0], width=width, braille=braille)]
    return blocks


def _written(result: PredictResult) -> Text:
    text = heading(f"{plural(len(result.frame), 'row')} written to {result.output}")
    return text.append(f"  {result.model}, {plural(result.num_series, 'series', 'series')}", style="not bold dim")


def _overview(result: PredictResult, *, braille: bool) -> RenderableType:
    shown = result.previews[:_MAX_SERIES]
    columns = [("series", "left"), ("last", "right"), ("next", "right"), (f"step {result.horizon}", "right")]
    table = quiet_table([*columns, ("past and forecast" if braille else "", "left")])
    medians = [_quantile(result, preview, 0.5) for preview in shown]
    for preview, median in zip(shown, medians, strict=True):
        last = preview.past_target[np.isfinite(preview.past_target)][-1:]
        cells = numbers([float(last[0]) if len(last) else None, float(median[0]), float(median[-1])])
        past = preview.past_target[-2 * result.horizon :]
        lines = Text(sparkline(np.concatenate([past, median]), width=20) if braille else "", style=FORECAST_STYLE)
        table.add_row(safe(shortened(_label(preview, result))), *cells, lines)
    more = result.num_series - len(shown)
    ending = [Text(f"and {more:,} more; `--output FILE` writes all of them", style="dim")] if more > 0 else []
    title = heading(
        result.model, f"{plural(result.horizon, 'step')} of {plural(result.num_series, 'series', 'series')}"
    )
    return under(title, table, *ending)


def _table(result: PredictResult, preview: Preview) -> RenderableType:
    median = _quantile(result, preview, 0.5)
    ends = [(name, _interval(result, preview, *levels)) for name, levels in _INTERVALS.items()]
    known = [(name, interval) for name, interval in ends if interval is not None]
    values = [median, *(end for _, interval in known for end in interval)]
    cells = np.array(numbers(np.concatenate(values).tolist(), digits=5)).reshape(len(values), -1)
    table = quiet_table([("", "left"), ("forecast", "right"), *((f"{name} interval", "right") for name, _ in known)])
    for row in _rows(len(median)):
        if row is None:
            table.add_row(Text(f"… {len(median) - _FIRST_ROWS - _LAST_ROWS} more", style="dim"))
            continue
        stamp = stamp_text(preview.timestamps[row], result.freq)
        pairs = [f"{cells[1 + 2 * each, row]} … {cells[2 + 2 * each, row]}" for each in range(len(known))]
        table.add_row(Text(stamp), Text(cells[0, row], style="bold"), *pairs)
    return under(_title(result, preview), table)


def _chart(result: PredictResult, preview: Preview, *, width: int, braille: bool) -> RenderableType:
    median = _quantile(result, preview, 0.5)
    interval = _interval(result, preview, *_INTERVALS["80 %"])
    shown = max(_PAST_PER_FUTURE * len(preview.timestamps), _LEAST_PAST)
    preview = replace(
        preview, past_timestamps=preview.past_timestamps[-shown:], past_target=preview.past_target[-shown:]
    )
    lines = plot(preview, interval=interval, median=median, width=min(width - 2, _PLOT_WIDTH), braille=braille)
    legend = Text("  past  ").append("forecast", style=FORECAST_STYLE)
    if interval is not None:
        legend.append(f"  {'░' if braille else ':'} 80 % interval", style=INTERVAL_STYLE)
    return Group(legend, *(Text("  ").append_text(line) for line in lines))


def _title(result: PredictResult, preview: Preview) -> Text:
    steps = plural(len(preview.timestamps), "step")
    served = "" if preview.method == "network" else f", served by {preview.method}"
    return heading(_label(preview, result), f"{steps} ahead by {result.model}{served}")


def _label(preview: Preview, result: PredictResult) -> str:
    """Return the id of a series, with its target where there are several or no id."""
    targets = {each.target for each in result.previews}
    if preview.label and len(targets) == 1:
        return preview.label
    return " ".join(dict.fromkeys(part for part in (preview.label, preview.target) if part)) or result.model


def _rows(count: int) -> list[int | None]:
    if count <= _MAX_ROWS:
        return list(range(count))
    return [*range(_FIRST_ROWS), None, *range(count - _LAST_ROWS, count)]


def _quantile(result: PredictResult, preview: Preview, level: float) -> np.ndarray:
    """Return the quantile of a level, [H]; the nearest one for the median, which is always asked for."""
    nearest = int(np.argmin(np.abs(np.asarray(result.quantile_levels) - level)))
    column: np.ndarray = preview.quantiles[:, nearest]
    return column


def _interval(result: PredictResult, preview: Preview, low: float, high: float) -> tuple[np.ndarray, np.ndarray] | None:
    levels = np.asarray(result.quantile_levels)
    if not (np.isclose(levels, low).any() and np.isclose(levels, high).any()):
        return None
    return _quantile(result, preview, low), _quantile(result, preview, high)
