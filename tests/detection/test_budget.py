"""The alarm budget: its grammar, and the rate of false alarms that it holds on clean series."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.detection.budget import AlarmBudget
from rnnforecast.errors import UsageError
from tests.detection.simulated import clean_series, count_alarms, detect_without_network

QUARTER_HOUR, DAY = 900.0, 86_400.0


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1/week", 1 / 672), ("2/day", 2 / 96), ("1/36h", 1 / 144), ("0.5 / week", 0.5 / 672), ("1/1000 steps", 1 / 1000)],
)
def test_a_budget_is_a_number_of_alarms_and_a_period(text: str, rate: float) -> None:
    assert AlarmBudget.parse(text).alarms_a_row(QUARTER_HOUR) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["often", "1", "0/week", "1/fortnight", "1/0 steps", "-1/week", "1/"])
def test_anything_else_is_rejected_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="invalid alarm budget") as caught:
        AlarmBudget.parse(text)
    assert "`1/week`" in str(caught.value.hint)


def test_a_budget_in_time_needs_dates() -> None:
    with pytest.raises(UsageError, match="needs dates"):
        AlarmBudget.parse("1/week").alarms_a_row(None)


def test_a_budget_that_allows_everything_is_rejected() -> None:
    with pytest.raises(UsageError, match="allows an alarm in 7 rows"):
        AlarmBudget.parse("1/week").alarms_a_row(DAY)


def test_the_usual_budget_is_a_week_or_two_hundred_rows() -> None:
    assert AlarmBudget.usual(QUARTER_HOUR).text == "1/week"
    assert AlarmBudget.usual(DAY).text == AlarmBudget.usual(None).text == "1/200 steps"


@pytest.mark.parametrize("kind", ["white", "autocorrelated", "seasonal", "heavy-tailed"])
def test_clean_series_have_between_half_and_twice_the_alarms_of_the_budget(kind: str) -> None:
    num_rows, rate = 30_000, 1 / 400  # benchmarks/detect.py measures 100,000 rows and rarer alarms
    detection, timing = detect_without_network(clean_series(kind, num_rows), alarms_a_row=rate)
    expected = rate * int(np.isfinite(detection.score).sum())
    assert 0.5 * expected <= count_alarms(detection, timing) <= 2.0 * expected


@pytest.mark.parametrize(
    ("text", "smaller"),
    [
        ("2/day", "1/week"),
        ("1/week", "1/month"),
        ("1/month", "1/year"),
        ("1/200 steps", "1/1000 steps"),
        ("1/2d", "1/week"),
    ],
)
def test_the_budget_that_an_alarm_proposes_is_smaller_than_its_own(text: str, smaller: str) -> None:
    assert AlarmBudget.parse(text).smaller() == smaller
    proposed = AlarmBudget.parse(smaller).alarms_a_row(QUARTER_HOUR)
    assert proposed < AlarmBudget.parse(text).alarms_a_row(QUARTER_HOUR)


def test_a_budget_of_years_still_has_a_smaller_one() -> None:
    assert AlarmBudget.parse("1/year").smaller() == "1/1826d"
