from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation import history as past_module
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.evaluation.history import Past
from tests.evaluation.toy import make_series, windows_of

NAN = float("nan")


def test_the_last_observed_row_lies_before_the_cutoff() -> None:
    past = Past(make_series([1, 2, NAN, 4], [5, NAN]), windows_of((0, 3), (0, 4), (1, 2), (1, 0)))
    assert past.last_rows.tolist() == [1, 3, 4, -1]


def test_season_rows_are_the_newest_of_their_position() -> None:
    past = Past(make_series([0, 1, 2, 3, 4, 5, 6], season_length=3), windows_of((0, 5), (0, 1)))
    assert past.season_rows(7)[0].tolist() == [2, 3, 4, 2, 3, 4, 2]
    assert past.season_rows(4)[1].tolist() == [-1, -1, 0, -1]


def test_season_rows_skip_missing_values_to_the_season_before() -> None:
    past = Past(make_series([0, 1, 2, NAN, 4, 5], season_length=2), windows_of((0, 5)))
    assert past.season_rows(2)[0].tolist() == [1, 4]


def test_totals_stop_at_each_cutoff() -> None:
    series = make_series([1, 2, 3, 4], [10, 20])
    past = Past(series, windows_of((1, 1), (0, 4), (0, 0), (0, 2), (1, 2), (0, 2)))
    assert past.totals(series.values).tolist() == [10, 10, 0, 3, 30, 3]


def test_totals_of_a_small_series_do_not_suffer_from_a_large_one() -> None:
    series = make_series([1e18] * 3, [0.1, 0.2])
    assert Past(series, windows_of((1, 2))).totals(series.values)[0] == pytest.approx(0.3, rel=1e-15)


def test_totals_of_no_windows_are_empty() -> None:
    series = make_series([1, 2])
    assert Past(series, windows_of()).totals(series.values).shape == (0,)


def test_totals_equal_sums_for_any_windows() -> None:
    rng = np.random.default_rng(3)
    runs = [rng.normal(size=size) for size in (5, 1, 17, 9)]
    series = make_series(*runs)
    pairs = [(int(s), int(rng.integers(len(runs[s]) + 1))) for s in rng.integers(4, size=60)]
    expected = [runs[s][:cutoff].sum() for s, cutoff in pairs]
    np.testing.assert_allclose(Past(series, windows_of(*pairs)).totals(series.values), expected, atol=1e-12)


def _ragged() -> tuple[SeriesSet, Windows]:
    generator = np.random.default_rng(0)
    runs = [generator.normal(size=length).round(2) for length in (30, 9, 50)]
    runs[2][[3, 17, 41]] = np.nan
    return make_series(*runs, season_length=4), windows_of((2, 33), (2, 45), (0, 20))


def test_the_recent_past_holds_the_same_rows_before_each_cutoff() -> None:
    series, windows = _ragged()
    whole, narrow = Past(series, windows), Past.recent(series, windows)
    assert narrow.series.num_rows == 45 + 20
    np.testing.assert_array_equal(narrow.last_values, whole.last_values)
    rows, all_rows = narrow.season_rows(6), whole.season_rows(6)
    np.testing.assert_array_equal(narrow.series.values[rows], series.values[all_rows])


@pytest.mark.parametrize("name", ["naive", "seasonal-naive", "window-mean"])
def test_rows_long_before_the_first_cutoff_change_no_forecast_of_the_last_rows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    series, windows = _ragged()
    wanted = forecast_baseline(name, series, windows, horizon=6, quantile_levels=(0.5,))
    monkeypatch.setattr(past_module, "MAX_PAST", 16)
    assert Past.recent(series, windows).series.num_rows == (45 - 16) + (20 - 4)
    np.testing.assert_array_equal(forecast_baseline(name, series, windows, horizon=6, quantile_levels=(0.5,)), wanted)


def test_a_past_without_a_value_in_its_recent_rows_is_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.full(40, np.nan)
    values[2] = 7.0
    monkeypatch.setattr(past_module, "MAX_PAST", 8)
    assert Past.recent(make_series(values), windows_of((0, 40))).last_values.tolist() == [7.0]
