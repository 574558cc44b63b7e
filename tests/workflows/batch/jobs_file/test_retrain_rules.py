from __future__ import annotations

from dataclasses import replace

import pytest

from rnnforecast.workflows.batch.jobs_file.job import RetrainRule, parse_rule

DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("never", RetrainRule()),
        ("every 7d", RetrainRule("every", seconds=7 * DAY, text="every 7d")),
        ("Every  12 h", RetrainRule("every", seconds=43_200, text="every 12 h")),
        ("on new data of 30 steps", RetrainRule("steps", num_steps=30, text="on new data of 30 steps")),
        ("on new data of 1 step", RetrainRule("steps", num_steps=1, text="on new data of 1 step")),
        ("on drift", RetrainRule("drift", text="on drift")),
        ("on new data", RetrainRule("steps", num_steps=1, text="on new data")),
    ],
)
def test_each_rule_is_parsed(text: str, rule: RetrainRule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["", "daily", "every", "every 7", "on new data of 0 steps", "on new data of x steps"])
def test_other_words_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid duration|is not one of `never`, `every 7d`"):
        parse_rule(text)


def test_a_run_that_starts_a_little_earlier_than_the_last_still_trains() -> None:
    rule = RetrainRule("every", seconds=7 * DAY)
    assert rule.is_due_at_age(7 * DAY - 600)
    assert not rule.is_due_at_age(6 * DAY)


def test_a_model_from_the_future_is_due() -> None:
    assert RetrainRule("every", seconds=7 * DAY).is_due_at_age(-365 * DAY)
    assert not RetrainRule("every", seconds=7 * DAY).is_due_at_age(-60)
    assert not RetrainRule().is_due_at_age(-365 * DAY)


def test_never_is_never_due() -> None:
    assert not RetrainRule().is_due_at_age(1e12)
    assert not RetrainRule().is_due_after(10**9, horizon=1)


def test_new_steps_are_due_from_the_number_on() -> None:
    rule = RetrainRule("steps", num_steps=30)
    assert [rule.is_due_after(steps, horizon=7) for steps in (-5, 29, 30, 31)] == [False, False, True, True]


def test_a_warm_rule_is_another_rule_and_the_weights_it_starts_from() -> None:
    for text in ("every 7d", "on new data of 30 steps", "on drift"):
        assert parse_rule(f"warm {text}") == replace(parse_rule(text), text=f"warm {text}", is_warm=True)


def test_warm_alone_is_due_when_as_many_steps_as_the_horizon_are_new() -> None:
    rule = parse_rule("warm")
    assert [rule.is_due_after(steps, horizon=7) for steps in (0, 6, 7)] == [False, False, True]


@pytest.mark.parametrize("text", ["warm never", "warm weekly", "warm warm", "warmly"])
def test_what_is_not_a_warm_rule_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        parse_rule(text)
