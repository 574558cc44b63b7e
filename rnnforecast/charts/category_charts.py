"""Charts of targets of categories: probabilities of the next steps, transitions, and what was forecast for each category.

Each is a map of cells: the darker, the more probable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.charts.chart import (
    Chart,
    Row,
    Spec,
    quantity,
    shortened,
    tip,
    value,
)
from rnnforecast.charts.forecast_charts import timestamp_words
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast

#: Categories and steps of a map, at most: those of the largest probability, and the first ones.
MAX_CATEGORIES, MAX_STEPS = 24, 96
#: Columns of a map whose cells have numbers, at most.
MAX_NUMBERED = 16


def probability_chart(result: CategoricalForecast, number: int) -> Chart:
    """Return the probability of each category at each step ahead of one series, by its number."""
    rows = result.frame.iloc[number * result.horizon : (number + 1) * result.horizon].head(MAX_STEPS)
    first = rows.shape[1] - 1 - len(result.categories)  # ids, time, cutoff, forecast, probability come before
    probabilities = rows.iloc[:, first:-1].to_numpy(dtype=np.float64)
    steps = [timestamp_words(moment, result.freq) for moment in rows.iloc[:, first - 4]]
    kept, left_out = _largest(result.categories, probabilities.mean(axis=0))
    cells: list[Row] = [
        {"x": step, "y": shortened(result.categories[place]), "p": value(probabilities[lead, place])}
        for lead, step in enumerate(steps)
        for place in kept
    ]
    label = "/".join(shortened(str(part)) for part in rows.iloc[0, : first - 4])
    words = str(rows.iloc[0, first - 2])
    more = f"; the first {len(rows)} of {result.horizon} steps" if len(rows) < result.horizon else ""
    return _map(
        title=f"{label or shortened(result.target)}: probability of each category",
        subtitle=f"{result.model} at each step ahead{left_out}{more}",
        summary=f"The most probable category of the first step is {words}, {probabilities[0].max():.0%}.",
        cells=cells,
        heads=("step", "category", "probability"),
        orders=(steps, [shortened(result.categories[place]) for place in kept]),
    )


def transition_chart(categories: Sequence[str], transitions: Float64Array) -> Chart:
    """Return how often each category follows each other one, in one step: probabilities [K, K]."""
    kept, left_out = _largest(categories, transitions.mean(axis=0))
    names = [shortened(categories[place]) for place in kept]
    stays = [float(transitions[place, place]) for place in kept]
    longest = int(np.argmax(stays))
    return _map(
        title="Which category follows which",
        subtitle=f"probability of the next step's category by that of this step, counted in the training rows{left_out}",
        summary=f"{names[longest]} stays longest: it follows itself with {stays[longest]:.0%}.",
        cells=_cells(names, transitions[np.ix_(kept, kept)]),
        heads=("next", "now", "probability"),
        orders=(names, names),
    )


def confusion_chart(categories: Sequence[str], confusion: Sequence[Sequence[int]]) -> Chart | None:
    """Return what was forecast for each actual category, in parts of its steps; None where none was scored."""
    counts = np.array(confusion, dtype=np.float64)
    if not counts.sum():
        return None
    kept, left_out = _largest(categories, counts.sum(axis=1))
    names = [shortened(categories[place]) for place in kept]
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    right = float(np.trace(counts) / counts.sum())
    return _map(
        title="Actual and forecast categories",
        subtitle=f"part of the steps of each actual category that were forecast as each one: its row adds up to 1{left_out}",
        summary=f"{right:.0%} of {int(counts.sum()):,} steps were forecast as what they were.",
        cells=_cells(names, parts[np.ix_(kept, kept)]),
        heads=("forecast", "actual", "part"),
        orders=(names, names),
    )


def _largest(categories: Sequence[str], weights: Float64Array) -> tuple[list[int], str]:
    """Return the places of the categories that a map shows, in their order, and words on those left out."""
    if len(categories) <= MAX_CATEGORIES:
        return list(range(len(categories))), ""
    kept = np.sort(np.argsort(-weights, kind="stable")[:MAX_CATEGORIES]).tolist()
    return kept, f"; the {MAX_CATEGORIES} most frequent of {len(categories)} categories"


def _cells(names: Sequence[str], numbers: Float64Array) -> list[Row]:
    return [
        {"x": across, "y": down, "p": value(numbers[row, column])}
        for row, down in enumerate(names)
        for column, across in enumerate(names)
    ]


def _map(
    *,
    title: str,
    subtitle: str,
    summary: str,
    cells: Sequence[Row],
    heads: tuple[str, str, str],
    orders: tuple[Sequence[str], Sequence[str]],
) -> Chart:
    """Return cells `x`, `y`, `p`, a probability, in these orders; of a few columns each cell has its number."""
    across, down, what = heads
    is_wide = len(orders[0]) > MAX_NUMBERED
    axis = {"labelOverlap": True, "labelLimit": 190, "ticks": False, "domain": False}
    scale = {"range": ["@ground", "@forecast"], "domain": [0, 1], "interpolate": "rgb"}
    places: list[Spec] = [
        {"field": "x", "type": "ordinal", "title": across, "sort": list(orders[0]), "axis": axis},
        {"field": "y", "type": "ordinal", "title": None if is_wide else down, "sort": list(orders[1]), "axis": axis},
    ]
    tips = [tip("y", down), tip("x", across), tip("p", what, ".1%")]
    mark = {"type": "rect", "stroke": "@grid", "strokeWidth": 1}
    legend = {"title": what, "format": ".0%"} if is_wide else None
    encoding = {"x": places[0], "y": places[1], "color": quantity("p", scale=scale, legend=legend), "tooltip": tips}
    numbers: Spec = {
        "mark": {"type": "text"},
        "encoding": {
            "x": places[0],
            "y": places[1],
            "text": quantity("p", format=".0%"),
            "color": {"condition": {"test": "datum.p > 0.5", "value": "@ground"}, "value": "@ink"},
        },
    }
    return Chart(
        title=title,
        subtitle=subtitle,
        summary=summary,
        rows=tuple(cells),
        layers=({"mark": mark, "encoding": encoding}, *(() if is_wide else (numbers,))),
        columns={"y": down, "x": across, "p": what},
        height=170 + 30 * len(orders[1]),
    )
