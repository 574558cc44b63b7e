"""A chart of one series in the terminal: history and forecast as lines of braille dots, the interval as a shade.

Drawn here, without a plotting package: the one at hand takes longer to import than a forecast takes to compute.
A cell of the terminal holds 2 x 4 dots. Where braille cannot be written, dots become `*` and `o`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from rnnforecast.frozen import dataclass

if TYPE_CHECKING:
    from rnnforecast.workflows.forecasts.predict_result import Preview

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] of one cell
_SHADE = "░"
HISTORY_STYLE, FORECAST_STYLE, INTERVAL_STYLE = "", "bold cyan", "cyan dim"


@dataclass(frozen=True)
class Chart:
    """The cells of a chart: braille bits and layer of each, rows from top to bottom."""

    bits: np.ndarray  # [height, width] int
    is_forecast: np.ndarray  # [height, width] bool
    is_shaded: np.ndarray  # [height, width] bool
    low: float
    high: float
    cut: int | None = None  # the column of the last row; cells there that are empty are a dashed line


def plot(
    preview: Preview,
    *,
    interval: tuple[np.ndarray, np.ndarray] | None,
    median: np.ndarray,
    width: int,
    height: int = 12,
    braille: bool = True,
) -> list[Text]:
    """Return the lines of a chart of the last rows and the forecast, axes included.

    `interval` holds the lower and the upper end, each [H]; `median` is [H].
    """
    labels_width = max(len(label) for label in _axis_labels(*_bounds(preview, interval, median), height)) + 1
    chart = _rasterise(preview, interval, median, width=max(width - labels_width - 1, 20), height=height)
    lines = []
    for row, label in enumerate(_axis_labels(chart.low, chart.high, height)):
        line = Text().append(f"{label:>{labels_width - 1}} {'┤' if label else '│'}", style="dim")
        lines.append(_append_cells(line, chart, row, braille=braille))
    indent = " " * labels_width
    lines.append(Text(f"{indent}└{'─' * chart.bits.shape[1]}", style="dim"))
    lines.append(Text(indent + " " + _time_labels(preview, chart.bits.shape[1]), style="dim"))
    return lines


def plot_marks(preview: Preview, *, width: int, height: int = 10, braille: bool = True) -> list[Text]:
    """Return the lines of a chart of past rows in which the rows with a value in `median` are marked."""
    low, high = _bounds(preview, None, preview.median)
    labels = _axis_labels(low, high, height)
    labels_width = max(map(len, labels)) + 1
    width = max(width - labels_width - 1, 20)
    steps = np.arange(len(preview.past_target)) / max(len(preview.past_target) - 1, 1) * (2 * width - 1)
    bits, marks = (np.zeros((height, width), dtype=int) for _ in range(2))
    for target, values in ((bits, preview.past_target), (marks, preview.median)):
        _draw_line(target, steps, (high - values) / (high - low) * (4 * height - 1))
    chart = Chart(bits | marks, marks > 0, np.zeros((height, width), dtype=bool), low, high)
    lines = []
    for row, label in enumerate(labels):
        line = Text().append(f"{label:>{labels_width - 1}} {'┤' if label else '│'}", style="dim")
        lines.append(_append_cells(line, chart, row, braille=braille))
    indent = " " * labels_width
    first, last = (str(_timestamp(preview.past_timestamps[place])) for place in (0, -1))
    lines.append(Text(f"{indent}└{'─' * width}", style="dim"))
    below = np.zeros(width, dtype=bool)
    below[np.round(steps[np.isfinite(preview.median)]).astype(int) // 2] = True
    sign = mark_sign(braille=braille)
    lines.append(Text(f"{indent} " + "".join(sign if is_marked else " " for is_marked in below), style=FORECAST_STYLE))
    lines.append(Text(f"{indent} {first}{last:>{max(width - len(first), len(last) + 1)}}", style="dim"))
    return lines


def mark_sign(*, braille: bool) -> str:
    """Return the sign below a marked row, which needs no colour."""
    return "▲" if braille else "^"


def cut_sign(*, braille: bool) -> str:
    """Return the sign of the line at the last row."""
    return "┊" if braille else "|"


def sparkline(values: np.ndarray, *, width: int = 16) -> str:
    """Return values as a row of eight-step blocks."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return ""
    picked = finite[np.unique(np.linspace(0, len(finite) - 1, min(width, len(finite))).round().astype(int))]
    low, high = float(picked.min()), float(picked.max())
    if high <= low:
        return "▄" * len(picked)
    return "".join("▁▂▃▄▅▆▇█"[min(int((value - low) / (high - low) * 8), 7)] for value in picked)


def _bounds(
    preview: Preview, interval: tuple[np.ndarray, np.ndarray] | None, median: np.ndarray
) -> tuple[float, float]:
    parts = [preview.past_target, median, *(interval or ())]
    finite = np.concatenate([part[np.isfinite(part)] for part in parts])
    if len(finite) == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = (high - low) * 0.04 or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _rasterise(
    preview: Preview, interval: tuple[np.ndarray, np.ndarray] | None, median: np.ndarray, *, width: int, height: int
) -> Chart:
    low, high = _bounds(preview, interval, median)
    past, horizon = len(preview.past_target), len(median)
    columns = 2 * width - 1

    def x_of(step: np.ndarray) -> np.ndarray:
        return step / max(past + horizon - 1, 1) * columns

    def y_of(values: np.ndarray) -> np.ndarray:
        return (high - values) / (high - low) * (4 * height - 1)

    bits, forecast_bits = np.zeros((height, width), dtype=int), np.zeros((height, width), dtype=int)
    _draw_line(bits, x_of(np.arange(past)), y_of(preview.past_target))
    steps = x_of(np.arange(past - 1, past + horizon) if past else np.arange(horizon))
    joined = np.concatenate([preview.past_target[-1:], median])
    _draw_line(forecast_bits, steps, y_of(joined))
    shaded = np.zeros((height, width), dtype=bool)
    if interval is not None:
        _shade(shaded, x_of(past + np.arange(horizon)), y_of(interval[1]), y_of(interval[0]))
    cut = int(x_of(np.array([past - 1]))[0]) // 2 if past else None
    return Chart(bits | forecast_bits, forecast_bits > 0, shaded, low, high, cut)


def _draw_line(bits: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Set the dots between neighbouring points; a missing value leaves a gap, a lone point is one dot."""
    for left in range(len(x)):
        right = min(left + 1, len(x) - 1)
        if not math.isfinite(y[left]):
            continue
        end_x, end_y = (x[right], y[right]) if math.isfinite(y[right]) else (x[left], y[left])
        count = int(max(abs(end_x - x[left]), abs(end_y - y[left]))) + 2
        for dot_x, dot_y in zip(
            np.linspace(x[left], end_x, count).round().astype(int),
            np.linspace(y[left], end_y, count).round().astype(int),
            strict=True,
        ):
            bits[dot_y // 4, dot_x // 2] |= _DOTS[dot_y % 4][dot_x % 2]


def _shade(shaded: np.ndarray, x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> None:
    known = np.isfinite(top) & np.isfinite(bottom)
    if not known.any():
        return
    for column in range(int(x[known][0]) // 2, int(x[known][-1]) // 2 + 1):
        upper = np.interp(2 * column, x[known], top[known])
        lower = np.interp(2 * column, x[known], bottom[known])
        shaded[int(upper) // 4 : int(lower) // 4 + 1, column] = True


def _append_cells(line: Text, chart: Chart, row: int, *, braille: bool) -> Text:
    cells = zip(chart.bits[row], chart.is_forecast[row], chart.is_shaded[row], strict=True)
    for column, (bits, is_forecast, is_shaded) in enumerate(cells):
        if bits:
            sign = chr(_BRAILLE + int(bits)) if braille else "o" if is_forecast else "*"
            line.append(sign, style=FORECAST_STYLE if is_forecast else HISTORY_STYLE)
        elif column == chart.cut:
            line.append(cut_sign(braille=braille), style="dim")
        else:
            line.append((_SHADE if braille else ":") if is_shaded else " ", style=INTERVAL_STYLE if is_shaded else "")
    return line


def _axis_labels(low: float, high: float, height: int) -> list[str]:
    """Return a label for some rows (top, bottom and a few between), empty text for the others."""
    from rnnforecast.cli.render.blocks import numbers

    every = 3 if height > 6 else 2
    rows = list(range(1, height, every))
    values = [high - (row + 0.5) / height * (high - low) for row in rows]
    spread = (high - low) or 1.0
    digits = max(math.floor(math.log10(max(abs(low), abs(high), spread))) - math.floor(math.log10(spread)) + 3, 3)
    labels = dict(zip(rows, numbers(values, digits=min(digits, 8)), strict=True))
    return [labels.get(row, "") for row in range(height)]


def _time_labels(preview: Preview, width: int) -> str:
    past, horizon = len(preview.past_timestamps), len(preview.timestamps)
    first, last = (
        str(_timestamp(preview.past_timestamps[0] if past else preview.timestamps[0])),
        str(_timestamp(preview.timestamps[-1])),
    )
    middle = str(_timestamp(preview.timestamps[0]))
    position = int(past / max(past + horizon - 1, 1) * width)
    line = first.ljust(width)
    start = min(max(position - len(middle) // 2, len(first) + 2), width - len(last) - 2 - len(middle))
    if start >= len(first) + 2 and middle != last:
        line = line[:start] + middle + line[start + len(middle) :]
    return (line[: width - len(last)] + last).rstrip()


def _timestamp(timestamp: object) -> object:
    """Return a timestamp as short text: a date, with hours and minutes only where there are any."""
    if not isinstance(timestamp, np.datetime64):
        return timestamp
    text = str(timestamp.astype("datetime64[m]")).replace("T", " ")
    return text.removesuffix(" 00:00")
