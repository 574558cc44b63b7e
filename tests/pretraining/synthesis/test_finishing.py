"""Masks, limits, units, rounding, mixtures, stretched time."""

from __future__ import annotations

import numpy as np
import pytest

from pretraining.synthesis import finishing, masks, mixing
from pretraining.synthesis.frames import Frame


def frame(num_series: int = 400, *, length: int = 100, span: int = 100) -> Frame:
    return Frame(np.random.default_rng(2), length, 12, 1, np.full(num_series, span))


def test_spans_are_between_the_shortest_and_the_length() -> None:
    spans = masks.draw_spans(np.random.default_rng(0), 3000, 90, short_share=0.5, shortest=20)
    assert (spans.min(), spans.max()) == (20, 90)
    assert 0.4 < (spans < 90).mean() < 0.6


def test_a_batch_shorter_than_the_shortest_is_seen_whole() -> None:
    assert set(masks.draw_spans(np.random.default_rng(0), 50, 8, short_share=0.9, shortest=20)) == {8}


def test_nothing_before_the_span_is_observed_and_its_ends_always_are() -> None:
    observed = masks.observe(frame(span=40), 1.0)
    assert not observed[:, :60].any()
    assert observed[:, 60].all()
    assert observed[:, -1].all()
    assert not observed[:, 61:].all()


def test_missing_blocks_end_before_the_last_quarter() -> None:
    observed = masks.observe(frame(2000), 1.0)
    lengths = np.asarray(
        [max(map(len, "".join("x" if gap else " " for gap in ~row).split()), default=0) for row in observed]
    )
    long = lengths >= 8
    assert long.any()
    assert observed[long][:, 75:].mean() > 0.95


def test_a_gap_holds_the_last_value_and_the_time_before_the_first() -> None:
    values = np.asarray([[9.0, 1.0, 8.0, 7.0, 2.0]], dtype=np.float32)
    observed = np.asarray([[False, True, False, False, True]])
    assert masks.hold(values, observed).tolist() == [[1, 1, 1, 1, 2]]


def test_three_rows_in_five_are_rounded_and_whole_ones_are_left() -> None:
    paths = frame().normals() * 10 + 100
    before = paths.copy()
    whole = np.arange(400) < 200
    finishing.write_down(frame(), paths, whole)
    assert np.array_equal(paths[:200], before[:200])
    distinct = np.asarray([len(np.unique(row)) for row in paths[200:]])
    assert 0.2 < (distinct < 80).mean() < 0.8


def test_units_span_many_orders_of_magnitude() -> None:
    scaled = finishing.in_units(frame(), np.ones((400, 100), dtype=np.float32))
    assert scaled.min() == pytest.approx(0.01, rel=0.5)
    assert scaled.max() == pytest.approx(1e6, rel=0.5)


def test_blanked_rows_hold_zeros_and_others_are_left() -> None:
    paths = np.ones((400, 100), dtype=np.float32)
    finishing.blank(frame(), paths, 0.3)
    blanked = (paths == 0).any(axis=1)
    assert 0.15 < blanked.mean() < 0.35


def test_limits_clip_some_rows_at_zero() -> None:
    paths = frame().normals()
    finishing.limit(frame(), paths)
    assert 0.15 < (paths.min(axis=1) >= 0).mean() < 0.35


def test_a_few_rows_are_flipped_and_counts_never() -> None:
    paths = np.ones((4000, 100), dtype=np.float32)
    whole = np.arange(4000) < 2000
    finishing.turn(frame(4000), paths, whole)
    assert (paths[:2000] == 1).all()
    assert 0.005 < (paths[2000:, 0] == -1).mean() < 0.03


def test_a_mixture_keeps_the_level_and_the_scale_of_its_row() -> None:
    paths = frame().normals() * 3 + 50
    before = paths.copy()
    mixing.mix(frame(), paths, np.arange(10))
    assert not np.allclose(paths[:10], before[:10])
    assert paths[:10].mean(axis=1) == pytest.approx(before[:10].mean(axis=1), rel=1e-4)
    assert np.array_equal(paths[10:], before[10:])


def test_stretched_time_keeps_order_and_ends() -> None:
    paths = np.repeat(np.arange(100, dtype=np.float32)[None, :], 400, axis=0)
    mixing.stretch(frame(), paths, np.arange(50))
    assert (np.diff(paths[:50], axis=1) >= 0).all()
    assert paths[:50, 0] == pytest.approx(0, abs=0.01)
    assert paths[:50, -1] == pytest.approx(99, abs=0.01)
    assert not np.array_equal(paths[:50], paths[50:100])
