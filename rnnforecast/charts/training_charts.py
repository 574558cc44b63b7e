"""Charts of a training: the loss of its networks by step, on training and on validation windows, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    value,
    y_axis,
)
from rnnforecast.store.record import FitCurve

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
