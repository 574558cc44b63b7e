"""The series of a page's picker: their last rows and forecasts, small enough for 10,000 of them.

S series, H horizon, P past rows shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.charts.chart import (
    Chart,
    band,
    colours,
    hover,
    line,
    mark_at,
    shortened,
    time_axis,
    time_format,
    times,
)
from rnnforecast.charts.forecast_charts import LEAST_PAST, NAMES, PAST_PER_STEP, Interval, intervals
from rnnforecast.data.series import SeriesSet
from rnnforecast.frozen import dataclass
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.profile import common_end, last_rows_total

#: Numbers in a page: of more series, fewer past rows are shown, then fewer intervals, then fewer series.
MAX_NUMBERS = 1_500_000
#: With more numbers than this, each is one of `GRADES` between the lowest and the highest of its series.
EXACT_NUMBERS, GRADES = 150_000, 2_000
LEAST_ROWS = 24
_TOTAL = "All series together"


@dataclass(frozen=True)
class Shown:
    """What of a panel is shown: which series, how many of their last rows, and which intervals."""

    series: Int64Array
    past: int
    intervals: tuple[Interval, ...]
    exact: bool


def panel_of(series: SeriesSet, forecast: Forecast, *, errors: Mapping[str, float]) -> dict[str, Any]:
    """Return the content of the picker: one entry a series, and the sum of all where that is meaningful.

    `errors` are the MASE of past windows by item id. Of more series than fit, the largest are shown.
    """
    horizon = forecast.median.shape[1]
    sizes = _sizes(series)
    shown = _choose(forecast, sizes)
    first = np.maximum(series.lengths - shown.past, 0)
    starts = (series.first_ordinals + first)[shown.series]
    stops = (series.first_ordinals + series.lengths)[shown.series] + horizon
    ordinals = np.unique(np.concatenate([np.arange(a, b) for a, b in _spans(starts, stops)]))
    moments = series.freq.to_timestamps(ordinals)
    places = np.searchsorted(ordinals, starts).tolist()
    labels = series.item_ids
    entries = []
    for place, number in zip(places, shown.series.tolist(), strict=True):
        end = int(series.offsets[number + 1])
        history = series.values[end - int(series.lengths[number] - first[number]) : end]
        entry = _entry(history, number, forecast, shown)
        size, label = float(sizes[number]), labels[number]
        entries.append(
            {"name": shortened(label, 200), "at": place, "size": _rounded(size), "mase": errors.get(label), **entry}
        )
    if len(entries) > 1 and len(series.target_names) == 1:
        entries.insert(0, _total(series, forecast, ordinals, sizes))
    ends = {f"{end}{n}": f"{each.level:g} % {words}" for n, each in enumerate(shown.intervals)
            for end, words in (("low", "from"), ("high", "to"))}  # fmt: skip
    template = _template(series, ordinals, shown)
    return {
        "series": entries,
        "target": _target(series),
        "start": 0,
        "horizon": horizon,
        "times": times(moments),
        "labels": (16 if _has_hours(moments) else 10) if moments.dtype.kind == "M" else 0,
        "ends": ends,
        "pairs": [[f"low{n}", f"high{n}", each.name] for n, each in enumerate(shown.intervals)],
        "template": {"spec": template.spec(), "height": template.height, "zoom": True},
        "num_left_out": series.num_series - len(shown.series),
    }


def _sizes(series: SeriesSet) -> Float64Array:
    """Return the mean of the absolute values of each series: [S]."""
    sums = np.add.reduceat(np.append(np.where(series.observed, np.abs(series.values), 0.0), 0.0), series.offsets[:-1])
    counts = np.add.reduceat(np.append(series.observed.astype(np.float64), 0.0), series.offsets[:-1])
    found: Float64Array = np.where(series.lengths > 0, sums / np.maximum(counts, 1.0), 0.0)
    return found


def _choose(forecast: Forecast, sizes: Float64Array) -> Shown:
    num_series, horizon = forecast.median.shape
    found = tuple(intervals(np.moveaxis(forecast.quantiles, -1, 0)[:, 0].T, forecast.quantile_levels))
    past = max(PAST_PER_STEP * horizon, LEAST_PAST)
    for kept in (found, found[-1:]):
        each = horizon * (1 + 2 * len(kept))
        rows = min(past, MAX_NUMBERS // max(num_series, 1) - each)
        if rows >= LEAST_ROWS:
            break
    rows = max(rows, LEAST_ROWS)
    fitting = max(MAX_NUMBERS // (rows + each), 1)
    chosen = np.arange(num_series)
    if num_series > fitting:
        chosen = np.sort(np.argsort(-sizes, kind="stable")[:fitting])
    is_exact = len(chosen) * (rows + each) <= EXACT_NUMBERS
    return Shown(chosen, rows, kept, is_exact)


def _spans(starts: Int64Array, stops: Int64Array) -> list[tuple[int, int]]:
    """Return the distinct spans; series mostly have the same ones."""
    return [(int(a), int(b)) for a, b in np.unique(np.stack([starts, stops], axis=1), axis=0)]


def _entry(history: Float64Array, number: int, forecast: Forecast, shown: Shown) -> dict[str, Any]:
    """Return the numbers of one series, exact, or as grades between its lowest and highest."""
    arrays = {"history": history, "forecast": forecast.median[number]}
    for place, each in enumerate(
        intervals(forecast.quantiles[number], forecast.quantile_levels)[-len(shown.intervals) :]
    ):
        arrays |= {f"low{place}": each.low, f"high{place}": each.high}
    if shown.exact:
        return {name: [_rounded(value) for value in array.tolist()] for name, array in arrays.items()}
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays.values()])
    low = float(finite.min()) if len(finite) else 0.0
    step = (float(finite.max()) - low) / GRADES if len(finite) else 0.0
    step = step if np.isfinite(step) and step > 0 else 1.0
    grades = {name: [None if value != value else round((value - low) / step) for value in array.tolist()]
              for name, array in arrays.items()}  # fmt: skip
    return {"scale": [low, step], **grades}


def _total(series: SeriesSet, forecast: Forecast, ordinals: Int64Array, sizes: Float64Array) -> dict[str, Any]:
    """Return the sum of all series with the sum of the means; quantiles of a sum are not known."""
    end, is_shown = common_end(series)
    place = int(np.searchsorted(ordinals, end))
    gaps = np.flatnonzero(np.diff(ordinals[: place + 1]) > 1)  # series that ended long before
    first = int(gaps[-1]) + 1 if len(gaps) else 0
    history = last_rows_total(series, is_shown, num_rows=place - first + 1)
    return {
        "name": f"{_TOTAL} ({int(is_shown.sum()):,})",
        "sum": True,
        "at": first,
        "size": _rounded(float(sizes.sum())),
        "mase": None,
        "history": [_rounded(value) for value in history.tolist()],
        "forecast": [_rounded(value) for value in forecast.mean[is_shown].sum(axis=0).tolist()],
    }


def _template(series: SeriesSet, ordinals: Int64Array, shown: Shown) -> Chart:
    """Return the chart that the page fills with the rows of the chosen series."""
    moments = series.freq.to_timestamps(ordinals[-2000:])
    heads = {"actual": _target(series), "forecast": "forecast"}
    for place, each in reversed(list(enumerate(shown.intervals))):
        heads |= {f"low{place}": f"{each.level:g} % from", f"high{place}": f"{each.level:g} % to"}
    roles = ("@wide", "@narrow")[-len(shown.intervals) :] if shown.intervals else ()
    names = NAMES | dict(zip((each.name for each in shown.intervals), roles, strict=True))
    layers = [band(each.name, f"low{n}", f"high{n}") for n, each in enumerate(shown.intervals)]
    layers += [line("history", "actual", width=1.6), line("forecast", "forecast", width=2.4), *mark_at(0, "last row")]
    layers.append(hover(time_format(moments), heads))
    return Chart("", "", "", (), tuple(layers), encoding={"x": time_axis(moments), "color": colours(names)}, height=340)


def _target(series: SeriesSet) -> str:
    """Return what the charts show: the target, `value` where series have different ones."""
    return shortened(series.target_names[0]) if len(series.target_names) == 1 else "value"


def _has_hours(moments: TimestampArray) -> bool:
    days = moments.astype("datetime64[D]")
    return bool((days != moments).any())


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
