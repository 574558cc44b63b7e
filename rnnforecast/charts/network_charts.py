"""Charts of networks: of `diagnose` (gradients through time, what a forecast looks at), and of a training (losses)."""

from __future__ import annotations

import math
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
    y_axis,
)
from rnnforecast.store.record import FitCurve
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


_X = quantity("t", title="gradient step", axis={"tickMinStep": 1, "format": "d"}, scale={"nice": False, "zero": True})


def loss_chart(curves: Sequence[FitCurve]) -> Chart:
    """Return the loss by gradient step: of the windows that the network is fitted to, and of the validation windows.

    Networks that normalise differently have losses in different units, so each is divided by its first validation loss.
    """
    names = names_of(curves)
    rows: list[Row] = []
    for name, curve in zip(names, curves, strict=True):
        unit = _unit(curve)
        rows += [{"t": step, "loss": value(loss / unit), "network": name, "windows": "training"}
                 for step, loss in zip(curve.steps, curve.losses, strict=True)]  # fmt: skip
        rows += [{"t": step, "loss": value(score / unit), "network": name, "windows": "validation"}
                 for step, score in zip(curve.score_steps, curve.scores, strict=True)]  # fmt: skip
    kinds = {"domain": ["training", "validation"], "range": [[1, 0], [5, 4]]}
    lines: Spec = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "y": y_axis("loss"),
            "strokeDash": {"field": "windows", "type": "nominal", "scale": kinds, "legend": None},
        },
    }
    dots: Spec = {
        "transform": [{"filter": "datum.windows === 'validation'"}],
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
        "encoding": {"y": y_axis("loss")},
    }
    best = ", ".join(
        f"{name} {min(curve.scores) / _unit(curve):.3g} at step {curve.best_step}"
        for name, curve in zip(names, curves, strict=True)
        if curve.scores
    )
    return Chart(
        title="Loss while training, divided by the first validation loss",
        subtitle="solid: windows that the network is fitted to; dashed with dots: validation windows, which choose the "
        "step that is kept. Smaller is better; a dashed line that rises is overfitting. "
        "Each network is in its own units: do not compare between networks",
        summary="Loss by gradient step, divided by the first validation loss. "
        f"Smallest validation loss: {best or 'not measured'}.",
        rows=tuple(rows),
        layers=(lines, dots, nearest("loss", "loss", "step")),
        columns={"network": "network", "windows": "windows", "t": "step", "loss": "loss in its own units"},
        encoding={"x": _X, "color": network_colours(names)},
        height=280,
    )


def gradient_chart(curves: Sequence[FitCurve], *, clip: float | None) -> Chart:
    """Return the norm of the gradient by step, before it is clipped, on a logarithmic scale."""
    names = names_of(curves)
    rows: list[Row] = [
        {"t": step, "norm": value(max(norm, 1e-9)), "network": name}
        for name, curve in zip(names, curves, strict=True)
        for step, norm in zip(curve.steps, curve.norms, strict=True)
    ]
    y = power_axis("norm", [float(row["norm"] or 1.0) for row in rows] + ([] if clip is None else [clip]))
    layers: list[Spec] = [{"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y}}]
    if clip is not None:
        layers.append(dashed("norm", clip, y=y, colour={"value": "@muted"}))
    largest = max((norm for curve in curves for norm in curve.norms), default=0.0)
    return Chart(
        title="Gradients while training",
        subtitle="norm of the gradient by step, before clipping (logarithmic)"
        + ("" if clip is None else f"; above the dashed line ({clip:g}) it is clipped"),
        summary=f"Norm of the gradient by step, at most {largest:.3g} on average over a few steps"
        + ("." if clip is None else f"; it is clipped above {clip:g}."),
        rows=tuple(rows),
        layers=(*layers, nearest("norm", "norm", "step")),
        columns={"network": "network", "t": "step", "norm": "norm"},
        encoding={"x": _X, "color": network_colours(names)},
        height=280,
    )


def names_of(curves: Sequence[FitCurve]) -> list[str]:
    """Return a different name for each curve."""
    names: list[str] = []
    for curve in curves:
        name = shortened(curve.name) or "network"
        count = sum(other == name or other.startswith(f"{name} #") for other in names)
        names.append(f"{name} #{count + 1}" if count else name)
    return names


def _unit(curve: FitCurve) -> float:
    """Return the first validation loss of a network, its first loss where none was validated; 1 where that cannot divide."""
    first = next(iter((*curve.scores, *curve.losses)), 1.0)
    return float(first) if math.isfinite(first) and first > 0 else 1.0
