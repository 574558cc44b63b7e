from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.series import SeriesSet, first_observed

NAN = float("nan")


def make(*series: list[float], season_length: int = 1, ids: list[str] | None = None) -> SeriesSet:
    values = np.array([value for one in series for value in one], dtype=np.float64)
    lengths = [len(one) for one in series]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names = ids if ids is not None else [f"s{number}" for number in range(len(series))]
    return SeriesSet(
        id_columns=("item",),
        id_values=np.array(names, dtype=object).reshape(-1, 1),
        target_names=("y",),
        target_index=np.zeros(len(series), dtype=np.int64),
        time_column="t",
        values=values,
        observed=~np.isnan(values),
        offsets=offsets,
        first_ordinals=np.arange(len(series), dtype=np.int64) * 10,
        freq=Frequency("step"),
        season_length=season_length,
        past_covariates=np.nan_to_num(values)[:, None].astype(np.float32),
        future_covariates=np.arange(len(values) + 2 * len(series), dtype=np.float32)[:, None],
        future_offsets=offsets + 2 * np.arange(len(series) + 1),
        static_covariates=np.arange(len(series), dtype=np.float32)[:, None],
        past_names=("p",),
        future_names=("f",),
        static_names=("c",),
    )


def test_a_missing_value_becomes_that_of_the_season_before() -> None:
    assert make([1, 2, 3, NAN, 5, NAN], season_length=3).filled().tolist() == [1, 2, 3, 1, 5, 3]


def test_a_season_may_be_found_several_seasons_back() -> None:
    assert make([1, 2, NAN, 4, NAN, 6], season_length=2).filled().tolist() == [1, 2, 1, 4, 1, 6]


def test_without_a_season_before_the_last_observed_value_is_taken() -> None:
    assert make([1, 2, NAN, NAN], season_length=3).filled().tolist() == [1, 2, 2, 1]


def test_before_anything_was_observed_the_first_value_is_taken() -> None:
    assert make([NAN, NAN, 7], season_length=3).filled().tolist() == [7, 7, 7]


def test_a_series_never_borrows_from_its_neighbour() -> None:
    assert make([1, 2], [NAN, 5], [6, NAN]).filled().tolist() == [1, 2, 5, 5, 6, 6]


def test_a_series_without_any_value_is_filled_with_zeros() -> None:
    assert make([NAN, NAN], [1, 2]).filled().tolist() == [0, 0, 1, 2]


def test_filling_changes_no_observed_value_and_keeps_the_series() -> None:
    series = make([1, NAN, 3])
    series.filled()
    assert np.isnan(series.values).tolist() == [False, True, False]


def test_filling_looks_only_at_the_past_once_something_was_observed() -> None:
    full = make([1, NAN, 3, NAN, 5, 6], season_length=2)
    cut = full.head(np.array([4]))
    assert full.filled()[:4].tolist() == cut.filled().tolist()


def test_head_keeps_the_first_rows_and_all_that_is_known_ahead() -> None:
    cut = make([1, 2, 3], [4, 5]).head(np.array([2, 9]))
    assert cut.values.tolist() == [1, 2, 4, 5]
    assert cut.lengths.tolist() == [2, 2]
    assert cut.past_covariates[:, 0].tolist() == [1, 2, 4, 5]
    assert len(cut.future_covariates) == 9


def test_select_takes_series_in_the_order_asked_for() -> None:
    picked = make([1, 2, 3], [4, 5], [6]).select(np.array([2, 0]))
    assert picked.values.tolist() == [6, 1, 2, 3]
    assert picked.item_ids == ["s2", "s0"]
    assert picked.first_ordinals.tolist() == [20, 0]
    assert picked.static_covariates[:, 0].tolist() == [2, 0]
    assert picked.future_covariates[:, 0].tolist() == [9, 10, 11, 0, 1, 2, 3, 4]


def test_future_timestamps_follow_the_last_row_of_each_series() -> None:
    assert make([1, 2, 3], [4]).future_timestamps(2).tolist() == [[3, 4], [11, 12]]
    assert make([1, 2, 3], [4]).timestamps(0).tolist() == [0, 1, 2]


def test_the_digest_changes_with_a_value_an_id_or_a_timestamp() -> None:
    base = make([1, 2], [3]).digest()
    assert make([1, 2], [3]).digest() == base
    assert make([1, 2], [4]).digest() != base
    assert make([1], [2, 3]).digest() != base
    assert make([1, 2], [3], ids=["a", "b"]).digest() != base


def test_the_digest_does_not_look_under_the_mask() -> None:
    series = make([1, NAN])
    assert series.digest() == make([1, -float("nan")]).digest()


def test_first_observed_counts_leading_missing_rows() -> None:
    assert first_observed(make([NAN, 1], [2], [NAN, NAN])).tolist() == [1, 0, 2]


def test_a_part_is_the_series_that_select_would_take() -> None:
    whole = make([1, 2, 3], [4, NAN], [5, 6, 7, 8], [9])
    part, chosen = whole.part(1, 3), whole.select(np.array([1, 2]))
    assert part.digest() == chosen.digest()
    assert part.item_ids == ["s1", "s2"]
    assert part.future_offsets.tolist() == chosen.future_offsets.tolist()
    assert np.shares_memory(part.values, whole.values)


def test_parts_hold_every_series_once_and_few_rows_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.data.series.ROWS_A_PART", 4)
    whole = make([1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [11, 12], [13, 14])
    assert [part.item_ids for part in whole.parts()] == [["s0", "s1"], ["s2"], ["s3", "s4"]]
    assert np.concatenate([part.values for part in whole.parts()]).tolist() == whole.values.tolist()
