"""The door of the synthetic corpus: shapes, masks, determinism, domains."""

from __future__ import annotations

import numpy as np
import pytest

from pretraining.synthesis.corpus import DOMAINS, SyntheticBatch, synthesise

SEASONS = {"yearly": (1, 1), "quarterly": (4, 1), "monthly": (12, 1), "weekly": (52, 1), "daily": (7, 364)}


def batch(domain: str, *, num_series: int = 300, length: int = 120, seed: int = 3) -> SyntheticBatch:
    season, long = SEASONS.get(domain, (24, 168))
    return synthesise(num_series, length, season_length=season, long_season_length=long, domain=domain, seed=seed)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_batch_has_the_shape_and_the_types_asked_for(domain: str) -> None:
    drawn = batch(domain)
    assert drawn.values.shape == drawn.observed.shape == (300, 120)
    assert drawn.values.dtype == np.float32
    assert drawn.observed.dtype == np.bool_


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("length", [16, 120, 700])
def test_every_value_is_finite(domain: str, length: int) -> None:
    assert np.isfinite(batch(domain, length=length).values).all()


@pytest.mark.parametrize("season_length", [1, 2, 5, 6, 10, 30, 48, 52, 96, 144, 288, 365])
def test_every_season_length_can_be_drawn_in_any_domain(season_length: int) -> None:
    drawn = synthesise(64, 100, season_length=season_length, domain="any", seed=1)
    assert np.isfinite(drawn.values).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_same_seed_gives_the_same_batch(domain: str) -> None:
    first, second = batch(domain, seed=11), batch(domain, seed=11)
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.observed, second.observed)


def test_another_seed_gives_other_series() -> None:
    assert not np.array_equal(batch("monthly", seed=1).values, batch("monthly", seed=2).values)


def test_the_last_step_is_always_observed() -> None:
    assert all(batch(domain).observed[:, -1].all() for domain in DOMAINS)


def test_part_of_the_series_begins_late() -> None:
    late = ~batch("monthly", num_series=2000).observed[:, 0]
    assert 0.3 < late.mean() < 0.5


def test_few_series_have_gaps() -> None:
    observed = batch("monthly", num_series=2000).observed
    begun = np.maximum.accumulate(observed, axis=1)
    gaps = (begun & ~observed).any(axis=1)
    assert 0.03 < gaps.mean() < 0.12


def test_a_missing_step_holds_the_last_observed_value() -> None:
    drawn = batch("daily", num_series=1000)
    missing = ~drawn.observed[:, 1:] & np.maximum.accumulate(drawn.observed, axis=1)[:, 1:]
    assert missing.any()
    assert np.array_equal(drawn.values[:, 1:][missing], drawn.values[:, :-1][missing])


def test_the_steps_before_a_series_begins_hold_its_first_value() -> None:
    drawn = batch("monthly")
    begin = drawn.observed.argmax(axis=1)
    row = int(np.argmax(begin))
    assert begin[row] > 0
    assert set(drawn.values[row, : begin[row]]) == {drawn.values[row, begin[row]]}


def test_series_have_scales_of_many_orders_of_magnitude() -> None:
    drawn = batch("monthly", num_series=2000)
    sizes = np.log10(np.abs(drawn.values).mean(axis=1) + 1e-6)
    assert np.quantile(sizes, 0.95) - np.quantile(sizes, 0.05) > 4


def test_an_unknown_domain_is_rejected_by_name() -> None:
    with pytest.raises(ValueError, match="'lunar' is none of yearly, quarterly"):
        synthesise(1, 10, season_length=1, domain="lunar", seed=0)


@pytest.mark.parametrize(("domain", "season_length", "length"), [("yearly", 1, 60), ("monthly", 12, 240)])
def test_most_totals_grow(domain: str, season_length: int, length: int) -> None:
    values = synthesise(800, length, season_length=season_length, domain=domain, seed=5).values.astype(float)
    first, last = values[:, : length // 4].mean(axis=1), values[:, -length // 4 :].mean(axis=1)
    assert 0.6 < (last > first).mean() < 0.9


def test_hours_do_not_grow() -> None:
    batches = [
        synthesise(20, 200, season_length=24, domain="sub-daily", seed=5, growth=growth) for growth in (True, False)
    ]
    np.testing.assert_array_equal(batches[0].values, batches[1].values)
