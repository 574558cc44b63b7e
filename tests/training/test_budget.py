from __future__ import annotations

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.training.budget import TimeBudget, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60.0), ("90", 90.0), ("5m", 300.0), ("2 min", 120.0), ("1.5h", 5400.0), ("1H", 3600)]
)
def test_a_duration_is_read_in_seconds_minutes_and_hours(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0s", "-5s", "5 days", "s", "1e3", "nan"])
def test_text_that_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="is no duration") as caught:
        parse_duration(text)
    assert caught.value.message == f"`{text}` is no duration"
    assert "--time-budget 60s" in str(caught.value.hint)


def test_no_limit_shares_out_no_limit() -> None:
    assert TimeBudget(None, 3).share(0.5) is None


def test_what_is_left_is_shared_evenly_over_the_rounds_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([130.0, 130.0, 160.0])
    monkeypatch.setattr("rnnforecast.training.budget.time.monotonic", lambda: next(clock))
    budget = TimeBudget(100.0, 2, _started=100.0)
    assert budget.share() == 35.0
    assert budget.share(0.5) == 17.5
    budget.close_round()
    assert budget.share() == 40.0


def test_a_budget_that_is_spent_leaves_nothing_and_never_less() -> None:
    assert TimeBudget(1.0, 1, _started=-1e9).share() == 0.0
