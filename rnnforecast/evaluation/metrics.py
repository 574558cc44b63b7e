"""Accuracy and interval metrics over held-out windows; steps that were not observed count nowhere.

Axis legend: W windows, H horizon, Q quantiles, G groups (series or lead times).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
    from rnnforecast.findings import JSONValue


#: Levels whose pinball losses make the weighted quantile loss.
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Interval in per cent -> its lower and upper level.
INTERVALS = {80: (0.1, 0.9), 95: (0.025, 0.975)}

_ACCURACY = ("mase", "rmsse", "smape", "mae", "rmse", "wape", "wql")
_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class HeldOut:
    """What came true in the windows of a backtest, and what the errors of each window are divided by."""

    actual: Float64Array  # [W, H]
    observed: BoolArray  # [W, H]
    series: Int64Array  # [W] number of the window's series
    mase_scale: Float64Array  # [W], never 0
    rmsse_scale: Float64Array  # [W], never 0


@dataclass(frozen=True)
class Scores:
    """Metrics of one method; NaN where a metric is undefined or its quantile levels were not forecast.

    `mase`, `rmsse` and `smape` (per cent, 0 to 200) are means over series of the series' own value, as in the M
    competitions; `mae` and `rmse` (units of the target), `wape`, `wql`, coverage (shares) and widths pool all steps.
    """

    mase: float
    rmsse: float
    smape: float
    mae: float
    rmse: float
    wape: float
    wql: float
    coverage_80: float
    coverage_95: float
    width_80: float
    width_95: float
    num_scored: int  # observed steps
    effective_80: float  # independent steps that would say as much about coverage as the scored ones
    effective_95: float

    def coverage_interval(self, level: int) -> tuple[float, float]:
        """Return the 95 % Wilson interval of the coverage of the 80 or the 95 % interval.

        It rests on the effective number of steps, because the steps of one window hit or miss together.
        """
        if level == 80:
            return wilson_interval(self.coverage_80, self.effective_80)
        return wilson_interval(self.coverage_95, self.effective_95)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the metrics under the keys of the JSON documents; undefined ones are null.

        `coverage_uncertainty` is half the width of the 95 % Wilson interval.
        """
        halves: dict[str, JSONValue] = {}
        for level in INTERVALS:
            low, high = self.coverage_interval(level)
            halves[str(level)] = _plain((high - low) / 2)
        fields: dict[str, JSONValue] = {name: _plain(getattr(self, name)) for name in _ACCURACY}
        fields["coverage"] = {"80": _plain(self.coverage_80), "95": _plain(self.coverage_95)}
        fields["coverage_uncertainty"] = halves
        fields["width"] = {"80": _plain(self.width_80), "95": _plain(self.width_95)}
        fields["num_scored"] = self.num_scored
        return fields


@dataclass(frozen=True)
class GroupScores:
    """Metrics of many groups at once, as arrays: a group without an observed step has NaN.

    `values` has the names of `Scores`: mase ... wql, coverage_80, coverage_95, width_80, width_95.
    """

    values: Mapping[str, Float64Array]  # name -> [G]
    num_scored: Int64Array  # [G]

    def __len__(self) -> int:
        return len(self.num_scored)

    def row(self, group: int) -> dict[str, JSONValue]:
        """Return one group's metrics under the keys of the JSON documents."""
        number = {name: _plain(array[group]) for name, array in self.values.items()}
        fields: dict[str, JSONValue] = {name: number[name] for name in _ACCURACY}
        fields["coverage"] = {"80": number["coverage_80"], "95": number["coverage_95"]}
        fields["width"] = {"80": number["width_80"], "95": number["width_95"]}
        fields["num_scored"] = int(self.num_scored[group])
        return fields


def score(quantiles: Float64Array, held_out: HeldOut, *, quantile_levels: Sequence[float]) -> Scores:
    """Return the metrics of one method's forecasts [W, H, Q]."""
    _, owner = np.unique(held_out.series, return_inverse=True)
    num_series = int(owner.max()) + 1 if len(owner) else 0
    points = _point_metrics(quantiles, held_out, quantile_levels)
    each = _grouped(points, held_out, owner[:, None], num_series).values
    whole = _grouped(points, held_out, np.zeros((1, 1), dtype=np.int64), 1)
    averaged = {name: _nan_mean(each[name]) for name in ("mase", "rmsse", "smape")}
    pooled = {name: float(array[0]) for name, array in whole.values.items() if name not in averaged}
    return Scores(
        **averaged,
        **pooled,
        num_scored=int(whole.num_scored[0]),
        effective_80=_effective_count(points["coverage_80"], held_out.observed),
        effective_95=_effective_count(points["coverage_95"], held_out.observed),
    )


def score_per_series(
    quantiles: Float64Array, held_out: HeldOut, *, quantile_levels: Sequence[float], num_series: int
) -> GroupScores:
    """Return the metrics of each series over its windows, as arrays [S]."""
    points = _point_metrics(quantiles, held_out, quantile_levels)
    return _grouped(points, held_out, held_out.series[:, None], num_series)


def score_per_lead(quantiles: Float64Array, held_out: HeldOut, *, quantile_levels: Sequence[float]) -> GroupScores:
    """Return the metrics of each lead time over all windows, as arrays [H]."""
    points = _point_metrics(quantiles, held_out, quantile_levels)
    horizon = held_out.actual.shape[1]
    return _grouped(points, held_out, np.arange(horizon)[None, :], horizon)


def scaled_errors(quantiles: Float64Array, held_out: HeldOut, *, quantile_levels: Sequence[float]) -> Float64Array:
    """Return absolute errors of the median over the window's MASE scale, NaN where not observed: [W, H]."""
    errors = np.abs(held_out.actual - point_forecast(quantiles, quantile_levels))
    return np.where(held_out.observed, errors / held_out.mase_scale[:, None], np.nan)


def level_index(quantile_levels: Sequence[float], level: float) -> int | None:
    """Return the place of a level among the forecast ones, None when it was not forecast."""
    near = [index for index, known in enumerate(quantile_levels) if abs(known - level) < 1e-9]
    return near[0] if near else None


def point_forecast(quantiles: Float64Array, quantile_levels: Sequence[float]) -> Float64Array:
    """Return the median, read between the two nearest levels where 0.5 was not forecast: [..., Q] to [...]."""
    exact = level_index(quantile_levels, 0.5)
    if exact is not None or len(quantile_levels) == 1:
        return quantiles[..., exact or 0]
    levels = np.asarray(quantile_levels)
    upper = int(np.clip(np.searchsorted(levels, 0.5), 1, len(levels) - 1))
    share = float(np.clip((0.5 - levels[upper - 1]) / (levels[upper] - levels[upper - 1]), 0.0, 1.0))
    middle: Float64Array = (1 - share) * quantiles[..., upper - 1] + share * quantiles[..., upper]
    return middle


def wilson_interval(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in `count` independent cases (Wilson 1927); NaN without cases."""
    if not count > 0 or not np.isfinite(share):
        return (float("nan"), float("nan"))
    spread = _NORMAL_975**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = _NORMAL_975 / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return (max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def _point_metrics(
    quantiles: Float64Array, held_out: HeldOut, quantile_levels: Sequence[float]
) -> dict[str, Float64Array]:
    """Return what each step contributes to the sums behind the metrics: name -> [W, H]."""
    actual = np.where(held_out.observed, held_out.actual, 0.0)
    median = point_forecast(quantiles, quantile_levels)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(actual - median)
        size = np.abs(actual) + np.abs(median)
        points = {
            "absolute": error,
            "squared": error**2,
            "scaled": error / held_out.mase_scale[:, None],
            "scaled_squared": (error / held_out.rmsse_scale[:, None]) ** 2,
            "relative": 200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0),
            "size": np.abs(actual),
            "pinball": _mean_pinball(quantiles, actual, quantile_levels),
        }
        for interval, (low, high) in INTERVALS.items():
            covered, width = _inside(
                quantiles, actual, level_index(quantile_levels, low), level_index(quantile_levels, high)
            )
            points[f"coverage_{interval}"], points[f"width_{interval}"] = covered, width
    return points


def _mean_pinball(quantiles: Float64Array, actual: Float64Array, quantile_levels: Sequence[float]) -> Float64Array:
    """Return the pinball loss averaged over the deciles, NaN where one of them was not forecast: [W, H]."""
    total = np.zeros_like(actual)
    for level in DECILES:
        index = level_index(quantile_levels, level)
        if index is None:
            return np.full_like(actual, np.nan)
        deviation = actual - quantiles[..., index]
        total += np.maximum(level * deviation, (level - 1) * deviation)
    return total / len(DECILES)


def _inside(
    quantiles: Float64Array, actual: Float64Array, low: int | None, high: int | None
) -> tuple[Float64Array, Float64Array]:
    """Return whether each step lies in the interval (0 or 1) and the interval's width: [W, H], [W, H]."""
    if low is None or high is None:
        missing = np.full_like(actual, np.nan)
        return missing, missing
    inside = (actual >= quantiles[..., low]) & (actual <= quantiles[..., high])
    return inside.astype(np.float64), np.asarray(quantiles[..., high] - quantiles[..., low], dtype=np.float64)


def _grouped(
    points: Mapping[str, Float64Array], held_out: HeldOut, groups: npt.NDArray[np.intp], num_groups: int
) -> GroupScores:
    """Return the metrics of groups; `groups` broadcasts to [W, H]."""
    observed = held_out.observed
    index = np.broadcast_to(groups, observed.shape)[observed]
    count = np.bincount(index, minlength=num_groups)
    total: dict[str, Float64Array] = {
        name: np.asarray(np.bincount(index, weights=array[observed], minlength=num_groups), dtype=np.float64)
        for name, array in points.items()
    }
    mean = {name: ratio(array, count) for name, array in total.items()}
    values = {
        "mase": mean["scaled"],
        "rmsse": np.sqrt(mean["scaled_squared"]),
        "smape": mean["relative"],
        "mae": mean["absolute"],
        "rmse": np.sqrt(mean["squared"]),
        "wape": ratio(total["absolute"], total["size"]),
        "wql": 2 * ratio(total["pinball"], total["size"]),
    }
    for interval in INTERVALS:
        for name in (f"coverage_{interval}", f"width_{interval}"):
            values[name] = mean[name]
    return GroupScores(values=values, num_scored=count.astype(np.int64))


def _effective_count(covered: Float64Array, observed: BoolArray) -> float:
    """Return how many independent steps would leave the same uncertainty about coverage.

    The variance between windows is set against the binomial one (the design effect of cluster samples, Kish 1965);
    where it cannot be estimated every window counts once.
    """
    per_window = observed.sum(axis=1)
    hits = np.where(observed, covered, 0.0).sum(axis=1)[per_window > 0]
    steps = per_window[per_window > 0]
    count, num_windows = int(steps.sum()), len(steps)
    if count == 0 or not np.isfinite(hits).all():
        return 0.0
    share = hits.sum() / count
    if num_windows < 2 or share in (0.0, 1.0):
        return float(num_windows)
    between = num_windows / (num_windows - 1) * ((hits - share * steps) ** 2).sum() / count**2
    return float(count if between <= share * (1 - share) / count else share * (1 - share) / between)


def ratio(numerator: Float64Array, denominator: Float64Array | npt.NDArray[np.intp]) -> Float64Array:
    """Divide, NaN where the denominator is 0."""
    divided: Float64Array = np.divide(
        numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0
    )
    return divided


def _nan_mean(values: Float64Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
