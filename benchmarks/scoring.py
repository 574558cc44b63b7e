"""Scores of forecasts on a test part, all series at once.

sMAPE: mean over all steps of 200 |y - f| / (|y| + |f|); MASE: mean over series of the mean |y - f| over the series'
in-sample mean |y_t - y_{t-m}|; wQL: twice the pinball loss over the sum of |y|, mean over the nine deciles; coverage:
share of the actual values within the interval. Steps without an actual value count nowhere.

Axis legend: S series, H horizon, Q quantile levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rnnforecast.arrays import Float64Array
    from rnnforecast.data.series import SeriesSet


DECILES = tuple(round(0.1 * number, 1) for number in range(1, 10))
#: The deciles and the ends of the 95 % interval, ascending: what every method is asked for.
LEVELS = (0.025, *DECILES, 0.975)
MEDIAN = LEVELS.index(0.5)


@dataclass(frozen=True)
class Scores:
    """What a table shows of one method; intervals are None where only the median is known."""

    smape: float
    mase: float
    wql: float | None = None
    coverage_80: float | None = None
    coverage_95: float | None = None

    def cells(self) -> list[str]:
        """Return the cells of a table: sMAPE, MASE, wQL and both coverages."""
        shares = [f"{100 * share:.1f}" if share is not None else "" for share in (self.coverage_80, self.coverage_95)]
        return [f"{self.smape:.3f}", f"{self.mase:.3f}", "" if self.wql is None else f"{self.wql:.4f}", *shares]


def score_quantiles(quantiles: Float64Array, actual: Float64Array, scales: Float64Array) -> Scores:
    """Score forecasts [S, H, Q] at `LEVELS` against actual values [S, H], NaN where there is none."""
    if quantiles.shape != (*actual.shape, len(LEVELS)) or not np.isfinite(quantiles).all():
        raise ValueError(f"forecasts of shape {quantiles.shape} for {actual.shape} values, or not all finite")
    smape, mase = score_points(quantiles[..., MEDIAN], actual, scales)
    inner = quantiles[..., 1:-1]
    error = actual[..., None] - inner
    levels = np.array(DECILES)
    pinball = 2 * np.nansum(np.maximum(levels * error, (levels - 1) * error), axis=(0, 1))
    return Scores(
        smape=smape,
        mase=mase,
        wql=float(np.mean(pinball) / np.nansum(np.abs(actual))),
        coverage_80=_coverage(inner[..., 0], inner[..., -1], actual),
        coverage_95=_coverage(quantiles[..., 0], quantiles[..., -1], actual),
    )


def score_points(forecast: Float64Array, actual: Float64Array, scales: Float64Array) -> tuple[float, float]:
    """Return sMAPE and MASE of forecasts [S, H]; series whose history never changes have no MASE."""
    error = np.abs(actual - forecast)
    total = np.abs(actual) + np.abs(forecast)
    smape = np.nanmean(200 * error / np.where(total > 0, total, np.nan))
    counted = (scales > 0) & np.isfinite(actual).any(axis=1)
    return float(smape), float(np.mean(np.nanmean(error[counted], axis=1) / scales[counted]))


def in_sample_scales(series: SeriesSet) -> Float64Array:
    """Return the mean absolute seasonal difference of each series, of all pairs that are both known: [S]."""
    season_length = series.season_length
    scales = np.full(series.num_series, np.nan)
    for number, (start, end) in enumerate(zip(series.offsets[:-1], series.offsets[1:], strict=True)):
        values = series.values[start:end]
        changes = np.abs(values[season_length:] - values[:-season_length])
        if np.isfinite(changes).any():
            scales[number] = np.nanmean(changes)
    return scales


def _coverage(low: Float64Array, high: Float64Array, actual: Float64Array) -> float:
    known = np.isfinite(actual)
    return float(((actual >= low) & (actual <= high))[known].mean())
