from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError

ROWS = [("a", day, day, 5 * day, 7) for day in range(1, 7)] + [("b", day, 10 * day, 0, 8) for day in range(1, 4)]


def read(folder: Path, **settings: object) -> ReadResult:
    path = folder / "rows.csv"
    lines = ["item,date,y,past,static", *(f"{one},2024-01-0{day},{y},{p},{s}" for one, day, y, p, s in ROWS)]
    path.write_text("\n".join(lines) + "\n")
    return read_series([path], DataSettings(target=("y",), **settings))


def test_series_that_end_early_continue_without_values_to_the_newest_timestamp(tmp_path: Path) -> None:
    series = read(tmp_path, align=True).series
    assert series.lengths.tolist() == [6, 6]
    np.testing.assert_array_equal(series.values[6:], [10, 20, 30, np.nan, np.nan, np.nan])
    assert series.observed[6:].tolist() == [True] * 3 + [False] * 3


def test_what_was_added_is_counted_and_named(tmp_path: Path) -> None:
    found = next(one for one in read(tmp_path, align=True).findings if one.code == "W_TIME_ALIGNED")
    assert (found.severity, found.count) == ("warning", 3)
    assert found.message.startswith("1 of 2 series end before 2024-01-06, such as `b`; 3 missing rows added")


def test_covariates_hold_their_last_value_in_the_added_rows(tmp_path: Path) -> None:
    series = read(tmp_path, align=True, past=("past",), static=("static",)).series
    assert series.past_covariates[:, 0].tolist() == [5, 10, 15, 20, 25, 30, 0, 0, 0, 0, 0, 0]
    assert series.static_covariates.tolist() == [[7], [8]]


def test_what_is_known_ahead_is_as_long_as_the_series_at_least(tmp_path: Path) -> None:
    series = read(tmp_path, align=True, future=("past",)).series
    assert np.diff(series.future_offsets).tolist() == [6, 6]
    assert len(series.future_covariates) == 12


def test_series_of_one_end_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    assert read_series([path], DataSettings(align=True)).findings == ()


def test_a_series_that_ended_long_before_the_others_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.data.grid.align_ends.MAX_GRID_ROWS", 5)
    monkeypatch.setattr("rnnforecast.data.grid.align_ends.MAX_ROWS_PER_ROW", 1)
    with pytest.raises(DataError, match="--align would add 3 missing rows to 9, 3 of them to `b`"):
        read(tmp_path, align=True)
