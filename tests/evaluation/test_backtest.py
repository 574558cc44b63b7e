from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation.backtest import (
    Backtest,
    Forecaster,
    default_num_windows,
    make_backtest,
    place_windows,
)
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.evaluation.scales import seasonal_scales
from tests.evaluation.toy import LEVELS, make_series, windows_of

NAN = float("nan")


def lengths(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def pairs(windows: Windows) -> list[tuple[int, int]]:
    return list(zip(windows.series.tolist(), windows.cutoffs.tolist(), strict=True))


def constant(value: float) -> Forecaster:
    """Return a forecaster of one value."""
    return lambda windows, steps: np.full((len(windows), steps, len(LEVELS)), value)


def backtest(
    values: list[float], windows: Windows, *, horizon: int, gap: int = 0, **forecasters: Forecaster
) -> Backtest:
    series = make_series(values)
    return make_backtest(
        series,
        windows,
        forecasters,
        scales=seasonal_scales(series),
        quantile_levels=LEVELS,
        horizon=horizon,
        gap=gap,
    )


def test_the_newest_window_ends_with_the_last_row() -> None:
    assert pairs(place_windows(lengths(20), horizon=5, num_windows=1)) == [(0, 15)]


def test_windows_go_back_by_the_horizon_unless_told_otherwise() -> None:
    assert pairs(place_windows(lengths(20), horizon=5, num_windows=3)) == [(0, 5), (0, 10), (0, 15)]
    assert pairs(place_windows(lengths(20), horizon=5, num_windows=3, window_step=2)) == [(0, 11), (0, 13), (0, 15)]


def test_a_gap_moves_the_cutoff_away_from_the_scored_steps() -> None:
    assert pairs(place_windows(lengths(20), horizon=5, num_windows=1, gap=3)) == [(0, 12)]


def test_short_series_get_fewer_windows_or_none() -> None:
    placed = place_windows(lengths(20, 12, 6), horizon=5, num_windows=3, min_past=4)
    assert pairs(placed) == [(0, 5), (0, 10), (0, 15), (1, 7)]


@pytest.mark.parametrize(
    ("rows", "horizon", "expected"), [(144, 12, 3), (1000, 10, 20), (30, 12, 1), (10, 12, 1), (100, 7, 4)]
)
def test_one_series_holds_out_what_fits_in_30_per_cent_of_its_rows(rows: int, horizon: int, expected: int) -> None:
    assert default_num_windows(lengths(rows), horizon=horizon) == expected


def test_where_nothing_is_fitted_windows_cover_70_per_cent_of_the_rows() -> None:
    assert default_num_windows(lengths(144), horizon=12, is_fitted=False) == 8
    assert default_num_windows(lengths(1000), horizon=10, is_fitted=False) == 20


def test_no_series_still_mean_one_window() -> None:
    assert default_num_windows(lengths(), horizon=10) == 1


def test_many_series_hold_out_two_windows_at_most() -> None:
    assert default_num_windows(lengths(*[1000] * 50), horizon=10) == 2
    assert default_num_windows(lengths(*[20] * 50), horizon=10) == 1


def test_every_method_is_scored_on_the_same_steps() -> None:
    windows = place_windows(lengths(8), horizon=2, num_windows=2)
    found = backtest([0, 0, 0, 0, 1, 2, 3, 4], windows, horizon=2, one=constant(1.0), four=constant(4.0))
    assert found.actuals.values.tolist() == [[1, 2], [3, 4]]
    table = found.table()
    assert list(table) == ["one", "four"]
    assert table["one"]["mae"] == pytest.approx((0 + 1 + 2 + 3) / 4)
    assert table["four"]["mae"] == pytest.approx((3 + 2 + 1 + 0) / 4)


def test_steps_within_the_gap_are_forecast_and_not_scored() -> None:
    asked: list[int] = []

    def count_up(windows: Windows, steps: int) -> Float64Array:
        asked.append(steps)
        leads = np.arange(steps, dtype=np.float64)[None, :, None]
        return np.broadcast_to(leads, (len(windows), steps, len(LEVELS)))

    found = backtest([0, 0, 0, 1, 2, 3], windows_of((0, 2)), horizon=2, gap=2, count=count_up)
    assert asked == [4]
    assert found.actuals.values.tolist() == [[2, 3]]
    assert found.table()["count"]["mae"] == 0


def test_windows_without_a_known_past_or_future_are_left_out() -> None:
    windows = windows_of((0, 1), (0, 3), (0, 5))
    found = backtest([NAN, NAN, 1, NAN, NAN, 2, 3], windows, horizon=2, one=constant(1.0))
    assert pairs(found.windows) == [(0, 5)]


def test_missing_values_and_steps_past_the_end_are_not_scored() -> None:
    found = backtest([1, 2, 3, NAN, 5], windows_of((0, 2), (0, 4)), horizon=3, one=constant(1.0))
    assert found.actuals.observed.tolist() == [[True, False, True], [True, False, False]]
    assert found.table()["one"].num_scored.tolist() == [3]


def test_scores_come_per_series_and_per_lead_time() -> None:
    series = make_series([1, 2, 3, 4], [1, 1, 1, 9], [1])
    found = make_backtest(
        series,
        place_windows(series.lengths, horizon=2, num_windows=1, min_past=2),
        {"two": constant(2.0)},
        scales=seasonal_scales(series),
        quantile_levels=LEVELS,
        horizon=2,
    )
    assert found.per_series()["two"].values["mae"].tolist()[:2] == [1.5, 4]
    assert found.per_series()["two"].row(2)["mae"] is None
    assert found.per_lead()["two"].values["mae"].tolist() == [1, 4.5]
    assert found.scaled_errors()["two"].shape == (2, 2)


def test_scales_are_those_of_the_series_of_each_window() -> None:
    series = make_series([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    found = make_backtest(
        series,
        place_windows(series.lengths, horizon=1, num_windows=1),
        {"naive": lambda w, steps: forecast_baseline("naive", series, w, horizon=steps, quantile_levels=LEVELS)},
        scales=seasonal_scales(series.head(series.lengths - 1)),
        quantile_levels=LEVELS,
        horizon=1,
    )
    assert found.actuals.mase_scale.tolist() == [1, 10]
    assert found.table()["naive"]["mase"] == pytest.approx(1)


def test_a_forecast_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"`odd` returned an array of shape \(1, 1, 11\) instead of \(1, 2, 11\)"):
        backtest([1, 2, 3, 4], windows_of((0, 2)), horizon=2, odd=lambda _w, _s: np.zeros((1, 1, len(LEVELS))))
