"""The screen of `diagnose`: memory of each network, its gradients and gates, what the model looks at, and advice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import NOTHING, Space, duration, heading, number, quiet_table, safe, screen, under
from rnnforecast.cli.render.metrics import percent
from rnnforecast.findings import plural
from rnnforecast.workflows.results import DiagnoseResult

_BARS, _BAR_WIDTH = "▁▂▃▄▅▆▇█", 32
_MAX_STEPS = 10
_LEAST = 1e-8  # a norm below this is drawn as nothing


@screen.register(DiagnoseResult)
def _diagnose_screen(result: DiagnoseResult, space: Space) -> list[RenderableType]:
    blocks: list[RenderableType] = [_memory_block(result, braille=space.braille), _gradients_block(result)]
    if result.occlusion:
        blocks.append(_occlusion_block(result, space))
    if result.attention:
        blocks.append(_attention_block(result, space))
    advice = quiet_table([("", "left"), ("", "fold")], header=False)
    for words in result.advice:
        advice.add_row("-", safe(words))
    blocks.append(under(heading("Advice"), advice if result.advice else Text("nothing to change")))
    return blocks


def _memory_block(result: DiagnoseResult, *, braille: bool) -> RenderableType:
    """Return the norms of d h_t / d h_(t-k) by lag, on a logarithmic scale."""
    columns = [("network", "left"), ("units", "right"), ("reads", "right"), ("remembers", "right"), ("", "left")]
    table = quiet_table(columns)
    for row, curve in zip(result.networks, result.memory, strict=True):
        drawn = _curve(curve["norms"]) if braille else ""  # type: ignore[arg-type]
        name = safe(row["name"], "bold" if row["is_own"] else "")
        table.add_row(name, str(row["hidden_size"]), str(row["context_length"]), str(row["memory"]), drawn)
    words = f"{result.model}, norm of d h(t) / d h(t-k), k from 1 to the window, 1 to 10^-8"
    last = "remembers: steps until the norm is below 1 %; a gradient that shrinks so far fits no weight"
    return under(heading("Memory", words), table, Text(last, style="dim"))


def _curve(norms: Sequence[float]) -> str:
    """Return norms as a row of blocks: full height is 1 or more, none is `_LEAST`."""
    every = max(1, -(-len(norms) // _BAR_WIDTH))
    heights = [1 - math.log10(max(min(norm, 1.0), _LEAST)) / math.log10(_LEAST) for norm in norms[::every]]
    return "".join(_BARS[min(int(height * len(_BARS)), len(_BARS) - 1)] if height > 0 else " " for height in heights)


def _gradients_block(result: DiagnoseResult) -> RenderableType:
    columns = [("network", "left"), ("gradient", "right"), ("largest", "right"), ("clipped", "right")]
    table = quiet_table([*columns, ("gates full", "right"), ("units full", "right"), ("loss", "right")])
    for row in result.networks:
        losses = [number(row[key], digits=3) for key in ("first_loss", "last_loss")]
        table.add_row(
            safe(row["name"], "bold" if row["is_own"] else ""),
            number(row["gradient_norm"], digits=3),
            number(row["largest_gradient_norm"], digits=3),
            percent(row["clipped_fraction"]),
            percent(row["saturated_gates"]),
            percent(row["saturated_units"]),
            NOTHING if row["last_loss"] is None else f"{losses[0]} → {losses[1]}",
        )
    words = f"median and largest norm before clipping; measured in {duration(result.seconds)}"
    return under(heading("Gradients", words), table)


def _occlusion_block(result: DiagnoseResult, space: Space) -> RenderableType:
    """Return how far the forecast moves when rows are hidden, as bars."""
    largest = max(float(str(block["effect"])) for block in result.occlusion) or 1.0
    table = quiet_table([("hidden rows", "right"), ("effect", "right"), ("", "left")])
    for block in result.occlusion[:: max(1, len(result.occlusion) // 12)]:
        effect = float(str(block["effect"]))
        bar = ("█" if space.braille else "#") * round(effect / largest * _BAR_WIDTH)
        table.add_row(_span(block), number(effect, digits=3), bar)
    words = (
        "how far the forecast moves when these rows are hidden (1 is the last row), in standard deviations of the data"
    )
    return under(
        heading("What the forecast looks at", plural(len(result.occlusion), "block")), Text(words, style="dim"), table
    )


def _attention_block(result: DiagnoseResult, space: Space) -> RenderableType:
    """Return the attention of some forecast steps to the window, oldest steps first, each row as shades."""
    table = quiet_table([("forecast step", "right"), ("most on lag", "right"), ("oldest to newest", "left")])
    by_step: dict[int, list[tuple[int, float]]] = {}
    for row in result.attention:
        by_step.setdefault(int(str(row["step"])), []).append((int(str(row["lag"])), float(str(row["weight"]))))
    shades = " ░▒▓█" if space.braille else " .:+#"
    for step in list(by_step)[:: max(1, -(-len(by_step) // _MAX_STEPS))]:
        pairs = sorted(by_step[step], reverse=True)
        largest = max(weight for _, weight in pairs) or 1.0
        parts = np.array_split(np.array([weight for _, weight in pairs]), min(len(pairs), _BAR_WIDTH))
        drawn = "".join(shades[min(int(part.max() / largest * len(shades)), len(shades) - 1)] for part in parts)
        table.add_row(str(step), str(max(pairs, key=lambda pair: pair[1])[0]), drawn)
    words = "each row adds up to 1; the darkest cell of a row is its largest"
    return under(heading("What the decoder attends to", "mean over series"), Text(words, style="dim"), table)


def _span(block: Mapping[str, object]) -> str:
    first, last = block["first_lag"], block["last_lag"]
    return f"{first}" if first == last else f"{first} to {last}"
