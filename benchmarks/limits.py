"""Where a recurrent network has nothing to win: random walks, very short series, intermittent counts, white noise.

Series are drawn from laws whose best forecast is known, and forecast by the network that comes with the tool, by the
Theta method and by naive forecasts; the loss is the mean absolute error and the pinball loss over those of the best
naive forecast. `train` is judged against those same forecasts, and says so when it loses.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast
from rnnforecast.config import TRAINED_QUANTILE_LEVELS, DataSettings
from rnnforecast.data.windows import FlatSeries
from rnnforecast.evaluation.baselines import available_baselines, forecast_baseline
from rnnforecast.forecasting import last_windows
from rnnforecast.model_io.base import read_base

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnnforecast.arrays import Float64Array


NUM_SERIES, HORIZON = 300, 12
LEVELS = np.array(TRAINED_QUANTILE_LEVELS)


def random_walks(rng: np.random.Generator, length: int) -> Float64Array:
    """Steps without memory: the last value is the best forecast."""
    return np.asarray(100 + np.cumsum(rng.normal(size=(NUM_SERIES, length)), axis=1))


def white_noise(rng: np.random.Generator, length: int) -> Float64Array:
    """A level and nothing else: the mean is the best forecast."""
    return np.asarray(100 + 10 * rng.normal(size=(NUM_SERIES, length)))


def intermittent(rng: np.random.Generator, length: int) -> Float64Array:
    """Demand in a third of the months, of one to a few: zero is the median of the future."""
    occurs = rng.random((NUM_SERIES, length)) < rng.uniform(0.15, 0.5, size=(NUM_SERIES, 1))
    return np.asarray(occurs * (1.0 + rng.poisson(2, size=(NUM_SERIES, length))))


def monthly(rng: np.random.Generator, length: int) -> Float64Array:
    """Growth, a season and noise: what the network is for."""
    time = np.arange(length) / 12
    season = rng.normal(size=(NUM_SERIES, 12))[:, np.arange(length) % 12]
    growth = np.exp(rng.normal(0.04, 0.03, size=(NUM_SERIES, 1)) * time)
    return np.asarray(100 * growth * (1 + 0.12 * season + 0.04 * rng.normal(size=(NUM_SERIES, length))))


CASES: tuple[tuple[str, Callable[[np.random.Generator, int], Float64Array], int, int], ...] = (
    ("random walks, 200 rows", random_walks, 200, 1),
    ("white noise, 120 months", white_noise, 120, 12),
    ("intermittent demand, 60 months", intermittent, 60, 12),
    ("season and growth, 15 months", monthly, 15, 12),
    ("season and growth, 30 months", monthly, 30, 12),
    ("season and growth, 120 months", monthly, 120, 12),
)


def main() -> None:
    options = make_parser(__doc__ or "", needs_data=None).parse_args()
    rows = [_row(label, make, length, season_length) for label, make, length, season_length in CASES]
    header = ("series", "best naive", "network: error", "pinball", "Theta: error", "pinball")
    notes = [
        f"{NUM_SERIES} series each, horizon {HORIZON}; figures over those of the best naive forecast: above 1 it is "
        "better to take that. The network is `base` as it is; the best naive forecast is the one of the smallest mean "
        "absolute error."
    ]
    publish("limits", header, rows, notes=notes, dry_run=options.dry_run)


def _row(
    label: str, make: Callable[[np.random.Generator, int], Float64Array], length: int, season_length: int
) -> tuple[str, ...]:
    values = make(np.random.default_rng(5), length + HORIZON)
    frame = pd.DataFrame(
        {
            "series": np.repeat(np.arange(NUM_SERIES), length),
            "month": np.tile(pd.date_range("2000-01-01", periods=length, freq="MS"), NUM_SERIES),
            "value": values[:, :length].ravel(),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "series.parquet"
        frame.to_parquet(file)
        series = rnnforecast.read_series([file], DataSettings(season_length=season_length, horizon=HORIZON)).series
    actual, windows = values[:, length:], last_windows(series)
    network = read_base().ensemble(season_length).forecast(FlatSeries.from_series(series), windows, horizon=HORIZON)
    forecasts = {
        name: forecast_baseline(name, series, windows, horizon=HORIZON, quantile_levels=TRAINED_QUANTILE_LEVELS)
        for name in (*available_baselines(season_length), "theta")
    }
    losses = {name: _losses(forecast, actual) for name, forecast in forecasts.items()}
    theta = losses.pop("theta")
    best = min(losses, key=lambda name: losses[name][0])
    ratios = [
        loss / losses[best][which] for found in (_losses(network, actual), theta) for which, loss in enumerate(found)
    ]
    return (label, best, *(f"{ratio:.2f}" for ratio in ratios))


def _losses(quantiles: Float64Array, actual: Float64Array) -> tuple[float, float]:
    """Return the mean absolute error of the medians and the mean pinball loss of all levels."""
    error = actual[..., None] - quantiles
    median = TRAINED_QUANTILE_LEVELS.index(0.5)
    return float(np.abs(error[..., median]).mean()), float(np.maximum(LEVELS * error, (LEVELS - 1) * error).mean())


if __name__ == "__main__":
    main()
