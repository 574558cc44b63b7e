"""Charts of a backtest: errors by method, by lead time and by series, coverage of the intervals, accuracy against time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.charts.chart import (
    SERIES_ROLES,
    Chart,
    Row,
    Spec,
    band,
    bars,
    bars_height,
    bars_scale,
    colours,
    dots,
    hover,
    line,
    names_axis,
    quantity,
    shortened,
    time_axis,
    time_format,
    times,
    tip,
    value,
    values,
)
from rnnforecast.data.series import SeriesSet
from rnnforecast.evaluation.backtest import Backtest
from rnnforecast.evaluation.metrics import metric_value
from rnnforecast.evaluation.verdict import verdict_sentence
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.gains import CovariateGain
from rnnforecast.model_io.base import BASE
from rnnforecast.training.judge import NETWORKS
from rnnforecast.workflows.results import Metrics

#: Methods in a chart of lines, the best first.
MAX_LINES = 4
#: Sizes of the plots that labels are placed in (a page of 400 pixels, one of 1,400, a slide), and the width of a letter.
_PLOTS, _LETTER = ((290.0, 250.0), (480.0, 250.0), (560.0, 420.0)), 6.6
#: Half the height of a label, and of a point.
_RADIUS = 7.0
#: A label may leave the plot by so much.
_SPARE = 8.0
_RIVAL = "rival of the verdict"
_LOG_LOSS = "minus the logarithm of the probability of what happened, averaged over steps; smaller is better"
_MASE = "MASE: the mean error, where 1 is that of the naive forecast in the training rows; smaller is better"
#: Lines that differ less than this everywhere, as a fraction of the larger one, are drawn as one.
_ALIKE = 0.03
_AXIS = {"grid": True, "tickCount": 5}
_KINDS: Spec = {"field": "kind", **colours({"network": "@forecast", "simple method": "@muted"}, symbol="circle")}


def ranked(metrics: Metrics, metric: str = "mase") -> list[str]:
    """Return the methods, smallest error first; those without a value are last."""
    return sorted(metrics, key=lambda method: _order(metric_value(metrics[method], metric)))


def log_loss_chart(metrics: Metrics, *, rival: str = "") -> Chart:
    """Return bars of the log loss of each method over categories, best first."""
    numbers = {method: {"mase": scores["log_loss"]} for method, scores in metrics.items()}
    chart = error_chart(numbers, rival=rival, name="log loss", words=_LOG_LOSS)
    return replace(chart, title="Log loss by method")


def error_chart(
    metrics: Metrics,
    *,
    networks: Sequence[str] = (ENSEMBLE,),
    rival: str = "",
    name: str = "MASE",
    words: str = _MASE,
) -> Chart:
    """Return bars of an error by method, best first; networks and the rival of the verdict are in colour."""
    methods = ranked(metrics)
    rows = tuple(
        {"method": method, "mase": value(metric_value(metrics[method], "mase")),
         "kind": _RIVAL if method == rival else _kind(method, networks)}
        for method in methods
    )  # fmt: skip
    kinds = {"network": "@forecast", "simple method": "@quiet"} | ({_RIVAL: "@other"} if rival in metrics else {})
    layers = bars(
        names_axis("method", methods),
        quantity("mase", title=name, axis=_AXIS, scale=bars_scale([row["mase"] for row in rows])),
        colour={"field": "kind", **colours(kinds, symbol="square")},
        tips=[tip("method", "method"), tip("mase", name, ".4~g")],
        form=".3~g",
    )
    scored = [row for row in rows if row["mase"] is not None]
    summary = f"Error ({name}) by method, best first: " + ", ".join(
        f"{row['method']} {row['mase']:.3g}" for row in scored
    )
    return Chart(
        title="Error by method",
        subtitle=words,
        summary=summary + ".",
        rows=rows,
        layers=tuple(layers),
        columns={"method": "method", "mase": name},
        height=bars_height(len(rows)),
    )


def lead_chart(
    per_lead: Sequence[Mapping[str, object]],
    metrics: Metrics,
    *,
    networks: Sequence[str] = (ENSEMBLE,),
    rival: str = "",
) -> Chart | None:
    """Return the error by lead time of the best methods and the rival; None where there is one lead time alone."""
    leads = sorted({int(str(row["lead"])) for row in per_lead})
    if len(leads) < 2:
        return None
    shown = _lines(metrics, networks, rival)
    table: dict[int, Row] = {lead: {"t": lead} for lead in leads}
    for row in per_lead:
        if str(row["method"]) in shown:
            table[int(str(row["lead"]))][f"m{shown.index(str(row['method']))}"] = value(row.get("mase"))
    axis, scale = {"tickMinStep": 1, "format": "d", "tickCount": 8}, {"domain": [leads[0], leads[-1]], "nice": False}
    heads, rows = {f"m{place}": method for place, method in enumerate(shown)}, tuple(table.values())
    first, last = (table[lead].get("m0") for lead in (leads[0], leads[-1]))
    ends = f" {shown[0]}: {first:.3g} one step ahead, {last:.3g} after {leads[-1]}." if first and last else ""
    return Chart(
        title="Error by lead time",
        subtitle=f"MASE of each step ahead, over all windows; smaller is better{_hidden(rows, heads)}",
        summary=f"Error (MASE) by lead time of {', '.join(shown)}.{ends}",
        rows=rows,
        layers=_method_lines(heads, networks, quantity("t", title="lead")),
        columns={"t": "lead", **heads},
        encoding={
            "x": quantity("t", title="lead time in steps", axis=axis, scale=scale),
            "color": _method_colours(shown),
        },
        height=280,
    )


def coverage_chart(nominal: Sequence[float], observed: Sequence[float], num_scored: int) -> Chart:
    """Return how often actuals were below each quantile, against how often they should be; fractions."""
    rows = tuple({"t": value(100 * n), "seen": value(100 * o)} for n, o in zip(nominal, observed, strict=True))
    scale = {"domain": [0, 100]}
    x, y = (
        quantity("t", title="quantile, per cent", scale=scale, axis={"tickCount": 5}),
        quantity("seen", title=None, scale=scale),
    )
    ideal: Spec = {
        "data": {"values": [{"t": 0, "seen": 0}, {"t": 100, "seen": 100}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1.5},
        "encoding": {"y": y, "color": {"datum": "perfect"}},
    }
    tips = [tip("t", "quantile, per cent", ".3~g"), tip("seen", "actuals below it, per cent", ".3~g")]
    observations: Spec = {
        "mark": {"type": "line", "strokeWidth": 2.4, "point": {"filled": True, "size": 60}},
        "encoding": {"y": y, "color": {"datum": "observed"}, "tooltip": tips},
    }
    worst = max(zip(nominal, observed, strict=True), key=lambda pair: abs(pair[0] - pair[1]), default=(0.5, 0.5))
    return Chart(
        title="Calibration of the intervals",
        subtitle=f"per cent of actuals below each quantile; on the line is perfect ({num_scored:,} steps)",
        summary=f"Calibration: the largest difference is at the quantile {worst[0]:g}, "
        f"below which {100 * worst[1]:.0f} % of the actuals were.",
        rows=rows,
        layers=(ideal, observations),
        columns={"t": "quantile, per cent", "seen": "actuals below it, per cent"},
        encoding={"x": x, "color": colours({"observed": "@forecast", "perfect": "@muted"})},
        height=280,
    )


def time_chart(metrics: Metrics, seconds: Mapping[str, float], *, networks: Sequence[str]) -> Chart | None:
    """Return error against time of each method; None without at least two that have an error and a time."""
    methods = [method for method in ranked(metrics) if seconds.get(method, 0) > 0]
    rows: tuple[Row, ...] = tuple(
        {"method": method, "t": value(seconds[method]), "mase": mase, "kind": _kind(method, networks)}
        for method in methods
        if (mase := value(metric_value(metrics[method], "mase")) or 0.0) > 0  # logarithmic
    )
    if len(rows) < 2:
        return None
    ends = {name: _log_domain([row[name] for row in rows], after) for name, after in (("t", 0.2), ("mase", 0.12))}
    log = {"type": "log", "nice": False}
    axis = {"grid": True, "format": "~g", "values": _ticks(ends["t"], (1,))}
    x = quantity(
        "t", title="seconds to train and forecast (logarithmic)", scale={**log, "domain": ends["t"]}, axis=axis
    )
    y = quantity(
        "mase", title=None, scale={**log, "domain": ends["mase"]}, axis={"values": _ticks(ends["mase"], (1, 2, 5))}
    )
    tips = [tip("method", "method"), tip("mase", "MASE", ".4~g"), tip("t", "seconds", ".3~g")]
    labels: list[Spec] = [
        {
            "data": {"values": [row]},
            "mark": {"type": "text", "limit": 140, **place},
            "encoding": {"y": y, "text": {"field": "method"}, "color": {"value": "@ink"}},
        }
        for row, place in zip(rows, _label_places(rows, ends), strict=True)
    ]
    best = min(rows, key=lambda row: row["mase"])
    quick = min(rows, key=lambda row: row["t"])
    return Chart(
        title="Accuracy against time",
        subtitle="MASE (vertical, logarithmic) against seconds: lower is more accurate, further left is faster",
        summary=f"Error against time: {best['method']} has the smallest error (MASE {best['mase']:.3g} in "
        f"{best['t']:.3g} s), {quick['method']} is the fastest (MASE {quick['mase']:.3g} in {quick['t']:.3g} s).",
        rows=rows,
        layers=(dots(y, colour=_KINDS, tips=tips), *labels),
        columns={"method": "method", "mase": "MASE", "t": "seconds"},
        encoding={"x": x},
        height=320,
    )


def _log_domain(numbers: Sequence[float], after: float) -> list[float]:
    """Return the ends of a logarithmic axis, with space for points, and for labels after this part of the span."""
    span = max(math.log(max(numbers) / min(numbers)), 0.8)
    return [min(numbers) * math.exp(-0.12 * span), max(numbers) * math.exp(after * span)]


def _ticks(ends: Sequence[float], steps: Sequence[int]) -> list[float]:
    """Return the numbers of a logarithmic axis: these steps of each power of ten between its ends, at least one."""
    powers = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
    found = [step * 10.0**power for power in powers for step in steps]
    return [value(tick) or tick for tick in found if ends[0] <= tick <= ends[1]] or [value(ends[0]) or ends[0]]


def _label_places(rows: Sequence[Row], ends: Mapping[str, Sequence[float]]) -> list[Spec]:
    """Return the place of the label of each point, next to it: where it meets no point and no label before it.

    It is chosen for all sizes of plots: points move apart in a larger one, labels do not.
    """
    sizes = np.array(_PLOTS)

    def place(name: str, number: float) -> float:
        low, high = ends[name]
        return math.log(number / low) / math.log(high / low)

    centres = np.array([(place("t", row["t"]), 1 - place("mase", row["mase"])) for row in rows])[:, None] * sizes
    lows, highs = centres - _RADIUS, centres + _RADIUS  # of all that is taken: [points and labels, plots, 2]
    found: list[Spec] = []
    for row, centre in zip(rows, centres, strict=True):
        width, tried = _LETTER * len(str(row["method"])), []
        for dy, dx in itertools.product((0, -14, 14, -28, 28, -42, 42), (9, -9)):
            low = centre + np.array([dx if dx > 0 else dx - width, dy - _RADIUS])
            high = low + np.array([width, 2 * _RADIUS])
            over = ((low < highs) & (lows < high)).all(axis=2).sum()
            over += ((low < -_SPARE) | (high > sizes + _SPARE)).any(axis=1).sum()
            tried.append(
                (float(over) + abs(dy) / 40, {"align": "left" if dx > 0 else "right", "dx": dx, "dy": dy}, low, high)
            )
        _, mark, low, high = min(tried, key=lambda each: each[0])
        lows, highs = np.append(lows, low[None], axis=0), np.append(highs, high[None], axis=0)
        found.append(mark)
    return found


def rank_chart(ranks: Mapping[str, float], difference: float | None, *, networks: Sequence[str]) -> Chart | None:
    """Return mean ranks with the span in which others may be level with the best; None without two ranks."""
    order = sorted((name for name in ranks if math.isfinite(ranks[name])), key=lambda name: ranks[name])
    if len(order) < 2:
        return None
    rows = tuple({"method": name, "rank": value(ranks[name]), "kind": _kind(name, networks)} for name in order)
    axis = {"grid": True, "tickCount": 6}
    x = quantity("rank", title="mean rank", scale={"domain": [1, len(order)]}, axis=axis)
    best = ranks[order[0]]
    span: list[Spec] = []
    if difference is not None:
        span.append({
            "data": {"values": [{"rank": best, "end": best + difference}]},
            "mark": {"type": "rect", "opacity": 1, "clip": True},
            "encoding": {"x": x, "x2": {"field": "end"}, "color": {"value": "@wide"}},
        })  # fmt: skip
    tips = [tip("method", "method"), tip("rank", "mean rank", ".3~g")]
    level = [] if difference is None else [name for name in order[1:] if ranks[name] - best < difference]
    words = "1 would be the best everywhere" + ("; methods on the area may be level with the best" if span else "")
    return Chart(
        title="Mean rank",
        subtitle=words,
        summary=f"Mean ranks: {', '.join(f'{name} {ranks[name]:.2f}' for name in order)}."
        + (f" Level with the best: {', '.join(level)}." if level else ""),
        rows=rows,
        layers=(*span, dots(names_axis("method", order), x=x, colour=_KINDS, tips=tips)),
        columns={"method": "method", "rank": "mean rank"},
        height=bars_height(len(rows)),
    )


def cutoff_chart(backtest: Backtest, series: SeriesSet, *, most: int = 3, rival: str = "") -> Chart | None:
    """Return the mean error by cutoff of the best methods and the rival; None where there are fewer than three cutoffs."""
    windows = backtest.windows
    ordinals = series.first_ordinals[windows.series] + windows.cutoffs - 1
    distinct, owner = np.unique(ordinals, return_inverse=True)
    if len(distinct) < 3:
        return None
    errors = {method: _by_group(values, owner, len(distinct)) for method, values in backtest.scaled_errors().items()}
    means = {method: np.nanmean(values) if np.isfinite(values).any() else math.inf for method, values in errors.items()}
    others = sorted(
        (method for method in errors if method != ENSEMBLE), key=lambda method: (method != rival, means[method])
    )
    shown = [ENSEMBLE, *others[: most - 1]]
    moments = series.freq.to_timestamps(distinct)
    rows: list[Row] = [{"t": t} for t in times(moments)]
    for place, method in enumerate(shown):
        for row, number in zip(rows, values(errors[method]), strict=True):
            row[f"m{place}"] = number
    heads = {f"m{place}": method for place, method in enumerate(shown)}
    worst = int(np.nanargmax(errors[ENSEMBLE])) if np.isfinite(errors[ENSEMBLE]).any() else 0
    when = str(moments[worst])[:16].replace("T", " ")
    return Chart(
        title="Error over time",
        subtitle=f"MASE of the forecasts made at each date; a rise at the end is a warning{_hidden(rows, heads)}",
        summary=f"Error by cutoff of {', '.join(shown)}; the ensemble has its largest error at {when}.",
        rows=tuple(rows),
        layers=_method_lines(heads, (ENSEMBLE,), time_format(moments)),
        columns={"t": "cutoff", **heads},
        encoding={"x": time_axis(moments), "color": _method_colours(shown)},
        height=220,
    )


def windows_chart(backtest: Backtest, series: SeriesSet, label: str, *, kind: str = "") -> Chart:
    """Return the past forecasts of one series against the actuals, with the 80 % intervals."""
    number = series.item_ids.index(label)
    horizon = backtest.actuals.values.shape[1]
    every = np.flatnonzero(backtest.windows.series == number)
    chosen = _apart(every, backtest.windows.cutoffs, horizon)
    cutoffs = backtest.windows.cutoffs[chosen]
    first = max(int(cutoffs.min()) - horizon, 0)
    stop = min(int(cutoffs.max()) + backtest.gap + horizon, int(series.lengths[number]))
    start = int(series.offsets[number])
    actual = np.where(series.observed, series.values, np.nan)[start + first : start + stop]
    moments = series.freq.to_timestamps(series.first_ordinals[number] + np.arange(first, stop))
    rows: list[Row] = [{"t": t, "actual": v} for t, v in zip(times(moments), values(actual), strict=True)]
    quantiles = backtest.quantiles[ENSEMBLE]
    levels = backtest.quantile_levels
    fields = {
        name: levels.index(level) for name, level in (("forecast", 0.5), ("low", 0.1), ("high", 0.9)) if level in levels
    }
    for window, cutoff in zip(chosen.tolist(), cutoffs.tolist(), strict=True):
        for lead in range(horizon):
            place = cutoff + backtest.gap + lead - first
            if 0 <= place < len(rows):
                rows[place] |= {name: value(float(quantiles[window, lead, at])) for name, at in fields.items()}
                rows[place]["window"] = window
    heads = {"actual": "actual", "forecast": "forecast", "low": "80 % from", "high": "80 % to"}
    names = {"actual": "@history", "forecast": "@forecast", "80 % interval": "@narrow"}
    layers = [
        band("80 % interval", "low", "high"),
        line("actual", "actual", width=1.6),
        line("forecast", "forecast", width=2.2),
    ]
    if horizon > 1:  # forecasts of one step each are one line: a line of one point is not seen
        for layer in (layers[0], layers[2]):
            layer["encoding"]["detail"] = {"field": "window", "type": "nominal"}
    left_out = f" ({len(every) - len(chosen)} that overlap with them are left out)" if len(every) > len(chosen) else ""
    target = series.target_names[int(series.target_index[number])]
    title = f"Past forecasts: {shortened(label)}" + (f" ({kind} of all series)" if kind else "")
    return Chart(
        title=title,
        subtitle=f"{shortened(target)}: {len(chosen)} forecasts of {horizon} steps{left_out}, "
        "each from the rows before it alone, against the actual values",
        summary=f"{title}: {len(chosen)} forecasts of {horizon} steps against the actual values.",
        rows=tuple(rows),
        layers=(*layers, hover(time_format(moments), heads)),
        columns={"t": "time", **heads},
        encoding={"x": time_axis(moments), "color": colours(names)},
        height=250,
        has_zoom=True,
    )


def gains_chart(gains: Sequence[CovariateGain]) -> Chart | None:
    """Return bars of what each covariate changes of the error, the most helpful first; None where none was measured."""
    if not gains:
        return None
    order = sorted(gains, key=lambda gain: gain.error_change)
    rows = tuple(
        {"covariate": shortened(gain.name), "change": value(gain.error_change),
         "effect": "helps" if gain.error_change < 0 else "does not help",
         "better": gain.num_better, "windows": gain.num_windows}
        for gain in order
    )  # fmt: skip
    most = max(10.0, *(1.2 * abs(gain.error_change) for gain in order if math.isfinite(gain.error_change)))
    effects = colours({"helps": "@good", "does not help": "@quiet"}, symbol="square")
    layers = bars(
        names_axis("covariate", [row["covariate"] for row in rows]),
        quantity(
            "change", title="change of the error, per cent", axis=_AXIS, scale={"domain": [-most, most], "nice": True}
        ),
        colour={"field": "effect", **effects},
        tips=[
            tip("covariate", "covariate"), tip("change", "change, per cent", "+.3~g"),
            tip("better", "windows with a smaller error", ""), tip("windows", "windows", ""),
        ],
        form="+.0f",
    )  # fmt: skip
    each = ", ".join(f"{row['covariate']} {row['change']:+.3g} %" for row in rows)
    return Chart(
        title="What covariates gain",
        subtitle="change of the error of a forecast without training when the covariate is added to all others; "
        "to the left of zero it helps",
        summary=f"Change of the error with each covariate: {each}.",
        rows=rows,
        layers=tuple(layers),
        columns={
            "covariate": "covariate",
            "change": "change, per cent",
            "better": "better windows",
            "windows": "windows",
        },
        height=bars_height(len(rows)),
    )


def weights_chart(weights: Mapping[str, float]) -> Chart:
    """Return bars of the weights of an ensemble, heaviest first."""
    names = sorted(weights, key=lambda name: -weights[name])
    rows = tuple({"member": name, "weight": value(100 * weights[name])} for name in names)
    layers = bars(
        names_axis("member", names),
        quantity("weight", title="weight, per cent", axis=_AXIS, scale=bars_scale([row["weight"] for row in rows])),
        colour={"value": "@forecast"},
        tips=[tip("member", "member"), tip("weight", "weight, per cent", ".0f")],
        form=".0f",
    )
    shown = ", ".join(f"{name} {100 * weights[name]:.0f} %" for name in names)
    return Chart(
        title="Weights of the ensemble",
        subtitle="what each part counts in the forecast; chosen by the errors on validation rows",
        summary=f"Weights of the ensemble: {shown}.",
        rows=rows,
        layers=tuple(layers),
        columns={"member": "member", "weight": "weight, per cent"},
        height=bars_height(len(rows)),
    )


def rival_of(verdict: Mapping[str, object] | None) -> str:
    """Return the method that the verdict compares with, "" without a verdict."""
    return "" if verdict is None else str(verdict.get("against") or "")


def verdict_words(verdict: Mapping[str, object] | None) -> str:
    """Return the verdict as a headline."""
    if verdict is None:
        return "No verdict: there are too few rows for a test"
    words, skill = verdict_sentence(verdict, digits=0), verdict.get("skill")
    if verdict.get("test") == "none":
        words += f": {verdict.get('reason')}"
    elif verdict["outcome"] == "tie" and isinstance(skill, int | float) and math.isfinite(skill):
        method = str(verdict.get("method", ENSEMBLE))
        name = f"the {method}" if method == ENSEMBLE else method
        words = f"{name} and {verdict.get('against')} are level: {abs(skill):.1f} % may be chance"
    return f"{words[0].upper()}{words[1:]}" if words.startswith(("the ", "whether ")) else words


def _method_lines(heads: Mapping[str, str], networks: Sequence[str], x: Spec) -> tuple[Spec, ...]:
    """Return a line for each method, by field -> name: networks in front, wide; and the pointer that shows their numbers."""
    lines = [
        line(name, field, width=(1.6, 2.6)[name in networks], dash=((5, 3), ())[name in networks], zero=True)
        for field, name in reversed([*heads.items()])
    ]
    return *lines, hover(x, heads, form=".3~g")


def _method_colours(methods: Sequence[str]) -> Spec:
    return colours(dict(zip(methods, SERIES_ROLES, strict=False)))


def _hidden(rows: Sequence[Row], heads: Mapping[str, str]) -> str:
    """Say which lines lie below others: nearly the same numbers at every place, by field -> name."""
    words = []
    for place, (field, name) in enumerate(heads.items()):
        for above in list(heads)[:place]:
            pairs = [(row.get(field), row.get(above)) for row in rows]
            known = [(one, other) for one, other in pairs if one is not None and other is not None]
            if known and all(abs(one - other) <= _ALIKE * max(abs(one), abs(other)) for one, other in known):
                words.append(f"{name} lies below {heads[above]}")
                break
    return "".join(f"; {each}" for each in words)


def _lines(metrics: Metrics, networks: Sequence[str], rival: str) -> list[str]:
    """Return the methods of a chart of lines: the networks first, then the rival of the verdict, then the best others."""
    best = ranked(metrics)
    chosen = [method for method in best if method in networks and method != rival][: MAX_LINES - 1]
    others = [method for method in best if method not in networks or method == rival]
    return chosen + sorted(others, key=lambda method: method != rival)[: MAX_LINES - len(chosen)]


def _apart(windows: Int64Array, cutoffs: Int64Array, horizon: int) -> Int64Array:
    """Return the windows of one series that do not overlap, the last among them, in order of time."""
    kept: list[int] = []
    for window in windows[np.argsort(-cutoffs[windows], kind="stable")].tolist():
        if not kept or cutoffs[kept[-1]] - cutoffs[window] >= horizon:
            kept.append(window)
    return np.asarray(kept[::-1], dtype=np.int64)


def _by_group(errors: Float64Array, owner: Int64Array, count: int) -> Float64Array:
    """Return the mean of scaled errors [W, H] of each group of windows."""
    known = np.isfinite(errors)
    sums = np.bincount(owner, weights=np.where(known, errors, 0.0).sum(axis=1), minlength=count)
    counts = np.bincount(owner, weights=known.sum(axis=1), minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _kind(method: str, networks: Sequence[str]) -> str:
    return "network" if method in networks or method in (ENSEMBLE, NETWORKS, BASE) else "simple method"


def _order(number: float | None) -> float:
    return math.inf if number is None or not math.isfinite(number) else number
