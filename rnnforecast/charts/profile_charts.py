"""Charts of data as they were read: the whole history, its season, and its autocorrelation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.charts.chart import (
    MAX_POINTS,
    Chart,
    Row,
    Spec,
    band,
    colours,
    dashed,
    hover,
    line,
    quantity,
    shortened,
    step_words,
    thinned,
    time_axis,
    time_format,
    times,
    tip,
    value,
    values,
    y_axis,
)
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import plural
from rnnforecast.workflows.forecasts.table import on_the_wall
from rnnforecast.workflows.profile import autocorrelations, season_shape, total_of
from rnnforecast.workflows.results import InspectResult
from rnnforecast.workflows.value_profile import season_candidates

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Fraction of rows whose position has one name on the clock; summer time moves some.
_NEARLY_ALL = 0.9
#: Parts of the history in the chart of missing rows.
_MAX_PARTS = 120


def profile_charts(result: InspectResult) -> list[Chart]:
    """Return the charts of a reading; empty where nothing was observed."""
    if result.series is None:
        return []
    ordinals, total = total_of(result.series)
    length = result.series.season_length
    charts = [history_chart(result.series, ordinals, total)]
    if length > 1 and len(total) >= 2 * length:
        charts.append(season_chart(result.series, ordinals, total))
    charts.append(lag_chart(total, season_length=length))
    return charts


def gaps_chart(series: SeriesSet) -> Chart | None:
    """Return the rows that are missing by part of the history, all series together; None where none is."""
    if bool(series.observed.all()):
        return None
    first = int(series.first_ordinals.min())
    stop = int((series.first_ordinals + series.lengths).max())
    place = np.repeat(series.first_ordinals - first - series.offsets[:-1], series.lengths) + np.arange(series.num_rows)
    starts = thinned(stop - first, most=_MAX_PARTS)
    part = np.searchsorted(starts, place, side="right") - 1
    missing = np.bincount(part, weights=~series.observed, minlength=len(starts))
    counts = np.maximum(np.bincount(part, minlength=len(starts)), 1)
    moments = series.freq.to_timestamps(first + starts)
    ends = times(series.freq.to_timestamps(first + np.append(starts[1:], stop - first)))
    rows = tuple(
        {"t": t, "end": end, "missing": value(100 * number / count)}
        for t, end, number, count in zip(times(moments), ends, missing.tolist(), counts.tolist(), strict=True)
    )
    x = time_axis(moments)
    bars: Spec = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": x, "x2": {"field": "end"}, "y": y_axis("missing", zero=True), "y2": {"datum": 0}, "color": {"value": "@bad"},
            "tooltip": [time_format(moments), tip("missing", "missing, per cent", "")],
        },
    }  # fmt: skip
    worst = max(rows, key=lambda row: row["missing"] or 0.0)
    return Chart(
        title="Missing rows",
        subtitle=f"per cent of the rows whose value is missing, in {len(rows)} parts of the history",
        summary=f"{int(missing.sum()):,} rows are missing; at most {worst['missing']:.0f} % of a part of the history.",
        rows=rows,
        layers=(bars,),
        columns={"t": "time", "missing": "missing, per cent"},
        height=120,
    )


def history_chart(series: SeriesSet, ordinals: Int64Array, total: Float64Array) -> Chart:
    """Return the whole history; where it is long, the range of each part and its mean."""
    moments = series.freq.to_timestamps(ordinals)
    starts = thinned(len(total))
    is_thinned = len(starts) < len(total)
    rows = [] if not len(total) else ranges(total, times(moments[starts]), starts)
    missing = int((~np.isfinite(total)).sum())
    heads = {
        "actual": "mean" if is_thinned else "value",
        **({"low": "lowest", "high": "highest"} if is_thinned else {}),
    }
    layers: list[Spec] = [band("range", "low", "high")] if is_thinned else []
    layers += [line("value", "actual", width=1.4), hover(time_format(moments), heads)]
    if len(rows) == 1:  # a line of one point is not seen
        layers[-2]["mark"]["point"] = {"size": 80, "filled": True, "color": "@history"}
    names = {"value": "@history"} | ({"range": "@narrow"} if is_thinned else {})
    parts = f" as {len(starts):,} parts, each with its mean and range" if is_thinned else ""
    seen = total[np.isfinite(total)]
    span = f"between {seen.min():,.4g} and {seen.max():,.4g}, {seen[-1]:,.4g} last" if len(seen) else "nothing observed"
    name = shortened(series.target_names[0]) if series.target_names else "value"
    title = name if series.num_series == 1 else f"{name}: total of {series.num_series:,} series"
    return Chart(
        title=title,
        subtitle=f"{plural(len(total), 'step')} of {step_words(series.freq.alias)}{parts}; {missing:,} missing",
        summary=f"{title}, {len(total):,} steps: {span}; {missing:,} missing.",
        rows=tuple(rows),
        layers=tuple(layers),
        encoding={"x": time_axis(moments), "color": colours(names, has_legend=is_thinned)},
        columns={"t": "time", **heads},
        has_zoom=True,
    )


def season_chart(series: SeriesSet, ordinals: Int64Array, total: Float64Array) -> Chart:
    """Return the usual course of one season: median and the middle 80 % at each position."""
    length = series.season_length
    shape = season_shape(total, ordinals, season_length=length)
    order, names = clock_names(on_the_wall(series, series.freq.to_timestamps(ordinals)), ordinals % length, length)
    shape = shape[order]
    rows = tuple(
        {"t": place + 1, "name": name, "low": value(low), "middle": value(middle), "high": value(high)}
        for place, (name, (low, middle, high)) in enumerate(zip(names, shape.tolist(), strict=True))
    )
    what = "position" if names[0] == "1" else "time"
    first = [
        place + 1 for place, name in enumerate(names) if not place or name.split()[0] != names[place - 1].split()[0]
    ]
    ticks = first if len(first) <= 12 else first[:: -(-len(first) // 8)]
    axis = {"values": ticks, "labelExpr": f"{json.dumps([name.split()[0] for name in names])}[datum.value - 1]"}
    heading = f"position in the season of {length} steps" if what == "position" else None
    x = quantity("t", title=heading, axis=axis, scale={"nice": False, "domain": [1, length]})
    heads = {"middle": "median", "low": "10 %", "high": "90 %"}
    layers = (
        band("middle 80 %", "low", "high"),
        line("median", "middle"),
        hover({"field": "name", "type": "nominal", "title": what}, heads),
    )
    word = {name: name for name in ("day", "week", "year")}.get(season_candidates(series)[length], "season")
    medians = shape[:, 1]
    known = np.isfinite(medians)
    peak = names[int(np.nanargmax(medians))] if known.any() else "–"
    trough = names[int(np.nanargmin(medians))] if known.any() else "–"
    return Chart(
        title=f"Usual course of a {word}",
        subtitle=f"{shortened(series.target_names[0])} by {what} in the season of {length} steps: median, and the middle 80 %",
        summary=f"Usual course of a {word} ({length} steps): highest at {what} {peak}, lowest at {what} {trough}.",
        rows=rows,
        layers=layers,
        encoding={"x": x, "color": colours({"median": "@forecast", "middle 80 %": "@narrow"})},
        columns={"name": what, **heads},
        height=220,
    )


def clock_names(moments: TimestampArray, position: Int64Array, length: int) -> tuple[Int64Array, list[str]]:
    """Return positions of a season in the order of the clock, and the name of each: `06:30`, `Mon 06:30`, `Mon`, `Mar`.

    A clock names them where nearly all rows of a position have one name, and each position another; else they are
    numbered from 1. `moments` and `position` are those of rows [N].
    """
    numbered = np.arange(length, dtype=np.int64), [str(place + 1) for place in range(length)]
    if moments.dtype.kind != "M" or length < 2:
        return numbered
    days = moments.astype("datetime64[D]")
    minute = ((moments - days) // np.timedelta64(1, "m")).astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7
    kinds: tuple[tuple[Int64Array, Callable[[int], str]], ...] = (
        (minute, _clock),
        (
            weekday * 1_440 + minute,
            lambda code: _WEEKDAYS[code // 1_440] + f" {_clock(code % 1_440)}" * bool(minute.any()),
        ),
        (moments.astype("datetime64[M]").astype(np.int64) % 12, lambda code: _MONTHS[code]),
    )
    for codes, name in kinds:
        pairs, counts = np.unique(np.stack([position, codes]), axis=1, return_counts=True)
        pairs = pairs[:, np.argsort(counts, kind="stable")]
        of_position = np.zeros(length, dtype=np.int64)
        of_position[pairs[0]] = pairs[1]  # the commonest code of a position is written last
        if len(np.unique(of_position)) == length and (of_position[position] == codes).mean() > _NEARLY_ALL:
            order = np.argsort(of_position, kind="stable")
            return order, [name(code) for code in of_position[order].tolist()]
    return numbered


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def lag_chart(total: Float64Array, *, season_length: int) -> Chart:
    """Return the autocorrelation by lag: how much a value tells about the values after it."""
    found = autocorrelations(total, season_length=season_length)
    rows: list[Row] = [{"t": lag, "r": value(number)} for lag, number in enumerate(found.tolist()) if lag]
    noise = 1.96 / math.sqrt(max(int(np.isfinite(total).sum()), 1))
    scale = {"nice": False, "domain": [0, max(len(rows), 1)]}
    x = quantity("t", title="lag in steps", axis={"tickMinStep": 1, "format": "d"}, scale=scale)
    y = y_axis("r", zero=True)
    bars: Spec = {
        "mark": {"type": "bar", "width": max(1.0, min(6.0, 700 / max(len(rows), 1)))},
        "encoding": {
            "y": y,
            "color": {"datum": "autocorrelation"},
            "tooltip": [tip("t", "lag", ""), tip("r", "autocorrelation", ".2f")],
        },
    }
    limits = dashed("r", noise, -noise, y=y, colour={"datum": "chance"})
    best = max(rows, key=lambda row: abs(row["r"] or 0), default=None)
    words = f"largest at lag {best['t']} ({best['r']:.2f})" if best and best["r"] is not None else "undefined: constant"
    return Chart(
        title="Autocorrelation",
        subtitle="how alike values are that are so many steps apart: 1 moves together, 0 is unrelated, "
        "between the dashed lines it may be chance",
        summary=f"Autocorrelation by lag, {words}; beyond {noise:.2f} it is hardly chance.",
        rows=tuple(rows[:MAX_POINTS]),
        layers=(bars, limits),
        encoding={"x": x, "color": colours({"autocorrelation": "@forecast", "chance": "@muted"})},
        columns={"t": "lag", "r": "autocorrelation"},
        height=200,
    )


def ranges(total: Float64Array, t: list[int], starts: Int64Array) -> list[Row]:
    """Return one row for each part of the history: its mean and, where parts have several rows, its range."""
    if len(starts) == len(total):
        return [{"t": place, "actual": number} for place, number in zip(t, values(total), strict=True)]
    known = np.isfinite(total)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    means = np.add.reduceat(np.where(known, total, 0.0), starts) / np.where(counts > 0, counts, np.nan)
    low = np.minimum.reduceat(np.where(known, total, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, total, -np.inf), starts)
    return [
        {"t": place, "actual": mean, "low": least, "high": most}
        for place, mean, least, most in zip(t, values(means), values(low), values(high), strict=True)
    ]
