"""Choose the weight of each group of an ensemble on validation windows, starting from weights that suit other data.

The groups are the pretrained network zero-shot, the same fine-tuned, the networks from scratch, and the Theta method.
Choosing one of them on few windows too often picks the wrong one. A weighted mean of all, moved towards those with
small losses, came within one per cent of the best mean in hindsight on the train rows of six public panels, and equally
close to the best group in hindsight on eighteen files of one series.

Axis legend: W windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.metrics import mean_pinball
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.frozen import dataclass
from rnnforecast.training.initial_weights import FINE_TUNED, SCRATCH, SMALLEST_PANEL, THETA, ZERO_SHOT

MAX_WINDOWS = 1_000
# power of the inverse loss with many windows, and the number of windows at which it is half of that. The windows of one
# series resemble each other: a group that did well in some of them does well in the next, so fewer of them tell more.
_POWER, _FEW_WINDOWS = 4.0, 30.0
_POWER_OF_FEW_SERIES, _FEW_WINDOWS_OF_FEW_SERIES = 6.0, 4.0
# a group with a smaller weight costs more time than it is worth
_SMALLEST = 0.03
#: Networks whose loss is so many times the smallest of the groups have no weight next to forecasts without training. On
#: later rows of 35 panels and files they made the error 2 % smaller to 14 % larger, as few windows tell little.
_FARTHEST = {SCRATCH: 1.1, FINE_TUNED: 1.25}
# a line that the Theta method met exactly may bend: part of the forecast always comes from the networks
_LARGEST_THETA = 0.9
# smallest ratio of two losses: a forecast without any error leaves the others comparable
_LOWEST_RATIO = 1e-3


@dataclass(frozen=True)
class EnsembleWeights:
    """The weight of each group, in the order of the candidates, and the validation losses.

    `losses` (of each group alone) is empty and `combined_loss` None where no validation row has a value.
    """

    weights: Mapping[str, float]
    losses: Mapping[str, float]
    combined_loss: float | None

    def sentence(self) -> str:
        """Return the weights and the losses behind them, as reports show them."""
        kept = ", ".join(f"{name} {100 * weight:.0f} %" for name, weight in self.weights.items() if weight)
        if self.combined_loss is None:
            return f"{kept}; usual weights, as no validation row has a value (--theta-weight)"
        alone = ", ".join(f"{name} {loss:.3g}" for name, loss in self.losses.items())
        return f"{kept} (validation loss {self.combined_loss:.3g}); alone: {alone} (--theta-weight)"


@dataclass(frozen=True)
class ValidationActuals:
    """Actuals of the validation windows and their error scale."""

    actual: Float64Array  # [W, H]
    observed: BoolArray  # [W, H]
    scale: Float64Array  # [W] in-sample error of the seasonal naive forecast
    num_series: int

    @classmethod
    def of(cls, series: SeriesSet, windows: Windows, *, horizon: int) -> ValidationActuals:
        """Gather the actuals of windows of `series`."""
        future = gather(FlatSeries.from_series(series), windows, context_length=1, horizon=horizon)
        return cls(
            actual=future.future_target,
            observed=future.future_observed,
            scale=seasonal_scales(series).mase[windows.series],
            num_series=len(np.unique(windows.series)),
        )

    def losses(self, quantiles: Float64Array, levels: Float64Array) -> Float64Array:
        """Return the mean pinball loss of forecasts [W, H, Q] in units of `scale`: [W], NaN without a value."""
        pinball = mean_pinball(quantiles, np.where(self.observed, self.actual, 0.0), levels) * self.observed
        count = self.observed.sum(axis=1)
        losses: Float64Array = np.where(count > 0, pinball.sum(axis=1) / np.maximum(count, 1) / self.scale, np.nan)
        return losses


@dataclass(frozen=True)
class Rival:
    """Forecasts without training [W, H, Q] of validation windows: a fit that stays far behind them ends."""

    quantiles: Float64Array
    actuals: ValidationActuals
    levels: Float64Array

    @classmethod
    def of(cls, quantiles: Float64Array, series: SeriesSet, windows: Windows, levels: tuple[float, ...]) -> Rival:
        """Return the rival of forecasts of windows of `series`."""
        actuals = ValidationActuals.of(series, windows, horizon=quantiles.shape[1])
        return cls(quantiles, actuals, np.array(levels))

    def losses(self, quantiles: Float64Array, part: slice) -> tuple[float, float]:
        """Return the mean loss of other forecasts of a part of the windows, and that of these, over the leads of both."""
        leads = min(quantiles.shape[1], self.quantiles.shape[1])
        actuals = replace(
            self.actuals,
            actual=self.actuals.actual[part, :leads],
            observed=self.actuals.observed[part, :leads],
            scale=self.actuals.scale[part],
        )
        ours = actuals.losses(quantiles[:, :leads], self.levels)
        theirs = actuals.losses(self.quantiles[part, :leads], self.levels)
        known = np.isfinite(ours) & np.isfinite(theirs)
        return (float(ours[known].mean()), float(theirs[known].mean())) if known.any() else (1.0, 1.0)


def subsample(windows: Windows) -> Windows:
    """Return at most `MAX_WINDOWS` windows, evenly spread."""
    return windows.select(slice(None, None, max(1, -(-len(windows) // MAX_WINDOWS))))


def choose_weights(
    forecasts: Mapping[str, Float64Array],
    actuals: ValidationActuals,
    *,
    usual: Mapping[str, float],
    levels: tuple[float, ...],
    theta_weight: float | None = None,
) -> EnsembleWeights:
    """Weight groups, whose forecasts are [W, H, Q], by their usual weights and their validation losses.

    A weight is proportional to the usual one times the inverse loss to a power (Bates and Granger 1969, The
    combination of forecasts: 2, the squared error), which is small where windows are few. Negligible weights become 0;
    a given `theta_weight` is final.
    """
    names = list(forecasts)
    quantile_levels = np.array(levels)
    usable = actuals.observed.any(axis=1)
    usable &= np.isfinite(np.stack([forecasts[name] for name in names])).all(axis=(0, 2, 3))
    if not usable.any():
        return EnsembleWeights(weights=dict(usual), losses={}, combined_loss=None)

    def mean_loss(quantiles: Float64Array) -> float:
        return float(np.nanmean(actuals.losses(quantiles, quantile_levels)[usable]))

    losses = {name: mean_loss(forecasts[name]) for name in names}
    smallest = min(losses.values())
    count = int(usable.sum())
    is_panel = actuals.num_series >= SMALLEST_PANEL
    largest, few = (_POWER, _FEW_WINDOWS) if is_panel else (_POWER_OF_FEW_SERIES, _FEW_WINDOWS_OF_FEW_SERIES)
    power = largest * count / (count + few)
    ratios = {name: max(smallest / loss, _LOWEST_RATIO) if loss > 0 else 1.0 for name, loss in losses.items()}
    weights = {name: usual[name] * ratios[name] ** power for name in names}
    if ZERO_SHOT in names:
        nearest = min(loss for name, loss in losses.items() if name != THETA)
        weights |= {name: 0.0 for name in names if losses[name] > _FARTHEST.get(name, np.inf) * nearest}
    weights = _normalised(weights, theta_weight)
    weights = _normalised(
        {name: weight if weight >= _SMALLEST else 0.0 for name, weight in weights.items()}, theta_weight
    )
    combined = np.tensordot([weights[name] for name in names], [forecasts[name] for name in names], axes=1)
    return EnsembleWeights(weights=weights, losses=losses, combined_loss=mean_loss(combined))


def _normalised(weights: Mapping[str, float], theta_weight: float | None) -> dict[str, float]:
    """Return weights that sum to 1; the Theta method has the given one, if any, and never all."""
    chosen = min(weights.get(THETA, 0.0) / sum(weights.values()), _LARGEST_THETA)
    theta = chosen if theta_weight is None else theta_weight
    networks = sum(weight for name, weight in weights.items() if name != THETA)
    return {name: theta if name == THETA else (1 - theta) * weight / networks for name, weight in weights.items()}
