"""Forecasts of a trained ensemble: its networks, and the zero-shot ensemble that was weighted together with them.

The members of the zero-shot group are `base` for the season, for the means of seasons and for none; what they and their
companions weigh is chosen in context, for every window anew.

Axis legend: W windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.windows import FlatSeries
from rnnforecast.forecasting import Ensemble, forecast_theta_in_context
from rnnforecast.frozen import dataclass
from rnnforecast.inference.season_classes import network_seasons
from rnnforecast.mixture.zero_shot import ZeroShot, own_seasons

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.evaluation.backtest import Forecaster

#: Numbers of windows in, their forecasts [W, H, Q] out.
Batch = Callable[[Int64Array], Float64Array]


class KeptForecasts:
    """Forecasts without training of one panel, kept: weights, intervals and scores ask for the same windows.

    They read the rows before a cutoff alone, so they are the same with more rows after it.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], dict[tuple[int, int], Float64Array]] = {}

    def forecast(self, zero_shot: ZeroShot, windows: Windows, horizon: int) -> Float64Array:
        """Forecast after each cutoff, those not asked for before together: [W, H, Q]."""
        own = tuple(sorted((zero_shot.own_seasons or {}).items()))
        key = (zero_shot.season_length, zero_shot.keep_non_negative, own, horizon)
        kept = self._kept.setdefault(key, {})
        pairs = list(zip(windows.series.tolist(), windows.cutoffs.tolist(), strict=True))
        missing = np.array([place for place, pair in enumerate(pairs) if pair not in kept], dtype=np.int64)
        if len(missing) or not pairs:
            found = zero_shot(windows.select(missing), horizon)
            if len(missing) == len(pairs):
                kept.update(zip(pairs, found, strict=True))
                return found
            kept.update(zip((pairs[place] for place in missing.tolist()), found, strict=True))
        return np.stack([kept[pair] for pair in pairs])

    def of(self, zero_shot: ZeroShot) -> Forecaster:
        """Return the forecaster of windows that looks here first."""
        return lambda windows, horizon: self.forecast(zero_shot, windows, horizon)


@dataclass(frozen=True)
class TrainedForecaster:
    """A trained ensemble as a forecaster of windows of `series`; forecasts without training may be `kept` for other calls."""

    ensemble: Ensemble
    series: SeriesSet
    kept: KeptForecasts | None = None

    def __call__(self, windows: Windows, horizon: int) -> Float64Array:
        """Forecast after each cutoff: [W, H, Q]. Raises DivergedError where no network has finite numbers."""
        companion = None
        if self.zero_shot is not None:
            forecast = self.zero_shot if self.kept is None else self.kept.of(self.zero_shot)
            companion = forecast(windows, horizon)
        return self._combine(windows, horizon, companion)

    def prepared(self, windows: Windows, horizon: int) -> Batch:
        """Return the forecasts of windows, one a series, batch by batch: what all have in common is chosen once."""
        companion = self.zero_shot.prepared(windows, horizon)[0] if self.zero_shot is not None else None

        def batch(numbers: Int64Array) -> Float64Array:
            part = windows.select(numbers)
            return self._combine(part, horizon, None if companion is None else companion(numbers))

        return batch

    @cached_property
    def _flat(self) -> FlatSeries:
        return FlatSeries.from_series(self.series)

    @cached_property
    def zero_shot(self) -> ZeroShot | None:
        """The zero-shot ensemble among the members, None where there is none."""
        ensemble, number = self.ensemble, self.ensemble.zero_shot_group
        if number is None:
            return None
        groups = ensemble.groups or (0,) * len(ensemble.members)
        of_season = {
            member.season_length: Ensemble((member,), (weights,), engine=ensemble.engine)
            for member, weights, group in zip(ensemble.members, ensemble.weights, groups, strict=True)
            if group == number
        }
        # models of earlier versions have no network for the means of seasons: the one without a season reads them
        season = next(iter(of_season))
        others = [length for length in of_season if length not in network_seasons(season)]
        own = own_seasons(self.series, season, others)
        return ZeroShot(self.series, lambda length: of_season.get(length, of_season[1]), season, own_seasons=own)

    @cached_property
    def _networks(self) -> tuple[Ensemble | None, float]:
        """Return the other groups, uncalibrated, and the weight of the zero-shot one."""
        return without_zero_shot(replace(self.ensemble, calibration=None))

    def _combine(self, windows: Windows, horizon: int, companion: Float64Array | None) -> Float64Array:
        networks, weight = self._networks
        quantiles = companion
        if networks is not None:
            quantiles = networks.forecast(self._flat, windows, horizon=horizon, series=self.series)
            if companion is not None:
                quantiles = np.sort((1 - weight) * quantiles + weight * companion, axis=-1)
        elif self.ensemble.theta_weight and companion is not None:
            theta = forecast_theta_in_context(self.ensemble, self._flat, windows, horizon=horizon)
            mean = weight * companion + (1 - weight) * theta
            quantiles = np.sort(np.where(np.isfinite(theta).all(axis=(1, 2), keepdims=True), mean, companion), axis=-1)
        if quantiles is None:
            raise ValueError("an ensemble without members has no forecast")
        return quantiles if self.ensemble.calibration is None else self.ensemble.calibration.apply(quantiles)


def without_zero_shot(ensemble: Ensemble) -> tuple[Ensemble | None, float]:
    """Return the groups of an ensemble but the zero-shot one (None where there is no other), and the weight of that one.

    What is left keeps the proportions of its weights, that of the Theta method included.
    """
    number = ensemble.zero_shot_group
    if number is None:
        return ensemble, 0.0
    groups = ensemble.groups or (0,) * len(ensemble.members)
    numbers = sorted(set(groups))
    relative = dict(zip(numbers, ensemble.group_weights or (1 / len(numbers),) * len(numbers), strict=True))
    weight = (1 - ensemble.theta_weight) * relative[number]
    kept = [index for index, group in enumerate(groups) if group != number]
    if not kept:
        return None, weight
    others = [group for group in numbers if group != number]
    total = sum(relative[group] for group in others)
    several = len(others) > 1
    networks = replace(
        ensemble,
        members=tuple(ensemble.members[index] for index in kept),
        weights=tuple(ensemble.weights[index] for index in kept),
        groups=tuple(others.index(groups[index]) for index in kept) if several else (),
        group_weights=tuple(relative[group] / total for group in others) if several else (),
        theta_weight=ensemble.theta_weight / (1 - weight),
        zero_shot_group=None,
    )
    return networks, weight


def networks_alone(ensemble: Ensemble) -> Ensemble:
    """Return the networks of an ensemble without the Theta method, for uses that ask for thousands of forecasts.

    Where nothing was fitted that is `base` for the season.
    """
    networks, _ = without_zero_shot(replace(ensemble, theta_weight=0.0))
    first = replace(ensemble, members=ensemble.members[:1], weights=ensemble.weights[:1], groups=(), group_weights=())
    return networks or replace(first, theta_weight=0.0, zero_shot_group=None)
