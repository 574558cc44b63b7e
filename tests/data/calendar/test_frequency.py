from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.calendar.frequency import Frequency, parse_frequency
from rnnforecast.errors import DataError, UsageError
from rnnforecast.grammars import Unit

UNITS: tuple[Unit, ...] = (
    "step", "second", "minute", "hour", "day", "business-day", "week", "month", "quarter", "year",
)  # fmt: skip
DAY = 86_400_000_000


def timestamps(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.array(texts, dtype="datetime64[us]")


@st.composite
def frequencies(draw: st.DrawFn) -> Frequency:
    unit = draw(st.sampled_from(UNITS))
    return Frequency(
        unit=unit,
        multiple=1 if unit == "business-day" else draw(st.integers(1, 30)),
        phase=draw(st.integers(0, DAY - 1)),
        anchor=draw(st.integers(0, 11)),
        day=draw(st.integers(1, 31)),
    )


@given(frequencies(), st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=30))
def test_ordinals_become_timestamps_and_the_same_ordinals_again(freq: Frequency, ordinals: list[int]) -> None:
    expected = np.array(ordinals, dtype=np.int64)
    assert freq.to_ordinals(freq.to_timestamps(expected)).tolist() == expected.tolist()


@given(frequencies(), st.integers(-1_000, 1_000))
def test_timestamps_ascend_with_their_ordinals(freq: Frequency, start: int) -> None:
    ordinals = np.arange(start, start + 20, dtype=np.int64)
    assert (np.diff(freq.to_timestamps(ordinals).astype(np.int64)) > 0).all()


@given(frequencies(), st.integers(-500, 500), st.integers(0, 500_000))
def test_floor_is_the_newest_grid_point_not_after_a_timestamp(freq: Frequency, ordinal: int, later: int) -> None:
    points = freq.to_timestamps(np.array([ordinal, ordinal + 1], dtype=np.int64)).astype(np.int64)
    between = points[0] + later % (points[1] - points[0])
    timestamp = np.array([between]).astype("int64" if freq.unit == "step" else "datetime64[us]")
    assert freq.floor(timestamp).tolist() == [ordinal]


@given(frequencies())
def test_a_specification_survives_json(freq: Frequency) -> None:
    assert Frequency.from_dict(json.loads(json.dumps(freq.to_dict()))) == freq


@pytest.mark.parametrize(
    "alias",
    ["step", "2step", "s", "10s", "min", "15min", "h", "6h", "D", "B", "W-SUN", "2W-MON", "MS", "ME", "M-15", "6MS",
     "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "Q-MAR-20", "YS-JAN", "YE-DEC", "YS-JUL", "Y-JUN-29"],
)  # fmt: skip
def test_every_public_spelling_is_read_back_as_itself(alias: str) -> None:
    assert parse_frequency(alias).alias == alias


@pytest.mark.parametrize(
    ("text", "alias"), [("daily", "D"), ("hourly", "h"), ("H", "h"), ("5 min", "5min"), ("monthly", "MS"), ("d", "D")]
)
def test_common_words_for_frequencies_are_understood(text: str, alias: str) -> None:
    assert parse_frequency(text).alias == alias


@pytest.mark.parametrize("text", ["fortnight", "", "12", "W-JAN", "QS-MON", "D-SUN", "0D", "2B"])
def test_a_word_that_names_no_frequency_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match=r"frequency|multiple"):
        parse_frequency(text)


def test_a_rejected_frequency_lists_what_can_be_written() -> None:
    with pytest.raises(UsageError, match="unknown frequency `fortnight`") as caught:
        parse_frequency("fortnight")
    assert "15min" in str(caught.value.hint)


def test_what_a_text_leaves_open_is_taken_from_the_timestamps() -> None:
    assert parse_frequency("W", timestamps("2024-01-03")).alias == "W-WED"
    assert parse_frequency("M", timestamps("2024-01-15", "2024-02-15")).alias == "M-15"
    assert parse_frequency("Q", timestamps("2024-02-29", "2024-05-31")).alias == "QE-NOV"
    assert parse_frequency("2step", np.array([1, 3, 5])).phase == 1


def test_a_weekday_that_was_named_beats_the_timestamps() -> None:
    assert parse_frequency("W-SUN", timestamps("2024-01-03")).alias == "W-SUN"


def test_days_of_month_that_a_month_lacks_become_its_last_day() -> None:
    thirtieth = Frequency("month", day=30)
    assert thirtieth.to_timestamps(np.array([0, 1, 2])).astype("datetime64[D]").astype(str).tolist() == [
        "1970-01-30",
        "1970-02-28",
        "1970-03-30",
    ]


def test_business_days_skip_the_weekend() -> None:
    friday = Frequency("business-day").to_ordinals(timestamps("2024-01-05"))
    assert Frequency("business-day").to_timestamps(friday + 1).tolist() == timestamps("2024-01-08").tolist()


def test_integer_steps_stay_integers() -> None:
    assert Frequency("step", multiple=5, phase=2).to_timestamps(np.array([0, 1, 2])).tolist() == [2, 7, 12]


def test_the_first_timestamp_off_the_grid_is_named() -> None:
    with pytest.raises(DataError, match=r"1 of 2 timestamps are not on the grid of frequency B, first 2024-01-06"):
        Frequency("business-day").to_ordinals(timestamps("2024-01-05", "2024-01-06"))


def test_dates_have_no_place_on_a_grid_of_steps() -> None:
    with pytest.raises(DataError, match="frequency step needs integer steps"):
        Frequency("step").to_ordinals(timestamps("2024-01-05"))


def test_a_damaged_specification_is_rejected() -> None:
    with pytest.raises(UsageError, match="not a frequency specification"):
        Frequency.from_dict({"unit": "day", "multiple": "many"})
    with pytest.raises(UsageError, match="unknown frequency unit `lustrum`"):
        Frequency.from_dict({"unit": "lustrum"})


def test_timestamps_outside_the_range_of_nanoseconds_are_counted_too() -> None:
    daily = Frequency("day")
    assert daily.to_timestamps(daily.to_ordinals(timestamps("0001-01-01", "9999-12-31"))).tolist() == (
        timestamps("0001-01-01", "9999-12-31").tolist()
    )


@pytest.mark.parametrize("text", ["step", "5step"])
def test_steps_are_rejected_where_the_timestamps_are_dates(text: str) -> None:
    with pytest.raises(UsageError, match="counts rows, but the time column holds dates") as caught:
        parse_frequency(text, timestamps("2020-01-01", "2020-01-02"))
    assert "`--time none`" in str(caught.value.hint)


CLOSED = tuple(
    int(day) for day in np.array(["1969-12-25", "1970-01-01", "2024-12-25"], dtype="datetime64[D]").astype(int)
)
OPEN = [
    Frequency("business-day", weekmask="1111110"),
    Frequency("business-day", weekmask="1111001", phase=9 * 3_600_000_000),
    Frequency("business-day", closed=CLOSED, calendar="XNYS"),
    Frequency("minute", multiple=5, phase=7 * 3_600_000_000, slots=169),
    Frequency("hour", phase=18 * 3_600_000_000, slots=8, weekmask="1111111"),  # over midnight
]


@pytest.mark.parametrize("freq", OPEN, ids=lambda freq: freq.alias)
def test_open_days_and_hours_count_without_gaps_before_and_after_1970(freq: Frequency) -> None:
    ordinals = np.arange(-3_000, 30_000)
    timestamps = freq.to_timestamps(ordinals)
    assert bool((np.diff(timestamps) > np.timedelta64(0, "us")).all())
    assert np.array_equal(freq.to_ordinals(timestamps), ordinals)


@pytest.mark.parametrize("freq", OPEN, ids=lambda freq: freq.alias)
def test_a_timestamp_between_two_grid_points_belongs_to_the_one_before(freq: Frequency) -> None:
    ordinals = np.arange(-200, 200)
    between = freq.to_timestamps(ordinals + 1) - np.timedelta64(1, "us")
    assert np.array_equal(freq.floor(between), ordinals)


@pytest.mark.parametrize("freq", OPEN, ids=lambda freq: freq.alias)
def test_open_days_come_back_from_the_model_file(freq: Frequency) -> None:
    import json

    assert Frequency.from_dict(json.loads(json.dumps(freq.to_dict()))) == freq


def test_a_frequency_without_open_days_is_written_as_it_always_was() -> None:
    assert Frequency("hour", phase=0).to_dict() == {
        "unit": "hour", "multiple": 1, "phase": 0, "anchor": 0, "day": 1, "timezone": None
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [{"weekmask": 5}, {"closed": ["x"]}, {"closed": 3}, {"calendar": 1}, {"slots": "7"}, {"weekmask": "0000000"}],
)
def test_a_damaged_calendar_is_rejected(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Frequency.from_dict({"unit": "business-day", **fields})


def test_more_steps_than_a_day_holds_are_rejected() -> None:
    with pytest.raises(UsageError, match="25 steps of 1 hour do not fit into a day"):
        Frequency("hour", slots=25)
