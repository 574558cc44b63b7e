from __future__ import annotations

import pytest

from rnnforecast.training.context import TimeBudget


def test_no_limit_shares_out_no_limit() -> None:
    assert TimeBudget(None, 3).part_of_round(0.5) is None


def test_what_is_left_is_shared_evenly_over_the_rounds_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([130.0, 130.0, 160.0])
    monkeypatch.setattr("rnnforecast.training.context.time.monotonic", lambda: next(clock))
    budget = TimeBudget(100.0, 2, _started=100.0)
    assert budget.part_of_round() == 35.0
    assert budget.part_of_round(0.5) == 17.5
    budget.close_round()
    assert budget.part_of_round() == 40.0


def test_a_budget_that_is_spent_leaves_nothing_and_never_less() -> None:
    assert TimeBudget(1.0, 1, _started=-1e9).part_of_round() == 0.0
