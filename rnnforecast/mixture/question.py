"""What the zero-shot ensemble is asked: histories, seasons, covariates; and its members with their prior weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnforecast.arrays import Float64Array
from rnnforecast.frozen import dataclass
from rnnforecast.mixture.covariates import Covariate
from rnnforecast.mixture.like_series import LIKE_SERIES, LIKE_SERIES_LOG, LikeSeries
from rnnforecast.mixture.seasons import SeasonPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rnnforecast.forecasting import Ensemble

BASE = "base"
BASE_NO_SEASON = "base-no-season"
FOURIER = "fourier"
FOURIER_LOG = "fourier-log"
COVARIATES_LEVEL = "covariates-level"
COVARIATES_SEASON = "covariates-season"
COVARIATES_WEEK = "covariates-week"
AUTOREGRESSION = "autoregression"
AUTOREGRESSION_LOG = "autoregression-log"
AUTOREGRESSION_NO_SEASON = "autoregression-no-season"
COVARIATES_LOG = "covariates-log"
COVARIATES_AUTOREGRESSION = "covariates-autoregression"
DAY_MEANS = "day-means"
HOUR_MEANS = "hour-means"
THETA = "theta"
SEASONAL_MEAN = "seasonal-mean"
SEASONAL_NAIVE = "seasonal-naive"

#: Prior weight of each member without and with covariates; the first is the reference of all losses.
PRIORS = {
    BASE: 0.30,
    BASE_NO_SEASON: 0.10,
    FOURIER: 0.15,
    FOURIER_LOG: 0.05,
    AUTOREGRESSION: 0.20,
    AUTOREGRESSION_LOG: 0.05,
    AUTOREGRESSION_NO_SEASON: 0.02,
    DAY_MEANS: 0.60,
    HOUR_MEANS: 0.15,
    THETA: 0.15,
    SEASONAL_MEAN: 0.05,
    SEASONAL_NAIVE: 0.02,
}
COVARIATE_PRIORS = {
    BASE: 0.20,
    COVARIATES_SEASON: 0.12,
    COVARIATES_WEEK: 0.10,
    COVARIATES_LEVEL: 0.15,
    COVARIATES_LOG: 0.20,
    COVARIATES_AUTOREGRESSION: 0.15,
    BASE_NO_SEASON: 0.03,
    FOURIER: 0.12,
    FOURIER_LOG: 0.05,
    AUTOREGRESSION: 0.06,
    THETA: 0.05,
    SEASONAL_MEAN: 0.02,
    SEASONAL_NAIVE: 0.02,
}


#: Members that read covariates.
READERS = (*(name for name in COVARIATE_PRIORS if name not in PRIORS), LIKE_SERIES, LIKE_SERIES_LOG)
#: Prior weight of the regression on series with like static covariates.
LIKE_SERIES_PRIOR = 0.25
#: Members that forecast logarithms.
LOGARITHMIC = (FOURIER_LOG, AUTOREGRESSION_LOG, COVARIATES_LOG, LIKE_SERIES_LOG)
#: Members whose remainder is forecast by an autoregression instead of `base`.
AUTOREGRESSIVE = (AUTOREGRESSION, AUTOREGRESSION_LOG, COVARIATES_AUTOREGRESSION)


@dataclass(frozen=True)
class Question:
    """What is to be forecast: histories (NaN where missing), one plan of seasons, covariates over history and horizon."""

    histories: Sequence[Float64Array]
    plans: Sequence[SeasonPlan]  # of each history; all with the same season length
    horizon: int
    base: Callable[[int], Ensemble]  # `base` for a season length
    covariates: Sequence[Sequence[Covariate]] = ()  # of each history
    keep_non_negative: bool = True  # where the history never was below zero
    numbers: Sequence[int] = ()  # of each history in the panel
    known_ahead: Sequence[Sequence[Covariate]] = ()  # of each history, before some are left out of its regressions
    like_series: LikeSeries | None = None

    @property
    def season_length(self) -> int:
        """Steps of the season that `base` is told."""
        return self.plans[0].season_length

    @property
    def priors(self) -> dict[str, float]:
        """Members in order, with their prior weights."""
        priors = COVARIATE_PRIORS if self.covariates else PRIORS
        return priors if self.like_series is None else {**priors, self.like_series.member: LIKE_SERIES_PRIOR}
