from __future__ import annotations

import pytest

from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.mixture.seasons import plan_seasons


@pytest.mark.parametrize(
    ("freq", "season", "num_rows", "long"),
    [
        ("D", 7, 1_000, 365.25),
        ("D", 7, 735, 365.25),
        ("D", 7, 700, None),
        ("h", 24, 600, 168.0),
        ("h", 24, 400, None),
        ("15min", 96, 3_000, 672.0),
        ("MS", 12, 200, None),
        ("B", 5, 530, 260.9),
        ("D", 30, 1_000, None),
    ],
)
def test_a_second_season_is_used_where_it_was_seen_often_enough(
    freq: str, season: int, num_rows: int, long: float | None
) -> None:
    plan = plan_seasons(parse_frequency(freq), season, num_rows=num_rows)

    assert next((season.period for season in plan.longer), None) == long


def test_named_seasons_replace_those_of_the_calendar_and_repeat_no_harmonic() -> None:
    hours, plain = parse_frequency("h"), parse_frequency("step")
    usual = plan_seasons(hours, 24, num_rows=1_000)

    assert plan_seasons(hours, 24, num_rows=1_000, longer=(168,)).longer == usual.longer
    plan = plan_seasons(plain, 10, num_rows=700, longer=(70, 100, 400))
    assert [season.period for season in plan.longer] == [70.0, 100.0]
    assert not [one for one in plan.longer[0].harmonics if one % 7 == 0]
    assert plan.max_rows >= 700


def test_no_season_means_no_plan() -> None:
    assert plan_seasons(parse_frequency("YS"), 1, num_rows=100).longest_period == 1.0


def test_a_week_that_was_seen_eight_times_has_more_harmonics() -> None:
    few, many = (plan_seasons(parse_frequency("h"), 24, num_rows=7 * 24 * weeks).longer[0] for weeks in (7, 8))

    assert few is not None
    assert many is not None
    assert few.harmonics == many.harmonics[: len(few.harmonics)]
    assert (max(few.harmonics), max(many.harmonics)) == (20, 41)


def test_a_year_of_weeks_is_smooth_until_it_was_seen_four_times() -> None:
    short, long = (plan_seasons(parse_frequency("W"), 52, num_rows=rows).short for rows in (160, 260))

    assert short is not None
    assert long is not None
    assert (short.harmonics, long.harmonics) == ((1, 2, 3), (1, 2, 3, 4, 5, 6))
