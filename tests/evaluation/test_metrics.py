from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.evaluation.metrics import (
    DECILES,
    Actuals,
    Scores,
    point_forecast,
    scaled_errors,
    score,
    score_per_lead,
    score_per_series,
    wilson_interval,
)
from rnnforecast.evaluation.scales import seasonal_scales
from tests.evaluation.toy import LEVELS, MEDIAN, make_series

NUM_SERIES, TRAIN, HORIZON, SEASON = 5, 40, 8, 4


def actuals(
    values: Float64Array, *, observed: np.ndarray | None = None, series: list[int] | None = None, scale: float = 1.0
) -> Actuals:
    number = len(values)
    return Actuals(
        values=values,
        observed=np.ones(values.shape, dtype=bool) if observed is None else observed,
        series=np.arange(number) if series is None else np.array(series),
        mase_scale=np.full(number, scale),
        rmsse_scale=np.full(number, scale),
    )


def flat_quantiles(point: Float64Array, half_width: float = 1.0) -> Float64Array:
    """Return quantiles spread evenly around a point forecast: [W, H, Q]."""
    return point[..., None] + half_width * (np.array(LEVELS) - 0.5)


class Reference:
    """Random forecasts of five series, scored by utilsforecast."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        values = rng.normal(10, 3, size=(NUM_SERIES, TRAIN + HORIZON)).cumsum(axis=1)
        self.actual = values[:, TRAIN:]
        noise = rng.normal(0, 4, size=(NUM_SERIES, HORIZON, len(LEVELS)))
        self.quantiles = np.sort(self.actual[..., None] + noise, axis=-1)
        series = make_series(*values[:, :TRAIN], season_length=SEASON)
        scales = seasonal_scales(series)
        self.actuals = Actuals(
            values=self.actual,
            observed=np.ones(self.actual.shape, dtype=bool),
            series=np.arange(NUM_SERIES),
            mase_scale=scales.mase,
            rmsse_scale=scales.rmsse,
        )
        ids, timestamps = (
            np.repeat(np.arange(NUM_SERIES), HORIZON),
            np.tile(np.arange(TRAIN, TRAIN + HORIZON), NUM_SERIES),
        )
        self.frame = pd.DataFrame({"unique_id": ids, "ds": timestamps, "y": self.actual.ravel()})
        self.frame["m"] = self.quantiles[..., MEDIAN].ravel()
        for index, level in enumerate(LEVELS):
            self.frame[f"q{level}"] = self.quantiles[..., index].ravel()
        for name, low, high in (("80", 0.1, 0.9), ("95", 0.025, 0.975)):
            self.frame[f"m-lo-{name}"], self.frame[f"m-hi-{name}"] = self.frame[f"q{low}"], self.frame[f"q{high}"]
        self.train = pd.DataFrame(
            {
                "unique_id": np.repeat(np.arange(NUM_SERIES), TRAIN),
                "ds": np.tile(np.arange(TRAIN), NUM_SERIES),
                "y": values[:, :TRAIN].ravel(),
            }
        )

    def expected(self) -> dict[str, Float64Array]:
        """Return each metric of each series."""
        frame, models = self.frame, ["m"]
        of_means = frame.assign(m=mean_of(self.quantiles, LEVELS).ravel())
        tables = {
            "mae": losses.mae(frame, models=models),
            "rmse": losses.rmse(of_means, models=models),
            "smape": losses.smape(frame, models=models),
            "wape": losses.nd(frame, models=models),
            "mase": losses.mase(frame, models=models, seasonality=SEASON, train_df=self.train),
            "rmsse": losses.rmsse(of_means, models=models, seasonality=SEASON, train_df=self.train),
            "coverage_80": losses.coverage(frame, models=models, level=80),
            "coverage_95": losses.coverage(frame, models=models, level=95),
            "wql": losses.scaled_crps(
                frame, models={"m": [f"q{level}" for level in DECILES]}, quantiles=np.array(DECILES)
            ),
        }
        found = {name: table.sort_values("unique_id")["m"].to_numpy() for name, table in tables.items()}
        return found | {"smape": 200 * found["smape"]}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@pytest.mark.parametrize(
    "metric", ["mae", "rmse", "smape", "wape", "mase", "rmsse", "coverage_80", "coverage_95", "wql"]
)
def test_metrics_per_series_are_those_of_utilsforecast(reference: Reference, metric: str) -> None:
    found = score_per_series(
        reference.quantiles, reference.actuals, quantile_levels=LEVELS, num_series=NUM_SERIES
    ).values[metric]
    np.testing.assert_allclose(found, reference.expected()[metric], rtol=1e-10)


@pytest.mark.parametrize("metric", ["mae", "smape", "mase", "rmsse", "coverage_80", "coverage_95"])
def test_overall_metrics_are_means_over_series_of_equal_horizons(reference: Reference, metric: str) -> None:
    found = score(reference.quantiles, reference.actuals, quantile_levels=LEVELS)[metric]
    assert found == pytest.approx(reference.expected()[metric].mean())


def test_overall_relative_metrics_pool_all_steps(reference: Reference) -> None:
    scores = score(reference.quantiles, reference.actuals, quantile_levels=LEVELS)
    errors = np.abs(reference.actual - reference.quantiles[..., MEDIAN])
    assert scores["wape"] == pytest.approx(errors.sum() / np.abs(reference.actual).sum())
    of_means = reference.actual - mean_of(reference.quantiles, LEVELS)
    assert scores["rmse"] == pytest.approx(np.sqrt((of_means**2).mean()))


def test_overall_mase_weighs_series_equally_however_many_windows_they_have() -> None:
    actual = np.array([[1.0], [1.0], [1.0], [3.0]])
    scores = score(flat_quantiles(0 * actual), actuals(actual, series=[0, 0, 0, 1]), quantile_levels=LEVELS)
    assert scores["mase"] == pytest.approx((1 + 3) / 2)


def test_errors_are_divided_by_the_scale_of_their_window() -> None:
    actual = np.array([[2.0, 4.0]])
    scores = score(flat_quantiles(0 * actual), actuals(actual, scale=2.0), quantile_levels=LEVELS)
    assert scores["mase"] == pytest.approx(1.5)
    assert scores["rmsse"] == pytest.approx(np.sqrt((1 + 4) / 2))


def test_steps_not_observed_count_nowhere() -> None:
    actual = np.array([[1.0, np.nan], [2.0, 5.0]])
    observed = np.array([[True, False], [True, True]])
    scores = score(flat_quantiles(np.zeros((2, 2))), actuals(actual, observed=observed), quantile_levels=LEVELS)
    assert scores.num_scored.tolist() == [3]
    assert scores["mae"] == pytest.approx((1 + 2 + 5) / 3)


def test_symmetric_error_of_zero_against_zero_is_zero() -> None:
    zeros = np.zeros((1, 3))
    assert score(flat_quantiles(zeros), actuals(zeros), quantile_levels=LEVELS)["smape"] == 0


def test_symmetric_error_reaches_200_per_cent() -> None:
    actual = np.array([[1.0]])
    assert score(flat_quantiles(-actual), actuals(actual), quantile_levels=LEVELS)["smape"] == pytest.approx(200)


def test_relative_metrics_of_nothing_but_zeros_are_null_in_json() -> None:
    zeros = np.zeros((1, 2))
    fields = score(flat_quantiles(zeros + 1), actuals(zeros), quantile_levels=LEVELS).row()
    assert fields["wape"] is None
    assert fields["wql"] is None
    assert fields["mae"] == pytest.approx(1)


def test_width_is_the_mean_distance_of_the_interval_ends() -> None:
    zeros = np.zeros((2, 2))
    scores = score(flat_quantiles(zeros, half_width=10), actuals(zeros), quantile_levels=LEVELS)
    assert (scores["width_80"], scores["width_95"]) == pytest.approx((8, 9.5))


def test_the_ends_of_an_interval_belong_to_it() -> None:
    actual = np.array([[0.4, 0.4001]])
    scores = score(flat_quantiles(0 * actual), actuals(actual), quantile_levels=LEVELS)
    assert scores["coverage_80"] == pytest.approx(0.5)


def test_without_the_levels_of_an_interval_its_coverage_is_null_and_the_rest_is_there() -> None:
    actual = np.zeros((1, 2))
    quantiles = np.zeros((1, 2, 3))
    fields = score(quantiles, actuals(actual), quantile_levels=(0.1, 0.5, 0.9)).row()
    assert fields["coverage"] == {"80": 1.0, "95": None}
    assert fields["wql"] is None
    assert fields["mase"] == 0


def test_lead_times_are_scored_apart() -> None:
    actual = np.array([[1.0, 2.0], [3.0, 6.0]])
    leads = score_per_lead(flat_quantiles(0 * actual), actuals(actual), quantile_levels=LEVELS)
    assert len(leads) == 2
    assert leads.values["mae"].tolist() == [2, 4]


def test_a_series_without_windows_has_null_scores() -> None:
    actual = np.array([[1.0]])
    table = score_per_series(flat_quantiles(actual), actuals(actual, series=[1]), quantile_levels=LEVELS, num_series=2)
    assert table.row(0)["mase"] is None
    assert table.row(0)["num_scored"] == 0
    assert table.row(1)["mase"] == 0


def test_scores_are_one_json_document() -> None:
    actual = np.array([[1.0, 2.0]])
    fields = score(flat_quantiles(actual), actuals(actual), quantile_levels=LEVELS).row()
    assert set(json.loads(json.dumps(fields))) == {
        "mase", "rmsse", "smape", "mae", "rmse", "wape", "wql", "coverage", "coverage_uncertainty", "width",
        "num_scored",
    }  # fmt: skip


def test_scaled_errors_are_missing_where_nothing_was_observed() -> None:
    actual = np.array([[4.0, 1.0]])
    observed = np.array([[True, False]])
    errors = scaled_errors(
        flat_quantiles(0 * actual), actuals(actual, observed=observed, scale=2.0), quantile_levels=LEVELS
    )
    assert errors[0, 0] == 2
    assert math.isnan(errors[0, 1])


def test_the_point_forecast_lies_between_the_levels_around_the_middle() -> None:
    assert point_forecast(np.array([1.0, 3.0]), (0.4, 0.6)) == pytest.approx(2)
    assert point_forecast(np.array([1.0, 3.0]), (0.1, 0.2)) == pytest.approx(3)
    assert point_forecast(np.array([7.0]), (0.9,)) == 7


@pytest.mark.parametrize(
    ("share", "count", "low", "high"), [(0.81, 263, 0.7586, 0.8529), (1.0, 29, 0.8830, 1.0), (0.0, 56, 0.0, 0.0642)]
)
def test_wilson_intervals_are_those_of_newcombe_1998(share: float, count: int, low: float, high: float) -> None:
    hits = round(share * count)
    assert wilson_interval(hits / count, count) == pytest.approx((low, high), abs=5e-4)


def coverage_scores(hit: np.ndarray) -> Scores:
    """Return scores of windows [W, H] whose steps lie inside the 80 % interval where `hit`."""
    actual = np.where(hit, 0.0, 9.0)
    return score(flat_quantiles(0 * actual), actuals(actual), quantile_levels=LEVELS)


def test_steps_that_miss_together_say_less_about_coverage() -> None:
    rng = np.random.default_rng(0)
    apart = coverage_scores(rng.random((40, 10)) < 0.8)
    together = coverage_scores(np.repeat(rng.random((40, 1)) < 0.8, 10, axis=1))
    assert apart.effective[80] > 250
    assert together.effective[80] == pytest.approx(39)


def test_the_interval_of_the_coverage_holds_the_true_coverage() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        low, high = coverage_scores(np.repeat(rng.random((30, 1)) < 0.8, 5, axis=1)).coverage_interval(80)
        inside += low <= 0.8 <= high
    assert inside / 200 > 0.9
