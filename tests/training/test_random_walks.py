"""Rows that look like random walks are not trained on, unless the user asks for it."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import Settings
from rnnforecast.evaluation.significance import change_correlation
from rnnforecast.training.initial_weights import choose_plan
from rnnforecast.training.recipe import gather_facts
from tests.training.toy import make_series

DRAWS = np.random.default_rng(5)
STEPS = DRAWS.normal(size=600)
WALK = 100 + np.cumsum(STEPS)
CALM_AND_WILD = 100 + np.cumsum(STEPS * np.repeat([0.2, 3.0], 300))


def _plan(values: np.ndarray, *, season_length: int = 1, flags: dict[str, object] | None = None) -> tuple[str, str]:
    facts = gather_facts(make_series(values, season_length=season_length), horizon=10)
    return choose_plan(facts, Settings.from_flat(flags or {}))


@pytest.mark.parametrize("values", [WALK, CALM_AND_WILD, np.where(np.arange(600) % 7 == 0, np.nan, WALK)])
def test_a_random_walk_is_not_trained_on_and_the_reason_says_so(values: np.ndarray) -> None:
    plan, reason = _plan(values)
    assert plan == "zero-shot"
    assert "a random walk" in reason
    assert "--effort best" in reason


@pytest.mark.parametrize(
    "flags", [{"effort": "best"}, {"num_steps": 50}, {"num_members": 2}, {"from": "pretrained"}, {"from": "scratch"}]
)
def test_a_user_who_asks_for_training_gets_it(flags: dict[str, object]) -> None:
    assert _plan(WALK, flags=flags)[0] != "zero-shot"


@pytest.mark.parametrize(
    "values",
    [
        100 + STEPS,
        100 + np.cumsum(STEPS[1:] + 0.5 * STEPS[:-1]),
        np.sin(np.arange(600) / 30),
    ],
    ids=["noise", "momentum", "smooth"],
)
def test_changes_that_tell_something_are_trained_on(values: np.ndarray) -> None:
    assert _plan(values)[0] == "both"


def test_a_season_is_trained_on() -> None:
    assert _plan(WALK, season_length=7)[0] == "both"


def test_walks_are_rarely_taken_for_something_else() -> None:
    draws = np.random.default_rng(1).normal(size=(200, 500))
    found = [change_correlation([walk]) for walk in np.cumsum(draws, axis=1)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_series_too_short_to_tell_are_trained_on() -> None:
    assert np.isnan(change_correlation([np.arange(5.0)]))
    short = make_series(*np.cumsum(DRAWS.normal(size=(60, 20)), axis=1), season_length=1)
    assert choose_plan(gather_facts(short, horizon=4), Settings())[0] == "both"
