from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data import ragged
from rnnforecast.evaluation.scales import seasonal_scales
from tests.evaluation.toy import make_series


def test_the_scale_is_the_mean_absolute_difference_at_the_season() -> None:
    scales = seasonal_scales(make_series([1, 5, 2, 7, 4, 8], season_length=2))
    assert scales.mase[0] == pytest.approx((1 + 2 + 2 + 1) / 4)
    assert scales.rmsse[0] == pytest.approx(np.sqrt((1 + 4 + 4 + 1) / 4))
    assert scales.fallback[0] == 0


def test_differences_never_reach_over_to_another_series() -> None:
    both = seasonal_scales(make_series([1, 2, 3], [1000, 1003, 1006]))
    assert both.mase.tolist() == pytest.approx([1, 3])


def test_missing_values_take_their_differences_with_them() -> None:
    scales = seasonal_scales(make_series([1, 2, np.nan, 8, 11]))
    assert scales.mase[0] == pytest.approx((1 + 3) / 2)


def test_rows_cut_off_do_not_matter() -> None:
    calm, wild = make_series([1, 2, 3, 4, 5]), make_series([1, 2, 3, 900, -900])
    known = np.array([3], dtype=np.int64)
    assert seasonal_scales(calm.head(known)).mase == seasonal_scales(wild.head(known)).mase


def test_a_series_shorter_than_its_season_falls_back_to_neighbours() -> None:
    scales = seasonal_scales(make_series([1, 3, 5], season_length=12))
    assert (scales.mase[0], scales.fallback[0]) == (2, 1)


def test_an_exact_season_falls_back_to_neighbours() -> None:
    scales = seasonal_scales(make_series([1, 3, 1, 3, 1, 3], season_length=2))
    assert (scales.mase[0], scales.fallback[0]) == (2, 1)


def test_a_constant_series_is_scaled_by_its_size() -> None:
    scales = seasonal_scales(make_series([5, 5, 5, 5], season_length=2))
    assert (scales.mase[0], scales.rmsse[0], scales.fallback[0]) == (5, 5, 2)


def test_rounding_noise_on_a_constant_is_not_a_movement() -> None:
    noisy = [0.1 + 1e-15 * step for step in range(10)]
    assert seasonal_scales(make_series(noisy)).fallback[0] == 2


def test_nothing_but_zeros_is_scaled_by_one() -> None:
    scales = seasonal_scales(make_series([0, 0, 0], [np.nan, np.nan]))
    assert scales.mase.tolist() == [1, 1]
    assert scales.fallback.tolist() == [3, 3]


def test_a_small_series_next_to_a_huge_one_keeps_its_digits() -> None:
    alone = seasonal_scales(make_series([0.001, 0.002, 0.004]))
    beside = seasonal_scales(make_series([1e15, 3e15, 2e15], [0.001, 0.002, 0.004]))
    assert beside.mase[1] == alone.mase[0]


@pytest.mark.parametrize("season_length", [1, 4])
def test_scales_are_the_same_whatever_the_blocks_they_are_added_up_in(
    season_length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(1)
    runs = [generator.normal(size=length) for length in (30, 9, 1, 50)]
    runs[3][[3, 17, 41]] = np.nan
    whole = seasonal_scales(make_series(*runs, season_length=season_length))
    monkeypatch.setattr(ragged, "ROWS_A_BLOCK", 7)
    parts = seasonal_scales(make_series(*runs, season_length=season_length))
    np.testing.assert_allclose(parts.mase, whole.mase, rtol=1e-13)
    np.testing.assert_allclose(parts.rmsse, whole.rmsse, rtol=1e-13)
    np.testing.assert_array_equal(parts.fallback, whole.fallback)
