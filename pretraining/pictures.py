"""Draw samples of the synthetic corpus as SVG text, a grid for every domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pretraining.synthesis.corpus import SyntheticBatch, synthesise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH, _HEIGHT, _GAP, _HEAD = 210, 76, 10, 34
_STYLE = "font-family='sans-serif' font-size='9' fill='#666'"


@dataclass(frozen=True)
class Sheet:
    """What one grid shows: a domain, its seasons, and how many steps of it."""

    domain: str
    length: int
    season_length: int
    long_season_length: int = 1


#: One grid for every domain.
SHEETS = (
    Sheet("yearly", 48, 1),
    Sheet("quarterly", 96, 4),
    Sheet("monthly", 144, 12),
    Sheet("weekly", 260, 52),
    Sheet("daily", 182, 7, 364),
    Sheet("sub-daily", 504, 24, 168),
)


def draw_samples(sheet: Sheet, *, rows: int = 10, columns: int = 5, seed: int = 7) -> str:
    """A grid of `rows * columns` synthetic series as SVG text, the same for the same seed."""
    batch = synthesise(
        rows * columns,
        sheet.length,
        season_length=sheet.season_length,
        long_season_length=sheet.long_season_length,
        domain=sheet.domain,
        seed=seed,
    )
    title = f"Synthetic {sheet.domain} series, season of {sheet.season_length} steps"
    return draw_grid(batch, title=title, columns=columns)


def draw_grid(batch: SyntheticBatch, *, title: str, columns: int = 5) -> str:
    """Every series of a batch as a small line chart with its range; gaps where nothing is observed."""
    count = len(batch.values)
    width = columns * (_WIDTH + _GAP) + _GAP
    height = -(-count // columns) * (_HEIGHT + _GAP) + _HEAD
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>",
        f"<title>{title}</title><rect width='100%' height='100%' fill='white'/>",
        f"<text x='{_GAP}' y='22' font-family='sans-serif' font-size='14' fill='#222'>{title}</text>",
    ]
    for place in range(count):
        left = _GAP + place % columns * (_WIDTH + _GAP)
        top = _HEAD + place // columns * (_HEIGHT + _GAP)
        parts.append(f"<g transform='translate({left} {top})'>")
        parts.extend(_chart(batch.values[place], batch.observed[place]))
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _chart(values: NDArray[np.float32], observed: NDArray[np.bool_]) -> list[str]:
    """One series: a frame, a line for every stretch of observed steps, the range as text."""
    seen = values[observed]
    low, high = float(seen.min()), float(seen.max())
    reach = high - low or 1.0
    across = np.linspace(2, _WIDTH - 2, len(values))
    down = _HEIGHT - 4 - (values - low) / reach * (_HEIGHT - 20)
    lines = [f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='none' stroke='#ddd'/>"]
    borders = np.flatnonzero(np.diff(np.concatenate([[False], observed, [False]]).astype(np.int8)))
    for start, stop in zip(borders[::2], borders[1::2], strict=True):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[start:stop], down[start:stop], strict=True))
        lines.append(f"<polyline points='{points}' fill='none' stroke='#1f5fa8' stroke-width='0.9'/>")
    lines.append(f"<text x='4' y='10' {_STYLE}>{low:.4g} … {high:.4g}</text>")
    return lines
