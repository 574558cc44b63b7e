"""Width factors: how many times wider intervals must be to hold what they promise on series never trained on.

One number a season class, so that a few panels cannot bend the shape of its quantiles; and believed by half, because
a factor found at one origin made the next origin of the same panels no better: what surprised once may not come again.

Axis legend: S series, H horizon, Q quantiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pretraining.validation import forecast_panel
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.inference.season_classes import SEASON_CLASSES, season_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from pretraining.settings import PretrainingSettings
    from pretraining.validation import Panel

SHARE = 0.8
FACTOR_BOUNDS = (0.8, 1.6)
#: Share of the logarithm of a factor that is kept.
BELIEF = 0.5


def find_widths(networks: nn.ModuleDict, panels: Sequence[Panel], settings: PretrainingSettings) -> dict[str, float]:
    """Return the factor of each season class that has a panel: the geometric mean over its panels, half believed."""
    found: dict[str, list[float]] = {}
    for panel in panels:
        quantiles = forecast_panel(networks, panel, settings)
        factor = width_factor(quantiles, panel.actual, quantile_levels=TRAINED_QUANTILE_LEVELS)
        found.setdefault(season_class(panel.season_length).name, []).append(factor)
    means = {name: BELIEF * np.mean(np.log(factors)) for name, factors in found.items()}
    return {name: float(np.clip(np.exp(mean), *FACTOR_BOUNDS)) for name, mean in means.items()}


def width_factor(quantiles: np.ndarray, actual: np.ndarray, *, quantile_levels: tuple[float, ...]) -> float:
    """Return how many times wider the 80 % interval [S, H, Q] must be to hold 80 % of the values [S, H]."""
    low, middle, high = (quantiles[..., quantile_levels.index(level)] for level in (0.1, 0.5, 0.9))
    deviation = actual - middle
    spread = np.where(deviation > 0, high - middle, middle - low)
    usable = np.isfinite(actual) & (spread > 0)
    return float(np.quantile(np.abs(deviation[usable]) / spread[usable], SHARE))


def as_tables(widths: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return the factors of each class as [H, Q], 1 at the median."""
    tables: dict[str, np.ndarray] = {}
    for entry in SEASON_CLASSES:
        table = np.full((entry.horizon, len(TRAINED_QUANTILE_LEVELS)), widths.get(entry.name, 1.0))
        table[:, TRAINED_QUANTILE_LEVELS.index(0.5)] = 1.0
        tables[entry.name] = table
    return tables
