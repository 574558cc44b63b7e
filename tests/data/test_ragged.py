from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data import ragged
from rnnforecast.data.ragged import offsets_of, positions, row_blocks, spread_sample


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1], [0], [20], [1, 1, 1, 1, 1, 1, 1, 1, 0]])
def test_blocks_hold_every_row_once_with_its_run_and_place(lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragged, "ROWS_A_BLOCK", 4)
    sizes = np.array(lengths, dtype=np.int64)
    blocks = list(row_blocks(offsets_of(sizes)))
    assert [(rows.start, rows.stop) for rows, _, _ in blocks] == [
        (start, min(start + 4, sum(lengths))) for start in range(0, sum(lengths), 4)
    ]
    runs = np.concatenate([np.zeros(0, dtype=np.int64), *(run for _, run, _ in blocks)])
    places = np.concatenate([np.zeros(0, dtype=np.int64), *(place for _, _, place in blocks)])
    np.testing.assert_array_equal(runs, np.repeat(np.arange(len(sizes)), sizes))
    np.testing.assert_array_equal(places, positions(sizes))


def test_a_spread_sample_is_even_and_meets_kinds_that_alternate() -> None:
    drawn = spread_sample(399, 200)  # every second number would be even
    assert len(np.unique(drawn)) == 200
    assert 0.4 < (drawn % 2).mean() < 0.6
    assert np.abs(drawn - np.linspace(0, 398, 200)).max() <= 2
    np.testing.assert_array_equal(drawn, spread_sample(399, 200))
    np.testing.assert_array_equal(spread_sample(3, 200), np.arange(3))
