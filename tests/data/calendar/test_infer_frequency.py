from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.arrays import TimestampArray
from rnnforecast.data.calendar import infer_frequency as infer_frequency_module
from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.data.calendar.infer_frequency import (
    DistinctTimestamps,
    default_horizon,
    default_season_length,
    infer_frequency,
)
from rnnforecast.errors import DataError


def one(
    *texts: str,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.datetime64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return np.array(texts, dtype="datetime64[us]"), np.array([0, len(texts)])


@pytest.mark.parametrize(
    ("texts", "alias"),
    [
        (("2024-01-01T00:00:00", "2024-01-01T00:00:10", "2024-01-01T00:00:20"), "10s"),
        (("2024-01-01T00:00", "2024-01-01T00:15", "2024-01-01T00:30"), "15min"),
        (("2024-01-01T00:30", "2024-01-01T01:30", "2024-01-01T02:30"), "h"),
        (("2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"), "D"),
        (("2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"), "B"),
        (("2024-01-07", "2024-01-14", "2024-01-21"), "W-SUN"),
        (("2024-01-01", "2024-01-15", "2024-01-29"), "2W-MON"),
        (("2024-01-01", "2024-02-01", "2024-03-01"), "MS"),
        (("2024-01-31", "2024-02-29", "2024-03-31"), "ME"),
        (("2024-01-15", "2024-02-15", "2024-03-15"), "M-15"),
        (("2024-01-30", "2024-02-29", "2024-03-30"), "M-30"),
        (("1987-01-01", "1987-04-01", "1987-07-01"), "QS-JAN"),
        (("1987-03-31", "1987-06-30", "1987-09-30"), "QE-DEC"),
        (("2001-01-01", "2002-01-01", "2003-01-01"), "YS-JAN"),
        (("2001-12-31", "2002-12-31", "2003-12-31"), "YE-DEC"),
        (("2001-07-01", "2003-07-01", "2005-07-01"), "2YS-JUL"),
    ],
)
def test_regular_timestamps_tell_their_frequency(texts: tuple[str, ...], alias: str) -> None:
    assert infer_frequency(*one(*texts)).alias == alias


def test_gaps_do_not_change_the_frequency() -> None:
    assert infer_frequency(*one("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06", "2024-01-20")).alias == "D"
    assert infer_frequency(*one("2024-01-01", "2024-02-01", "2024-03-01", "2024-09-01")).alias == "MS"


def test_five_days_without_a_weekend_between_them_are_plain_days() -> None:
    assert infer_frequency(*one("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")).alias == "D"


def test_weekdays_that_never_pass_from_friday_to_monday_are_days_with_gaps() -> None:
    assert infer_frequency(*one("2024-01-01", "2024-01-02", "2024-01-03", "2024-02-01")).alias == "D"


def test_the_step_across_two_series_does_not_count() -> None:
    timestamps, _ = one("2024-01-01", "2024-01-02", "2024-01-03", "2020-05-05", "2020-05-06", "2020-05-07")
    assert infer_frequency(timestamps, np.array([0, 3, 6])).alias == "D"


def test_integer_steps_keep_their_distance_and_their_start() -> None:
    freq = infer_frequency(np.array([3, 8, 13, 23]), np.array([0, 4]))
    assert (freq.alias, freq.phase) == ("5step", 3)


def test_irregular_timestamps_are_rejected_with_the_steps_that_were_counted() -> None:
    with pytest.raises(DataError, match=r"irregular; .*: 1 day \(2 times\), 36 hours \(1 times\)") as caught:
        infer_frequency(*one("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04T12:00"))
    assert caught.value.code == "E_TIME_IRREGULAR"
    assert "--time none" in str(caught.value.hint)


def test_integer_steps_without_a_common_distance_are_rejected() -> None:
    with pytest.raises(DataError, match=r"irregular; .*: 2 \(3 times\), 3 \(1 times\)"):
        infer_frequency(np.array([0, 2, 4, 6, 9]), np.array([0, 5]))


def test_one_timestamp_alone_has_no_frequency() -> None:
    with pytest.raises(DataError, match="no series has two timestamps") as caught:
        infer_frequency(*one("2024-01-01"))
    assert "--freq D" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("alias", "season"),
    [("5min", 288), ("15min", 96), ("30min", 48), ("h", 24), ("6h", 4), ("min", 1440), ("10s", 360), ("D", 7), ("B", 5),
     ("W-SUN", 52), ("MS", 12), ("2MS", 6), ("5MS", 1), ("QS-JAN", 4), ("YS-JAN", 1), ("step", 1), ("2D", 1)],
)  # fmt: skip
def test_a_frequency_has_a_natural_season(alias: str, season: int) -> None:
    assert default_season_length(parse_frequency(alias)) == season


@pytest.mark.parametrize(
    ("alias", "horizon"),
    [("h", 48), ("30min", 48), ("15min", 96), ("min", 60), ("D", 30), ("B", 10), ("W-SUN", 13), ("MS", 12),
     ("QE-DEC", 8), ("YS-JAN", 4), ("step", 10), ("6h", 8)],
)  # fmt: skip
def test_a_frequency_has_a_usual_horizon(alias: str, horizon: int) -> None:
    assert default_horizon(parse_frequency(alias)) == horizon


def test_a_short_series_gets_a_horizon_it_can_be_judged_on() -> None:
    assert default_horizon(parse_frequency("D"), length=100) == 14
    assert default_horizon(parse_frequency("MS"), length=36) == 6
    assert default_horizon(parse_frequency("YS-JAN"), length=3) == 1


def test_timestamps_that_many_series_share_are_looked_at_once_and_given_back_to_every_row() -> None:
    months = np.arange("2020-03", "2021-03", dtype="datetime64[M]").astype("datetime64[us]")
    shared = DistinctTimestamps.of(np.tile(months, 20), np.arange(21) * 12)
    assert shared.timestamps.tolist() == months.tolist()
    assert shared.to_rows(shared.timestamps).tolist() == months.tolist() * 20
    alone = DistinctTimestamps.of(months, np.array([0, 12]))
    assert alone.places is None
    assert alone.to_rows(alone.timestamps).tolist() == months.tolist()


@pytest.mark.parametrize("alias", ["ME", "QS-FEB", "W-SUN", "B", "D", "15min"])
def test_a_panel_has_the_frequency_of_each_of_its_series(alias: str) -> None:
    one = parse_frequency(alias, np.array(["2024-02-29T00:00"], dtype="datetime64[us]"))
    timestamps = one.to_timestamps(one.floor(np.array(["2024-02-29"], dtype="datetime64[us]")) + np.arange(40))
    alone = infer_frequency(timestamps, np.array([0, 40]))
    assert infer_frequency(np.tile(timestamps, 10), np.arange(11) * 40) == alone
    assert alone.alias == alias


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("repeated", [np.full(3, np.datetime64("2024-01-01", "us")), np.array([5, 5, 5])])
def test_timestamps_that_mostly_repeat_are_irregular_and_divide_nothing_by_a_step_of_zero(
    repeated: TimestampArray,
) -> None:
    with pytest.raises(DataError, match=r"irregular; steps between neighbours: 0( seconds)? \(2 times\)"):
        infer_frequency(repeated, np.array([0, 3]))


class _TypedSteps(np.ndarray):
    """Timestamps to which no bare integer is added: later versions of NumPy raise an error for it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> object:
        plain = [each.view(np.ndarray) if isinstance(each, _TypedSteps) else each for each in inputs]
        if ufunc in (np.add, np.subtract) and any(np.asarray(each).dtype.kind in "iu" for each in plain):
            raise AssertionError("an integer without a unit is added to timestamps")
        result = getattr(ufunc, method)(*plain, **kwargs)
        return result.view(_TypedSteps) if isinstance(result, np.ndarray) else result


def test_days_are_added_to_timestamps_with_their_unit() -> None:
    months = np.arange("2024-01", "2025-01", dtype="datetime64[M]")
    first = months.astype("datetime64[D]")
    last = first[1:] - np.timedelta64(1, "D")
    mixed = np.concatenate([first[:6], last[6:]])
    assert infer_frequency_module._mixes_edges_of_months(mixed.view(_TypedSteps))
    assert not infer_frequency_module._mixes_edges_of_months(first.view(_TypedSteps))
