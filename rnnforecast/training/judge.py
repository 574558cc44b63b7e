"""Compare an ensemble with the baselines on the same test windows, and give the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows, gather, min_past
from rnnforecast.evaluation.backtest import Backtest, Forecaster, Spacing, make_backtest, mean_of_rows
from rnnforecast.evaluation.baselines import (
    BASELINES,
    INTERMITTENT_BASELINES,
    STATISTICAL_BASELINES,
    available_baselines,
    forecast_baseline,
)
from rnnforecast.evaluation.calibration import PRETRAINED_PRIOR_SPREAD, PRIOR_SPREAD, fit_calibration
from rnnforecast.evaluation.intermittent import is_intermittent
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.evaluation.verdict import MIN_CUTOFFS, Verdict, judge, overlap_of
from rnnforecast.findings import JSONValue
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.trained import KeptForecasts, TrainedForecaster
from rnnforecast.mixture.zero_shot import ZeroShot, own_seasons, zero_shot_season
from rnnforecast.model_io.base import BASE, base_ensemble
from rnnforecast.store.record import MAX_LEADS, LeadRecord

if TYPE_CHECKING:
    from rnnforecast.data.bounds import SeriesBounds

#: The ensemble without the Theta method.
NETWORKS = "networks"


@dataclass(frozen=True)
class Judgement:
    """Every method on the test windows; both fields are None without test windows."""

    backtest: Backtest | None
    verdict: Verdict | None

    def metrics(self) -> dict[str, dict[str, JSONValue]]:
        """Return the scores of each method under the keys of the JSON documents."""
        if self.backtest is None:
            return {}
        return {method: scores.row() for method, scores in self.backtest.table().items()}

    def verdict_dict(self) -> dict[str, JSONValue] | None:
        """Return the verdict under the keys of the JSON documents."""
        return None if self.verdict is None else self.verdict.to_dict()

    def per_lead(self) -> tuple[dict[str, JSONValue], ...]:
        """Return one row a method and lead time; the first scored step after a gap has lead `gap + 1`."""
        if self.backtest is None:
            return ()
        return tuple(
            {"method": method, "lead": self.backtest.gap + lead + 1, **scores.row(lead)}
            for method, scores in self.backtest.per_lead().items()
            for lead in range(len(scores))
        )

    def lead_record(self) -> LeadRecord:
        """Return the errors by lead time, and the calibration of the ensemble, as a model file keeps them."""
        backtest = self.backtest
        if backtest is None:
            return LeadRecord()
        horizon = backtest.actuals.values.shape[1]
        picked = np.unique(np.linspace(0, horizon - 1, min(horizon, MAX_LEADS)).round().astype(int)).tolist()
        return LeadRecord(
            leads=tuple(backtest.gap + lead + 1 for lead in picked),
            mase={
                method: tuple(_finite(mean) for mean in mean_of_rows(errors)[picked].tolist())
                for method, errors in backtest.scaled_errors().items()
            },
            levels=backtest.quantile_levels,
            below=backtest.fractions_below(ENSEMBLE),
            num_scored=int(backtest.actuals.observed.sum()),
        )

    def per_series(self, series: SeriesSet) -> tuple[dict[str, JSONValue], ...]:
        """Return one row a method and series that has a window."""
        if self.backtest is None:
            return ()
        labels, scored = series.item_ids, np.unique(self.backtest.windows.series).tolist()
        return tuple(
            {"method": method, "item_id": labels[number], **scores.row(number)}
            for method, scores in self.backtest.per_series().items()
            for number in scored
        )


def _finite(number: float) -> float | None:
    return float(f"{number:.6g}") if np.isfinite(number) else None


def squared_error_note(judgement: Judgement, series: SeriesSet) -> list[str]:
    """Say which method has the smallest squared error of the mean, where demand is intermittent and another one has."""
    metrics = judgement.metrics()
    if ENSEMBLE not in metrics or not is_intermittent(series):
        return []
    errors = {name: float(str(row["rmsse"])) for name, row in metrics.items() if row["rmsse"] is not None}
    best = min(errors, key=errors.__getitem__, default=ENSEMBLE)
    if best == ENSEMBLE or errors[ENSEMBLE] <= errors[best]:
        return []
    return [
        f"demand is intermittent: judged by squared errors of the mean, `{best}` is better (RMSSE {errors[best]:.3f}, "
        f"the ensemble {errors[ENSEMBLE]:.3f}); the verdict compares absolute errors of the median"
    ]


def pretrained_forecaster(series: SeriesSet, *, bounds: bool = True, kept: KeptForecasts | None = None) -> Forecaster:
    """Wrap the pretrained network, zero-shot, as a forecaster of windows of `series`, which looks at those `kept` first."""
    season = zero_shot_season(series)
    own = own_seasons(series, season, series.other_seasons)
    found = ZeroShot(series, base_ensemble, season, keep_non_negative=bounds, own_seasons=own)
    return found if kept is None else kept.of(found)


def baseline_forecasters(series: SeriesSet) -> dict[str, Forecaster]:
    """Wrap every baseline that fits the season as a forecaster of windows of `series`."""
    names = available_baselines(series.longest_season)
    return {name: baseline_forecaster(name, series) for name in names}


def statistical_forecasters(series: SeriesSet) -> dict[str, Forecaster]:
    """Wrap every baseline that is shown but not judged against as a forecaster of windows of `series`."""
    names = (*STATISTICAL_BASELINES, *(INTERMITTENT_BASELINES if is_intermittent(series) else ()))
    return {name: baseline_forecaster(name, series) for name in names}


def baseline_forecaster(name: str, series: SeriesSet) -> Forecaster:
    """Wrap one baseline as a forecaster of windows of `series`."""
    return lambda windows, horizon: forecast_baseline(
        name, series, windows, horizon=horizon, quantile_levels=TRAINED_QUANTILE_LEVELS
    )


def judge_methods(
    forecasters: Mapping[str, Forecaster],
    series: SeriesSet,
    windows: Windows,
    *,
    spacing: Spacing,
    bounds: SeriesBounds,
    networks: Sequence[str] = (ENSEMBLE,),
    rival: str | None = None,
    remedy: str = "",
) -> Judgement:
    """Forecast the same windows with every method and test the best of `networks` against the naive ones.

    `theta` is scored but not tested, as is `base` unless it is one of `networks`: neither is a naive forecast. `rival` is
    the naive forecast to beat where other windows chose it (`choose_rival`), `remedy` what would make a test possible
    (`how_to_test`). Error scales come from the rows before every test step.
    """
    if not len(windows):
        return Judgement(backtest=None, verdict=None)
    backtest = make_backtest(
        series,
        windows,
        forecasters,
        scales=seasonal_scales(series.head(rows_before_windows(series, windows))),
        quantile_levels=TRAINED_QUANTILE_LEVELS,
        horizon=spacing.horizon,
        gap=spacing.gap,
        bounds=bounds,
    )
    if not len(backtest.windows):
        return Judgement(backtest=None, verdict=None)
    owners = backtest.windows.series
    shown = {BASE, NETWORKS, *STATISTICAL_BASELINES, *INTERMITTENT_BASELINES} - set(networks)
    losses = {method: loss for method, loss in backtest.scaled_errors().items() if method not in shown}
    overlap = overlap_of(spacing.horizon, spacing.window_step)
    verdict = judge(losses, owners, methods=networks, overlap=overlap, rival=rival, remedy=remedy) if networks else None
    return Judgement(backtest=backtest, verdict=verdict)


def rows_before_windows(series: SeriesSet, windows: Windows) -> np.ndarray:
    """Return the rows of each series before its first window, all of them where it has none: [S]."""
    rows = series.lengths.copy()
    np.minimum.at(rows, windows.series, windows.cutoffs)
    return rows


def choose_rival(series: SeriesSet, windows: Windows, *, horizon: int) -> str | None:
    """Return the naive forecast with the smallest error on windows before the test; None without a scored one."""
    names = [name for name in available_baselines(series.longest_season) if name in BASELINES]
    if not len(windows):
        return None
    backtest = make_backtest(
        series,
        windows,
        {name: baseline_forecaster(name, series) for name in names},
        scales=seasonal_scales(series.head(rows_before_windows(series, windows))),
        quantile_levels=TRAINED_QUANTILE_LEVELS,
        horizon=horizon,
    )
    if not len(backtest.windows):
        return None
    errors = {name: float(np.nanmean(loss)) for name, loss in backtest.scaled_errors().items()}
    return min(errors, key=errors.__getitem__)


def how_to_test(series: SeriesSet, spacing: Spacing, *, num_kept: int, is_horizon_open: bool = True) -> str:
    """Return what would leave enough windows for a test: options, or rows.

    `num_kept` is the number of horizons that are kept before the first window.
    """
    horizon, step = spacing.horizon, spacing.window_step
    wanted = MIN_CUTOFFS * (overlap_of(horizon, step) + 1)
    rows, fixed = int(series.lengths.max(initial=0)), min_past(series.season_length) + spacing.gap
    if rows >= fixed + (num_kept + 1) * horizon + (wanted - 1) * step:
        return f"`--num-windows {wanted}`"
    missing = fixed + (num_kept + MIN_CUTOFFS) * horizon - rows
    if missing <= 0:
        return f"`--num-windows {MIN_CUTOFFS} --window-step {horizon}`"
    shorter = (rows - fixed) // (num_kept + MIN_CUTOFFS)
    by_rows = f"{missing:,} more row{'s' if missing > 1 else ''}"
    return f"{by_rows}, or `--horizon {shorter}`" if is_horizon_open and shorter >= 1 else by_rows


def calibrate(
    ensemble: Ensemble,
    series: SeriesSet,
    unseen: Sequence[Windows],
    *,
    horizon: int,
    kept: KeptForecasts | None = None,
) -> Ensemble:
    """Return the ensemble with intervals calibrated per lead time on the given windows."""
    windows = Windows(
        series=np.concatenate([part.series for part in unseen]),
        cutoffs=np.concatenate([part.cutoffs for part in unseen]),
    )
    if not len(windows):
        return ensemble
    plain = replace(ensemble, calibration=None)
    flat = FlatSeries.from_series(series)
    future = gather(flat, windows, context_length=1, horizon=horizon)
    calibration = fit_calibration(
        TrainedForecaster(plain, series, kept)(windows, horizon),
        future.future_target,
        future.future_observed,
        quantile_levels=ensemble.quantile_levels,
        num_cutoffs=int(np.bincount(windows.series).max()),
        prior_spread=PRETRAINED_PRIOR_SPREAD if ensemble.uses_pretrained else PRIOR_SPREAD,
    )
    return replace(ensemble, calibration=calibration)
