from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.errors import DataError
from rnnforecast.evaluation.baselines import INTERMITTENT_BASELINES, forecast_baseline
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.evaluation.intermittent import ALPHA, is_intermittent
from tests.evaluation.toy import make_series, windows_of

NAN = float("nan")
DEMAND = [0, 0, 3, 0, 5, 0, 0, 0, 2, 4, 0, 0]


def textbook(name: str, values: Sequence[float]) -> float:
    """Write both methods once more, one value after the other."""
    sizes = [value for value in values if value > 0]
    size, interval, probability = np.mean(sizes), len(values) / len(sizes), len(sizes) / len(values)
    since = 0
    for value in values:
        since += 1
        probability += ALPHA * ((value > 0) - probability)
        if value > 0:
            size += ALPHA * (value - size)
            interval += ALPHA * (since - interval)
            since = 0
    return float((1 - ALPHA / 2) * size / interval if name == "croston-sba" else probability * size)


def forecast(name: str, *runs: list[float], pairs: list[tuple[int, int]]) -> np.ndarray:
    series = make_series(*runs)
    return forecast_baseline(name, series, windows_of(*pairs), horizon=3, quantile_levels=TRAINED_QUANTILE_LEVELS)


@pytest.mark.parametrize("name", INTERMITTENT_BASELINES)
@pytest.mark.parametrize("cutoff", [3, 9, 12])
def test_the_mean_is_that_of_the_textbook_and_rows_after_the_cutoff_have_no_effect(name: str, cutoff: int) -> None:
    quantiles = forecast(name, [7.0, 1.0], [float(value) for value in DEMAND], pairs=[(0, 2), (1, cutoff)])
    assert quantiles.shape == (2, 3, len(TRAINED_QUANTILE_LEVELS))
    means = mean_of(quantiles, TRAINED_QUANTILE_LEVELS)
    np.testing.assert_allclose(means[1], textbook(name, DEMAND[:cutoff]))
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("name", INTERMITTENT_BASELINES)
def test_missing_rows_count_as_no_step(name: str) -> None:
    with_gaps = [value for demand in DEMAND for value in (NAN, float(demand))]
    plain = forecast(name, [float(value) for value in DEMAND], pairs=[(0, 12)])
    np.testing.assert_allclose(forecast(name, with_gaps, pairs=[(0, 24)]), plain)


@pytest.mark.parametrize("name", INTERMITTENT_BASELINES)
def test_no_demand_yet_is_forecast_as_zero_and_no_row_is_an_error(name: str) -> None:
    assert (forecast(name, [0.0, 0.0, 0.0], pairs=[(0, 3)]) == 0).all()
    with pytest.raises(DataError, match="no observed value"):
        forecast(name, [NAN, NAN, 1.0], pairs=[(0, 2)])


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([DEMAND], True),
        ([[1, 2, 0, 3, 4]], False),  # one zero in five
        ([[0, -1, 0, 0, 2]], False),
        ([DEMAND, [5.0, 6.0, 7.0]], True),
        ([DEMAND, [5.0, 6.0], [7.0]], False),
    ],
)
def test_demand_is_intermittent_from_an_interval_of_one_and_a_third(runs: list[list[float]], expected: bool) -> None:
    assert is_intermittent(make_series(*runs)) == expected
