from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pretraining.batches import TrainingBatch, make_batch, stream
from tests.pretraining.toy import tiny_settings


def _assert_same(first: TrainingBatch, second: TrainingBatch) -> None:
    assert first.member == second.member
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.observed, second.observed)
    np.testing.assert_array_equal(first.positions, second.positions)


def test_a_batch_is_a_function_of_seed_and_number() -> None:
    settings = tiny_settings()
    for number in range(4):
        _assert_same(make_batch(settings, number), make_batch(settings, number))


@pytest.mark.parametrize(("seed", "number"), [(0, 2), (1, 1)])
def test_another_seed_or_number_is_another_batch(seed: int, number: int) -> None:
    one_clock = {"clocks": tiny_settings().clocks[:1]}
    first = make_batch(tiny_settings(seed=0, **one_clock), 1).values
    other = make_batch(tiny_settings(seed=seed, **one_clock), number).values
    assert first.shape == other.shape
    assert not np.array_equal(first, other)


def test_families_take_the_share_of_rows_that_the_corpus_leaves() -> None:
    clock = {"season_class": "quarter", "season_length": [4], "domain": "quarterly", "share": 1, "batch_size": 64}
    corpus = make_batch(tiny_settings(clocks=[clock]), 0)
    for share in (0.0, 0.5):
        mixed = make_batch(tiny_settings(clocks=[{**clock, "corpus_share": share}]), 0)
        assert mixed.values.shape == corpus.values.shape
        assert not np.array_equal(mixed.values, corpus.values)


def test_a_batch_factor_makes_larger_batches() -> None:
    assert len(make_batch(tiny_settings(batch_factor=3), 0).values) == 12


def test_how_long_the_run_is_changes_no_batch() -> None:
    _assert_same(make_batch(tiny_settings(num_steps=6), 3), make_batch(tiny_settings(num_steps=600), 3))


def test_series_hold_the_past_and_the_horizon_of_the_network() -> None:
    batch = make_batch(tiny_settings(), 0)
    assert batch.values.shape == (4, batch.member.context_length + batch.member.horizon)
    assert np.isfinite(batch.values.numpy()).all()


def test_a_shorter_history_is_drawn_where_a_clock_asks_for_it() -> None:
    clock = {"season_class": "none", "season_length": [1], "domain": "any", "share": 1, "batch_size": 3}
    batch = make_batch(tiny_settings(clocks=[{**clock, "history_length": 30}]), 0)
    assert batch.values.shape == (3, 30 + batch.member.horizon)


def test_positions_are_distinct_segments_in_order_and_the_last_is_one() -> None:
    for number in range(8):
        batch = make_batch(tiny_settings(), number)
        assert len(batch.positions) == 3
        assert (np.diff(batch.positions) > 0).all()
        assert batch.positions[0] >= 0
        assert batch.positions[-1] == batch.member.num_segments - 1


def test_more_positions_than_segments_are_all_of_them() -> None:
    batch = make_batch(tiny_settings(num_positions=1_000), 0)
    assert batch.positions.tolist() == list(range(batch.member.num_segments))


def test_clocks_are_drawn_by_their_share_and_season_lengths_evenly() -> None:
    clocks = [
        {"season_class": "none", "season_length": [1], "domain": "yearly", "share": 1, "batch_size": 1},
        {"season_class": "quarter", "season_length": [4, 3], "domain": "any", "share": 3, "batch_size": 1},
    ]
    settings = tiny_settings(clocks=clocks)
    drawn = Counter(make_batch(settings, number).member.season_length for number in range(120))
    assert drawn[1] / 120 == pytest.approx(0.25, abs=0.12)
    assert drawn[3] / 120 == pytest.approx(0.375, abs=0.14)


def test_a_stream_resumes_where_it_is_told_to_and_ends_with_the_run() -> None:
    settings = tiny_settings()
    batches = list(stream(settings, range(2, settings.num_steps)))
    assert len(batches) == 4
    for number, batch in enumerate(batches, start=2):
        _assert_same(batch, make_batch(settings, number))


def test_worker_processes_change_no_batch_and_no_order() -> None:
    settings = tiny_settings(num_steps=5)
    batches = list(stream(settings, range(settings.num_steps), num_workers=1))
    assert len(batches) == 5
    for number, batch in enumerate(batches):
        _assert_same(batch, make_batch(settings, number))
