from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.mixture.covariates import Covariate, covariate_columns, explains_changes


def test_a_number_becomes_itself_and_four_hinges() -> None:
    values = np.arange(120.0)

    design = covariate_columns(Covariate("temperature", values), history=100)

    assert design.columns.shape == (120, 5)
    assert set(design.kinds) == {"temperature"}


def test_a_number_far_outside_its_history_is_held_near_it() -> None:
    values = np.concatenate([np.linspace(0.0, 10.0, 100), [1e9]])

    design = covariate_columns(Covariate("price", values), history=100)

    assert np.abs(design.columns[-1]).max() < 10


def test_an_event_reaches_one_step_to_both_sides() -> None:
    values = np.zeros(12)
    values[5] = 1.0

    design = covariate_columns(Covariate("promo", values), history=10)

    np.testing.assert_array_equal(np.flatnonzero(design.columns[:, 0]), [5])
    np.testing.assert_array_equal(np.flatnonzero(design.columns[:, 1]), [4])
    np.testing.assert_array_equal(np.flatnonzero(design.columns[:, 2]), [6])


def test_many_categories_keep_the_commonest() -> None:
    values = np.concatenate([np.repeat(np.arange(100.0), 3), np.zeros(50)])

    design = covariate_columns(Covariate("shop", values, is_category=True), history=350)

    assert design.columns.shape[1] == 3 * 24


@pytest.mark.parametrize("values", [np.full(20, np.nan), np.full(20, 3.0)])
def test_a_covariate_that_says_nothing_has_no_effect(values: np.ndarray) -> None:
    columns = covariate_columns(Covariate("x", values), history=15).columns

    assert not columns.any()


@pytest.mark.parametrize("values", [np.arange(20.0), np.arange(20.0) % 2])
def test_a_missing_value_has_the_mean_of_each_column_so_that_it_moves_nothing(values: np.ndarray) -> None:
    values[[7, 18]] = np.nan

    columns = covariate_columns(Covariate("x", values), history=15).columns

    seen = np.delete(np.arange(15), 7)
    np.testing.assert_allclose(columns[[7, 18]], np.tile(columns[seen].mean(axis=0), (2, 1)))


def test_huge_numbers_stay_finite() -> None:
    columns = covariate_columns(Covariate("x", np.linspace(-1e300, 1e300, 30)), history=25).columns

    assert np.isfinite(columns).all()
    assert np.abs(columns).max() < 100


def test_random_walks_tell_nothing_of_each_other_and_a_cause_tells() -> None:
    generator = np.random.default_rng(3)
    target = generator.normal(size=(60, 200)).cumsum(axis=1)
    walks = generator.normal(size=(60, 208)).cumsum(axis=1)
    caused = target + 0.5 * walks[:, :200]

    found = [explains_changes(Covariate("walk", walk), own, lag=7) for own, walk in zip(target, walks, strict=True)]
    causes = [explains_changes(Covariate("walk", walk), own, lag=7) for own, walk in zip(caused, walks, strict=True)]

    assert np.mean(found) < 0.15
    assert np.mean(causes) > 0.9


def test_a_number_tells_with_missing_rows_and_a_rare_event_is_kept() -> None:
    generator = np.random.default_rng(4)
    price = generator.normal(size=128)
    sales = 20.0 + price[:120] + generator.normal(size=120)
    sales[40:44] = np.nan

    assert explains_changes(Covariate("price", price), sales, lag=1)
    assert not explains_changes(Covariate("price", np.roll(price, 50)), sales, lag=1)
    assert explains_changes(Covariate("event", np.where(np.arange(128) == 90, 1.0, 0.0)), sales, lag=1)
