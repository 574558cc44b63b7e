"""Forecasts with their intervals, and a chart of the first series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    Space,
    fit_columns,
    heading,
    numbers,
    quiet_table,
    safe,
    screen,
    shortened,
    timestamp_text,
    under,
)
from rnnforecast.cli.render.plot import FORECAST_STYLE, INTERVAL_STYLE, cut_sign, plot, sparkline
from rnnforecast.escaping import visible
from rnnforecast.findings import plural
from rnnforecast.members import ENSEMBLE
from rnnforecast.model_io.base import BASE
from rnnforecast.workflows.forecasts.predict_result import PredictResult, Preview

_MAX_ROWS = 20  # of one table; longer ones show their first and last rows
_FIRST_ROWS, _LAST_ROWS = 12, 5
_MAX_SERIES = 10
_ROOMY = 100  # columns in which long names fit
_PLOT_WIDTH = 110
_MAX_DRAWN = 1e300  # larger values have no chart
_PAST_PER_FUTURE, _LEAST_PAST = 4, 40  # steps of the past a chart shows
_USUAL = ("80 %", "95 %")
_MAX_QUANTILES = 4


@screen.register(PredictResult)
def _predict_screen(result: PredictResult, space: Space) -> list[RenderableType]:
    """Return a table and a chart of the first series, after an overview if there are several."""
    width, braille = space.width, space.braille
    if result.output is not None:
        return [] if result.output == "-" else [_written(result)]
    blocks: list[RenderableType] = []
    if result.num_series > 1:
        blocks.append(_overview(result, width=width, braille=braille))
    if result.previews:
        blocks += [_table(result, result.previews[0], width=width)]
        if result.sum is None and _can_be_drawn(result.previews[0]):
            blocks += [_chart(result, result.previews[0], width=width, braille=braille)]
        if result.previews[0].what_if is not None:
            blocks += [_what_if(result, result.previews[0], width=width)]
        if result.previews[0].parts:
            parts = {"forecast": result.previews[0].median, **result.previews[0].parts}
            blocks += [_steps(result, result.previews[0], parts, "parts that add up to the forecast", width=width)]
    return blocks


def _written(result: PredictResult) -> Text:
    text = heading(f"{plural(len(result.frame), 'row')} written to {result.output}")
    return text.append(f"  {result.model}, {plural(result.num_series, 'series', 'series')}", style="not bold dim")


def _overview(result: PredictResult, *, width: int, braille: bool) -> RenderableType:
    shown = result.overview or tuple(("", preview) for preview in result.previews[:_MAX_SERIES])
    has_kinds = any(kind for kind, _ in shown)
    columns = [
        *[("", "left")] * has_kinds,
        ("series", "left"),
        ("last", "right"),
        ("next", "right"),
        (f"step {result.horizon}", "right"),
    ]
    table = quiet_table([*columns, ("past and forecast" if braille else "", "left")])
    named, drawn = (32, 24) if width >= _ROOMY else (20, 14)
    for kind, preview in shown:
        median = preview.median
        last = preview.past_target[np.isfinite(preview.past_target)][-1:]
        cells = numbers([float(last[0]) if len(last) else None, float(median[0]), float(median[-1])])
        past = preview.past_target[-2 * result.horizon :]
        lines = Text(sparkline(np.concatenate([past, median]), width=drawn) if braille else "", style=FORECAST_STYLE)
        table.add_row(
            *[Text(kind, style="dim")] * has_kinds, safe(shortened(_label(preview, result), named)), *cells, lines
        )
    count = len(result.previews) if result.totals else result.num_series
    more = count - sum(kind != "total" for kind, _ in shown)
    hidden = [Text(f"and {more:,} more; `--output FILE` writes all of them", style="dim")] if more > 0 else []
    what = plural(result.num_series, "series", "series")
    if result.totals:
        what = f"totals by {', '.join(result.totals)} of {what}"
    title = heading(result.model, f"{plural(result.horizon, 'step')} of {what}")
    return under(title, table, *hidden)


def _table(result: PredictResult, preview: Preview, *, width: int) -> RenderableType:
    columns = _columns(result, preview)
    timestamps = [timestamp_text(timestamp, result.freq) for timestamp in preview.timestamps]
    # the first and the last sum may be of part of a week or month
    steps = {} if preview.num_steps is None else {"steps": [str(count) for count in preview.num_steps]}
    left_out = fit_columns({"": timestamps, **steps, **columns}, width=width, dispensable=tuple(columns)[:0:-1])
    kept = {name: cells for name, cells in columns.items() if name not in left_out}
    table = quiet_table([("", "left"), *((name, "right") for name in (*steps, *kept))])
    for row in _rows(len(timestamps)):
        if row is None:
            table.add_row(Text(f"… {len(timestamps) - _FIRST_ROWS - _LAST_ROWS} more", style="dim"))
            continue
        median, *others = (cells[row] for cells in kept.values())
        counted = [cells[row] for cells in steps.values()]
        table.add_row(Text(timestamps[row]), *counted, Text(median, style="bold"), *others)
    return under(_title(result, preview), table)


def _columns(result: PredictResult, preview: Preview) -> dict[str, list[str]]:
    """Return the median, the intervals or else single quantiles, and the mean, as text by header."""
    mean = {} if preview.mean is None else {"mean": numbers(preview.mean.tolist(), digits=5)}
    intervals = _intervals(result, preview)
    single = list(range(len(result.quantile_levels)))[:_MAX_QUANTILES] if not intervals else []
    values = [preview.median, *(end for pair in intervals.values() for end in pair)]
    values += [preview.quantiles[:, place] for place in single]
    flat = np.concatenate(values)
    texts = numbers(flat.tolist(), digits=1 if (flat == np.rint(flat)).all() else 5)
    median, *others = np.array(texts).reshape(len(values), -1).tolist()
    if intervals:
        pairs = zip(others[::2], others[1::2], strict=True)
        ranges = [[f"{low} … {high}" for low, high in zip(*pair, strict=True)] for pair in pairs]
        texts_by_name = {f"{name} interval": text for name, text in zip(intervals, ranges, strict=True)}
        return {"forecast": median, **texts_by_name, **mean}
    names = [f"q{result.quantile_levels[place]:g}" for place in single]
    return {"forecast": median, **dict(zip(names, others, strict=True)), **mean}


def _what_if(result: PredictResult, preview: Preview, *, width: int) -> RenderableType:
    other = preview.median if preview.what_if is None else preview.what_if
    columns = {"forecast": preview.median, "what if": other, "difference": other - preview.median}
    ours, theirs = float(preview.median.sum()), float(other.sum())
    percent = f", {100 * (theirs / ours - 1):+.1f} %" if ours > 0 else ""
    words = f"{result.what_if}: {theirs:,.6g} instead of {ours:,.6g} in total{percent}"
    return _steps(result, preview, columns, words, width=width)


def _steps(
    result: PredictResult, preview: Preview, values: Mapping[str, np.ndarray], words: str, *, width: int
) -> RenderableType:
    """Return one row a step and one column a name; columns that do not fit are named below."""
    texts = numbers(np.concatenate(list(values.values())).tolist(), digits=5)
    count = len(preview.timestamps)
    columns = {name: texts[place * count : (place + 1) * count] for place, name in enumerate(values)}
    timestamps = [timestamp_text(timestamp, result.freq) for timestamp in preview.timestamps]
    left_out = fit_columns({"": timestamps, **columns}, width=width, dispensable=tuple(columns)[:0:-1])
    kept = {name: cells for name, cells in columns.items() if name not in left_out}
    table = quiet_table([("", "left"), *((escape(visible(name)), "right") for name in kept)])
    for row in _rows(count):
        if row is None:
            table.add_row(Text(f"… {count - _FIRST_ROWS - _LAST_ROWS} more", style="dim"))
            continue
        table.add_row(Text(timestamps[row]), *(cells[row] for cells in kept.values()))
    hidden = [Text(f"not shown: {', '.join(left_out)}; `--output FILE` has them", style="dim")] if left_out else []
    return under(heading(_label(preview, result), words), table, *hidden)


def _can_be_drawn(preview: Preview) -> bool:
    """Tell whether values are far enough from the largest floating-point number for an axis around them."""
    return all(
        np.abs(values[np.isfinite(values)]).max(initial=0.0) < _MAX_DRAWN
        for values in vars(preview).values()
        if isinstance(values, np.ndarray) and values.dtype.kind == "f"
    )


def _chart(result: PredictResult, preview: Preview, *, width: int, braille: bool) -> RenderableType:
    name, interval = next(iter(_intervals(result, preview).items()), ("", None))
    shown = max(_PAST_PER_FUTURE * len(preview.timestamps), _LEAST_PAST)
    preview = replace(
        preview, past_timestamps=preview.past_timestamps[-shown:], past_target=preview.past_target[-shown:]
    )
    lines = plot(preview, interval=interval, median=preview.median, width=min(width - 2, _PLOT_WIDTH), braille=braille)
    legend = Text(f"  past {cut_sign(braille=braille)} ").append("forecast", style=FORECAST_STYLE)
    if interval is not None:
        legend.append(f"  {'░' if braille else ':'} {name} interval", style=INTERVAL_STYLE)
    return Group(legend, *(Text("  ").append_text(line) for line in lines))


def _title(result: PredictResult, preview: Preview) -> Text:
    steps = plural(result.horizon, "step")
    if result.sum is not None:
        steps = f"sum over {steps}" if result.sum == "horizon" else f"sums by {result.sum} over {steps}"
    served = "" if preview.method in (ENSEMBLE, BASE) else f", served by {preview.method}"
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


def _intervals(result: PredictResult, preview: Preview) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the ends of at most two central intervals by name: 80 % and 95 %, else the widest of those asked for."""
    levels = np.asarray(result.quantile_levels)
    found = {}
    for place in np.argsort(levels):
        other = np.flatnonzero(np.isclose(levels, 1 - levels[place]))
        if levels[place] < 0.5 and len(other):
            name = f"{100 * (1 - 2 * levels[place]):g} %"
            found[name] = (preview.quantiles[:, place], preview.quantiles[:, other[0]])
    usual = {name: found[name] for name in _USUAL if name in found}
    return usual or dict(list(found.items())[:2][::-1])
