from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from rnnforecast import grammars
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar import closed_days as closures
from rnnforecast.data.calendar.closed_days import OpenDays, named_days, set_open_days
from rnnforecast.data.calendar.frequency import Frequency, parse_frequency
from rnnforecast.data.calendar.infer_frequency import infer_frequency
from rnnforecast.data.rows import Rows
from rnnforecast.errors import DataError, ResourceError, UsageError
from rnnforecast.findings import Finding


def days(first: str, last: str, *, weekmask: str = "1111100", without: tuple[str, ...] = ()) -> np.ndarray:
    every = np.arange(np.datetime64(first), np.datetime64(last) + np.timedelta64(1, "D"))
    closed = np.array(without, dtype="datetime64[D]")
    return every[np.is_busday(every, weekmask=weekmask, holidays=closed)].astype("datetime64[us]")


def rows_of(timestamps: np.ndarray) -> Rows:
    return Rows(
        items=np.zeros(len(timestamps), dtype=np.int64),
        timestamps=timestamps,
        values=np.arange(len(timestamps), dtype=np.float64)[:, None],
        labels=str,
        locate=lambda rows: ("a.csv", tuple(row + 2 for row in rows)),
        time_column="date",
    )


def set_days(
    timestamps: np.ndarray, calendar: str | None = None, *, known: Frequency | None = None
) -> tuple[Frequency, list[Finding]]:
    findings: list[Finding] = []
    freq = infer_frequency(timestamps, np.array([0, len(timestamps)]))
    settled = set_open_days(
        freq, rows_of(timestamps), timestamps, distinct=timestamps, asked=OpenDays(calendar, known), findings=findings
    )
    return settled, findings


def following(freq: Frequency, timestamps: np.ndarray, steps: int) -> list[str]:
    last = freq.to_ordinals(timestamps[-1:])[0]
    return [str(timestamp)[:16].removesuffix("T00:00") for timestamp in freq.to_timestamps(last + 1 + np.arange(steps))]


NEW_YORK = tuple(str(day) for day in named_days("XNYS", 2022, 2025).closed)


def test_a_market_is_recognised_by_the_holidays_that_rows_leave_out() -> None:
    timestamps = days("2022-01-03", "2023-12-22", without=NEW_YORK)
    freq, findings = set_days(timestamps)
    assert freq.calendar == "XNYS"
    assert [finding.code for finding in findings] == ["N_TIME_CALENDAR"]
    assert following(freq, timestamps, 3) == ["2023-12-26", "2023-12-27", "2023-12-28"]
    assert np.array_equal(np.diff(freq.to_ordinals(timestamps)), np.ones(len(timestamps) - 1))


def test_rows_on_a_holiday_belong_to_no_market() -> None:
    timestamps = days("2022-01-03", "2023-12-29", without=NEW_YORK[1:])
    freq, findings = set_days(timestamps)
    assert (freq.calendar, findings) == (None, [])


def test_random_gaps_are_not_calendar() -> None:
    timestamps = days("2022-01-03", "2022-12-30")
    kept = np.random.default_rng(0).random(len(timestamps)) > 0.1
    assert set_days(timestamps[kept])[0].calendar is None


def test_a_named_market_closes_its_days_ahead() -> None:
    timestamps = days("2024-12-16", "2024-12-24", without=NEW_YORK)
    freq, _ = set_days(timestamps, "XNYS")
    assert following(freq, timestamps, 5) == ["2024-12-26", "2024-12-27", "2024-12-30", "2024-12-31", "2025-01-02"]


def test_a_part_of_a_country_has_its_own_holidays() -> None:
    timestamps = days("2024-01-02", "2024-01-05")
    assert following(set_days(timestamps, "DE-BW")[0], timestamps, 1) == ["2024-01-08"]
    timestamps = days("2025-01-02", "2025-01-03")
    assert following(set_days(timestamps, "DE-BW")[0], timestamps, 1) == ["2025-01-07"]
    assert following(set_days(timestamps, "DE-BE")[0], timestamps, 1) == ["2025-01-06"]


def test_rows_on_closed_days_of_a_named_calendar_are_rejected() -> None:
    timestamps = days("2024-12-16", "2024-12-31")
    with pytest.raises(DataError, match=r"row 9: 2024-12-25 is a closed day of the calendar `XNYS`") as caught:
        set_days(timestamps, "XNYS")
    assert "--calendar" in str(caught.value.hint)


def test_learned_days_are_not_gaps_of_the_past() -> None:
    timestamps = days("2024-01-01", "2024-03-29", without=("2024-01-24", "2024-02-14"))
    freq, findings = set_days(timestamps, "learned")
    assert np.array_equal(np.diff(freq.to_ordinals(timestamps)), np.ones(len(timestamps) - 1))
    assert findings[0].count == 2


def test_weekdays_keep_holidays_as_gaps() -> None:
    timestamps = days("2022-01-03", "2023-12-29", without=NEW_YORK)
    freq, findings = set_days(timestamps, "weekdays")
    assert (freq.calendar, freq.closed, findings) == ("weekdays", (), [])
    assert np.diff(freq.to_ordinals(timestamps)).max() == 2


def test_every_day_keeps_weekends_as_gaps() -> None:
    timestamps = days("2024-01-01", "2024-02-29")
    freq, _ = set_days(timestamps, "every-day")
    assert freq.alias == "D"


def test_a_shop_that_is_closed_on_sundays_forecasts_no_sunday() -> None:
    timestamps = days("2024-01-01", "2024-03-30", weekmask="1111110")
    freq, _ = set_days(timestamps)
    assert freq.alias == "B[1111110]"
    assert following(freq, timestamps, 2) == ["2024-04-01", "2024-04-02"]


def test_a_week_from_sunday_to_thursday_is_seen() -> None:
    timestamps = days("2024-01-01", "2024-03-28", weekmask="1111001")
    assert set_days(timestamps)[0].weekmask == "1111001"


def test_a_weekday_that_few_rows_show_missing_is_a_gap() -> None:
    timestamps = days("2024-01-01", "2024-01-20", weekmask="1111110")
    assert set_days(timestamps)[0].alias == "D"


def hours(first: str, last: str, *, opens: int = 9, closes: int = 17, step: int = 15) -> np.ndarray:
    times = np.arange(opens * 60, closes * 60, step).astype("timedelta64[m]")
    return np.asarray(days(first, last)[:, None] + times[None, :]).ravel()


def test_nights_and_weekends_of_opening_hours_are_not_gaps() -> None:
    timestamps = hours("2024-01-01", "2024-02-02")
    freq, findings = set_days(timestamps)
    assert freq.alias == "15min[1111100 09:00-16:45]"
    assert [finding.code for finding in findings] == ["N_TIME_HOURS"]
    assert np.array_equal(np.diff(freq.to_ordinals(timestamps)), np.ones(len(timestamps) - 1))
    assert following(freq, timestamps, 2) == ["2024-02-05T09:00", "2024-02-05T09:15"]


def test_opening_hours_are_the_same_whatever_the_blocks_they_are_looked_at_in(monkeypatch: pytest.MonkeyPatch) -> None:
    timestamps = hours("2024-01-01", "2024-02-02")
    whole, _ = set_days(timestamps)
    monkeypatch.setattr(closures, "ROWS_A_BLOCK", 17)
    assert set_days(timestamps)[0] == whole


def test_a_named_calendar_closes_days_of_opening_hours_too() -> None:
    timestamps = hours("2024-12-02", "2024-12-24")
    assert following(set_days(timestamps, "XNYS")[0], timestamps, 1) == ["2024-12-26T09:00"]


def test_every_day_keeps_nights_as_gaps() -> None:
    assert set_days(hours("2024-01-01", "2024-02-02"), "every-day")[0].alias == "15min"


def test_rows_around_the_clock_have_no_opening_hours() -> None:
    timestamps = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2024-02-01", "us"), np.timedelta64(1, "h"))
    freq, findings = set_days(timestamps[np.random.default_rng(1).random(len(timestamps)) > 0.2])
    assert (freq.alias, findings) == ("h", [])


def test_the_days_of_a_stored_model_are_taken_without_looking_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    timestamps = days("2022-01-03", "2023-12-22", without=NEW_YORK)
    stored = Frequency.from_dict(set_days(timestamps)[0].to_dict())
    _forbid_holidays(monkeypatch)
    freq, _ = set_days(timestamps[-20:], "XNYS", known=stored)
    assert freq.closed == stored.closed


def test_a_calendar_without_its_package_is_rejected_and_never_needed_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    timestamps = days("2022-01-03", "2023-12-22", without=NEW_YORK)
    _forbid_holidays(monkeypatch)
    assert set_days(timestamps)[0].calendar is None
    with pytest.raises(ResourceError, match="the calendar `XNYS` needs the package `holidays`"):
        set_days(timestamps, "XNYS")


def _forbid_holidays(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def guarded(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "holidays":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", guarded)


@pytest.mark.parametrize(("name", "near"), [("nyse", "NYSE"), ("DE-XX", None), ("weekday", "weekdays")])
def test_an_unknown_calendar_is_rejected(name: str, near: str | None) -> None:
    with pytest.raises(UsageError, match=f"unknown calendar `{name}`") as caught:
        named_days(name, 2024, 2025)
    assert near is None or f"did you mean `{near}`" in caught.value.message


def test_weeks_have_no_closed_days() -> None:
    weekly = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2024-06-01", "us"), np.timedelta64(7, "D"))
    with pytest.raises(UsageError, match="closes days, but the rows come in steps of W-MON"):
        set_days(weekly, "XNYS")


def test_open_days_stand_in_the_alias_that_a_user_may_write() -> None:
    for alias in ("B[1111110]", "5min[1111100 07:00-21:00]", "h[1111111 18:00-23:00]"):
        assert parse_frequency(alias).alias == alias


def test_the_setting_takes_any_name() -> None:
    assert DataSettings(calendar="DE-BY").calendar == "DE-BY"


def test_closed_days_are_not_learned_over_thousands_of_years() -> None:
    timestamps = np.append(days("2024-01-01", "2024-03-01"), np.datetime64("9024-03-04", "us"))
    with pytest.raises(DataError, match="from 2024-01-01 to 9024-03-04: too far for closed days to be learned"):
        set_open_days(
            Frequency("day"),
            rows_of(timestamps),
            timestamps,
            distinct=timestamps,
            asked=OpenDays("learned"),
            findings=[],
        )


def test_no_market_is_looked_for_over_thousands_of_years() -> None:
    timestamps = np.append(days("2024-01-01", "2024-03-01"), np.datetime64("9024-03-04", "us"))
    freq = Frequency("business-day")
    assert (
        set_open_days(freq, rows_of(timestamps), timestamps, distinct=timestamps, asked=OpenDays(), findings=[]) == freq
    )


def test_one_calendar_is_loaded_alone_and_holds_the_days_of_the_library() -> None:
    code = (
        "import sys; from rnnforecast.data.calendar.closed_days import holidays_of; "
        "mine = [str(day) for day in holidays_of('XNYS', 2018, 2020)]; "
        "assert 'holidays.countries' not in sys.modules; "
        "from holidays.financial import XNYS; "
        "print(mine == [str(day) for day in sorted(XNYS(years=range(2018, 2021)))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_library_that_keeps_its_calendars_otherwise_loads_them_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "_load_alone", lambda _: None)
    expected = closures.holidays_of("DE-BY", 2024, 2024).tolist()
    monkeypatch.undo()
    assert closures.holidays_of("DE-BY", 2024, 2024).tolist() == expected
    grammars._load_alone(object())  # nothing is known of it, and nothing happens
