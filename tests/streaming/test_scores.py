"""The score of a stream: its meaning, its memory, and the rate of alarms on clean residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnforecast.streaming.scores import START, WARM_UP, score_value


def _scores(distances: np.ndarray, *, rate: float) -> list[float | None]:
    tail = list(START)
    return [score_value(tail, value, log_budget=math.log10(rate))[0] for value in distances.tolist()]


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("rate", [1 / 336, 1 / 1008])
def test_clean_residuals_have_between_half_and_twice_the_alarms_of_the_budget(kind: str, rate: float) -> None:
    generator, count = np.random.default_rng(4), 60_000
    values = {
        "normal": generator.normal(size=count),
        "heavy tails": generator.standard_t(3, size=count),
        "skewed": generator.exponential(size=count),
    }[kind]
    found = sum(score is not None and score > 1.0 for score in _scores(np.abs(values), rate=rate))
    assert 0.5 * rate * count <= found <= 2.0 * rate * count


def test_the_limit_is_the_distance_whose_score_is_one() -> None:
    tail = list(START)
    for value in np.abs(np.random.default_rng(1).normal(size=5_000)).tolist():
        score_value(tail, value, log_budget=-3.0)
    _, limit = score_value(list(tail), 1.0, log_budget=-3.0)
    assert limit is not None
    assert score_value(list(tail), limit, log_budget=-3.0)[0] == pytest.approx(1.0, abs=1e-6)


def test_a_fault_does_not_widen_what_is_usual() -> None:
    generator = np.random.default_rng(2)
    tail = list(START)
    for value in np.abs(generator.normal(size=2_000)).tolist():
        score_value(tail, value, log_budget=-3.0)
    before = score_value(list(tail), 1.0, log_budget=-3.0)[1]
    for _ in range(20):
        score_value(tail, 1e9, log_budget=-3.0)
    after = score_value(list(tail), 1.0, log_budget=-3.0)[1]
    assert before is not None
    assert after is not None
    assert after < 2 * before


def test_there_is_no_score_during_the_warm_up_and_none_for_a_missing_value() -> None:
    scores = _scores(np.full(WARM_UP + 1, 0.5), rate=0.01)
    assert scores[:WARM_UP] == [None] * WARM_UP
    assert scores[WARM_UP] is not None
    assert score_value(list(START), math.nan, log_budget=-2.0) == (None, None)
