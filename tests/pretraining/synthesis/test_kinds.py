"""Slow movements: how they grow, and how they change their pace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pretraining.synthesis import kinds
from pretraining.synthesis.frames import Frame, Paths
from pretraining.synthesis.priors import PRIORS, Prior, without_growth

NUM_SERIES, LENGTH = 2000, 480  # forty years of months: hardly an era lasts as long
MONTHLY = PRIORS["monthly"]


def _lines() -> Paths:
    """Trends that all rise by one a step from 5 on."""
    line = 5 + np.arange(LENGTH, dtype=np.float32)
    return np.repeat(line[None], NUM_SERIES, axis=0)


def _frame() -> Frame:
    return Frame(np.random.default_rng(7), LENGTH, 12, 1, np.full(NUM_SERIES, LENGTH))


def _turned(prior: Prior) -> Paths:
    return kinds._turn(_frame(), _lines(), prior)


@pytest.mark.parametrize("share", [0.25, 0.65])
def test_the_pace_changes_in_about_the_share_of_rows_asked_for(share: float) -> None:
    changed = (_turned(replace(MONTHLY, turning_share=share)) != _lines()).any(axis=1)
    assert share - 0.05 < changed.mean() < share + 0.02


def test_a_slow_movement_starts_as_it_was_and_keeps_its_pace_for_a_while() -> None:
    turned = _turned(replace(MONTHLY, turning_share=1.0))
    np.testing.assert_array_equal(turned[:, 0], 5)
    kept = np.isclose(np.diff(turned, axis=1), 1).cumprod(axis=1).sum(axis=1)  # steps before the first change
    assert 12 < np.median(kept) < 60


def test_a_new_pace_lasts_for_years_and_is_seldom_faster_than_the_first() -> None:
    steps = np.diff(_turned(replace(MONTHLY, turning_share=1.0)), axis=1)
    assert steps.min() > -0.51
    assert steps.max() < 1.21
    assert np.isclose(steps[:, 1:], steps[:, :-1], atol=1e-3).mean() > 0.95
    assert 0.02 < (steps > 1.01).mean() < 0.2


def test_eras_are_counted_in_years_whatever_the_clock() -> None:
    lengths = []
    for steps_per_year in (4.0, 12.0):
        steps = np.diff(_turned(replace(MONTHLY, turning_share=1.0, steps_per_year=steps_per_year)), axis=1)
        lengths.append(1 / (~np.isclose(steps[:, 1:], steps[:, :-1], atol=1e-3)).mean())
    assert lengths[1] / lengths[0] == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("prior", [PRIORS["sub-daily"], PRIORS["quarterly"], without_growth(MONTHLY)])
def test_nothing_is_drawn_where_no_pace_changes(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the series of a domain without turns would be others than before."""
    before = kinds._parts(_frame(), prior)[0]
    monkeypatch.setattr(kinds, "_turn", lambda frame, trend, _: trend + frame.normals())
    np.testing.assert_array_equal(kinds._parts(_frame(), prior)[0], before)
    drawn = kinds._parts(_frame(), replace(prior, turning_share=0.5))[0]
    assert not np.array_equal(drawn, before)


def test_no_pace_changes_in_the_phase_without_growth() -> None:
    assert all(without_growth(prior).turning_share == 0 for prior in PRIORS.values())
    np.testing.assert_array_equal(_turned(without_growth(MONTHLY)), _lines())


@pytest.mark.parametrize(("domain", "length"), [("yearly", 60), ("monthly", 240), ("weekly", 260)])
def test_growth_lies_beneath_what_slow_movements_do_else_and_outlasts_their_turns(domain: str, length: int) -> None:
    def share_growing(prior: Prior) -> float:
        frame = Frame(np.random.default_rng(3), length, 1, 1, np.full(NUM_SERIES, length))
        trend = kinds._parts(frame, prior)[0]
        return float((trend[:, -1] > trend[:, 0]).mean())

    prior = PRIORS[domain]
    assert share_growing(replace(prior, turning_share=0.0)) > share_growing(without_growth(prior)) + 0.02
    assert share_growing(prior) > 0.6
