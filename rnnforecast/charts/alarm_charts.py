"""Charts of `detect`: the rows of a column, what was expected of them, and a mark at each row with an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rnnforecast.charts.chart import (
    MAX_POINTS,
    Chart,
    Row,
    Spec,
    band,
    colours,
    hover,
    line,
    shortened,
    step_words,
    thinned,
    time_axis,
    time_format,
    times,
    tip,
    value,
    y_axis,
)
from rnnforecast.charts.profile_charts import ranges
from rnnforecast.findings import plural
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.monitoring.detect_result import DetectResult

_ROW = "row above the threshold"
_WIDE = 8  # the expected range may make the axis so many times as long as the rows do


def alarm_chart(result: DetectResult, preview: Preview) -> Chart:
    """Return the rows of one column with its alarms; of many rows the range of each part, but every alarm."""
    target, moments = preview.past_target, preview.past_timestamps
    starts = thinned(len(target))
    is_thinned = len(target) > MAX_POINTS
    rows = ranges(target, times(moments[starts]), starts)
    has_bounds = not is_thinned and _are_readable(preview)
    if has_bounds:
        for row, (low, high) in zip(rows, preview.quantiles.tolist(), strict=True):
            row |= {"low": value(low), "high": value(high)}
    marked = np.flatnonzero(np.isfinite(preview.median))
    alarms: list[Row] = [
        {"t": t, "alarm": value(number)}
        for t, number in zip(times(moments[marked]), preview.median[marked].tolist(), strict=True)
    ]
    spans = _spans(result, preview)
    x = time_axis(moments)
    shades: Spec = {
        "data": {"values": spans},
        "mark": {"type": "rect", "opacity": 0.18, "clip": True, "color": "@bad"},
        "encoding": {"x": {**x, "field": "t"}, "x2": {"field": "end"}, "color": {"value": "@bad"}},
    }
    edges: Spec = {**shades, "mark": {"type": "rule", "opacity": 0.5, "clip": True},
                   "encoding": {"x": {**x, "field": "t"}, "color": {"value": "@bad"}}}  # fmt: skip
    marks: Spec = {
        "data": {"values": alarms},
        "mark": {"type": "point", "filled": True, "size": 25, "opacity": 1, "clip": True},
        "encoding": {
            "y": y_axis("alarm"),
            "color": {"datum": _ROW},
            "tooltip": [time_format(moments), tip("alarm", _ROW, "")],
        },
    }
    heads = {"actual": "mean" if is_thinned else "value"}
    if is_thinned:
        heads |= {"low": "lowest", "high": "highest"}
    elif has_bounds:
        heads |= {"low": "expected from", "high": "expected to"}
    area = "range" if is_thinned else "expected range"
    layers: list[Spec] = [band(area, "low", "high")] if is_thinned or has_bounds else []
    layers += [shades, edges] if spans else []
    layers += [line("value", "actual", width=1.4), hover(time_format(moments), heads), marks]
    names = {"value": "@history", _ROW: "@bad"} | ({area: "@narrow"} if is_thinned or has_bounds else {})
    found = f"{plural(len(spans), 'alarm')}, {plural(len(marked), 'row')} above the threshold"
    label = shortened(" ".join(dict.fromkeys(part for part in (preview.label, preview.target) if part)))
    return Chart(
        title=f"{label}: {found}",
        subtitle=f"{len(target):,} steps of {step_words(result.freq)}; red: rows so rare that they are alarms under the budget "
        f"of {result.budget} over all series; an alarm is shaded from start to end",
        summary=_summary(label, found, spans),
        rows=tuple(rows),
        layers=tuple(layers),
        columns={"t": "time", **heads},
        encoding={"x": x, "color": colours(names)},
        has_zoom=True,
    )


def _are_readable(preview: Preview) -> bool:
    """Tell whether the expected range leaves the rows visible: after a fault it may be far wider than they are."""
    known = preview.past_target[np.isfinite(preview.past_target)]
    ends = preview.quantiles[np.isfinite(preview.quantiles)]
    return bool(len(known) and len(ends) and np.ptp(ends) <= _WIDE * max(float(np.ptp(known)), 1e-300))


def _spans(result: DetectResult, preview: Preview) -> list[Row]:
    """Return start and end of each alarm of the column in the rows that are shown, the first first."""
    shown = times(preview.past_timestamps)
    spans: list[Row] = []
    for alarm in result.alarms:
        start, end = times(np.array([alarm["start"], alarm["end"]]))
        is_here = (alarm["id"] or "", alarm["column"]) == (preview.label, preview.target)
        if is_here and shown and shown[0] <= end and start <= shown[-1]:
            spans.append({"t": start, "end": end, "words": str(np.asarray(alarm["start"]))[:16].replace("T", " ")})
    return spans


def _summary(label: str, found: str, spans: list[Row]) -> str:
    if not spans:
        return f"Rows of {label}: {found}."
    first, last = (end(span["words"] for span in spans) for end in (min, max))
    return f"Rows of {label}: {found}; the first alarm begins at {first}, the last at {last}."


def is_readable(alarm: Mapping[str, object]) -> bool:
    """Tell whether the expected range at an alarm says something: after a fault it may be far wider than the change."""
    low, high, found, expected = (_number(alarm[key]) for key in ("lower", "upper", "value", "expected"))
    return not low <= found <= high or high - low <= _WIDE / 2 * max(abs(expected), abs(found))


def _number(number: object) -> float:
    return float(number) if isinstance(number, int | float) and math.isfinite(number) else 0.0
