"""What a forecast is made of: trend, seasons, the effect of each covariate, and the remainder; they add up to it.

The effect of a covariate is the difference between the forecast and the one with the usual value of this covariate in
all steps ahead: its mean, or for events and categories the commonest value; of a past covariate, with the usual values of
its season in the rows that lead these steps. Seasons are those of a regression on the
history, with the covariates in it. The trend, with the level, is a straight line through what is left, and the remainder
is the rest: what members see beyond that, and what covariates do together.

Axis legend: S series, H horizon, P parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.covariates.scenario import with_usual
from rnnforecast.data.series import SeriesSet
from rnnforecast.forecasting import last_windows
from rnnforecast.frozen import dataclass
from rnnforecast.mixture.past_covariates import without_season
from rnnforecast.mixture.question import Question
from rnnforecast.mixture.remainders import seasonal_part
from rnnforecast.mixture.zero_shot import ZeroShot, own_seasons, zero_shot_season
from rnnforecast.model_io.base import base_ensemble
from rnnforecast.options import Engine
from rnnforecast.workflows.forecasts.panel import Forecast, forecast_series
from rnnforecast.workflows.model_rows import LoadedModel

TREND, SEASON, LONG_SEASON, CALENDAR, REMAINDER = "trend", "season", "long season", "calendar", "remainder"
#: Steps from which on a trend has a slope.
FEWEST_STEPS = 3


@dataclass(frozen=True)
class Parts:
    """The parts of the median of every series and step; covariates have their own names."""

    values: Mapping[str, Float64Array]  # name -> [S, H], trend first, remainder last
    covariates: tuple[str, ...]

    def columns(self) -> dict[str, Float64Array]:
        """Return the parts by the names of their columns in the table of forecasts: [S x H]."""
        return {f"part_{name.replace(' ', '_')}": values.ravel() for name, values in self.values.items()}


def forecast_again(
    loaded: LoadedModel, changed: SeriesSet, forecast: Forecast, *, horizon: int, engine: Engine
) -> Forecast:
    """Forecast series that differ in the steps ahead alone, by the weights that `forecast` was made with."""
    zero_shot = None if loaded.zero_shot is None else replace(loaded.zero_shot, series=changed)
    return forecast_series(
        replace(loaded, series=changed, zero_shot=zero_shot),
        changed,
        horizon=horizon,
        quantile_levels=forecast.quantile_levels,
        engine=engine,
        keep_distribution=True,
        weights=forecast.chosen,
    )


def zero_shot_of(series: SeriesSet) -> ZeroShot:
    """Return the zero-shot ensemble for the series of a stored model."""
    season = zero_shot_season(series)
    return ZeroShot(series, base_ensemble, season, own_seasons=own_seasons(series, season, series.other_seasons))


def forecast_parts(loaded: LoadedModel, forecast: Forecast, *, horizon: int, engine: Engine) -> Parts:
    """Return the parts of a forecast that kept its distribution; they add up to its median."""
    series = loaded.series
    middle = loaded.manifest.quantile_levels.index(0.5)
    median = forecast.distribution[..., middle]
    generated = [name for name in series.future_names if is_generated(name)]
    groups = {name: [name] for name in series.future_names if name not in generated}
    if generated:
        groups[CALENDAR] = generated
    effects = {}
    for label, names in groups.items():
        usual = forecast_again(loaded, with_usual(series, names), forecast, horizon=horizon, engine=engine)
        effects[label] = median - usual.distribution[..., middle]
    questions = _questions(loaded, horizon)
    for name, usual_series in _with_usual_past(series, questions):
        usual = forecast_again(loaded, usual_series, forecast, horizon=horizon, engine=engine)
        effects[name] = median - usual.distribution[..., middle]
    rest = median - sum(effects.values(), np.zeros_like(median))
    seasons = _seasons(questions, series.num_series, horizon)
    for values in seasons.values():
        rest = rest - values
    trend = _line(rest)
    parts = {TREND: trend, **seasons, **effects}
    parts[REMAINDER] = forecast.median - sum(parts.values(), np.zeros_like(median))
    return Parts(parts, tuple(effects))


def _line(values: Float64Array) -> Float64Array:
    """Return a straight line through the steps of each series [S, H]; with fewer than three steps the values."""
    horizon = values.shape[1]
    if horizon < FEWEST_STEPS:
        return values
    step = np.arange(horizon) - 0.5 * (horizon - 1)
    slope = values @ step / (step @ step)
    return np.asarray(values.mean(axis=1)[:, None] + slope[:, None] * step)


def _questions(loaded: LoadedModel, horizon: int) -> list[Question]:
    """Return what is asked after the last row of every series, one question for each season."""
    zero_shot = loaded.zero_shot or zero_shot_of(loaded.series)
    windows = last_windows(loaded.series)
    return [own.question(windows.select(numbers), horizon) for numbers, own in zero_shot.groups(windows)]


def _with_usual_past(series: SeriesSet, questions: Sequence[Question]) -> Iterator[tuple[str, SeriesSet]]:
    """Yield each past covariate that leads, and the series with its usual values in the rows that lead the steps ahead."""
    for column, name in enumerate(series.past_names):
        values, leads = series.past_covariates.copy(), False
        for question in questions:
            for number, covariates in zip(question.numbers, question.covariates, strict=False):
                delay = next((one.delay for one in covariates if one.name == name), None)
                rows = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
                if delay:
                    own, leads = values[rows, column], True
                    usual = own - without_season(own.astype(np.float64), question.season_length) + np.nanmean(own)
                    own[-delay:] = usual[-delay:]
        if leads:
            yield name, replace(series, past_covariates=values)


def _seasons(questions: Sequence[Question], num_series: int, horizon: int) -> dict[str, Float64Array]:
    """Return the seasonal parts of a regression on each history: [S, H] each; none where there is no season."""
    found = {SEASON: np.zeros((num_series, horizon)), LONG_SEASON: np.zeros((num_series, horizon))}
    for question in questions:
        for place, number in enumerate(question.numbers):
            found[SEASON][number], found[LONG_SEASON][number] = seasonal_part(question, place)
    return {name: values for name, values in found.items() if values.any()}
