"""Accuracy and interval metrics over the test windows; missing actuals are left out.

`METRICS` is the one table: scores, screens, CSV and the schema in `docs/json.md` follow it.

Axis legend: W windows, H horizon, Q quantiles, G groups (series or lead times).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Literal

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import finite

#: Levels whose pinball losses make the weighted quantile loss.
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Interval in per cent -> its lower and upper level.
INTERVALS = {80: (0.1, 0.9), 95: (0.025, 0.975)}

_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class Actuals:
    """Observed values of the test windows, and the scales that their errors are divided by."""

    values: Float64Array  # [W, H]
    observed: BoolArray  # [W, H]
    series: Int64Array  # [W] number of the window's series
    mase_scale: Float64Array  # [W], never 0
    rmsse_scale: Float64Array  # [W], never 0


@dataclass(frozen=True)
class Steps:
    """Forecasts and actuals of every step, as the formulas of `METRICS` read them: [W, H] each."""

    actual: Float64Array  # 0 where missing
    median: Float64Array
    error: Float64Array  # absolute, of the median
    mean_error: Float64Array  # absolute, of the mean
    mase_scale: Float64Array  # [W, 1]
    rmsse_scale: Float64Array  # [W, 1]
    quantiles: Float64Array  # [W, H, Q]
    quantile_levels: Sequence[float]

    @classmethod
    def of(
        cls,
        quantiles: Float64Array,
        actuals: Actuals,
        quantile_levels: Sequence[float],
        means: Float64Array | None = None,
    ) -> Steps:
        """Compare forecasts [W, H, Q], and their means [W, H] if they are not those of the quantiles, with actuals."""
        actual = np.where(actuals.observed, actuals.values, 0.0)
        median = point_forecast(quantiles, quantile_levels)
        return cls(
            actual=actual,
            median=median,
            error=np.abs(actual - median),
            mean_error=np.abs(actual - (mean_of(quantiles, quantile_levels) if means is None else means)),
            mase_scale=actuals.mase_scale[:, None],
            rmsse_scale=actuals.rmsse_scale[:, None],
            quantiles=quantiles,
            quantile_levels=quantile_levels,
        )

    def level(self, level: float) -> Float64Array:
        """Return the forecast quantile of a level, NaN where it was not forecast."""
        index = level_index(self.quantile_levels, level)
        return np.full_like(self.actual, np.nan) if index is None else self.quantiles[..., index]


@dataclass(frozen=True)
class Metric:
    """One metric: `finish(sum of numerator / sum of denominator)` over the steps of a group.

    `mean_over` is `series` (each series counts the same, as in the M competitions) or `steps` (all steps pooled).
    """

    name: str  # key in JSON and CSV; `coverage_80` is `coverage["80"]` in JSON
    label: str  # column of a screen; "" for none
    numerator: Callable[[Steps], Float64Array]
    mean_over: Literal["series", "steps"]
    drop: int = 0  # a narrow screen leaves out the smallest number first
    denominator: Callable[[Steps], Float64Array] | None = None  # None: the number of steps
    finish: Callable[[Float64Array], Float64Array] = np.asarray


def _size(steps: Steps) -> Float64Array:
    return np.abs(steps.actual)


def _symmetric(steps: Steps) -> Float64Array:
    """Return the symmetric error in per cent, 0 to 200; 0 where forecast and actual are 0."""
    size = np.abs(steps.actual) + np.abs(steps.median)
    fraction: Float64Array = np.divide(steps.error, size, out=np.zeros_like(steps.error), where=size > 0)
    return 200 * fraction


def _decile_loss(steps: Steps) -> Float64Array:
    """Return the pinball loss averaged over the deciles, NaN where one of them was not forecast."""
    places = [level_index(steps.quantile_levels, level) for level in DECILES]
    chosen = [place for place in places if place is not None]
    if len(chosen) < len(DECILES):
        return np.full_like(steps.actual, np.nan)
    return mean_pinball(steps.quantiles[..., chosen], steps.actual, np.array(DECILES))


def _covered(interval: int) -> Callable[[Steps], Float64Array]:
    """Return whether each step lies in the interval, 0 or 1; NaN where its levels were not forecast."""

    def covered(steps: Steps) -> Float64Array:
        low, high = (steps.level(level) for level in INTERVALS[interval])
        inside = (steps.actual >= low) & (steps.actual <= high)
        return np.where(np.isnan(low) | np.isnan(high), np.nan, inside)

    return covered


def _width(interval: int) -> Callable[[Steps], Float64Array]:
    low, high = INTERVALS[interval]
    return lambda steps: steps.level(high) - steps.level(low)


#: All metrics in the order of columns and keys. A new one is a row here.
METRICS: tuple[Metric, ...] = (
    Metric("mase", "MASE", lambda s: s.error / s.mase_scale, "series", drop=9),
    Metric("rmsse", "RMSSE", lambda s: (s.mean_error / s.rmsse_scale) ** 2, "series", drop=2, finish=np.sqrt),
    Metric("smape", "sMAPE %", _symmetric, "series", drop=4),
    Metric("mae", "MAE", lambda s: s.error, "steps", drop=7),
    Metric("rmse", "RMSE", lambda s: s.mean_error**2, "steps", drop=3, finish=np.sqrt),
    Metric("wape", "WAPE", lambda s: s.error, "steps", drop=1, denominator=_size),
    Metric("wql", "WQL", _decile_loss, "steps", drop=5, denominator=_size, finish=lambda loss: 2 * loss),
    Metric("coverage_80", "in 80 %", _covered(80), "steps", drop=8),
    Metric("coverage_95", "in 95 %", _covered(95), "steps", drop=6),
    Metric("width_80", "", _width(80), "steps"),
    Metric("width_95", "", _width(95), "steps"),
)


@dataclass(frozen=True)
class Scores:
    """Metrics of one or many groups; NaN where a metric is undefined or its quantile levels were not forecast.

    `mae` and `rmse` are in units of the target, `smape` in per cent, coverage is a fraction.
    """

    values: Mapping[str, Float64Array]  # name of a metric -> [G]
    num_scored: Int64Array  # [G] observed steps
    #: Interval -> number of independent steps with the same uncertainty about coverage; of a single group alone.
    effective: Mapping[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.num_scored)

    def __getitem__(self, name: str) -> float:
        """Return a metric of the first group."""
        return float(self.values[name][0])

    def coverage_interval(self, level: int) -> tuple[float, float]:
        """Return the 95 % Wilson interval of the coverage of the 80 or the 95 % interval.

        It is based on the effective number of steps, because the steps of one window hit or miss together.
        """
        return wilson_interval(self[f"coverage_{level}"], self.effective[level])

    def row(self, group: int = 0) -> dict[str, JSONValue]:
        """Return the metrics of one group under the keys of the JSON documents; undefined ones are null.

        `coverage_uncertainty` is half the width of the 95 % Wilson interval.
        """
        row: dict[str, JSONValue] = {}
        nested: dict[str, dict[str, JSONValue]] = {}
        for metric in METRICS:
            value = finite(self.values[metric.name][group])
            name, _, level = metric.name.partition("_")
            if level:
                row[name] = nested.setdefault(name, {})
                nested[name][level] = value
            else:
                row[name] = value
        if self.effective:
            ends = {level: self.coverage_interval(level) for level in self.effective}
            row["coverage_uncertainty"] = {str(level): finite((high - low) / 2) for level, (low, high) in ends.items()}
        return {**row, "num_scored": int(self.num_scored[group])}


def score(
    quantiles: Float64Array, actuals: Actuals, *, quantile_levels: Sequence[float], means: Float64Array | None = None
) -> Scores:
    """Return the metrics of one method's forecasts [W, H, Q] over all windows: one group."""
    _, owner = np.unique(actuals.series, return_inverse=True)
    num_series = int(owner.max()) + 1 if len(owner) else 0
    steps = Steps.of(quantiles, actuals, quantile_levels, means)
    by_series = _grouped(steps, actuals.observed, owner[:, None], num_series).values
    pooled = _grouped(steps, actuals.observed, np.zeros((1, 1), dtype=np.int64), 1)
    values = {
        metric.name: np.array([_nan_mean(by_series[metric.name])])
        if metric.mean_over == "series"
        else pooled.values[metric.name]
        for metric in METRICS
    }
    effective = {level: _effective_count(_covered(level)(steps), actuals.observed) for level in INTERVALS}
    return Scores(values, pooled.num_scored, effective)


def score_per_series(
    quantiles: Float64Array,
    actuals: Actuals,
    *,
    quantile_levels: Sequence[float],
    num_series: int,
    means: Float64Array | None = None,
) -> Scores:
    """Return the metrics of each series over its windows: a group for each series."""
    steps = Steps.of(quantiles, actuals, quantile_levels, means)
    return _grouped(steps, actuals.observed, actuals.series[:, None], num_series)


def score_per_lead(
    quantiles: Float64Array, actuals: Actuals, *, quantile_levels: Sequence[float], means: Float64Array | None = None
) -> Scores:
    """Return the metrics of each lead time over all windows: a group for each lead time."""
    steps = Steps.of(quantiles, actuals, quantile_levels, means)
    horizon = actuals.values.shape[1]
    return _grouped(steps, actuals.observed, np.arange(horizon)[None, :], horizon)


def scaled_errors(quantiles: Float64Array, actuals: Actuals, *, quantile_levels: Sequence[float]) -> Float64Array:
    """Return absolute errors of the median over the window's MASE scale, NaN where not observed: [W, H]."""
    errors = np.abs(actuals.values - point_forecast(quantiles, quantile_levels))
    return np.where(actuals.observed, errors / actuals.mase_scale[:, None], np.nan)


def mean_pinball(quantiles: Float64Array, actual: Float64Array, levels: Float64Array) -> Float64Array:
    """Return the pinball loss averaged over quantile levels: [..., Q] and [...] to [...]."""
    error = actual[..., None] - quantiles
    # max(q e, (q - 1) e) = |e| / 2 + (q - 1/2) e
    loss: Float64Array = (0.5 * np.abs(error).sum(axis=-1) + error @ (levels - 0.5)) / len(levels)
    return loss


def level_index(quantile_levels: Sequence[float], level: float) -> int | None:
    """Return the position of a level among the forecast ones, None when it was not forecast."""
    near = [index for index, known in enumerate(quantile_levels) if abs(known - level) < 1e-9]
    return near[0] if near else None


def point_forecast(quantiles: Float64Array, quantile_levels: Sequence[float]) -> Float64Array:
    """Return the median, interpolated between the two nearest levels where 0.5 was not forecast: [..., Q] to [...]."""
    exact = level_index(quantile_levels, 0.5)
    if exact is not None or len(quantile_levels) == 1:
        return quantiles[..., exact or 0]
    levels = np.asarray(quantile_levels)
    upper = int(np.clip(np.searchsorted(levels, 0.5), 1, len(levels) - 1))
    fraction = float(np.clip((0.5 - levels[upper - 1]) / (levels[upper] - levels[upper - 1]), 0.0, 1.0))
    middle: Float64Array = (1 - fraction) * quantiles[..., upper - 1] + fraction * quantiles[..., upper]
    return middle


def wilson_interval(fraction: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a fraction of `count` independent cases (Wilson 1927); NaN without cases."""
    if not count > 0 or not np.isfinite(fraction):
        return (float("nan"), float("nan"))
    spread = _NORMAL_975**2 / count
    centre = (fraction + spread / 2) / (1 + spread)
    half = _NORMAL_975 / (1 + spread) * np.sqrt(fraction * (1 - fraction) / count + spread / (4 * count))
    return (max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def metric_value(scores: Mapping[str, object], name: str) -> float | None:
    """Return a metric of the scores in a JSON document, where `coverage_80` is `coverage["80"]`."""
    key, _, level = name.rpartition("_")
    value = scores.get(key or name)
    if key:
        value = value.get(level) if hasattr(value, "get") else None
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _grouped(steps: Steps, observed: BoolArray, groups: Int64Array, num_groups: int) -> Scores:
    """Return the metrics of groups; `groups` broadcasts to [W, H]."""
    index = np.broadcast_to(groups, observed.shape)[observed]
    count = np.bincount(index, minlength=num_groups)

    def total(of: Callable[[Steps], Float64Array]) -> Float64Array:
        return np.asarray(np.bincount(index, weights=of(steps)[observed], minlength=num_groups), dtype=np.float64)

    values: dict[str, Float64Array] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for metric in METRICS:
            divisor = count if metric.denominator is None else total(metric.denominator)
            values[metric.name] = metric.finish(_ratio(total(metric.numerator), divisor))
    return Scores(values, count.astype(np.int64))


def _effective_count(covered: Float64Array, observed: BoolArray) -> float:
    """Return the number of independent steps with the same uncertainty about coverage.

    The variance between windows is compared with the binomial one (the design effect of cluster samples, Kish 1965);
    where it cannot be estimated every window counts once.
    """
    per_window = observed.sum(axis=1)
    hits = np.where(observed, covered, 0.0).sum(axis=1)[per_window > 0]
    steps = per_window[per_window > 0]
    count, num_windows = int(steps.sum()), len(steps)
    if count == 0 or not np.isfinite(hits).all():
        return 0.0
    fraction = hits.sum() / count
    if num_windows < 2 or fraction in (0.0, 1.0):
        return float(num_windows)
    between = num_windows / (num_windows - 1) * ((hits - fraction * steps) ** 2).sum() / count**2
    binomial = fraction * (1 - fraction)
    return float(count if between <= binomial / count else binomial / between)


def _ratio(numerator: Float64Array, denominator: Float64Array | Int64Array) -> Float64Array:
    """Divide, NaN where the denominator is 0."""
    divided: Float64Array = np.divide(
        numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0
    )
    return divided


def _nan_mean(values: Float64Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
