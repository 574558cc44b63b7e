"""Charts of a forecast: the last rows of a series, the forecast, and its intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import Float64Array, TimestampArray
from rnnforecast.charts.chart import (
    SERIES_ROLES,
    Chart,
    Row,
    Spec,
    band,
    colours,
    hover,
    line,
    mark_at,
    shortened,
    time_axis,
    time_format,
    times,
    value,
    values,
)
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import timestamp_to_json
from rnnforecast.workflows.forecasts.predict_result import PredictResult, Preview

#: Names in the legend -> colours.
NAMES = {"history": "@history", "forecast": "@forecast"}
#: Steps of the past in a chart, for each step of the forecast.
PAST_PER_STEP, LEAST_PAST = 4, 40


@dataclass(frozen=True)
class Interval:
    """The ends of a central interval, each [H], and its level in per cent."""

    level: float
    low: Float64Array
    high: Float64Array

    @property
    def name(self) -> str:
        """Its name in the legend: `80 % interval`."""
        return f"{self.level:g} % interval"


def intervals(quantiles: Float64Array, levels: Sequence[float], *, most: int = 2) -> list[Interval]:
    """Return the central intervals of quantiles [H, Q], widest first: 95 % and 80 % where they are there."""
    places = {round(level, 9): place for place, level in enumerate(levels)}
    found = [
        Interval(round(100 * (1 - 2 * level), 6), quantiles[:, place], quantiles[:, places[other]])
        for level, place in sorted(places.items())
        if level < 0.5 and (other := round(1 - level, 9)) in places
    ]
    usual = [interval for interval in found if interval.level in (80, 95)]
    return (usual or found)[:most]


def forecast_chart(result: PredictResult, preview: Preview) -> Chart:
    """Return the chart of one series: history, forecast, intervals and the cutoff."""
    horizon = len(preview.timestamps)
    shown = max(PAST_PER_STEP * horizon, LEAST_PAST)
    history, past_timestamps = preview.past_target[-shown:], preview.past_timestamps[-shown:]
    bands = intervals(preview.quantiles, result.quantile_levels)
    rows = _rows(past_timestamps, history, preview, bands)
    moments = np.concatenate([past_timestamps, preview.timestamps])
    layers: list[Spec] = [band(each.name, f"low{n}", f"high{n}") for n, each in enumerate(bands)]
    layers += [line("history", "actual", width=1.6), line("forecast", "forecast", width=2.4)]
    if len(past_timestamps):
        layers += mark_at(times(past_timestamps[-1:])[0], "last row")
    heads = {"actual": shortened(preview.target), "forecast": "forecast"}
    for number, each in reversed(list(enumerate(bands))):
        heads |= {f"low{number}": f"{each.level:g} % from", f"high{number}": f"{each.level:g} % to"}
    layers.append(hover(time_format(moments), heads))
    names = NAMES | dict(zip((each.name for each in bands), ("@wide", "@narrow")[-len(bands) :], strict=False))
    return Chart(
        title=f"{_label(result, preview)}: forecast",
        subtitle=_subtitle(result, preview),
        summary=summary_of(result, preview, bands),
        rows=tuple(rows),
        layers=tuple(layers),
        encoding={"x": time_axis(moments), "color": colours(names)},
        columns={"t": "time", **heads},
        has_zoom=True,
    )


def parts_chart(result: PredictResult, preview: Preview) -> Chart:
    """Return the parts of the forecast of one series, each as its distance from zero; they add up to the forecast."""
    shown = list(preview.parts)[: len(SERIES_ROLES)]
    columns = [times(preview.timestamps), *(values(preview.parts[name]) for name in shown)]
    fields = ["t", *(f"p{place}" for place in range(len(shown)))]
    heads = dict(zip(fields[1:], (shortened(name) for name in shown), strict=True))
    layers = [line(heads[field], field, zero=True) for field in fields[1:]]
    layers.append(hover(time_format(preview.timestamps), heads))
    means = ", ".join(f"{name} {float(np.mean(preview.parts[name])):,.4g}" for name in shown)
    return Chart(
        title=f"Parts: {_label(result, preview)}",
        subtitle="what moves each step of the forecast; the parts add up to it",
        summary=f"Parts of the forecast of {_label(result, preview)}, on average: {means}.",
        rows=tuple(dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)),
        layers=tuple(layers),
        encoding={
            "x": time_axis(preview.timestamps),
            "color": colours(dict(zip(heads.values(), SERIES_ROLES, strict=False))),
        },
        columns={"t": "time", **heads},
        height=260,
    )


def _rows(
    past_timestamps: TimestampArray, history: Float64Array, preview: Preview, bands: Sequence[Interval]
) -> list[Row]:
    """Return one row a step; the last observed value starts the line and the areas of the forecast."""
    rows: list[Row] = [
        {"t": t, "actual": number} for t, number in zip(times(past_timestamps), values(history), strict=True)
    ]
    seen = np.flatnonzero(np.isfinite(history))
    if len(seen) and seen[-1] == len(history) - 1:
        start = value(float(history[-1]))
        rows[-1] |= {"forecast": start, **{f"{end}{n}": start for n in range(len(bands)) for end in ("low", "high")}}
    for step, t in enumerate(times(preview.timestamps)):
        ends = {f"low{n}": value(float(each.low[step])) for n, each in enumerate(bands)}
        ends |= {f"high{n}": value(float(each.high[step])) for n, each in enumerate(bands)}
        rows.append({"t": t, "forecast": value(float(preview.median[step])), **ends})
    return rows


def _label(result: PredictResult, preview: Preview) -> str:
    parts = [preview.label, preview.target if not preview.label or len({p.target for p in result.previews}) > 1 else ""]
    return shortened(" ".join(part for part in parts if part) or result.model)


def _subtitle(result: PredictResult, preview: Preview) -> str:
    first, last = (timestamp_words(preview.timestamps[place], result.freq) for place in (0, -1))
    target = f"{shortened(preview.target)}: " if preview.label else ""
    return f"{target}{len(preview.timestamps)} steps ahead by {result.model}: {first} to {last}"


def timestamp_words(timestamp: object, freq: object) -> str:
    """Return a timestamp for people, to the minute at most."""
    return str(timestamp_to_json(timestamp, freq)).replace("T", " ").removesuffix(":00")


def summary_of(result: PredictResult, preview: Preview, bands: Sequence[Interval]) -> str:
    """Return the text alternative: where the series was, where the forecast leads, how wide its interval is."""
    observed = preview.past_target[np.isfinite(preview.past_target)]
    past = f"Its last value is {observed[-1]:,.4g}. " if len(observed) else "It has no observed value. "
    first, last = preview.median[0], preview.median[-1]
    text = f"Forecast of {_label(result, preview)}. {past}The forecast goes from {first:,.4g} at "
    text += f"{timestamp_words(preview.timestamps[0], result.freq)} to {last:,.4g} at "
    text += f"{timestamp_words(preview.timestamps[-1], result.freq)}"
    if bands:
        each = bands[-1]
        text += f", then between {each.low[-1]:,.4g} and {each.high[-1]:,.4g} with a probability of {each.level:g} %"
    return text + "."
