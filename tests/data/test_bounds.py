from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.config import DataSettings
from rnnforecast.data.bounds import Bounds, SeriesBounds
from rnnforecast.data.windows import Windows
from tests.data.test_series import NAN, make

INF = np.inf


def bounds(values: list[float], cutoff: int | None = None, *, name: str = "y", **settings: object) -> Bounds:
    series = replace(make([0] * len(values), values), target_names=(name,))
    series = series.select(np.array([len(series.lengths) - 1]))
    windows = Windows(np.array([0]), np.array([len(values) if cutoff is None else cutoff]))
    return SeriesBounds.of(series, DataSettings.model_validate(settings)).at(windows)


def found(values: list[float], cutoff: int | None = None, *, name: str = "y", **settings: object) -> tuple[object, ...]:
    one = bounds(values, cutoff, name=name, **settings)
    return one.floor.item(), one.cap.item(), one.whole.item()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 3, 1, 7], (0, INF, True)),
        ([0.5, 3, NAN, 7], (0, INF, False)),
        ([-1, 3, NAN, 7], (-INF, INF, True)),
        ([-0.5, 3], (-INF, INF, False)),
        ([0.2, 1, 1, 0.7, 1], (0, 1, False)),
        ([0.2, 1, 1, 0.7, 0.9], (0, INF, False)),  # at 1 too rarely to be a limit
        ([0, 1, 1, 1, 1], (0, INF, True)),  # zeros and ones may be counts
        ([97.5, 100, 100, 100, 99.5], (0, 100, False)),
        ([97, 100, 100, 100, 100.5], (0, INF, False)),
    ],
)
def test_bounds_are_those_that_the_history_kept_to(values: list[float], expected: tuple[object, ...]) -> None:
    assert found(values) == expected


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("market_share", [0.2, 0.6], (0, 1, False)),
        ("humidity", [40, 85], (0, 100, True)),
        ("load_pct", [0.2, 0.6], (0, 100, False)),
        ("share", [0.2, 240.5], (0, INF, False)),
        ("percent_change", [-0.2, 0.6], (-INF, INF, False)),
    ],
)
def test_the_name_of_a_target_tells_a_fraction(name: str, values: list[float], expected: tuple[object, ...]) -> None:
    assert found(values, name=name) == expected


def test_rows_after_the_cutoff_have_no_effect() -> None:
    values = [1, 2, 4, -0.5]
    assert found(values, 3) == (0, INF, True)
    assert found(values, 4) == (-INF, INF, False)


def test_bounds_of_the_user_come_first_and_no_bounds_leaves_those_alone() -> None:
    assert found([1, 2], floor=1, cap=9.5) == (1, 9.5, True)
    assert found([1, 2], bounds=False) == (-INF, INF, False)
    assert found([1, 2], bounds=False, cap=5) == (-INF, 5, False)
    assert found([1, 2], cap=-5) == (-INF, -5, True)


def test_quantiles_are_cut_off_and_rounded() -> None:
    kept = Bounds(np.array([0.0, -INF]), np.array([INF, 1.0]), np.array([True, False]))
    quantiles = np.array([[[-0.7, 0.4, 2.5]], [[-0.7, 0.4, 2.5]]])
    assert kept.apply(quantiles).tolist() == [[[0, 0, 3]], [[-0.7, 0.4, 1]]]
    assert quantiles[0, 0, 0] == -0.7


@given(st.lists(st.integers(-300, 300).map(lambda number: number / 4), min_size=1, max_size=9))
def test_every_history_keeps_to_its_own_bounds(values: list[float]) -> None:
    history = np.array([values])
    assert (bounds(values).apply(history[..., None])[..., 0] == history).all()


def test_the_sentence_counts_series_where_they_differ() -> None:
    kept = Bounds(np.array([0.0, 0.0]), np.array([INF, 1.0]), np.array([True, False]))
    assert kept.sentence() == "whole numbers (1 of 2 series), at least 0, at most 1 (1 of 2 series)"
    assert Bounds(np.array([-INF]), np.array([INF]), np.array([False])).sentence() == ""
