"""Charts of `diagnose`: gradients through time by lag, and what the forecast looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rnnforecast.charts.chart import SERIES_ROLES, Chart, colours, hover, line, shortened, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.charts.chart import Row, Spec
    from rnnforecast.workflows.results import DiagnoseResult

_LEAST = 1e-12  # logarithms need positive numbers


def memory_chart(result: DiagnoseResult) -> Chart:
    """Return the norms of d h_t / d h_(t-k) by lag of every network, on a logarithmic scale."""
    table: dict[int, Row] = {}
    names = [shortened(str(curve["name"])) for curve in result.memory]
    for place, curve in enumerate(result.memory):
        lags, norms = cast("Sequence[int]", curve["lags"]), cast("Sequence[float]", curve["norms"])
        for lag, norm in zip(lags, norms, strict=True):
            table.setdefault(lag, {"t": lag})[f"m{place}"] = value(max(norm, _LEAST))
    x: Spec = {"field": "t", "type": "quantitative", "title": "steps back (k)", "axis": {"tickMinStep": 1, "format": "d"},
               "scale": {"nice": False}}  # fmt: skip
    layers = [line(name, f"m{place}", width=2.2) for place, name in enumerate(names)]
    for layer in layers:
        layer["encoding"]["y"]["scale"] = {"type": "log", "nice": True}
        layer["encoding"]["y"]["axis"] = {"format": ".0e", "tickCount": 5}
    limit: Spec = {
        "data": {"values": [{"limit": 0.01}]},
        "mark": {"type": "rule", "strokeDash": [4, 4]},
        "encoding": {"x": None, "y": {**layers[0]["encoding"]["y"], "field": "limit"}, "color": {"value": "@muted"}},
    }
    heads = {f"m{place}": name for place, name in enumerate(names)}
    memories = ", ".join(f"{row['name']} {row['memory']} steps" for row in result.networks)
    return Chart(
        title="How far back a gradient reaches",
        subtitle="norm of d h(t) / d h(t-k) by k; below the dashed line (1 %) a gradient has vanished",
        summary=f"Steps until a gradient through time has shrunk below 1 %: {memories}.",
        rows=tuple(table[lag] for lag in sorted(table)),
        layers=(
            *layers,
            limit,
            hover({"field": "t", "type": "quantitative", "title": "steps back"}, heads, form=".2e"),
        ),
        columns={"t": "steps back", **heads},
        encoding={"x": x, "color": colours(dict(zip(names, SERIES_ROLES, strict=False)))},
        height=300,
    )


def occlusion_chart(result: DiagnoseResult) -> Chart:
    """Return how far the forecast moves when blocks of rows are hidden."""
    rows = tuple(
        {"t": block["first_lag"], "end": float(str(block["last_lag"])) + 1, "effect": value(block["effect"])}
        for block in result.occlusion
    )
    x: Spec = {"field": "t", "type": "quantitative", "title": "hidden rows: steps before the end (logarithmic)",
               "scale": {"type": "log", "nice": False}, "axis": {"format": "~s", "tickCount": 6}}  # fmt: skip
    bars: Spec = {
        "mark": {"type": "rect", "stroke": "@ground", "strokeWidth": 1, "color": "@forecast"},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": {"field": "effect", "type": "quantitative", "title": None},
            "y2": {"datum": 0},
            "color": {"value": "@forecast"},
            "tooltip": [
                {"field": "t", "title": "from", "type": "quantitative"},
                {"field": "effect", "title": "moves", "type": "quantitative", "format": ".3f"},
            ],
        },
    }
    strongest = max(result.occlusion, key=lambda block: float(str(block["effect"])))
    return Chart(
        title="How far back the forecast looks",
        subtitle="how far the forecast moves when these rows are hidden, in standard deviations of the data",
        summary=f"Hiding rows {strongest['first_lag']} to {strongest['last_lag']} before the end moves the forecast most.",
        rows=rows,
        layers=(bars,),
        columns={"t": "from lag", "effect": "effect"},
        height=220,
    )
