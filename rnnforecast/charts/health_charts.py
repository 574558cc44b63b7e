"""Charts of `diagnose`: gradients through time by lag, and what the forecast looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rnnforecast.charts.chart import (
    Chart,
    Row,
    Spec,
    dashed,
    nearest,
    network_colours,
    power_axis,
    quantity,
    shortened,
    tip,
    value,
)
from rnnforecast.workflows.results import DiagnoseResult

_LEAST = 1e-12  # logarithms need positive numbers


def memory_chart(result: DiagnoseResult) -> Chart:
    """Return the norms of d h_t / d h_(t-k) by lag of every network, on a logarithmic scale."""
    names = [shortened(str(curve["name"])) for curve in result.memory]
    rows: list[Row] = [
        {"t": lag, "norm": value(max(norm, _LEAST)), "network": name}
        for name, curve in zip(names, result.memory, strict=True)
        for lag, norm in zip(cast("Sequence[int]", curve["lags"]), cast("Sequence[float]", curve["norms"]), strict=True)
        if norm >= _LEAST or lag == cast("Sequence[int]", curve["lags"])[0]
    ]
    x = quantity("t", title="steps back (k)", axis={"tickMinStep": 1, "format": "d"}, scale={"nice": False})
    y = power_axis("norm", [float(row["norm"] or _LEAST) for row in rows])
    lines: Spec = {"mark": {"type": "line", "strokeWidth": 2.2, "clip": True}, "encoding": {"y": y}}
    limit = dashed("norm", 0.01, y=y, colour={"value": "@muted"})
    memories = ", ".join(f"{row['name']} {row['memory']} steps" for row in result.networks)
    return Chart(
        title="How far back a gradient reaches",
        subtitle="what is left of a change k steps back, the norm of d h(t) / d h(t-k): 1 is all of it; "
        "below the dashed line (1 %) it is forgotten; what is less than 1e-12 is not drawn",
        summary=f"Steps until a gradient through time has shrunk below 1 %: {memories}.",
        rows=tuple(rows),
        layers=(lines, limit, nearest("norm", "norm", "steps back", form=".2e")),
        columns={"network": "network", "t": "steps back", "norm": "norm"},
        encoding={"x": x, "color": network_colours(names)},
        height=300,
    )


def occlusion_chart(result: DiagnoseResult) -> Chart:
    """Return how far the forecast moves when blocks of rows are hidden."""
    rows = tuple(
        {"t": block["first_lag"], "end": float(str(block["last_lag"])) + 1, "effect": value(block["effect"])}
        for block in result.occlusion
    )
    scale, axis = {"type": "log", "nice": False}, {"format": "~s", "tickCount": 6}
    x = quantity("t", title="hidden rows: steps before the end (logarithmic)", scale=scale, axis=axis)
    blocks: Spec = {
        "mark": {"type": "rect", "stroke": "@ground", "strokeWidth": 1, "color": "@forecast"},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": quantity("effect", title=None),
            "y2": {"datum": 0},
            "color": {"value": "@forecast"},
            "tooltip": [tip("t", "from", ""), tip("effect", "moves", ".3f")],
        },
    }
    strongest = max(result.occlusion, key=lambda block: float(str(block["effect"])))
    return Chart(
        title="How far back the forecast looks",
        subtitle="how far the forecast moves when these rows are hidden, in standard deviations of the data",
        summary=f"Hiding rows {strongest['first_lag']} to {strongest['last_lag']} before the end moves the forecast most.",
        rows=rows,
        layers=(blocks,),
        columns={"t": "from lag", "effect": "effect"},
        height=220,
    )


def attention_chart(result: DiagnoseResult) -> Chart | None:
    """Return the attention of each forecast segment to each segment of the window as a map; None without attention."""
    if not result.attention:
        return None
    rows = tuple({"t": row["lag"], "step": row["step"], "weight": value(row["weight"])} for row in result.attention)
    order: Spec = {"type": "ordinal", "axis": {"labelOverlap": True, "ticks": False, "domain": False}}
    scale = {"range": ["@wide", "@forecast"], "zero": True}
    cells: Spec = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "t", "title": "steps before the last row", "sort": "descending", **order},
            "y": {"field": "step", "title": "forecast step", **order},
            "color": quantity("weight", scale=scale, legend={"title": "attention", "format": ".2~f"}),
            "tooltip": [
                tip("step", "forecast step"), tip("t", "steps before the last row"), tip("weight", "attention", ".3~f"),
            ],
        },
    }  # fmt: skip
    most = max(rows, key=lambda row: float(str(row["weight"] or 0)))
    return Chart(
        title="What the decoder attends to",
        subtitle="attention of each forecast step to the steps of the window; each row of the map adds up to 1",
        summary=f"The strongest attention is that of step {most['step']} to {most['t']} steps before the last row.",
        rows=rows,
        layers=(cells,),
        columns={"step": "forecast step", "t": "steps before the last row", "weight": "attention"},
        height=min(max(22 * len({row["step"] for row in rows}), 90), 320),
    )
