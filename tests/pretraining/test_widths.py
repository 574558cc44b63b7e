from __future__ import annotations

import numpy as np
import pytest

from pretraining.widths import as_tables, width_factor
from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.inference.season_classes import SEASON_CLASSES

LEVELS = TRAINED_QUANTILE_LEVELS


def _normal_quantiles(num_series: int, spread: float) -> np.ndarray:
    from statistics import NormalDist

    row = np.array([NormalDist(0, spread).inv_cdf(level) for level in LEVELS])
    return np.broadcast_to(row, (num_series, 4, len(LEVELS)))


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_a_factor_leads_to_the_true_width(spread: float) -> None:
    actual = np.random.default_rng(0).normal(size=(4_000, 4))
    factor = width_factor(_normal_quantiles(4_000, spread), actual, quantile_levels=LEVELS)
    assert factor * spread == pytest.approx(1.0, rel=0.03)


def test_missing_values_count_nothing() -> None:
    actual = np.random.default_rng(0).normal(size=(500, 4))
    whole = width_factor(_normal_quantiles(500, 1.0), actual, quantile_levels=LEVELS)
    more = np.concatenate([actual, np.full((300, 4), np.nan)])
    assert width_factor(_normal_quantiles(800, 1.0), more, quantile_levels=LEVELS) == whole


def test_tables_widen_all_levels_but_the_median_and_leave_classes_without_a_factor() -> None:
    tables = as_tables({"year": 1.25})
    assert set(tables) == {entry.name for entry in SEASON_CLASSES}
    median = LEVELS.index(0.5)
    assert (tables["year"][:, median] == 1.0).all()
    assert (np.delete(tables["year"], median, axis=1) == 1.25).all()
    assert (tables["day"] == 1.0).all()
