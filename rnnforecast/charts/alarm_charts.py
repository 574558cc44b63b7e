"""Charts of `detect`: the rows of a column, what was expected of them, and a mark at each row with an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.charts.chart import (
    MAX_POINTS,
    Chart,
    band,
    colours,
    hover,
    line,
    shortened,
    thinned,
    time_axis,
    time_format,
    times,
    value,
    y_axis,
)
from rnnforecast.charts.profile_charts import ranges
from rnnforecast.findings import plural

if TYPE_CHECKING:
    from rnnforecast.charts.chart import Row, Spec
    from rnnforecast.workflows.monitoring.detect_result import DetectResult
    from rnnforecast.workflows.results import Preview

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
    x = time_axis(moments)
    marks: Spec = {
        "data": {"values": alarms},
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "clip": True},
        "encoding": {
            "y": y_axis("alarm"),
            "color": {"datum": "alarm"},
            "tooltip": [time_format(moments), {"field": "alarm", "title": "alarm at", "type": "quantitative"}],
        },
    }
    heads = {"actual": "mean" if is_thinned else "value"}
    if is_thinned:
        heads |= {"low": "lowest", "high": "highest"}
    elif has_bounds:
        heads |= {"low": "expected from", "high": "expected to"}
    area = "range" if is_thinned else "expected range"
    layers: list[Spec] = [band(area, "low", "high")] if is_thinned or has_bounds else []
    layers += [line("value", "actual", width=1.4), hover(time_format(moments), heads), marks]
    names = {"value": "@history", "alarm": "@bad"} | ({area: "@narrow"} if len(layers) > 3 else {})
    label = shortened(" ".join(dict.fromkeys(part for part in (preview.label, preview.target) if part)))
    return Chart(
        title=f"{label}: {plural(len(marked), 'row')} with an alarm",
        subtitle=f"{len(target):,} steps of {result.freq}; alarm budget {result.budget} over all series",
        summary=_summary(label, len(marked), moments[marked]),
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


def _summary(label: str, count: int, moments: np.ndarray) -> str:
    if not count:
        return f"Rows of {label}, none with an alarm."
    first, last = (str(moments[place])[:16].replace("T", " ") for place in (0, -1))
    return f"Rows of {label}; {plural(count, 'row')} with an alarm, the first at {first}, the last at {last}."
