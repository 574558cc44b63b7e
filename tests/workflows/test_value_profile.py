"""The profile of values finds what was put in, and nothing in noise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.charts.profile_charts import gaps_chart
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.workflows.value_profile import profile_of, profile_words, season_candidates, suggestions
from tests.training.toy import make_series


def _noise(count: int, seed: int = 0) -> Float64Array:
    return np.random.default_rng(seed).normal(0, 1, count)


def _profile(*values: Float64Array) -> dict[str, Any]:
    return profile_of(make_series(*values))


def test_a_shift_is_found_and_neither_noise_nor_a_trend_nor_a_random_walk_has_one() -> None:
    shifted = 10 + _noise(300) + 4 * (np.arange(300) >= 150)
    changes = _profile(shifted)["changes"]
    assert [abs(int(change["start"]) - 150) <= 4 for change in changes] == [True]
    assert (changes[0]["before"], changes[0]["after"]) == (pytest.approx(10, abs=0.4), pytest.approx(14, abs=0.4))
    for seed in range(5):
        assert _profile(100 + _noise(300, seed))["changes"] == []
        assert _profile(100 + 0.1 * np.arange(300) + _noise(300, seed))["changes"] == []
        assert _profile(500 + _noise(300, seed).cumsum())["changes"] == []


def test_the_strength_of_seasons_tells_a_season_from_noise() -> None:
    hours = np.arange(24 * 40)
    series = replace(
        make_series(50 + 5 * np.sin(2 * np.pi * hours / 168) + _noise(len(hours))),
        freq=Frequency("hour"),
        season_length=24,
    )
    profile: dict[str, Any] = profile_of(series)
    found = {season["name"]: season["strength"] for season in profile["seasons"]}
    assert found["week"] > 0.8
    assert found["day"] < 0.1
    assert [words[:21] for words in suggestions(profile, series)] == ["`--season-length 168`"]


def test_gaps_are_runs_within_a_series() -> None:
    values = np.arange(40.0) + 1
    values[[3, 4, 5, 20]] = np.nan
    series = make_series(values, np.append(np.ones(10), np.nan))
    profile: dict[str, Any] = profile_of(series)
    gaps = profile["gaps"]
    assert (gaps["num_missing"], gaps["num_gaps"]) == (5, 3)
    assert gaps["longest"][0] == {"id": "s0", "first": 3, "last": 5, "num_steps": 3}
    chart = gaps_chart(series)
    assert chart is not None
    assert "5 rows are missing" in chart.summary
    assert gaps_chart(make_series(np.ones(5))) is None


def test_outliers_and_kinds_of_demand_are_counted() -> None:
    values = 20 + _noise(200)
    values[77] = 80.0
    outliers = _profile(values)["outliers"]
    assert (outliers["num_rows"], outliers["largest"][0]["timestamp"]) == (1, 77)
    rare = np.where(np.arange(100) % 5 == 0, 3.0, 0.0)
    demand = _profile(np.full(100, 2.0), rare, np.where(rare > 0, 10.0 ** (np.arange(100) % 3), 0.0))["demand"]
    assert (demand["smooth"], demand["intermittent"], demand["lumpy"]) == (1, 1, 1)
    assert demand["zero_fraction"] == pytest.approx(160 / 300, rel=1e-3)


def test_words_have_readable_numbers_one_date_for_one_step_and_the_newest_changes() -> None:
    values = 20_000 + _noise(60)
    values[30] = np.nan
    changes = [{"start": f"2024-01-0{day}", "before": 12_345.0, "after": 0.1234} for day in range(1, 8)]
    words = profile_words({**_profile(values), "changes": changes})
    assert words["gaps"] == "1 row missing in 1 gap; the longest of s0 has 1 step, 30"
    assert words["changes"].startswith("2 earlier ones; 2024-01-03 from 12,345 to 0.1234; ")
    assert "demand" not in words


def test_days_and_weeks_of_opening_hours_count_open_steps() -> None:
    freq = Frequency("minute", 5, slots=169)
    found = season_candidates(replace(make_series(np.arange(20.0)), freq=freq))
    assert [length for length, name in found.items() if name in ("day", "week")] == [169, 845]


@pytest.mark.parametrize("values", [[5.0], [5.0] * 40, [np.nan] * 5, [-1.0, 0.0, 1.0]])
def test_little_data_has_a_profile_too(values: list[float]) -> None:
    profile = _profile(np.array(values))
    json.dumps(profile, allow_nan=False)
    assert "gaps" in profile_words(profile)
    assert profile["changes"] == []
