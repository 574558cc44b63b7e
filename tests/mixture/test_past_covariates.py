from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.mixture.covariates import Covariate
from rnnforecast.mixture.past_covariates import leading, leading_lag
from rnnforecast.mixture.regression import Design, spread_of_unknown


def led(lag: int, *, seed: int = 0, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariate and a history with a week that follows it after `lag` steps."""
    generator = np.random.default_rng(seed)
    values, step = generator.normal(size=rows), np.arange(rows)
    history = 20 + 3 * np.sin(2 * np.pi * step / 7) + 2 * np.roll(values, lag) + generator.normal(0, 1, rows)
    return values + 5 * (step % 7 == 2), history


@pytest.mark.parametrize("lag", [1, 4, 20])
def test_the_lag_is_the_one_after_which_the_target_follows(lag: int) -> None:
    values, history = led(lag)

    assert leading_lag(values, history, season=7, most=28) == lag


def test_noise_walks_and_what_follows_the_target_do_not_lead() -> None:
    generator = np.random.default_rng(1)
    found = []
    for seed in range(40):
        values, history = led(4, seed=seed)
        walk = generator.normal(size=300).cumsum()
        found += [leading_lag(other, history, season=7, most=14) for other in (generator.normal(size=300), walk)]
        found.append(leading_lag(np.roll(values, 9), history, season=7, most=4))

    assert np.mean([lag is not None for lag in found]) < 0.1


@pytest.mark.parametrize("rows", [0, 1, 5, 31, 60])
def test_few_rows_constants_and_missing_values_lead_nothing(rows: int) -> None:
    history = np.full(rows, np.nan)
    history[::2] = 3.0

    assert leading_lag(np.ones(rows), history, season=7, most=12) is None
    assert leading_lag(np.full(rows, np.nan), history, season=1, most=12) is None


def test_a_covariate_is_moved_by_its_lead_and_unknown_beyond_it() -> None:
    values, history = led(4)

    moved = leading(Covariate("visits", values), history, horizon=14, season=7)

    assert moved is not None
    assert (moved.delay, len(moved.values)) == (4, 314)
    np.testing.assert_array_equal(np.isfinite(moved.values), (np.arange(314) >= 4) & (np.arange(314) < 304))
    phases = np.array([moved.values[4:304][place::7].mean() for place in range(7)])
    np.testing.assert_allclose(phases, values.mean(), atol=1e-9)


def test_nothing_after_a_cutoff_is_seen_beyond_the_lead() -> None:
    generator = np.random.default_rng(2)
    columns = generator.normal(5, 1, (120, 3))
    changed = columns.copy()
    changed[83:, 1], changed[90:, 2] = 1e3, 1e3

    before, after = (
        Design(each, ("trend", "visits", "orders"), (3, 10)).known_at(80, 14) for each in (columns, changed)
    )

    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(before[:, 0], columns[:94, 0])
    np.testing.assert_array_equal(before[:90, 2], columns[:90, 2])
    assert np.abs(before[83:, 1] - 5).max() < 2


def test_the_spread_of_what_is_not_known_ahead_is_that_of_its_effect() -> None:
    """95 % intervals held 30 % beyond the lead: they were those of known values."""
    generator = np.random.default_rng(3)
    columns = np.column_stack([np.arange(320.0), generator.normal(size=320)])
    design = Design(columns, ("trend", "visits"), (3,))

    found = spread_of_unknown(design, np.array([[5.0, 5.0], [2.0, -4.0]]), 300, 14)

    np.testing.assert_array_equal(found[:3], 0.0)
    np.testing.assert_allclose(found[3:, 0], 2.0, rtol=0.1)
    np.testing.assert_allclose(found[3:, 1], 4.0, rtol=0.1)
