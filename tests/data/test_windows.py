from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.windows import FlatSeries, Windows, gather, make_windows
from tests.data.test_series import NAN, make


def cutoffs(lengths: list[int], **bounds: int) -> list[tuple[int, int]]:
    windows = make_windows(np.array(lengths), **({"context_length": 3, "horizon": 2} | bounds))
    return list(zip(windows.series.tolist(), windows.cutoffs.tolist(), strict=True))


def window(series: int, cutoff: int) -> Windows:
    return Windows(np.array([series]), np.array([cutoff]))


def test_window_count_equals_length_minus_context_minus_horizon_plus_one() -> None:
    assert cutoffs([8]) == [(0, 3), (0, 4), (0, 5), (0, 6)]


def test_a_series_too_short_for_one_window_has_none() -> None:
    assert cutoffs([4, 5, 0]) == [(1, 3)]


def test_a_shorter_past_may_be_allowed() -> None:
    assert cutoffs([4], min_past=1) == [(0, 1), (0, 2)]


def test_a_stride_is_counted_back_from_the_newest_window() -> None:
    assert cutoffs([10], stride=2) == [(0, 4), (0, 6), (0, 8)]


def test_a_limit_keeps_the_newest_windows() -> None:
    assert cutoffs([10, 5], max_per_series=2) == [(0, 7), (0, 8), (1, 3)]


def test_bounds_hold_cutoffs_between_them() -> None:
    assert cutoffs([10], first=5, last=6) == [(0, 5), (0, 6)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 9), st.integers(1, 5))
def test_every_window_lies_inside_its_series(lengths: list[int], context: int, horizon: int, stride: int) -> None:
    windows = make_windows(np.array(lengths), context_length=context, horizon=horizon, stride=stride)
    assert (windows.cutoffs >= context).all()
    assert (windows.cutoffs + horizon <= np.array(lengths)[windows.series]).all()


def test_rows_that_may_not_be_seen_count_as_missing_and_their_values_stand_nowhere() -> None:
    flat = FlatSeries.from_series(make([9, 9], [1, 2, 3, 4, 5]))
    batch = gather(replace(flat, lengths=np.array([2, 4])), window(1, 3), context_length=2, horizon=2)
    assert batch.past_target.tolist() == [[2, 3]]
    assert batch.future_observed.tolist() == [[True, False]]
    assert 5 not in batch.future_target


def test_a_window_is_the_rows_around_its_cutoff() -> None:
    batch = gather(FlatSeries.from_series(make([9, 9], [1, 2, 3, 4, 5])), window(1, 3), context_length=2, horizon=2)
    assert batch.past_target.tolist() == [[2, 3]]
    assert batch.future_target.tolist() == [[4, 5]]
    assert batch.past_covariates[0, :, 0].tolist() == [2, 3]
    assert batch.future_covariates[0, :, 0].tolist() == [5, 6, 7, 8]
    assert batch.static_covariates.tolist() == [[1]]


def test_a_short_past_is_padded_with_the_first_value_and_masked() -> None:
    batch = gather(FlatSeries.from_series(make([1, 2, 3])), window(0, 2), context_length=4, horizon=1)
    assert batch.past_target.tolist() == [[1, 1, 1, 2]]
    assert batch.past_observed.tolist() == [[False, False, True, True]]


def test_steps_after_the_end_of_a_series_are_masked() -> None:
    batch = gather(FlatSeries.from_series(make([1, 2, 3], [7, 8])), window(0, 3), context_length=2, horizon=2)
    assert batch.future_observed.tolist() == [[False, False]]
    assert batch.past_target.tolist() == [[2, 3]]


def test_missing_values_are_filled_and_masked() -> None:
    batch = gather(FlatSeries.from_series(make([1, NAN, 3])), window(0, 2), context_length=2, horizon=1)
    assert batch.past_target.tolist() == [[1, 1]]
    assert batch.past_observed.tolist() == [[True, False]]


def test_a_window_before_the_first_observed_value_shows_nothing_of_it() -> None:
    flat = FlatSeries.from_series(make([NAN, NAN, 5, 6]))
    assert gather(flat, window(0, 2), context_length=2, horizon=1).past_target.tolist() == [[0, 0]]
    assert gather(flat, window(0, 0), context_length=2, horizon=1).past_target.tolist() == [[0, 0]]


def test_no_horizon_gives_a_batch_without_a_future() -> None:
    batch = gather(FlatSeries.from_series(make([1, 2])), window(0, 2), context_length=2, horizon=0)
    assert batch.future_target.shape == (1, 0)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 11))
def test_values_after_the_cutoff_never_enter_the_past(cutoff: int, context: int, hole: int) -> None:
    values = [float(number) for number in range(1, 13)]
    values[hole] = NAN
    changed = values[:cutoff] + [-99.0] * (12 - cutoff)
    batches = [
        gather(
            FlatSeries.from_series(make(rows, season_length=3)), window(0, cutoff), context_length=context, horizon=2
        )
        for rows in (values, changed)
    ]
    assert batches[0].past_target.tolist() == batches[1].past_target.tolist()
    assert batches[0].past_observed.tolist() == batches[1].past_observed.tolist()


def test_numpy_and_torch_gather_the_same_batch() -> None:
    flat = FlatSeries.from_series(make([NAN, 2, 3, 4], [5, NAN, 7]), loss_scale=np.array([2.0, 3.0]))
    windows = Windows(np.array([0, 1, 0]), np.array([1, 2, 4]))
    tensors = replace(flat, **{name: torch.as_tensor(array) for name, array in flat.arrays().items()})
    expected = gather(flat, windows, context_length=3, horizon=2)
    found = gather(
        tensors,
        Windows(torch.as_tensor(windows.series), torch.as_tensor(windows.cutoffs)),
        context_length=3,
        horizon=2,
        xp=torch,
    )
    for field in fields(expected):
        ours, theirs = getattr(expected, field.name), getattr(found, field.name)
        assert isinstance(theirs, torch.Tensor)
        np.testing.assert_array_equal(ours, theirs.numpy())
        assert str(ours.dtype) in str(theirs.dtype)


def test_the_loss_scale_is_that_of_the_windows_series() -> None:
    flat = FlatSeries.from_series(make([1, 2], [3, 4]), loss_scale=np.array([2.0, 3.0]))
    windows = Windows(np.array([1, 0]), np.array([1, 1]))
    assert gather(flat, windows, context_length=1, horizon=1).loss_scale.tolist() == [3.0, 2.0]
    assert windows.select(np.array([1])).series.tolist() == [0]
    assert len(windows) == 2
