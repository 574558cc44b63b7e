"""Backtest by rolling cutoffs: the windows, their actuals, and the forecasts of every method for them.

Axis legend: S series, W windows, H horizon, G steps between cutoff and first scored step, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows, make_windows
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.evaluation.history import Past
from rnnforecast.evaluation.metrics import Actuals, Scores, scaled_errors, score, score_per_lead, score_per_series
from rnnforecast.evaluation.scales import Scales
from rnnforecast.frozen import dataclass

#: Windows and number of steps in, quantiles [W, steps, Q] out; reads nothing at or after a window's cutoff.
Forecaster = Callable[[Windows, int], Float64Array]

#: Default limits: test windows of a series, and the fraction of its rows that they cover, more where nothing is fitted.
MAX_WINDOWS = 20
TEST_FRACTION, UNFITTED_TEST_FRACTION = 0.3, 0.7
#: From this many series on, the test compares series, and two windows of each are enough.
MANY_SERIES = 50


@dataclass(frozen=True)
class Spacing:
    """Steps of a window: those that are scored, those before them that are not, and those between two cutoffs."""

    horizon: int
    gap: int
    window_step: int


@dataclass(frozen=True)
class Backtest:
    """Forecasts of every method for the same windows, and the actuals."""

    windows: Windows
    actuals: Actuals
    quantiles: Mapping[str, Float64Array]  # method -> [W, H, Q]
    quantile_levels: tuple[float, ...]
    num_series: int
    means: Mapping[str, Float64Array]  # method -> [W, H]; of counts they are not whole
    gap: int = 0

    def table(self) -> dict[str, Scores]:
        """Return the metrics of each method over all windows."""
        return self._scored(score)

    def per_series(self) -> dict[str, Scores]:
        """Return the metrics of each method for each series [S]; NaN for series that have no window."""
        return self._scored(partial(score_per_series, num_series=self.num_series))

    def per_lead(self) -> dict[str, Scores]:
        """Return the metrics of each method for each lead time [H]; the first lead time follows the gap."""
        return self._scored(score_per_lead)

    def scaled_errors(self) -> dict[str, Float64Array]:
        """Return the scaled absolute errors of each method, NaN where nothing was observed: [W, H]."""
        levels = self.quantile_levels
        return {
            name: scaled_errors(each, self.actuals, quantile_levels=levels) for name, each in self.quantiles.items()
        }

    def fractions_below(self, method: str) -> tuple[float, ...]:
        """Return the fraction of the actuals below each quantile of a method; empty where nothing was observed."""
        seen = self.actuals.observed
        if not seen.any():
            return ()
        below = self.actuals.values[seen][:, None] <= self.quantiles[method][seen]
        return tuple(float(f"{fraction:.6g}") for fraction in below.mean(axis=0).tolist())

    def _scored(self, scorer: Callable[..., Scores]) -> dict[str, Scores]:
        levels = self.quantile_levels
        return {
            name: scorer(each, self.actuals, quantile_levels=levels, means=self.means[name])
            for name, each in self.quantiles.items()
        }


def mean_of_rows(errors: Float64Array) -> Float64Array:
    """Return the mean of each column of [W, H], NaN values left out; NaN where a column has none."""
    known = np.isfinite(errors)
    counts = known.sum(axis=0)
    sums = np.where(known, errors, 0.0).sum(axis=0)
    found: Float64Array = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found


def default_num_windows(lengths: Int64Array, *, horizon: int, is_fitted: bool = True) -> int:
    """Return the number of test windows: as many as fit in the last 30 % of the median series, 1 to 20.

    Where nothing is fitted, 70 %: no training row is lost to them. With `MANY_SERIES` series or more, at most 2.
    """
    if not len(lengths):
        return 1
    fraction = TEST_FRACTION if is_fitted else UNFITTED_TEST_FRACTION
    fitting = int(fraction * float(np.median(lengths)) / horizon)
    most = 2 if len(lengths) >= MANY_SERIES else MAX_WINDOWS
    return int(np.clip(fitting, 1, most))


def place_windows(
    lengths: Int64Array,
    *,
    horizon: int,
    num_windows: int,
    window_step: int | None = None,
    gap: int = 0,
    min_past: int = 1,
) -> Windows:
    """Place windows backwards from the end of each series, in order of series, then of time.

    The last scored step of the newest window is the last row; cutoffs are `window_step` apart (default: the
    horizon), and the first scored step is `gap` steps after the cutoff. A window needs `min_past` rows before
    its cutoff: shorter series get fewer windows, or none.
    """
    return make_windows(
        lengths,
        context_length=min_past,
        horizon=gap + horizon,
        stride=window_step or horizon,
        max_per_series=num_windows,
    )


def make_backtest(
    series: SeriesSet,
    windows: Windows,
    forecasters: Mapping[str, Forecaster],
    *,
    scales: Scales,
    quantile_levels: Sequence[float],
    horizon: int,
    gap: int = 0,
    bounds: SeriesBounds | None = None,
) -> Backtest:
    """Forecast the same windows with every method, and collect the actuals.

    A forecaster returns `gap + horizon` steps, of which the first `gap` are not scored; its forecasts keep to `bounds`,
    as they do when they are served. Windows without an observed row before the cutoff or among the scored steps are
    left out. `scales` [S] are those of the errors.
    """
    windows = _usable(series, windows, horizon=horizon, gap=gap)
    kept = None if bounds is None else bounds.at(windows)
    values, observed = _actuals(series, windows, horizon=horizon, gap=gap)
    quantiles: dict[str, Float64Array] = {}
    means: dict[str, Float64Array] = {}
    for name, forecaster in forecasters.items():
        forecast = forecaster(windows, gap + horizon)
        wanted = (len(windows), gap + horizon, len(quantile_levels))
        if forecast.shape != wanted:
            raise ValueError(f"`{name}` returned an array of shape {forecast.shape} instead of {wanted}")
        scored = forecast[:, gap:]
        quantiles[name] = scored if kept is None else kept.apply(scored)
        means[name] = mean_of(scored if kept is None else kept.clip(scored), quantile_levels)
    return Backtest(
        windows=windows,
        actuals=Actuals(
            values=values,
            observed=observed,
            series=windows.series,
            mase_scale=scales.mase[windows.series],
            rmsse_scale=scales.rmsse[windows.series],
        ),
        quantiles=quantiles,
        quantile_levels=tuple(quantile_levels),
        num_series=series.num_series,
        means=means,
        gap=gap,
    )


def _usable(series: SeriesSet, windows: Windows, *, horizon: int, gap: int) -> Windows:
    _, observed = _actuals(series, windows, horizon=horizon, gap=gap)
    return windows.select((Past.recent(series, windows).last_rows >= 0) & observed.any(axis=1))


def _actuals(series: SeriesSet, windows: Windows, *, horizon: int, gap: int) -> tuple[Float64Array, BoolArray]:
    """Return the scored values, 0 where not observed or past the end, and their mask: [W, H], [W, H]."""
    place = windows.cutoffs[:, None] + gap + np.arange(horizon, dtype=np.int64)
    inside = place < series.lengths[windows.series][:, None]
    rows = np.minimum(series.offsets[windows.series][:, None] + place, max(series.num_rows - 1, 0))
    observed = series.observed[rows] & inside
    return np.where(observed, series.values[rows], 0.0), observed
